/// By how much smaller than it is stored a picture is decoded, along each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Scale {
    /// Not at all.
    #[default]
    Whole,
    /// By 2.
    Half,
    /// By 4.
    Quarter,
    /// By 8.
    Eighth,
}

impl Scale {
    /// Those that make a picture smaller, the smallest picture first.
    pub const SMALLER: [Self; 3] = [Self::Eighth, Self::Quarter, Self::Half];

    /// What sides are divided by.
    pub fn divisor(self) -> usize {
        match self {
            Self::Whole => 1,
            Self::Half => 2,
            Self::Quarter => 4,
            Self::Eighth => 8,
        }
    }

    /// What a side of `len` pixels becomes: halves of pixels count as whole ones.
    pub fn side(self, len: usize) -> usize {
        len.div_ceil(self.divisor())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_divided_and_rounded_up() {
        let sides =
            |len| [Scale::Whole, Scale::Half, Scale::Quarter, Scale::Eighth].map(|s| s.side(len));
        assert_eq!(sides(24), [24, 12, 6, 3]);
        assert_eq!(sides(25), [25, 13, 7, 4]);
        assert_eq!(sides(1), [1; 4]);
        assert!(Scale::SMALLER.is_sorted_by_key(|scale| std::cmp::Reverse(scale.divisor())));
    }
}
