//! The catalogue: the words of a chain's text, and the documentation of each.

use std::str::FromStr;

use crate::augment::Augment;
use crate::spec::{Forms, SETTINGS, SpecError, parse};
use crate::steps;

/// Everything that the text of a chain can name.
pub(crate) static FORMS: Forms = Forms { steps: steps::FORMS, settings: SETTINGS };

impl FromStr for Augment {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        parse(text, FORMS)
    }
}

/// The page, which `make.py` writes from the documentation of the builder.
const PAGE: &str = include_str!("../catalogue/CATALOGUE.md");

/// Every step that a chain can name, with its arguments: the catalogue.
pub fn catalogue() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORMS.steps.iter().copied().flatten().map(|form| (form.name, form.usage))
}

/// The documentation of a step, or of a setting of the whole chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Described {
    /// The name and the arguments, with their defaults.
    pub usage: &'static str,
    /// What it does, as Markdown.
    pub words: &'static str,
    /// The text of a chain that shows it.
    pub example: &'static str,
}

/// The documentation of the step `name`, or of a setting like `mask`.
///
/// # Errors
///
/// When there is none, with a suggestion of the name that may be meant.
pub fn describe(name: &str) -> Result<Described, SpecError> {
    let known = FORMS.iter().find(|form| form.name == name);
    let described = known.and_then(|form| section(form.name));
    described.ok_or_else(|| SpecError::new(name, 0..name.len(), FORMS.unknown(name)))
}

/// The section of the page: its usage, its words, and the chain of its picture.
fn section(name: &str) -> Option<Described> {
    let (_, rest) = PAGE.split_once(&format!("\n## `{name}`\n\n"))?;
    let section = rest.split_once("\n## ").map_or(rest, |(section, _)| section).trim_end();
    let (usage, rest) = section.split_once("\n\n")?;
    let (rest, example) = rest.rsplit_once("\n\n")?;
    let words = rest.split_once("\n\n![").map_or(rest, |(words, _)| words);
    let code = |text: &'static str| text.trim_matches('`');
    Some(Described { usage: code(usage), words, example: code(example) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_of_every_word_what_the_code_does() {
        for form in FORMS.iter() {
            let described = describe(form.name).unwrap_or_else(|e| panic!("{e}: run make.py"));
            assert_eq!(described.usage, form.to_string(), "run make.py");
            assert!(described.words.len() > 20 && !described.words.contains("]("), "{described:?}");
            let example = described.example.parse::<Augment>();
            assert!(example.is_ok() && described.example.contains(form.name), "{described:?}");
        }
    }

    #[test]
    fn a_name_that_is_none_gets_the_hint_of_a_chain() {
        let error = describe("RandomHorizontalFlip").unwrap_err();
        assert!(error.message().contains("did you mean \"random_hflip\""), "{error}");
        assert_eq!(Err(error), describe("RandomHorizontalFlip"));
        assert_eq!(describe("x y(").unwrap_err().span(), 0..4);
    }
}
