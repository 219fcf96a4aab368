//! Masks over the time or the frequency of a spectrogram.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::check_p;
use crate::plan::{H, OPS_MAX, OpCode, W};
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "time_mask",
        usage: "max, count=1, p=1, fill=0",
        parse: |a, args| {
            let default = TimeMask::new(args.whole("max")?);
            Ok(a.time_mask(TimeMask {
                count: args.whole_or("count", default.count)?,
                p: args.number_or("p", default.p)?,
                fill: args.number_or("fill", default.fill)?,
                ..default
            }))
        },
    },
    Form {
        name: "freq_mask",
        usage: "max, count=1, fill=0",
        parse: |a, args| {
            let default = FreqMask::new(args.whole("max")?);
            Ok(a.freq_mask(FreqMask {
                count: args.whole_or("count", default.count)?,
                fill: args.number_or("fill", default.fill)?,
                ..default
            }))
        },
    },
];

/// Masks over columns, with time along the width: of L columns, each of `count` masks is v =
/// floor(U(0, max)) columns wide and begins at floor(U(0, L - v)). With `p` below 1 a mask is at
/// most floor(L p) columns wide. torchaudio: `TimeMasking`, but drawn per sample instead of per
/// batch.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct TimeMask {
    max: usize,
    count: usize,
    p: f64,
    fill: f64,
}

impl TimeMask {
    /// Masks of fewer than `max` columns.
    pub fn new(max: usize) -> Self {
        Self { max, count: 1, p: 1.0, fill: 0.0 }
    }

    /// How many masks, which may overlap; at most 16. The default is 1.
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// The largest part of the columns that a mask may cover. The default is 1.
    pub fn p(mut self, p: f64) -> Self {
        self.p = p;
        self
    }

    /// The value of masked pixels, in the units that [`Augment`] describes under *Values*; after a
    /// normalisation, a normalised value. The default is 0.
    pub fn fill(mut self, fill: f64) -> Self {
        self.fill = fill;
        self
    }
}

impl From<usize> for TimeMask {
    fn from(max: usize) -> Self {
        Self::new(max)
    }
}

/// Masks over rows, the frequencies: like [`TimeMask`], along the height. torchaudio:
/// `FrequencyMasking`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[must_use]
pub struct FreqMask {
    max: usize,
    count: usize,
    fill: f64,
}

impl FreqMask {
    /// Masks of fewer than `max` rows.
    pub fn new(max: usize) -> Self {
        Self { max, count: 1, fill: 0.0 }
    }

    /// How many masks, which may overlap; at most 16. The default is 1.
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// The value of masked pixels, as for [`TimeMask::fill`]. The default is 0.
    pub fn fill(mut self, fill: f64) -> Self {
        self.fill = fill;
        self
    }
}

impl From<usize> for FreqMask {
    fn from(max: usize) -> Self {
        Self::new(max)
    }
}

impl Augment {
    /// Masks parts of the time, which are columns: a largest width, or a [`TimeMask`].
    pub fn time_mask(self, mask: impl Into<TimeMask>) -> Self {
        let TimeMask { max, count, p, fill } = mask.into();
        self.push(Masks { axis: W, max, count, p, fill })
    }

    /// Masks parts of the frequencies, which are rows: a largest height, or a [`FreqMask`].
    pub fn freq_mask(self, mask: impl Into<FreqMask>) -> Self {
        let FreqMask { max, count, fill } = mask.into();
        self.push(Masks { axis: H, max, count, p: 1.0, fill })
    }
}

#[derive(Debug)]
struct Masks {
    axis: usize,
    max: usize,
    count: usize,
    p: f64,
    fill: f64,
}

impl Masks {
    /// Where a mask begins and ends on an axis of `len`.
    fn draw(&self, draws: &mut Draws, len: i32) -> [i32; 2] {
        let [width, start] = [draws.unit_f64(), draws.unit_f64()];
        let most = if self.p < 1.0 { f64::from(len) * self.p } else { f64::from(len) };
        let most = most.floor().min(self.max as f64);
        let width = (width * most) as i32;
        let start = (start * f64::from(len - width)) as i32;
        [start, start + width]
    }
}

impl Step for Masks {
    fn name(&self) -> &'static str {
        if self.axis == W { "time_mask" } else { "freq_mask" }
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p)?;
        if !(1..=OPS_MAX).contains(&self.count) {
            return Err(format!("found {} masks, expected 1 to {OPS_MAX}", self.count));
        }
        sketch.needs_value("fill", self.fill)?;
        (0..self.count).for_each(|_| sketch.atom(Atom::Pinned(1)));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let [_, height, width] = composer.size();
        let fill = self.fill as f32 * composer.unit();
        for _ in 0..self.count {
            let mut edges = [0, height, 0, width];
            let [start, end] = self.draw(draws, composer.size()[self.axis]);
            let at = if self.axis == H { 0 } else { 2 };
            (edges[at], edges[at + 1]) = (start, end);
            composer.note(format_args!("{} {start}..{end}", self.name()));
            if start < end {
                let [top, bottom, left, right] = edges.map(|edge| edge as f32);
                let args = [top, bottom, left, right, fill, fill, fill, fill];
                composer.pinned(OpCode::Erase, 0, &args);
            }
        }
    }
}

impl fmt::Display for Masks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}, count={}, ", self.name(), self.max, self.count)?;
        if self.axis == W {
            write!(f, "p={}, ", number(self.p))?;
        }
        write!(f, "fill={})", number(self.fill))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{chi_square, numbers, problem, round_trips, taken};

    /// The masked columns of a plane of ones.
    fn columns(text: &str, index: u64) -> Vec<bool> {
        let made = numbers(text, &[1.0; 6 * 40], &[6, 40], index);
        let masked = |x: usize| made[x] != 1.0;
        for (at, value) in made.iter().enumerate() {
            assert_eq!(*value != 1.0, masked(at % 40), "a mask covers whole columns");
        }
        (0..40).map(masked).collect()
    }

    #[test]
    fn a_mask_covers_one_run_of_columns_narrower_than_its_largest() {
        let mut widths = [0; 8];
        for index in 0..2000 {
            let masked = columns("time_mask(8)", index);
            let first = masked.iter().position(|m| *m).unwrap_or(0);
            let width = masked.iter().filter(|m| **m).count();
            assert!(masked[first..first + width].iter().all(|m| *m), "in one run");
            widths[width] += 1;
        }
        // 7 degrees of freedom, one in a thousand.
        assert!(chi_square(&widths) < 24.3, "{widths:?}");
    }

    #[test]
    fn p_bounds_the_share_of_the_columns() {
        let widest = |text: &str| {
            (0..500).map(|index| columns(text, index).iter().filter(|m| **m).count()).max()
        };
        assert_eq!(widest("time_mask(30, p=0.1)"), Some(3), "floor(40 x 0.1) is never reached");
        assert_eq!(widest("time_mask(1000)"), Some(39));
        assert_eq!(widest("time_mask(30, p=0)"), Some(0));
    }

    #[test]
    fn frequencies_are_rows_and_the_fill_is_in_units_of_the_range() {
        let made =
            (0..50).map(|index| numbers("freq_mask(5, fill=0.25)", &[1.0; 60], &[6, 10], index));
        let masked: Vec<Vec<f32>> = made.filter(|made| made.contains(&0.25)).collect();
        assert!(masked.len() > 20);
        for made in masked {
            assert!(made.chunks(10).all(|row| row.iter().all(|x| x == &row[0])));
        }
        assert_eq!(taken("time_mask(8, count=3)", 1)[0].matches("time_mask").count(), 3);
    }

    #[test]
    fn the_text_reads_back_and_too_many_masks_are_refused() {
        round_trips("time_mask(8, 2, 0.5, 0.25) freq_mask(3, fill=1)");
        assert!(problem("time_mask(8, count=17)").contains("1 to 16"));
        assert!(problem("time_mask(8, p=2)").contains("from 0 to 1"));
    }
}
