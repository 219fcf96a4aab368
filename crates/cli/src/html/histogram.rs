//! How often values of each size occur.

use maud::{Markup, Render, html};

use super::axis::{Axis, Unit};
use super::lines::{HEIGHT, WIDTH, number, plot};
use super::{Tone, figure, legend};

/// Columns of a histogram: enough to show two hills, and few enough that each has values.
const COLUMNS: usize = 60;

/// A value that is marked.
#[derive(Debug, Clone)]
pub(crate) struct Mark {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) value: f64,
}

/// Columns over the axis of the values.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    pub(crate) title: String,
    pub(crate) note: String,
    pub(crate) x: Axis,
    pub(crate) tone: Tone,
    /// Values, and how often each occurred.
    pub(crate) values: Vec<(f64, u64)>,
    pub(crate) marks: Vec<Mark>,
}

impl Histogram {
    fn counts(&self) -> [u64; COLUMNS] {
        let mut counts = [0; COLUMNS];
        for (value, count) in &self.values {
            let column = (self.x.at(*value) * COLUMNS as f64) as usize;
            counts[column.min(COLUMNS - 1)] += count;
        }
        counts
    }

    /// The range and the count of a column, as text.
    fn words(&self, column: usize, count: u64) -> String {
        let bound =
            |column: usize| self.x.unit().text(self.x.value(column as f64 / COLUMNS as f64));
        format!("{} to {}: {}", bound(column), bound(column + 1), Unit::Count.text(count as f64))
    }
}

impl Render for Histogram {
    fn render(&self) -> Markup {
        let counts = self.counts();
        let largest = counts.iter().max().copied().unwrap_or(0);
        let y = Axis::up_to(Unit::Count, largest as f64);
        let width = WIDTH / COLUMNS as f64;
        let columns = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        let picture = html! {
            @for (column, count) in columns {
                @let height = HEIGHT * y.at(*count as f64);
                rect.column.(self.tone.class()) x=(number(column as f64 * width + 1.0))
                    width=(number(width - 2.0)) y=(number(HEIGHT - height)) height=(number(height)) {
                    title { (self.words(column, *count)) }
                }
            }
            @for mark in &self.marks {
                @let x = number(WIDTH * self.x.at(mark.value));
                line.level.(mark.tone.class()) x1=(x) x2=(x) y1="0" y2=(HEIGHT) {}
            }
        };
        let marks = self.marks.iter().map(|mark| ("dash", mark.tone, mark.name.clone()));
        figure(&self.title, &self.note, &plot(&self.title, &self.x, &y, &picture), &legend(marks))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_column() {
        let values = vec![(1e-6, 2), (5e-5, 1), (1.0, 1), (99.0, 1)];
        let histogram = Histogram {
            title: "waits".to_owned(),
            note: String::new(),
            x: Axis::logarithmic(Unit::Seconds, 1e-6, 1.0),
            tone: Tone::Read,
            values,
            marks: vec![Mark { name: "m".to_owned(), tone: Tone::Reference, value: 1e-3 }],
        };
        let counts = histogram.counts();
        assert_eq!((counts.iter().sum::<u64>(), counts[0], counts[COLUMNS - 1]), (5, 2, 2));
        let drawn = histogram.render().into_string();
        assert!(drawn.contains("<title>1.00 µs to 1.26 µs: 2</title>"), "{drawn}");
        assert!(drawn.contains(r#"x1="500" x2="500""#), "{drawn}");
    }
}
