//! Reports as pages. Here is what several pages have in common.

pub(crate) mod run;
pub(crate) mod tune;

use std::time::Duration;

use tallow::Schema;

use super::Finding;
use crate::html::{Fact, Section, Unit, facts};
use crate::terminal::words::one_line;

/// What a page shows besides its report.
#[derive(Debug)]
pub(crate) struct Surroundings {
    pub(crate) command: String,
    pub(crate) machine: Vec<Finding>,
}

pub(crate) fn text(text: &str) -> String {
    text.to_owned()
}

pub(crate) fn time(time: Duration) -> String {
    Unit::Seconds.text(time.as_secs_f64())
}

pub(crate) fn fact(name: &str, value: String) -> Fact {
    Fact { name: text(name), value, advice: None }
}

pub(crate) fn fields(schema: &Schema) -> String {
    let fields = schema.fields().iter().map(|field| one_line(&field.to_string()));
    fields.collect::<Vec<_>>().join("; ")
}

pub(crate) fn machine(around: &Surroundings) -> Section {
    let fact = |finding: &Finding| Fact {
        name: finding.what.trim().to_owned(),
        value: one_line(&finding.found),
        advice: finding.advice.clone(),
    };
    let body = facts(&around.machine.iter().map(fact).collect::<Vec<_>>());
    Section { title: text("Machine"), lead: String::new(), body }
}
