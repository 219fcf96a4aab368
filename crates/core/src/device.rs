//! How loader and transforms work together on batches that are finished on a device.

use std::ops::Range;

use crate::{Engine, FieldMut, FieldView, Result};

/// The engine of a transform whose batches are finished on a device. It is to a device what
/// [`Engine`] is to the CPU.
///
/// A worker reads the raw row into the slab, writes its plan next to it, and makes the fields that
/// are [`Made::OnHost`]. The slab is copied to the device as it is. `launch` (feature `cuda`) then
/// makes the fields that are [`Made::OnDevice`] of a whole batch at once; the loader copies the
/// others.
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
    /// The slab and the outputs must be memory of `device`, as much as `layout` and the schema say,
    /// that is freed and otherwise written only after this work; the plans in it must be those of
    /// this engine.
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
    /// The raw fields, in the order of the schema that the engine is bound to.
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

    #[test]
    fn runs_follow_each_other_on_their_boundaries() {
        let mut slab = DeviceSlab::new(3);
        let (a, b) = (slab.push(100), slab.push(8));
        assert_eq!((a.offset, b.offset, slab.bytes), (0, 512, 768));
        assert_eq!((a.at(2), b.bytes(1..3)), (200, 520..536));
    }
}
