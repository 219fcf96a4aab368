//! WebP: lossy, lossless, alpha, animations, windows, damage.

mod pictures;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use proptest::prelude::*;
use tallow_images::{Color, ErrorKind, Format, Head, Limits, Orientation, Window};

use self::pictures::{COLORS, Dice, Picture, crop, decode};

#[test]
fn every_kind_decodes_to_the_bits_of_libwebp() {
    for picture in Picture::all("webp") {
        for color in COLORS {
            let found = decode(&picture.payload, color, None).unwrap();
            assert_eq!(found, picture.expected(color), "{} in {color:?}", picture.name);
        }
    }
}

#[test]
fn a_head_says_the_size_of_the_canvas_and_whether_there_is_alpha() {
    for (name, channels) in
        [("lossy", 3), ("lossy-alpha", 4), ("lossless", 3), ("lossless-alpha", 4), ("animated", 4)]
    {
        let head = Picture::named("webp", &format!("{name}.webp")).head();
        assert_eq!((head.format, head.height, head.width), (Format::WebP, 37, 51), "{name}");
        assert_eq!((head.channels, head.is_palette), (channels, false), "{name}");
    }
}

#[test]
fn the_orientation_is_read_from_its_chunk() {
    let payload = include_bytes!("corpus/webp/turn-90.webp");
    let head = Head::read(payload, &Limits::default()).unwrap();
    assert_eq!(head.orientation, Orientation::Turn90);
    assert_eq!((head.height, head.width), (4, 6));
}

static PICTURES: OnceLock<Vec<Picture>> = OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn windows_equal_the_whole(
        which in any::<prop::sample::Index>(),
        color in prop::sample::select(&COLORS[..]),
        [top, bottom, left, right] in any::<[prop::sample::Index; 4]>(),
    ) {
        let pictures = PICTURES.get_or_init(|| Picture::all("webp"));
        let picture = &pictures[which.index(pictures.len())];
        let head = picture.head();
        let (top, left) = (top.index(head.height), left.index(head.width));
        let bottom = top + 1 + bottom.index(head.height - top);
        let right = left + 1 + right.index(head.width - left);
        let window = Window { rows: top..bottom, columns: left..right };
        let found = decode(&picture.payload, color, Some(&window)).unwrap();
        let whole = picture.expected(color);
        prop_assert_eq!(found, crop(&whole, head.width, head.pixel_bytes(color), &window));
    }
}

#[test]
fn a_file_cut_anywhere_is_an_error_whichever_rows_are_wanted() {
    for picture in Picture::all("webp") {
        let payload = &picture.payload;
        let pixel = Window { rows: 0..1, columns: 0..1 };
        for length in 0..payload.len() {
            let error = decode(&payload[..length], Color::Rgb, Some(&pixel)).unwrap_err();
            assert_eq!(
                error.kind(),
                ErrorKind::Truncated,
                "{} of {length} bytes: {error}",
                picture.name
            );
        }
    }
}

/// The file without the last bytes of its only chunk, all lengths being right.
fn shortened(payload: &[u8], by: usize) -> Vec<u8> {
    let length = u32::from_le_bytes(payload[16..20].try_into().unwrap()) as usize - by;
    let mut short = payload[..20 + length].to_vec();
    short[16..20].copy_from_slice(&(length as u32).to_le_bytes());
    short.resize(short.len().next_multiple_of(2), 0);
    let size = short.len() as u32 - 8;
    short[4..8].copy_from_slice(&size.to_le_bytes());
    short
}

#[test]
fn a_frame_cut_in_a_file_that_is_whole_is_an_error() {
    for name in ["lossy.webp", "lossless.webp", "lossless-alpha.webp"] {
        let Picture { payload, .. } = Picture::named("webp", name);
        let length = payload.len() - 20;
        assert!(decode(&shortened(&payload, 0), Color::Rgb, None).is_ok());
        // A decoder of arithmetic coding reads a few bytes ahead, so the last ones may not matter.
        for by in 4..length {
            let found = decode(&shortened(&payload, by), Color::Rgb, None);
            assert!(found.is_err(), "{name} without {by} bytes of {length}");
        }
    }
}

#[test]
fn mutated_files_never_panic_and_give_all_pixels_or_an_error() {
    let pictures = Picture::all("webp");
    let mut dice = Dice(5);
    let mut decoded = 0;
    for round in 0..4000 {
        let picture = &pictures[dice.below(pictures.len())];
        let mut payload = picture.payload.clone();
        for _ in 0..=dice.below(3) {
            // Half of them among the headers.
            let most = if dice.below(2) == 0 { payload.len().min(90) } else { payload.len() };
            let at = 12 + dice.below(most - 12);
            payload[at] = dice.below(256) as u8;
        }
        let color = COLORS[dice.below(4)];
        let limits = Limits::default();
        // Sizes that mutations make are within the limits; the test is not to wait for them.
        let is_small = Head::read(&payload, &limits).is_ok_and(|h| h.height * h.width < 1 << 16);
        if !is_small {
            continue;
        }
        match catch_unwind(AssertUnwindSafe(|| decode(&payload, color, None))) {
            Ok(Ok(_)) => decoded += 1,
            Ok(Err(error)) => assert!(error.message().len() > 10, "{error}"),
            Err(_) => panic!("{} panics in round {round}", picture.name),
        }
    }
    assert!(decoded > 100, "{decoded}");
}

#[test]
fn a_size_that_its_frame_does_not_have_is_an_error() {
    let Picture { payload, .. } = Picture::named("webp", "lossy-alpha.webp");
    assert_eq!(&payload[12..16], b"VP8X");
    for (at, what) in [(24, "width"), (27, "height")] {
        let mut other = payload.clone();
        other[at] += 1;
        let error = Head::read(&other, &Limits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{what}");
        assert!(error.message().contains("37x51"), "{error}");
    }
    let Picture { payload, .. } = Picture::named("webp", "animated-offset.webp");
    let mut small = payload;
    small[24] = 33;
    let error = Head::read(&small, &Limits::default()).unwrap_err();
    assert!(error.message().contains("row 6, column 8"), "{error}");
}

#[test]
fn a_canvas_past_the_limits_is_refused() {
    let Picture { payload, .. } = Picture::named("webp", "animated-offset.webp");
    let mut large = payload;
    large[24..30].fill(255);
    let error = Head::read(&large, &Limits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
}

#[test]
fn alpha_that_is_damaged_matters_where_it_is_wanted() {
    let Picture { mut payload, .. } = Picture::named("webp", "lossy-alpha.webp");
    let alpha = payload.windows(4).position(|name| name == b"ALPH").unwrap() + 8;
    payload[alpha] = 0x33;
    assert_eq!(
        decode(&payload, Color::Rgb, None).unwrap(),
        Picture::named("webp", "lossy-alpha.webp").expected(Color::Rgb)
    );
    let error = decode(&payload, Color::Rgba, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
}
