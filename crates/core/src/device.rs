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
/// more than the window is decoded. Any other engine is given decoded rows.
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

    /// Issues, on the stream of `device`, the work that makes rows `rows` of the slab at address
    /// `slab`: they become rows `first` and following of the tensors at `outputs`, one for each
    /// field that is [`Made::OnDevice`], contiguous and of the type and shape of the engine's
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
    unsafe fn launch(
        &self,
        device: &candle_core::CudaDevice,
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

/// Where the pixels of a picture lie on the device, of one row and field, as kernels read it.
///
/// Element 0 of the pixel in row y and column x of the upright picture is number
/// `first[0] + y strides[0] + first[1] + x strides[1]` from `address` on; other channels follow it.
/// For all pixels that are there both sums are at least 0.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Pod, Zeroable)]
pub struct Raster {
    /// Of the first pixel that is there.
    pub address: u64,
    /// What is added for the rows and for the columns.
    pub first: [i32; 2],
    /// Elements from one row, and one column, to the next; negative where the stored picture has them
    /// the other way round.
    pub strides: [i32; 2],
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
        Self { address, first: [rows.0, columns.0], strides: [rows.1, columns.1] }
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
    /// [`Raster`] per row of a field of pictures.
    pub fields: Vec<Run>,
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
                let along = |k: usize| raster.first[k] + raster.strides[k] * at[k] as i32;
                let expected = ((row - 2) * 5 + column - 3) * 3;
                assert!(along(0) >= 0 && along(1) >= 0, "{orientation:?} at {at:?}");
                assert_eq!(along(0) + along(1), expected as i32, "{orientation:?} at {at:?}");
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
