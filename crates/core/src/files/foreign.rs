//! What a file really is if it is not of the format that its name says, judged by its first bytes.

use super::Section;
use crate::error::quoted;
use crate::{Error, ErrorKind};

/// A format that was recognized.
#[derive(Debug)]
struct Found {
    what: String,
    /// What to do about it.
    advice: &'static str,
}

/// Enough for the mark of a tar archive, which is the farthest from the beginning.
const BEGINNING_BYTES: usize = 512;

const UNPACK: &str = "unpack it and name what is in it";
const ARRAY: &str = "load it and save its arrays with np.save";
const DECODE: &str = "decode it and save its pixels with np.save";
const NAME: &str = "give it the extension of its format";
const REPLACE: &str = "replace or remove it";
const DOWNLOAD: &str = "fetch the file again, this is what a server sent instead";

/// What `torch.save` writes, and what to do about it.
const CHECKPOINT: &str = "a checkpoint of torch";
const CONVERT: &str = "save its tensors with safetensors.torch.save_file";

/// The error of a zip archive that holds a member of this name, which is no array, where that tells what
/// the archive is.
#[cold]
pub(crate) fn no_npz(member: &str) -> Option<Error> {
    let is_checkpoint = member == "data.pkl" || member.ends_with("/data.pkl");
    is_checkpoint.then(|| {
        let message = format!("found {CHECKPOINT}, expected a .npz file; {CONVERT}");
        Error::new(ErrorKind::Foreign, message)
    })
}

/// The offset of a mark, the mark, what it says and what to do.
type Mark = (usize, &'static [u8], &'static str, &'static str);

const MARKS: [Mark; 33] = [
    (0, b"version https://git-lfs", "a Git LFS pointer", "fetch the data with `git lfs pull`"),
    (0, b"\x93NUMPY", "a .npy file", NAME),
    (0, b"PK\x03\x04", "a zip archive, such as .npz or a checkpoint of torch", ARRAY),
    (0, b"PK\x05\x06", "a zip archive of nothing", ARRAY),
    (0, b"\x1f\x8b", "gzip data", UNPACK),
    (0, b"BZh", "bzip2 data", UNPACK),
    (0, b"\xfd7zXZ\0", "xz data", UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "zstd data", UNPACK),
    (0, b"\x04\x22\x4d\x18", "lz4 data", UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (0, b"Rar!\x1a\x07", "a rar archive", UNPACK),
    (257, b"ustar", "a tar archive", NAME),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", ARRAY),
    (0, b"CDF\x01", "a NetCDF file", ARRAY),
    (0, b"CDF\x02", "a NetCDF file", ARRAY),
    (0, b"MATLAB", "a MATLAB file", ARRAY),
    (0, b"\x80\x02", "a pickle", ARRAY),
    (0, b"\x80\x03", "a pickle", ARRAY),
    (0, b"\x80\x04", "a pickle", ARRAY),
    (0, b"\x80\x05", "a pickle", ARRAY),
    (0, b"PAR1", "a Parquet file", NAME),
    (0, b"ARROW1", "an Arrow file", NAME),
    (0, b"GGUF", "a GGUF file", ARRAY),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG image", DECODE),
    (0, b"\xff\xd8\xff", "a JPEG image", DECODE),
    (0, b"GIF8", "a GIF image", DECODE),
    (0, b"II*\0", "a TIFF image", DECODE),
    (0, b"MM\0*", "a TIFF image", DECODE),
    (8, b"WEBP", "a WebP image", DECODE),
    (8, b"WAVE", "a WAV sound", "decode it and save its samples with np.save"),
    (0, b"%PDF", "a PDF document", REPLACE),
    (0, b"\x7fELF", "a program", REPLACE),
    (0, b"SQLite format 3\0", "an SQLite database", ARRAY),
];

/// The error of a `file` that was to be `expected`, where its beginning says that it is something
/// else.
#[cold]
pub(crate) fn error(file: Section<'_>, expected: &str) -> Option<Error> {
    let mut beginning = [0; BEGINNING_BYTES];
    let beginning = file.beginning(&mut beginning);
    let Found { what, advice } = recognize(beginning).filter(|f| f.what != expected)?;
    let message = format!("found {what}, expected {expected}; {advice}");
    Some(Error::new(ErrorKind::Foreign, message).with_offset(0))
}

/// The error of a file without pictures that begins with `beginning`, if that says what it is.
#[cold]
pub(crate) fn no_picture(beginning: &[u8]) -> Option<Error> {
    let beginning = &beginning[..beginning.len().min(BEGINNING_BYTES)];
    let Found { what, advice } = recognize(beginning)?;
    let advice = match advice {
        ARRAY | DECODE => "convert it to PNG or JPEG",
        NAME => REPLACE,
        _ => advice,
    };
    let message = format!("found {what}, expected a JPEG, PNG or WebP; {advice}");
    Some(Error::new(ErrorKind::Foreign, message).with_offset(0))
}

/// The error of a file that cannot be a table of text.
#[cold]
pub(crate) fn no_table(bytes: &[u8]) -> Option<Error> {
    let Found { what, advice } = recognize(&bytes[..bytes.len().min(BEGINNING_BYTES)])?;
    // A table is text, too.
    if what.starts_with("text ") {
        return None;
    }
    let advice = if matches!(advice, ARRAY | DECODE) { REPLACE } else { advice };
    let message = format!("found {what}, expected a table of text (.csv, .tsv, .jsonl); {advice}");
    Some(Error::new(ErrorKind::Foreign, message).with_offset(0))
}

fn recognize(beginning: &[u8]) -> Option<Found> {
    let has = |(at, mark, ..): &&Mark| beginning.get(*at..).is_some_and(|b| b.starts_with(mark));
    if let Some(found) = zip(beginning) {
        return Some(found);
    }
    if let Some((_, _, what, advice)) = MARKS.iter().find(has) {
        return Some(Found { what: (*what).to_owned(), advice });
    }
    // A length of eight bytes, and then JSON.
    if beginning.get(3..8).is_some_and(|high| high.iter().all(|&byte| byte == 0))
        && beginning.get(8) == Some(&b'{')
    {
        return Some(Found { what: "a .safetensors file".to_owned(), advice: NAME });
    }
    text(beginning)
}

/// A zip archive of a kind that its first member tells.
fn zip(beginning: &[u8]) -> Option<Found> {
    /// Where the name of the member is.
    const NAME_AT: usize = 30;
    let name = beginning.strip_prefix(b"PK\x03\x04").and(beginning.get(NAME_AT..))?;
    let len = usize::from(u16::from_le_bytes([beginning[26], beginning[27]]));
    let name = name.get(..len)?;
    if name.ends_with(b"data.pkl") {
        return Some(Found { what: CHECKPOINT.to_owned(), advice: CONVERT });
    }
    name.ends_with(b".npy").then(|| Found { what: "a .npz file".to_owned(), advice: NAME })
}

/// Text, recognized by its first characters.
fn text(beginning: &[u8]) -> Option<Found> {
    /// Less than this is no evidence.
    const BYTES_MIN: usize = 4;
    let text = match std::str::from_utf8(beginning) {
        Ok(text) => text,
        // The beginning may end within a character.
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&beginning[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return None,
    };
    let text = text.trim_start_matches('\u{feff}');
    let is_text = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    if text.len() < BYTES_MIN || !text.chars().all(is_text) {
        return None;
    }
    let start: String = text.trim_start().chars().take(9).collect::<String>().to_ascii_lowercase();
    if ["<!doctype", "<html", "<head", "<?xml"].iter().any(|mark| start.starts_with(mark)) {
        return Some(Found { what: "a web page".to_owned(), advice: DOWNLOAD });
    }
    let what = format!("text that begins with {}", quoted(text));
    Some(Found { what, advice: REPLACE })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn what(beginning: &[u8]) -> Option<String> {
        recognize(beginning).map(|found| found.what)
    }

    #[test]
    fn every_mark_is_recognized_at_its_offset() {
        for (at, mark, name, advice) in MARKS {
            let mut file = vec![0; at];
            file.extend(mark);
            file.extend([0xEE; 100]);
            assert_eq!(what(&file).as_deref(), Some(name));
            assert!(!advice.is_empty());
            assert_ne!(what(&file[..at + mark.len() - 1]).as_deref(), Some(name), "cut");
        }
        assert_eq!(what(b"\x40\0\0\0\0\0\0\0{\"a\"").as_deref(), Some("a .safetensors file"));
    }

    #[test]
    fn a_zip_archive_is_what_its_first_member_says() {
        let archive = |name: &str| {
            let mut bytes = b"PK\x03\x04".to_vec();
            bytes.resize(26, 0);
            bytes.extend((name.len() as u16).to_le_bytes());
            bytes.extend([0, 0]);
            bytes.extend(name.as_bytes());
            bytes
        };
        assert_eq!(what(&archive("model/data.pkl")).as_deref(), Some("a checkpoint of torch"));
        assert_eq!(what(&archive("x.npy")).as_deref(), Some("a .npz file"));
        assert!(what(&archive("mimetype")).unwrap().starts_with("a zip archive"));
        assert!(what(&archive("x.npy")[..32]).unwrap().starts_with("a zip archive"), "cut");
        assert!(no_npz("archive/data.pkl").unwrap().message().contains("safetensors.torch"));
        assert!(no_npz("x.txt").is_none());
    }

    #[test]
    fn what_is_no_picture_is_told_what_to_do_with() {
        let words = |beginning: &[u8]| no_picture(beginning).unwrap().message().to_owned();
        assert!(words(b"version https://git-lfs.github.com/spec/v1").ends_with("git lfs pull`"));
        assert!(
            words(b"II*\0 and so on")
                .ends_with("expected a JPEG, PNG or WebP; convert it to PNG or JPEG")
        );
        assert!(words(b"\x93NUMPY").contains("a .npy file"));
        assert!(words(&b"<html>".repeat(1000)).contains("a web page"));
        assert!(no_picture(&[0; 600]).is_none());
    }

    #[test]
    fn text_is_shown_escaped_and_short_and_pages_are_told_from_it() {
        let text = what("\u{202e}id,\u{1}".as_bytes());
        assert_eq!(text, None, "a control character is no text");
        let text = what("\u{202e}id,label\n".as_bytes()).unwrap();
        assert_eq!(text, "text that begins with \"\\u{202e}id,label\\n\"");
        assert!(what("né".repeat(400).as_bytes()).unwrap().len() < 150);
        assert_eq!(what(b"  <!DOCTYPE html>").as_deref(), Some("a web page"));
        assert_eq!(what(b"<?xml version").as_deref(), Some("a web page"));
        for nothing in [&b""[..], b"ab", b"\0\0\0\0\0\0\0\0\0\0", b"\xff\xfe\0\0ab"] {
            assert_eq!(what(nothing), None, "{nothing:?}");
        }
    }
}
