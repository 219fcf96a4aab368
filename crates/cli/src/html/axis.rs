//! Axes: where a value is, and which values are written beside the axis.

use crate::terminal::words::count;

/// The unit of the numbers of an axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Time.
    Seconds,
    /// Bytes.
    Bytes,
    /// A count, or a rate per second.
    Count,
    /// Parts of one.
    Share,
}

/// About how many values are written beside an axis.
const TICKS: f64 = 5.0;

impl Unit {
    /// `value` with as many digits as are useful.
    pub(crate) fn text(self, value: f64) -> String {
        self.texts(&[value], None).remove(0)
    }

    /// `values`, `step` apart if given, in one unit and with the same number of decimals.
    fn texts(self, values: &[f64], step: Option<f64>) -> Vec<String> {
        let largest = values.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        let (factor, unit) = self.scale(largest);
        // Three digits are enough for a single value. But counts are whole, and a tenth of a
        // percent is the least useful share.
        let step = step.or(match self {
            Self::Count if factor == 1.0 => Some(1.0),
            Self::Share => Some(0.001),
            _ => None,
        });
        let digits = |value: f64| 10_f64.powf((value / factor).abs().log10().floor() - 2.0);
        let step = step.map_or_else(|| digits(largest), |step| step / factor);
        let decimals = decimals(step);
        let text = |value: &f64| {
            let number = value / factor;
            let number = if decimals == 0 && number >= 1000.0 {
                count(number.round() as u64)
            } else {
                format!("{number:.decimals$}")
            };
            if *value == 0.0 { "0".to_owned() } else { format!("{number}{unit}") }
        };
        values.iter().map(text).collect()
    }

    /// What to divide by, and the unit to write after it.
    fn scale(self, largest: f64) -> (f64, &'static str) {
        let scales: &[(f64, &str)] = match self {
            Self::Seconds => &[(1.0, " s"), (1e-3, " ms"), (1e-6, " µs"), (1e-9, " ns")],
            Self::Bytes => &[(1e12, " TB"), (1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1.0, " B")],
            Self::Count => &[(1e9, "G"), (1e6, "M"), (1e4, "k"), (1.0, "")],
            Self::Share => &[(1e-2, "%")],
        };
        let fits = scales.iter().find(|(factor, _)| largest >= *factor * 0.9995);
        let (factor, unit) = *fits.or(scales.last()).unwrap_or(&(1.0, ""));
        // Thousands are used from ten thousand on.
        (if unit == "k" { 1e3 } else { factor }, unit)
    }
}

/// The number of decimals that tells multiples of `step` apart.
fn decimals(step: f64) -> usize {
    (0..6)
        .find(|&decimals| {
            let scaled = step * 10_f64.powi(decimals);
            (scaled - scaled.round()).abs() < 1e-6 * scaled.max(1.0)
        })
        .unwrap_or(6) as usize
}

/// One axis of a chart.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    unit: Unit,
    min: f64,
    max: f64,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// A value is written at each multiple of this.
    Linear { step: f64 },
    /// At each power of ten.
    Logarithmic,
}

/// A value that is written beside an axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tick {
    /// From 0, where the axis begins, to 1.
    pub(crate) at: f64,
    pub(crate) text: String,
}

impl Axis {
    /// From 0 to exactly `max`, for time.
    pub(crate) fn to(unit: Unit, max: f64) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        Self { unit, min: 0.0, max, kind: Kind::Linear { step: nice(max / TICKS) } }
    }

    /// From 0 to the first written value that is at least `max`.
    pub(crate) fn up_to(unit: Unit, max: f64) -> Self {
        let max = if max > 0.0 { max } else { 1.0 };
        let step = nice(max / TICKS);
        // Counts are whole.
        let step = if unit == Unit::Count { step.max(1.0) } else { step };
        Self { unit, min: 0.0, max: (max / step - 1e-9).ceil() * step, kind: Kind::Linear { step } }
    }

    /// From one power of ten to another.
    pub(crate) fn logarithmic(unit: Unit, min: f64, max: f64) -> Self {
        let min = 10_f64.powf(min.max(1e-9).log10().floor());
        let max = 10_f64.powf(max.max(1e-9).log10().ceil()).max(min * 10.0);
        Self { unit, min, max, kind: Kind::Logarithmic }
    }

    /// Where `value` is, from 0 to 1.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let at = match self.kind {
            Kind::Linear { .. } => (value - self.min) / (self.max - self.min),
            Kind::Logarithmic => {
                (value.max(self.min) / self.min).log10() / (self.max / self.min).log10()
            }
        };
        at.clamp(0.0, 1.0)
    }

    /// The value at a place from 0 to 1.
    pub(crate) fn value(&self, at: f64) -> f64 {
        match self.kind {
            Kind::Linear { .. } => self.min + at * (self.max - self.min),
            Kind::Logarithmic => self.min * (self.max / self.min).powf(at),
        }
    }

    pub(crate) fn ticks(&self) -> Vec<Tick> {
        let (values, texts) = match self.kind {
            Kind::Linear { step } => {
                let last = (self.max / step + 1e-9).floor() as usize;
                let values: Vec<f64> = (0..=last).map(|i| i as f64 * step).collect();
                let texts = self.unit.texts(&values, Some(step));
                (values, texts)
            }
            Kind::Logarithmic => {
                let decades = (self.max / self.min).log10().round() as i32;
                let values: Vec<f64> = (0..=decades).map(|i| self.min * 10_f64.powi(i)).collect();
                let text = |value: &f64| self.unit.texts(&[*value], Some(*value)).remove(0);
                let texts = values.iter().map(text).collect();
                (values, texts)
            }
        };
        let tick = |(value, text): (f64, String)| Tick { at: self.at(value), text };
        values.into_iter().zip(texts).map(tick).collect()
    }

    pub(crate) fn unit(&self) -> Unit {
        self.unit
    }
}

/// The next of 1, 2, 2.5, 5 and 10 times a power of ten.
fn nice(step: f64) -> f64 {
    let power = 10_f64.powf(step.log10().floor());
    let times = [1.0, 2.0, 2.5, 5.0].into_iter().find(|times| times * power >= step * (1.0 - 1e-9));
    times.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn values_are_written_in_one_unit_at_round_places() {
        assert_eq!(
            texts(&Axis::up_to(Unit::Seconds, 0.0123)),
            ["0", "2.5 ms", "5.0 ms", "7.5 ms", "10.0 ms", "12.5 ms"]
        );
        assert_eq!(texts(&Axis::to(Unit::Seconds, 1.3)), ["0", "0.5 s", "1.0 s"]);
        assert_eq!(
            texts(&Axis::up_to(Unit::Count, 217_000.0)),
            ["0", "50k", "100k", "150k", "200k", "250k"]
        );
        assert_eq!(texts(&Axis::up_to(Unit::Count, 2.0)), ["0", "1", "2"]);
        assert_eq!(texts(&Axis::up_to(Unit::Count, 0.0)), ["0", "1"]);
        assert_eq!(texts(&Axis::to(Unit::Share, 1.0)), ["0", "20%", "40%", "60%", "80%", "100%"]);
        let waits = Axis::logarithmic(Unit::Seconds, 3e-7, 2e-4);
        assert_eq!(texts(&waits), ["100 ns", "1 µs", "10 µs", "100 µs", "1 ms"]);
    }

    #[test]
    fn a_value_and_its_place_are_each_others() {
        for axis in [Axis::up_to(Unit::Count, 70.0), Axis::logarithmic(Unit::Seconds, 1e-6, 1.0)] {
            for at in [0.0, 0.3, 1.0] {
                assert!((axis.at(axis.value(at)) - at).abs() < 1e-9, "{axis:?}");
            }
        }
        assert_eq!(Axis::logarithmic(Unit::Seconds, 1.0, 1.0).at(0.0), 0.0);
    }

    #[test]
    fn a_single_value_has_three_digits() {
        let text = |value| Unit::Seconds.text(value);
        assert_eq!([0.0, 1.5e-6, 0.03114, 12.0].map(text), ["0", "1.50 µs", "31.1 ms", "12.0 s"]);
        assert_eq!(Unit::Share.text(0.372), "37.2%");
        assert_eq!([3.0, 1234.0, 217_123.0].map(|n| Unit::Count.text(n)), ["3", "1,234", "217k"]);
        assert_eq!(Unit::Bytes.text(1.2e9), "1.20 GB");
    }
}
