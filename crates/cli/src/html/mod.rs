//! Reports as pages: one file that needs nothing else, neither a network nor a script.
//!
//! A [`Page`] is a verdict, some figures, and sections; a section holds whatever renders, charts
//! above all. Charts are data: [`Lines`] over a common axis, [`Bars`] cut into parts or
//! side by side, and a [`Histogram`]. What is drawn is SVG that is stretched to the width there is, and what is read is
//! text of the page, which is not: so both are sharp on a phone too.
//!
//! Colours are variables of `style.css`, two sets for light and dark, and a [`Tone`] names one.

mod axis;
mod bars;
mod histogram;
mod lines;
mod page;

pub(crate) use axis::{Axis, Unit};
pub(crate) use bars::{Bars, Part, Row, Whole};
pub(crate) use histogram::{Histogram, Mark};
pub(crate) use lines::{Level, Lines, Look, Series};
pub(crate) use page::{Fact, Figure, Mood, Page, Section, Verdict, code, facts, list, table};

use maud::{Markup, html};

/// A colour of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// What training is there for.
    Step,
    /// Other work of the consumer.
    Own,
    /// Nobody works.
    Idle,
    Order,
    Read,
    Transform,
    HandOver,
    MapBatch,
    Device,
    /// What something is measured by.
    Reference,
}

impl Tone {
    /// For series that have no meaning of their own, told apart by their number.
    pub(crate) fn of(number: usize) -> Self {
        const TONES: [Tone; 6] = [
            Tone::Read,
            Tone::Transform,
            Tone::HandOver,
            Tone::Order,
            Tone::MapBatch,
            Tone::Device,
        ];
        TONES[number % TONES.len()]
    }

    /// The class that sets the variable `--tone`.
    fn class(self) -> &'static str {
        match self {
            Self::Step => "t-step",
            Self::Own => "t-own",
            Self::Idle => "t-idle",
            Self::Order => "t-order",
            Self::Read => "t-read",
            Self::Transform => "t-transform",
            Self::HandOver => "t-hand-over",
            Self::MapBatch => "t-map-batch",
            Self::Device => "t-device",
            Self::Reference => "t-reference",
        }
    }
}

/// What the colours of a chart mean: the shape of the swatch, the tone, the words.
fn legend(entries: impl Iterator<Item = (&'static str, Tone, String)>) -> Markup {
    html! {
        ul.legend {
            @for (shape, tone, name) in entries {
                li { span class=(format!("swatch {shape} {}", tone.class())) {} (name) }
            }
        }
    }
}

/// A chart with its title, and below it what its colours mean.
fn figure(title: &str, note: &str, plot: &Markup, legend: &Markup) -> Markup {
    html! {
        figure.chart {
            figcaption { strong { (title) } @if !note.is_empty() { " " span.note { (note) } } }
            (plot)
            (legend)
        }
    }
}
