//! What must be known of values before any is delivered: the longest, and the shapes of arrays.

use super::encoding::{Element, Encoding};
use super::layout::{Column, Layout};
use super::shard::Shard;
use super::stored::Stored;
use crate::{Dim, Error, ErrorKind, Result, RowDType};

/// How many samples are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// None: sizes of samples tell enough.
    Nowhere,
    First,
    All,
}

/// What values of one column are like.
#[derive(Debug, Clone, Default)]
pub(super) struct Likeness {
    pub(super) dtype: Option<RowDType>,
    /// The least and the most of each axis.
    axes: Option<Vec<[usize; 2]>>,
}

impl Likeness {
    /// Those of the values whose sizes are these.
    fn of_sizes(sizes: [u64; 2]) -> Self {
        Self { dtype: None, axes: Some(vec![sizes.map(|size| size as usize)]) }
    }

    /// The axes, ragged where values differ.
    pub(super) fn dims(&self) -> Vec<Dim> {
        let dim = |&[least, most]: &[usize; 2]| match least == most {
            true => Dim::Fixed(most),
            false => Dim::Ragged { max: most },
        };
        self.axes.iter().flatten().map(dim).collect()
    }

    fn add(&mut self, element: Element, shape: &[usize]) -> Result<()> {
        let dtype = *self.dtype.get_or_insert(element.dtype);
        let axes = self.axes.get_or_insert_with(|| shape.iter().map(|&len| [len; 2]).collect());
        if dtype != element.dtype {
            let message = format!("found {}, expected {dtype} as before", element.dtype);
            return Err(Error::new(ErrorKind::DtypeMismatch, message));
        }
        if axes.len() != shape.len() {
            let message = format!("found shape {shape:?}, expected {} axes as before", axes.len());
            return Err(Error::new(ErrorKind::ShapeMismatch, message));
        }
        let pairs = axes.iter_mut().zip(shape);
        pairs.for_each(|(axis, &len)| *axis = [axis[0].min(len), axis[1].max(len)]);
        Ok(())
    }
}

/// What the `chosen` columns are like.
pub(super) fn survey(
    shards: &[Shard],
    layout: &Layout,
    chosen: &[usize],
    looks: Looks,
) -> Result<Vec<Likeness>> {
    let mut found = vec![Likeness::default(); chosen.len()];
    let mut before = 0;
    for shard in shards {
        let samples = match looks {
            Looks::Nowhere => 0,
            Looks::First => shard.samples.min(1).saturating_sub(before),
            Looks::All => shard.samples,
        };
        shard.file.read(None, &|| false, |file| {
            (0..samples).try_for_each(|own| {
                let run = |stored: &Stored<'_>, mut values: super::layout::Values<'_>| {
                    for (likeness, &at) in found.iter_mut().zip(chosen) {
                        let column = &layout.columns[at];
                        let place = values.find(at);
                        let look = look(stored, place, column, likeness);
                        look.map_err(|error| error.with_field(&column.name))?;
                    }
                    Ok(())
                };
                let read = Stored::read(file, shard.place(own), layout, chosen.len(), run);
                read.map_err(|error| error.with_index(before + own))
            })
        })?;
        before += shard.samples;
    }
    if looks != Looks::All {
        let bounds = bounds(shards, layout);
        for (likeness, &at) in found.iter_mut().zip(chosen) {
            if layout.columns[at].encoding.is_bytes() {
                *likeness = Likeness::of_sizes(bounds);
            }
        }
    }
    Ok(found)
}

fn look(
    stored: &Stored<'_>,
    place: (u64, usize),
    column: &Column,
    likeness: &mut Likeness,
) -> Result<()> {
    match &column.encoding {
        Encoding::Array(_) | Encoding::Typed(_) => {
            let head = stored.array_head(place, &column.encoding)?;
            likeness.add(head.element, head.shape())
        }
        encoding if encoding.is_bytes() => likeness.add(Element::BYTE, &[place.1]),
        _ => Ok(()),
    }
}

/// The least and the most bytes that a value of no fixed size has, as far as the sizes of samples tell:
/// exactly where there is one such column.
fn bounds(shards: &[Shard], layout: &Layout) -> [u64; 2] {
    let sizes = shards.iter().filter(|shard| shard.samples > 0).map(|shard| shard.sizes);
    let [least, most] = sizes.fold([u64::MAX, layout.least], |[a, b], [c, d]| [a.min(c), b.max(d)]);
    match layout.has_one_varying() {
        true => [least.max(layout.least), most].map(|size| size - layout.least),
        false => [0, most - layout.least],
    }
}
