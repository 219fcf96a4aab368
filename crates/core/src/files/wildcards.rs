//! Many files by one word: braces, and stars.

#[cfg(feature = "remote")]
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

use super::{exists, is_stored, shown};
use crate::{Error, ErrorKind, Result};

/// The most words that braces may stand for.
const WORDS_MAX: usize = 1 << 20;

/// The files that `place` stands for, if it has braces or wildcards and is no file itself:
/// `train-{000..099}.tar`, `{train,extra}.tar`, `shards/*.tar`, `part-[0-9].tar`.
///
/// Braces stand for words in the order in which they are written, and each of them must be there. What
/// a star finds is in the byte order of the paths, without hidden files.
pub(crate) fn expand(place: &Path) -> Result<Option<Vec<PathBuf>>> {
    // A store is not asked for an object with such a name: each question takes a tenth of a second.
    let is_there = |path: &Path| !is_stored(path) && path.exists();
    if !has_any(place) || is_there(place) {
        return Ok(None);
    }
    let refused = |what: String| Error::new(ErrorKind::Config, what).with_path(place);
    let Some(text) = place.to_str() else {
        return Err(refused("is a pattern that is not UTF-8; list the files instead".into()));
    };
    let mut files = Vec::new();
    for word in words(text).map_err(refused)? {
        let before = files.len();
        if !has_any(Path::new(&word)) || is_there(Path::new(&word)) {
            files.push(PathBuf::from(&word));
        } else {
            files.extend(matches(&word).map_err(refused)?);
        }
        // What is in a store is asked for when it is opened, so that a hundred shards are not asked for twice.
        let is_there = |path: &PathBuf| is_stored(path) || exists(path);
        if !files[before..].iter().all(is_there) || files.len() == before {
            let message = format!("no file {word:?}");
            return Err(Error::new(ErrorKind::Empty, message).with_path(place));
        }
    }
    Ok(Some(files))
}

/// Whether there are braces or wildcards. In a URL they come after the host, which may be in brackets, and
/// a question mark is the beginning of a query. A URL that may hold a credential is none that stands for
/// others: as it is, it will be refused.
fn has_any(place: &Path) -> bool {
    let bytes = place.as_os_str().as_encoded_bytes();
    match is_stored(place) {
        true => {
            let has_any = bytes[host_end(bytes)..].iter().any(|byte| b"{*[".contains(byte));
            has_any && shown(place.to_owned()) == place
        }
        false => bytes.iter().any(|byte| b"{*?[".contains(byte)),
    }
}

/// Where the host of a URL ends.
fn host_end(url: &[u8]) -> usize {
    let slashes = url.iter().enumerate().filter(|&(_, &byte)| byte == b'/');
    slashes.map(|(at, _)| at).nth(2).unwrap_or(url.len())
}

/// Hidden names are not found, and a star matches within one name: never a slash.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// What a wildcard finds, in byte order.
fn matches(word: &str) -> std::result::Result<Vec<PathBuf>, String> {
    #[cfg(feature = "remote")]
    if is_stored(Path::new(word)) {
        return matches_stored(word);
    }
    let found = glob::glob_with(word, OPTIONS).map_err(|error| error.to_string())?;
    let mut files: Vec<PathBuf> =
        found.collect::<std::result::Result<_, _>>().map_err(|error| error.to_string())?;
    files.sort_unstable_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    Ok(files)
}

/// What a wildcard finds in a store, which lists what is below the part before it.
#[cfg(feature = "remote")]
fn matches_stored(word: &str) -> std::result::Result<Vec<PathBuf>, String> {
    let host = host_end(word.as_bytes());
    let first = word[host..].find(['*', '[']).map_or(word.len(), |at| host + at);
    let Some((folder, rest)) = word[..first].rfind('/').map(|at| word.split_at(at + 1)) else {
        return Err("a wildcard in the name of a store".into());
    };
    let pattern = glob::Pattern::new(rest).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    let visited =
        super::stored::visit_entries(folder, rest.contains('/'), &mut |name, is_folder, _| {
            let name = name.to_str().ok().filter(|_| !is_folder);
            if let Some(name) = name.filter(|name| pattern.matches_with(name, OPTIONS)) {
                files.push(PathBuf::from(format!("{folder}{name}")));
            }
            ControlFlow::Continue(())
        });
    visited.map_err(|error| error.message().to_owned())?;
    files.sort_unstable();
    Ok(files)
}

/// The words that braces stand for, the last braces changing first. A pair of braces without a comma
/// and without `..` stands for itself, as in a shell.
fn words(text: &str) -> std::result::Result<Vec<String>, String> {
    let Some((before, choices, after)) = first_braces(text)? else {
        return Ok(vec![text.to_owned()]);
    };
    let rest = words(after)?;
    let mut all = Vec::new();
    for choice in choices {
        for choice in words(&choice)? {
            if all.len() + rest.len() > WORDS_MAX {
                return Err(format!("braces stand for more than {WORDS_MAX} files"));
            }
            all.extend(rest.iter().map(|rest| format!("{before}{choice}{rest}")));
        }
    }
    Ok(all)
}

type Braces<'a> = (String, Vec<String>, &'a str);

/// What is before the first braces that stand for several words, these, and what is after them.
fn first_braces(text: &str) -> std::result::Result<Option<Braces<'_>>, String> {
    for (open, _) in text.match_indices('{') {
        let Some(close) = closing(&text[open..]) else { continue };
        let (inner, after) = (&text[open + 1..open + close], &text[open + close + 1..]);
        let choices = match parts(inner) {
            parts if parts.len() > 1 => parts.into_iter().map(str::to_owned).collect(),
            _ => match range(inner)? {
                Some(choices) => choices,
                None => continue,
            },
        };
        return Ok(Some((text[..open].to_owned(), choices, after)));
    }
    Ok(None)
}

/// Where the brace closes with which `text` begins.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    text.bytes().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

/// The parts between commas that are in no braces.
fn parts(inner: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    inner
        .split(|letter| {
            match letter {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            letter == ',' && depth == 0
        })
        .collect()
}

/// The numbers of a range like `000..099`, upwards or downwards. Where one of its ends begins with a
/// zero, all have the digits of the longer end.
fn range(inner: &str) -> std::result::Result<Option<Vec<String>>, String> {
    let Some((first, last)) = inner.split_once("..") else { return Ok(None) };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !is_number(first) || !is_number(last) {
        return Ok(None);
    }
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| format!("{text} in braces is too large a number"))
    };
    let (from, to) = (number(first)?, number(last)?);
    if from.abs_diff(to) >= WORDS_MAX as u64 {
        return Err(format!("braces stand for more than {WORDS_MAX} files"));
    }
    let is_padded = |text: &str| text.len() > 1 && text.starts_with('0');
    let digits = match is_padded(first) || is_padded(last) {
        true => first.len().max(last.len()),
        false => 0,
    };
    let text = |number: u64| format!("{number:0digits$}");
    Ok(Some(match from <= to {
        true => (from..=to).map(text).collect(),
        false => (to..=from).rev().map(text).collect(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_stand_for_what_a_shell_makes_of_them() {
        for (text, expected) in [
            ("a", &["a"][..]),
            ("a-{00..03}.tar", &["a-00.tar", "a-01.tar", "a-02.tar", "a-03.tar"]),
            ("{8..11}", &["8", "9", "10", "11"]),
            ("{08..11}", &["08", "09", "10", "11"]),
            ("{2..0}", &["2", "1", "0"]),
            ("{a,b}/{0..1}", &["a/0", "a/1", "b/0", "b/1"]),
            ("x{a,{0..1},}", &["xa", "x0", "x1", "x"]),
            ("{a}{1..}{", &["{a}{1..}{"]),
            ("{a}-{0..1}", &["{a}-0", "{a}-1"]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn braces_for_more_files_than_anyone_has_are_refused() {
        for text in ["{0..99999999}", "{0..1000}{0..1000}{0..9}", "{0..99999999999999999999}"] {
            assert!(words(text).is_err(), "{text}");
        }
    }

    #[test]
    #[cfg(feature = "remote")]
    fn a_url_has_wildcards_after_its_host_and_none_in_a_query() {
        for (url, expected) in [
            ("http://[::1]:80/a.tar", false),
            ("http://[::1]:80/{a,b}.tar", true),
            ("s3://bucket/*.tar", true),
            ("https://host/a.tar?sig=x", false),
            ("https://me:secret@host/{0..9}.tar", false),
            ("https://host", false),
        ] {
            assert_eq!(has_any(Path::new(url)), expected, "{url}");
        }
    }

    #[test]
    fn a_star_finds_files_in_order_and_a_file_that_braces_name_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.tar", "a.tar", ".c.tar", "d{1,2}.tar", "x1.tar"] {
            std::fs::write(dir.path().join(name), "").unwrap();
        }
        let names = |pattern: &str| {
            let files = expand(&dir.path().join(pattern))?.unwrap_or_default();
            let name =
                |file: &PathBuf| file.strip_prefix(dir.path()).unwrap().display().to_string();
            Ok::<_, Error>(files.iter().map(name).collect::<Vec<_>>())
        };
        assert_eq!(names("*.tar").unwrap(), ["a.tar", "b.tar", "d{1,2}.tar", "x1.tar"]);
        assert_eq!(names("{b,a}.tar").unwrap(), ["b.tar", "a.tar"]);
        assert_eq!(names("[ab].tar").unwrap(), ["a.tar", "b.tar"]);
        assert!(names("d{1,2}.tar").unwrap().is_empty(), "a file of this very name");
        for (pattern, missing) in [("x{1..2}.tar", "x2.tar"), ("*.zip", "*.zip")] {
            let error = names(pattern).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Empty);
            assert!(error.message().contains(missing), "{error}");
        }
    }
}
