//! HTML pages for reports: each is one file that needs nothing else, neither a network nor a
//! script.
//!
//! A [`Page`] is a verdict, some figures, and sections, which mostly hold charts. Charts are data:
//! [`Lines`] over a common axis, [`Bars`] split into parts or side by side, and a [`Histogram`].
//! They are drawn as SVG that is stretched to the available width, while text belongs to the page
//! and is not stretched, so both are sharp on a phone too.
//!
//! Colours are variables of `style.css`, with one set for light and one for dark, and a [`Tone`]
//! names one of them.

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
    /// The training steps themselves.
    Step,
    /// Other work of the consumer.
    Own,
    /// No thread works.
    Idle,
    Order,
    Read,
    Store,
    Decode,
    Transform,
    HandOver,
    MapBatch,
    Device,
    /// What others are compared with.
    Reference,
}

impl Tone {
    /// A tone for series without a meaning of their own, by number.
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

    /// The CSS class that sets the variable `--tone`.
    fn class(self) -> &'static str {
        match self {
            Self::Step => "t-step",
            Self::Own => "t-own",
            Self::Idle => "t-idle",
            Self::Order => "t-order",
            Self::Read => "t-read",
            Self::Store => "t-store",
            Self::Decode => "t-decode",
            Self::Transform => "t-transform",
            Self::HandOver => "t-hand-over",
            Self::MapBatch => "t-map-batch",
            Self::Device => "t-device",
            Self::Reference => "t-reference",
        }
    }
}

/// What the colours of a chart mean: the shape of each swatch, its tone and its text.
fn legend(entries: impl Iterator<Item = (&'static str, Tone, String)>) -> Markup {
    html! {
        ul.legend {
            @for (shape, tone, name) in entries {
                li { span class=(format!("swatch {shape} {}", tone.class())) {} (name) }
            }
        }
    }
}

/// A chart with its title above and its legend below.
fn figure(title: &str, note: &str, plot: &Markup, legend: &Markup) -> Markup {
    html! {
        figure.chart {
            figcaption { strong { (title) } @if !note.is_empty() { " " span.note { (note) } } }
            (plot)
            (legend)
        }
    }
}
