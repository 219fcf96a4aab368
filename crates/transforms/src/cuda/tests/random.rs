//! Random chains over images of random sizes, types and layouts.

use proptest::prelude::*;

use super::*;

fn side() -> impl Strategy<Value = usize> {
    1usize..50
}

fn any_step() -> impl Strategy<Value = String> {
    let how = || prop_oneof![Just("nearest"), Just("bilinear")];
    let mode = prop_oneof![
        Just("constant"),
        Just("edge"),
        Just("reflect"),
        Just("symmetric"),
        Just("wrap")
    ];
    let taps = prop_oneof![Just("nearest"), Just("bilinear"), Just("bicubic")];
    let plain = prop_oneof![
        Just("random_hflip random_vflip"),
        Just("invert solarize(0.4)"),
        Just("color_jitter(0.4, 0, 0.4, 0.2)"),
        Just("random_gamma(0.5..2)"),
        Just("posterize(4)"),
        Just("gaussian_blur(3)"),
        Just("random_sharpness(0.5)"),
        Just("gaussian_noise(0.1)"),
        Just("salt_and_pepper"),
        Just("random_erasing(1, value=noise)"),
        Just("elastic(20, sigma=1, fill=0.3)"),
        Just("random_channel_permutation"),
        Just("normalize([0.4], [0.3])"),
    ];
    prop_oneof![
        2 => plain.prop_map(str::to_owned),
        1 => (-3..5).prop_map(|k| format!("rot90({k})")),
        1 => ([0usize..9, 0usize..9, 0usize..9, 0usize..9], mode).prop_map(|([a, b, c, d], mode)| {
            format!("pad({a}, {b}, {c}, {d}, mode={mode}, fill=0.3)")
        }),
        1 => ([side(), side()], taps, any::<bool>()).prop_map(|([h, w], how, antialias)| {
            format!("resize({h}, {w}, interpolation={how}, antialias={antialias})")
        }),
        1 => (-360..360, how())
            .prop_map(|(angle, how)| format!("rotate({angle}, interpolation={how}, fill=0.2)")),
        1 => how().prop_map(|how| format!("random_perspective(0.5, p=1, interpolation={how})")),
        1 => [side(), side()].prop_map(|[h, w]| format!("random_resized_crop({h}, {w})")),
        1 => [side(), side()].prop_map(|[h, w]| format!("center_crop({h}, {w})")),
        1 => [side(), side()].prop_map(|[h, w]| format!("pad_if_needed({h}, {w}, place=random, fill=0.2)")),
    ]
}

/// Steps that look at all of an image first.
fn any_sum() -> impl Strategy<Value = String> {
    let sums = prop_oneof![
        Just("autocontrast"),
        Just("equalize"),
        Just("random_equalize(0.5)"),
        Just("adjust_contrast(1.4)"),
        Just("color_jitter(0.4, 0.4, 0.4, 0.1)"),
        Just("standardize"),
        Just("standardize(per_channel=true)"),
        Just("trivial_augment_wide"),
        Just("aug_mix(depth=2)"),
    ];
    sums.prop_map(str::to_owned)
}

/// A chain of such steps that both engines take, and the images that it is for.
fn any_chain(step: impl Strategy<Value = String>) -> impl Strategy<Value = (Augment, Schema)> {
    let dtypes = vec![RowDType::U8, RowDType::U16, RowDType::F16, RowDType::F32];
    let to = vec!["", "to_dtype(f16)", "to_dtype(bf16)", "to_dtype(f32)"];
    let types = (prop::sample::select(dtypes), prop::sample::select(to));
    let steps = prop::collection::vec(step, 1..6);
    let drawn = (steps, [side(), side()], 1usize..5, types, any::<[bool; 3]>());
    let chain = drawn.prop_map(|(steps, [h, w], channels, (dtype, to), is)| {
        let [interleaved, masked, once] = is;
        let (layout, shape) = match interleaved {
            true => (Layout::Hwc, [h, w, channels]),
            false => (Layout::Chw, [channels, h, w]),
        };
        let mut fields = vec![Field::new("input", dtype, &shape)];
        if masked {
            fields.push(Field::new("mask", RowDType::I32, &[h, w]));
        }
        let augment = parsed(&format!("{} {to}", steps.join(" "))).layout(layout);
        let augment = if masked { augment.mask_filled("mask", 7.0) } else { augment };
        let augment = if once { augment.resample_once() } else { augment };
        (augment, Schema::new(fields).unwrap())
    });
    // Some are refused by either engine: colours after a normalisation, say.
    chain.prop_filter("chains that are bound", |(augment, schema)| {
        Launches::bind(augment, schema).is_ok()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_chain_is_equal_bit_for_bit(
        (augment, schema) in any_chain(any_step()), in_parts: bool,
    ) {
        match in_parts {
            true => compare_parts(&augment, &schema, 2),
            false => compare(&augment, &schema, 2, Same::Bits, 1),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    // What a step makes of a sum that was added in another order may be any level: the results are not
    // compared.
    #[test]
    fn nothing_is_found_in_chains_with_sums(
        (augment, schema) in any_chain(prop_oneof![any_step(), any_sum()]), seed: u64,
    ) {
        let batch = Batch::new(&augment, &schema, 2);
        for threads in whole_blocks::THREADS {
            prop_assert_eq!(whole_blocks::finding(&batch, threads, seed, None), None);
        }
    }
}
