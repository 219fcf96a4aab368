use proptest::prelude::*;

use super::*;

/// libjpeg's jidctint.c, step by step in its own arrangement: `natural` holds dequantised
/// coefficients of a picture.
fn reference(natural: &[i32; 64]) -> [Eight; 8] {
    let mut work = [[0; 8]; 8];
    for column in 0..8 {
        let sums = one_dimension(std::array::from_fn(|row| natural[8 * row + column]));
        for row in 0..8 {
            work[row][column] = (sums[row] + (1 << 10)) >> 11;
        }
    }
    work.map(|row| {
        one_dimension(row).map(|sum| (((sum + (1 << 17)) >> 18) + 128).clamp(0, 255) as u8)
    })
}

fn one_dimension(x: [i32; 8]) -> [i32; 8] {
    let z1 = (x[2] + x[6]) * 4433;
    let (t2, t3) = (z1 - x[6] * 15137, z1 + x[2] * 6270);
    let (t0, t1) = ((x[0] + x[4]) << 13, (x[0] - x[4]) << 13);
    let even = [t0 + t3, t1 + t2, t1 - t2, t0 - t3];
    let [z1, z2, z3, z4] = [x[7] + x[1], x[5] + x[3], x[7] + x[3], x[5] + x[1]];
    let z5 = (z3 + z4) * 9633;
    let (z1, z2) = (-7373 * z1, -20995 * z2);
    let (z3, z4) = (z5 - 16069 * z3, z5 - 3196 * z4);
    let odd = [
        x[1] * 12299 + z1 + z4,
        x[3] * 25172 + z2 + z3,
        x[5] * 16819 + z2 + z4,
        x[7] * 2446 + z1 + z3,
    ];
    std::array::from_fn(|k| if k < 4 { even[k] + odd[k] } else { even[7 - k] - odd[7 - k] })
}

fn transformed(simd: Simd, coefficients: &Block, quantisers: &Block, last: usize) -> [Eight; 8] {
    let mut samples = [[7; 8]; 3 * 8 + 1];
    block(simd, coefficients, quantisers, last, &mut samples, 1, 3);
    let others = (0..samples.len()).filter(|at| at % 3 != 1 || *at > 22);
    assert!(others.map(|at| samples[at]).all(|eight| eight == [7; 8]), "only the block is written");
    std::array::from_fn(|row| samples[1 + 3 * row])
}

fn placed(natural: &[i16; 64]) -> Block {
    let mut block = [0; 64];
    for (&coefficient, place) in natural.iter().zip(PLACES) {
        block[usize::from(place)] = coefficient;
    }
    block
}

#[test]
fn every_coefficient_has_a_place() {
    let mut places = PLACES;
    places.sort_unstable();
    assert_eq!(places, std::array::from_fn(|k| k as u8));
    assert_eq!(PAIRS.concat(), COLUMNS);
    assert_eq!(PLACES[0], 0);
}

#[test]
fn blocks_without_ac_are_flat_and_as_the_transform_says() {
    let mut coefficients = [0; 64];
    for dc in i16::MIN..=i16::MAX {
        coefficients[0] = dc;
        for simd in Simd::levels() {
            let short = transformed(simd, &coefficients, &[3; 64], 0);
            assert_eq!(short, transformed(simd, &coefficients, &[3; 64], 63), "{dc} {simd:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn pictures_come_out_as_libjpegs(
        sparse in 0usize..4,
        values in prop::collection::vec(-1030i32..1030, 64),
        quantisers in prop::collection::vec(1u16..256, 64),
    ) {
        // The more coefficients, the smaller: 64 of the largest are no picture.
        let divisor = [64, 16, 4, 1][sparse];
        let kept = [64, 20, 6, 2][sparse];
        let mut natural = [0i16; 64];
        for k in 0..kept {
            let at = (k * 29 + usize::from(quantisers[0])) % 64;
            natural[at] = (values[at] / divisor / i32::from(quantisers[at])) as i16;
        }
        let dequantised = std::array::from_fn(|k| i32::from(natural[k]) * i32::from(quantisers[k]));
        let expected = reference(&dequantised);
        let quantisers = super::quantisers(&quantisers.try_into().unwrap());
        for simd in Simd::levels() {
            prop_assert_eq!(transformed(simd, &placed(&natural), &quantisers, 63), expected);
        }
    }

    #[test]
    fn levels_agree_on_any_numbers(
        coefficients in prop::collection::vec(
            prop_oneof![Just(i16::MIN), Just(i16::MAX), any::<i16>(), -9i16..9], 64),
        quantisers in prop::collection::vec(any::<i16>(), 64),
    ) {
        let coefficients = coefficients.try_into().unwrap();
        let quantisers = quantisers.try_into().unwrap();
        let scalar = Simd::named("scalar").unwrap();
        let expected = transformed(scalar, &coefficients, &quantisers, 63);
        for simd in Simd::levels() {
            prop_assert_eq!(transformed(simd, &coefficients, &quantisers, 63), expected);
        }
    }
}
