//! Fields that are encoded in a row: what their bytes are, and what they decode to.

use std::fmt;

use tallow_images::{Color, Decoder, Depth, Head, Limits, Orientation, Scale, Window};

use crate::pool::Pool;
use crate::{Dim, Error, ErrorKind, FieldView, Result, RowDType, RowMark};

/// The most bytes that a file of a picture may have by default: 64 MiB.
const PAYLOAD_BYTES: usize = 64 << 20;

/// The longest side of a picture by default, so that a picture has 2^26 pixels at most.
const SIDE: usize = 1 << 13;

/// What the pictures of a field are, and what their pixels become.
///
/// A field of pictures holds their files: a row has the bytes of a JPEG, PNG or WebP, which are decoded
/// where pixels are needed. `Augment` decodes what a row's plan reaches; before other transforms, and
/// before a batch is made, the loader decodes whole pictures, as [`Decode`] does.
///
/// [`Decode`]: crate::Decode
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Picture {
    color: Color,
    depth: Depth,
    /// The length of the last axis; `None` where there is none, a row being `[height, width]`.
    channels: Option<usize>,
    sides: [Dim; 2],
    upright: bool,
    payload_bytes: usize,
}

impl Picture {
    /// Pictures of any size in RGB: `u8[height, width, 3]`, neither side above 8,192 pixels.
    pub fn rgb() -> Self {
        Self::new(Color::Rgb, Depth::Eight, Some(3))
    }

    /// Pictures in RGB with alpha: `u8[height, width, 4]`.
    pub fn rgba() -> Self {
        Self::new(Color::Rgba, Depth::Eight, Some(4))
    }

    /// Grey pictures: `u8[height, width, 1]`.
    pub fn gray() -> Self {
        Self::new(Color::Gray, Depth::Eight, Some(1))
    }

    /// The numbers as they are stored in pictures of one channel, such as the palette indices of a
    /// mask: `[height, width]`, `u8` or, for 16 bits, `u16`.
    pub fn stored(depth: Depth) -> Self {
        Self::new(Color::Stored, depth, None)
    }

    fn new(color: Color, depth: Depth, channels: Option<usize>) -> Self {
        let sides = [Dim::Ragged { max: SIDE }; 2];
        Self { color, depth, channels, sides, upright: false, payload_bytes: PAYLOAD_BYTES }
    }

    /// Says that all pictures have this size; another one is an error of its sample.
    #[must_use]
    pub fn sized(mut self, height: usize, width: usize) -> Self {
        self.sides = [height, width].map(Dim::Fixed);
        self
    }

    /// The longest sides that are accepted. The default is 8,192 pixels each. Memory is planned for
    /// this.
    #[must_use]
    pub fn at_most(mut self, height: usize, width: usize) -> Self {
        self.sides = [height, width].map(|max| Dim::Ragged { max });
        self
    }

    /// Turns pictures upright, as their EXIF orientation says. torchvision's `ImageFolder` does not,
    /// and so this is off by default; OpenCV and Hugging Face's data sets do.
    #[must_use]
    pub fn upright(mut self) -> Self {
        self.upright = true;
        self
    }

    /// The most bytes that the file of a picture may have. The default is 64 MiB.
    #[must_use]
    pub fn payload_bytes(mut self, bytes: usize) -> Self {
        self.payload_bytes = bytes;
        self
    }

    /// What pixels become.
    pub fn color(&self) -> Color {
        self.color
    }

    /// Whether pictures are turned as their EXIF orientation says.
    pub fn is_upright(&self) -> bool {
        self.upright
    }

    /// The most bytes that the file of a picture may have.
    pub fn payload_bytes_max(&self) -> usize {
        self.payload_bytes
    }

    /// The element type of the pixels.
    pub fn dtype(&self) -> RowDType {
        match self.depth {
            Depth::Eight => RowDType::U8,
            Depth::Sixteen => RowDType::U16,
        }
    }

    /// The dimensions of the pixels: height, width and, unless single numbers are kept as they are
    /// stored, channels.
    pub fn dims(&self) -> Vec<Dim> {
        self.sides.into_iter().chain(self.channels.map(Dim::Fixed)).collect()
    }

    /// Reads the head of a picture, without decoding anything.
    ///
    /// # Errors
    ///
    /// When the payload is no picture, or one that this field does not admit.
    pub fn head(&self, payload: &[u8]) -> Result<PictureHead> {
        let [height, width] = self.sides.map(Dim::max);
        let mut limits = Limits::default();
        // Nothing is allocated for a head, and both sides say more than their product.
        limits.pixels = usize::MAX;
        let head = Head::read(payload, &limits).map_err(Error::of_picture)?;
        limits.pixels = height.saturating_mul(width);
        let orientation = if self.upright { head.orientation } else { Orientation::Upright };
        let head = PictureHead { head, orientation, limits };
        let size = head.size();
        if !self.sides.iter().zip(size).all(|(dim, len)| dim.admits(len)) {
            let mut message = format!("found a picture of {size:?} pixels, expected {self}");
            if self.sides.iter().all(|side| matches!(side, Dim::Ragged { .. })) {
                message += "; admit larger ones with .at_most(height, width)";
            }
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        let (channels, depth) = (head.head.channels_of(self.color), head.head.depth_of(self.color));
        if depth != self.depth {
            let message = format!("found a picture of {depth:?} bits, expected {self}");
            return Err(Error::new(ErrorKind::DtypeMismatch, message));
        }
        if channels != self.channels.unwrap_or(1) {
            let message = format!("found a picture of {channels} channels, expected {self}");
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        Ok(head)
    }
}

/// As a schema shows it and a fingerprint remembers it: `u8[..=8192, ..=8192, 3] of pictures`.
impl fmt::Display for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[", self.dtype())?;
        for (i, dim) in self.dims().iter().enumerate() {
            write!(f, "{}{dim}", if i == 0 { "" } else { ", " })?;
        }
        f.write_str("] of pictures")?;
        if self.color == Color::Stored {
            f.write_str(" as stored")?;
        }
        if self.upright { f.write_str(", turned upright") } else { Ok(()) }
    }
}

/// What one picture of a field is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PictureHead {
    head: Head,
    /// How this field turns it.
    orientation: Orientation,
    limits: Limits,
}

impl PictureHead {
    /// The head of the file.
    pub fn stored(&self) -> &Head {
        &self.head
    }

    /// The head of the same picture decoded smaller; `None` for a format that is always decoded as it
    /// is stored.
    ///
    /// # Panics
    ///
    /// When it is scaled already.
    #[must_use]
    pub fn scaled(&self, scale: Scale) -> Option<Self> {
        self.head.scaled(scale).map(|head| Self { head, ..self.clone() })
    }

    /// Height and width as they are stored, or at the scale: what a [`Window`] is of.
    pub fn stored_size(&self) -> [usize; 2] {
        [self.head.height, self.head.width]
    }

    /// How the stored pixels are turned: upright where the field leaves them as they are.
    pub fn orientation(&self) -> Orientation {
        self.orientation
    }

    /// Height and width of the picture as the field has it, turned.
    pub fn size(&self) -> [usize; 2] {
        self.orientation.size(self.stored_size())
    }
}

/// Decoders that threads share, and the memory in which they leave pixels.
///
/// There are as many as threads used at once. Each keeps its memory for the next picture, unless that
/// was an uncommonly large one.
#[derive(Debug, Default)]
pub struct Decoders(Pool<(Decoder, Vec<u64>)>);

impl Decoders {
    /// Memory above this is let go of after each picture: so much takes one of 22 million pixels.
    const KEPT_BYTES: usize = 64 << 20;

    /// Bytes per pixel that a decoder uses beside the pixels that it leaves: the coefficients of a
    /// progressive JPEG of four components, two bytes each. No other format needs more.
    const WORKING_BYTES: usize = 8;

    /// The most bytes that a thread uses for one picture of `picture`: where the picture is as large as
    /// it may be, is needed wholly, and is of the format that takes most to decode.
    pub fn bytes_max(picture: &Picture) -> usize {
        let pixel_bytes = picture.channels.unwrap_or(1) * picture.dtype().size();
        let [height, width] = picture.sides.map(Dim::max);
        height.saturating_mul(width).saturating_mul(pixel_bytes + Self::WORKING_BYTES)
    }

    /// Decodes `window` of the picture in `field`, whose head is `head`, into `pixels`: as they are
    /// stored, not turned, row by row, channels side by side. The time that it takes is left in `mark`.
    ///
    /// # Errors
    ///
    /// When the picture is damaged or there is no memory.
    ///
    /// # Panics
    ///
    /// When `pixels` has not the length of the window.
    pub fn decode_into(
        &self,
        field: &FieldView<'_>,
        picture: &Picture,
        head: &PictureHead,
        window: &Window,
        pixels: &mut [u8],
        mark: Option<&RowMark>,
    ) -> Result<()> {
        self.lend(head, |decoder, _| {
            timed(mark, || run(decoder, field, picture, head, window, pixels))
        })
    }

    /// Lends a decoder and its memory to `work` on a picture whose head is `head`, and keeps them for
    /// the next picture.
    fn lend<R>(
        &self,
        head: &PictureHead,
        work: impl FnOnce(&mut Decoder, &mut Vec<u64>) -> Result<R>,
    ) -> Result<R> {
        let (mut decoder, mut memory) = self.0.take().unwrap_or_default();
        let result = work(&mut decoder, &mut memory);
        let pixels = head.stored_size().map(|side| side * head.stored().scale.divisor());
        if pixels[0] * pixels[1] > Self::KEPT_BYTES / Self::WORKING_BYTES {
            decoder = Decoder::new();
        }
        if memory.len() > Self::KEPT_BYTES / size_of::<u64>() {
            memory = Vec::new();
        }
        self.0.give((decoder, memory));
        result
    }

    /// Decodes `window` of the picture in `field`, whose head is `head`, and hands `then` the pixels
    /// as they are stored, not turned: row by row, channels side by side. They begin at a multiple of
    /// 8 bytes. The time that it takes, without `then`, is left in `mark`.
    ///
    /// # Errors
    ///
    /// When the picture is damaged or there is no memory; or that of `then`.
    pub fn decode<R>(
        &self,
        field: &FieldView<'_>,
        picture: &Picture,
        head: &PictureHead,
        window: &Window,
        mark: Option<&RowMark>,
        then: impl FnOnce(&[u8]) -> Result<R>,
    ) -> Result<R> {
        let bytes = window.pixels() * head.head.pixel_bytes(picture.color);
        let words = bytes.div_ceil(size_of::<u64>());
        self.lend(head, |decoder, memory| {
            if memory.len() < words {
                let missing = words - memory.len();
                memory.try_reserve_exact(missing).map_err(|_| {
                    let message = format!("no memory for {bytes} bytes of pixels");
                    Error::new(ErrorKind::TooLarge, message)
                })?;
                memory.resize(words, 0);
            }
            let pixels = &mut bytemuck::cast_slice_mut(memory)[..bytes];
            timed(mark, || run(decoder, field, picture, head, window, pixels))?;
            then(pixels)
        })
    }
}

/// Does `work`, which decodes, and leaves in `mark` how long it took.
fn timed<R>(mark: Option<&RowMark>, work: impl FnOnce() -> R) -> R {
    match mark {
        Some(mark) => mark.decoding(work),
        None => work(),
    }
}

/// Decodes a window of the picture in `field`.
fn run(
    decoder: &mut Decoder,
    field: &FieldView<'_>,
    picture: &Picture,
    head: &PictureHead,
    window: &Window,
    pixels: &mut [u8],
) -> Result<()> {
    let PictureHead { head, limits, .. } = head;
    let decoded = decoder.decode(field.bytes(), head, picture.color, limits, window, pixels);
    decoded.map_err(|error| Error::of_picture(error).with_field(field.name()))
}

impl Error {
    /// An error of the picture decoder as one of a sample.
    #[cold]
    pub(crate) fn of_picture(error: tallow_images::Error) -> Self {
        let kind = match error.kind() {
            tallow_images::ErrorKind::Truncated => ErrorKind::Truncated,
            tallow_images::ErrorKind::TooLarge => ErrorKind::TooLarge,
            tallow_images::ErrorKind::Unsupported => ErrorKind::Foreign,
            _ => ErrorKind::Damaged,
        };
        Self::new(kind, error.message()).with_source(error)
    }
}
