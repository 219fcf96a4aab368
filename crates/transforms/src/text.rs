//! How numbers and names are written in the text of a chain and in messages. In a chain they read
//! back as themselves.

use std::fmt;

use tallow_core::escaped;

/// The characters up to which a number is written without an exponent.
const PLAIN_MAX: usize = 12;

/// A number as a short text that reads back as the same number.
pub(crate) fn number(value: f64) -> String {
    let plain = format!("{value}");
    if plain.len() <= PLAIN_MAX {
        return plain;
    }
    let exponent = format!("{value:e}");
    if exponent.len() < plain.len() { exponent } else { plain }
}

/// A field's name in the text of a chain: a word where it reads as one, or else in quotes.
pub(crate) struct FieldName<'a>(pub(crate) &'a str);

impl fmt::Display for FieldName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word =
            self.0.starts_with(|c: char| c.is_ascii_alphabetic()) && self.0.chars().all(is_name);
        if is_word { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

/// Whether a name in the text of a chain may have `c`.
pub(crate) fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Text from outside, as a message shows it: [`escaped`] and shortened.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

/// The characters of a text that a message shows.
pub(crate) const SHOWN_MAX: usize = 60;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.0.chars().take(SHOWN_MAX).collect::<String>()))?;
        if self.0.chars().nth(SHOWN_MAX).is_some() { f.write_str("..") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_read_back_as_themselves() {
        assert_eq!(
            [0.001, 1e-6, 0.5, -0.0, 1e6].map(number),
            ["0.001", "0.000001", "0.5", "-0", "1000000"]
        );
        assert_eq!([1e-300, 1e300, 5e-324].map(number), ["1e-300", "1e300", "5e-324"]);
        for value in [f64::MIN_POSITIVE, f64::MAX, 1.0 / 3.0, -1e15, 123_456_789.123_456_7] {
            let text = number(value);
            assert_eq!(text.parse(), Ok(value));
            assert!(text.len() <= 24, "{text}");
        }
    }
}
