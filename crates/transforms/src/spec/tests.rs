//! The text of chains: what it says, what it reads back as, and what is refused.

use candle_core::{DType, Device, Tensor};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use tallow_core::{Field, RowDType, Schema, Transform};

use super::args::{Arg, DEPTH_MAX, Value};
use super::names::{FOREIGN, letters};
use super::*;
use crate::augment::Augment;
use crate::catalogue::FORMS;
use crate::layout::Layout;
use crate::plan::Interpolation;
use crate::second_image::SecondImage;
use crate::steps::Normalization;
use crate::steps::probe::augmented;
use crate::targets::BoxFormat;

fn error(text: &str) -> SpecError {
    text.parse::<Augment>().unwrap_err()
}

#[test]
fn errors_point_at_the_word() {
    let e = error("hflip random_hflop(0.5)");
    assert_eq!(&e.text[e.span()], "random_hflop");
    assert!(e.message().contains("random_hflip"), "{e}");
    let e = error("random_hflip(q=1)");
    assert_eq!(&e.text[e.span()], "q=1");
    let e = error("random_hflip(0.5");
    assert!(e.message().contains("found the end, expected \",\""), "{e}");
    assert_eq!(error("hflip ?").span(), 6..7);
}

#[test]
fn errors_point_at_whole_characters() {
    for text in ["hflip é", "hflip(é)", "random_hflip(0.5é", "one_of(hflip, vflip é)", "pad([é])"]
    {
        let e = error(text);
        assert!(e.to_string().ends_with(" ^"), "{e}");
        assert_eq!(&e.text[e.span()], "é");
        let e = tallow_core::Error::from(e).to_string();
        assert!(e.contains("at \"é\""), "{e}");
    }
}

#[test]
fn an_argument_is_given_once() {
    for text in ["random_erasing(0.5, p=0.3)", "random_erasing(p=0.5, p=0.3)", "erase(1, top=2)"] {
        let e = error(text);
        assert!(e.message().contains("twice") || e.message().contains("left"), "{e}");
    }
    let e = error("random_erasing(0.5, p=0.3)");
    assert_eq!((&e.text[e.span()], e.message()), ("p=0.3", "the argument \"p\" is given twice"));
    let e = error("elastic(p=q=1)");
    assert_eq!(&e.text[e.span()], "q");
}

#[test]
fn chains_that_stand_too_deep_inside_each_other_are_refused() {
    let deep = |times: usize| "one_of(".repeat(times) + "hflip" + &")".repeat(times);
    assert!(deep(DEPTH_MAX).parse::<Augment>().is_ok());
    for times in [DEPTH_MAX + 1, 100_000] {
        assert!(error(&deep(times)).message().contains("at most 8"));
    }
    assert!(("pad(".to_owned() + &"a=".repeat(100_000)).parse::<Augment>().is_err());
}

#[test]
fn the_text_of_a_chain_reads_back_as_itself() {
    let text = "random_resized_crop(224, scale=0.5..1) random_hflip(0.25) normalize(imagenet)";
    let chain: Augment = text.parse().unwrap();
    let again: Augment = chain.to_string().parse().unwrap();
    assert_eq!(chain.to_string(), again.to_string());
}

#[test]
fn what_is_said_of_a_chain_is_one_line_without_control_characters() {
    let texts = [
        "\u{1b}[31m",
        "x\u{1b}\u{202e}y(1)",
        "mask(\"\u{1b}",
        "mask(\"a\", \u{7}=1)",
        &"x".repeat(100_000),
        &format!("{} ?", "hflip ".repeat(10_000)),
    ];
    for text in texts {
        let e = error(text);
        assert!(e.message().len() <= 300 && !e.message().contains(char::is_control), "{e:?}");
        let lines = e.to_string();
        let lines: Vec<&str> = lines.lines().collect();
        assert_eq!(lines.len(), 3, "{lines:?}");
        let clean = |line: &&str| line.len() <= 400 && !line.contains(char::is_control);
        assert!(lines.iter().all(clean), "{lines:?}");
        let marked = lines[2].find('^').unwrap();
        assert!(marked <= lines[1].chars().count(), "{lines:?}");
    }
    let e = error("hflip \u{1b}").to_string();
    assert_eq!(
        e,
        "found \"\\u{1b}\", expected the name of a step\n  hflip \\u{1b}\n        ^^^^^^"
    );
}

#[test]
fn sizes_may_be_named_as_the_usage_lists_them() {
    let same = |named: &str, short: &str| {
        let of = |text: &str| text.parse::<Augment>().unwrap().to_string();
        assert_eq!(of(named), of(short));
    };
    same("resize(height=224, width=200)", "resize(224, 200)");
    same("resize(224, width=200)", "resize(224, 200)");
    same("resize(short=224, max=300)", "resize(224, max=300)");
    same("random_resized_crop(width=2, height=3)", "random_resized_crop(3, 2)");
    same("random_crop(size=24)", "random_crop(24)");
    same("center_crop(depth=1, height=2, width=3)", "center_crop(1, 2, 3)");
    same("crop(top=1, left=2, height=3, width=4)", "crop(1, 2, 3, 4)");
    same("crop(start=1, length=2)", "crop(1, 2)");
    same("pad(x=1, y=2, fill=0.5)", "pad(1, 2, fill=0.5)");
    same("erase(1, 2, height=3, width=4)", "erase(1, 2, 3, 4)");
    let e = error("resize(height=224)");
    assert_eq!(e.message(), "found height, expected height, width | short");
    assert!(error("resize").message().contains("found none"), "{e}");
    assert!(error("resize(1, 2, height=3)").message().contains("2 numbers, height"), "{e}");
}

#[test]
fn settings_stand_anywhere_but_inside_a_step() {
    let text = "field(photo) layout(hwc) draws_as(pair) resample_once scaled_decode hflip vflip \
                mask(\"a b\", fill=255) boxes(b, xywh) keypoints(p) one_hot(y, 10, smoothing=0.1)";
    let parsed: Augment = text.parse().unwrap();
    assert_eq!(parsed.to_string(), text);
    assert_eq!(parsed.field_name(), "photo");
    let mixed = "hflip one_hot(y, 10, 0.1) mask(\"a b\", 255) layout(hwc)";
    let mixed: Augment = mixed.parse().unwrap();
    assert_eq!(
        mixed.to_string(),
        "layout(hwc) hflip one_hot(y, 10, smoothing=0.1) mask(\"a b\", fill=255)"
    );
    for setting in ["mask(x)", "field(x)", "resample_once", "scaled_decode", "layout(hwc)"] {
        let e = error(&format!("random_apply(0.5, hflip {setting})"));
        assert!(e.message().contains("inside another step"), "{e}");
    }
    assert!(error("boxes(b, yxyx)").message().contains("found \"yxyx\" for format"));
    assert!(error("boxes(b)").message().contains("found no format, expected boxes("));
    assert!(error("mask(\"a").message().contains("closing quote"));
    assert!(error("mask(\"\\q\")").message().contains("unknown escape"));
    assert!(error("mask(1)").message().contains("found 1 for field"));
}

/// A second image with some of the settings that it can have.
fn second_image(field: String, number: f64, which: usize) -> SecondImage {
    let image = SecondImage::new(field).times(which % 5);
    let image =
        if which.is_multiple_of(2) { image } else { image.fill(number).range(-number, number) };
    let image = match which % 3 {
        0 => image.normalize(Normalization::new(&[number, 0.5], &[0.25, number])),
        1 => image.interpolation(Interpolation::Bicubic).to_dtype(RowDType::BF16),
        _ => image.fill([number, 0.0, number]),
    };
    if which.is_multiple_of(7) { image.to_layout(Layout::Chw) } else { image }
}

/// Everything that a chain can have besides its steps.
fn settings() -> impl Strategy<Value = Augment> {
    let any_name = || vec(any::<char>(), 0..9).prop_map(String::from_iter);
    let name = || prop_oneof![Just("a_word".to_owned()), any_name()];
    let number = || prop_oneof![Just(0.0), any::<f64>().prop_filter("finite", |x| x.is_finite())];
    let target = (name(), 0..5, number(), 1..2000_usize);
    let steps = prop_oneof![
        Just("hflip"),
        Just("random_resized_crop(24, scale=1e-300..1) normalize(imagenet)"),
        Just("one_of(hflip, none) random_apply(0.5, vflip rotate(3))"),
    ];
    let whole = (option::of(name()), option::of(0..9_usize), option::of(name()), any::<bool>());
    (steps, whole, vec(target, 0..4)).prop_map(|(steps, (field, layout, draws, once), targets)| {
        let mut chain: Augment = steps.parse().unwrap();
        chain.field = field;
        let layouts = ["hw", "chw", "hwc", "dhw", "cdhw", "dhwc", "t", "ct", "tc"];
        chain.layout = layout.map(|at| layouts[at].parse().unwrap());
        chain.draws = draws;
        chain.once = once;
        targets.into_iter().fold(chain, |chain, (field, kind, number, classes)| match kind {
            0 => chain.mask_filled(field, number),
            1 => {
                let formats = [BoxFormat::Xyxy, BoxFormat::Xywh, BoxFormat::Cxcywh];
                chain.boxes(field, formats[classes % 3])
            }
            2 => chain.keypoints(field),
            3 => chain.image(second_image(field, number, classes)),
            _ => chain.one_hot(field, classes, number),
        })
    })
}

proptest! {
    #[test]
    fn a_chain_with_its_fields_and_settings_reads_back_as_itself(chain in settings()) {
        let text = chain.to_string();
        let again: Augment = text.parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
        prop_assert_eq!(&again.to_string(), &text);
        prop_assert_eq!(again.fingerprint(), chain.fingerprint());
    }
}

const EXTREMES: [f64; 10] = [
    0.0,
    -1.0,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e308,
    -1e308,
    5e-324,
    usize::MAX as f64,
    0.1 + 0.2,
];

/// An argument each way in which it can be the number `x`.
fn values_of(x: f64) -> [Value; 4] {
    [Value::Number(x), Value::Range(x, x), Value::Range(1.0, x), Value::List(vec![x])]
}

/// The chain of one step with these arguments, which no text needs to be able to say.
fn step_of(form: &Form, values: &[(Option<&str>, Value)]) -> Result<Augment, SpecError> {
    let mut text = String::new();
    let left = values.iter().map(|(key, value)| {
        let start = text.len();
        if let Value::Word(word) = value {
            text += word;
        }
        let (key, value, at) = (key.map(str::to_owned), value.clone(), start..text.len());
        Arg { key, value, at }
    });
    let left = left.collect();
    Args::new(FORMS, &text, 0..0, left, 0).append(form, Augment::new())
}

/// Arguments without names that the step takes.
fn arguments_of(form: &'static Form) -> Vec<(Option<&'static str>, Value)> {
    let chain = || Value::Chain("hflip".parse().unwrap());
    let word = |word: &str| Value::Word(word.to_owned());
    let some = |count: usize| vec![Value::Number(1.0); count];
    let mut ways: Vec<Vec<Value>> = (0..=8).map(some).collect();
    ways.push(vec![Value::Number(0.5)]);
    let corners = [0, 0, 9, 0, 9, 9, 0, 9].map(|at| Value::Number(f64::from(at)));
    ways.extend([corners.to_vec(), [0, 1, 2].map(|c| Value::Number(f64::from(c))).to_vec()]);
    ways.extend([vec![chain()], vec![Value::Number(1.0), chain()], vec![word("chw")]]);
    ways.extend([vec![word("b")], vec![word("b"), word("xyxy")]]);
    ways.push(vec![word("b"), Value::Number(2.0)]);
    let named = |way: Vec<Value>| way.into_iter().map(|value| (None, value)).collect();
    let ways = ways.into_iter().map(named).filter(|way: &Vec<_>| step_of(form, way).is_ok());
    let mut ways: Vec<Vec<_>> = ways.collect();
    assert!(!ways.is_empty(), "{form}: no arguments to try it with");
    let fits = |way: &Vec<_>| step_of(form, way).unwrap().bind(&schema()).is_ok();
    let at = ways.iter().position(fits).unwrap_or(0);
    ways.swap_remove(at)
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("input", RowDType::U8, &[16, 16, 3])]).unwrap()
}

/// What is wrong with a message, if anything is.
fn fault_of(message: &str) -> Option<String> {
    let digits = message.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
    let is_good = message.len() <= 300
        && !message.contains(char::is_control)
        && digits.is_none_or(|digits| digits <= 20)
        && (message.contains("found") && message.contains("expected"));
    (!is_good).then(|| message.to_owned())
}

#[test]
fn messages_are_short_and_say_what_was_found_and_expected_whatever_the_arguments() {
    let schema = schema();
    let mut faults = std::collections::BTreeSet::new();
    let mut tell = |form: &Form, fault: Option<String>| {
        faults.extend(fault.map(|message| format!("{}: {message}", form.name)));
    };
    for form in FORMS.iter() {
        let base = arguments_of(form);
        let keys = form.usage.split([',', '|']).filter_map(|part| part.trim().split_once('='));
        let keys: Vec<&str> = keys.map(|(key, _)| key).collect();
        for x in EXTREMES {
            for value in values_of(x) {
                let unnamed = (0..base.len()).map(|at| {
                    let mut values = base.clone();
                    values[at].1 = value.clone();
                    values
                });
                let named = keys
                    .iter()
                    .map(|key| base.iter().cloned().chain([(Some(*key), value.clone())]).collect());
                for values in unnamed.chain(named).collect::<Vec<Vec<_>>>() {
                    let chain = match step_of(form, &values) {
                        Ok(chain) => chain,
                        Err(error) => {
                            tell(form, fault_of(error.message()));
                            continue;
                        }
                    };
                    let text = chain.to_string();
                    let good = format!("found, expected: {text}");
                    tell(form, fault_of(&good));
                    match chain.bind(&schema) {
                        Ok(_) => assert_eq!(text.parse::<Augment>().unwrap().to_string(), text),
                        Err(error) => tell(form, fault_of(error.message())),
                    }
                }
            }
        }
    }
    let faults: Vec<String> = faults.into_iter().collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn steps_that_do_not_draw_make_the_same_of_every_sample() {
    let [image, tokens] = [&[16, 16, 3][..], &[16]].map(|shape| {
        let values = (0..shape.iter().product::<usize>() as u32).map(|i| (i * 89 % 256) as u8);
        Tensor::from_iter(values, &Device::Cpu).unwrap().reshape(shape).unwrap()
    });
    let (mut fixed, mut drawn) = (0, 0);
    for form in FORMS.steps.iter().copied().flatten() {
        let chain = step_of(form, &arguments_of(form)).unwrap();
        if chain.chain.0[0].draws() {
            drawn += 1;
            continue;
        }
        fixed += 1;
        let of = if form.name == "pad_or_truncate" { &tokens } else { &image };
        let views = (0..20).map(|index| {
            let made = augmented(&chain, of, index).to_dtype(DType::F32).unwrap();
            made.flatten_all().unwrap().to_vec1::<f32>().unwrap()
        });
        let views: Vec<Vec<f32>> = views.collect();
        assert!(views.iter().all(|view| *view == views[0]), "{form} draws");
    }
    assert!(fixed > 25 && drawn > 30, "{fixed} {drawn}");
}

#[test]
fn hints_name_only_what_there_is_and_nothing_that_needs_none() {
    let known: Vec<&str> = FORMS.iter().map(|form| form.name).collect();
    for (foreign, meant) in FOREIGN {
        assert!(meant.iter().all(|meant| known.contains(meant)), "{foreign}: {meant:?}");
        assert_eq!(*foreign, letters(foreign), "it would never be found");
        let ours = known.iter().find(|known| letters(known) == *foreign);
        assert_eq!(ours, None, "{foreign} is found without the table");
    }
    let mut names: Vec<&str> = FOREIGN.iter().map(|(foreign, _)| *foreign).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name is listed twice");
}

#[test]
fn a_chain_in_quotes_is_read_like_a_word() {
    let of = |text: &str| text.parse::<Augment>().unwrap().to_string();
    assert_eq!(of("random_apply(0.5, \"hflip\")"), "random_apply(0.5, hflip)");
    let e = error("random_apply(0.5, \"é\")");
    assert_eq!((&e.text[e.span()], e.message().contains("name of a step")), ("\"é\"", true), "{e}");
    let e = error("random_apply(0.5, chain=hflop)");
    assert_eq!(&e.text[e.span()], "hflop");
}
