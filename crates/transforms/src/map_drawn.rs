use std::fmt;
use std::sync::Arc;

use tallow_core::{
    Draws, Engine, Fingerprint, Key, Purpose, Result, Row, RowKey, RowView, Schema, Shapes, Stream,
    Transform,
};

/// A transform that rewrites each sample with a closure that draws random numbers, in the workers:
/// `f` reads the input row, draws from its [`Draws`], and writes every field of the output row,
/// which has the fields of `output`.
///
/// What is drawn depends on `name`, on the seed and the epoch of the loader, and on the sample:
/// on nothing else, so that batches are the same for any number of workers, and after resuming.
/// Each sample begins at the first number of its own; how many a closure takes is up to it. Two
/// closures of one loader need two names.
///
/// The closure must be a pure function of its input and of what it draws. A panic in it becomes an
/// error of its sample. A saved state cannot know what the closure does: [`MapDrawn::version`] tells
/// it.
///
/// A gain of half to one and a half times, for example:
///
/// ```
/// use tallow_core::{Field, RowDType, Schema};
///
/// let output = Schema::new(vec![Field::new("input", RowDType::F32, &[4])])?;
/// let gain = tallow_transforms::map_drawn("gain", output, |input, draws, out| {
///     let factor = 0.5 + draws.unit_f64() as f32;
///     let signal = input.field("input").as_slice::<f32>()?;
///     let louder: [f32; 4] = std::array::from_fn(|i| factor * signal[i]);
///     out.field("input").copy_from_slice(&louder)
/// });
/// # let _ = gain;
/// # Ok::<(), tallow_core::Error>(())
/// ```
pub fn map_drawn<F>(name: impl Into<String>, output: Schema, f: F) -> MapDrawn<F>
where
    F: Fn(RowView<'_>, &mut Draws, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
{
    MapDrawn { name: name.into(), output, f: Arc::new(f), version: 0 }
}

/// The transform that [`map_drawn`] makes.
pub struct MapDrawn<F> {
    name: String,
    output: Schema,
    f: Arc<F>,
    version: u64,
}

impl<F> MapDrawn<F> {
    /// A number that a saved state remembers: change it with the closure, and states saved before
    /// are refused. The default is 0.
    #[must_use]
    pub fn version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The stream of the draws. No step of a chain has this name.
    fn stream(&self) -> Stream {
        Stream::new(&format!("{}/map_drawn", self.name), 0, Purpose::Transform)
    }
}

impl<F> fmt::Debug for MapDrawn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("MapDrawn");
        debug.field("name", &self.name).field("output", &self.output);
        debug.field("version", &self.version).finish_non_exhaustive()
    }
}

impl<F> Transform for MapDrawn<F>
where
    F: Fn(RowView<'_>, &mut Draws, &mut Row<'_>) -> Result<()> + Send + Sync + 'static,
{
    fn bind(&self, _schema: &Schema) -> Result<Box<dyn Engine>> {
        let (output, f) = (self.output.clone(), self.f.clone());
        Ok(Box::new(MapDrawnEngine { output, f, streams: [self.stream()] }))
    }

    fn fingerprint(&self) -> Fingerprint {
        let print = Fingerprint::of("map_drawn").text(&self.name).text(&self.output.to_string());
        print.number(self.version).finish()
    }
}

struct MapDrawnEngine<F> {
    output: Schema,
    f: Arc<F>,
    streams: [Stream; 1],
}

/// Words of a plan: the key of the row, and its sample.
const PLAN_WORDS: usize = 2;

impl<F> Engine for MapDrawnEngine<F>
where
    F: Fn(RowView<'_>, &mut Draws, &mut Row<'_>) -> Result<()> + Send + Sync,
{
    fn schema(&self) -> &Schema {
        &self.output
    }

    fn plan_bytes(&self) -> usize {
        size_of::<[u64; PLAN_WORDS]>()
    }

    fn plan(&self, key: RowKey, _shapes: Shapes<'_>, plan: &mut [u8]) -> Result<()> {
        plan.copy_from_slice(bytemuck::bytes_of(&[key.key.bits(), key.index]));
        Ok(())
    }

    fn run(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> Result<()> {
        let [key, index]: [u64; PLAN_WORDS] = bytemuck::pod_read_unaligned(plan);
        let key = RowKey { key: Key::from_bits(key), index };
        (self.f)(raw, &mut key.draws(self.streams[0]), row)
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }
}

#[cfg(test)]
mod tests {
    use tallow_core::{Field, RowDType};

    use super::*;

    #[test]
    fn names_and_versions_have_fingerprints_of_their_own() {
        let of = |name: &str, version| {
            let output = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
            map_drawn(name, output, |_, _, _| Ok(())).version(version).fingerprint()
        };
        assert_eq!(of("a", 1), of("a", 1));
        assert_ne!(of("a", 1), of("a", 2));
        assert_ne!(of("a", 1), of("b", 1));
    }
}
