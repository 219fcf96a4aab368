//! PNG: every colour type and depth, windows, damage.

mod pictures;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use proptest::prelude::*;
use tallow_images::{Color, Decoder, Depth, ErrorKind, Format, Head, Limits, Orientation, Window};

use self::pictures::{COLORS, Dice, Picture, chunks, crop, decode, png, zlib};

fn kind(payload: &[u8], color: Color) -> Option<ErrorKind> {
    decode(payload, color, None).err().map(|error| error.kind())
}

#[test]
fn every_kind_decodes_to_what_pil_or_the_definition_says() {
    let pictures = Picture::all("png");
    assert!(pictures.len() > 60);
    for picture in pictures {
        for color in COLORS {
            let found = decode(&picture.payload, color, None).unwrap();
            assert_eq!(found, picture.expected(color), "{} in {color:?}", picture.name);
        }
    }
}

#[test]
fn a_decoder_that_keeps_its_memory_decodes_as_a_new_one() {
    let limits = Limits::default();
    let mut decoder = Decoder::new();
    let mut pictures = Picture::all("png");
    pictures.extend(Picture::all("webp"));
    let mut dice = Dice(3);
    for _ in 0..600 {
        let picture = &pictures[dice.below(pictures.len())];
        let color = COLORS[dice.below(4)];
        let head = picture.head();
        let mut pixels = vec![0xa5; head.height * head.width * head.pixel_bytes(color)];
        decoder
            .decode(&picture.payload, &head, color, &limits, &head.whole(), &mut pixels)
            .unwrap();
        assert_eq!(pixels, picture.expected(color), "{} in {color:?}", picture.name);
        // What a picture that fails leaves behind does not matter to the next.
        let cut = &picture.payload[..picture.payload.len() / 2];
        decoder.decode(cut, &head, color, &limits, &head.whole(), &mut pixels).unwrap_err();
    }
}

#[test]
fn a_head_says_what_is_stored() {
    let expected = [
        ("gray-1.png", 1, Depth::Eight, false),
        ("gray-16.interlaced.png", 1, Depth::Sixteen, false),
        ("gray-alpha-8.png", 2, Depth::Eight, false),
        ("palette-4-alpha.png", 1, Depth::Eight, true),
        ("rgb-16.png", 3, Depth::Sixteen, false),
        ("rgba-8.png", 4, Depth::Eight, false),
    ];
    for (name, channels, depth, is_palette) in expected {
        let head = Picture::named("png", name).head();
        assert_eq!((head.format, head.height, head.width), (Format::Png, 13, 19), "{name}");
        assert_eq!((head.channels, head.depth), (channels, depth), "{name}");
        assert_eq!(head.is_palette, is_palette, "{name}");
        assert_eq!(head.orientation, Orientation::Upright, "{name}");
    }
}

#[test]
fn the_orientation_is_read_from_its_chunk() {
    let payload = include_bytes!("corpus/png/turn-90.png");
    let head = Head::read(payload, &Limits::default()).unwrap();
    assert_eq!(head.orientation, Orientation::Turn90);
    assert_eq!((head.height, head.width), (4, 6));
}

static PICTURES: OnceLock<Vec<Picture>> = OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn windows_equal_the_whole(
        which in any::<prop::sample::Index>(),
        color in prop::sample::select(&COLORS[..]),
        [top, bottom, left, right] in any::<[prop::sample::Index; 4]>(),
    ) {
        let pictures = PICTURES.get_or_init(|| Picture::all("png"));
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
    for name in ["rgb-8.png", "palette-4-alpha.png", "gray-16.interlaced.png", "rgba-16.png"] {
        let Picture { payload, .. } = Picture::named("png", name);
        let first_row = Window { rows: 0..1, columns: 0..1 };
        for length in 0..payload.len() {
            for window in [None, Some(&first_row)] {
                let error = decode(&payload[..length], Color::Rgba, window).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Truncated, "{name} of {length} bytes: {error}");
            }
        }
    }
}

#[test]
fn a_changed_byte_of_a_chunk_that_pixels_come_from_is_an_error() {
    for name in ["rgb-8.png", "palette-4-alpha.png", "gray-1.interlaced.png", "rgb-8-key.png"] {
        let Picture { payload, .. } = Picture::named("png", name);
        // All of it but the length, name and checksum of the last chunk.
        for at in 0..payload.len() - 12 {
            let mut damaged = payload.clone();
            damaged[at] ^= 1 << (at % 8);
            // A name in which the bit of a letter's case changed is that of another chunk.
            let is_name = chunk_names(&payload).any(|name| name.contains(&at));
            let found = kind(&damaged, Color::Rgba);
            assert!(found.is_some() || is_name, "{name} with another byte {at}");
        }
    }
}

/// Where the names of the chunks of a PNG lie.
fn chunk_names(payload: &[u8]) -> impl Iterator<Item = std::ops::Range<usize>> {
    let mut at = 8;
    chunks(payload).into_iter().map(move |(_, data)| {
        let name = at + 4..at + 8;
        at += 12 + data.len();
        name
    })
}

#[test]
fn mutated_files_never_panic_and_give_all_pixels_or_an_error() {
    let pictures = Picture::all("png");
    let mut dice = Dice(11);
    let mut decoded = 0;
    for round in 0..4000 {
        let picture = &pictures[dice.below(pictures.len())];
        let payload = if round % 2 == 0 {
            let mut payload = picture.payload.clone();
            for _ in 0..=dice.below(3) {
                let at = 8 + dice.below(payload.len() - 8);
                payload[at] = dice.below(256) as u8;
            }
            payload
        } else {
            // With right checksums, so that the damage gets further.
            let mut chunks = chunks(&picture.payload);
            let which = dice.below(chunks.len() - 1);
            let data = &mut chunks[which].1;
            let at = dice.below(data.len());
            data[at] = dice.below(256) as u8;
            png(&chunks)
        };
        let color = COLORS[dice.below(4)];
        let result = catch_unwind(AssertUnwindSafe(|| decode(&payload, color, None)));
        match result {
            Ok(Ok(_)) => decoded += 1,
            Ok(Err(error)) => assert!(error.message().len() > 10, "{error}"),
            Err(_) => panic!("{} panics in round {round}", picture.name),
        }
    }
    assert!((10..2000).contains(&decoded), "{decoded}");
}

/// A grey picture of 2 rows and 3 columns, whose inflated bytes, and other chunks, are given.
fn tiny(data: &[u8], before: &[([u8; 4], Vec<u8>)], after: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let header = vec![0, 0, 0, 3, 0, 0, 0, 2, 8, 0, 0, 0, 0];
    let mut chunks = vec![(*b"IHDR", header)];
    chunks.extend_from_slice(before);
    chunks.push((*b"IDAT", data.to_vec()));
    chunks.extend_from_slice(after);
    chunks.push((*b"IEND", vec![]));
    png(&chunks)
}

const ROWS: [u8; 8] = [0, 1, 2, 3, 0, 4, 5, 6];
const PIXELS: [u8; 6] = [1, 2, 3, 4, 5, 6];

#[test]
fn damage_to_metadata_is_no_error_and_text_and_profiles_are_never_inflated() {
    // One that would inflate to an error, and one whose checksum is wrong.
    let text = (*b"zTXt", b"key\0\0not a zlib stream".to_vec());
    let profile = (*b"iCCP", b"name\0\x01neither".to_vec());
    let many = [text, profile, (*b"eXIf", vec![1, 2, 3]), (*b"tIME", vec![])];
    let payload = tiny(&zlib(&ROWS), &many, &many);
    assert_eq!(decode(&payload, Color::Gray, None).unwrap(), PIXELS);
    let checksum_of_text = 33 + 8 + many[0].1.len();
    let mut damaged = payload;
    damaged[checksum_of_text] ^= 255;
    assert_eq!(decode(&damaged, Color::Gray, None).unwrap(), PIXELS);
}

#[test]
fn an_animation_gives_its_default_image() {
    let control = [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 9, 0, 0];
    let before = [(*b"acTL", vec![0, 0, 0, 2, 0, 0, 0, 0]), (*b"fcTL", control.to_vec())];
    let mut second = control;
    second[3] = 1;
    let mut frame = vec![0, 0, 0, 2];
    frame.extend(zlib(&[9; 8]));
    let after = [(*b"fcTL", second.to_vec()), (*b"fdAT", frame)];
    let payload = tiny(&zlib(&ROWS), &before, &after);
    assert_eq!(decode(&payload, Color::Gray, None).unwrap(), PIXELS);
}

#[test]
fn pixels_that_are_missing_damaged_or_of_another_checksum_are_errors() {
    let good = zlib(&ROWS);
    assert_eq!(kind(&tiny(&good, &[], &[]), Color::Gray), None);
    let mut adler = good.clone();
    *adler.last_mut().unwrap() ^= 1;
    for (data, what) in [
        (zlib(&ROWS[..7]), "a byte is missing"),
        (zlib(&ROWS[..4]), "a row is missing"),
        (zlib(&[5, 1, 2, 3, 0, 4, 5, 6]), "there is no filter 5"),
        (good[..good.len() - 6].to_vec(), "the zlib stream is cut"),
        (vec![], "there are no data"),
        (adler, "the checksum of the inflated bytes is wrong"),
    ] {
        assert_eq!(kind(&tiny(&data, &[], &[]), Color::Gray), Some(ErrorKind::Damaged), "{what}");
    }
    // libpng and PIL ignore what follows the last row.
    let more = zlib(&[ROWS.as_slice(), &[1, 2]].concat());
    assert_eq!(decode(&tiny(&more, &[], &[]), Color::Gray, None).unwrap(), PIXELS);
}

#[test]
fn damage_below_the_window_is_not_seen_and_damage_above_it_is() {
    let payload = tiny(&zlib(&[0, 1, 2, 3, 9, 4, 5, 6]), &[], &[]);
    let row = |row| Window { rows: row..row + 1, columns: 0..3 };
    assert_eq!(decode(&payload, Color::Gray, Some(&row(0))).unwrap(), PIXELS[..3]);
    let error = decode(&payload, Color::Gray, Some(&row(1))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Damaged);
    assert!(error.message().contains("row 1"), "{error}");
}

#[test]
fn chunks_out_of_place_and_unknown_ones_that_pixels_depend_on_are_named() {
    let good = zlib(&ROWS);
    let unknown = decode(&tiny(&good, &[(*b"CgBI", vec![])], &[]), Color::Gray, None).unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::Unsupported);
    assert!(unknown.message().contains("CgBI") && unknown.message().contains("33"), "{unknown}");
    let indices = vec![0, 0, 0, 3, 0, 0, 0, 2, 8, 3, 0, 0, 0];
    let ends = [(*b"IDAT", good), (*b"IEND", vec![])];
    let with = |palette: &[usize]| {
        let mut chunks = vec![(*b"IHDR", indices.clone())];
        chunks.extend(palette.iter().map(|&length| (*b"PLTE", vec![7; length])));
        chunks.extend(ends.clone());
        decode(&png(&chunks), Color::Rgb, None)
    };
    assert!(with(&[21]).is_ok());
    for lengths in [&[][..], &[0], &[20], &[771], &[21, 21]] {
        let error = with(lengths).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{lengths:?}");
        assert!(error.message().contains("PLTE"), "{error}");
    }
}

#[test]
fn a_header_that_claims_too_much_is_refused_before_anything_is_allocated() {
    let claim = |height: u32, width: u32, interlace: u8| {
        let mut header = width.to_be_bytes().to_vec();
        header.extend(height.to_be_bytes());
        header.extend([16, 6, 0, 0, interlace]);
        png(&[(*b"IHDR", header), (*b"IDAT", zlib(&ROWS)), (*b"IEND", vec![])])
    };
    let limits = Limits::default();
    let error = Head::read(&claim(1 << 30, 1 << 30, 0), &limits).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    // Within the limits, but no file of this length holds so many pixels.
    for interlace in [0, 1] {
        let payload = claim(8000, 8000, interlace);
        let head = Head::read(&payload, &limits).unwrap();
        let mut pixel = [0; 4];
        let window = Window { rows: 0..1, columns: 0..1 };
        let error = Decoder::new()
            .decode(&payload, &head, Color::Rgba, &limits, &window, &mut pixel)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged);
        assert!(error.message().contains("cannot hold"), "{error}");
    }
    for (height, width) in [(0, 5), (5, 0), (1 << 31, 1)] {
        let error = Head::read(&claim(height, width, 0), &limits).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "{height}x{width}");
    }
}
