//! Count, range, mean and deviation of numbers, in parts that can be merged.

use std::sync::LazyLock;

use candle_core::{DType, Device, Tensor};

/// The numbers of one block are summed up in the nearest cache, twice: once for their mean, and once
/// for their squares about that mean. Squares of 4096 `u16` fit `u64` by far, and those of bytes `u32`.
pub(super) const BLOCK: usize = 4096;

/// What is known of some numbers. Those of at most 16 bits are summed up exactly; all others in
/// `f64` about the mean of their block, so that a large mean costs no digits, and merged as Chan,
/// Golub and LeVeque do ("Updating formulae and a pairwise algorithm for computing sample variances",
/// 1979).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Moments {
    Exact(Sums),
    Rounded(Shifted),
}

/// Exact sums.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sums {
    pub(super) count: u64,
    sum: i128,
    squares: u128,
    range: Option<(i64, i64)>,
}

/// The mean of finite numbers, and the sum of the squares of their distances from it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Shifted {
    pub(super) count: u64,
    mean: f64,
    squares: f64,
    range: Option<(f64, f64)>,
    pub(super) nan: u64,
    pub(super) infinite: u64,
}

/// Lowest, highest, mean and deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Summary {
    pub(super) range: (f64, f64),
    pub(super) mean: f64,
    pub(super) deviation: f64,
}

impl Moments {
    pub(super) fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Exact(own), Self::Exact(other)) => own.merge(other),
            (Self::Rounded(own), Self::Rounded(other)) => own.merge(other),
            _ => unreachable!("parts of one field are of one kind"),
        }
    }

    /// Finite numbers, NaN and infinities.
    pub(super) fn counts(&self) -> (u64, u64, u64) {
        match self {
            Self::Exact(sums) => (sums.count, 0, 0),
            Self::Rounded(of) => (of.count, of.nan, of.infinite),
        }
    }

    /// None where no number is finite.
    pub(super) fn summary(&self) -> Option<Summary> {
        match self {
            Self::Exact(sums) => sums.summary(),
            Self::Rounded(of) => of.summary(),
        }
    }
}

impl Sums {
    pub(super) fn add<T: Small>(&mut self, block: &[T]) {
        for block in block.chunks(BLOCK) {
            let (sum, squares) = T::sums(block);
            // Folds of values become vectors, which the minimum of references does not.
            let least = block.iter().copied().fold(block[0], Ord::min);
            let greatest = block.iter().copied().fold(block[0], Ord::max);
            let range = Some((least.into(), greatest.into()));
            self.merge(&Self { count: block.len() as u64, sum, squares, range });
        }
    }

    /// Adds bytes, of which each occurs as often as `counts` says.
    pub(super) fn add_counts(&mut self, counts: &[u64]) {
        for (value, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
            let (sum, squares) = (value as i128 * i128::from(count), (value * value) as u128);
            let range = Some((value as i64, value as i64));
            self.merge(&Self { count, sum, squares: squares * u128::from(count), range });
        }
    }

    fn merge(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.squares += other.squares;
        self.range = wider(self.range, other.range, i64::min, i64::max);
    }

    fn summary(&self) -> Option<Summary> {
        let (least, greatest) = self.range?;
        let count = u128::from(self.count);
        // Whole numbers below 2^128, since squares are below 2^32 and 2^48 numbers are more than
        // anybody reads. The difference is therefore exact, and rounded once.
        let spread = count * self.squares - self.sum.unsigned_abs() * self.sum.unsigned_abs();
        let count = count as f64;
        Some(Summary {
            range: (least as f64, greatest as f64),
            mean: self.sum as f64 / count,
            deviation: (spread as f64).sqrt() / count,
        })
    }
}

fn wider<T: Copy>(
    own: Option<(T, T)>,
    other: Option<(T, T)>,
    min: impl Fn(T, T) -> T,
    max: impl Fn(T, T) -> T,
) -> Option<(T, T)> {
    match (own, other) {
        (Some(own), Some(other)) => Some((min(own.0, other.0), max(own.1, other.1))),
        (own, other) => own.or(other),
    }
}

/// A whole number whose squares are summed up exactly.
pub(super) trait Small: Copy + Ord + Into<i64> {
    /// The sum of at most [`BLOCK`] numbers, and of their squares.
    fn sums(block: &[Self]) -> (i128, u128);
}

impl Small for u8 {
    fn sums(block: &[Self]) -> (i128, u128) {
        let (mut sum, mut squares) = (0u32, 0u32);
        for &value in block {
            sum += u32::from(value);
            squares += u32::from(value) * u32::from(value);
        }
        (sum.into(), squares.into())
    }
}

macro_rules! small {
    ($($number:ty),*) => {
        $(impl Small for $number {
            fn sums(block: &[Self]) -> (i128, u128) {
                let (mut sum, mut squares) = (0i64, 0u64);
                for &value in block {
                    sum += i64::from(value);
                    // At most 2^32.
                    squares += (i64::from(value) * i64::from(value)) as u64;
                }
                (sum.into(), squares.into())
            }
        })*
    };
}

small!(u16, i16);

impl Shifted {
    pub(super) fn add<T: Number>(&mut self, block: &[T]) {
        let mut wide = [0f64; BLOCK];
        for block in block.chunks(BLOCK) {
            let wide = &mut wide[..block.len()];
            for (wide, value) in wide.iter_mut().zip(block) {
                *wide = value.wide();
            }
            self.merge(&Self::of(wide));
        }
    }

    /// Of one block.
    fn of(block: &[f64]) -> Self {
        let sum = total(block, |value| value);
        if !sum.is_finite() {
            return Self::with_others(block);
        }
        let mean = sum / block.len() as f64;
        let squares = total(block, |value| (value - mean) * (value - mean));
        let range = Some(ends(block)).filter(|_| !block.is_empty());
        let mean = if block.is_empty() { 0.0 } else { mean };
        Self { count: block.len() as u64, mean, squares, range, nan: 0, infinite: 0 }
    }

    /// Of a block with numbers that are not finite, or whose sum is not.
    #[cold]
    fn with_others(block: &[f64]) -> Self {
        let mut of = Self::default();
        for &value in block {
            of.nan += u64::from(value.is_nan());
            of.infinite += u64::from(value.is_infinite());
            if value.is_finite() {
                let range = Some((value, value));
                of.merge(&Self { count: 1, mean: value, range, ..Self::default() });
            }
        }
        of
    }

    fn merge(&mut self, other: &Self) {
        self.nan += other.nan;
        self.infinite += other.infinite;
        if other.count == 0 {
            return;
        }
        let count = self.count + other.count;
        let share = other.count as f64 / count as f64;
        let apart = other.mean - self.mean;
        self.mean += apart * share;
        self.squares += other.squares + apart * apart * share * self.count as f64;
        self.range = wider(self.range, other.range, f64::min, f64::max);
        self.count = count;
    }

    fn summary(&self) -> Option<Summary> {
        let range = self.range?;
        // A mean that is rounded is not beside what it is the mean of.
        let mean = self.mean.clamp(range.0, range.1);
        let deviation = (self.squares / self.count as f64).sqrt();
        Some(Summary { range, mean, deviation })
    }
}

/// Numbers that are summed up beside each other, so that no addition waits for the one before.
const LANES: usize = 16;

/// The sum of what `of` makes of each number.
fn total(block: &[f64], of: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0f64; LANES];
    let (wholes, rest) = block.as_chunks::<LANES>();
    for whole in wholes {
        lanes.iter_mut().zip(whole).for_each(|(lane, &value)| *lane += of(value));
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &value)| *lane += of(value));
    lanes.iter().sum()
}

/// The least and the greatest of finite numbers.
fn ends(block: &[f64]) -> (f64, f64) {
    let (mut least, mut greatest) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
    let (wholes, rest) = block.as_chunks::<LANES>();
    for values in wholes.iter().map(|whole| &whole[..]).chain([rest]) {
        for ((least, greatest), &value) in least.iter_mut().zip(&mut greatest).zip(values) {
            // Unlike `f64::min`, one instruction: there is no NaN.
            *least = if value < *least { value } else { *least };
            *greatest = if value > *greatest { value } else { *greatest };
        }
    }
    let least = least.into_iter().fold(f64::INFINITY, f64::min);
    (least, greatest.into_iter().fold(f64::NEG_INFINITY, f64::max))
}

/// A number as `f64`.
pub(super) trait Number: Copy {
    fn wide(self) -> f64;
}

macro_rules! number {
    ($($number:ty: $wide:expr),*) => {
        $(impl Number for $number {
            fn wide(self) -> f64 {
                let wide: fn($number) -> f64 = $wide;
                wide(self)
            }
        })*
    };
}

number!(
    u32: f64::from,
    i32: f64::from,
    // Rounded beyond 2^53.
    i64: |value| value as f64,
    half::bf16: half::bf16::to_f64,
    half::f16: half::f16::to_f64,
    f32: f64::from,
    f64: |value| value
);

/// An 8-bit float, for which there is no type of Rust here.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Eighth(u8);

impl Eighth {
    pub(super) fn of(bytes: &[u8]) -> Vec<Self> {
        bytes.iter().copied().map(Self).collect()
    }
}

impl Number for Eighth {
    fn wide(self) -> f64 {
        static WIDE: LazyLock<Vec<f32>> = LazyLock::new(|| {
            let all: Vec<u8> = (0..=u8::MAX).collect();
            let all = Tensor::from_raw_buffer(&all, DType::F8E4M3, &[all.len()], &Device::Cpu);
            let wide = all.and_then(|all| all.to_dtype(DType::F32)?.to_vec1());
            wide.expect("256 numbers")
        });
        WIDE[usize::from(self.0)].into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(values: &[f64], parts: usize) -> Summary {
        let mut all = Shifted::default();
        for part in values.chunks(values.len().div_ceil(parts)) {
            let mut of = Shifted::default();
            of.add(part);
            all.merge(&of);
        }
        all.summary().unwrap()
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        // The deviation of 0, 1, .. 9 is the root of 8.25.
        let values: Vec<f64> = (0..100_000).map(|at| 1e9 + f64::from(at % 10)).collect();
        for parts in [1, 3, 1000] {
            let found = rounded(&values, parts);
            assert!((found.mean - 1e9 - 4.5).abs() < 1e-6, "{found:?}");
            assert!((found.deviation / 8.25f64.sqrt() - 1.0).abs() < 1e-9, "{found:?}");
            assert_eq!(found.range, (1e9, 1e9 + 9.0));
        }
    }

    #[test]
    fn numbers_that_are_not_finite_are_counted_apart() {
        let mut of = Shifted::default();
        of.add(&[f32::NAN, 3.0, f32::INFINITY, 5.0, f32::NEG_INFINITY]);
        assert_eq!((of.count, of.nan, of.infinite), (2, 1, 2));
        assert_eq!(of.summary().unwrap(), Summary { range: (3.0, 5.0), mean: 4.0, deviation: 1.0 });
        let mut none = Shifted::default();
        none.add(&[f64::NAN]);
        assert_eq!(none.summary(), None);
        // Finite numbers whose sum is not.
        let mut large = Shifted::default();
        large.add(&[f64::MAX, f64::MAX]);
        assert_eq!((large.count, large.summary().unwrap().mean), (2, f64::MAX));
    }

    #[test]
    fn whole_numbers_are_exact_at_both_ends() {
        let mut of = Sums::default();
        of.add(&[u16::MAX; 3 * BLOCK + 1]);
        let all = Summary { range: (65535.0, 65535.0), mean: 65535.0, deviation: 0.0 };
        assert_eq!(of.summary(), Some(all));
        let mut of = Sums::default();
        of.add(&[i16::MIN, i16::MIN]);
        assert_eq!(of.summary().unwrap().mean, -32768.0);
        let bytes: Vec<u8> = (0..10_000).map(|at| (at * 7 % 251) as u8).collect();
        let (mut counts, mut of, mut counted) = ([0; 256], Sums::default(), Sums::default());
        bytes.iter().for_each(|&byte| counts[usize::from(byte)] += 1);
        of.add(&bytes);
        counted.add_counts(&counts);
        assert_eq!(of, counted);
    }

    #[test]
    fn eight_bit_floats_are_candles() {
        let mut of = Shifted::default();
        // 1, 2, and NaN.
        of.add(&Eighth::of(&[0x38, 0x40, 0x7f]));
        assert_eq!((of.nan, of.summary().unwrap().range), (1, (1.0, 2.0)));
    }
}
