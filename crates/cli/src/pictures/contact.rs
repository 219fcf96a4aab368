//! The first samples of a source as one picture: a row of thumbnails for each field of images.

use tallow::{Field, Layout, RowDType, Sample, Source};

use crate::data::numbers::{Range, short};
use crate::data::pixels;
use crate::pictures::sheet::{Sheet, Shot};
use crate::pictures::values::{Exposure, Values};
use crate::terminal::exit::{Failure, Result};

/// Pixels of a thumbnail.
const SIDE: usize = 128;

/// Thumbnails side by side, about as many as fit on a screen.
const COLUMNS: usize = 8;

/// Reads the first `samples` samples, or all if there are fewer, and lays them out.
///
/// # Errors
///
/// A usage error if no field is an image; otherwise the error of a sample that cannot be read or
/// shown.
pub(crate) fn sheet(source: &dyn Source, samples: usize) -> Result<Sheet> {
    let fields: Vec<Field> = source.schema().fields().iter().map(Field::decoded).collect();
    let strips = strips(&fields)?;
    let samples = samples.min(source.len());
    if samples == 0 {
        return Err(Failure::failed("there is no sample to show"));
    }
    let mut shots: Vec<Vec<Shot>> = strips.iter().map(|_| Vec::new()).collect();
    for index in 0..samples {
        let sample = pixels::sample(source, index)?;
        for (strip, shots) in strips.iter().zip(&mut shots) {
            shots.push(strip.shot(&sample)?);
        }
    }
    let mut lines: Vec<Vec<Shot>> = Vec::new();
    for mut shots in shots {
        while shots.len() > COLUMNS {
            let rest = shots.split_off(COLUMNS);
            lines.push(std::mem::replace(&mut shots, rest));
        }
        lines.push(shots);
    }
    let title = strips.iter().map(|strip| strip.field.to_string()).collect();
    Ok(Sheet { title, side: SIDE, lines })
}

/// The fields that are images.
fn strips(fields: &[Field]) -> Result<Vec<Strip<'_>>> {
    let strips = fields.iter().enumerate().filter_map(|(at, field)| Strip::new(at, field));
    let strips: Vec<Strip<'_>> = strips.collect();
    if strips.is_empty() {
        let fields: Vec<String> = fields.iter().map(ToString::to_string).collect();
        return Err(Failure::Usage(format!(
            "--png needs a field of images, with two axes, or with three or four of which the \
             first or last has at most 4 channels; found {}",
            fields.join(", ")
        )));
    }
    Ok(strips)
}

/// One field of images.
struct Strip<'a> {
    at: usize,
    field: &'a Field,
    layout: Layout,
}

impl<'a> Strip<'a> {
    /// A field with one axis is not an image: more often it holds classes or boxes than a signal.
    fn new(at: usize, field: &'a Field) -> Option<Self> {
        let layout = Layout::of(field).ok()?;
        let shown = layout.rank() > 1 && field.dtype() != RowDType::F8E4M3;
        shown.then_some(Self { at, field, layout })
    }

    fn shot(&self, sample: &Sample) -> Result<Shot> {
        let (index, field) = (sample.index(), sample.field(self.at));
        let dtype = self.field.dtype();
        let cannot = |problem| {
            let name = self.field.name();
            Failure::failed(format!("sample {index} cannot be shown: field {name:?}: {problem}"))
        };
        let values = Values::new(field.bytes(), dtype, field.shape(), self.layout);
        let values = values.map_err(cannot)?;
        let tones = Exposure::of(&values, dtype).tones(&values);
        let (picture, said) = values.picture(tones, SIDE);
        let mut caption = vec![format!("{} {index}", self.field.name())];
        caption.extend(labels(sample));
        if field.shape() != self.field.max_shape() {
            caption.push(format!("{:?}", field.shape()));
        }
        caption.extend(said);
        if !tones.are_of(dtype) {
            caption.push(tones.to_string());
        }
        Ok(Shot { picture, caption })
    }
}

/// The values of the first few fields that hold a single number, by name where it has one.
pub(crate) fn labels(sample: &Sample) -> Vec<String> {
    const LABELS_MAX: usize = 3;
    let label = |at: usize| {
        let field = sample.field(at);
        let is_one = field.shape().iter().product::<usize>() == 1;
        let range = Range::of(field.bytes(), field.dtype()).filter(|_| is_one)?;
        let class = field
            .declared()
            .classes()
            .and_then(|names| names.get(usize::try_from(field.integer().ok()?).ok()?));
        if let Some(class) = class {
            return Some(format!("{}: {class}", field.name()));
        }
        let number = range.ends().map_or_else(|| "no number".to_owned(), |(n, _)| short(n));
        Some(format!("{}: {number}", field.name()))
    };
    (0..sample.schema().fields().len()).filter_map(label).take(LABELS_MAX).collect()
}
