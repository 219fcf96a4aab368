//! JPEG: every sampling, process and colour model against PIL, windows, damage.

mod pictures;

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use proptest::prelude::*;
use tallow_images::{Color, Decoder, Error, ErrorKind, Head, Limits, Orientation, Scale, Window};

use self::pictures::{COLORS, Dice, crc, crop, decode};

/// A file with the checksums of what PIL decodes it to.
struct Jpeg {
    name: String,
    payload: Vec<u8>,
    size: [usize; 2],
    /// In RGB and in grey at each of [`SCALES`].
    sums: [[u32; 2]; 4],
}

const SCALES: [Scale; 4] = [Scale::Whole, Scale::Half, Scale::Quarter, Scale::Eighth];

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus/jpeg")
}

fn all() -> &'static [Jpeg] {
    static ALL: OnceLock<Vec<Jpeg>> = OnceLock::new();
    ALL.get_or_init(|| {
        let expected = fs::read_to_string(folder().join("expected.txt")).unwrap();
        let jpeg = |line: &str| {
            let fields: Vec<_> = line.split(' ').collect();
            let [name, height, width, ref sums @ ..] = fields[..] else { panic!("{line}") };
            let sum = |k: usize| u32::from_str_radix(sums[k], 16).unwrap();
            Jpeg {
                name: name.into(),
                payload: fs::read(folder().join(format!("{name}.jpg"))).unwrap(),
                size: [height.parse().unwrap(), width.parse().unwrap()],
                sums: std::array::from_fn(|k| [sum(2 * k), sum(2 * k + 1)]),
            }
        };
        let all: Vec<_> = expected.lines().map(jpeg).collect();
        assert!(all.len() > 120);
        all
    })
}

fn named(name: &str) -> &'static [u8] {
    &all().iter().find(|jpeg| jpeg.name == name).unwrap().payload
}

fn error(payload: &[u8]) -> Error {
    decode(payload, Color::Rgb, None).unwrap_err()
}

/// Where the data of the first scan begin.
fn data_start(payload: &[u8]) -> usize {
    let head = payload.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
    head + 2 + usize::from(payload[head + 3])
}

#[test]
fn every_kind_decodes_to_what_pil_says_at_every_scale() {
    let mut decoder = Decoder::new();
    let limits = Limits::default();
    for jpeg in all() {
        let whole = Head::read(&jpeg.payload, &limits).unwrap();
        assert_eq!([whole.height, whole.width], jpeg.size, "{}", jpeg.name);
        for (scale, sums) in SCALES.into_iter().zip(jpeg.sums) {
            let head = whole.scaled(scale).unwrap();
            for (color, expected) in [Color::Rgb, Color::Gray].into_iter().zip(sums) {
                let mut pixels = vec![0xa5; head.whole().pixels() * head.pixel_bytes(color)];
                decoder
                    .decode(&jpeg.payload, &head, color, &limits, &head.whole(), &mut pixels)
                    .unwrap_or_else(|error| panic!("{}: {error}", jpeg.name));
                let found = crc(pixels.iter());
                assert_eq!(found, expected, "{} in {color:?}, {scale:?}", jpeg.name);
            }
        }
    }
}

/// All of a picture or a window of it, at a scale.
fn decode_at(payload: &[u8], scale: Scale, color: Color, window: Option<&Window>) -> Vec<u8> {
    let limits = Limits::default();
    let head = Head::read(payload, &limits).unwrap().scaled(scale).unwrap();
    let whole = head.whole();
    let window = window.unwrap_or(&whole);
    let mut pixels = vec![0xa5; window.pixels() * head.pixel_bytes(color)];
    Decoder::new().decode(payload, &head, color, &limits, window, &mut pixels).unwrap();
    pixels
}

#[test]
fn other_formats_are_not_scaled_and_no_head_twice() {
    let head = Head::read(named("2x2"), &Limits::default()).unwrap();
    let half = head.scaled(Scale::Half).unwrap();
    assert_eq!([half.height, half.width], [19, 15]);
    assert!(std::panic::catch_unwind(|| half.scaled(Scale::Half)).is_err());
    let png = pictures::Picture::all("png").remove(0).head();
    assert_eq!(png.scaled(Scale::Whole), Some(png.clone()));
    assert_eq!(png.scaled(Scale::Half), None);
}

#[test]
fn of_a_progressive_file_at_an_eighth_scans_that_hold_no_dc_are_not_looked_at() {
    // 4:4:4 and grey: each block becomes one sample.
    for name in ["1x1-progressive", "grey-progressive"] {
        let payload = named(name);
        let scan = |from: usize| payload[from..].windows(2).position(|pair| pair == [0xff, 0xda]);
        let first = scan(0).unwrap();
        let second = first + 2 + scan(first + 2).unwrap();
        let mut damaged = payload.to_vec();
        for byte in &mut damaged[second + 14..second + 30] {
            *byte ^= 0x55;
            *byte &= 0x7f;
        }
        let whole = decode_at(payload, Scale::Eighth, Color::Rgb, None);
        assert_eq!(decode_at(&damaged, Scale::Eighth, Color::Rgb, None), whole, "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn a_window_is_what_cropping_gives(
        which in any::<prop::sample::Index>(),
        color in prop::sample::select(&COLORS[..]),
        scale in prop::sample::select(&SCALES[..]),
        [top, left, height, width] in any::<[prop::sample::Index; 4]>(),
    ) {
        let jpeg = which.get(all());
        let head = Head::read(&jpeg.payload, &Limits::default()).unwrap().scaled(scale).unwrap();
        let (top, left) = (top.index(head.height), left.index(head.width));
        let (bottom, right) =
            (top + 1 + height.index(head.height - top), left + 1 + width.index(head.width - left));
        let window = Window { rows: top..bottom, columns: left..right };
        let whole = decode_at(&jpeg.payload, scale, color, None);
        let expected = crop(&whole, head.width, head.pixel_bytes(color), &window);
        let found = decode_at(&jpeg.payload, scale, color, Some(&window));
        prop_assert!(found == expected, "{} {window:?} {color:?} {scale:?}", jpeg.name);
    }
}

#[test]
fn a_small_window_of_a_large_picture_is_what_cropping_gives() {
    for name in ["2x1-larger", "2x2-larger-progressive"] {
        let payload = named(name);
        for color in [Color::Rgb, Color::Gray] {
            let whole = decode(payload, color, None).unwrap();
            let bytes = whole.len() / (330 * 410);
            for (rows, columns) in [
                (329..330, 409..410),
                (250..330, 0..9),
                (300..310, 200..280),
                (160..329, 399..410),
                (0..330, 33..34),
            ] {
                let window = Window { rows, columns };
                let found = decode(payload, color, Some(&window)).unwrap();
                assert!(found == crop(&whole, 410, bytes, &window), "{name} {window:?} {color:?}");
            }
        }
    }
}

#[test]
fn a_file_cut_anywhere_before_its_end_is_refused() {
    let names = [
        "2x2",
        "2x2-restart",
        "2x2-apart",
        "1x1-progressive",
        "bits-restart",
        "grey",
        "cmyk",
        "ycck-progressive",
        "1x1-1-1",
        "no-huffman-tables",
        "turn-6",
    ];
    for name in names {
        let payload = named(name);
        let whole = decode(payload, Color::Rgb, None).unwrap();
        for length in 0..payload.len() - 2 {
            let found = decode(&payload[..length], Color::Rgb, None);
            assert!(found.is_err(), "{name} cut at {length} of {}", payload.len());
            if length >= data_start(payload) {
                let error = found.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Truncated, "{name} {length}: {error}");
            }
        }
        // Only the marker for the end is missing.
        for length in payload.len() - 2..payload.len() {
            assert_eq!(decode(&payload[..length], Color::Rgb, None).as_ref(), Ok(&whole), "{name}");
        }
    }
}

#[test]
fn what_lies_below_a_window_is_not_looked_at() {
    for name in ["2x2-large", "2x2-large-progressive"] {
        let payload = named(name);
        let whole = decode(payload, Color::Rgb, None).unwrap();
        let window = Window { rows: 3..40, columns: 20..180 };
        let mut damaged = payload.to_vec();
        let cut = payload.len() * 2 / 3;
        damaged.truncate(cut);
        let found = decode(&damaged, Color::Rgb, Some(&window));
        if name == "2x2-large" {
            assert_eq!(found.unwrap(), crop(&whole, 203, 3, &window));
            assert_eq!(error(&damaged).kind(), ErrorKind::Truncated);
        } else {
            assert_eq!(found.unwrap_err().kind(), ErrorKind::Truncated, "later scans are missing");
        }
    }
}

#[test]
fn mutated_files_never_panic_and_leave_a_decoder_that_works() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let mut decoder = Decoder::new();
    let limits = Limits::default();
    let good = named("bits");
    let expected = decode(good, Color::Rgb, None).unwrap();
    let good_head = Head::read(good, &limits).unwrap();
    let small: Vec<_> = all().iter().filter(|jpeg| jpeg.payload.len() < 3000).collect();
    let mut refused = 0;
    for _ in 0..20_000 {
        let jpeg = small[dice.below(small.len())];
        let mut payload = jpeg.payload.clone();
        for _ in 0..1 + dice.below(3) {
            let at = 2 + dice.below(payload.len() - 2);
            payload[at] = match dice.below(3) {
                0 => payload[at] ^ 1 << dice.below(8),
                1 => 0xff,
                _ => dice.below(256) as u8,
            };
        }
        let Ok(head) = Head::read(&payload, &limits) else { continue };
        let color = COLORS[dice.below(4)];
        if head.whole().pixels() > 1 << 22 {
            continue;
        }
        let head = head.scaled(SCALES[dice.below(4)]).unwrap();
        let mut window = head.whole();
        if dice.below(2) == 0 {
            window.rows = dice.below(head.height)..head.height;
            window.columns.end = 1 + dice.below(head.width);
        }
        let mut pixels = vec![0; window.pixels() * head.pixel_bytes(color)];
        let found = decoder.decode(&payload, &head, color, &limits, &window, &mut pixels);
        refused += usize::from(found.is_err());
    }
    assert!(refused > 1000, "{refused}");
    let mut pixels = vec![0; expected.len()];
    decoder.decode(good, &good_head, Color::Rgb, &limits, &good_head.whole(), &mut pixels).unwrap();
    assert_eq!(pixels, expected);
}

#[test]
fn processes_that_are_not_decoded_are_named() {
    let payload = named("2x2");
    let frame = payload.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let changed = |at: usize, to: &[u8]| {
        let mut payload = payload.to_vec();
        payload[frame + at..][..to.len()].copy_from_slice(to);
        let error = Head::read(&payload, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        error.to_string()
    };
    assert!(changed(1, &[0xc3]).starts_with("lossless coding"));
    assert!(changed(1, &[0xc9]).starts_with("arithmetic coding"));
    assert!(changed(1, &[0xc5]).starts_with("hierarchical coding"));
    assert!(changed(4, &[12]).contains("12 bits"));
    assert!(changed(5, &[0, 0]).contains("DNL"));
}

#[test]
fn a_restart_marker_has_to_come_in_turn() {
    let payload = named("2x2-restart");
    let place = |code| payload.windows(2).position(|pair| pair == [0xff, code]).unwrap();
    let first = place(0xd0);
    let mut wrong = payload.to_vec();
    wrong[first + 1] = 0xd1;
    let message = error(&wrong).to_string();
    assert_eq!(message, format!("the marker ffd1 at byte {first}, expected the marker ffd0"));
    let mut missing = payload.to_vec();
    missing.drain(first..first + 2);
    assert!(decode(&missing, Color::Rgb, None).is_err());
    let mut filled = payload.to_vec();
    filled.splice(first..first, [0xff, 0xff]);
    assert_eq!(decode(&filled, Color::Rgb, None), decode(payload, Color::Rgb, None));
    let mut more = payload.to_vec();
    more.splice(first..first, [0, 0]);
    assert_eq!(error(&more).kind(), ErrorKind::Damaged);
}

#[test]
fn missing_scans_and_tables_are_refused() {
    let payload = named("bits");
    let last = payload.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let mut fewer = payload[..last].to_vec();
    fewer.extend([0xff, 0xd9]);
    assert_eq!(error(&fewer).kind(), ErrorKind::Truncated);
    // Nothing is read behind the scan that makes the picture complete.
    let mut twice = payload[..payload.len() - 2].to_vec();
    let rest = payload[last..].to_vec();
    twice.extend(&rest);
    assert_eq!(decode(&twice, Color::Rgb, None), decode(payload, Color::Rgb, None));
    let first = data_start(payload) - 14;
    let second =
        first + 14 + payload[first + 14..].windows(2).position(|p| p == [0xff, 0xda]).unwrap();
    let repeated = [&payload[..second], &payload[first..]].concat();
    assert!(error(&repeated).to_string().contains("does not follow"), "{}", error(&repeated));
    let renamed = |code: u8| {
        let mut payload = named("2x2").to_vec();
        let at = payload.windows(2).position(|pair| pair == [0xff, code]).unwrap();
        payload[at + 1] = 0xfe;
        payload
    };
    assert!(error(&renamed(0xdb)).to_string().starts_with("no quantisation table 0"));
    let no_frame = Head::read(&renamed(0xc0), &Limits::default()).unwrap_err();
    assert_eq!(no_frame.to_string(), "no head of a frame before the first scan or the end");
}

#[test]
fn limits_hold_before_memory_is_taken() {
    let payload = named("bits");
    let head = Head::read(payload, &Limits::default()).unwrap();
    let mut pixels = vec![0; head.whole().pixels() * 3];
    let mut decode = |limits: &Limits| {
        let whole = head.whole();
        let error = Decoder::new()
            .decode(payload, &head, Color::Rgb, limits, &whole, &mut pixels)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        error.to_string()
    };
    let mut limits = Limits::default();
    limits.scans = 15;
    assert_eq!(decode(&limits), "a picture of over 15 scans");
    limits.pixels = 100;
    assert!(decode(&limits).contains("37x29 pixels"));
}

#[test]
fn the_orientation_is_that_of_exif() {
    for number in 1..=8 {
        let head = Head::read(named(&format!("turn-{number}")), &Limits::default()).unwrap();
        assert_eq!(Some(head.orientation), Orientation::from_exif(number));
        assert_eq!([head.height, head.width], [8, 12]);
    }
}

#[test]
fn a_head_needs_no_more_than_the_frame() {
    let payload = named("turn-6");
    let frame = payload.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let head = Head::read(payload, &Limits::default()).unwrap();
    assert_eq!(Head::read(&payload[..frame + 19], &Limits::default()), Ok(head));
    assert!(Head::read(&payload[..frame + 18], &Limits::default()).is_err());
}
