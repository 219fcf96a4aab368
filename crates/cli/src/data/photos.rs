//! Files of generated pictures: in class folders, or each with a mask.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use tallow::{Draws, Key, Purpose, Stream};

use crate::data::photo::{CLASSES, Camera, Photo};

/// The longest side of a picture that a loader reads by default.
const SIDE_MAX: usize = 8192;

/// As many classes as there may be folders in one.
const CLASSES_MAX: usize = 1 << 16;

/// The kind of file of a picture. Masks are always PNG.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// With this quality, 1 to 100.
    Jpeg(u8),
    Png,
}

impl Format {
    fn extension(self) -> &'static str {
        match self {
            Self::Jpeg(_) => "jpg",
            Self::Png => "png",
        }
    }
}

/// Pictures to write: a function of the seed.
#[derive(Debug)]
pub(crate) struct Photos {
    format: Format,
    sides: [RangeInclusive<usize>; 2],
    /// The number of class folders; `None` for pairs of a picture and its mask.
    classes: Option<usize>,
    camera: Camera,
    key: Key,
    sizes: Stream,
}

/// A file of one picture, or of its mask.
pub(crate) struct File {
    pub(crate) folder: PathBuf,
    pub(crate) bytes: Vec<u8>,
    pub(crate) extension: &'static str,
}

impl Photos {
    /// # Errors
    ///
    /// A message, if a loader would not read such pictures.
    pub(crate) fn new(
        seed: u64,
        format: Format,
        sides: &[RangeInclusive<usize>],
        classes: Option<usize>,
    ) -> Result<Self, String> {
        let [height, width] = sides else {
            let found = sides.len();
            return Err(format!(
                "--shape of a picture is its height and width, like 375,500 or \
                 300..450,400..600; found {found} lengths"
            ));
        };
        if *height.start() == 0 || *width.start() == 0 {
            return Err("--shape: a picture has at least one pixel".to_owned());
        }
        if let Some(longest) = [height, width].map(RangeInclusive::end).into_iter().max()
            && *longest > SIDE_MAX
        {
            return Err(format!(
                "--shape: found a side of {longest} pixels, expected at most {SIDE_MAX}, the most \
                 that a loader reads"
            ));
        }
        if let Some(classes) = classes.filter(|&classes| classes > CLASSES_MAX) {
            return Err(format!("--classes: found {classes}, expected at most {CLASSES_MAX}"));
        }
        Ok(Self {
            format,
            sides: [height.clone(), width.clone()],
            classes,
            camera: Camera::new(seed),
            key: Key::new(seed, 0),
            sizes: Stream::new("gen photo", 1, Purpose::Data),
        })
    }

    /// The folders of all files.
    pub(crate) fn folders(&self) -> Vec<(PathBuf, &'static str)> {
        let extension = self.format.extension();
        match self.classes {
            Some(classes) => (0..classes).map(|at| (class_name(at, classes), extension)).collect(),
            None => vec![("input".into(), extension), ("output".into(), "png")],
        }
    }

    /// Whether each picture has a mask.
    pub(crate) fn has_masks(&self) -> bool {
        self.classes.is_none()
    }

    /// The class folder of the picture of sample `index`.
    pub(crate) fn folder_of(&self, index: usize) -> Option<PathBuf> {
        self.classes.map(|classes| class_name(index % classes, classes))
    }

    /// The files of sample `index`, which have the same name in different folders.
    ///
    /// # Errors
    ///
    /// A message, if a picture cannot be encoded.
    pub(crate) fn files(&self, index: usize) -> Result<Vec<File>, String> {
        let mut draws = self.key.draws(self.sizes, index as u64);
        let size = [0, 1].map(|axis| drawn(&self.sides[axis], &mut draws));
        let label = self.classes.map(|classes| index % classes);
        let class = label.map(|label| 1 + (label % usize::from(u8::MAX)) as u8);
        let photo = self.camera.photo(index, size, class);
        let bytes = match self.format {
            Format::Jpeg(quality) => jpeg(&photo, quality)?,
            Format::Png => png(&photo, Pixels::Colours)?,
        };
        let extension = self.format.extension();
        let Some(folder) = self.folder_of(index) else {
            let mask = png(&photo, Pixels::Classes)?;
            return Ok(vec![
                File { folder: "input".into(), bytes, extension },
                File { folder: "output".into(), bytes: mask, extension: "png" },
            ]);
        };
        Ok(vec![File { folder, bytes, extension }])
    }

    /// What is in the folders, for a message.
    pub(crate) fn described(&self) -> String {
        let side = |range: &RangeInclusive<usize>| match (range.start(), range.end()) {
            (least, greatest) if least == greatest => least.to_string(),
            (least, greatest) => format!("{least}..{greatest}"),
        };
        let [height, width] = &self.sides;
        let size = format!("{}x{} pixels", side(height), side(width));
        match self.classes {
            Some(1) => format!("{size} of 1 class"),
            Some(classes) => format!("{size} of {classes} classes"),
            None => format!("{size} with masks of {CLASSES} classes"),
        }
    }
}

fn drawn(range: &RangeInclusive<usize>, draws: &mut Draws) -> usize {
    range.start() + draws.below((range.end() - range.start()) as u64 + 1) as usize
}

/// The folder of a class; the names sort like the numbers.
fn class_name(class: usize, classes: usize) -> PathBuf {
    let digits = (classes.max(1) - 1).checked_ilog10().unwrap_or(0) as usize + 1;
    Path::new(&format!("class_{class:0digits$}")).to_owned()
}

/// Colours at half resolution, as cameras write them.
fn jpeg(photo: &Photo, quality: u8) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    // At most `SIDE_MAX`.
    let [width, height] = [photo.width, photo.height].map(|side| side as u16);
    let encoded = encoder.encode(&photo.pixels, width, height, ColorType::Rgb);
    encoded.map_err(|error| format!("cannot make a JPEG: {error}"))?;
    Ok(bytes)
}

/// What the pixels of a PNG hold.
enum Pixels {
    Colours,
    /// Numbers of a palette.
    Classes,
}

fn png(photo: &Photo, pixels: Pixels) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, photo.width as u32, photo.height as u32);
    encoder.set_depth(png::BitDepth::Eight);
    let data = match pixels {
        Pixels::Colours => {
            encoder.set_color(png::ColorType::Rgb);
            &photo.pixels
        }
        Pixels::Classes => {
            encoder.set_color(png::ColorType::Indexed);
            encoder.set_palette((0..=CLASSES).flat_map(palette_colour).collect::<Vec<u8>>());
            &photo.classes
        }
    };
    let cannot = |error: png::EncodingError| format!("cannot make a PNG: {error}");
    let mut writer = encoder.write_header().map_err(cannot)?;
    writer.write_image_data(data).map_err(cannot)?;
    writer.finish().map_err(cannot)?;
    Ok(bytes)
}

/// The colour of a class in the masks of PASCAL VOC: bits 0, 3 and 6 of its number are the upper bits
/// of red, the next ones those of green, and those after of blue.
fn palette_colour(class: u8) -> [u8; 3] {
    [0, 1, 2].map(|channel| {
        (0..3).fold(0, |value, bit| {
            let shift = 3 * bit + channel;
            if shift < 8 { value | (class >> shift & 1) << (7 - bit) } else { value }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photos(format: Format, classes: Option<usize>) -> Photos {
        Photos::new(0, format, &[30..=40, 50..=60], classes).unwrap()
    }

    #[test]
    fn masks_keep_the_classes_as_palette_numbers() {
        let files = photos(Format::Jpeg(85), None).files(1).unwrap();
        assert_eq!([files[0].extension, files[1].extension], ["jpg", "png"]);
        let mut reader =
            png::Decoder::new(std::io::Cursor::new(&files[1].bytes)).read_info().unwrap();
        assert_eq!(reader.info().color_type, png::ColorType::Indexed);
        let mut classes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut classes).unwrap();
        assert!(classes.iter().all(|&class| class <= CLASSES));
        assert!(classes.iter().any(|&class| class > 0));
        assert_eq!(
            [1, 2, 4, 15].map(palette_colour),
            [[128, 0, 0], [0, 128, 0], [0, 0, 128], [192, 128, 128]]
        );
    }

    #[test]
    fn classes_take_turns_and_sizes_keep_to_their_range() {
        let photos = photos(Format::Png, Some(12));
        assert_eq!(photos.folders().len(), 12);
        assert_eq!(photos.folder_of(14), Some("class_02".into()));
        let sizes: std::collections::HashSet<(u32, u32)> = (0..20)
            .map(|index| {
                let files = photos.files(index).unwrap();
                let cursor = std::io::Cursor::new(&files[0].bytes);
                let reader = png::Decoder::new(cursor).read_info().unwrap();
                (reader.info().height, reader.info().width)
            })
            .collect();
        assert!(sizes.len() > 10);
        assert!(sizes.iter().all(|(h, w)| (30..=40).contains(h) && (50..=60).contains(w)));
    }

    #[test]
    fn a_picture_that_no_loader_would_read_is_refused() {
        let refused = |sides: &[RangeInclusive<usize>]| Photos::new(0, Format::Png, sides, None);
        assert!(refused(&[3..=3, 32..=32, 32..=32]).unwrap_err().contains("found 3 lengths"));
        assert!(refused(&[0..=3, 32..=32]).unwrap_err().contains("at least one pixel"));
        assert!(refused(&[3..=3, 1..=9000]).unwrap_err().contains("found a side of 9000"));
    }

    #[test]
    fn a_jpeg_has_about_as_many_bits_as_a_photo() {
        let photos = Photos::new(0, Format::Jpeg(85), &[375..=375, 500..=500], Some(10)).unwrap();
        let mean = (0..8).map(|at| photos.files(at).unwrap()[0].bytes.len()).sum::<usize>() / 8;
        assert!((40_000..60_000).contains(&mean), "{mean}");
    }
}
