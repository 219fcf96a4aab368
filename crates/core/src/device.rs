//! How loader and transforms work together on batches that are finished on a device.

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use tallow_images::Window;

use crate::encoding::{Picture, PictureHead};
use crate::{Engine, FieldMut, FieldView, Result};

/// The engine of a transform whose batches are finished on a device. It is to a device what
/// [`Engine`] is to the CPU.
///
/// A worker reads the raw row into the slab, writes its plan next to it, and makes the fields that
/// are [`Made::OnHost`]. The slab is copied to the device as it is. `launch` (feature `cuda`) then
/// makes the fields that are [`Made::OnDevice`] of a whole batch at once; the loader copies the
/// others.
///
/// Of a picture that the device makes something of, the worker decodes the [`window`](Self::window)
/// that the plan reaches, into memory beside the slab; the slab has a [`Raster`] per row instead of
/// the raw field, which says where the pixels lie. The delivered rows must not depend on how much
/// more than the window is decoded. Any other engine is given decoded rows. Of a field of numbers that
/// is read in [parts](Self::reads_parts), the worker copies the [`part`](Self::part) that the plan
/// reaches in the same way. [`DeviceSlab::rasters`] says of which fields the slab has rasters.
///
/// # Contract
///
/// The delivered rows are those that [`engine`](Self::engine) would have made on the CPU, to the
/// precision that the transform documents for its devices. All methods but `launch` are called from
/// many threads at once.
pub trait DeviceEngine: Send + Sync {
    /// The engine that plans the rows.
    fn engine(&self) -> &dyn Engine;

    /// Who makes field `field` of the delivered rows. A field that is [`Made::AsRead`] has
    /// the same position in the schema that the engine is bound to.
    fn made(&self, field: usize) -> Made;

    /// Makes a field of one row that is [`Made::OnHost`] from the raw field, with the row's plan.
    /// `partner` is given if the plan is that of a pair; `scratch` is that of [`Engine::run`].
    ///
    /// # Errors
    ///
    /// As [`Engine::run`].
    fn make_on_host(
        &self,
        field: usize,
        plan: &[u8],
        raw: FieldView<'_>,
        partner: Option<FieldView<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()>;

    /// Which pixels of the stored picture in raw field `field`, whose head is `head`, the device reads
    /// under `plan`; `None` if it reads none. `whose` says whether the picture is the row's own or its
    /// partner's, if the plan is that of a pair.
    ///
    /// # Errors
    ///
    /// When the picture has not the size that the plan begins with; an error of the partner as in
    /// [`Mixer::run_pair`](crate::Mixer::run_pair).
    fn window(
        &self,
        field: usize,
        whose: Whose,
        plan: &[u8],
        head: &PictureHead,
    ) -> Result<Option<Window>>;

    /// Whether the device reads parts of raw field `field`, whose rows are numbers, and so much less
    /// than all of it that copying them apart pays. Always `false` of a field that it does not read, or
    /// cannot read by a [`Raster`].
    fn reads_parts(&self, field: usize) -> bool;

    /// Which part of raw field `field`, of which [`reads_parts`](Self::reads_parts) is true and whose
    /// row has the shape `shape`, the device reads under `plan`; `None` if it reads nothing. `whose` is
    /// that of [`window`](Self::window).
    ///
    /// # Errors
    ///
    /// As `window`.
    fn part(
        &self,
        field: usize,
        whose: Whose,
        plan: &[u8],
        shape: &[usize],
    ) -> Result<Option<Part>>;

    /// Bytes of device memory that a launch over a slab of `rows` rows uses for itself.
    fn scratch_bytes(&self, rows: usize) -> usize;

    /// Loads the kernels that [`launch`](Self::launch) will use. The driver may have to compile them
    /// first, which takes a second, and no batch should wait for that.
    ///
    /// # Errors
    ///
    /// When the device reports an error.
    #[cfg(feature = "cuda")]
    fn load(&self, device: &candle_core::CudaDevice, layout: &DeviceSlab) -> Result<()>;

    /// Issues, on a stream of `device` that need not be its own, the work that makes rows `rows` of the
    /// slab at address `slab`: they become rows `first` and following of the tensors at `outputs`, one
    /// for each field that is [`Made::OnDevice`], contiguous and of the type and shape of the engine's
    /// schema. Plans, raw rows and outputs are there when earlier work of the stream is done.
    ///
    /// # Safety
    ///
    /// The slab, the pixels that rasters in it name, and the outputs must be memory of `device`, as
    /// much as `layout`, windows and the schema say, that is freed and otherwise written only after
    /// this work; the plans in it must be those of this engine.
    ///
    /// # Errors
    ///
    /// When the device reports an error.
    #[cfg(feature = "cuda")]
    #[expect(clippy::too_many_arguments, reason = "where the work goes, and what it is")]
    unsafe fn launch(
        &self,
        device: &candle_core::CudaDevice,
        stream: &std::sync::Arc<candle_core::cuda_backend::cudarc::driver::CudaStream>,
        slab: u64,
        layout: &DeviceSlab,
        outputs: &[u64],
        rows: Range<usize>,
        first: usize,
    ) -> Result<()>;
}

/// Who makes a delivered field of a batch that is finished on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Made {
    /// The device.
    OnDevice,
    /// The worker: a few numbers, like boxes and labels.
    OnHost,
    /// No one: it is the raw field.
    AsRead,
}

/// Which of the two samples that a row is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The sample of the row.
    Own,
    /// The one that is mixed in.
    Partner,
}

/// Where the pixels of an image lie on the device, of one row and field, as kernels read it.
///
/// Element c of the pixel in slice z, row y and column x of the upright image is number
/// `first[0] + z strides[0] + first[1] + y strides[1] + first[2] + x strides[2] + c channel_stride` from
/// `address` on. For all pixels that are there each of the three sums is at least 0.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Raster {
    /// Of the first pixel that is there.
    pub address: u64,
    /// What is added for the slices, the rows and the columns.
    pub first: [i32; 3],
    /// Elements from one slice, one row and one column to the next; negative where the stored picture
    /// has them the other way round.
    pub strides: [i32; 3],
    /// Elements from one channel to the next.
    pub channel_stride: i32,
    /// 0: what the struct is long for its alignment.
    pub unused: i32,
}

impl Raster {
    /// Of `window` of a picture whose head is `head`, decoded as `picture` says to `address`.
    pub fn new(picture: &Picture, head: &PictureHead, window: &Window, address: u64) -> Self {
        let channels = head.stored().channels_of(picture.color());
        let (stored, by) = (head.stored_size(), head.orientation());
        let starts = [window.rows.start, window.columns.start];
        let units = [window.width() * channels, channels];
        // Two pixels along each axis tell which stored axis it is, and its direction.
        let origin = by.stored([2, 2], [0, 0]);
        let far = by.stored(stored, [0, 0]);
        let along = |next: [usize; 2]| {
            let next = by.stored([2, 2], next);
            let axis = usize::from(next[0] == origin[0]);
            let unit = units[axis] as i32;
            let first = (far[axis] as i32 - starts[axis] as i32) * unit;
            (first, if next[axis] > origin[axis] { unit } else { -unit })
        };
        let (rows, columns) = (along([1, 0]), along([0, 1]));
        Self {
            address,
            first: [0, rows.0, columns.0],
            strides: [0, rows.1, columns.1],
            channel_stride: 1,
            unused: 0,
        }
    }
}

/// A part of an image or volume whose elements lie in a row as numbers: a box along depth, height and
/// width, with all its channels. Axes that the image lacks have the length 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// Depth, height and width of the whole image.
    pub size: [usize; 3],
    /// Elements of a pixel.
    pub channels: usize,
    /// Whether the channels of a pixel lie side by side, instead of one image behind the other.
    pub interleaved: bool,
    /// The first slice, row and column of the part.
    pub start: [usize; 3],
    /// The ends, beyond the starts and within the size.
    pub end: [usize; 3],
}

impl Part {
    /// Slices, rows and columns of the part.
    pub fn lens(&self) -> [usize; 3] {
        std::array::from_fn(|k| self.end[k] - self.start[k])
    }

    /// Elements of the part.
    pub fn elements(&self) -> usize {
        self.lens().iter().product::<usize>() * self.channels
    }

    /// Elements of a pixel that lie side by side, and images that lie one behind the other.
    fn pixel_and_planes(&self) -> (usize, usize) {
        if self.interleaved { (self.channels, 1) } else { (1, self.channels) }
    }

    /// Copies the part out of `row`, which has the whole image in elements of `element` bytes, to `to`,
    /// which becomes an image of the part alone in the same order.
    ///
    /// # Panics
    ///
    /// When `row` and `to` are not as long as that.
    pub fn copy(&self, row: &[u8], to: &mut [u8], element: usize) {
        let (pixel, planes) = self.pixel_and_planes();
        let [depth, height, width] = self.size;
        let [slices, rows, columns] = self.lens();
        assert_eq!(row.len(), depth * height * width * self.channels * element, "a whole image");
        assert_eq!(to.len(), self.elements() * element, "an image of the part");
        // Whole rows lie one behind the other.
        let (runs, run) = if columns == width { (1, rows * columns) } else { (rows, columns) };
        let run = run * pixel * element;
        if run == 0 {
            return;
        }
        let mut pieces = to.chunks_exact_mut(run);
        for (plane, slice) in (0..planes).flat_map(|plane| (0..slices).map(move |z| (plane, z))) {
            let first = (plane * depth + self.start[0] + slice) * height + self.start[1];
            for (y, piece) in (0..runs).zip(&mut pieces) {
                let at = ((first + y) * width + self.start[2]) * pixel * element;
                piece.copy_from_slice(&row[at..][..run]);
            }
        }
    }

    /// Where its pixels lie, in the coordinates of the whole image, if it was copied to `address`.
    pub fn raster(&self, address: u64) -> Raster {
        let [slices, rows, columns] = self.lens();
        let (pixel, _) = self.pixel_and_planes();
        let strides = [rows * columns * pixel, columns * pixel, pixel];
        let channel = if self.interleaved { 1 } else { slices * rows * columns };
        Raster {
            address,
            first: std::array::from_fn(|k| -((self.start[k] * strides[k]) as i32)),
            strides: strides.map(|stride| stride as i32),
            channel_stride: channel as i32,
            unused: 0,
        }
    }
}

/// Rows of one kind in a slab: row r begins at byte `offset` + r `stride`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Run {
    /// Where row 0 begins.
    pub offset: usize,
    /// From one row to the next.
    pub stride: usize,
}

impl Run {
    /// Where row `row` begins.
    pub fn at(self, row: usize) -> usize {
        self.offset + row * self.stride
    }

    /// The bytes of rows `rows`.
    pub fn bytes(self, rows: Range<usize>) -> Range<usize> {
        self.at(rows.start)..self.at(rows.end)
    }
}

/// How the slab of a batch lies in page-locked memory and, byte for byte, on the device. Every run
/// begins at a multiple of [`DeviceSlab::ALIGN`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeviceSlab {
    /// Rows of a full batch.
    pub rows: usize,
    /// The raw fields, in the order of the schema that the engine is bound to: rows of numbers, or a
    /// [`Raster`] per row.
    pub fields: Vec<Run>,
    /// Of which raw fields the slab has rasters: always of pictures that the device reads. A field that
    /// is not listed has none.
    pub rasters: Vec<bool>,
    /// The same of the rows that are mixed with them, for an engine that mixes.
    pub partners: Vec<Run>,
    /// Plans, [`Engine::plan_bytes`] each.
    pub plans: Run,
    /// The delivered fields that are [`Made::OnHost`], at their place in the engine's schema.
    pub made: Vec<Option<Run>>,
    /// Where what is copied ends and the device's own scratch begins.
    pub scratch: usize,
    /// Bytes on the device, scratch included.
    pub bytes: usize,
}

impl DeviceSlab {
    /// What the runs of a slab begin on multiples of: the widest loads and stores of any device.
    pub const ALIGN: usize = 256;

    /// A slab for batches of `rows` rows, without any runs yet.
    pub fn new(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    /// Whether the rows of raw field `field` are rasters.
    pub fn is_raster(&self, field: usize) -> bool {
        self.rasters.get(field).copied().unwrap_or(false)
    }

    /// The runs after the raw fields, in the order in which they lie: plans, partners, and what
    /// workers make.
    pub fn extras(&self) -> Vec<Run> {
        let plans = (!self.made.is_empty()).then_some(&self.plans);
        plans.into_iter().chain(&self.partners).chain(self.made.iter().flatten()).copied().collect()
    }

    /// Room for `rows` rows of `stride` bytes after everything else.
    pub fn push(&mut self, stride: usize) -> Run {
        let run = Run { offset: self.scratch, stride };
        self.scratch = run.at(self.rows).next_multiple_of(Self::ALIGN);
        self.bytes = self.scratch;
        run
    }
}

fn _assert_trait_object(_: &dyn DeviceEngine) {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Color, Orientation};

    /// The head of a grey PNG without pixels, turned as EXIF says.
    fn head_of(picture: &Picture, size: [usize; 2], orientation: u16) -> PictureHead {
        let chunk = |name: &[u8], body: &[u8]| {
            let len = (body.len() as u32).to_be_bytes();
            // Of the head's chunks no check sum is read.
            [&len[..], name, body, &[0; 4]].concat()
        };
        let [height, width] = size.map(|len| (len as u32).to_be_bytes());
        let ihdr = [&width[..], &height, &[8, 0, 0, 0, 0]].concat();
        let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0\0".to_vec();
        exif[18..20].copy_from_slice(&orientation.to_be_bytes());
        let chunks = [chunk(b"IHDR", &ihdr), chunk(b"eXIf", &exif), chunk(b"IDAT", &[])];
        let payload = [&b"\x89PNG\r\n\x1a\n"[..], &chunks.concat()].concat();
        picture.head(&payload).unwrap()
    }

    #[test]
    fn a_raster_finds_the_pixels_of_a_window_in_every_orientation() {
        let picture = Picture::rgb().upright();
        assert_eq!(picture.color(), Color::Rgb);
        let (stored, window) = ([6, 9], Window { rows: 2..5, columns: 3..8 });
        for number in 1..=8 {
            let head = head_of(&picture, stored, number);
            let orientation = Orientation::from_exif(number).unwrap();
            assert_eq!(head.orientation(), orientation);
            let raster = Raster::new(&picture, &head, &window, 0);
            let [height, width] = head.size();
            for at in (0..height).flat_map(|y| (0..width).map(move |x| [y, x])) {
                let [row, column] = orientation.stored(stored, at);
                if !window.rows.contains(&row) || !window.columns.contains(&column) {
                    continue;
                }
                let along = |k: usize| raster.first[k + 1] + raster.strides[k + 1] * at[k] as i32;
                let expected = ((row - 2) * 5 + column - 3) * 3;
                assert!(along(0) >= 0 && along(1) >= 0, "{orientation:?} at {at:?}");
                assert_eq!(along(0) + along(1), expected as i32, "{orientation:?} at {at:?}");
            }
        }
    }

    #[test]
    fn a_part_is_found_where_its_raster_says_in_every_order() {
        let (size, channels, element) = ([3, 4, 5], 2, 2);
        let ends = [([0, 0, 0], size), ([1, 1, 0], [3, 3, 5]), ([0, 2, 1], [2, 4, 4])];
        for (interleaved, (start, end)) in
            [true, false].into_iter().flat_map(|order| ends.map(|ends| (order, ends)))
        {
            let part = Part { size, channels, interleaved, start, end };
            let place = |at: [usize; 3], c: usize| {
                let pixel = (at[0] * size[1] + at[1]) * size[2] + at[2];
                if interleaved { pixel * channels + c } else { c * 60 + pixel }
            };
            // Element i has the bytes i and 200.
            let row: Vec<u8> = (0..120).flat_map(|i| [i, 200]).collect();
            let mut to = vec![0; part.elements() * element];
            part.copy(&row, &mut to, element);
            let raster = part.raster(0);
            for z in start[0]..end[0] {
                for (y, x) in
                    (start[1]..end[1]).flat_map(|y| (start[2]..end[2]).map(move |x| (y, x)))
                {
                    let sums: [i32; 3] = std::array::from_fn(|k| {
                        raster.first[k] + raster.strides[k] * [z, y, x][k] as i32
                    });
                    assert!(sums.iter().all(|sum| *sum >= 0), "{part:?}");
                    for c in 0..channels {
                        let at = sums.iter().sum::<i32>() + c as i32 * raster.channel_stride;
                        let found = &to[at as usize * element..][..element];
                        assert_eq!(found, [place([z, y, x], c) as u8, 200], "{part:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn runs_follow_each_other_on_their_boundaries() {
        let mut slab = DeviceSlab::new(3);
        let (a, b) = (slab.push(100), slab.push(8));
        assert_eq!((a.offset, b.offset, slab.bytes), (0, 512, 768));
        assert_eq!((a.at(2), b.bytes(1..3)), (200, 520..536));
    }
}
