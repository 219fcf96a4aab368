//! `explain`: how a chain is split into passes over the pixels.

use tallow::Field;

use crate::args::ExplainArgs;
use crate::loading::augment::Augmentation;
use crate::loading::plan;
use crate::report::{Becoming, Explain, human, json};
use crate::terminal::console::Console;
use crate::terminal::exit::Result;

pub(crate) fn run(args: &ExplainArgs, console: &mut Console) -> Result {
    let (_, opened) = plan::open_any(&args.source)?;
    let schema = opened.source.schema();
    let augmentation = Augmentation::new(&args.augment, &args.fields, schema)?;
    let explained = augmentation.chain.explain(schema)?;
    let fields = schema.fields().iter().zip(augmentation.engine.schema().fields());
    let fields = fields.filter(|(raw, delivered)| raw != delivered).map(becoming).collect();
    let report = Explain { augmented: augmentation.report(), fields, explained };
    if args.output.json {
        console.print(json::explain(&report))?;
    } else {
        human::explain(console.out(), &report)?;
    }
    Ok(())
}

fn becoming((raw, delivered): (&Field, &Field)) -> Becoming {
    let shape = |field: &Field| {
        let text = field.to_string();
        text.strip_prefix(field.name()).unwrap_or(&text).trim_start_matches(": ").to_owned()
    };
    Becoming { name: raw.name().to_owned(), from: shape(raw), to: shape(delivered) }
}
