//! What lies below a prefix.

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStoreExt, ObjectStoreScheme};

use crate::clients::Place;
use crate::persist::persist;
use crate::runtime::wait_for;
use crate::saved::{bare, known};
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The path below the prefix that was listed.
    pub name: &'a str,
    /// Whether it is a prefix itself.
    pub is_prefix: bool,
    /// The entity tag of an object without quotes, if the store gave one.
    pub etag: Option<&'a str>,
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
    if let Some((listing, below)) = known(&place) {
        return match () {
            () if below.is_empty() || listing.has_below(&format!("{below}/")) => Ok(Kind::Prefix),
            () if listing.find(&below).is_some() => Ok(Kind::Object),
            () => Err(listing.absent()),
        };
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

/// Visits what lies below the prefix `url` until `visit` returns `false`: the objects and the prefixes directly below
/// it, or with `all` every object, however deep, in the byte order of the names.
///
/// # Errors
///
/// What the store failed at: HTTP servers have no listing but by WebDAV.
pub fn visit_entries(url: &str, all: bool, visit: &mut dyn FnMut(Entry<'_>) -> bool) -> Result<()> {
    let place = Place::of(url)?;
    if let Some((listing, mut below)) = known(&place) {
        if !below.is_empty() {
            below.push('/');
        }
        listing.visit(&below, all, &mut |name, listed| {
            let etag = listed.and_then(|listed| listed.etag);
            visit(Entry { name, is_prefix: listed.is_none(), etag })
        });
        return Ok(());
    }
    let entries = wait_for(async move { entries_of(&place, all).await }, &|| false)?;
    let entry = |Found { name, is_prefix, etag, .. }: &Found| {
        visit(Entry { name, is_prefix: *is_prefix, etag: etag.as_deref() })
    };
    // Until one of them says that it is enough.
    let _ = entries.iter().all(entry);
    Ok(())
}

/// What a store lists.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: String,
    is_prefix: bool,
    pub(crate) bytes: u64,
    pub(crate) etag: Option<String>,
}

/// Below a prefix, in the order of the names, each once.
pub(crate) async fn entries_of(place: &Place, all: bool) -> Result<Vec<Found>> {
    let prefix = Some(&place.path).filter(|path| !path.as_ref().is_empty());
    let mut entries = Vec::new();
    let mut add = |path: &Path, meta: Option<&ObjectMeta>| {
        let below = match prefix {
            Some(prefix) => path.as_ref().strip_prefix(prefix.as_ref()),
            None => Some(path.as_ref()),
        };
        // What some stores keep to have a folder is the prefix itself.
        if let Some(name) = below.map(|it| it.trim_start_matches('/')).filter(|it| !it.is_empty()) {
            let etag = meta.and_then(|meta| meta.e_tag.as_deref()).map(bare);
            let bytes = meta.map_or(0, |meta| meta.size);
            entries.push(Found { name: name.to_owned(), is_prefix: meta.is_none(), bytes, etag });
        }
    };
    if all {
        let objects = persist(|| place.client.list(prefix).try_collect::<Vec<_>>()).await;
        let objects = objects.map_err(|error| listing_failed(place, error))?;
        objects.iter().for_each(|meta| add(&meta.location, Some(meta)));
    } else {
        let listed = persist(|| place.client.list_with_delimiter(prefix)).await;
        let listed = listed.map_err(|error| listing_failed(place, error))?;
        listed.objects.iter().for_each(|meta| add(&meta.location, Some(meta)));
        listed.common_prefixes.iter().for_each(|path| add(path, None));
    }
    entries.sort_unstable_by(|a, b| (&a.name, a.is_prefix).cmp(&(&b.name, b.is_prefix)));
    entries.dedup_by(|a, b| (&a.name, a.is_prefix) == (&b.name, b.is_prefix));
    Ok(entries)
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
