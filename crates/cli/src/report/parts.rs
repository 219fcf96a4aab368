//! What a report says of each source where there are several: shares, rows, and how often it was seen.

use std::io::{self, Write};

use maud::{Markup, html};
use serde_json::{Value, json};
use tallow::{PartReport, PartShare, Population};

use crate::html::{Bars, Part as BarPart, Row, Section, Tone, Unit, Whole, table};
use crate::terminal::words::{count, counted, one_line};

/// One of several sources.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) samples: usize,
    /// Rows of it that were delivered, and their share of all rows.
    pub(crate) delivered: Option<(u64, f64)>,
    /// The share that its weight asks for, and how often it was seen; `None` without weights.
    pub(crate) share: Option<PartShare>,
}

impl Part {
    /// What a loader has delivered of the sources called `names`; nothing if there is only one.
    pub(crate) fn delivered(names: Vec<String>, report: &tallow::Report) -> Vec<Self> {
        let part = |(name, part): (String, &PartReport)| Self {
            name,
            samples: part.samples,
            delivered: Some((part.rows, part.share)),
            share: part.asked.zip(part.seen).map(|(asked, seen)| PartShare { asked, seen }),
        };
        match names.len() == report.parts.len() {
            true => names.into_iter().zip(&report.parts).map(part).collect(),
            false => Vec::new(),
        }
    }

    /// What an epoch gives of the sources called `names`; nothing if there is only one.
    pub(crate) fn of_source(
        names: Vec<String>,
        population: &Population,
        shares: Option<&[PartShare]>,
    ) -> Vec<Self> {
        if names.len() < 2 {
            return Vec::new();
        }
        let part = |(number, name): (usize, String)| Self {
            name,
            samples: population.part(number).len(),
            delivered: None,
            share: shares.and_then(|shares| shares.get(number).copied()),
        };
        names.into_iter().enumerate().map(part).collect()
    }

    fn words(&self, seen: &str) -> String {
        let mut words = counted(self.samples as u64, "sample");
        if let Some((rows, share)) = self.delivered {
            words += &format!("; {} delivered, {}", counted(rows, "row"), percent(share));
        }
        match (self.share, self.delivered) {
            (None, _) => words,
            (Some(PartShare { asked, seen: times }), None) => {
                words + &format!("; {} of the rows, seen {times:.2} times{seen}", percent(asked))
            }
            (Some(PartShare { asked, seen: times }), Some(_)) => {
                words + &format!(" of {} asked, seen {times:.2} times{seen}", percent(asked))
            }
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "source": self.name,
            "samples": self.samples,
            "rows": self.delivered.map(|(rows, _)| rows),
            "share": self.delivered.map(|(_, share)| share),
            "asked": self.share.map(|share| share.asked),
            "seen": self.share.map(|share| share.seen),
        })
    }
}

/// With as many digits as tell that shares are exact.
fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

/// A line for each, which ends in `seen` where it says how often that was seen.
pub(crate) fn write(out: &mut dyn Write, parts: &[Part], seen: &str) -> io::Result<()> {
    for (number, part) in parts.iter().enumerate() {
        let head = if number == 0 { "parts    " } else { "         " };
        writeln!(out, "{head} {}: {}", one_line(&part.name), part.words(seen))?;
    }
    Ok(())
}

pub(crate) fn json(parts: &[Part]) -> Value {
    parts.iter().map(Part::to_json).collect()
}

/// Shares as bars, and a table; nothing if there is only one source.
pub(crate) fn section(parts: &[Part]) -> Option<Section> {
    let (first, _) = parts.split_first()?;
    let bar = |name: &str, note: &str, of: fn(&Part) -> f64| Row {
        name: name.to_owned(),
        note: note.to_owned(),
        parts: parts
            .iter()
            .enumerate()
            .map(|(at, part)| BarPart {
                name: one_line(&part.name),
                tone: Tone::of(at),
                value: of(part),
            })
            .collect(),
        marks: Vec::new(),
    };
    let delivered = |part: &Part| part.delivered.map_or(0.0, |(_, share)| share);
    let mut rows = vec![bar("delivered", "rows that came", delivered)];
    if first.share.is_some() {
        rows.insert(
            0,
            bar("asked", "by the weights", |part| part.share.map_or(0.0, |it| it.asked)),
        );
    }
    let bars = Bars {
        title: "Rows by source".to_owned(),
        note: "shares of each bar".to_owned(),
        unit: Unit::Count,
        whole: Whole::Row,
        rows,
        mark: "",
        levels: Vec::new(),
    };
    let body = html! { (bars) (shares(parts)) };
    let lead = "What was delivered of each source. How often one was seen counts from the beginning of \
                the training on, over all ranks.";
    Some(Section { title: "Sources".to_owned(), lead: lead.to_owned(), body })
}

fn shares(parts: &[Part]) -> Markup {
    let row = |part: &Part| {
        let (rows, share) = part.delivered.unwrap_or_default();
        let asked = part.share.map_or_else(String::new, |share| percent(share.asked));
        let seen = part.share.map_or_else(String::new, |share| format!("{:.2}", share.seen));
        let name = one_line(&part.name);
        vec![name, count(part.samples as u64), count(rows), percent(share), asked, seen]
    };
    let rows: Vec<Vec<String>> = parts.iter().map(row).collect();
    table(&["source", "samples", "rows", "share", "asked", "times seen"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let part =
            |delivered, share| Part { name: "web".to_owned(), samples: 600, delivered, share };
        let share = Some(PartShare { asked: 0.75, seen: 1.5 });
        let said = |part: Part, seen: &str| part.words(seen);
        assert_eq!(said(part(None, None), ""), "600 samples");
        assert_eq!(
            said(part(None, share), " per epoch"),
            "600 samples; 75.00% of the rows, seen 1.50 times per epoch"
        );
        assert_eq!(
            said(part(Some((9, 0.7501)), share), ""),
            "600 samples; 9 rows delivered, 75.01% of 75.00% asked, seen 1.50 times"
        );
    }
}
