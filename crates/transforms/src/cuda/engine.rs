//! The launches as an engine of the loader.

#[cfg(feature = "cuda")]
use std::ops::Range;
#[cfg(feature = "cuda")]
use std::sync::Arc;

#[cfg(feature = "cuda")]
use candle_core::cuda_backend::cudarc::driver::CudaStream;
#[cfg(feature = "cuda")]
use tallow_core::device::DeviceSlab;
use tallow_core::device::{DeviceEngine, Made, Part, Whose};
use tallow_core::{Engine, Error, FieldMut, FieldView, PictureHead, Result, Window};

use super::launches::{Launches, made_by};

impl DeviceEngine for Launches {
    fn engine(&self) -> &dyn Engine {
        &self.engine
    }

    fn made(&self, field: usize) -> Made {
        made_by(&self.engine, field)
    }

    fn make_on_host(
        &self,
        field: usize,
        plan: &[u8],
        raw: FieldView<'_>,
        partner: Option<FieldView<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        self.engine.target(field, plan, raw, partner, to, scratch)
    }

    fn window(
        &self,
        field: usize,
        whose: Whose,
        plan: &[u8],
        head: &PictureHead,
    ) -> Result<Option<Window>> {
        self.engine.window(field, whose, plan, head).map_err(of(whose))
    }

    fn reads_parts(&self, field: usize) -> bool {
        Launches::reads_parts(self, field)
    }

    fn part(
        &self,
        field: usize,
        whose: Whose,
        plan: &[u8],
        shape: &[usize],
    ) -> Result<Option<Part>> {
        self.engine.part(field, whose, plan, shape).map_err(of(whose))
    }

    fn scratch_bytes(&self, rows: usize) -> usize {
        rows * self.scratch_stride()
    }

    #[cfg(feature = "cuda")]
    fn load(&self, device: &candle_core::CudaDevice, layout: &DeviceSlab) -> Result<()> {
        // Those of a batch, at addresses that are never followed.
        let outputs = vec![0; self.device_fields().len()];
        self.load_kernels(device, &self.list(0, layout, &outputs, 0..layout.rows.min(1), 0))
    }

    #[cfg(feature = "cuda")]
    #[expect(unsafe_code, reason = "passes the addresses on")]
    unsafe fn launch(
        &self,
        device: &candle_core::CudaDevice,
        stream: &Arc<CudaStream>,
        slab: u64,
        layout: &DeviceSlab,
        outputs: &[u64],
        rows: Range<usize>,
        first: usize,
    ) -> Result<()> {
        let list = self.list(slab, layout, outputs, rows, first);
        // SAFETY: the caller's promise is that of `enqueue`, in other words.
        unsafe { self.enqueue(device, stream, &list) }
    }
}

/// An error as one of the sample that is meant.
fn of(whose: Whose) -> impl Fn(Error) -> Error {
    move |error| if whose == Whose::Partner { error.of_partner() } else { error }
}
