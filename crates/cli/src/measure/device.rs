//! The device that the tensors are delivered to.

use std::time::{Duration, Instant};

use tallow::candle::{self, Device};
use tallow::{Batch, Plan};

use crate::args::DeviceArg;
use crate::measure::rate::ratio;
use crate::terminal::exit::{Failure, Result};

/// Opens a device. One that this program was not built for is a usage error.
pub(crate) fn open(device: DeviceArg) -> Result<Device> {
    let opened = match device {
        DeviceArg::Cpu => Ok(Device::Cpu),
        DeviceArg::Cuda(_) if !cfg!(feature = "cuda") => return Err(not_built(device, "cuda")),
        DeviceArg::Metal(_) if !cfg!(feature = "metal") => return Err(not_built(device, "metal")),
        // One stream for all threads, as a training loop should have.
        DeviceArg::Cuda(ordinal) => Device::new_cuda_with_stream(ordinal),
        DeviceArg::Metal(ordinal) => Device::new_metal(ordinal),
    };
    opened.map_err(|error| Failure::Failed(format!("cannot open device {device}: {error}")))
}

fn not_built(device: DeviceArg, feature: &str) -> Failure {
    let message = format!(
        "--device {device} needs a bench-loader that is built for it: \
         cargo build --release -p tallow-cli --features {feature}"
    );
    Failure::Usage(message)
}

/// What a report says about the device.
#[derive(Debug)]
pub(crate) struct DeviceReport {
    /// As `--device` names it.
    pub(crate) name: String,
    /// The name that its maker gave it, if the driver tells.
    pub(crate) model: Option<String>,
    /// Bytes of its memory that the loader keeps.
    pub(crate) bytes: usize,
    /// Whether the last transform runs there.
    pub(crate) on_device: bool,
}

impl DeviceReport {
    /// Describes `device`, which `arg` names, for a loader with this plan.
    pub(crate) fn of(arg: DeviceArg, device: &Device, plan: &Plan) -> Self {
        Self {
            name: arg.to_string(),
            model: model(device),
            bytes: plan.device_bytes(),
            on_device: plan.on_device(),
        }
    }
}

/// Work on a CUDA device, and the bytes per second of a copy of as many bytes on its own. Copies of
/// slabs are compared with a copy from page-locked memory, kernels with one within the device.
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

/// What happens to a batch: it is dropped at once, or a step of a model uses it.
#[derive(Debug, Clone)]
pub(crate) struct Consumer {
    pub(crate) device: Device,
    pub(crate) step: Option<Duration>,
}

impl Consumer {
    /// Waits until the device has done all its work.
    pub(crate) fn synchronize(&self) -> candle::Result<()> {
        let span = tracing::trace_span!(target: "tallow_cli::device", "synchronize");
        span.in_scope(|| self.device.synchronize())
    }

    /// Sleeps, like a thread that waits for an accelerator, so that the workers have the cores.
    /// Returns how long that took.
    pub(crate) fn step(&self, step: Duration, batch: &Batch) -> Duration {
        let span = tracing::trace_span!(target: "tallow_cli::step", "step");
        let _entered = span.enter();
        let started = Instant::now();
        std::thread::sleep(step);
        // A model keeps its batch until the step is over.
        std::hint::black_box(batch);
        started.elapsed()
    }
}
