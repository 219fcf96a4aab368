//! What lies below a prefix.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectStoreExt, ObjectStoreScheme};

use crate::clients::Place;
use crate::persist::persist;
use crate::runtime::wait_for;
use crate::{Error, ErrorKind, Result};

/// What lies at a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An object.
    Object,
    /// A prefix of objects, which is what stores have for folders.
    Prefix,
}

/// An object or a prefix below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The path below the prefix that was listed.
    pub name: String,
    /// Whether it is a prefix itself.
    pub is_prefix: bool,
}

/// What lies at `url`: one that ends in a slash is a prefix.
///
/// # Errors
///
/// [`ErrorKind::Absent`] when nothing does, and what the store failed at.
pub fn kind(url: &str) -> Result<Kind> {
    let place = Place::of(url)?;
    if url.ends_with('/') || place.path.as_ref().is_empty() {
        return Ok(Kind::Prefix);
    }
    wait_for(async move { kind_of(&place).await }, &|| false)
}

async fn kind_of(place: &Place) -> Result<Kind> {
    match persist(|| place.client.head(&place.path)).await {
        Ok(_) => return Ok(Kind::Object),
        Err(error) if error.kind() == ErrorKind::Absent => {}
        Err(error) => return Err(error),
    }
    let below = entries_of(place, false).await;
    match below.is_ok_and(|below| !below.is_empty()) {
        true => Ok(Kind::Prefix),
        false => Err(Error::new(ErrorKind::Absent, "no such object, and none below it")),
    }
}

/// What lies below the prefix `url`, in the order of the names: its objects and the prefixes directly
/// below it, or with `all` every object, however deep.
///
/// # Errors
///
/// What the store failed at: HTTP servers have no listing but by WebDAV.
pub fn entries(url: &str, all: bool) -> Result<Vec<Entry>> {
    let place = Place::of(url)?;
    wait_for(async move { entries_of(&place, all).await }, &|| false)
}

async fn entries_of(place: &Place, all: bool) -> Result<Vec<Entry>> {
    let prefix = Some(&place.path).filter(|path| !path.as_ref().is_empty());
    let mut entries = BTreeSet::new();
    let mut add = |path: &Path, is_prefix: bool| {
        let below = match prefix {
            Some(prefix) => path.as_ref().strip_prefix(prefix.as_ref()),
            None => Some(path.as_ref()),
        };
        // What some stores keep to have a folder is the prefix itself.
        if let Some(name) = below.map(|it| it.trim_start_matches('/')).filter(|it| !it.is_empty()) {
            entries.insert(Entry { name: name.to_owned(), is_prefix });
        }
    };
    if all {
        let objects = persist(|| place.client.list(prefix).try_collect::<Vec<_>>()).await;
        let objects = objects.map_err(|error| listing_failed(place, error))?;
        objects.iter().for_each(|meta| add(&meta.location, false));
    } else {
        let listed = persist(|| place.client.list_with_delimiter(prefix)).await;
        let listed = listed.map_err(|error| listing_failed(place, error))?;
        listed.objects.iter().for_each(|meta| add(&meta.location, false));
        listed.common_prefixes.iter().for_each(|path| add(path, true));
    }
    Ok(entries.into_iter().collect())
}

fn listing_failed(place: &Place, own: Error) -> Error {
    match place.scheme {
        ObjectStoreScheme::Http if own.kind() == ErrorKind::Failed => {
            let message = format!(
                "the HTTP server lists nothing, which takes WebDAV; name the files, as in \
                 train-{{000..099}}.tar ({own})"
            );
            Error::new(ErrorKind::Failed, message)
        }
        _ => own,
    }
}
