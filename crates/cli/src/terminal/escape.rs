//! Text that a terminal shows instead of obeying it.

use std::borrow::Cow;

use serde_json::Value;
pub(crate) use tallow::escaped;

/// Text with its line breaks kept and everything else [`escaped`].
pub(crate) fn lines(text: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}

/// Lines with everything escaped that a terminal would obey, except for this program's own colours.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n' | b'\t');
    if text.bytes().all(is_plain) {
        return text.into();
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['\n', '\t', '\u{1b}']) {
        let (before, from) = rest.split_at(at);
        shown += &escaped(before);
        // Anything but a colour is one character, which is escaped.
        let (kept, len) = match colour_len(from) {
            _ if !from.starts_with('\u{1b}') => (true, 1),
            Some(len) => (true, len),
            None => (false, 1),
        };
        let (token, after) = from.split_at(len);
        shown += &if kept { token.into() } else { Cow::from(escaped(token)) };
        rest = after;
    }
    shown += &escaped(rest);
    shown.into()
}

/// The length of the colour's escape sequence that the text begins with.
fn colour_len(text: &str) -> Option<usize> {
    let digits = text.strip_prefix("\u{1b}[")?;
    let end = digits.find(|c: char| !(c.is_ascii_digit() || c == ';'))?;
    digits[end..].starts_with('m').then_some("\u{1b}[".len() + end + 1)
}

/// Whether a terminal shows a word as it is.
pub(crate) fn is_shown(word: &str) -> bool {
    escaped(word) == word
}

/// The text of a value, with JSON escapes for whatever a terminal would obey or hide. That occurs
/// only within strings.
pub(crate) fn json(value: &Value) -> String {
    let json = value.to_string();
    if json.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return json;
    }
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii_graphic() || c == ' ' || is_shown(c.encode_utf8(&mut [0; 4])) {
            shown.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                shown += &format!("\\u{unit:04x}");
            }
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_pass_and_what_else_a_terminal_would_obey_is_shown() {
        let coloured = "\u{1b}[1;31mred\u{1b}[0m\tand\nplain caf\u{e9}\n";
        assert_eq!(visible(coloured), coloured);
        let said = visible("\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r\u{200b}\u{1b}");
        assert_eq!(said, r"\u{1b}]0;title\u{7}\u{1b}[2J\u{9b}31m\u{202e}\r\u{200b}\u{1b}");
    }
}
