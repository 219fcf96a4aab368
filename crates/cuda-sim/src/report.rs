//! What a simulation found and counted.

use std::collections::BTreeMap;
use std::fmt;

/// Which rule was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ViolationKind {
    /// A read that is not ordered after the write before it.
    UnorderedRead,
    /// A write that is not ordered after the reads and writes before it.
    UnorderedWrite,
    /// A free that is not ordered after the last use.
    UnorderedFree,
    /// A use that is not ordered after the allocation, which happens in a stream.
    UseBeforeAllocation,
    /// A use of memory that was freed before.
    UseAfterFree,
    /// A use of bytes that are in no allocation, or not in one alone.
    OutOfBounds,
    /// A free of what is not the address of a live allocation.
    InvalidFree,
    /// The host touches page-locked memory while the device may.
    HostAccessInFlight,
    /// A call that needs a current context, on a host thread that has none.
    NoContext,
    /// A handle of nothing, or of something destroyed.
    InvalidHandle,
    /// A registered kernel touches bytes that it did not declare.
    UndeclaredAccess,
    /// A registered kernel panicked, or could not run.
    KernelFailed,
    /// Memory, an event or a kernel of one device, used on a stream of another.
    WrongDevice,
    /// A call that may not be made while a graph is captured, and that makes the capture fail.
    CaptureBroken,
    /// A function of the driver that is not simulated.
    Unsupported,
}

impl ViolationKind {
    /// In the order of `Fault` in `cpp/report.h`.
    const ALL: [Self; 15] = [
        Self::UnorderedRead,
        Self::UnorderedWrite,
        Self::UnorderedFree,
        Self::UseBeforeAllocation,
        Self::UseAfterFree,
        Self::OutOfBounds,
        Self::InvalidFree,
        Self::HostAccessInFlight,
        Self::NoContext,
        Self::InvalidHandle,
        Self::UndeclaredAccess,
        Self::KernelFailed,
        Self::WrongDevice,
        Self::CaptureBroken,
        Self::Unsupported,
    ];

    pub(crate) fn from_fault(fault: i32) -> Self {
        let index = usize::try_from(fault).expect("faults count from 0");
        Self::ALL[index]
    }
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which rule.
    pub kind: ViolationKind,
    /// The operation with its place in its stream, the bytes, and what it should come after.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

/// Memory that was allocated and not freed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// Its address, for the host as for the device.
    pub address: u64,
    /// Its size as asked for.
    pub bytes: usize,
    /// Whether it is page-locked memory of the host.
    pub page_locked: bool,
}

/// How often what was called, and how much was moved, since the simulation began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls by driver function, as in `cuMemAllocAsync`; ignored and failed ones too. A name of
    /// the header for a newer function has its number: `cuMemFree_v2`. Functions that
    /// only tell a constant (attributes, error texts) are not counted.
    pub calls: BTreeMap<String, u64>,
    /// Launches by kernel, when issued.
    pub launches: BTreeMap<String, u64>,
    /// Launches of registered kernels that have run.
    pub runs: BTreeMap<String, u64>,
    /// Bytes copied from the host to the device, when issued.
    pub bytes_to_device: u64,
    /// Bytes copied from the device to the host, when issued.
    pub bytes_to_host: u64,
    /// Bytes copied within the device, when issued.
    pub bytes_on_device: u64,
    /// Device memory allocated now.
    pub device_bytes: u64,
    /// The most device memory that was allocated at a time.
    pub device_peak_bytes: u64,
    /// What the memory pools of devices took from the system so far.
    pub pool_taken_bytes: u64,
    /// What they gave back to it, because they held more than their release threshold when something
    /// was waited for.
    pub pool_released_bytes: u64,
    /// Page-locked memory allocated now.
    pub page_locked_bytes: u64,
    /// Violations, those too many to be kept included.
    pub violations: u64,
}

impl Counts {
    /// Calls of one driver function.
    pub fn calls_of(&self, function: &str) -> u64 {
        self.calls.get(function).copied().unwrap_or(0)
    }

    /// Launches of one kernel.
    pub fn launches_of(&self, kernel: &str) -> u64 {
        self.launches.get(kernel).copied().unwrap_or(0)
    }

    /// Launches of one registered kernel that have run.
    pub fn runs_of(&self, kernel: &str) -> u64 {
        self.runs.get(kernel).copied().unwrap_or(0)
    }

    pub(crate) fn note(&mut self, name: &str, value: u64) {
        let by_name = [("launch:", &mut self.launches), ("run:", &mut self.runs)];
        for (prefix, counts) in by_name {
            if let Some(kernel) = name.strip_prefix(prefix) {
                counts.insert(kernel.to_owned(), value);
                return;
            }
        }
        match name {
            "bytes_to_device" => self.bytes_to_device = value,
            "bytes_to_host" => self.bytes_to_host = value,
            "bytes_on_device" => self.bytes_on_device = value,
            "device_bytes" => self.device_bytes = value,
            "device_peak_bytes" => self.device_peak_bytes = value,
            "pool_taken_bytes" => self.pool_taken_bytes = value,
            "pool_released_bytes" => self.pool_released_bytes = value,
            "page_locked_bytes" => self.page_locked_bytes = value,
            "violations" => self.violations = value,
            function => {
                self.calls.insert(function.to_owned(), value);
            }
        }
    }
}
