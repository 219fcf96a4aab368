//! Text that a terminal shows, and does not obey.

pub(crate) use tallow::escaped;

/// Text of several lines, which stay, with everything else in it [`escaped`].
pub(crate) fn lines(text: &str) -> String {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~' | b'\n');
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    text.split('\n').map(escaped).collect::<Vec<_>>().join("\n")
}
