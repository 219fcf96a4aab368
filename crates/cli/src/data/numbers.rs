//! The elements of a row as numbers.

use tallow::RowDType;

/// The least and the greatest of many numbers, and how many are NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Range {
    least: f64,
    greatest: f64,
    pub(crate) nans: u64,
    pub(crate) infinities: u64,
}

impl Default for Range {
    fn default() -> Self {
        Self { least: f64::INFINITY, greatest: f64::NEG_INFINITY, nans: 0, infinities: 0 }
    }
}

impl Range {
    /// The range of the elements in `bytes`, in the byte order of the machine; `None` for a type
    /// that is not supported.
    pub(crate) fn of(bytes: &[u8], dtype: RowDType) -> Option<Self> {
        Some(match dtype {
            RowDType::U8 => each(bytes, |b: [u8; 1]| f64::from(b[0])),
            RowDType::U16 => each(bytes, |b| f64::from(u16::from_ne_bytes(b))),
            RowDType::U32 => each(bytes, |b| f64::from(u32::from_ne_bytes(b))),
            RowDType::I16 => each(bytes, |b| f64::from(i16::from_ne_bytes(b))),
            RowDType::I32 => each(bytes, |b| f64::from(i32::from_ne_bytes(b))),
            RowDType::I64 => each(bytes, |b| i64::from_ne_bytes(b) as f64),
            RowDType::BF16 => each(bytes, |b| half::bf16::from_ne_bytes(b).to_f64()),
            RowDType::F16 => each(bytes, |b| half::f16::from_ne_bytes(b).to_f64()),
            RowDType::F32 => each(bytes, |b| f64::from(f32::from_ne_bytes(b))),
            RowDType::F64 => each(bytes, f64::from_ne_bytes),
            _ => return None,
        })
    }

    fn add(&mut self, number: f64) {
        if number.is_finite() {
            self.least = self.least.min(number);
            self.greatest = self.greatest.max(number);
        } else if number.is_nan() {
            self.nans += 1;
        } else {
            self.infinities += 1;
        }
    }

    /// Extends it to the range of both.
    pub(crate) fn merge(&mut self, other: Self) {
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.nans += other.nans;
        self.infinities += other.infinities;
    }

    /// The least and the greatest finite number, if there is one.
    pub(crate) fn ends(&self) -> Option<(f64, f64)> {
        (self.least <= self.greatest).then_some((self.least, self.greatest))
    }
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Range {
    let mut range = Range::default();
    bytes.as_chunks().0.iter().for_each(|&bytes| range.add(number(bytes)));
    range
}

/// Element `at` of `bytes`; 0 for a type that is not supported.
pub(crate) fn at(bytes: &[u8], dtype: RowDType, at: usize) -> f32 {
    match dtype {
        RowDType::U8 => f32::from(bytes[at]),
        RowDType::U16 => f32::from(u16::from_ne_bytes(element(bytes, at))),
        RowDType::U32 => u32::from_ne_bytes(element(bytes, at)) as f32,
        RowDType::I16 => f32::from(i16::from_ne_bytes(element(bytes, at))),
        RowDType::I32 => i32::from_ne_bytes(element(bytes, at)) as f32,
        RowDType::I64 => i64::from_ne_bytes(element(bytes, at)) as f32,
        RowDType::BF16 => half::bf16::from_ne_bytes(element(bytes, at)).to_f32(),
        RowDType::F16 => half::f16::from_ne_bytes(element(bytes, at)).to_f32(),
        RowDType::F32 => f32::from_ne_bytes(element(bytes, at)),
        RowDType::F64 => f64::from_ne_bytes(element(bytes, at)) as f32,
        _ => 0.0,
    }
}

fn element<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.as_chunks().0[at]
}

/// A number in few characters: whole numbers without a point, others with six digits.
pub(crate) fn short(number: f64) -> String {
    /// Up to this, every whole number is exact.
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    if number == number.trunc() && number.abs() <= EXACT_MAX {
        return format!("{:.0}", number + 0.0);
    }
    let rounded: f64 = format!("{number:.5e}").parse().unwrap_or(number);
    if (1e-4..1e6).contains(&rounded.abs()) { format!("{rounded}") } else { format!("{rounded:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_type_is_read() {
        let one = |dtype, bytes: &[u8]| {
            let range = Range::of(bytes, dtype).unwrap();
            assert_eq!(f64::from(at(bytes, dtype, 0)), range.ends().unwrap().0, "{dtype}");
            range.ends().unwrap().1
        };
        assert_eq!(one(RowDType::U8, &[9]), 9.0);
        assert_eq!(one(RowDType::U16, &65535u16.to_ne_bytes()), 65535.0);
        assert_eq!(one(RowDType::U32, &70_000u32.to_ne_bytes()), 70_000.0);
        assert_eq!(one(RowDType::I16, &(-3i16).to_ne_bytes()), -3.0);
        assert_eq!(one(RowDType::I32, &(-70_000i32).to_ne_bytes()), -70_000.0);
        assert_eq!(one(RowDType::F16, &half::f16::from_f32(0.5).to_ne_bytes()), 0.5);
        assert_eq!(one(RowDType::BF16, &half::bf16::from_f32(0.5).to_ne_bytes()), 0.5);
        assert_eq!(one(RowDType::F32, &0.25f32.to_ne_bytes()), 0.25);
        assert_eq!(one(RowDType::F64, &0.25f64.to_ne_bytes()), 0.25);
        assert_eq!(one(RowDType::I64, &7i64.to_ne_bytes()), 7.0);
        assert_eq!(Range::of(&[0], RowDType::F8E4M3), None);
    }

    #[test]
    fn what_is_no_number_is_counted_and_left_out_of_the_range() {
        let values = [f32::NAN, -2.0, f32::INFINITY, 5.0, f32::NAN];
        let range = Range::of(bytemuck::cast_slice(&values), RowDType::F32).unwrap();
        assert_eq!((range.ends(), range.nans, range.infinities), (Some((-2.0, 5.0)), 2, 1));
        assert_eq!(Range::of(&f32::NAN.to_ne_bytes(), RowDType::F32).unwrap().ends(), None);
    }

    #[test]
    fn numbers_are_said_in_a_few_digits() {
        let said =
            [-0.0, -3.0, 255.0, 0.5, 2.639_999_9, 1e-9, 1.234_567e20, 1_234.567_8].map(short);
        assert_eq!(said, ["0", "-3", "255", "0.5", "2.64", "1e-9", "1.23457e20", "1234.57"]);
    }
}
