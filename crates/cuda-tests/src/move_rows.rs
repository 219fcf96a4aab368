//! The kernel that moves rows between batches and the samples that stay on the device: on the host, in whole
//! blocks whose accesses are watched.

use std::ffi::c_void;
use std::ptr::from_ref;

use tallow_cuda_sim::{Kernel, KernelMemory, Launch, Use};
use tallow_transforms::cuda;
use tallow_transforms::cuda::whole_blocks::{self, Watch};

unsafe extern "C" {
    fn tallow_watched_move_rows(
        params: *const *const c_void,
        launch: *const whole_blocks::Watched,
        report: *mut u8,
        room: u64,
    ) -> u64;
}

/// The parameters of a launch: see `move_rows.cu`.
#[derive(Debug, Clone, Copy)]
pub struct MoveRows {
    /// The rows of a field in a slab.
    pub slab: u64,
    /// The rows that stay.
    pub samples: u64,
    /// Two places a row, its own and its partner's.
    pub places: u64,
    /// Bytes of a row.
    pub row_bytes: u64,
    /// Rows of the batch.
    pub rows: u32,
    /// Which of the places.
    pub which: u32,
}

impl MoveRows {
    fn of(launch: &Launch<'_>) -> Self {
        Self {
            slab: launch.param(0),
            samples: launch.param(1),
            places: launch.param(2),
            row_bytes: launch.param(3),
            rows: launch.param(4),
            which: launch.param(5),
        }
    }

    /// What a launch may use. It may move any of the `samples` samples: when it is launched, the memory
    /// that says which ones has not been written yet.
    pub fn uses(&self, samples: usize) -> Vec<cuda::Use> {
        let of = |address, bytes, is_write| cuda::Use { address, bytes, is_write };
        let both = |address, bytes| [of(address, bytes, false), of(address, bytes, true)];
        let rows = u64::from(self.rows);
        let slab = both(self.slab, self.row_bytes * rows);
        let samples = both(self.samples, self.row_bytes * samples as u64);
        slab.into_iter().chain(samples).chain([of(self.places, rows * 16, false)]).collect()
    }

    /// Moves rows in blocks of `threads` threads, up to the first race, or access beside `uses`.
    ///
    /// # Safety
    ///
    /// The bytes of `uses` are memory that this thread may read and write, and that nothing else writes.
    pub unsafe fn watched(
        &self,
        grid: [u32; 3],
        threads: u32,
        uses: &[cuda::Use],
    ) -> Option<String> {
        let watch = Watch { threads, seed: 1, more: uses, left_out: None };
        let params = [
            from_ref(&self.slab).cast(),
            from_ref(&self.samples).cast(),
            from_ref(&self.places).cast(),
            from_ref(&self.row_bytes).cast(),
            from_ref(&self.rows).cast(),
            from_ref(&self.which).cast(),
        ];
        // SAFETY: the kernel takes these parameters, in this order, and they outlive the call. The memory is
        // the caller's to grant.
        unsafe { whole_blocks::run_kernel(tallow_watched_move_rows, &params, grid, 0, &watch) }
    }
}

/// The kernel for a simulated device on which so many samples stay.
pub(crate) fn kernel(samples: usize) -> Kernel {
    let uses = move |launch: &Launch<'_>| {
        let uses = MoveRows::of(launch).uses(samples).into_iter().map(|used| match used.is_write {
            true => Use::write(used.address, used.bytes as usize),
            false => Use::read(used.address, used.bytes as usize),
        });
        uses.collect()
    };
    let run = move |launch: &Launch<'_>, _: &mut KernelMemory<'_>| {
        let moved = MoveRows::of(launch);
        // SAFETY: the simulator has granted the uses of the launch, memory of the host for as long
        // as this runs.
        let found = unsafe { moved.watched(launch.grid, launch.block[0], &moved.uses(samples)) };
        // A panic of a kernel is a violation.
        assert_eq!(found, None, "{moved:?}");
        Ok(())
    };
    Kernel::new("move_rows", [8, 8, 8, 8, 4, 4]).uses(uses).runs(run)
}
