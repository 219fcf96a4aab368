//! What is wrong with the text of a chain.

use std::fmt;
use std::ops::Range;

use crate::text::{SHOWN_MAX, Shown};

/// What is wrong with the text of a chain, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    pub(super) text: String,
    at: Range<usize>,
    message: String,
}

impl SpecError {
    pub(crate) fn new(text: &str, at: Range<usize>, message: impl Into<String>) -> Self {
        Self { text: text.to_owned(), at, message: message.into() }
    }

    /// The bytes of the text that the error is about.
    pub fn span(&self) -> Range<usize> {
        self.at.clone()
    }

    /// What was found and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The message, the text, and under it a mark below the word: three lines. Of a long text the part
/// around the word is shown; control characters are escaped.
impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, rest) = self.text.split_at(self.at.start);
        let (word, after) = rest.split_at(self.at.len());
        let cut = before.chars().count().saturating_sub(SHOWN_MAX);
        let dots = if cut > 0 { ".." } else { "" };
        let before = before.chars().skip(cut).collect::<String>();
        let before = format!("{dots}{}", Shown(&before));
        let (word, after) = (Shown(word).to_string(), Shown(after).to_string());
        let marks = word.chars().count().max(1);
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {before}{word}{after}")?;
        write!(f, "  {}{}", " ".repeat(before.chars().count()), "^".repeat(marks))
    }
}

impl std::error::Error for SpecError {}

impl From<SpecError> for tallow_core::Error {
    fn from(error: SpecError) -> Self {
        let (word, column) = (Shown(&error.text[error.at.clone()]), error.at.start);
        let message = format!("{} (at \"{word}\", column {column})", error.message);
        Self::new(tallow_core::ErrorKind::Config, message).with_source(error)
    }
}
