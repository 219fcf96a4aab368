//! Text that a terminal shows, and does not obey.

/// `text` with everything in it that a terminal would obey, or not show, made visible.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Quotes and backslashes stay: a message holds names that were escaped before.
    for piece in text.split_inclusive(['"', '\'', '\\']) {
        let plain = piece.trim_end_matches(['"', '\'', '\\']);
        out.extend(plain.escape_debug());
        out.push_str(&piece[plain.len()..]);
    }
    out
}

/// The same of text of several lines, which stay.
pub(crate) fn lines(text: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}
