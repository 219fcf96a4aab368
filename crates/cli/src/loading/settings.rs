//! The options of a run as Rust code that does the same.

use std::fmt::Write as _;

use tallow::{
    Augment, FieldFiles, FieldFolder, FieldFolders, Found, OnError, OpenOptions, Picture, Plan,
    Shards,
};

use crate::args::{DeviceArg, Last, LoadArgs, RankArg, UntilArg, WeightsArg};
use crate::data::places::Places;
use crate::loading::plan;
use crate::terminal::shell;

/// Rust code that builds the loader, for pasting into a function that returns a `Result`. It sets
/// the workers and batches ahead of `pinned`, or leaves them at their defaults.
pub(crate) fn code(
    places: &Places,
    load: &LoadArgs,
    augment: Option<&Augment>,
    pinned: Option<&Plan>,
) -> String {
    let mut code = "use tallow::prelude::*;\n\n".to_owned();
    code += &sources(places);
    code += &mix(load);
    let window = places.stream().filter(|_| load.shuffle).map(|_| plan::STREAM_WINDOW);
    let window = load.shuffle_window.or(window);
    if let Some(chain) = augment {
        let _ = writeln!(code, "let augment = {:?}.parse::<Augment>()?;", chain.to_string());
    }
    let buckets = load.buckets.as_ref().map(|buckets| &buckets.field);
    let budget = load.token_budget.as_ref().map(|budget| &budget.field);
    if let Some(field) = buckets.or(budget) {
        code += &format!("let lengths = tallow::SampleLengths::of(&source, {field:?})?;\n");
    }
    code += "let loader = Loader::builder(source)\n";
    builder_calls(load, window, pinned).iter().for_each(|call| push(&mut code, call));
    if augment.is_some() {
        push(&mut code, "transform(augment)");
    }
    push(&mut code, "build()?;");
    code
}

fn push(code: &mut String, call: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(code, "    .{call}");
}

/// One source, or the concatenation of several.
fn sources(places: &Places) -> String {
    if let Some(stream) = places.stream() {
        return stream.code() + &places.adapting_code(0);
    }
    if let Some(found) = places.only() {
        return source(found) + &places.adapting_code(0);
    }
    let mut code = "let mut sources: Vec<Box<dyn Source>> = Vec::new();\n".to_owned();
    for (at, found) in places.iter().enumerate() {
        code += &(source(found) + &places.adapting_code(at));
        code += "sources.push(source.boxed());\n";
    }
    code + "let source = tallow::concat(sources)?;\n"
}

/// The mixture, if there are weights.
fn mix(load: &LoadArgs) -> String {
    let Some((first, others)) = load.mix.weights.split_first() else { return String::new() };
    let mut code = format!("let mix = Mix::new(&{:?})?", first.weights);
    for WeightsArg { weights, from } in others {
        let _ = write!(code, ".then_at({from}, &{weights:?})?");
    }
    if load.mix.until != UntilArg::default() {
        let _ = write!(code, ".until(tallow::Until::{:?})", load.mix.until.0);
    }
    code += ";\n";
    for part in 0..if load.shuffle { 0 } else { first.weights.len() } {
        let _ = writeln!(code, "let mix = mix.part_sampler({part}, Sequential)?;");
    }
    code
}

fn source(found: &Found) -> String {
    match found {
        Found::Folders(folders) => of_folders(folders),
        Found::FolderAndRows { input, target } => {
            let target = format!("NpyFile::open({target:?})?.named(\"target\")?");
            of_folders(input) + &format!("let source = source.with_rows({target})?;\n")
        }
        Found::NpyFile(path) => format!("let source = NpyFile::open({path:?})?;\n"),
        Found::NpyFiles { input, target } => {
            let target = format!("NpyFile::open({target:?})?.named(\"target\")?");
            format!("let source = NpyFile::open({input:?})?.zip({target})?;\n")
        }
        Found::WithTable { files, table } => {
            source(files) + &format!("let source = source.with_table(Table::open({table:?})?)?;\n")
        }
        Found::Shards(shards) if *shards.options() != OpenOptions::new() => of_shards(shards),
        Found::ImageClasses { folder, picture } if *picture == Picture::rgb() => {
            format!("let source = ImageFolder::open({folder:?})?;\n")
        }
        Found::ImageClasses { folder, picture } => {
            let dims = picture.dims();
            let picture = format!("Picture::rgb().at_most({}, {})", dims[0].max(), dims[1].max());
            format!(
                "let source = ImageFolder::builder({folder:?})\n    .picture({picture})\n    \
                 .open()?;\n"
            )
        }
        found => format!("let source = tallow::open({:?})?;\n", found.place()),
    }
}

/// Shards that are read with options.
fn of_shards(shards: &Shards) -> String {
    let mut options = "OpenOptions::new()".to_owned();
    if !shards.fields().is_empty() {
        options += &format!(".fields({:?})", shards.fields());
    }
    for (name, picture) in shards.options().of_pictures() {
        let turned = if picture.is_upright() { ".upright()" } else { "" };
        options += &format!(".picture({name:?}, Picture::rgb(){turned})");
    }
    if shards.options().is_stacked() {
        options += ".stacked()";
    }
    if let Some((dtype, length)) = shards.options().of_tokens() {
        options += &format!(".tokens(RowDType::{dtype:?}, {length})");
    }
    if let Some(by) = shards.options().of_documents() {
        options += &format!(".documents(tallow::DocumentsBy::{by:?})");
    }
    format!("let source = {options}.open({:?})?;\n", shards.place())
}

/// As the library opens them.
fn of_folders(folders: &FieldFolders) -> String {
    let door = if folders.has_pictures() { "ImageFolders" } else { "NpyFolders" };
    let has_options = folders.is_recursive()
        || folders.ragged().next().is_some()
        || folders.patterns().next().is_some();
    let is_as_pairs = folders.fields().iter().all(|field| field.files != FieldFiles::Arrays)
        || !folders.has_pictures();
    if let Some(root) = folders.pair_of().filter(|_| !has_options && is_as_pairs) {
        return format!("let source = {door}::pairs({root:?})?;\n");
    }
    let mut code = format!("let source = {door}::builder()\n");
    for FieldFolder { name, folder, files, .. } in folders.fields() {
        let method = match (files, folders.has_pictures()) {
            (FieldFiles::Arrays, true) => "array",
            (FieldFiles::Masks, _) => "masks",
            _ => "field",
        };
        push(&mut code, &format!("{method}({name:?}, {folder:?})"));
    }
    for (field, pattern) in folders.patterns() {
        push(&mut code, &format!("pattern({field:?}, {pattern:?})"));
    }
    for (field, axis, max) in folders.ragged() {
        push(&mut code, &format!("ragged({field:?}, {axis}, {max})"));
    }
    if folders.is_recursive() {
        push(&mut code, "recursive()");
    }
    push(&mut code, "open()?;");
    code
}

/// Calls that say which samples a batch has, which are shuffled within a `window` if there is one.
fn sampler_calls(load: &LoadArgs, window: Option<usize>) -> Vec<String> {
    let size = format!("batch_size({})", load.batch_size);
    if let Some(buckets) = &load.buckets {
        let inner = if load.shuffle { "tallow::Shuffle" } else { "tallow::Sequential" };
        let window = buckets.window.map(|window| format!(".window({window})")).unwrap_or_default();
        let sampler =
            format!("tallow::Buckets::new({inner}, lengths, {})?{window}", load.batch_size);
        return vec![format!("sampler({sampler})")];
    }
    if let Some(budget) = &load.token_budget {
        let order = if load.shuffle { "" } else { ".in_order()" };
        let sampler = format!(
            "tallow::TokenBudget::new(lengths, {})?.multiple_of({}).rows_multiple_of({}){order}",
            budget.tokens, load.pad_multiple, load.rows_multiple
        );
        return vec![format!("sampler({sampler})")];
    }
    let order = match (load.shuffle_blocks, window) {
        _ if load.mix.is_some() => Some("sampler(mix)".to_owned()),
        (Some(blocks), _) => Some(format!("sampler(Shuffle::blocks({blocks}))")),
        (None, Some(window)) => Some(format!("sampler(tallow::ShuffleWindows::new({window})?)")),
        (None, None) => load.shuffle.then(|| "shuffle()".to_owned()),
    };
    [size].into_iter().chain(order).collect()
}

/// Calls for whatever is not the default, and for the workers and batches ahead of `pinned`.
fn builder_calls(load: &LoadArgs, window: Option<usize>, pinned: Option<&Plan>) -> Vec<String> {
    let mut calls = sampler_calls(load, window);
    calls.push(format!("seed({})", load.seed));
    calls.extend(pinned.map(|plan| format!("workers({})", plan.workers())));
    let pinned = pinned.filter(|plan| plan.workers() > 0);
    calls.extend(pinned.map(|plan| format!("prefetch({})", plan.prefetch())));
    for (field, value) in &load.pads {
        calls.push(format!("pad({field:?}, {value:?})"));
    }
    for (field, value) in &load.pads_to_longest {
        let multiple = load.pad_multiple;
        calls.push(format!("pad_to_multiple({field:?}, {value:?}, {multiple})"));
    }
    if let Some(bytes) = load.read_ahead {
        calls.push(format!("read_ahead({bytes})"));
    }
    if let Some(bytes) = load.resident {
        calls.push(format!("resident({bytes})"));
    }
    match load.last {
        Last::Keep => {}
        Last::Drop => calls.push("last_batch(LastBatch::Drop)".to_owned()),
        Last::Pad => calls.push("last_batch(LastBatch::Pad)".to_owned()),
    }
    match (load.rank, load.world) {
        (Some(RankArg::Auto), _) => calls.push("ranks(Ranks::from_env()?)".to_owned()),
        (Some(RankArg::Number(rank)), Some(world @ 2..)) => {
            calls.push(format!("rank({rank}, {world})"));
        }
        (None, Some(world @ 2..)) => calls.push(format!("rank(0, {world})")),
        _ => {}
    }
    if load.on_error != OnError::Fail {
        calls.push(format!("on_error(OnError::{:?})", load.on_error));
    }
    let device = match load.device {
        DeviceArg::Cpu => return calls,
        DeviceArg::Cuda(ordinal) => format!("new_cuda_with_stream({ordinal})"),
        DeviceArg::Metal(ordinal) => format!("new_metal({ordinal})"),
    };
    calls.push(format!("device(tallow::candle::Device::{device}?)"));
    calls
}

/// The command line, quoted for a shell.
pub(crate) fn command_line() -> String {
    let words = std::env::args_os().skip(1).map(|word| shell::quoted(&word));
    ["bench-loader".to_owned()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use tallow::RowDType;

    use super::*;

    #[test]
    fn sources_are_opened_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["input/a.npy", "output/a.npy", "photos/input/a.jpg", "photos/output/a.png"] {
            std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
            std::fs::write(path(name), "").unwrap();
        }
        let root = dir.path();
        let of = |options: OpenOptions, place: &str| source(&options.find(path(place)).unwrap());
        assert_eq!(
            of(OpenOptions::new(), ""),
            format!("let source = NpyFolders::pairs({root:?})?;\n")
        );
        let code = of(OpenOptions::new().recursive(), "");
        assert!(
            code.contains(&format!(".field(\"target\", {:?})\n    .recursive()\n", path("output")))
        );
        let photos = path("photos");
        let code = of(OpenOptions::new(), "photos");
        assert_eq!(code, format!("let source = ImageFolders::pairs({photos:?})?;\n"));
        let code = of(OpenOptions::new().ragged("input", 0, 9), "photos");
        assert!(code.contains(".masks(\"target\", ") && code.contains(".ragged(\"input\", 0, 9)"));
        let fields = [("x".to_owned(), path("input")), ("a\"b".to_owned(), path("photos/input"))];
        let mixed = OpenOptions::new().find_fields(fields).unwrap();
        let code = source(&mixed);
        assert!(code.contains(".array(\"x\", ") && code.contains(r#".masks("a\"b", "#), "{code}");
        let inputs = path("input");
        assert_eq!(
            of(OpenOptions::new().stacked(), "input"),
            format!("let source = OpenOptions::new().stacked().open({inputs:?})?;\n")
        );
        let code = of(OpenOptions::new().tokens(RowDType::U16, 9), "input");
        assert!(code.contains("new().tokens(RowDType::U16, 9).open("), "{code}");
        let classes = OpenOptions::new().ragged("image", 1, 100).find(root.join("photos/..")).ok();
        assert!(classes.is_none(), "a pair has no field image");
    }
}
