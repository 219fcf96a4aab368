//! How a picture has to be turned, as a map in front of a plan.

use tallow_core::Orientation;

use crate::plan::{D, H, IntegerMap, StagePlan, W};

/// From the pixels of an upright picture to those of the picture as it is stored.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    map: IntegerMap,
    /// Depth, height and width as they are stored.
    stored: [i32; 3],
}

impl Turn {
    /// That of a picture which is `stored` high and wide; `None` where it is upright as it is.
    pub(crate) fn new(orientation: Orientation, stored: [usize; 2]) -> Option<Self> {
        if orientation == Orientation::Upright {
            return None;
        }
        // Axes and signs do not depend on the size: two pixels along each axis tell them.
        let place = |y, x| orientation.stored([2, 2], [y, x]).map(|at| at as i32);
        let (first, down, right) = (place(0, 0), place(1, 0), place(0, 1));
        let along = |next: [i32; 2]| {
            let axis = if next[0] == first[0] { W } else { H };
            (axis as i32, next[axis - H] - first[axis - H])
        };
        let ((h_axis, h_sign), (w_axis, w_sign)) = (along(down), along(right));
        let [y, x] = orientation.stored(stored, [0, 0]);
        Some(Self {
            map: IntegerMap {
                axis: [D as i32, h_axis, w_axis],
                sign: [1, h_sign, w_sign],
                offset: [0, y as i32, x as i32],
            },
            stored: [1, stored[0] as i32, stored[1] as i32],
        })
    }

    /// The stage `plan`, which reads the upright picture, as one that reads the stored one.
    pub(crate) fn stage(&self, plan: &StagePlan) -> StagePlan {
        let (map, before) = (&self.map, &plan.before);
        let mut turned = *plan;
        turned.source = self.stored;
        turned.before.offset = map.at(before.offset);
        for k in 0..3 {
            let upright = before.axis[k] as usize;
            turned.before.axis[k] = map.axis[upright];
            turned.before.sign[k] = map.sign[upright] * before.sign[k];
            let (stored, offset) = (map.axis[k] as usize, map.offset[map.axis[k] as usize]);
            // What comes last along an axis comes first where it runs backwards.
            let (start, end) = match map.sign[k] > 0 {
                true => (offset + plan.window_start[k], offset + plan.window_end[k]),
                false => (offset - plan.window_end[k] + 1, offset - plan.window_start[k] + 1),
            };
            (turned.window_start[stored], turned.window_end[stored]) = (start, end);
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turned_stage_finds_the_stored_pixels() {
        for number in 2..=8 {
            let orientation = Orientation::from_exif(number).unwrap();
            let stored = [5, 7];
            let turn = Turn::new(orientation, stored).unwrap();
            let [height, width] = orientation.size(stored);
            let plan = StagePlan::moving([1, height as i32, width as i32], 0);
            let turned = turn.stage(&plan);
            assert_eq!((turned.window_start, turned.window_end), ([0; 3], [1, 5, 7]));
            for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
                let [row, column] = orientation.stored(stored, [y, x]).map(|at| at as i32);
                let found = turned.before.at([0, y as i32, x as i32]);
                assert_eq!(found, [0, row, column], "orientation {number}");
            }
        }
        assert!(Turn::new(Orientation::Upright, [5, 7]).is_none());
    }
}
