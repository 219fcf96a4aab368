//! Words of a command line that can be pasted into a shell.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use crate::terminal::escape;

/// `word` so that a shell reads it back and a terminal shows it: plain if possible, otherwise in
/// single quotes, or with the escapes of bash, zsh and ksh for what cannot be shown.
pub(crate) fn quoted(word: &OsStr) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_=+/.,:@%".contains(c);
    match word.to_str() {
        // zsh replaces a word that begins with = by the path of a program.
        Some(word) if !word.is_empty() && word.chars().all(is_plain) && !word.starts_with('=') => {
            word.to_owned()
        }
        Some(word) if escape::is_shown(word) => {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
        _ => escaped(word.as_encoded_bytes()),
    }
}

/// A path as an argument. One that begins with a dash would be an option, but a dash alone is the standard input.
pub(crate) fn path(path: &Path) -> String {
    let word = path.as_os_str();
    if word.as_encoded_bytes().starts_with(b"-") && word != "-" {
        return quoted(Path::new(".").join(path).as_os_str());
    }
    quoted(word)
}

/// How this program was called, so that the commands it suggests work in the same place.
pub(crate) fn program() -> String {
    std::env::args_os().next().map_or_else(|| "bench-loader".to_owned(), |name| quoted(&name))
}

/// Bytes in octal, which ends after three digits, whatever follows.
fn escaped(bytes: &[u8]) -> String {
    let mut out = "$'".to_owned();
    for &byte in bytes {
        match byte {
            b'\'' | b'\\' => out.extend(['\\', char::from(byte)]),
            b' '..=b'~' => out.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => drop(write!(out, "\\{byte:03o}")),
        }
    }
    out + "'"
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn a_shell_reads_back_every_word_that_was_quoted() {
        let words: [&[u8]; 16] = [
            b"plain/path-1.npy",
            b"",
            b"two words",
            b"it's",
            b"$HOME `ls` $(ls)",
            b"a\nb",
            b"\x1b]0;title\x07",
            b"\xff\xfe not UTF-8",
            "caf\u{e9} \u{202e}gnp".as_bytes(),
            b"!! * ? [a] {b,c} ~ #",
            b"~/x",
            b"=ls",
            b"back\\slash \\n",
            b"\"double\"",
            b"a;b&c|d>e<f",
            b"\x01\x012",
        ];
        for word in words {
            let word = OsStr::from_bytes(word);
            let script = format!("printf %s {}", quoted(word));
            assert!(script.chars().all(|c| !c.is_control()), "{script:?}");
            // Other shells know these escapes too, but not every system has them.
            let Ok(output) = Command::new("bash").args(["-c", &script]).output() else { return };
            assert_eq!(OsStr::from_bytes(&output.stdout), word, "{script}");
        }
    }

    #[test]
    fn a_path_is_no_option() {
        assert_eq!(path(Path::new("-rf x")), "'./-rf x'");
        assert_eq!(path(Path::new("-")), "-");
        assert_eq!(path(Path::new("/a/-b")), "/a/-b");
    }
}
