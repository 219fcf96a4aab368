//! Lines over a common axis.

use std::fmt::Write as _;

use maud::{Markup, Render, html};

use super::axis::{Axis, Tick};
use super::{Tone, figure, legend};

/// The most points to draw per series: more than one per column of pixels shows nothing more.
const POINTS_MAX: usize = 500;

/// The size of the picture in its own units; it is stretched to the available room.
pub(super) const WIDTH: f64 = 1000.0;
pub(super) const HEIGHT: f64 = 240.0;

/// Values in the order of the horizontal axis.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) look: Look,
    pub(crate) points: Vec<(f64, f64)>,
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// A line, and a light area of its colour below.
    Area,
    Line,
    /// A thin line, for values around those of another.
    Thin,
}

/// A value to compare with, across the whole horizontal axis.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) name: String,
    pub(crate) tone: Tone,
    pub(crate) value: f64,
}

/// Series that share both axes.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) title: String,
    /// What the axes show, in a few words.
    pub(crate) note: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) series: Vec<Series>,
    pub(crate) levels: Vec<Level>,
}

impl Render for Lines {
    fn render(&self) -> Markup {
        let picture = html! {
            @for series in &self.series { (self.series(series)) }
            @for level in &self.levels {
                @let y = HEIGHT * (1.0 - self.y.at(level.value));
                line.level.(level.tone.class()) x1="0" x2=(WIDTH) y1=(number(y)) y2=(number(y)) {}
            }
        };
        let series = self.series.iter().map(|s| {
            let shape = if s.look == Look::Thin { "thin" } else { "line" };
            (shape, s.tone, s.name.clone())
        });
        let levels = self.levels.iter().map(|l| ("dash", l.tone, l.name.clone()));
        let plot = plot(&self.title, &self.x, &self.y, &picture);
        figure(&self.title, &self.note, &plot, &legend(series.chain(levels)))
    }
}

impl Lines {
    fn series(&self, series: &Series) -> Markup {
        let points = reduced(&series.points, POINTS_MAX);
        let mut path = String::new();
        for (x, y) in &points {
            let (x, y) = (WIDTH * self.x.at(*x), HEIGHT * (1.0 - self.y.at(*y)));
            // Writing to a string cannot fail.
            let _ = write!(path, "{},{} ", number(x), number(y));
        }
        let path = path.trim_end();
        let ends = points.first().zip(points.last());
        let thin = if series.look == Look::Thin { "series thin" } else { "series" };
        html! {
            @if let (Look::Area, Some((first, last))) = (series.look, ends) {
                @let (start, end) = (number(WIDTH * self.x.at(first.0)), number(WIDTH * self.x.at(last.0)));
                polygon.veil.(series.tone.class())
                    points=(format!("{start},{HEIGHT} {path} {end},{HEIGHT}")) {}
            }
            polyline class=(format!("{thin} {}", series.tone.class())) points=(path) {}
        }
    }
}

/// A picture with its axes, and a grid line at each written value of the vertical one.
pub(super) fn plot(title: &str, x: &Axis, y: &Axis, picture: &Markup) -> Markup {
    let (x_ticks, y_ticks) = (x.ticks(), y.ticks());
    html! {
        div.plot {
            div.y-ticks aria-hidden="true" {
                @for Tick { at, text } in &y_ticks {
                    span style=(format!("bottom:{}%", number(at * 100.0))) { (text) }
                }
            }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img"
                aria-label=(title) {
                title { (title) }
                @for tick in &y_ticks {
                    @let y = number(HEIGHT * (1.0 - tick.at));
                    line.grid x1="0" x2=(WIDTH) y1=(y) y2=(y) {}
                }
                (picture)
            }
            div.x-ticks aria-hidden="true" {
                @for (i, Tick { at, text }) in x_ticks.iter().enumerate() {
                    @let place = if i % 2 == 1 { "odd" } else { "even" };
                    span class=(place) style=(format!("left:{}%", number(at * 100.0))) { (text) }
                }
            }
        }
    }
}

/// At most two decimals: a hundredth of a pixel.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// At most `most` points, which keep the lowest and the highest of the points that they replace.
fn reduced(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    if points.len() <= most {
        return points.to_vec();
    }
    let each = points.len().div_ceil(most / 2);
    let extremes = |points: &[(f64, f64)]| {
        let by_y = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (low, high) =
            (points.iter().min_by(by_y).copied(), points.iter().max_by(by_y).copied());
        let mut both: Vec<_> = low.into_iter().chain(high).collect();
        both.sort_by(|a, b| a.0.total_cmp(&b.0));
        both.dedup();
        both
    };
    points.chunks(each).flat_map(extremes).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::html::Unit;

    fn lines(points: Vec<(f64, f64)>) -> Lines {
        Lines {
            title: "a <b> & c".to_owned(),
            note: String::new(),
            x: Axis::to(Unit::Seconds, 10.0),
            y: Axis::up_to(Unit::Count, 100.0),
            series: vec![Series {
                name: "s".to_owned(),
                tone: Tone::Read,
                look: Look::Area,
                points,
            }],
            levels: vec![Level { name: "l".to_owned(), tone: Tone::Reference, value: 50.0 }],
        }
    }

    #[test]
    fn a_line_lies_where_its_points_do_and_text_is_escaped() {
        let drawn = lines(vec![(0.0, 0.0), (5.0, 100.0)]).render().into_string();
        assert!(drawn.contains(r#"points="0,240 500,0""#), "{drawn}");
        assert!(drawn.contains(r#"points="0,240 0,240 500,0 500,240""#), "{drawn}");
        assert!(drawn.contains(r#"y1="120" y2="120""#), "{drawn}");
        assert!(drawn.contains("<title>a &lt;b&gt; &amp; c</title>"), "{drawn}");
        let none = lines(Vec::new()).render().into_string();
        assert!(!none.contains("NaN") && !none.contains("polygon"), "{none}");
    }

    #[test]
    fn many_points_become_few_and_peaks_stay() {
        let mut points: Vec<_> = (0..100_000).map(|i| (f64::from(i), 1.0)).collect();
        points[77_777].1 = 9.0;
        let few = reduced(&points, 500);
        assert!(few.len() <= 500 && few.contains(&(77_777.0, 9.0)), "{}", few.len());
        assert!(few.is_sorted_by(|a, b| a.0 <= b.0));
    }
}
