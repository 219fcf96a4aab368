//! The page around the charts.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::terminal::escape;

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched and nothing runs, whatever the text contains.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// The mood of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    /// There is something to improve.
    Warning,
    /// Something failed.
    Bad,
    /// Neither.
    Plain,
}

impl Mood {
    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warning => "warning",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// The result in one sentence.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) mood: Mood,
    pub(crate) sentence: String,
    /// What else to do or to know, if anything.
    pub(crate) more: String,
}

/// A number in large print.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) note: String,
}

/// A line in a list of facts.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    /// Empty if it continues the one above.
    pub(crate) name: String,
    pub(crate) value: String,
    /// What to do about it, if anything.
    pub(crate) advice: Option<String>,
}

/// A part of the page.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// What the section shows, and how to read it.
    pub(crate) lead: String,
    pub(crate) body: Markup,
}

/// A complete page.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Title of the window, also shown above the verdict.
    pub(crate) title: String,
    pub(crate) verdict: Verdict,
    pub(crate) figures: Vec<Figure>,
    pub(crate) sections: Vec<Section>,
    /// The command that made the page.
    pub(crate) command: String,
}

impl Page {
    pub(crate) fn to_html(&self) -> String {
        let version = concat!("bench-loader ", env!("CARGO_PKG_VERSION"));
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(version);
                    title { (self.title) }
                    // Without it, a browser asks a server for one.
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    header { (self.header()) }
                    main { @for section in &self.sections { (section.markup()) } }
                    footer {
                        pre.command { code { (self.command) } }
                        p { (version) }
                    }
                }
            }
        };
        // It contains names of files and fields, which could garble a page like a terminal.
        escape::lines(&page.into_string())
    }

    fn header(&self) -> Markup {
        let Verdict { mood, sentence, more } = &self.verdict;
        html! {
            p.title { (self.title) }
            div class=(format!("verdict {}", mood.class())) {
                h1 { (sentence) }
                @if !more.is_empty() { p { (prose(more)) } }
            }
            dl.figures {
                @for Figure { name, value, note } in &self.figures {
                    div { dt { (name) } dd { (value) } @if !note.is_empty() { dd.note { (note) } } }
                }
            }
        }
    }
}

impl Section {
    fn markup(&self) -> Markup {
        html! {
            section {
                h2 { (self.title) }
                @if !self.lead.is_empty() { p.lead { (prose(&self.lead)) } }
                (self.body)
            }
        }
    }
}

/// Text in which no line breaks after the hyphens of an option.
fn prose(text: &str) -> Markup {
    html! {
        @for (i, word) in text.split(' ').enumerate() {
            @if i > 0 { " " }
            @if word.starts_with("--") { span.option { (word) } } @else { (word) }
        }
    }
}

/// Facts, one below the other.
pub(crate) fn facts(facts: &[Fact]) -> Markup {
    html! {
        dl.facts {
            @for Fact { name, value, advice } in facts {
                @if !name.is_empty() { dt { (name) } }
                dd { (value) @if let Some(advice) = advice { span.advice { (advice) } } }
            }
        }
    }
}

/// Sentences, one below the other.
pub(crate) fn list(lines: &[String]) -> Markup {
    html! { ul.list { @for line in lines { li { (line) } } } }
}

/// A table with text in its first column and numbers in the others.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> Markup {
    html! {
        div.scroll {
            table {
                thead { tr { @for word in head { th scope="col" { (word) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (i, cell) in row.iter().enumerate() {
                                @if i == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Code to copy.
pub(crate) fn code(text: &str) -> Markup {
    html! { pre.code { code { (text) } } }
}
