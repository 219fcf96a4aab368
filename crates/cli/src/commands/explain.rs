//! `explain`: how a chain is cut into passes over the pixels.

use crate::args::ExplainArgs;
use crate::augment::Augmentation;
use crate::console::Console;
use crate::exit::Result;
use crate::plan;
use crate::report::human;

pub(crate) fn run(args: &ExplainArgs, console: &mut Console) -> Result {
    let (_, opened) = plan::open(&args.source)?;
    let schema = opened.source.schema();
    let augmentation = Augmentation::new(&args.augment, &args.fields, schema)?;
    let explained = augmentation.chain.explain(schema)?;
    let report = augmentation.report();
    let out = console.out();
    writeln!(out, "chain     {}", human::one_line(&report.chain))?;
    let delivered = augmentation.engine.schema().fields();
    for (raw, field) in schema.fields().iter().zip(delivered).filter(|(raw, field)| raw != field) {
        let becomes = field.to_string();
        let becomes = becomes.trim_start_matches(field.name()).trim_start_matches(": ");
        writeln!(
            out,
            "field     {} becomes {becomes}",
            human::one_line(&raw.to_string()),
            becomes = human::one_line(becomes)
        )?;
    }
    writeln!(out, "scratch   {} per worker", human::bytes(report.scratch_bytes as u64))?;
    write!(out, "{explained}")?;
    Ok(())
}
