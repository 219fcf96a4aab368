//! Bars of parts, one below the other.

use maud::{Markup, Render, html};

use super::axis::Unit;
use super::lines::number;
use super::{Tone, figure, legend};

/// One part of a bar.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) value: f64,
}

/// A bar, what it is, and what there is to say of its whole.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) parts: Vec<Part>,
}

/// What the full width of the chart is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Whole {
    /// The sum of the row: rows show shares.
    Row,
    /// The largest sum of all rows: rows compare.
    #[cfg_attr(not(test), expect(dead_code, reason = "for pages that compare"))]
    Largest,
}

/// Rows of one unit.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    pub(crate) title: String,
    pub(crate) note: String,
    pub(crate) unit: Unit,
    pub(crate) whole: Whole,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    fn sum(&self) -> f64 {
        self.parts.iter().map(|part| part.value).sum()
    }
}

/// Less than this share of the width is less than a pixel.
const SEEN_MIN: f64 = 1e-3;

impl Render for Bars {
    fn render(&self) -> Markup {
        let rows = html! {
            div.bars { @for row in &self.rows { (self.row(row)) } }
        };
        figure(&self.title, &self.note, &rows, &legend(self.names().into_iter()))
    }
}

impl Bars {
    /// What the full width is for a row.
    fn whole(&self, row: &Row) -> f64 {
        let whole = match self.whole {
            Whole::Row => row.sum(),
            Whole::Largest => self.rows.iter().map(Row::sum).fold(0.0, f64::max),
        };
        if whole > 0.0 { whole } else { 1.0 }
    }

    fn row(&self, row: &Row) -> Markup {
        let whole = self.whole(row);
        let label = format!("{}: {}", row.name, self.words(row, whole));
        let mut start = 0.0;
        html! {
            div.bar-head { span { (row.name) } span.note { (row.note) } }
            svg.bar role="img" aria-label=(label) {
                title { (label) }
                @for part in row.parts.iter().filter(|part| part.value > 0.0) {
                    @let from = percent(start / whole);
                    @let width = percent(part.value / whole);
                    @let () = start += part.value;
                    rect.part.(part.tone.class()) x=(from) width=(width) y="0" height="100%" {
                        title { (part.name) ": " (self.text(part.value, whole)) }
                    }
                }
            }
        }
    }

    fn text(&self, value: f64, whole: f64) -> String {
        let text = self.unit.text(value);
        match self.whole {
            Whole::Row if self.unit != Unit::Share => {
                format!("{text} ({})", Unit::Share.text(value / whole))
            }
            _ => text,
        }
    }

    fn words(&self, row: &Row, whole: f64) -> String {
        let parts = row.parts.iter().filter(|part| part.value > 0.0);
        let words = parts.map(|part| format!("{} {}", part.name, self.text(part.value, whole)));
        words.collect::<Vec<_>>().join(", ")
    }

    /// The name of every part that is seen anywhere, once.
    fn names(&self) -> Vec<(&'static str, Tone, String)> {
        let seen = |row: &Row, part: &Part| part.value > self.whole(row) * SEEN_MIN;
        let mut names: Vec<(_, Tone, String)> = Vec::new();
        for (row, part) in self.rows.iter().flat_map(|row| row.parts.iter().map(move |p| (row, p)))
        {
            if seen(row, part) && !names.iter().any(|(_, _, name)| *name == part.name) {
                names.push(("block", part.tone, part.name.clone()));
            }
        }
        names
    }
}

fn percent(share: f64) -> String {
    format!("{}%", number(share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bars(whole: Whole) -> String {
        let part = |name: &str, value| Part { name: name.to_owned(), tone: Tone::of(0), value };
        let row = |name: &str, parts| Row { name: name.to_owned(), note: String::new(), parts };
        let rows = vec![
            row("one", vec![part("a", 1.0), part("b", 3.0), part("none", 0.0)]),
            row("two", vec![part("b", 1.0)]),
            row("empty", Vec::new()),
        ];
        let (title, note) = ("t".to_owned(), String::new());
        Bars { title, note, unit: Unit::Seconds, whole, rows }.render().into_string()
    }

    #[test]
    fn shares_fill_the_row_and_comparisons_the_largest() {
        let shares = bars(Whole::Row);
        assert!(shares.contains(r#"x="25%" width="75%""#) && shares.contains(r#"width="100%""#));
        assert!(shares.contains("<title>b: 3.00 s (75.0%)</title>"), "{shares}");
        let compared = bars(Whole::Largest);
        assert!(compared.contains(r#"x="0%" width="25%""#) && !compared.contains("width=\"100%\""));
        for drawn in [shares, compared] {
            assert!(!drawn.contains("NaN") && !drawn.contains("none"), "{drawn}");
            assert_eq!(drawn.matches("swatch").count(), 2, "{drawn}");
        }
    }
}
