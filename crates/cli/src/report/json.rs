//! Reports for machines: one JSON object each, on one line.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tallow::{Dim, Schema};

use super::{Check, Digest, Doctor, Finding, Inspect, Problem, Run, SampleSize};

/// Writes an object and ends the line.
pub(crate) fn print(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    writeln!(out, "{value}")
}

pub(crate) fn run(report: &Run) -> Value {
    let meter = &report.meter;
    let [p50, p99, max] = meter.batch_waits_us([0.5, 0.99, 1.0]);
    let mut value = json!({
        "source": report.source,
        "fields": fields(&report.schema),
        "open_seconds": report.opening.as_secs_f64(),
        "build_seconds": report.building.as_secs_f64(),
        "workers": report.plan.workers(),
        "prefetch": report.plan.prefetch(),
        "memory_bytes": report.plan.memory_bytes(),
        "device": report.device.name,
        "device_model": report.device.model,
        "device_bytes": report.device.bytes,
        "on_device": report.device.on_device,
        "epochs": report.epochs,
        "batches": meter.batches,
        "samples": meter.samples,
        "bytes": report.bytes(),
        "samples_per_second": report.samples_per_second(),
        "bytes_per_second": report.bytes_per_second(),
        "wall_seconds": meter.wall.as_secs_f64(),
        "wait_seconds": meter.wait.as_secs_f64(),
        "wait_fraction": meter.wait_fraction(),
        "batch_wait_us": { "p50": p50, "p99": p99, "max": max },
        "cpu_seconds": meter.cpu.as_secs_f64(),
        "peak_rss_bytes": report.peak_rss_bytes,
        "keeps_freed_memory": report.keeps_freed_memory,
        "stage_seconds": stages(report),
        "limiting_stage": report.loader.limiting_stage().as_str(),
        "advice": report.loader.advice(),
        "errors": meter.errors.total,
        "faults": meter.faults.total,
    });
    add_optional(report, &mut value);
    value
}

/// What a run has only where it was asked for.
fn add_optional(report: &Run, value: &mut Value) {
    let meter = &report.meter;
    if let Some(augmented) = &report.augmented {
        value["augment"] = json!({
            "chain": augmented.chain,
            "plan_bytes": augmented.plan_bytes,
            "scratch_bytes": augmented.scratch_bytes,
        });
    }
    if let Some(step) = report.step {
        value["step"] = json!({
            "given_seconds": step.as_secs_f64(),
            "measured_seconds": meter.per_batch(meter.steps).as_secs_f64(),
            "stall": meter.wait_fraction(),
            "stall_seconds": meter.per_batch(meter.wait).as_secs_f64(),
        });
    }
    if let Some(copies) = &report.copies {
        value["copies"] = json!({
            "count": copies.slabs.count,
            "bytes": copies.slabs.bytes,
            "seconds": copies.slabs.time.as_secs_f64(),
            "bytes_per_second": copies.slabs.bytes_per_second(),
            "alone_bytes_per_second": copies.alone,
            "share_of_alone": copies.share(),
            "hidden_at_least": report.hidden_at_least(),
        });
    }
    if let Some((ceiling, ratio)) = report.ceiling() {
        value["ceiling_samples_per_second"] = json!(ceiling);
        value["ceiling_ratio"] = json!(ratio);
        let round = |r: &super::Round| {
            json!({
                "samples_per_second": r.loader,
                "ceiling_samples_per_second": r.ceiling,
            })
        };
        value["rounds"] = report.rounds.iter().map(round).collect();
    }
}

fn stages(report: &Run) -> Value {
    let seconds = |time: Duration| json!(time.as_secs_f64());
    let stages = report.meter.stages.iter();
    let mut stages: Map<String, Value> =
        stages.map(|(stage, time)| (stage.as_str().to_owned(), seconds(*time))).collect();
    stages.insert(tallow::Stage::HandOver.as_str().to_owned(), seconds(report.meter.hand_over));
    stages.into()
}

pub(crate) fn digest(report: &Digest) -> Value {
    json!({
        "digest": format!("{:032x}", report.hash),
        "batches": report.batches,
        "samples": report.samples,
        "errors": report.errors,
        "faults": report.faults,
    })
}

pub(crate) fn inspect(report: &Inspect) -> Value {
    let size =
        |size: &SampleSize| json!({ "bytes": size.bytes, "index": size.index, "name": size.name });
    json!({
        "source": report.source,
        "fields": fields(&report.schema),
        "samples": report.samples,
        "bytes": report.bytes,
        "smallest": report.smallest.as_ref().map(size),
        "largest": report.largest.as_ref().map(size),
        "ignored": report.ignored,
    })
}

pub(crate) fn doctor(report: &Doctor) -> Value {
    let finding = |finding: &Finding| {
        json!({
            "what": finding.what,
            "found": finding.found,
            "values": finding.values,
            "advice": finding.advice,
        })
    };
    json!({ "findings": report.findings.iter().map(finding).collect::<Value>() })
}

pub(crate) fn fields(schema: &Schema) -> Value {
    let dim = |dim: &Dim| match dim {
        Dim::Fixed(len) => json!(len),
        Dim::Ragged { max } => json!({ "max": max }),
    };
    let fields = schema.fields().iter().map(|field| {
        json!({
            "name": field.name(),
            "dtype": field.dtype().as_str(),
            "shape": field.dims().iter().map(dim).collect::<Value>(),
            "delivered_dtype": field.dtype().delivered().as_str(),
        })
    });
    fields.collect()
}

pub(crate) fn check(report: &Check) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "index": problem.index,
            "path": problem.path,
            "kind": problem.kind,
            "message": problem.message,
        })
    };
    json!({
        "samples": report.samples,
        "problems": report.problems.iter().map(problem).collect::<Value>(),
    })
}
