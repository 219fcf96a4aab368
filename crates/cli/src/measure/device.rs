//! The device that the tensors go to.

use std::time::{Duration, Instant};

use tallow::candle::{self, Device};
use tallow::{Batch, Plan};

use crate::args::DeviceArg;
use crate::measure::rate::ratio;
use crate::terminal::exit::{Failure, Result};

/// Opens a device. One that this program was not built for is a matter of the command line.
pub(crate) fn open(device: DeviceArg) -> Result<Device> {
    let opened = match device {
        DeviceArg::Cpu => Ok(Device::Cpu),
        DeviceArg::Cuda(_) if !cfg!(feature = "cuda") => return Err(not_built(device, "cuda")),
        DeviceArg::Metal(_) if !cfg!(feature = "metal") => return Err(not_built(device, "metal")),
        // One stream, whatever the thread: what a training loop does well to choose.
        DeviceArg::Cuda(ordinal) => Device::new_cuda_with_stream(ordinal),
        DeviceArg::Metal(ordinal) => Device::new_metal(ordinal),
    };
    opened.map_err(|error| Failure::Failed(format!("cannot open device {device}: {error}")))
}

fn not_built(device: DeviceArg, feature: &str) -> Failure {
    let message = format!(
        "--device {device} needs a bench-loader built for it: \
         cargo build --release -p tallow-cli --features {feature}"
    );
    Failure::Usage(message)
}

/// Where the tensors go.
#[derive(Debug)]
pub(crate) struct DeviceReport {
    /// As `--device` names it.
    pub(crate) name: String,
    /// What its maker calls it, where the driver says so.
    pub(crate) model: Option<String>,
    /// What the loader keeps of its memory.
    pub(crate) bytes: usize,
    /// Whether the last transform runs there.
    pub(crate) on_device: bool,
}

impl DeviceReport {
    /// Of the device that `arg` has opened, under a loader of this plan.
    pub(crate) fn of(arg: DeviceArg, device: &Device, plan: &Plan) -> Self {
        Self {
            name: arg.to_string(),
            model: model(device),
            bytes: plan.device_bytes(),
            on_device: plan.on_device(),
        }
    }
}

/// Work on a CUDA device beside the bytes a second of a copy of as many bytes alone: of copies of
/// slabs, one from page-locked memory; of kernels, one within the device.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BesideCopy {
    pub(crate) done: tallow::DeviceWork,
    pub(crate) alone: f64,
}

impl BesideCopy {
    pub(crate) fn share(&self) -> f64 {
        ratio(self.done.bytes_per_second(), self.alone)
    }
}

#[cfg(feature = "cuda")]
fn model(device: &Device) -> Option<String> {
    let Device::Cuda(device) = device else { return None };
    device.cuda_stream().context().name().ok()
}

#[cfg(not(feature = "cuda"))]
fn model(_: &Device) -> Option<String> {
    None
}

/// What becomes of a batch: it is dropped at once, or a step of a model is done with it.
#[derive(Debug, Clone)]
pub(crate) struct Consumer {
    pub(crate) device: Device,
    pub(crate) step: Option<Duration>,
}

impl Consumer {
    /// Waits until the device has done all that it was given.
    pub(crate) fn synchronize(&self) -> candle::Result<()> {
        let span = tracing::trace_span!(target: "tallow_cli::device", "synchronize");
        span.in_scope(|| self.device.synchronize())
    }

    /// The thread sleeps, as one does that waits for an accelerator: the cores are left to the
    /// workers. Returns how long it took.
    pub(crate) fn step(&self, step: Duration, batch: &Batch) -> Duration {
        let span = tracing::trace_span!(target: "tallow_cli::step", "step");
        let _entered = span.enter();
        let started = Instant::now();
        std::thread::sleep(step);
        // A model has its batch until the step is over.
        std::hint::black_box(batch);
        started.elapsed()
    }
}
