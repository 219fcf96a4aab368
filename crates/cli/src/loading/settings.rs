//! The options of a run as Rust code that does the same.

use std::fmt::Write as _;
use std::path::Path;

use tallow::{Augment, OnError, Plan};

use crate::args::{DeviceArg, Last, LoadArgs, Ragged};
use crate::data::place::{Folders, Place};
use crate::terminal::shell;

/// Rust code that builds the loader, for pasting into a function that returns a `Result`. It sets
/// the workers and batches ahead of `pinned`, or leaves them at their defaults.
pub(crate) fn code(
    place: &Place,
    load: &LoadArgs,
    augment: Option<&Augment>,
    pinned: Option<&Plan>,
) -> String {
    let mut code = "use tallow::prelude::*;\n\n".to_owned();
    code += &source(place);
    if let Some(chain) = augment {
        let _ = writeln!(code, "let augment = {:?}.parse::<Augment>()?;", chain.to_string());
    }
    code += "let loader = Loader::builder(source)\n";
    builder_calls(load, pinned).iter().for_each(|call| push(&mut code, call));
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

fn source(place: &Place) -> String {
    match place {
        Place::Folders(Folders { fields, recursive: false, ragged, patterns })
            if ragged.is_empty()
                && patterns.is_empty()
                && let Some(root) = pairs(fields) =>
        {
            format!("let source = NpyFolders::pairs({root:?})?;\n")
        }
        Place::Folders(folders @ Folders { fields, .. }) => {
            let mut code = "let source = NpyFolders::builder()\n".to_owned();
            for (name, folder) in fields {
                push(&mut code, &format!("field({name:?}, {folder:?})"));
            }
            options(&mut code, folders);
            push(&mut code, "open()?;");
            code
        }
        Place::FolderAndRows { input, target } => {
            let target = format!("NpyFile::open({target:?})?.named(\"target\")?");
            source(&Place::Folders(input.clone()))
                + &format!("let source = source.zip({target})?;\n")
        }
        Place::NpyFile(path) => format!("let source = NpyFile::open({path:?})?;\n"),
        Place::NpyFiles { input, target } => {
            let target = format!("NpyFile::open({target:?})?.named(\"target\")?");
            format!("let source = NpyFile::open({input:?})?.zip({target})?;\n")
        }
        Place::Safetensors(path) | Place::Shards(path) => {
            format!("let source = Safetensors::open({path:?})?;\n")
        }
        Place::PictureFolders(folders) => picture_folders(folders),
        Place::Pictures(found) => format!("let source = tallow::open({:?})?;\n", found.place()),
    }
}

/// As `Folders::pictures_builder` opens them.
fn picture_folders(folders: &Folders) -> String {
    let mut code = "let source = ImageFolders::builder()\n".to_owned();
    for (at, (name, folder)) in folders.fields.iter().enumerate() {
        let method = match (folders.is_pictures(folder), at) {
            (false, _) => "array",
            (true, 0) => "field",
            (true, _) => "masks",
        };
        push(&mut code, &format!("{method}({name:?}, {folder:?})"));
    }
    options(&mut code, folders);
    push(&mut code, "open()?;");
    code
}

/// What is said of fields besides their folders.
fn options(code: &mut String, Folders { recursive, ragged, patterns, .. }: &Folders) {
    for (field, pattern) in patterns {
        push(code, &format!("pattern({field:?}, {pattern:?})"));
    }
    for Ragged { field, axis, max } in ragged {
        push(code, &format!("ragged({field:?}, {axis}, {max})"));
    }
    if *recursive {
        push(code, "recursive()");
    }
}

/// The folder whose `input/` and `output/` these are, if they are.
fn pairs(fields: &[(String, std::path::PathBuf)]) -> Option<&Path> {
    let [(input, inputs), (target, outputs)] = fields else { return None };
    let root = inputs.parent()?;
    let are = input == "input" && target == "target";
    (are && *inputs == root.join("input") && *outputs == root.join("output")).then_some(root)
}

/// Calls for whatever is not the default, and for the workers and batches ahead of `pinned`.
fn builder_calls(load: &LoadArgs, pinned: Option<&Plan>) -> Vec<String> {
    let mut calls = vec![format!("batch_size({})", load.batch_size)];
    if load.shuffle {
        calls.push("shuffle()".to_owned());
    }
    calls.push(format!("seed({})", load.seed));
    calls.extend(pinned.map(|plan| format!("workers({})", plan.workers())));
    let pinned = pinned.filter(|plan| plan.workers() > 0);
    calls.extend(pinned.map(|plan| format!("prefetch({})", plan.prefetch())));
    for (field, value) in &load.pads {
        calls.push(format!("pad({field:?}, {value:?})"));
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
    if load.world > 1 {
        calls.push(format!("rank({}, {})", load.rank, load.world));
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
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn sources_are_opened_as_they_were() {
        let field = |name: &str, path: &str| (name.to_owned(), PathBuf::from(path));
        let pair = vec![field("input", "a/input"), field("target", "a/output")];
        let of = |fields, recursive| {
            source(&Place::Folders(Folders { fields, recursive, ..Folders::default() }))
        };
        assert_eq!(of(pair.clone(), false), "let source = NpyFolders::pairs(\"a\")?;\n");
        let code = of(pair, true);
        assert!(code.contains(".field(\"target\", \"a/output\")\n    .recursive()\n    .open()?;"));
        assert!(of(vec![field("x", "a\"b")], false).contains(r#".field("x", "a\"b")"#));
    }
}
