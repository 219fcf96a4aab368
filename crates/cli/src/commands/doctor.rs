//! `doctor`: settings of this machine that slow loading, and how to fix them.

use std::fs;
use std::path::Path;

use nix::sys::resource::{RLIM_INFINITY, Resource, getrlimit};
use serde_json::{Value, json};
use tallow::{Found, Location, Ranks, StoreLimits};

use crate::args::DoctorArgs;
use crate::data::place;
use crate::data::shuffled::Shuffled;
use crate::loading::settings;
use crate::machine::{system, threads};
use crate::measure::decoding;
use crate::report::html::Surroundings;
use crate::report::{Doctor, Finding, human, json, store};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::words::{bytes, count, duration};

/// With less than this, the files of a data set hardly stay in memory between two epochs.
const MEMORY_MIN: u64 = 1 << 30;

/// Shards stay open while they are read, and other files of the process count too.
const OPEN_FILES_MIN: u64 = 1024;

pub(crate) fn run(args: &DoctorArgs, console: &mut Console) -> Result {
    let mut findings = vec![system(), cores(), ranks(), memory()];
    findings.extend(huge_pages());
    findings.push(open_files());
    findings.push(locked_memory());
    if let Some(source) = &args.source {
        findings.push(storage(source)?);
        findings.extend(shuffled(source));
        findings.extend(pictures(source));
    }
    findings.push(simd());
    findings.extend(cuda::findings());
    let report = Doctor { findings };
    if args.output.json {
        console.print(json::doctor(&report))?
    } else {
        human::doctor(console.out(), &report)?
    }
    Ok(())
}

/// What a page says about the command and the machine that made it.
pub(crate) fn surroundings() -> Surroundings {
    Surroundings { command: settings::command_line(), machine: machine() }
}

/// The machine when a report was made.
fn machine() -> Vec<Finding> {
    let mut findings = vec![system()];
    findings.extend(processor());
    findings.extend([cores(), memory()]);
    findings.extend(huge_pages());
    findings.push(simd());
    findings
}

/// The name that its maker gave it.
fn processor() -> Option<Finding> {
    let info = system::text("/proc/cpuinfo")?;
    let name = system::value(&info, "model name")?;
    Some(finding("processor", name, json!({ "name": name })))
}

fn finding(what: &str, found: impl Into<String>, values: Value) -> Finding {
    Finding { what: what.to_owned(), found: found.into(), values, advice: None }
}

impl Finding {
    /// Adds advice, if the finding `harms`.
    fn advise(mut self, harms: bool, advice: &str) -> Self {
        self.advice = harms.then(|| advice.to_owned());
        self
    }
}

fn system() -> Finding {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let release = system::text("/proc/sys/kernel/osrelease");
    let found = format!("{os} {} {arch}", release.as_deref().unwrap_or_default());
    let words: Vec<&str> = found.split_whitespace().collect();
    finding("system", words.join(" "), json!({ "os": os, "release": release, "arch": arch }))
}

fn cores() -> Finding {
    let available = threads::cores();
    let status = system::text("/proc/self/status").unwrap_or_default();
    let allowed = system::value(&status, "Cpus_allowed_list").and_then(system::listed);
    let online = system::text("/sys/devices/system/cpu/online");
    let online = online.as_deref().and_then(system::listed);
    let quota = system::cgroup("cpu.max", system::quota);
    let mut found = format!("{available} for this process");
    if let (Some(online), Some(allowed)) = (online, allowed) {
        found += &format!(", {allowed} of {online} by affinity");
    }
    if let Some(quota) = quota {
        found += &format!(", a cgroup quota of {quota:.1}");
    }
    let values =
        json!({ "available": available, "affinity": allowed, "online": online, "quota": quota });
    let throttled = quota.is_some_and(|quota| quota < allowed.unwrap_or(available) as f64);
    let advice = if throttled {
        "the quota is less than the cores, so threads stop when it is used up: raise the \
         container's CPU limit, or set --workers to at most the quota"
    } else {
        "workers and training share one core: give the process more (taskset, the container's \
         CPU limit)"
    };
    finding("cores", found, values).advise(throttled || available == 1, advice)
}

/// What the launcher of this process says, and by which variables.
fn ranks() -> Finding {
    let found = match Ranks::from_env() {
        Ok(ranks) => ranks,
        Err(error) => {
            let advice = "--rank auto and Ranks::from_env refuse this environment";
            let values = json!({ "error": error.message() });
            return finding("rank", error.message(), values).advise(true, advice);
        }
    };
    let variables: serde_json::Map<String, Value> =
        found.variables().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let values = json!({
        "rank": found.rank(),
        "world": found.world(),
        "local_rank": found.local_rank(),
        "local_world": found.local_world(),
        "launcher": found.launcher().map(|launcher| launcher.to_string()),
        "variables": variables,
    });
    finding("rank", found.to_string(), values)
}

fn memory() -> Finding {
    let info = system::text("/proc/meminfo").unwrap_or_default();
    let total = system::kibibytes(&info, "MemTotal");
    let available = system::kibibytes(&info, "MemAvailable");
    let limit = system::cgroup("memory.max", |text| text.parse::<u64>().ok());
    let shown = [(total, ""), (available, " available"), (limit, " by the cgroup's limit")];
    let shown = shown.into_iter().filter_map(|(number, what)| Some(bytes(number?) + what));
    let found = match shown.collect::<Vec<_>>() {
        none if none.is_empty() => "unknown to the system".to_owned(),
        some => some.join(", "),
    };
    let values = json!({ "total": total, "available": available, "limit": limit });
    let little = available.into_iter().chain(limit).min().is_some_and(|least| least < MEMORY_MIN);
    let advice = "files are read from disk again in each epoch: free memory, or raise the \
                  container's limit";
    finding("memory", found, values).advise(little, advice)
}

/// Large batches ask for huge pages, which at least halves the time to touch them first.
fn huge_pages() -> Option<Finding> {
    let text = system::text("/sys/kernel/mm/transparent_hugepage/enabled")?;
    let setting = system::chosen(&text)?;
    let advice = "large batches use small pages, which the kernel clears one by one: \
                  echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled";
    let found = finding("huge pages", setting, json!({ "setting": setting }));
    Some(found.advise(setting == "never", advice))
}

fn open_files() -> Finding {
    let (soft, hard) = limit(Resource::RLIMIT_NOFILE);
    let found = format!("{} ({} at most)", limited(soft, count), limited(hard, count));
    let few = soft.is_some_and(|soft| soft < OPEN_FILES_MIN);
    let advice =
        "only a few shards can stay open, and others are opened for each read: ulimit -n 65536";
    finding("open files", found, json!({ "soft": soft, "hard": hard })).advise(few, advice)
}

/// Without advice: CUDA's page-locked memory does not count towards this limit.
fn locked_memory() -> Finding {
    let (soft, hard) = limit(Resource::RLIMIT_MEMLOCK);
    let found = format!("{} (page-locked memory of CUDA does not count)", limited(soft, bytes));
    finding("locked memory", found, json!({ "soft": soft, "hard": hard }))
}

/// The soft and the hard limit; `None` is no limit.
fn limit(resource: Resource) -> (Option<u64>, Option<u64>) {
    let known = |limit: u64| (limit != RLIM_INFINITY).then_some(limit);
    getrlimit(resource).map_or((None, None), |(soft, hard)| (known(soft), known(hard)))
}

fn limited(limit: Option<u64>, words: fn(u64) -> String) -> String {
    limit.map_or_else(|| "unlimited".to_owned(), words)
}

fn storage(source: &Path) -> Result<Finding> {
    if Location::file(source).url().is_some() {
        let advice = "a request takes 10 to 100 ms, whatever it brings: read ahead (--read-ahead 64MB), or use many \
                      workers, like --workers 64, and put many samples into few files with `bench-loader pack`";
        let limits = StoreLimits::now();
        let values = json!({
            "file_system": null,
            "network": true,
            "store": limits.as_ref().map(store::limits_json),
        });
        let limits = limits.as_ref().map(store::limits).unwrap_or_default();
        let found = format!("a store, by requests: {limits}");
        return Ok(finding("storage", found, values).advise(true, advice));
    }
    let path = fs::canonicalize(source)
        .map_err(|error| Failure::Failed(format!("cannot look at {source:?}: {error}")))?;
    let mounts = system::text("/proc/self/mountinfo").unwrap_or_default();
    let Some(kind) = system::file_system(&mounts, &path) else {
        return Ok(finding("storage", "unknown to the system", json!(null)));
    };
    let network = system::is_network(&kind);
    let found =
        format!("{kind}{}", if network { ", over a network or through a program" } else { "" });
    let advice = "each file costs several round trips: copy the data to a local disk, or put many \
                  samples into few files with `bench-loader pack`";
    let values = json!({ "file_system": kind, "network": network });
    Ok(finding("storage", found, values).advise(network, advice))
}

/// How much of what a full shuffle reads is used. What else is wrong with a source, other commands say.
fn shuffled(source: &Path) -> Option<Finding> {
    let opened = place::open(&Found::at(source).ok()?).ok()?;
    let of = Shuffled::of(&*opened.source)?;
    let finding = finding("shuffled", of.found(), of.values());
    Some(finding.advise(of.harms(), Shuffled::ADVICE))
}

/// What decoding costs, if there are pictures that can be read. What else is wrong with a source, other
/// commands say.
fn pictures(source: &Path) -> Option<Finding> {
    /// A picture with more pixels is far larger than what most networks are trained on.
    const PIXELS_MAX: usize = 1 << 20;
    let opened = place::open(&Found::at(source).ok()?).ok()?;
    let found = decoding::measure(&*opened.source)?;
    let cores = threads::cores();
    let rate = cores as f64 / found.time.as_secs_f64().max(f64::MIN_POSITIVE);
    let formats: Vec<&str> = found.pictures.formats.keys().map(String::as_str).collect();
    let said = format!(
        "{} of {}; decoding one takes {}, so {} at most {} per second",
        formats.join(", "),
        found.pictures.sizes(),
        duration(found.time),
        if cores == 1 { "the core decodes".to_owned() } else { format!("{cores} cores decode") },
        count(rate as u64),
    );
    let values = json!({
        "field": found.pictures.field,
        "samples": found.samples,
        "pixels": found.pixels,
        "decode_seconds": found.time.as_secs_f64(),
        "per_second": rate,
    });
    let advice = "most of their pixels are decoded and thrown away where training uses small ones: \
                  store them with a shorter side of 256 to 512 pixels, or crop them with an \
                  Augment, which decodes only what the crop shows";
    Some(finding("pictures", said, values).advise(found.pixels > PIXELS_MAX, advice))
}

fn simd() -> Finding {
    let level = tallow::simd_level();
    let advice = "augmentation runs without vector instructions: unset TALLOW_SIMD, or use a \
                  processor with AVX2";
    let known = match level {
        "v3" => "v3 (AVX2)",
        "v4" => "v4 (AVX-512)",
        other => other,
    };
    finding("simd", known, json!({ "level": level })).advise(level == "scalar", advice)
}

#[cfg(not(feature = "cuda"))]
mod cuda {
    use super::*;

    /// What can be known without the driver.
    pub(super) fn findings() -> Vec<Finding> {
        let driver = Path::new("/proc/driver/nvidia/version").exists();
        let found = if driver {
            "not built in, although there is a driver"
        } else {
            "not built in, and no GPU driver is loaded"
        };
        let advice = "to use the GPU: cargo build --release -p tallow-cli --features cuda";
        vec![
            finding("cuda", found, json!({ "built": false, "driver": driver }))
                .advise(driver, advice),
        ]
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use tallow::candle::cuda_backend::cudarc::driver::sys::{
        CUdevice_attribute, cuDriverGetVersion,
    };
    use tallow::candle::cuda_backend::cudarc::driver::{CudaContext, DriverError};

    use super::*;
    use crate::measure::copies::{Host, bytes_per_second};
    use crate::terminal::words::counted;

    /// Large enough that starting a copy costs nothing in comparison, small enough for any device.
    const COPIED_BYTES: usize = 64 << 20;

    pub(super) fn findings() -> Vec<Finding> {
        let count = match CudaContext::device_count() {
            Ok(count) if count > 0 => count as usize,
            Ok(_) => return vec![none("the driver finds no GPU")],
            Err(error) => return vec![none(&format!("no GPU can be used: {error}"))],
        };
        let mut findings = vec![driver()];
        for ordinal in 0..count {
            findings.extend(of_device(ordinal).unwrap_or_else(|error| {
                let what = format!("cuda:{ordinal}");
                let found = format!("cannot be used: {error}");
                let advice = "see what nvidia-smi says about it";
                vec![finding(&what, found, json!(null)).advise(true, advice)]
            }));
        }
        findings
    }

    fn none(found: &str) -> Finding {
        let advice = "see what nvidia-smi says; a container needs access to the GPU (--gpus all)";
        finding("cuda", found, json!({ "built": true, "devices": 0 })).advise(true, advice)
    }

    fn driver() -> Finding {
        let text = system::text("/proc/driver/nvidia/version");
        let line = text.as_deref().and_then(|text| text.lines().next());
        let words = line.and_then(|line| {
            line.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        });
        let found = words.map_or_else(|| "unknown version".to_owned(), str::to_owned);
        let cuda = latest_cuda();
        let knows = cuda.as_ref().map(|cuda| format!(", knows CUDA {cuda}"));
        let found = found + &knows.unwrap_or_default();
        finding("driver", found, json!({ "version": words, "cuda": cuda }))
    }

    /// The latest CUDA that the driver knows: it compiles no PTX of a later one.
    #[expect(unsafe_code, reason = "cudarc has no safe function for it")]
    fn latest_cuda() -> Option<String> {
        let mut version = 0;
        // SAFETY: the driver writes one number, at any time.
        unsafe { cuDriverGetVersion(&mut version) }.result().ok()?;
        Some(format!("{}.{}", version / 1000, version % 1000 / 10))
    }

    fn of_device(ordinal: usize) -> Result<Vec<Finding>, DriverError> {
        let context = CudaContext::new(ordinal)?;
        let what = format!("cuda:{ordinal}");
        let (name, (major, minor)) = (context.name()?, context.compute_capability()?);
        let (free, total) = context.mem_get_info()?;
        let found = format!(
            "{name}, {} of memory ({} free), compute capability {major}.{minor}",
            bytes(total as u64),
            bytes(free as u64)
        );
        let values = json!({
            "name": name,
            "memory": total,
            "free": free,
            "compute_capability": [major, minor],
        });
        let device = finding(&what, found, values);
        let (locked, pageable) = (
            bytes_per_second(ordinal, COPIED_BYTES, Host::PageLocked)?,
            bytes_per_second(ordinal, COPIED_BYTES, Host::Pageable)?,
        );
        // While the link is active: when idle it is slower.
        let link = link(&context);
        let copies = finding(
            "  copies",
            format!(
                "{}/s from page-locked memory, {}/s from pageable",
                bytes(locked as u64),
                bytes(pageable as u64)
            ),
            json!({ "page_locked": locked, "pageable": pageable }),
        );
        Ok([Some(device), link, Some(copies)].into_iter().flatten().collect())
    }

    /// The PCIe link, found by the address of the device.
    fn link(context: &CudaContext) -> Option<Finding> {
        use CUdevice_attribute::{
            CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID,
            CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID,
        };
        let domain = context.attribute(CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID).ok()?;
        let bus = context.attribute(CU_DEVICE_ATTRIBUTE_PCI_BUS_ID).ok()?;
        let device = context.attribute(CU_DEVICE_ATTRIBUTE_PCI_DEVICE_ID).ok()?;
        let folder = format!("/sys/bus/pci/devices/{domain:04x}:{bus:02x}:{device:02x}.0");
        let read = |name: &str| system::text(Path::new(&folder).join(name));
        let (speed, width) = (read("current_link_speed")?, read("current_link_width")?);
        let widest = read("max_link_width");
        let narrow = widest
            .as_ref()
            .is_some_and(|widest| width.parse::<u32>().ok() < widest.parse::<u32>().ok());
        let found = format!("{speed}, {}", counted(width.parse().unwrap_or(0), "lane"));
        let values = json!({ "speed": speed, "width": width, "max_width": widest });
        let advice = "fewer lanes than the device has: use a wider slot, unless this is a virtual \
                      machine";
        Some(finding("  link", found, values).advise(narrow, advice))
    }
}
