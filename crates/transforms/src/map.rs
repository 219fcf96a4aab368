use std::fmt;
use std::sync::Arc;

use tallow_core::{Engine, Fingerprint, Result, Row, RowView, Schema, Transform};

/// A transform that rewrites each sample with a closure, in the workers: `f` reads the input row
/// and writes every field of the output row, which has the fields of `output`.
///
/// The closure must be a pure function of its input, or the loader's promise of equal batches does not
/// hold. [`map_drawn`](crate::map_drawn()) gives random numbers to a closure. A panic in it becomes an error of its
/// sample. A saved state cannot know what the closure does; [`Map::version`] tells it.
///
/// ```
/// use tallow_core::{Field, RowDType, Schema};
///
/// let output = Schema::new(vec![Field::new("input", RowDType::F32, &[4])])?;
/// let scale = tallow_transforms::map(output, |input, out| {
///     let pixels = input.field("input").as_slice::<u8>()?;
///     let scaled: [f32; 4] = std::array::from_fn(|i| f32::from(pixels[i]) / 255.0);
///     out.field("input").copy_from_slice(&scaled)
/// });
/// # Ok::<(), tallow_core::Error>(())
/// ```
pub fn map<F>(output: Schema, f: F) -> Map<F>
where
    F: Fn(RowView<'_>, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
{
    Map { output, f: Arc::new(f), version: 0 }
}

/// The transform that [`map`] makes.
pub struct Map<F> {
    output: Schema,
    f: Arc<F>,
    version: u64,
}

impl<F> Map<F> {
    /// A number that a saved state remembers: change it with the closure, and states saved before
    /// are refused. The default is 0.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }
}

impl<F> fmt::Debug for Map<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Map");
        debug.field("output", &self.output).field("version", &self.version).finish_non_exhaustive()
    }
}

impl<F> Transform for Map<F>
where
    F: Fn(RowView<'_>, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
{
    fn bind(&self, _schema: &Schema) -> Result<Box<dyn Engine>> {
        Ok(Box::new(MapEngine { output: self.output.clone(), f: self.f.clone() }))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("map").text(&self.output.to_string()).number(self.version).finish()
    }
}

struct MapEngine<F> {
    output: Schema,
    f: Arc<F>,
}

impl<F> Engine for MapEngine<F>
where
    F: Fn(RowView<'_>, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    fn schema(&self) -> &Schema {
        &self.output
    }

    fn run(
        &self,
        _plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> Result<()> {
        (self.f)(raw, row)
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Field, RowBuffer, RowDType};

    use super::*;

    #[test]
    fn the_closure_writes_the_output_fields() {
        let input = Schema::new(vec![Field::new("x", RowDType::U8, &[2])]).unwrap();
        let output = Schema::new(vec![Field::new("sum", RowDType::U32, &[])]).unwrap();
        let transform = map(output, |input, out| {
            let sum: u32 = input.field(0).as_slice::<u8>()?.iter().map(|&x| u32::from(x)).sum();
            out.field(0).copy_from_slice(&[sum])
        });
        let engine = transform.bind(&input).unwrap();
        let mut raw = RowBuffer::new(&input).unwrap();
        raw.row(None).field(0).copy_from_slice(&[200u8, 100]).unwrap();
        let mut out = RowBuffer::new(engine.schema()).unwrap();
        let mut row = out.row(None);
        engine.run(&[], raw.view(), &mut row, &mut []).unwrap();
        row.finish().unwrap();
        assert_eq!(out.view().field(0).as_slice::<u32>().unwrap(), [300]);
    }

    #[test]
    fn versions_have_fingerprints_of_their_own() {
        let output = || Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
        let of = |version| map(output(), |_, _| Ok(())).version(version).fingerprint();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
