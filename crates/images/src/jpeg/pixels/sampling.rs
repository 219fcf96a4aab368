//! How large the samples of a component are at a scale.
//!
//! By libjpeg's rules (`jpeg_calc_output_dimensions`): a block of 8x8 coefficients becomes as many
//! samples along each side as are left of 8, and twice or four times as many where the component would be
//! enlarged by that in both directions. Subsampled chroma so becomes as large as luma at once.

use crate::Scale;
use crate::jpeg::frame::{BLOCK, Component, Frame};

/// The samples of a component at a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sampling {
    /// Samples of a block along each side: 1, 2, 4 or 8.
    pub(super) side: usize,
    /// Rows and columns of samples in the picture.
    pub(super) height: usize,
    pub(super) width: usize,
    /// Pixels of a sample along a row.
    pub(super) h: usize,
    /// Pixels of a sample along a column.
    pub(super) v: usize,
    /// Whether pixels between samples are filtered: at an eighth libjpeg repeats them.
    pub(super) is_filtered: bool,
}

impl Sampling {
    /// That of a component. `None` where the sampling of the frame is no multiple of the component's.
    pub(super) fn of(component: &Component, frame: &Frame, scale: Scale) -> Option<Self> {
        let least = block_side(scale);
        let h_whole = frame.h_max * least;
        let v_whole = frame.v_max * least;
        let mut side = least;
        let divides = |all: usize, part: usize| all.is_multiple_of(part);
        while side < BLOCK
            && divides(h_whole, 2 * component.h * side)
            && divides(v_whole, 2 * component.v * side)
        {
            side *= 2;
        }
        let (h_own, v_own) = (component.h * side, component.v * side);
        if !divides(h_whole, h_own) || !divides(v_whole, v_own) {
            return None;
        }
        Some(Self {
            side,
            height: (frame.height * v_own).div_ceil(frame.v_max * BLOCK),
            width: (frame.width * h_own).div_ceil(frame.h_max * BLOCK),
            h: h_whole / h_own,
            v: v_whole / v_own,
            is_filtered: least > 1,
        })
    }
}

/// Pixels that a block of a component as large as the picture becomes, along each side.
pub(super) fn block_side(scale: Scale) -> usize {
    BLOCK / scale.divisor()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jpeg::frame::Process;

    fn of(samplings: [u8; 3], scale: Scale) -> [Option<[usize; 3]>; 3] {
        let mut head = vec![8, 0, 100, 0, 75, 3];
        for (id, sampling) in (1..).zip(samplings) {
            head.extend([id, sampling, 0]);
        }
        let frame = Frame::read(&head, Process::Sequential, 0).unwrap();
        let of = |k: usize| Sampling::of(&frame.components()[k], &frame, scale);
        [0, 1, 2].map(|k| of(k).map(|s| [s.side, s.h, s.v]))
    }

    #[test]
    fn chroma_is_transformed_to_more_samples_instead_of_being_enlarged() {
        assert_eq!(
            of([0x22, 0x11, 0x11], Scale::Whole),
            [Some([8, 1, 1]), Some([8, 2, 2]), Some([8, 2, 2])]
        );
        assert_eq!(
            of([0x22, 0x11, 0x11], Scale::Half),
            [Some([4, 1, 1]), Some([8, 1, 1]), Some([8, 1, 1])]
        );
        assert_eq!(
            of([0x22, 0x11, 0x11], Scale::Eighth),
            [Some([1, 1, 1]), Some([2, 1, 1]), Some([2, 1, 1])]
        );
        assert_eq!(
            of([0x44, 0x11, 0x22], Scale::Quarter),
            [Some([2, 1, 1]), Some([8, 1, 1]), Some([4, 1, 1])]
        );
    }

    #[test]
    fn chroma_that_is_halved_in_one_direction_is_enlarged_in_it() {
        assert_eq!(
            of([0x21, 0x11, 0x11], Scale::Half),
            [Some([4, 1, 1]), Some([4, 2, 1]), Some([4, 2, 1])]
        );
        assert_eq!(
            of([0x42, 0x11, 0x11], Scale::Half),
            [Some([4, 1, 1]), Some([8, 2, 1]), Some([8, 2, 1])]
        );
        assert_eq!(of([0x31, 0x21, 0x11], Scale::Whole), [Some([8, 1, 1]), None, Some([8, 3, 1])]);
    }
}
