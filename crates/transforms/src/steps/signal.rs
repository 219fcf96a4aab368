//! Steps for signals, along the last axis, which is time.

use std::fmt;

use tallow_core::{Dim, Draws};

use crate::augment::Augment;
use crate::compose::{Atom, Composer, LEN_MAX, Sketch};
use crate::parameters::{Uniform, whole};
use crate::plan::{Border, CHANNELS_MAX, W};
use crate::spec::Form;
use crate::step::Step;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "shift",
        usage: "max, wrap=true",
        parse: |a, args| {
            let max = args.whole("max")?;
            let wraps = args.flag_or("wrap", true)?;
            Ok(if wraps { a.shift(max) } else { a.shift_with_zeros(max) })
        },
    },
    Form {
        name: "gain",
        usage: "low..high (decibels)",
        parse: |a, args| Ok(a.gain(args.range("decibels")?)),
    },
    Form {
        name: "random_window",
        usage: "length",
        parse: |a, args| Ok(a.random_window(args.whole("length")?)),
    },
];

/// The largest gain in decibels: what `f32` has room for.
const DECIBELS_MAX: f64 = 200.0;

impl Augment {
    /// Moves a signal by a whole number of samples, uniform in -`max`..=`max`. What leaves at one end
    /// enters at the other; with [`shift_with_zeros`](Self::shift_with_zeros), `wrap=false` in text,
    /// zeros enter. Exact, any dtype.
    pub fn shift(self, max: usize) -> Self {
        self.push(Shift { max, wrap: true })
    }

    /// [`shift`](Self::shift) with zeros where the signal left. Exact, any dtype.
    pub fn shift_with_zeros(self, max: usize) -> Self {
        self.push(Shift { max, wrap: false })
    }

    /// x 10^(d / 20), d uniform in `decibels`. Nothing is clamped, but integers saturate when they
    /// are stored. torchaudio: `Vol(gain_type="db")`, which clamps.
    pub fn gain(self, decibels: impl Into<Uniform>) -> Self {
        self.push(Gain { decibels: decibels.into() })
    }

    /// Takes `length` samples of a signal, from a random place, uniform among all that fit. A
    /// shorter signal is padded with zeros at its end; put [`pad_if_needed`](Self::pad_if_needed)
    /// before it for another border or place. Exact, any dtype.
    pub fn random_window(self, length: usize) -> Self {
        self.push(RandomWindow { length })
    }
}

#[derive(Debug)]
struct Shift {
    max: usize,
    wrap: bool,
}

impl Step for Shift {
    fn name(&self) -> &'static str {
        "shift"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        if self.max > LEN_MAX {
            return Err(format!("found {} samples, expected at most {LEN_MAX}", self.max));
        }
        sketch.atom(Atom::Pad { constant: !self.wrap });
        sketch.atom(Atom::Move);
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let max = self.max as i64;
        let by = whole(draws, -max, max) as i32;
        composer.note(format_args!("shift {by}"));
        let size = composer.size();
        let border = if self.wrap { Border::Wrap } else { Border::Constant };
        let [front, after] = [by.max(0), (-by).max(0)];
        composer.pad([0, 0, front], [0, 0, after], border, [0.0; CHANNELS_MAX]);
        composer.crop([0, 0, after], size);
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shift({}, wrap={})", self.max, self.wrap)
    }
}

#[derive(Debug)]
struct Gain {
    decibels: Uniform,
}

impl Step for Gain {
    fn name(&self) -> &'static str {
        "gain"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        self.decibels.check("decibels", -DECIBELS_MAX, DECIBELS_MAX)?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let decibels = self.decibels.draw(draws);
        composer.note(format_args!("gain {decibels:.1} dB"));
        let factor = libm::exp10(decibels / 20.0) as f32;
        composer.affine([factor; CHANNELS_MAX], [0.0; CHANNELS_MAX]);
    }
}

impl fmt::Display for Gain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gain({})", self.decibels)
    }
}

#[derive(Debug)]
struct RandomWindow {
    length: usize,
}

impl Step for RandomWindow {
    fn name(&self) -> &'static str {
        "random_window"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        set_length(sketch, self.length)
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let (length, now) = (self.length as i32, composer.width());
        let after = [0, 0, (length - now).max(0)];
        composer.pad([0; 3], after, Border::Constant, [0.0; CHANNELS_MAX]);
        let start = whole(draws, 0, i64::from(composer.width() - length)) as i32;
        composer.note(format_args!("window at {start}"));
        let mut size = composer.size();
        size[W] = length;
        composer.crop([0, 0, start], size);
    }
}

impl fmt::Display for RandomWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random_window({})", self.length)
    }
}

/// Every signal is cut or padded to `length`.
///
/// # Errors
///
/// When it is no length.
pub(crate) fn set_length(sketch: &mut Sketch, length: usize) -> Result<(), String> {
    if !(1..=LEN_MAX).contains(&length) {
        return Err(format!("found length {length}, expected 1 to {LEN_MAX}"));
    }
    let may_be_short = match sketch.size[W] {
        Dim::Fixed(len) => len < length,
        Dim::Ragged { .. } => true,
    };
    if may_be_short {
        sketch.atom(Atom::Pad { constant: true });
    }
    sketch.atom(Atom::Move);
    let mut size = sketch.size;
    size[W] = Dim::Fixed(length);
    sketch.set_size(size);
    Ok(())
}

#[cfg(test)]
mod tests {
    use tallow_core::RowDType;

    use crate::steps::probe::{chi_square, numbers, problem, round_trips, sequence};

    const SIGNAL: [f32; 7] = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];

    #[test]
    fn a_shift_turns_the_signal_or_lets_zeros_in() {
        let mut counts = [0; 7];
        for index in 0..1400 {
            let made = numbers("shift(3)", &SIGNAL, &[7], index);
            let by = made.iter().position(|x| *x == 1.0).unwrap();
            let turned = |x: usize| SIGNAL[(x + 7 - by) % 7];
            assert!((0..7).all(|x| made[x] == turned(x)), "{made:?}");
            counts[by] += 1;
        }
        // 6 degrees of freedom, one in a thousand.
        assert!(chi_square(&counts) < 22.5, "{counts:?}");
        for index in 0..100 {
            let made = numbers("shift(9, wrap=false)", &SIGNAL, &[7], index);
            let shifted = |by: i32| -> Vec<f32> {
                let at = |x: i32| usize::try_from(x - by).ok().and_then(|x| SIGNAL.get(x));
                (0..7).map(|x| at(x).copied().unwrap_or(0.0)).collect()
            };
            assert!((-9..=9).any(|by| shifted(by) == made), "{made:?}");
        }
        let far = numbers("shift(50)", &SIGNAL, &[7], 3);
        assert_eq!(far.iter().sum::<f32>(), 28.0, "further than the signal is long");
    }

    #[test]
    fn a_gain_is_a_power_of_ten_of_a_twentieth_and_does_not_clamp() {
        assert_eq!(numbers("gain(20)", &SIGNAL, &[7], 0)[6], 70.0);
        assert_eq!(numbers("gain(-40)", &[100.0], &[1], 0), [1.0]);
        for index in 0..200 {
            let [quiet, loud] = numbers("gain(-15..5)", &[1.0, 4.0], &[2], index)[..] else {
                panic!()
            };
            assert!((0.177..1.779).contains(&quiet) && loud == 4.0 * quiet);
        }
    }

    #[test]
    fn a_window_begins_anywhere_inside_and_short_signals_are_padded() {
        let mut counts = [0; 5];
        for index in 0..1000 {
            let made = numbers("random_window(3)", &SIGNAL, &[7], index);
            assert!(made.windows(2).all(|pair| pair[1] == pair[0] + 1.0));
            counts[made[0] as usize - 1] += 1;
        }
        // 4 degrees of freedom, one in a thousand.
        assert!(chi_square(&counts) < 18.5, "{counts:?}");
        assert_eq!(numbers("random_window(9)", &SIGNAL, &[7], 0)[5..], [6.0, 7.0, 0.0, 0.0]);
        assert_eq!(sequence::<i16>("random_window(4)", RowDType::I16, 9, &[5, -6]), [5, -6, 0, 0]);
        assert_eq!(sequence::<i16>("random_window(2)", RowDType::I16, 9, &[]), [0, 0]);
    }

    #[test]
    fn an_empty_sequence_can_stay_one() {
        for chain in ["hflip", "shift(3)", "shift(3, wrap=false) random_hflip(1)"] {
            assert_eq!(sequence::<u8>(chain, RowDType::U8, 9, &[]), [0; 0], "{chain}");
            assert_eq!(sequence::<f32>(chain, RowDType::F32, 9, &[]), [0.0; 0], "{chain}");
            assert_eq!(sequence::<i16>(chain, RowDType::I16, 9, &[]), [0; 0], "{chain}");
        }
    }

    #[test]
    fn the_text_reads_back_and_nonsense_is_refused() {
        round_trips("shift(5, wrap=false) gain(-15..5) random_window(8)");
        assert!(problem("random_window(0)").contains("found length 0"));
        assert!(problem("gain(300)").contains("decibels"));
    }
}
