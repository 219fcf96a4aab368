//! The report of `stats` for machines.

use serde_json::{Value, json};
use tallow::{ChannelStatistics, FieldStatistics};

use super::{Stats, normalization};

pub(crate) fn stats(report: &Stats) -> Value {
    let found = &report.found;
    let error = |(index, error): &(usize, tallow::Error)| json!({ "sample": index, "message": error.to_string() });
    json!({
        "source": report.source,
        "chain": report.augmented.as_ref().map(|augmented| &augmented.chain),
        "samples": found.samples(),
        "failed": found.failed(),
        "errors": found.errors().iter().map(error).collect::<Vec<_>>(),
        "fields": found.fields().iter().map(field).collect::<Vec<_>>(),
    })
}

fn field(of: &FieldStatistics) -> Value {
    let classes = of.classes().iter();
    let classes = classes
        .map(|class| json!({ "class": class.class, "name": class.name, "samples": class.count }));
    let lengths = of.lengths().iter().map(|of| {
        let bins = of.bins.iter();
        let bins = bins.map(|bin| json!({ "from": bin.from, "to": bin.to, "samples": bin.count }));
        json!({
            "axis": of.axis,
            "least": of.min,
            "greatest": of.max,
            "mean": of.mean,
            "bins": bins.collect::<Vec<_>>(),
        })
    });
    json!({
        "field": of.field().name(),
        "dtype": of.field().dtype().to_string(),
        "channels": of.channels().iter().map(channel).collect::<Vec<_>>(),
        "classes": classes.collect::<Vec<_>>(),
        "unlisted": of.unlisted(),
        "lengths": lengths.collect::<Vec<_>>(),
        "normalize": normalization(of),
    })
}

fn channel(of: &ChannelStatistics) -> Value {
    json!({
        "numbers": of.count(),
        "nan": of.nan(),
        "infinite": of.infinite(),
        "least": of.range().map(|(least, _)| least),
        "greatest": of.range().map(|(_, greatest)| greatest),
        "mean": of.mean(),
        "std": of.deviation(),
    })
}
