//! Reports for machines: what an object holds after the version and the settings.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tallow::{Dim, Schema, Settings, Step};

use super::packed::json as packed_of;
use super::parts::json as parts_of;
use super::{
    Becoming, Check, Digest, Doctor, Explain, FieldValues, Finding, Inspect, Pictures, Problem,
    Run, SampleSize, Tune, store,
};
use crate::data::means::Means;
use crate::data::shapes::{Axis, Spread};
use crate::measure::epochs::{ColdRound, Round};
use crate::tune::finals::{Finalist, Finals, Ratio};
use crate::tune::trial::Trial;

pub(crate) fn run(report: &Run) -> Value {
    let meter = &report.meter;
    let (limit, advice) = report.limit();
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
        "packed": packed_of(&report.packed),
        "parts": parts_of(&report.parts),
        "warm_up_seconds": report.warm_up.map(|took| took.as_secs_f64()),
        "too_short": report.too_short().is_some(),
        "epoch_samples_per_second": report.spread().map(|spread| json!({
            "median": spread.median,
            "p5": spread.low,
            "p95": spread.high,
        })),
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
        "wall_by_part_seconds": parts(report),
        "limiting_stage": limit,
        "advice": advice,
        "errors": meter.errors.total,
        "faults": meter.faults.total,
        "given_up": meter.given_up,
    });
    add_optional(report, &mut value);
    value
}

/// Adds what a run has only if it was asked for.
fn add_optional(report: &Run, value: &mut Value) {
    let meter = &report.meter;
    if let Some(store) = store::json(report) {
        value["store"] = store;
    }
    if let Some(shuffled) = &report.shuffled {
        value["shuffled"] = shuffled.values();
    }
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
            "count": copies.done.count,
            "bytes": copies.done.bytes,
            "seconds": copies.done.time.as_secs_f64(),
            "bytes_per_second": copies.done.bytes_per_second(),
            "alone_bytes_per_second": copies.alone,
            "share_of_alone": copies.share(),
            "hidden_at_least": report.hidden_at_least(),
        });
    }
    if let Some(kernels) = &report.kernels {
        value["kernels"] = json!({
            "count": kernels.done.count,
            "bytes": kernels.done.bytes,
            "seconds": kernels.done.time.as_secs_f64(),
            "bytes_per_second": kernels.done.bytes_per_second(),
            "copy_bytes_per_second": kernels.alone,
            "share_of_copy": kernels.share(),
        });
    }
    if let Some(cold) = &report.cold {
        let (without, ahead, times) = cold.medians();
        let round = |r: &ColdRound| json!({ "samples_per_second": r.without, "ahead_samples_per_second": r.ahead });
        value["cold"] = json!({
            "samples_per_second": without,
            "ahead_samples_per_second": ahead,
            "ahead_times": times,
            "batches_read_ahead": cold.read_ahead,
            "stored_share": cold.stored_share,
            "rounds": cold.rounds.iter().map(round).collect::<Vec<_>>(),
        });
    }
    if let Some((ceiling, ratio)) = report.ceiling() {
        value["ceiling_samples_per_second"] = json!(ceiling);
        value["ceiling_ratio"] = json!(ratio);
        let round = |r: &Round| {
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

fn parts(report: &Run) -> Value {
    let parts = report.meter.wall_by_part().into_iter();
    let parts: Map<String, Value> =
        parts.map(|(part, time)| (part.as_str().to_owned(), json!(time.as_secs_f64()))).collect();
    parts.into()
}

pub(crate) fn explain(report: &Explain) -> Value {
    let field =
        |field: &Becoming| json!({ "name": field.name, "from": field.from, "to": field.to });
    json!({
        "chain": report.augmented.chain,
        "plan_bytes": report.augmented.plan_bytes,
        "scratch_bytes": report.augmented.scratch_bytes,
        "fields": report.fields.iter().map(field).collect::<Vec<_>>(),
        "explained": report.explained.lines().collect::<Vec<_>>(),
    })
}

pub(crate) fn digest(report: &Digest) -> Value {
    json!({
        "digest": format!("{:032x}", report.hash),
        "batches": report.batches,
        "samples": report.samples,
        "errors": report.errors,
        "faults": report.faults,
        "given_up": report.given_up,
        "packed": packed_of(&report.packed),
    })
}

pub(crate) fn inspect(report: &Inspect) -> Value {
    let size =
        |size: &SampleSize| json!({ "bytes": size.bytes, "index": size.index, "name": size.name });
    json!({
        "source": report.source,
        "fields": fields(&report.schema),
        "samples": report.samples,
        "packed": packed_of(&report.packed),
        "parts": parts_of(&report.parts),
        "epoch_samples": report.epoch,
        "bytes": report.bytes,
        "smallest": report.smallest.as_ref().map(size),
        "largest": report.largest.as_ref().map(size),
        "shapes": report.shapes.iter().map(shapes).collect::<Vec<_>>(),
        "looked_at": report.looked_at,
        "values": report.values.iter().map(values).collect::<Vec<_>>(),
        // Of the first field that has some, which is mostly the label.
        "classes": report.schema.fields().iter().find_map(|field| field.classes()).unwrap_or_default(),
        "pictures": report.pictures.iter().map(pictures).collect::<Vec<_>>(),
        "encoded": report.encoded,
        "means": report.means.iter().map(means).collect::<Vec<_>>(),
        "unread": report.unread,
        "problem": report.problem,
        "ignored": report.ignored,
        "left_out": report.left_out,
        "passed_over": report.passed_over.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
    })
}

fn pictures(of: &Pictures) -> Value {
    let ends = |(least, greatest): (usize, usize)| json!({ "least": least, "greatest": greatest });
    json!({
        "field": of.field,
        "formats": of.formats,
        "height": ends(of.heights),
        "width": ends(of.widths),
        "turned": of.turned,
    })
}

fn means(of: &Means) -> Value {
    json!({ "field": of.field, "mean": of.mean, "std": of.deviation, "samples": of.samples })
}

fn values(of: &FieldValues) -> Value {
    let ends = of.range.ends();
    json!({
        "field": of.field,
        "least": ends.map(|(least, _)| least),
        "greatest": ends.map(|(_, greatest)| greatest),
        "nan": of.range.nans,
        "infinite": of.range.infinities,
        "white": of.white,
    })
}

/// The axes of a field that should be ragged.
fn shapes(spread: &Spread) -> Value {
    let axis = |of: Axis| json!({ "axis": of.axis, "least": of.least, "greatest": of.greatest });
    json!({
        "field": spread.field(),
        "files": spread.others,
        "ragged": spread.axes().into_iter().map(axis).collect::<Vec<_>>(),
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

pub(crate) fn tune(report: &Tune) -> Value {
    let ratio =
        |ratio: Ratio| json!({ "ratio": ratio.median, "low": ratio.low, "high": ratio.high });
    let step = |step: &Step| {
        json!({
            "from": settings(step.from),
            "to": settings(step.to),
            "ratio": step.ratio,
            "taken": step.taken,
        })
    };
    let trial = |trial: &Trial| {
        let mut value = settings(trial.settings);
        value["samples_per_second"] = json!(trial.samples_per_second);
        value
    };
    let finalist = |finalist: &Finalist| {
        let mut value = settings(finalist.settings);
        value["samples_per_second"] = json!(finalist.rate());
        value["rounds_samples_per_second"] = json!(finalist.rates);
        let beside = report.sought.finals.ratio(finalist.settings, report.found);
        value["beside_found"] = json!(beside.map(ratio));
        value
    };
    let (ceilings, sought) = (&report.ceilings, &report.sought);
    let finals = &sought.finals;
    json!({
        "source": report.source,
        "fields": fields(&report.schema),
        "ceilings": {
            "storage_samples_per_second": ceilings.storage,
            "page_cache_samples_per_second": ceilings.page_cache,
            "sample_bytes": ceilings.sample_bytes,
            "memory_copy_bytes_per_second": ceilings.memory_copy,
            "device_copy_bytes_per_second": ceilings.device_copy,
        },
        "start": settings(report.start),
        "most": settings(report.most),
        "climbed": settings(sought.climbed),
        "found": settings(report.found),
        "is_default": report.starts_with_defaults && report.found == report.start,
        "samples_per_second": report.rate(),
        "ceiling_ratio": report.ceiling().map(|(_, _, share)| share),
        "memory_bytes": report.memory_bytes,
        "beside_start": report.beside_start().map(ratio),
        "finals": finals.finalists.iter().map(finalist).collect::<Vec<_>>(),
        "confidence": Finals::CONFIDENCE,
        "behind_best_at_most": finals.behind_at_most(report.found),
        "why": report.reasons(),
        "steps": sought.steps.iter().map(step).collect::<Vec<_>>(),
        "trials": sought.trials.iter().map(trial).collect::<Vec<_>>(),
        "seconds": sought.seconds.as_secs_f64(),
        "cut": sought.cut,
        "grid": report.grid.as_ref().map(|grid| json!({
            "settings": grid.points(),
            "trials": grid.trials.iter().map(trial).collect::<Vec<_>>(),
            "best": settings(grid.best),
            "beside_best": grid.beside.map(ratio),
        })),
        "code": report.code,
    })
}

fn settings(settings: Settings) -> Value {
    json!({
        "workers": settings.workers,
        "prefetch": settings.prefetch,
        "read_ahead_bytes": settings.read_ahead,
    })
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
            "classes": field.classes(),
        })
    });
    fields.collect()
}

pub(crate) fn check(report: &Check) -> Value {
    let problem = |problem: &Problem| {
        json!({
            "index": problem.index,
            "path": problem.path,
            "field": problem.field,
            "kind": problem.kind.as_str(),
            "message": problem.message,
        })
    };
    json!({
        "samples": report.samples,
        "problems": report.problems.iter().map(problem).collect::<Value>(),
        "shapes": report.shapes.iter().map(shapes).collect::<Vec<_>>(),
        "notes": report.notes,
    })
}
