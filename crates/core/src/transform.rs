use bytemuck::allocation::try_zeroed_vec;
use candle_core::Device;

use crate::device::DeviceEngine;
use crate::encoding::PictureHead;
use crate::{Draws, Error, ErrorKind, Fingerprint, Key, Result, Row, RowView, Schema, Stream};

/// A step between a source's raw rows and the rows that are delivered.
///
/// A transform is a description; [`bind`](Self::bind) makes the engine that does the work for one
/// schema. This trait is all that transforms and the loader know of each other.
pub trait Transform: Send + Sync {
    /// An engine for rows of `schema`.
    ///
    /// # Errors
    ///
    /// When the transform cannot work on this schema, saying why.
    fn bind(&self, schema: &Schema) -> Result<Box<dyn Engine>>;

    /// The engine for batches that are finished on `device`, which is not the CPU. `None` if the
    /// transform has none; then the engine of [`bind`](Self::bind) makes the rows in the workers.
    ///
    /// # Errors
    ///
    /// As `bind`, and when the transform's engine for the device cannot do this.
    fn bind_on(&self, device: &Device, schema: &Schema) -> Result<Option<Box<dyn DeviceEngine>>> {
        let _ = (device, schema);
        Ok(None)
    }

    /// Whether the transform works on encoded fields as a source leaves them in a row. By default it
    /// does not, and is given decoded rows.
    fn takes_encoded(&self) -> bool {
        false
    }

    /// What a saved state remembers of the transform. It changes with everything that changes the
    /// delivered bytes.
    fn fingerprint(&self) -> Fingerprint;
}

/// A transform bound to a schema.
///
/// # Contract
///
/// - *Threads.* All methods are called from many threads at once.
/// - *Determinism.* `plan` is a pure function of key and shapes (of an encoded field, of its head),
///   and `run` of plan and raw row.
/// - *Fields.* `run` writes every field of the output row completely.
/// - *Memory.* Plans and scratch begin at a multiple of 8 bytes.
pub trait Engine: Send + Sync {
    /// The fields that `run` writes.
    fn schema(&self) -> &Schema;

    /// Executes a plan: reads the raw row, writes the output row. `scratch` is
    /// [`scratch_bytes`](Self::scratch_bytes) bytes of any content.
    ///
    /// # Errors
    ///
    /// When this sample cannot be transformed.
    fn run(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        scratch: &mut [u8],
    ) -> Result<()>;

    /// Checks the values of a raw row. The loader calls this for each row and each partner after it
    /// is read, before anything is made of it on any device.
    ///
    /// # Errors
    ///
    /// When the engine cannot work with these values.
    fn check(&self, raw: RowView<'_>) -> Result<()> {
        let _ = raw;
        Ok(())
    }

    /// Writes the plan of one sample, with all its random numbers drawn. Runs after the raw row is
    /// read, because the shapes of ragged fields are not known before. `plan` is zeroed.
    ///
    /// # Errors
    ///
    /// When the shapes cannot be transformed.
    fn plan(&self, key: RowKey, shapes: Shapes<'_>, plan: &mut [u8]) -> Result<()> {
        let _ = (key, shapes, plan);
        Ok(())
    }

    /// Bytes of a plan.
    fn plan_bytes(&self) -> usize {
        0
    }

    /// Bytes of scratch memory that `run` needs.
    fn scratch_bytes(&self) -> usize {
        0
    }

    /// How the engine mixes a second row into a row, for engines that do. By default there is none.
    /// An engine always answers the same.
    fn mixer(&self) -> Option<&dyn Mixer> {
        None
    }

    /// The streams that `plan` and the mixer draw from. Two steps of one loader may not share a
    /// stream, unless their engines [draw as](Self::draws_as) the same.
    fn streams(&self) -> &[Stream] {
        &[]
    }

    /// The name that the user gave the streams: engines with the same name draw the same numbers. By
    /// default there is none.
    fn draws_as(&self) -> Option<&str> {
        None
    }
}

/// The part of an engine that mixes a second row into some of its rows, as MixUp and CutMix do.
///
/// # Contract
///
/// - *The partner.* [`partner`](Self::partner) names a position of the same epoch, which may be the
///   position of the row itself. The loader reads the sample at that position and runs the engines
///   before this one on it, under the key that the sample has there. The partner of a row is
///   therefore what that position's own row would be at this point of the chain, and a mixed row
///   depends on seed, epoch and position as any other row does.
/// - *Calls.* For a row with a partner the loader calls [`plan_pair`](Self::plan_pair) and
///   [`run_pair`](Self::run_pair) instead of [`plan`](Engine::plan) and [`run`](Engine::run), and
///   what [`Engine`] promises of those holds for these. A row without a partner takes the usual way.
/// - *Errors.* When the partner cannot be read, the row fails.
/// - *One per chain.* Only one engine of a chain may mix: a second one would have to know the
///   partner of the partner, and each row would need four samples.
pub trait Mixer: Send + Sync {
    /// The position of the row that is mixed into the row of `key`, below `positions`, which is the
    /// length of the epoch's order; `None` when the row stays alone. A pure function of its arguments.
    fn partner(&self, key: RowKey, positions: usize) -> Option<usize>;

    /// Writes the plan of a row that has a partner. `own` and `partner` are the key of each, and the
    /// shapes of each as `run_pair` will see them. `plan` is zeroed.
    ///
    /// # Errors
    ///
    /// When the shapes cannot be transformed or mixed; an error of the partner as in
    /// [`run_pair`](Self::run_pair).
    fn plan_pair(
        &self,
        own: (RowKey, Shapes<'_>),
        partner: (RowKey, Shapes<'_>),
        plan: &mut [u8],
    ) -> Result<()>;

    /// Executes a plan that [`plan_pair`](Self::plan_pair) wrote, on the row and its partner. Both have
    /// the schema that the engine is bound to.
    ///
    /// # Errors
    ///
    /// When these samples cannot be transformed. An engine does not know which sample the partner is:
    /// it marks an error of the partner by [`Error::of_partner`](crate::Error::of_partner).
    fn run_pair(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        partner: RowView<'_>,
        row: &mut Row<'_>,
        scratch: &mut [u8],
    ) -> Result<()>;
}

/// What the random numbers of one row depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowKey {
    /// Seed and epoch, and the position where the order can repeat an index.
    pub key: Key,
    /// The sample.
    pub index: u64,
}

impl RowKey {
    /// The draws of `stream` for this row.
    pub fn draws(self, stream: Stream) -> Draws {
        self.key.draws(stream, self.index)
    }
}

/// The shapes of a raw row, without its values.
#[derive(Debug, Clone, Copy)]
pub struct Shapes<'a> {
    row: RowView<'a>,
    /// Of each field, where they are known already.
    heads: Option<&'a [Option<PictureHead>]>,
}

impl<'a> Shapes<'a> {
    /// The shapes of `row`.
    pub fn of(row: RowView<'a>) -> Self {
        Self { row, heads: None }
    }

    /// The shapes of `row`, in which the files of pictures may be missing: `heads` are theirs, one per
    /// field, and none of other fields.
    pub fn with_heads(row: RowView<'a>, heads: &'a [Option<PictureHead>]) -> Self {
        Self { row, heads: Some(heads) }
    }

    /// The shape of field `field`.
    ///
    /// # Panics
    ///
    /// When the schema has no such field.
    pub fn shape(&self, field: usize) -> &'a [usize] {
        self.row.field(field).shape()
    }

    /// The head of the picture in field `field`, if its pictures are not decoded yet.
    ///
    /// # Errors
    ///
    /// When it is no picture, or one that the field does not admit.
    ///
    /// # Panics
    ///
    /// When the schema has no such field.
    pub fn picture(&self, field: usize) -> Result<Option<PictureHead>> {
        if let Some(heads) = self.heads {
            return Ok(heads[field].clone());
        }
        let field = self.row.field(field);
        let Some(picture) = field.declared().as_picture() else { return Ok(None) };
        picture.head(field.bytes()).map(Some).map_err(|error| error.with_field(field.name()))
    }
}

fn _assert_trait_objects(_: &dyn Transform, _: &dyn Engine, _: &dyn Mixer) {}

/// `bytes` of zeros for a plan or for scratch, rounded up to whole words, at a multiple of 8 bytes.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] when there is not that much memory.
pub fn zeroed_words(bytes: usize) -> Result<Vec<u64>> {
    // Zeros from the system are free, page by page as they are touched. Asking first by reserving as
    // much would spoil that: where freed memory is kept, the zeros would be written over it, gigabytes
    // where a chain has canvases for the largest picture.
    try_zeroed_vec(bytes.div_ceil(size_of::<u64>())).map_err(|()| {
        Error::new(ErrorKind::TooLarge, format!("no memory for {bytes} bytes of a transform"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_no_memory_has_are_an_error() {
        assert_eq!(zeroed_words(9).unwrap(), [0, 0]);
        for bytes in [1 << 60, usize::MAX] {
            assert_eq!(zeroed_words(bytes).unwrap_err().kind(), ErrorKind::TooLarge);
        }
    }
}
