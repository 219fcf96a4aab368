//! URLs, and what must not be shown of them.

use std::borrow::Cow;

use url::Url;

use crate::{Error, ErrorKind, Result};

/// What URLs of stores begin with.
const SCHEMES: [&str; 10] =
    ["http", "https", "s3", "s3a", "gs", "az", "azure", "adl", "abfs", "abfss"];

/// Variables whose values are secret.
const SECRETS: [&str; 12] = [
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CLIENT_SECRET",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_TOKEN",
];

/// Whether `text` is the URL of an object or of a prefix of objects: `https://host/a.tar`,
/// `s3://bucket/folder`.
pub fn is_url(text: &[u8]) -> bool {
    SCHEMES.iter().any(|scheme| {
        let rest = text.get(scheme.len()..).unwrap_or_default();
        rest.starts_with(b"://") && text[..scheme.len()].eq_ignore_ascii_case(scheme.as_bytes())
    })
}

/// `text` without what may be a credential: user names and queries of URLs, and the values of the
/// environment's secret variables.
pub fn without_secrets(text: &str) -> Cow<'_, str> {
    let secrets = SECRETS.iter().filter_map(|name| std::env::var(name).ok());
    without(text, secrets.filter(|secret| secret.len() >= SECRET_CHARS_MIN))
}

/// Shorter values are no secrets, but would be found everywhere.
const SECRET_CHARS_MIN: usize = 8;

fn without(text: &str, secrets: impl Iterator<Item = String>) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets.filter(|secret| !secret.is_empty()) {
        if text.contains(&secret) {
            text = Cow::Owned(text.replace(&secret, "***"));
        }
    }
    if !text.contains("://") {
        return text;
    }
    Cow::Owned(text.split_inclusive(' ').map(bare).collect())
}

/// A word without the user name and the query of the URL that it may be.
fn bare(word: &str) -> String {
    let Some((scheme, rest)) = word.split_once("://") else { return word.to_owned() };
    let host_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(host_end);
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let end = if word.ends_with(' ') { " " } else { "" };
    match path.split_once('?') {
        Some((path, _)) => format!("{scheme}://{host}{path}?***{end}"),
        None => format!("{scheme}://{host}{path}"),
    }
}

/// The URL `text`, which holds nothing secret.
///
/// # Errors
///
/// [`ErrorKind::Place`] for what is none, and for one with a user name, a query or a fragment.
pub(crate) fn parse(text: &str) -> Result<Url> {
    let refused = |what: String| Error::new(ErrorKind::Place, what);
    let url = Url::parse(text).map_err(|error| refused(format!("is no URL: {error}")))?;
    let is_azure = url.scheme().starts_with("a");
    let has_user = !url.username().is_empty() && !is_azure || url.password().is_some();
    if has_user || url.query().is_some() || url.fragment().is_some() {
        let what = "a URL with a user name, a password, a query or a fragment, which may hold a \
                    credential; take the bare URL, and give credentials by the environment";
        return Err(refused(what.into()));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err(refused("a URL without a host or bucket".into()));
    }
    Ok(url)
}

/// What a message shows of a text that may be long: at most so many characters of it.
pub(crate) fn shortened(text: &str, chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars) {
        Some((end, _)) => Cow::Owned(format!("{}..", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for url in ["s3://b/a", "HTTPS://h/a", "http://h", "abfss://c@a.dfs.core.windows.net/x"] {
            assert!(is_url(url.as_bytes()), "{url}");
        }
        for path in ["s3:/b", "a/s3://b", "file:///x", "http", "", "s4://x"] {
            assert!(!is_url(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn what_may_be_a_credential_is_not_shown() {
        let shown =
            |text: &str| without(text, ["wJalrXUtnFEMI".to_owned()].into_iter()).into_owned();
        assert_eq!(shown("GET http://u:p@h/a?sig=abc in 1 s"), "GET http://h/a?*** in 1 s");
        assert_eq!(shown("(https://h/a?X-Amz-Signature=1)"), "(https://h/a?***");
        assert_eq!(shown("key wJalrXUtnFEMI, s3://b/k"), "key ***, s3://b/k");
        assert_eq!(shown("https://h?x=a@b"), "https://h?***");
        assert_eq!(shown("why? no@body"), "why? no@body");
    }

    #[test]
    fn urls_that_may_hold_a_credential_are_refused_without_being_shown() {
        for url in ["https://h/a?sig=secret", "https://secret@h/a", "s3://k:secret@b/a"] {
            let error = parse(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Place, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
        parse("abfss://container@account.dfs.core.windows.net/x").unwrap();
    }
}
