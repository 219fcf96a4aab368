//! What can go wrong with an object, in words that never hold a credential.

use std::error::Error as StdError;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use object_store::Error as Cause;

use crate::place::without_secrets;

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in words. The answers of servers are cut short, and what may be a credential is
/// left out of them; the cause itself is not kept, because its `Debug` may show one.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    /// What was read: the URL, and which bytes of it.
    of: Option<(Arc<str>, Option<Range<u64>>)>,
}

/// What kind of a thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The URL is none, or of no store that is known, or the store cannot do what is asked.
    Place,
    /// There is no such object.
    Absent,
    /// The object is another than when it was opened.
    Changed,
    /// The store does not let us: credentials that are missing, wrong or expired.
    Denied,
    /// The file of a listing is none, is cut or contradicts itself.
    Listing,
    /// The cache on disk cannot be used as it is set.
    Cache,
    /// The reader was told to stop.
    Stopped,
    /// The store did not answer, or answered what cannot be used, each time it was asked.
    Failed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), of: None }
    }

    /// An error of the client.
    pub(crate) fn of(cause: &Cause) -> Self {
        match cause {
            Cause::NotFound { .. } => Self::new(ErrorKind::Absent, "no such object"),
            Cause::Precondition { .. } => Self::changed(),
            Cause::PermissionDenied { .. } => Self::denied("the store denies it", cause),
            Cause::Unauthenticated { .. } => {
                Self::denied("the store takes the credentials for none of its own", cause)
            }
            _ => Self::other(cause),
        }
    }

    /// What stores have no status for.
    fn other(cause: &Cause) -> Self {
        let said = said(cause);
        let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
        if has(&["ExpiredToken", "RequestTimeTooSkewed", "InvalidAccessKeyId"]) {
            return Self::denied("the store does not take the credentials any more", cause);
        }
        // Where machines of the clouds ask for theirs.
        if has(&["169.254.169.254", "169.254.170.", "metadata.google.internal"]) {
            let what = "the environment has no credentials, and this machine has none of its own; a public bucket of S3 \
                        needs AWS_SKIP_SIGNATURE=true, others need keys";
            return Self::denied(what, cause);
        }
        if has(&["Range request not supported", "non-partial response"]) {
            let message = "the server sends whole objects where a range is asked for; take a server that answers \
                           range requests, or copy the files to a disk";
            return Self::new(ErrorKind::Place, message);
        }
        if has(&["Content-Length Header missing"]) {
            let message = "the server sends ranges without saying how long they are; take one that does, or copy the \
                           files to a disk";
            return Self::new(ErrorKind::Place, message);
        }
        Self::new(ErrorKind::Failed, said)
    }

    pub(crate) fn changed() -> Self {
        Self::new(
            ErrorKind::Changed,
            "the object was written to since it was opened; open it again",
        )
    }

    pub(crate) fn stopped() -> Self {
        Self::new(ErrorKind::Stopped, "the loader was stopped")
    }

    fn denied(what: &str, cause: &Cause) -> Self {
        let message = format!(
            "{what}; see that the environment of this process has the credentials ({})",
            said(cause)
        );
        Self::new(ErrorKind::Denied, message)
    }

    /// The same, of `range` of the object at `url`.
    pub(crate) fn at(self, url: &Arc<str>, range: Option<Range<u64>>) -> Self {
        Self { of: Some((url.clone(), range)), ..self }
    }

    /// What went wrong, without the place, for those who name it themselves.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What kind of a thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.of {
            Some((url, Some(range))) => {
                write!(f, "bytes {} to {} of {url}: ", range.start, range.end)?;
            }
            Some((url, None)) => write!(f, "{url}: ")?,
            None => {}
        }
        f.write_str(&self.message)
    }
}

impl StdError for Error {}

/// What the innermost cause says, on one line and at most this long, without what may be secret.
fn said(cause: &Cause) -> String {
    const CHARS_MAX: usize = 300;
    let mut inner: &dyn StdError = cause;
    while let Some(source) = inner.source() {
        inner = source;
    }
    let own = cause.to_string();
    let innermost = inner.to_string();
    // The outer one has the number of tries, unless it leaves the inner one out.
    let text = if own.contains(&innermost) { own } else { format!("{own}: {innermost}") };
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text = without_secrets(&text);
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_credentials_is_told_so() {
        let source =
            "Error performing PUT http://169.254.169.254/latest/api/token: operation timed out"
                .into();
        let error = Error::of(&Cause::Generic { store: "S3", source });
        assert_eq!(error.kind(), ErrorKind::Denied);
        let message = error.message();
        assert!(
            message.contains("no credentials") && message.contains("AWS_SKIP_SIGNATURE"),
            "{message}"
        );
    }
}
