//! What is true of every message, whatever the input was.

/// More than any message for people needs, with room for paths and the text of a chain, which a
/// message may quote.
const CHARS_MAX: usize = 1000;

/// Whether `message` can be printed as it is: one line of reasonable length, without anything that
/// a terminal obeys or hides.
pub(crate) fn check(message: &str) -> Result<(), String> {
    let len = message.chars().count();
    if let Some(c) = message.chars().find(|&c| is_unseen(c)) {
        return Err(format!("a message with {c:?}: {message:?}"));
    }
    if len == 0 || len > CHARS_MAX {
        return Err(format!("a message of {len} characters: {message:?}"));
    }
    if message.contains("panicked") {
        return Err(format!("a panic became a message: {message:?}"));
    }
    Ok(())
}

/// Control characters, and invisible ones that change what is visible.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}')
}
