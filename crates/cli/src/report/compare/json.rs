//! The comparison as one JSON object.

use serde_json::{Map, Value, json};

use super::{Compare, Entry, Lap, Measured, Outcome};
use crate::compare::augment::WorkAugment;
use crate::report::json::fields;

pub(crate) fn value(report: &Compare) -> Value {
    json!({
        "source": report.source,
        "fields": fields(&report.schema),
        "samples": report.samples,
        "file_bytes": report.file_bytes,
        "batch_size": report.batch_size,
        "workers": report.workers,
        "rounds": report.rounds,
        "seed": report.seed,
        "augment": report.augment.as_ref().map(|augment| &augment.chain),
        "delivers": report.augment.as_ref().map(|WorkAugment { field, delivers, .. }| json!({
            "field": field,
            "dtype": delivers.dtype,
            "shape": delivers.shape,
        })),
        "memory_bytes": report.memory_bytes,
        "fits_page_cache": report.fits_page_cache(),
        "command_line": report.command,
        "contenders": report.entries.iter().map(|e| entry(report, e)).collect::<Value>(),
    })
}

fn entry(report: &Compare, entry: &Entry) -> Value {
    let tried: Map<String, Value> =
        entry.tried.iter().map(|(form, rate)| (form.clone(), json!(rate))).collect();
    let versions: Map<String, Value> =
        entry.versions.iter().map(|(name, version)| (name.clone(), json!(version))).collect();
    let mut value = json!({
        "name": entry.name,
        "version": entry.version,
        "versions": versions,
        "form": entry.form,
        "tried_samples_per_second": tried,
        "notes": entry.notes,
    });
    match &entry.outcome {
        Outcome::Measured(measured) => add_measured(report, measured, &mut value),
        Outcome::Absent(why) => value["absent"] = json!(why),
        Outcome::LeftOut(why) => value["left_out"] = json!(why),
        Outcome::Failed(why) => value["failed"] = json!(why),
    }
    value
}

fn add_measured(report: &Compare, measured: &Measured, value: &mut Value) {
    let (least, most) = measured.range();
    let ratios = report.ratios(measured);
    value["samples_per_second"] = json!(measured.samples_per_second());
    value["samples_per_second_range"] = json!([least, most]);
    value["bytes_per_second"] = json!(measured.bytes_per_second());
    value["cpu_seconds_per_gigabyte"] = json!(measured.cpu_per_gigabyte());
    value["peak_bytes"] = json!(measured.peak_bytes());
    value["first_batch_seconds"] = json!(measured.first_batch().as_secs_f64());
    value["start_seconds"] = json!(measured.starting.as_secs_f64());
    value["tallow_speed_ratio"] = json!(ratios.map(|(speed, _)| speed));
    value["tallow_cpu_ratio"] = json!(ratios.map(|(_, cpu)| cpu));
    value["laps"] = measured.laps.iter().map(lap).collect();
}

fn lap(lap: &Lap) -> Value {
    json!({
        "seconds": lap.wall.as_secs_f64(),
        "first_batch_seconds": lap.first_batch.as_secs_f64(),
        "samples": lap.samples,
        "bytes": lap.bytes,
        "cpu_seconds": lap.cpu.as_secs_f64(),
        "peak_bytes": lap.peak_bytes,
    })
}
