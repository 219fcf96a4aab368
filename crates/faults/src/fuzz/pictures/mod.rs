//! Pictures: JPEG, PNG and WebP files that are whole, cut, changed in a few bytes, or claim far more than
//! they have, decoded wholly and in parts.

mod bombs;
mod exif;
mod png;

use std::fs;
use std::io;
use std::path::Path;

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tallow::plan::{Decoders, PictureHead, Shapes, Window};
use tallow::{FieldView, ImageFolders, Orientation, Picture, RowBuffer, Source as _, SourceResult};

use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct Pictures;

/// The longest side that is accepted; files are smaller, and claim more once they are changed.
const SIDE_MAX: usize = 512;

/// The most bytes of a file, more than those of any that is made here.
const PAYLOAD_BYTES: usize = 1 << 21;

/// The file as it was before it was damaged, how it was, and how it says that it is turned.
const WHOLE: &str = "whole.bin";
const DAMAGE: &str = "damage";
const TURNED: &str = "turned";

/// Whole files that no encoder at hand writes: lossy, with alpha, and animated.
const FILES: [&[u8]; 5] = [
    include_bytes!("../../../../images/tests/corpus/webp/lossy.webp"),
    include_bytes!("../../../../images/tests/corpus/webp/lossy-small.webp"),
    include_bytes!("../../../../images/tests/corpus/webp/lossy-alpha.webp"),
    include_bytes!("../../../../images/tests/corpus/webp/lossy-alpha-rough.webp"),
    include_bytes!("../../../../images/tests/corpus/webp/turn-90.webp"),
];

impl Target for Pictures {
    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        const BOMB_IN: usize = 25;
        if dice.one_in(BOMB_IN) {
            fs::write(dir.join(DAMAGE), "bomb")?;
            return fs::write(dir.join("0.jpg"), bombs::file(dice)?);
        }
        let turned = Turned::new(dice);
        let mut file = encoded(dice, turned.exif)?;
        fs::write(dir.join(WHOLE), &file)?;
        if let Some(orientation) = turned.orientation.filter(|_| !FILES.contains(&&*file)) {
            fs::write(dir.join(TURNED), [orientation])?;
        }
        let damage = match dice.below(4) {
            0 => "none",
            1 => {
                file.truncate(dice.below(file.len()));
                "cut"
            }
            _ => {
                (0..1 + dice.below(4)).for_each(|_| change(&mut file, dice));
                "changed"
            }
        };
        fs::write(dir.join(DAMAGE), damage)?;
        // What a file is, its first bytes say.
        fs::write(dir.join("0.jpg"), file)
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let damage = fs::read_to_string(dir.join(DAMAGE)).map_err(|error| error.to_string())?;
        let mut planned = 0;
        for picture in [Picture::rgb(), Picture::gray(), Picture::rgba()] {
            let picture = picture.at_most(SIDE_MAX, SIDE_MAX).payload_bytes(PAYLOAD_BYTES);
            planned = Decoders::bytes_max(&picture).max(planned);
            let found = read(dir, "0.jpg", &picture);
            let shown = match (&found, &*damage) {
                (Err(what), _) => return Err(what.clone()),
                (Ok(None), "none") => return Err("a whole file is refused".to_owned()),
                (Ok(Some(found)), "cut") => {
                    // Nothing but what follows the last pixel may be missing.
                    fs::copy(dir.join(WHOLE), dir.join("1.png")).map_err(|e| e.to_string())?;
                    let whole = read(dir, "1.png", &picture);
                    fs::remove_file(dir.join("1.png")).map_err(|e| e.to_string())?;
                    whole? == Some(found.clone())
                }
                _ => true,
            };
            if !shown {
                return Err("a file that was cut has other pixels than the whole one".to_owned());
            }
        }
        if damage == "none" {
            turned(dir)?;
        }
        // The pixels of the picture, of one part, and of the file that was not cut.
        Ok(4 * planned)
    }
}

/// What EXIF data say of a file, if they are whole.
struct Turned {
    exif: Option<Vec<u8>>,
    orientation: Option<u8>,
}

impl Turned {
    fn new(dice: &mut Dice) -> Self {
        match dice.below(4) {
            0 => Self { exif: Some(exif::damaged(dice)), orientation: None },
            1 => Self { exif: None, orientation: None },
            _ => {
                let orientation = 1 + dice.below(8) as u8;
                let exif = Some(exif::turned(dice, u16::from(orientation)));
                Self { exif, orientation: Some(orientation) }
            }
        }
    }
}

/// Whether a whole file is turned as its EXIF data say.
fn turned(dir: &Path) -> Result<(), String> {
    let Ok(orientation) = fs::read(dir.join(TURNED)) else { return Ok(()) };
    let expected = Orientation::from_exif(u16::from(orientation[0]));
    let payload = fs::read(dir.join(WHOLE)).map_err(|error| error.to_string())?;
    let head = Picture::rgb().upright().head(&payload).map_err(|error| error.to_string())?;
    match expected == Some(head.orientation()) {
        true => Ok(()),
        false => Err(format!("turned {:?}, expected {expected:?}", head.orientation())),
    }
}

/// Reads one of the files through a folder and decodes it; `None` if it is refused in words that can
/// be printed.
fn read(dir: &Path, name: &str, picture: &Picture) -> Result<Option<Vec<u8>>, String> {
    let refused = |error: tallow::SourceError| words::check(&error.to_string()).map(|()| None);
    let builder = ImageFolders::builder().field("input", dir).picture("input", picture.clone());
    let source = match builder.open() {
        Ok(source) => source,
        Err(error) => return refused(error),
    };
    let index = (0..source.len()).find(|&index| source.name(index).ends_with(name));
    let index = index.ok_or_else(|| format!("{name} is not a sample"))?;
    let mut buffer = match RowBuffer::new(source.schema()) {
        Ok(buffer) => buffer,
        Err(error) => return refused(error),
    };
    let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
    if let Err(error) = read {
        return refused(error);
    }
    let row = buffer.view();
    let head = match Shapes::of(row).picture(0) {
        Ok(Some(head)) => head,
        Ok(None) => return Err("the field is not encoded".to_owned()),
        Err(error) => return refused(error),
    };
    let decoders = Decoders::default();
    let whole = head.stored().whole();
    match pixels(&decoders, &row.field(0), picture, &head, &whole) {
        Err(error) => refused(error),
        Ok(all) => parts(&decoders, &row.field(0), picture, &head, &all).map(|()| Some(all)),
    }
}

fn pixels(
    decoders: &Decoders,
    field: &FieldView<'_>,
    picture: &Picture,
    head: &PictureHead,
    window: &Window,
) -> SourceResult<Vec<u8>> {
    decoders.decode(field, picture, head, window, None, |pixels| Ok(pixels.to_vec()))
}

/// Compares windows of a picture that can be decoded with the same part of the whole.
fn parts(
    decoders: &Decoders,
    field: &FieldView<'_>,
    picture: &Picture,
    head: &PictureHead,
    all: &[u8],
) -> Result<(), String> {
    let [height, width] = head.stored_size();
    let bytes = all.len() / (height * width);
    // The same for every run of a case, and different for each size and file.
    let mut dice = Dice::new(field.bytes().len() as u64, (height * SIDE_MAX + width) as u64);
    for _ in 0..3 {
        let [top, left] = [dice.below(height), dice.below(width)];
        let rows = top..top + 1 + dice.below(height - top);
        let columns = left..left + 1 + dice.below(width - left);
        let window = Window { rows: rows.clone(), columns: columns.clone() };
        let part = pixels(decoders, field, picture, head, &window)
            .map_err(|error| format!("{window:?} is refused, the whole is not: {error}"))?;
        let lines = all.chunks_exact(width * bytes).skip(rows.start).take(rows.len());
        let expected = lines.flat_map(|line| &line[columns.start * bytes..columns.end * bytes]);
        if !part.iter().eq(expected) {
            return Err(format!("{window:?} of {height}x{width} differs from the whole"));
        }
    }
    Ok(())
}

/// Changes bytes without knowing what they mean, often a length or a size near the beginning.
fn change(file: &mut Vec<u8>, dice: &mut Dice) {
    match dice.below(3) {
        0 => scramble(file, dice),
        near => {
            let end = if near == 1 { file.len().min(700) } else { file.len() };
            if end > 0 {
                let at = dice.below(end);
                file[at] = *dice.pick(&[0, 1, 0x7f, 0xd9, 0xff]);
            }
        }
    }
}

/// A valid file of a small picture, with EXIF data.
fn encoded(dice: &mut Dice, exif: Option<Vec<u8>>) -> io::Result<Vec<u8>> {
    let size = [0; 2].map(|_| 1 + dice.below(70));
    match dice.below(6) {
        0 | 1 => Ok(png::file(dice, size, exif)),
        2 => Ok(dice.pick(&FILES).to_vec()),
        3 => webp(dice, size, exif),
        _ => jpeg(dice, size, exif),
    }
}

/// Pixels that a lossy encoder leaves different enough.
fn pixels_of(dice: &mut Dice, [height, width]: [usize; 2], channels: usize) -> Vec<u8> {
    let steps = [dice.below(9), dice.below(9)];
    let noise = dice.bytes(height * width * channels);
    let pixel = |at: usize| {
        let (y, x) = (at / channels / width, at / channels % width);
        (y * steps[0] + x * steps[1] + at % channels * 50) as u8 ^ (noise[at] & 15)
    };
    (0..noise.len()).map(pixel).collect()
}

fn jpeg(dice: &mut Dice, size: [usize; 2], exif: Option<Vec<u8>>) -> io::Result<Vec<u8>> {
    let (color, channels) = *dice.pick(&[
        (ColorType::Luma, 1),
        (ColorType::Rgb, 3),
        (ColorType::Ycbcr, 3),
        (ColorType::Cmyk, 4),
        (ColorType::CmykAsYcck, 4),
        (ColorType::Ycck, 4),
    ]);
    let pixels = pixels_of(dice, size, channels);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 1 + dice.below(100) as u8);
    encoder.set_sampling_factor(*dice.pick(&[
        SamplingFactor::R_4_4_4,
        SamplingFactor::R_4_2_2,
        SamplingFactor::R_4_2_0,
        SamplingFactor::R_4_4_0,
        SamplingFactor::R_4_1_1,
    ]));
    // The encoder panics if it is to count codes and to do anything else.
    if dice.one_in(4) {
        encoder.set_optimized_huffman_tables(true);
    } else {
        if dice.one_in(2) {
            // Of each component.
            encoder.set_progressive_scans(2 + dice.below(20) as u8);
        }
        if dice.one_in(3) {
            encoder.set_restart_interval(1 + dice.below(9) as u16);
        }
    }
    if let Some(exif) = exif {
        let segment = [b"Exif\0\0", &exif[..]].concat();
        encoder.add_app_segment(1, segment).map_err(io::Error::other)?;
    }
    let [height, width] = size.map(|side| side as u16);
    encoder.encode(&pixels, width, height, color).map_err(io::Error::other)?;
    Ok(file)
}

fn webp(dice: &mut Dice, size: [usize; 2], exif: Option<Vec<u8>>) -> io::Result<Vec<u8>> {
    use image_webp::{ColorType, WebPEncoder};
    let (color, channels) = *dice.pick(&[
        (ColorType::L8, 1),
        (ColorType::La8, 2),
        (ColorType::Rgb8, 3),
        (ColorType::Rgba8, 4),
    ]);
    let pixels = pixels_of(dice, size, channels);
    let mut file = Vec::new();
    let mut encoder = WebPEncoder::new(&mut file);
    exif.into_iter().for_each(|exif| encoder.set_exif_metadata(exif));
    let [height, width] = size.map(|side| side as u32);
    encoder.encode(&pixels, width, height, color).map_err(io::Error::other)?;
    Ok(file)
}
