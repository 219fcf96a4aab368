//! `preview`: a picture of samples, each beside what a chain makes of it.

use std::ops::Range;

use tallow::plan::{RowKey, Shapes};
use tallow::{Augment, Batch, Key, Layout, Loader, RowBuffer, RowDType, Sample, Schema, Source};

use crate::args::PreviewArgs;
use crate::data::pixels;
use crate::data::rows::Rows;
use crate::loading::augment::Augmentation;
use crate::loading::plan;
use crate::pictures::contact;
use crate::pictures::picture::Picture;
use crate::pictures::sheet::{Sheet, Shot};
use crate::pictures::values::{Exposure, Tones, Values};
use crate::terminal::console::Console;
use crate::terminal::exit::{Failure, Result};
use crate::terminal::output::Outputs;
use crate::terminal::words;

/// Pixels per side of a view: enough to see what a step does.
const SIDE: usize = 256;

pub(crate) fn run(args: &PreviewArgs, console: &mut Console) -> Result {
    let output = Outputs::beside(&args.source).open_png("--out", &args.out)?;
    let (_, opened) = plan::open(&args.source)?;
    let source = &*opened.source;
    let augmentation = Augmentation::new(&args.augment, &args.fields, source.schema())?;
    let samples = samples(args, source.len())?;
    let epochs = args.first_epoch.checked_add(args.views.into());
    let epochs =
        args.first_epoch..epochs.ok_or_else(|| Failure::usage("--first-epoch is too large"))?;
    let fields = fields(args, source.schema(), &augmentation)?;
    // In the order of the source and in batches of one, so that batch and sample have the same
    // number, and mixing takes its second sample from the whole source.
    let builder = Loader::builder(opened.source.clone()).batch_size(1).workers(0).seed(args.seed);
    let builder = builder.transform(augmentation.chain.clone());
    let pads = args.pads.iter();
    let loader =
        pads.fold(builder, |builder, (field, value)| builder.pad(field, *value)).build()?;
    let preview = Preview { args, source, chain: &augmentation.chain, loader, fields };
    let picture = preview.sheet(samples.clone(), epochs)?.draw().map_err(Failure::Failed)?;
    output.write(&picture.to_png().map_err(Failure::Failed)?)?;
    console.tell_written(&args.out);
    tell(args, samples.len(), &picture, console)
}

fn tell(args: &PreviewArgs, samples: usize, picture: &Picture, console: &mut Console) -> Result {
    writeln!(
        console.out(),
        "{} with {} each, {}x{} pixels",
        words::counted(samples as u64, "sample"),
        words::counted(args.views.into(), "view"),
        picture.width(),
        picture.height(),
    )?;
    Ok(())
}

/// The samples to show, or fewer if the source ends.
fn samples(args: &PreviewArgs, len: usize) -> Result<Range<usize>> {
    let first = args.first_sample;
    if len == 0 {
        return Err(Failure::failed("there is no sample to show"));
    }
    if first >= len {
        let message = format!("--first-sample {first}, but there are {len} samples");
        return Err(Failure::Usage(message));
    }
    Ok(first..len.min(first + usize::from(args.samples)))
}

/// The fields to show: those that were asked for, or the image and its masks.
fn fields(args: &PreviewArgs, schema: &Schema, to: &Augmentation) -> Result<Vec<Shown>> {
    let chain = &to.chain;
    let names: Vec<&str> = match args.show.as_slice() {
        [] => std::iter::once(chain.field_name()).chain(chain.masks()).collect(),
        names => names.iter().map(String::as_str).collect(),
    };
    names.into_iter().map(|name| Shown::new(name, schema, to)).collect()
}

struct Preview<'a> {
    args: &'a PreviewArgs,
    source: &'a dyn Source,
    chain: &'a Augment,
    loader: Loader,
    fields: Vec<Shown>,
}

impl Preview<'_> {
    /// One line per field and sample: the sample as it is read, then one view per epoch.
    fn sheet(&self, samples: Range<usize>, epochs: Range<u64>) -> Result<Sheet> {
        let mut lines = Vec::new();
        let mut exposures = Vec::new();
        for index in samples.clone() {
            let sample = pixels::sample(self.source, index)?;
            for field in &self.fields {
                let (shot, exposure) = field.original(&sample, self.source)?;
                lines.push(vec![shot]);
                exposures.push(exposure);
            }
        }
        for epoch in epochs {
            self.loader.resume(&self.loader.state_at(epoch, samples.start)?)?;
            let batches = self.loader.epochs(epoch..epoch + 1).take(samples.len());
            let of_samples = lines.chunks_mut(self.fields.len());
            let exposures = exposures.chunks(self.fields.len());
            for ((batch, lines), exposures) in batches.zip(of_samples).zip(exposures) {
                self.views(&batch?, lines, exposures)?;
            }
        }
        Ok(Sheet { title: self.title(), side: SIDE, lines })
    }

    fn title(&self) -> Vec<String> {
        vec![self.chain.to_string(), format!("seed {}", self.args.seed)]
    }

    /// Adds the view of a sample in this batch to its lines.
    fn views(&self, batch: &Batch, lines: &mut [Vec<Shot>], exposures: &[Exposure]) -> Result {
        let mut caption = vec![format!("epoch {}", batch.epoch())];
        caption.extend(self.drawn(batch)?);
        for ((field, line), exposure) in self.fields.iter().zip(lines).zip(exposures) {
            line.push(field.view(batch, &self.loader, *exposure, caption.clone())?);
            // What was drawn is the same for all fields of a sample.
            caption.truncate(1);
        }
        Ok(())
    }

    /// What the chain drew for the sample of this batch, as text.
    fn drawn(&self, batch: &Batch) -> Result<Vec<String>> {
        let index = batch.indices()[0];
        let raw = self.read(index)?;
        let key = Key::new(self.args.seed, batch.epoch());
        let key = RowKey { key, index: index as u64 };
        Ok(self.chain.drawn(self.source.schema(), key, Shapes::of(raw.view()))?)
    }

    fn read(&self, index: usize) -> Result<RowBuffer> {
        let mut buffer = RowBuffer::new(self.source.schema())?;
        self.source.read(index, &mut buffer.row(None))?;
        buffer.finish()?;
        Ok(buffer)
    }
}

/// One field of the samples, and how it is shown.
struct Shown {
    at: usize,
    name: String,
    is_mask: bool,
    raw: (RowDType, Layout),
    delivered: (RowDType, Layout),
}

impl Shown {
    fn new(name: &str, schema: &Schema, to: &Augmentation) -> Result<Self> {
        let Some(at) = schema.position(name) else {
            let message = format!("there is no field {name:?} to show in {schema}");
            return Err(Failure::Usage(message));
        };
        let (raw, delivered) = (schema.fields()[at].decoded(), &to.engine.schema().fields()[at]);
        let [layout, becomes] = if name == to.chain.field_name() {
            to.chain.layouts(schema)?
        } else {
            let layout = Layout::of(&raw).map_err(|_| {
                let message =
                    format!("{raw} cannot be shown: it is not an image, volume or signal");
                Failure::Usage(message)
            })?;
            [layout, layout]
        };
        Ok(Self {
            at,
            name: name.to_owned(),
            is_mask: to.chain.masks().any(|mask| mask == name),
            raw: (raw.dtype(), layout),
            delivered: (delivered.dtype(), becomes),
        })
    }

    /// The sample as it is read, and the exposure of its views.
    fn original(&self, sample: &Sample, source: &dyn Source) -> Result<(Shot, Exposure)> {
        let (dtype, layout) = self.raw;
        let (index, field) = (sample.index(), sample.field(self.at));
        let values = Values::new(field.bytes(), dtype, field.shape(), layout);
        let values = values.map_err(|problem| self.failed(index, &problem))?;
        let exposure = Exposure::of(&values, dtype);
        let name = source.name(index);
        let mut caption = vec![
            format!("sample {index}"),
            format!("{}: {dtype}{:?}", self.name, field.shape()),
            // The last part of a path is enough; the rest would fill the caption.
            name.rsplit('/').next().unwrap_or(&name).to_owned(),
        ];
        caption.extend(contact::labels(sample));
        let shot = self.shot(&values, exposure, dtype, caption);
        Ok((shot, exposure.delivered(dtype, self.delivered.0)))
    }

    /// The only sample of a batch.
    fn view(
        &self,
        batch: &Batch,
        loader: &Loader,
        exposure: Exposure,
        caption: Vec<String>,
    ) -> Result<Shot> {
        let tensor = &batch[&*self.name];
        let rows = Rows::of(tensor).map_err(Failure::failed)?;
        // candle has no tensors of u16, so the loader has widened it.
        let dtype = loader.schema().fields()[self.at].dtype();
        let values = Values::new(rows.row(0), dtype, &tensor.dims()[1..], self.delivered.1);
        let values = values.map_err(|problem| self.failed(batch.indices()[0], &problem))?;
        Ok(self.shot(&values, exposure, self.delivered.0, caption))
    }

    fn shot(
        &self,
        values: &Values<'_>,
        exposure: Exposure,
        dtype: RowDType,
        mut caption: Vec<String>,
    ) -> Shot {
        let tones = if self.is_mask { Tones::Classes } else { exposure.tones(values) };
        let (picture, said) = values.picture(tones, SIDE);
        caption.extend(said);
        if !tones.are_of(dtype) {
            caption.push(tones.to_string());
        }
        Shot { picture, caption }
    }

    fn failed(&self, index: usize, problem: &str) -> Failure {
        Failure::failed(format!("sample {index} cannot be shown: field {:?}: {problem}", self.name))
    }
}
