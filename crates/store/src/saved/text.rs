//! A listing as a file: text, a line per object.
//!
//! ```text
//! tallow-listing-1 <tab> OBJECTS <tab> URL
//! BYTES <tab> ENTITY TAG, or - <tab> NAME          in the byte order of the names
//! ```

use std::io::{BufRead, Write};

use super::packed::{Listed, Packed, order};
use crate::place::{parse, shortened};
use crate::{Error, ErrorKind, Result};

/// What the file of a listing begins with.
pub const LISTING_MARK: &[u8] = b"tallow-listing-1\t";

/// The longest line: stores have names of at most 1024 characters.
const LINE_BYTES_MAX: usize = 8 << 10;

/// Writes a listing.
pub(super) fn write(url: &str, packed: &Packed, into: &mut impl Write) -> std::io::Result<()> {
    into.write_all(LISTING_MARK)?;
    writeln!(into, "{}\t{url}", packed.len())?;
    let mut objects = packed.seek("");
    while let Some(Listed { name, bytes, etag }) = objects.next() {
        writeln!(into, "{bytes}\t{}\t{name}", etag.unwrap_or("-"))?;
    }
    into.flush()
}

/// Reads a listing: the URL, and what lies there.
///
/// # Errors
///
/// [`ErrorKind::Listing`], with the line, for anything that [`write`] does not write.
pub(super) fn read(from: impl BufRead) -> Result<(String, Packed)> {
    let mut lines = Lines { from, line: Vec::new(), count: 0 };
    let (count, url) = lines.first()?;
    let mut packed = Packed::default();
    while packed.len() as u64 != count {
        let Some(line) = lines.next()? else {
            let message = format!(
                "found {} objects, expected {count}, as its first line says: it is cut; list the store again",
                packed.len()
            );
            return Err(Error::new(ErrorKind::Listing, message));
        };
        let listed = listed(line).and_then(|it| in_order(&packed, it));
        let listed = listed.map_err(|what| lines_error(packed.len() + 2, &what))?;
        packed.push(listed);
    }
    if lines.next()?.is_some() {
        return Err(lines.error(&format!("more than the {count} objects that the first line says")));
    }
    packed.shrink();
    Ok((url, packed))
}

/// The lines of a file, each within a limit.
struct Lines<R> {
    from: R,
    line: Vec<u8>,
    count: usize,
}

impl<R: BufRead> Lines<R> {
    fn first(&mut self) -> Result<(u64, String)> {
        let line = self.next()?.unwrap_or_default();
        let rest = line.strip_prefix("tallow-listing-1\t").and_then(|rest| rest.split_once('\t'));
        let Some((count, url)) = rest else {
            return Err(
                self.error("no listing, which begins with tallow-listing-1, a count and a URL")
            );
        };
        let Ok(count) = count.parse() else {
            return Err(self.error("no number of objects"));
        };
        parse(url)?;
        Ok((count, url.to_owned()))
    }

    /// The next line without its end.
    fn next(&mut self) -> Result<Option<&str>> {
        use std::io::Read as _;
        self.line.clear();
        self.count += 1;
        let mut limited = (&mut self.from).take(LINE_BYTES_MAX as u64);
        let read = limited.read_until(b'\n', &mut self.line);
        read.map_err(|error| Error::new(ErrorKind::Failed, format!("cannot be read: {error}")))?;
        match self.line.pop() {
            None => Ok(None),
            Some(b'\n') => match std::str::from_utf8(&self.line) {
                Ok(line) => Ok(Some(line)),
                Err(_) => Err(lines_error(self.count, "no UTF-8")),
            },
            Some(_) if self.line.len() + 1 == LINE_BYTES_MAX => {
                Err(self.error(&format!("a line of more than {LINE_BYTES_MAX} bytes")))
            }
            Some(_) => {
                Err(self.error("a line without an end: the file is cut; list the store again"))
            }
        }
    }

    fn error(&self, what: &str) -> Error {
        lines_error(self.count, what)
    }
}

#[cold]
fn lines_error(line: usize, what: &str) -> Error {
    Error::new(ErrorKind::Listing, format!("line {line}: found {what}"))
}

fn listed(line: &str) -> std::result::Result<Listed<'_>, String> {
    let mut parts = line.splitn(3, '\t');
    let (Some(bytes), Some(etag), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("no object, expected its bytes, entity tag and name with tabs between".into());
    };
    let bytes =
        bytes.parse().map_err(|_| format!("{}, expected a number of bytes", shown(bytes)))?;
    check_name(name)?;
    check_etag(etag)?;
    Ok(Listed { name, bytes, etag: Some(etag).filter(|&etag| etag != "-") })
}

/// Whether an object can be called that where names are paths below a prefix.
pub(super) fn check_name(name: &str) -> std::result::Result<(), String> {
    let what = match () {
        () if name.chars().any(char::is_control) => "a control character in it",
        () if name.split('/').any(|part| part == ".." || part == ".") => "a part that is . or ..",
        () if name.split('/').any(str::is_empty) => "a part without characters",
        () if name.len() > LINE_BYTES_MAX / 2 => "too many characters",
        () => return Ok(()),
    };
    Err(format!("the name {} with {what}", shown(name)))
}

pub(super) fn check_etag(etag: &str) -> std::result::Result<(), String> {
    match etag.is_empty() || etag.len() > LINE_BYTES_MAX / 4 || etag.chars().any(char::is_control) {
        true => Err("no entity tag, expected one or -".into()),
        false => Ok(()),
    }
}

/// A text as a message quotes it.
fn shown(text: &str) -> String {
    format!("{:?}", shortened(text, 100))
}

fn in_order<'a>(packed: &Packed, listed: Listed<'a>) -> std::result::Result<Listed<'a>, String> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match order(packed.last(), listed.name) {
        Less => Ok(listed),
        Equal => Err(format!("{} for the second time", shown(listed.name))),
        Greater => {
            let (name, last) = (shown(listed.name), shown(packed.last()));
            Err(format!("{name} after {last}, expected the byte order of names (LC_ALL=C sort)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "tallow-listing-1\t3\ts3://bucket/train\n\
                        10\t00112233445566778899aabbccddeeff\tcat/a.jpg\n\
                        0\t-\tcat/b c.jpg\n\
                        18446744073709551615\tW/x\tdog/é.jpg\n";

    #[test]
    fn a_long_line_is_not_quoted_whole() {
        let long = "7".repeat(4000);
        for line in [format!("{long}\t-\tx"), format!("1\t-\ta{long}/..")] {
            let text = format!("tallow-listing-1\t1\thttp://h\n{line}\n");
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains("777..") && error.len() < 300, "{error}");
        }
    }

    #[test]
    fn a_listing_is_written_as_it_was_read() {
        let (url, packed) = read(TEXT.as_bytes()).unwrap();
        let mut text = Vec::new();
        write(&url, &packed, &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), TEXT);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_is_refused() {
        for end in 0..TEXT.len() {
            let error = read(&TEXT.as_bytes()[..end]).unwrap_err();
            let kind = error.kind();
            assert!([ErrorKind::Listing, ErrorKind::Place].contains(&kind), "{end}: {error}");
        }
    }

    #[test]
    fn a_file_that_is_damaged_is_refused_or_means_what_it_says() {
        let mut state = 7u64;
        let mut draw = |most: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as usize % most
        };
        let mut read_as_written = 0;
        for _ in 0..20_000 {
            let mut bytes = TEXT.as_bytes().to_vec();
            for _ in 0..=draw(2) {
                let (at, other) = (draw(bytes.len()), draw(bytes.len()));
                match draw(4) {
                    0 => bytes[at] = draw(256) as u8,
                    1 => bytes[at] = bytes[other],
                    2 => drop(bytes.remove(at)),
                    _ => bytes.insert(at, bytes[other]),
                }
            }
            let Ok((url, packed)) = read(&bytes[..]) else { continue };
            let mut text = Vec::new();
            write(&url, &packed, &mut text).unwrap();
            // Numbers may have signs and zeros that nobody writes.
            let (again, same) = read(&text[..]).map(|(url, packed)| (url, packed.len())).unwrap();
            assert_eq!((again, same), (url, packed.len()));
            read_as_written += usize::from(text == bytes);
        }
        assert!(read_as_written > 100, "{read_as_written}");
    }

    #[test]
    fn what_nobody_lists_is_refused_with_its_line() {
        let long = "x".repeat(LINE_BYTES_MAX);
        for (from, to, said) in [
            ("tallow-listing-1", "tallow-listing-2", "line 1: found no listing"),
            ("\t3\t", "\tx\t", "line 1: found no number of objects"),
            ("\t3\t", "\t2\t", "line 4: found more than the 2 objects"),
            ("\t3\t", "\t4\t", "found 3 objects, expected 4"),
            ("s3://bucket", "bucket", "is no URL"),
            ("s3://bucket", "https://me:hunter22@host", "may hold a credential"),
            ("cat/b c", "cat/a", "line 3: found \"cat/a.jpg\" for the second time"),
            (
                "cat/b c",
                "ape/b",
                "line 3: found \"ape/b.jpg\" after \"cat/a.jpg\", expected the byte",
            ),
            (
                "cat/b c",
                "cat/../b",
                "line 3: found the name \"cat/../b.jpg\" with a part that is . or ..",
            ),
            ("cat/b c", "cat//b", "a part without characters"),
            ("cat/a", "/cat/a", "a part without characters"),
            ("cat/b c", "cat/b\u{1b}", "a control character"),
            ("cat/b c", &long, "line 3: found a line of more than 8192 bytes"),
            ("\n0\t", "\n-1\t", "line 3: found \"-1\", expected a number of bytes"),
            ("\n0\t-\t", "\n0\t\t", "line 3: found no entity tag"),
            ("\n0\t-\t", "\n0\t-", "line 3: found no object"),
        ] {
            let text = TEXT.replace(from, to);
            assert_ne!(text, TEXT);
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(said), "{error}, expected {said}");
            assert!(!error.contains("hunter22"), "{error}");
        }
        let error = read(&b"tallow-listing-1\t1\ts3://b\n1\t-\t\xff\n"[..]).unwrap_err();
        assert!(error.to_string().contains("line 2: found no UTF-8"), "{error}");
    }
}
