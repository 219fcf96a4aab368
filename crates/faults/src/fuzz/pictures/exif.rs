//! EXIF data: a TIFF file with one directory, whole or damaged.

use crate::dice::Dice;

/// EXIF data that says how the picture is turned, after other entries and before more; the number is 1
/// to 8.
pub(super) fn turned(dice: &mut Dice, orientation: u16) -> Vec<u8> {
    const ORIENTATION: u16 = 0x0112;
    const SHORT: u16 = 3;
    let little = dice.one_in(2);
    let short = |value: u16| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let long = |value: u32| if little { value.to_le_bytes() } else { value.to_be_bytes() };
    let before = dice.below(3);
    let after = dice.below(3);
    // The directory need not follow on the header.
    let gap = 2 * dice.below(5);
    let mut tiff = if little { b"II".to_vec() } else { b"MM".to_vec() };
    tiff.extend(short(42));
    tiff.extend(long(8 + gap as u32));
    tiff.extend(vec![0; gap]);
    tiff.extend(short((before + 1 + after) as u16));
    let entry = |tag: u16, value: u16| {
        [&short(tag)[..], &short(SHORT), &long(1), &short(value), &[0; 2]].concat()
    };
    (0..before).for_each(|at| tiff.extend(entry(0x0100 + at as u16, 7)));
    tiff.extend(entry(ORIENTATION, orientation));
    (0..after).for_each(|at| tiff.extend(entry(0x0200 + at as u16, 7)));
    tiff.extend(long(0));
    tiff
}

/// The same with numbers that lead nowhere, and pieces that are missing.
pub(super) fn damaged(dice: &mut Dice) -> Vec<u8> {
    let orientation = dice.below(12) as u16;
    let mut tiff = turned(dice, orientation);
    for _ in 0..1 + dice.below(3) {
        match dice.below(4) {
            0 => tiff.truncate(dice.below(tiff.len() + 1)),
            1 => tiff.extend(dice.bytes(9)),
            _ if tiff.is_empty() => {}
            _ => {
                let at = dice.below(tiff.len());
                tiff[at] = *dice.pick(&[0, 1, 8, 0x12, 0x7f, 0xff]);
            }
        }
    }
    tiff
}
