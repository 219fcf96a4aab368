//! The device that the tensors go to.

use std::time::{Duration, Instant};

use tallow::candle::{self, Device};
use tallow::{Batch, Plan};

use crate::args::DeviceArg;
use crate::report;
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

/// What a report says of the device.
pub(crate) fn report(arg: DeviceArg, device: &Device, plan: &Plan) -> report::Device {
    report::Device {
        name: arg.to_string(),
        model: model(device),
        bytes: plan.device_bytes(),
        on_device: plan.on_device(),
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
