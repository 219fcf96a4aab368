//! Random contents of samples, the same in every kind of file.

use std::fmt;
use std::ops::RangeInclusive;

use tallow::{Draws, Key, Purpose, Stream};

use crate::data::npy::{self, NpyDtype};

/// The most bytes of one sample: a loader refuses to read more.
const SAMPLE_BYTES_MAX: usize = (1 << 30) - 1;

/// The range that integers are drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Integers {
    /// All values of the type; of `u64`, those that `i64` has too.
    All,
    /// 0 to 9, as labels of ten classes.
    Digits,
}

/// The contents of one field: a function of the seed and the index of the sample.
#[derive(Debug)]
pub(crate) struct Contents {
    pub(crate) dtype: NpyDtype,
    lengths: Vec<RangeInclusive<usize>>,
    integers: Integers,
    key: Key,
    elements: Stream,
    /// A separate stream, so that drawing shapes does not change the elements.
    shapes: Stream,
}

impl Contents {
    /// # Errors
    ///
    /// A message, if a sample would be larger than a loader reads.
    pub(crate) fn new(
        seed: u64,
        dtype: NpyDtype,
        lengths: &[RangeInclusive<usize>],
        integers: Integers,
    ) -> Result<Self, String> {
        let name = if matches!(integers, Integers::All) { "gen input" } else { "gen target" };
        let this = Self {
            dtype,
            lengths: lengths.to_vec(),
            integers,
            key: Key::new(seed, 0),
            elements: Stream::new(name, 0, Purpose::Data),
            shapes: Stream::new(name, 1, Purpose::Data),
        };
        let largest = lengths.iter().map(RangeInclusive::end);
        let bytes = largest.copied().try_fold(dtype.size(), usize::checked_mul);
        match bytes {
            Some(0..=SAMPLE_BYTES_MAX) => Ok(this),
            _ => Err(format!(
                "{this} takes more than {SAMPLE_BYTES_MAX} bytes per sample, the most that a \
                 loader reads; make it smaller"
            )),
        }
    }

    /// The shape of all samples, if they have the same.
    pub(crate) fn shape(&self) -> Option<Vec<usize>> {
        self.lengths
            .iter()
            .map(|range| (range.start() == range.end()).then_some(*range.start()))
            .collect()
    }

    /// The axes whose lengths differ, and the greatest length of each.
    pub(crate) fn ragged(&self) -> impl Iterator<Item = (usize, usize)> {
        let axes = self.lengths.iter().enumerate();
        axes.filter(|(_, range)| range.start() < range.end())
            .map(|(axis, range)| (axis, *range.end()))
    }

    /// The bytes of a sample of this shape.
    pub(crate) fn bytes(&self, shape: &[usize]) -> usize {
        shape.iter().product::<usize>() * self.dtype.size()
    }

    /// Appends the elements of sample `index`, which has this shape.
    pub(crate) fn append(&self, index: usize, shape: &[usize], bytes: &mut Vec<u8>) {
        let start = bytes.len();
        bytes.resize(start + self.bytes(shape), 0);
        let mut draws = self.key.draws(self.elements, index as u64);
        fill_payload(&mut bytes[start..], self.dtype, self.integers, &mut draws);
    }

    /// Replaces `bytes` by the `.npy` file of sample `index`.
    pub(crate) fn npy(&self, index: usize, bytes: &mut Vec<u8>) {
        let shape = self.shape_of(index);
        bytes.clear();
        bytes.extend(npy::header(self.dtype, &shape));
        self.append(index, &shape, bytes);
    }

    fn shape_of(&self, index: usize) -> Vec<usize> {
        let mut draws = self.key.draws(self.shapes, index as u64);
        let mut length = |range: &RangeInclusive<usize>| match (range.end() - range.start()) as u64
        {
            0 => *range.start(),
            more => range.start() + draws.below(more + 1) as usize,
        };
        self.lengths.iter().map(&mut length).collect()
    }
}

/// As it is written on the command line.
impl fmt::Display for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |range: &RangeInclusive<usize>| match (range.start(), range.end()) {
            (least, greatest) if least == greatest => least.to_string(),
            (least, greatest) => format!("{least}..{greatest}"),
        };
        let lengths: Vec<String> = self.lengths.iter().map(length).collect();
        write!(f, "{}[{}]", self.dtype.as_str(), lengths.join(", "))
    }
}

/// Random elements. Floats are uniform in [0, 1) with as many bits as their significand holds, so
/// that none is rounded up to 1.
fn fill_payload(payload: &mut [u8], dtype: NpyDtype, integers: Integers, draws: &mut Draws) {
    match (dtype, integers) {
        (NpyDtype::F16, _) => fill(payload, || f16_unit_bits(draws.next_u32() >> 21).to_le_bytes()),
        (NpyDtype::F32, _) => {
            fill(payload, || ((draws.next_u32() >> 8) as f32 * 2f32.powi(-24)).to_le_bytes());
        }
        (NpyDtype::F64, _) => fill(payload, || draws.unit_f64().to_le_bytes()),
        // Little-endian integers of any size: the digit, then zeros.
        (_, Integers::Digits) => {
            let digits = payload.chunks_exact_mut(dtype.size());
            digits.for_each(|element| element[0] = draws.below(10) as u8);
        }
        (_, Integers::All) => {
            let mut words = payload.chunks_exact_mut(4);
            words.by_ref().for_each(|word| word.copy_from_slice(&draws.next_u32().to_le_bytes()));
            let rest = words.into_remainder();
            rest.copy_from_slice(&draws.next_u32().to_le_bytes()[..rest.len()]);
            if dtype == NpyDtype::U64 {
                payload.chunks_exact_mut(8).for_each(|element| element[7] &= 0x7f);
            }
        }
    }
}

fn fill<const N: usize>(payload: &mut [u8], mut draw: impl FnMut() -> [u8; N]) {
    payload.chunks_exact_mut(N).for_each(|element| element.copy_from_slice(&draw()));
}

/// The bits of `k / 2048` in half precision, for `k` below 2048. That is exact, because the
/// significand has 11 bits.
fn f16_unit_bits(k: u32) -> u16 {
    const BIAS: u32 = 15;
    let Some(top) = k.checked_ilog2() else { return 0 };
    // k = 2^top * (1 + fraction), and k / 2048 = 2^(top - 11) * (1 + fraction).
    let exponent = top + BIAS - 11;
    let fraction = (k << (10 - top)) & 0x3ff;
    (exponent << 10 | fraction) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_exact_and_below_one() {
        assert_eq!(f16_unit_bits(0), 0);
        assert_eq!(f16_unit_bits(1024), 0x3800, "0.5");
        assert_eq!(f16_unit_bits(1), 0x1000, "2^-11");
        assert_eq!(f16_unit_bits(2047), 0x3bff, "the largest below 1");
    }

    fn elements(dtype: NpyDtype, integers: Integers, seed: u64, index: usize) -> Vec<u8> {
        let mut bytes = vec![1; 3];
        let contents = Contents::new(seed, dtype, &[5..=5, 7..=7], integers).unwrap();
        contents.append(index, &contents.shape().unwrap(), &mut bytes);
        bytes.split_off(3)
    }

    #[test]
    fn elements_are_what_the_seed_says() {
        let floats = |seed, index| elements(NpyDtype::F32, Integers::All, seed, index);
        assert_eq!(floats(1, 2), floats(1, 2));
        assert_ne!(floats(1, 2), floats(1, 3));
        assert_ne!(floats(1, 2), floats(2, 2));
        let floats = floats(1, 2);
        let mut values = floats.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
        assert!(values.all(|value| (0.0..1.0).contains(&value)));
        let labels = elements(NpyDtype::I64, Integers::Digits, 1, 2);
        let mut labels = labels.chunks_exact(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()));
        assert!(labels.all(|label| (0..10).contains(&label)));
    }

    #[test]
    fn a_range_gives_each_sample_a_length_of_its_own() {
        let lengths = [3..=3, 10..=12, 1..=900];
        let contents = Contents::new(1, NpyDtype::U8, &lengths, Integers::All).unwrap();
        let shapes: Vec<Vec<usize>> = (0..200).map(|index| contents.shape_of(index)).collect();
        for (axis, range) in lengths.iter().enumerate() {
            assert!(shapes.iter().all(|shape| range.contains(&shape[axis])));
        }
        for length in 10..=12 {
            assert!(shapes.iter().any(|shape| shape[1] == length), "{length} occurs");
        }
        assert_eq!(contents.ragged().collect::<Vec<_>>(), [(1, 12), (2, 900)]);
        assert_eq!(contents.to_string(), "u8[3, 10..12, 1..900]");
        assert_eq!(contents.shape(), None);
    }

    #[test]
    fn a_sample_that_no_loader_would_read_is_refused() {
        let contents = |lengths: &[_]| Contents::new(0, NpyDtype::F64, lengths, Integers::All);
        assert!(contents(&[1..=1 << 27]).is_err());
        assert!(contents(&[usize::MAX..=usize::MAX, 2..=2]).is_err());
        assert!(contents(&[1 << 20..=1 << 20]).is_ok());
    }
}
