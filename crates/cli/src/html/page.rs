//! The page around the charts.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::terminal::escape;

const STYLE: &str = include_str!("style.css");

/// Nothing is fetched from anywhere and nothing runs, whatever should stand in the text.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";

/// What a verdict sounds like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Good,
    /// There is something to mend.
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

/// The whole in one sentence.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) mood: Mood,
    pub(crate) sentence: String,
    /// What else to do or to know, if anything.
    pub(crate) more: String,
}

/// A number that is seen from afar.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: String,
    pub(crate) note: String,
}

/// A line of a list of facts.
#[derive(Debug, Clone)]
pub(crate) struct Fact {
    /// Empty for more of the one above.
    pub(crate) name: String,
    pub(crate) value: String,
    /// What to do about it, if anything.
    pub(crate) advice: Option<String>,
}

/// A part of the page.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) title: String,
    /// What is seen here and how it is to be read.
    pub(crate) lead: String,
    pub(crate) body: Markup,
}

/// A page, complete.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// Of the window, and above the verdict.
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
                    // Without it a browser asks a server for one.
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
        // Names of files and fields are in it, and what they do to a terminal they do to a page.
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

/// Text in which no line breaks behind the hyphens of an option.
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

/// A table whose first column is words, and the others numbers.
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

/// Code to be copied.
pub(crate) fn code(text: &str) -> Markup {
    html! { pre.code { code { (text) } } }
}
