//! `demo`: loads real handwritten digits from pairs of `.npy` files.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::time::Instant;

use super::generate::numbered;
use crate::args::{Args, Command, DemoArgs, RunArgs};
use crate::data::npy::{self, NpyDtype};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::{interrupt, shell, words};

/// 1,797 images of 8x8 pixels from 0 to 16; `data/digits/LICENSE.txt` names their origin.
const IMAGES: &[u8] = include_bytes!("../../data/digits/images.npy");
const LABELS: &[u8] = include_bytes!("../../data/digits/labels.npy");
const SAMPLES: usize = 1797;
const IMAGE_SHAPE: [usize; 2] = [8, 8];
const IMAGE_BYTES: usize = 64;
const LABEL_BYTES: usize = 8;

pub(crate) fn run(args: &DemoArgs, console: &mut Console) -> Result {
    // Named so that it explains itself, because a run that is killed leaves it behind.
    let folder = tempfile::Builder::new()
        .prefix("bench-loader-demo-")
        .tempdir()
        .map_err(|error| Failure::failed(format!("cannot make a temporary folder: {error}")))?;
    let _undone = interrupt::folder(folder.path());
    let started = Instant::now();
    write_pairs(folder.path()).map_err(Failure::Failed)?;
    if !args.output.json {
        let (out, took) = (console.out(), words::duration(started.elapsed()));
        let samples = words::count(SAMPLES as u64);
        writeln!(out, "Wrote {samples} handwritten digits as pairs of .npy files in {took}.")?;
        let times = args.epochs.map(|epochs| format!(", {}", words::counted(epochs, "time")));
        writeln!(out, "Loading them, shuffled{}:\n", times.unwrap_or_default())?;
    }
    super::run::run(&as_run(folder.path(), args), console)?;
    if !args.output.json {
        write_next(console)?;
    }
    Ok(())
}

/// The command line that loads the digits: a demo does nothing that `run` cannot do.
fn as_run(folder: &Path, args: &DemoArgs) -> RunArgs {
    let mut words: Vec<OsString> =
        ["bench-loader", "run", "--shuffle", "--batch-size", "64"].map(OsString::from).into();
    words.extend(args.epochs.map(|epochs| format!("--epochs={epochs}").into()));
    words.extend(args.output.json.then(|| "--json".into()));
    words.extend(["--".into(), folder.into()]);
    match Args::of(words).map(|(args, _)| args.command) {
        Ok(Some(Command::Run(run))) => run,
        _ => unreachable!("it is a command line of `run`"),
    }
}

/// Writes the digits as a folder of inputs and one of targets, one sample per file.
fn write_pairs(folder: &Path) -> Result<(), String> {
    let part = |name: &str| {
        let folder = folder.join(name);
        fs::create_dir(&folder).map_err(|error| format!("cannot make {folder:?}: {error}"))?;
        Ok::<_, String>(folder)
    };
    let (inputs, outputs) = (part("input")?, part("output")?);
    let image_header = npy::header(NpyDtype::U8, &IMAGE_SHAPE);
    let label_header = npy::header(NpyDtype::I64, &[]);
    let images = payload(IMAGES, SAMPLES * IMAGE_BYTES).chunks_exact(IMAGE_BYTES);
    let labels = payload(LABELS, SAMPLES * LABEL_BYTES).chunks_exact(LABEL_BYTES);
    for (index, (image, label)) in images.zip(labels).enumerate() {
        let name = numbered(index, SAMPLES, "npy");
        npy::write(&inputs.join(&name), &[&image_header, image].concat())?;
        npy::write(&outputs.join(&name), &[&label_header, label].concat())?;
    }
    Ok(())
}

/// The payload of a `.npy` file: its last `bytes` bytes.
fn payload(file: &[u8], bytes: usize) -> &[u8] {
    &file[file.len() - bytes..]
}

fn write_next(console: &mut Console) -> Result {
    let program = shell::program();
    let example = std::env::temp_dir().join("tallow-example");
    let example = shell::path(&example);
    let out = console.out();
    writeln!(out, "\nThat was loading alone, without training. Try next, with random samples:\n")?;
    writeln!(out, "  {program} gen {example} --samples 20000 --shape 3,32,32 --dtype f32")?;
    writeln!(out, "  {program} run {example} --shuffle --batch-size 256 --ceiling")?;
    writeln!(out, "  {program} check {example}")?;
    writeln!(out, "\nand with a folder DIR of your own .npy files:\n")?;
    writeln!(out, "  {program} inspect DIR")?;
    writeln!(out, "  {program} run DIR --shuffle --step-ms 20")?;
    writeln!(out, "  {program} doctor DIR")?;
    writeln!(out, "\nFor other kinds of files, and all options: {program} run --help")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tallow::{NpyFile, NpyFolders, RowBuffer, Source};

    use super::*;

    #[test]
    fn the_pairs_are_the_digits() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/digits");
        let images = NpyFile::open(data.join("images.npy")).unwrap();
        let labels = NpyFile::open(data.join("labels.npy")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        write_pairs(folder.path()).unwrap();
        let pairs = NpyFolders::pairs(folder.path()).unwrap();
        assert_eq!((images.len(), labels.len(), pairs.len()), (SAMPLES, SAMPLES, SAMPLES));
        let mut counts = [0; 10];
        for index in 0..SAMPLES {
            let pair = read(&pairs, index);
            assert_eq!(pair[0], read(&images, index)[0]);
            assert_eq!(pair[1], read(&labels, index)[0]);
            assert!(pair[0].iter().all(|&pixel| pixel <= 16));
            counts[pair[1][0] as usize] += 1;
        }
        assert_eq!(counts, [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    }

    fn read(source: &dyn Source, index: usize) -> Vec<Vec<u8>> {
        let mut buffer = RowBuffer::new(source.schema()).unwrap();
        source.read(index, &mut buffer.row(None)).unwrap();
        let view = buffer.view();
        (0..view.field_count()).map(|field| view.field(field).bytes().to_vec()).collect()
    }
}
