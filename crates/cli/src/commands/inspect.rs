//! `inspect`: what a data set holds, from names, sizes and a few samples.

use std::ops;

use tallow::{
    Dim, Extent, Field, Layout, PartShare, Picture, RowBuffer, RowDType, Sampler, Schema, Source,
    SourceError, SourceErrorKind,
};

use crate::args::{InspectArgs, MixArgs, SourceArgs};
use crate::data::extents;
use crate::data::means;
use crate::data::numbers::Range;
use crate::data::pixels::{self, Pixels};
use crate::data::shapes::{self, Spread};
use crate::data::streams::Stream;
use crate::loading::plan;
use crate::pictures::{contact, values};
use crate::report::{self, FieldValues, Pictures, SampleSize, human, json};
use crate::terminal::console::Console;
use crate::terminal::exit::{self, Failure, Result};
use crate::terminal::output::Outputs;
use crate::terminal::{shell, words};

/// Samples whose values are looked at: enough for the range of a data set, and fast.
const LOOKED_AT: usize = 64;

/// After this many bytes no further sample is looked at.
const LOOKED_AT_BYTES: usize = 64 << 20;

/// Files whose shapes are looked at if sizes differ; this many take seconds.
const SHAPES_MAX: usize = 1 << 16;

pub(crate) fn run(args: &InspectArgs, console: &mut Console) -> Result {
    let (found, opened) = plan::open_any(&args.source)?;
    let source = &*opened.source;
    if found.stream().is_some() {
        refuse_for_streams(args)?;
    }
    // Not earlier, or its temporary file would count as an ignored entry.
    let mut outputs = Outputs::beside(&args.source);
    let png = args.png.as_ref().map(|path| outputs.open_png("--png", path)).transpose()?;
    if let Some(png) = png {
        let picture = contact::sheet(source, args.samples.into())?.draw();
        png.write(&picture.and_then(|picture| picture.to_png()).map_err(Failure::Failed)?)?;
        args.png.iter().for_each(|path| console.tell_written(path));
    }
    let mixed = mixed(&args.mix, source)?;
    let sizes = Sizes::of(source, found.is_of_arrays());
    let name = |size: Option<(u64, usize)>| {
        size.map(|(bytes, index)| SampleSize { bytes, index, name: source.name(index).into() })
    };
    let means = match args.means {
        None => Vec::new(),
        Some(samples) => {
            let progress = console.progress("averaging", samples.min(source.len()) as u64);
            let means = means::means(opened.source.clone(), samples, &progress);
            progress.finish_and_clear();
            means?
        }
    };
    let mut looked_at = LookedAt::of(source);
    let shapes = spreads(source, &sizes, &looked_at);
    // Files of other shapes are reported there.
    let is_told = |error: &SourceError| {
        let of_field = |spread: &Spread| error.field() == Some(spread.field());
        error.kind() == SourceErrorKind::ShapeMismatch && shapes.iter().any(of_field)
    };
    looked_at.failed.retain(|error| !is_told(error));
    let problem = sizes.problem.as_ref().or(looked_at.failed.first());
    let shares = mixed.as_ref().map(|(_, shares)| &shares[..]);
    let report = report::Inspect {
        source: found.shown(),
        schema: source.schema().clone(),
        samples: source.stream().is_none().then(|| source.len()),
        parts: report::Part::of_source(found.names(), &source.population(), shares),
        packed: opened.packed,
        epoch: mixed.map(|(epoch, _)| epoch),
        bytes: found.stream().map_or(sizes.total, Stream::bytes),
        is_held: sizes.is_held,
        smallest: name(sizes.smallest),
        largest: name(sizes.largest),
        shapes,
        looked_at: looked_at.samples,
        values: looked_at.values(source.schema()),
        pictures: looked_at.pictures(),
        encoded: if found.are_of_columns() {
            looked_at.encoded(source.schema())
        } else {
            Vec::new()
        },
        means,
        unread: sizes.failed.max(looked_at.failed.len()),
        problem: problem.map(|error| exit::in_options(&error.to_string())),
        ignored: opened.ignored,
        left_out: opened.left_out,
        passed_over: found.passed_over(),
    };
    print(&report, args, console)
}

fn print(report: &report::Inspect, args: &InspectArgs, console: &mut Console) -> Result {
    if args.output.json {
        console.print(json::inspect(report))?
    } else {
        human::inspect(console.out(), report)?;
        if let Some(path) = &args.png {
            writeln!(console.out(), "picture   {}", words::one_line(&path.display().to_string()))?;
        }
        if let Some(next) = next(report, &args.source, &args.mix) {
            writeln!(console.out(), "next      {} {next}", shell::program())?;
        }
    }
    Ok(())
}

/// Options that look at samples of any place.
fn refuse_for_streams(args: &InspectArgs) -> Result {
    let given = [
        ("--means", args.means.is_some(), "leave it out"),
        ("--png", args.png.is_some(), "leave it out"),
        ("--weights", args.mix.is_some(), "leave it out"),
    ];
    exit::refuse(&given, plan::IN_TURN)
}

/// The samples of an epoch of the mixture that the options ask for, and what it gives of each part by
/// the end of the first one.
fn mixed(args: &MixArgs, source: &dyn Source) -> Result<Option<(usize, Vec<PartShare>)>> {
    let population = source.population();
    let Some(mix) = plan::mix(args, &population, false)? else { return Ok(None) };
    let epoch = mix.len(&population)?;
    // What is asked for at the beginning; what was seen at the end.
    let [first, last] = [0, epoch].map(|at| Sampler::shares(&mix, &population, 0, at));
    let shares = first.into_iter().flatten().zip(last.into_iter().flatten());
    let shares = shares.map(|(first, last)| PartShare { asked: first.asked, ..last });
    Ok(Some((epoch, shares.collect())))
}

/// A command to go on with, unless the report has said what to do.
fn next(report: &report::Inspect, source: &SourceArgs, mix: &MixArgs) -> Option<String> {
    let source = source.command_line();
    if report.unread > 0 {
        return Some(format!("check {source}"));
    }
    let source = source + &mix.command_line();
    let is_ragged = |field: &&Field| field.dims().iter().any(|dim| !matches!(dim, Dim::Fixed(_)));
    let pad = |field: &Field| {
        let value = format!("{}:0", field.name());
        format!(" --pad {}", shell::quoted(value.as_ref()))
    };
    if let Some((_, field)) = pixels::pictures(&report.schema).next() {
        let chain = if field.decoded().is_ragged() {
            " 'random_resized_crop(224) random_hflip'"
        } else {
            " random_hflip"
        };
        let masks = pixels::pictures(&report.schema).skip(1);
        let masks: String = masks
            .map(|(_, mask)| format!(" --mask {}", shell::quoted(mask.name().as_ref())))
            .collect();
        return Some(format!("run {source} --augment{chain}{masks} --shuffle --step-ms 20"));
    }
    let pads: String = report.schema.fields().iter().filter(is_ragged).map(pad).collect();
    let is_told = !report.shapes.is_empty() || !report.encoded.is_empty();
    (!is_told).then(|| format!("run {source}{pads} --shuffle --step-ms 20"))
}

/// Bytes in files, and the smallest and the largest sample.
#[derive(Debug, Default)]
struct Sizes {
    total: u64,
    /// Whether there are fields that no file is read for.
    is_held: bool,
    smallest: Option<(u64, usize)>,
    largest: Option<(u64, usize)>,
    /// The size of each field's file in the first sample, and whether others differ.
    of_files: Vec<(u64, bool)>,
    /// Samples whose files cannot be looked at, and what is wrong with the first.
    failed: usize,
    problem: Option<SourceError>,
}

impl Sizes {
    /// Of a source of arrays of many samples each, which may be held in memory, or of others.
    fn of(source: &dyn Source, is_of_arrays: bool) -> Self {
        let extents = extents::extents_of(source, 0);
        let is_held = is_of_arrays && extents.len() < source.schema().fields().len();
        let mut this = Self { is_held, ..Self::default() };
        if is_held && extents.is_empty() || source.stream().is_some() {
            return this;
        }
        let population = source.population();
        (0..population.parts()).for_each(|part| this.add_part(source, population.part(part)));
        this
    }

    /// Adds the samples of one source.
    fn add_part(&mut self, source: &dyn Source, mut samples: ops::Range<usize>) {
        let extents = extents::extents_of(source, samples.start);
        if extents.is_empty() || extents.iter().any(|extent| extent.is_whole()) {
            return samples.for_each(|index| self.add(source, index));
        }
        let next = samples.start + 1;
        if next < samples.end && shares(&extents, &extents::extents_of(source, next)) {
            return self.add_shared(source, samples);
        }
        if source.schema().fields().iter().any(Field::is_ragged) {
            return samples.for_each(|index| self.add(source, index));
        }
        // The rows of a file have equal sizes, so one tells the size of all.
        let before = std::mem::take(&mut self.total);
        let len = samples.len() as u64;
        samples.next().into_iter().for_each(|first| self.add(source, first));
        self.total = self.total.saturating_mul(len).saturating_add(before);
    }

    /// Adds samples of which several are in the same bytes, such as pages of compressed rows: each run of
    /// bytes once. No sample has a size of its own.
    fn add_shared(&mut self, source: &dyn Source, samples: ops::Range<usize>) {
        let (mut at, mut before) = (samples.start, Vec::new());
        while at < samples.end {
            let own = extents::extents_of(source, at);
            let new = own.iter().filter(|extent| !before.contains(*extent));
            self.total = new.fold(self.total, |sum, new| sum.saturating_add(new.bytes() as u64));
            at = end_of_run(at..samples.end, |index| extents::extents_of(source, index) == own);
            before = own;
        }
    }

    fn add(&mut self, source: &dyn Source, index: usize) {
        let extents = extents::extents_of(source, index);
        let sizes: tallow::SourceResult<Vec<u64>> = extents.iter().map(extents::bytes_of).collect();
        let sizes = match sizes {
            Ok(sizes) => sizes,
            Err(error) => {
                self.failed += 1;
                self.problem.get_or_insert(error.with_index(index));
                return;
            }
        };
        if self.of_files.is_empty() {
            self.of_files = sizes.iter().map(|&bytes| (bytes, false)).collect();
        }
        for (((first, differ), bytes), extent) in self.of_files.iter_mut().zip(&sizes).zip(&extents)
        {
            *differ |= extent.is_whole() && first != bytes;
        }
        let bytes = sizes.iter().sum();
        self.total = self.total.saturating_add(bytes);
        // The first of equals is named.
        if self.smallest.is_none_or(|(smallest, _)| bytes < smallest) {
            self.smallest = Some((bytes, index));
        }
        if self.largest.is_none_or(|(largest, _)| bytes > largest) {
            self.largest = Some((bytes, index));
        }
    }
}

fn shares(first: &[Extent], second: &[Extent]) -> bool {
    second.iter().any(|extent| first.contains(extent))
}

/// The first index of `indices` that is not as their first one, which `is_alike` tells of the others; all
/// that are as it is come first.
fn end_of_run(indices: ops::Range<usize>, is_alike: impl Fn(usize) -> bool) -> usize {
    let (mut last, mut step) = (indices.start, 1);
    while step < indices.end - last && is_alike(last + step) {
        last += step;
        step *= 2;
    }
    let mut end = indices.end.min(last.saturating_add(step));
    while end - last > 1 {
        let middle = last + (end - last) / 2;
        if is_alike(middle) { last = middle } else { end = middle }
    }
    end
}

/// What was found in a few samples that are spread over the source, or the first of a stream.
#[derive(Debug)]
struct LookedAt {
    samples: usize,
    /// The range of each field; `None` for an element type that is not supported.
    ranges: Vec<Option<Range>>,
    /// The pictures of each field that has some.
    pictures: Vec<Option<Pictures>>,
    /// Whether each field is of bytes that are pictures, as far as samples were looked at.
    are_encoded: Vec<bool>,
    pixels: Pixels,
    failed: Vec<SourceError>,
}

impl LookedAt {
    fn of(source: &dyn Source) -> Self {
        let ranges = source.schema().fields().iter().map(|_| Some(Range::default())).collect();
        let pictures = source.schema().fields().iter();
        let pictures =
            pictures.map(|field| field.as_picture().map(|_| Pictures::new(field.name())));
        let pictures = pictures.collect();
        let are_encoded = source.schema().fields().iter().map(is_of_bytes).collect();
        let (pixels, failed) = (Pixels::default(), Vec::new());
        let mut this = Self { samples: 0, ranges, pictures, are_encoded, pixels, failed };
        let mut buffer = match RowBuffer::new(source.schema()) {
            Ok(buffer) => buffer,
            Err(error) => {
                this.failed.push(error);
                return this;
            }
        };
        let (samples, is_stream) = (source.len().min(LOOKED_AT), source.stream().is_some());
        let mut bytes = 0;
        for at in 0..samples {
            // In `u128`, so that the product cannot overflow.
            let spread = (at as u128 * source.len() as u128 / samples as u128) as usize;
            let index = if is_stream { at } else { spread };
            let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
            match read.and_then(|()| this.add(&buffer)) {
                Ok(of_sample) => bytes += of_sample,
                // It has no more.
                Err(error) if is_stream && error.kind() == SourceErrorKind::Broken => break,
                Err(error) => this.failed.push(pixels::locate(error, source, index)),
            }
            if bytes >= LOOKED_AT_BYTES {
                break;
            }
        }
        this
    }

    /// Adds a sample, and returns its bytes.
    fn add(&mut self, sample: &RowBuffer) -> tallow::SourceResult<usize> {
        let row = sample.view();
        let mut bytes = 0;
        for at in 0..self.ranges.len() {
            let pictures = &mut self.pictures[at];
            let decoded = self.pixels.decode(row, at, |head, of| {
                pictures.iter_mut().for_each(|pictures| pictures.add(head));
                (Range::of(of.bytes, of.dtype), of.bytes.len())
            })?;
            let field = row.field(at);
            self.are_encoded[at] =
                self.are_encoded[at] && Picture::rgb().head(field.bytes()).is_ok();
            let undecoded = || (Range::of(field.bytes(), field.dtype()), field.bytes().len());
            let (range, len) = decoded.unwrap_or_else(undecoded);
            bytes += len;
            self.ranges[at] = self.ranges[at].zip(range).map(|(mut all, of)| {
                all.merge(of);
                all
            });
        }
        self.samples += 1;
        Ok(bytes)
    }

    fn pictures(&self) -> Vec<Pictures> {
        self.pictures
            .iter()
            .flatten()
            .filter(|pictures| !pictures.formats.is_empty())
            .cloned()
            .collect()
    }

    /// The fields whose bytes are pictures that nobody said to decode.
    fn encoded(&self, schema: &Schema) -> Vec<String> {
        let fields = schema.fields().iter().zip(&self.are_encoded);
        let encoded = fields.filter(|(_, is_encoded)| **is_encoded && self.samples > 0);
        encoded.map(|(field, _)| field.name().to_owned()).collect()
    }

    fn values(&self, schema: &Schema) -> Vec<FieldValues> {
        let fields = schema.fields().iter().zip(&self.ranges);
        let values = |(field, range): (&Field, &Option<Range>)| {
            let decoded = field.decoded();
            let is_image = Layout::of(&decoded).is_ok_and(|layout| layout.rank() > 1);
            let white = values::white(decoded.dtype()).filter(|_| is_image);
            Some(FieldValues { field: field.name().to_owned(), range: (*range)?, white })
        };
        if self.samples == 0 { Vec::new() } else { fields.filter_map(values).collect() }
    }
}

/// Whether the values of a field are bytes of any number.
fn is_of_bytes(field: &Field) -> bool {
    field.as_picture().is_none()
        && field.dtype() == RowDType::U8
        && matches!(field.dims(), [Dim::Ragged { .. }])
}

/// The fields whose files have different shapes. Shapes are looked at only if sizes or samples
/// differ, because otherwise there is nothing to find.
fn spreads(source: &dyn Source, sizes: &Sizes, looked_at: &LookedAt) -> Vec<Spread> {
    let is_suspect = |at: usize, field: &Field| {
        let other_shape = |error: &&SourceError| {
            error.kind() == SourceErrorKind::ShapeMismatch && error.field() == Some(field.name())
        };
        // Pictures may have any size.
        if field.as_picture().is_some() {
            return false;
        }
        sizes.of_files.get(at).is_some_and(|(_, differ)| *differ)
            || looked_at.failed.iter().any(|error| other_shape(&error))
    };
    let fields = source.schema().fields().iter().enumerate();
    let spread = |(at, field): (usize, &Field)| {
        let step = source.len().div_ceil(SHAPES_MAX).max(1);
        let mut spread = Spread::among(field, source.len().div_ceil(step));
        for index in (0..source.len()).step_by(step) {
            let path = extents::files_of(source, index).into_iter().nth(at);
            if let Some(shape) = path.and_then(|path| shapes::of_file(&path)) {
                spread.add(&shape);
            }
        }
        spread
    };
    let suspects = fields.filter(|(at, field)| is_suspect(*at, field));
    suspects.map(spread).filter(|spread| spread.others > 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_any_length_end_where_something_else_begins() {
        for len in 1..40 {
            for end in 1..=len {
                let found = end_of_run(3..3 + len, |index| index < 3 + end);
                assert_eq!(found, 3 + end, "{end} of {len}");
            }
        }
    }
}
