/// How a picture has to be turned to be upright: tag 0x0112 of EXIF, 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Orientation {
    /// 1: it is upright.
    #[default]
    Upright,
    /// 2: mirrored along its width.
    FlipWidth,
    /// 3: turned by 180 degrees.
    Turn180,
    /// 4: mirrored along its height.
    FlipHeight,
    /// 5: mirrored at the diagonal from the top left.
    Transpose,
    /// 6: to be turned by 90 degrees clockwise.
    Turn90,
    /// 7: mirrored at the diagonal from the top right.
    Transverse,
    /// 8: to be turned by 90 degrees counterclockwise.
    Turn270,
}

impl Orientation {
    /// Number 1 to 8 of EXIF; others are none.
    pub fn from_exif(number: u16) -> Option<Self> {
        Some(match number {
            1 => Self::Upright,
            2 => Self::FlipWidth,
            3 => Self::Turn180,
            4 => Self::FlipHeight,
            5 => Self::Transpose,
            6 => Self::Turn90,
            7 => Self::Transverse,
            8 => Self::Turn270,
            _ => return None,
        })
    }

    /// Whether height and width change places.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Self::Transpose | Self::Turn90 | Self::Transverse | Self::Turn270)
    }

    /// The size of the upright picture, height and width, from that of the stored one; and back.
    pub fn size(self, [height, width]: [usize; 2]) -> [usize; 2] {
        if self.swaps_sides() { [width, height] } else { [height, width] }
    }

    /// The row and column of the stored picture, of size `stored`, that the pixel at `[y, x]` of the
    /// upright picture comes from.
    pub fn stored(self, stored: [usize; 2], [y, x]: [usize; 2]) -> [usize; 2] {
        let [height, width] = stored;
        match self {
            Self::Upright => [y, x],
            Self::FlipWidth => [y, width - 1 - x],
            Self::Turn180 => [height - 1 - y, width - 1 - x],
            Self::FlipHeight => [height - 1 - y, x],
            Self::Transpose => [x, y],
            Self::Turn90 => [height - 1 - x, y],
            Self::Transverse => [height - 1 - x, width - 1 - y],
            Self::Turn270 => [x, width - 1 - y],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_orientation_turns_as_exif_transpose_of_pil_does() {
        // Of the picture [[0, 1, 2], [3, 4, 5]].
        let expected: [&[&[usize]]; 8] = [
            &[&[0, 1, 2], &[3, 4, 5]],
            &[&[2, 1, 0], &[5, 4, 3]],
            &[&[5, 4, 3], &[2, 1, 0]],
            &[&[3, 4, 5], &[0, 1, 2]],
            &[&[0, 3], &[1, 4], &[2, 5]],
            &[&[3, 0], &[4, 1], &[5, 2]],
            &[&[5, 2], &[4, 1], &[3, 0]],
            &[&[2, 5], &[1, 4], &[0, 3]],
        ];
        for (number, expected) in (1..).zip(expected) {
            let orientation = Orientation::from_exif(number).unwrap();
            let [height, width] = orientation.size([2, 3]);
            assert_eq!([height, width], [expected.len(), expected[0].len()], "{number}");
            for (y, row) in expected.iter().enumerate() {
                for (x, &number) in row.iter().enumerate() {
                    let [row, column] = orientation.stored([2, 3], [y, x]);
                    assert_eq!(3 * row + column, number, "{orientation:?} at {y}, {x}");
                }
            }
        }
        assert_eq!([0, 9].map(Orientation::from_exif), [None, None]);
    }
}
