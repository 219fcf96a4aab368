//! One request for a range of an object, and what makes sure that it is of the same object.

use std::ops::Range;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::try_join_all;
use object_store::{GetOptions, GetRange, GetResult, ObjectMeta};
use tokio::sync::Semaphore;

use crate::clients::Place;
use crate::{Error, ErrorKind, Result};

/// The most that one request asks for. A connection of a store brings about 90 MB/s, so this is a tenth of a
/// second, which is what the first byte takes too; and what is lost with a connection is no more.
pub(crate) const REQUEST_BYTES_MAX: u64 = 8 << 20;

/// How many requests the process has under way at once: with the above, half a GiB in flight, which is
/// more than a line of 10 Gbit/s carries in the tenth of a second that a store takes to answer.
const REQUESTS_MAX: usize = 64;

static REQUESTS: Semaphore = Semaphore::const_new(REQUESTS_MAX);

/// How often a body is asked for that ended early. Those of objects with an entity tag are resumed
/// where they ended, which the client does by itself.
const BODIES_MAX: u32 = 4;

/// What tells that an object is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) bytes: u64,
    etag: Option<String>,
    modified: i64,
}

impl Identity {
    fn of(meta: &ObjectMeta) -> Self {
        let (bytes, etag) = (meta.size, meta.e_tag.clone());
        Self { bytes, etag, modified: meta.last_modified.timestamp() }
    }

    /// Servers that tell no entity tag, or one that may stand for several contents, are not asked to
    /// compare it; and none that leave out the time have another one each second.
    fn is(&self, meta: &ObjectMeta) -> bool {
        let found = Self::of(meta);
        let same_time = self.etag.is_some() || self.modified == found.modified;
        self.bytes == found.bytes && self.etag == found.etag && same_time
    }

    fn strong_etag(&self) -> Option<String> {
        self.etag.clone().filter(|etag| !etag.starts_with("W/"))
    }
}

/// The first bytes of an object, at most `most` of them, and what tells that it is the same.
pub(crate) async fn beginning(place: Place, most: u64) -> Result<(Identity, Vec<u8>)> {
    let _permit = permit().await?;
    let range = Some(GetRange::Bounded(0..most.clamp(1, REQUEST_BYTES_MAX)));
    let mut tries = 1;
    loop {
        let options = GetOptions { range: range.clone(), ..Default::default() };
        let result = match place.client.get_opts(&place.path, options).await {
            Ok(result) => result,
            Err(error) => return without_bytes(&place, error).await,
        };
        let identity = Identity::of(&result.meta);
        match body(result).await {
            Ok(bytes) => return Ok((identity, bytes)),
            Err(error) => again(&mut tries, error).await?,
        }
    }
}

/// Nothing is a range of an object without bytes, which is told by an error that only says so in words.
async fn without_bytes(place: &Place, error: object_store::Error) -> Result<(Identity, Vec<u8>)> {
    if matches!(error, object_store::Error::Generic { .. })
        && let Ok(meta) = object_store::ObjectStoreExt::head(&*place.client, &place.path).await
        && meta.size == 0
    {
        return Ok((Identity::of(&meta), Vec::new()));
    }
    Err(Error::of(&error))
}

/// The bytes of `range`, which is within the object, by requests that run at once.
pub(crate) async fn ranges(
    place: Place,
    identity: Identity,
    range: Range<u64>,
) -> Result<Vec<Vec<u8>>> {
    let starts = range.clone().step_by(REQUEST_BYTES_MAX as usize);
    let parts = starts.map(|start| start..range.end.min(start + REQUEST_BYTES_MAX));
    try_join_all(parts.map(|part| one_range(&place, &identity, part))).await
}

/// The bytes of `range`, at most [`REQUEST_BYTES_MAX`].
pub(crate) async fn one_range(
    place: &Place,
    identity: &Identity,
    range: Range<u64>,
) -> Result<Vec<u8>> {
    let _permit = permit().await?;
    let mut tries = 1;
    loop {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: identity.strong_etag(),
            ..Default::default()
        };
        let result = place.client.get_opts(&place.path, options).await;
        let result = result.map_err(|error| Error::of(&error))?;
        if !identity.is(&result.meta) {
            return Err(Error::changed());
        }
        match body(result).await {
            Ok(bytes) => return Ok(bytes),
            Err(error) => again(&mut tries, error).await?,
        }
    }
}

async fn permit() -> Result<tokio::sync::SemaphorePermit<'static>> {
    let closed = |_| Error::new(ErrorKind::Failed, "no request is taken any more");
    REQUESTS.acquire().await.map_err(closed)
}

/// Sleeps before a body is asked for once more, unless it was often enough.
async fn again(tries: &mut u32, error: Error) -> Result<()> {
    if *tries == BODIES_MAX {
        let message = format!("{error}, {BODIES_MAX} times");
        return Err(Error::new(error.kind(), message));
    }
    tokio::time::sleep(Duration::from_millis(50 << *tries)).await;
    *tries += 1;
    Ok(())
}

/// All bytes of an answer, which are as many as it announced.
async fn body(result: GetResult) -> Result<Vec<u8>> {
    let announced = result.range.end - result.range.start;
    let mut bytes = Vec::new();
    let room = usize::try_from(announced.min(REQUEST_BYTES_MAX)).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(room).map_err(|_| {
        Error::new(ErrorKind::Failed, format!("no memory for {announced} bytes of an object"))
    })?;
    let mut pieces = result.into_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| Error::of(&error))?;
        if (bytes.len() + piece.len()) as u64 > announced {
            return Err(wrong_length("more than", announced));
        }
        bytes.extend_from_slice(&piece);
    }
    match bytes.len() as u64 == announced {
        true => Ok(bytes),
        false => Err(wrong_length(&format!("{} bytes instead of", bytes.len()), announced)),
    }
}

fn wrong_length(found: &str, announced: u64) -> Error {
    let message = format!("the store sent {found} the {announced} bytes that it announced");
    Error::new(ErrorKind::Failed, message)
}
