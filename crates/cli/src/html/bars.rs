//! Bars of parts, one below the other.

use maud::{Markup, Render, html};

use super::axis::Unit;
use super::lines::{Level, number};
use super::{Tone, figure, legend};

/// One part of a bar.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) value: f64,
}

/// A bar with its name and a note.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) note: String,
    pub(crate) parts: Vec<Part>,
    /// Single values, drawn as thin lines, if the bar is their median.
    pub(crate) marks: Vec<f64>,
}

/// The value at the full width of the chart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Whole {
    /// The sum of each row: rows show shares.
    Row,
    /// The largest sum, mark or level of all rows: rows are compared.
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
    /// The name of a mark.
    pub(crate) mark: &'static str,
    /// What rows are compared with, besides each other.
    pub(crate) levels: Vec<Level>,
}

impl Row {
    fn sum(&self) -> f64 {
        self.parts.iter().map(|part| part.value).sum()
    }
}

/// Less than this share of the width is less than a pixel.
const SEEN_MIN: f64 = 1e-3;

/// The share of the width that is filled if lines are drawn over the bars, so that a line at the
/// end is whole.
const FILLED: f64 = 0.99;

impl Render for Bars {
    fn render(&self) -> Markup {
        let compared = self.whole == Whole::Largest;
        let rows = html! {
            div.bars.compared[compared] { @for row in &self.rows { (self.row(row)) } }
        };
        let is_marked = self.rows.iter().any(|row| !row.marks.is_empty());
        let mark = is_marked.then(|| ("tick", Tone::Reference, self.mark.to_owned()));
        let levels = self.levels.iter().map(|l| ("dash", l.tone, l.name.clone()));
        let names = self.names().into_iter().chain(mark).chain(levels);
        figure(&self.title, &self.note, &rows, &legend(names))
    }
}

impl Bars {
    /// The value of the full width for a row.
    fn whole(&self, row: &Row) -> f64 {
        let whole = match self.whole {
            Whole::Row => row.sum(),
            Whole::Largest => {
                let sums = self.rows.iter().map(Row::sum).fold(0.0, f64::max);
                self.lines().fold(sums, |whole, line| whole.max(line / FILLED))
            }
        };
        if whole > 0.0 { whole } else { 1.0 }
    }

    /// The values of all lines over the bars.
    fn lines(&self) -> impl Iterator<Item = f64> {
        let marks = self.rows.iter().flat_map(|row| row.marks.iter().copied());
        marks.chain(self.levels.iter().map(|level| level.value))
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
                @for mark in &row.marks {
                    @let x = percent(mark / whole);
                    line.halo x1=(x) x2=(x) y1="22%" y2="78%" {}
                    line.mark x1=(x) x2=(x) y1="22%" y2="78%" { title { (self.unit.text(*mark)) } }
                }
                @for level in &self.levels {
                    @let x = percent(level.value / whole);
                    line.level.(level.tone.class()) x1=(x) x2=(x) y1="0" y2="100%" {}
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
        let words = parts.map(|part| match self.text(part.value, whole) {
            text if part.name == row.name => text,
            text => format!("{} {text}", part.name),
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// The name of every visible part once, except of parts named like their row.
    fn names(&self) -> Vec<(&'static str, Tone, String)> {
        let seen = |row: &Row, part: &Part| {
            part.name != row.name && part.value > self.whole(row) * SEEN_MIN
        };
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
        let row = |name: &str, parts| {
            let (name, note) = (name.to_owned(), String::new());
            Row { name, note, parts, marks: Vec::new() }
        };
        let rows = vec![
            row("one", vec![part("a", 1.0), part("b", 3.0), part("none", 0.0)]),
            row("two", vec![part("b", 1.0)]),
            row("empty", Vec::new()),
        ];
        let (title, note) = ("t".to_owned(), String::new());
        let (unit, mark, levels) = (Unit::Seconds, "", Vec::new());
        Bars { title, note, unit, whole, rows, mark, levels }.render().into_string()
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

    #[test]
    fn marks_and_levels_are_drawn_over_bars_and_within_the_width() {
        let part = |name: &str| Part { name: name.to_owned(), tone: Tone::of(1), value: 10.0 };
        let row = |name: &str, part, marks: &[f64]| Row {
            name: name.to_owned(),
            note: String::new(),
            parts: vec![part],
            marks: marks.to_vec(),
        };
        let level =
            Level { name: "ceiling".to_owned(), tone: Tone::Reference, value: 40.0 * FILLED };
        let bars = Bars {
            title: "t".to_owned(),
            note: String::new(),
            unit: Unit::Count,
            whole: Whole::Largest,
            rows: vec![row("a", part("a"), &[8.0, 12.0]), row("b", part("other"), &[])],
            mark: "a round",
            levels: vec![level],
        };
        let drawn = bars.render().into_string();
        for words in [
            r#"x="0%" width="25%""#,
            r#"mark" x1="20%" x2="20%" y1="22%""#,
            r#"x1="99%" x2="99%" y1="0""#,
            r#"aria-label="a: 10""#,
            "</span>a round</li>",
            "</span>ceiling</li>",
            "</span>other</li>",
        ] {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
        assert_eq!(drawn.matches("class=\"mark\"").count(), 2, "{drawn}");
        assert_eq!(drawn.matches("swatch").count(), 3, "a row's own name is not told again");
    }
}
