//! Saved states: some of them damaged, resumed on loaders of several kinds, and compared with a
//! whole epoch.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;
use tallow::{Field, LastBatch, Loader, RowDType, Schema, State, from_fn};

use super::{Target, words};
use crate::dice::{Dice, scramble};

const SAMPLES: usize = 53;

pub(super) struct States {
    loaders: Vec<Pair>,
}

/// Two equal loaders: one that is resumed, and one that is never interrupted.
struct Pair {
    batch_size: usize,
    resumed: Loader,
    whole: Loader,
}

impl States {
    pub(super) fn new() -> Self {
        let kinds = [
            (8, LastBatch::Keep, 0, 1),
            (8, LastBatch::Drop, 0, 1),
            (8, LastBatch::Pad, 1, 2),
            (12, LastBatch::Keep, 3, 4),
            (1, LastBatch::Keep, 0, 1),
            (64, LastBatch::Keep, 0, 1),
        ];
        let loader = |(rows, last, rank, world)| {
            let schema = Schema::new(vec![Field::new("input", RowDType::I64, &[])]).ok()?;
            let source = from_fn(schema, SAMPLES, |index, row| {
                row.field(0).copy_from_slice(&[index as i64])
            });
            let builder = Loader::builder(source).shuffle().batch_size(rows).last_batch(last);
            builder.rank(rank, world).workers(0).seed(5).build().ok()
        };
        let loaders = kinds.into_iter().filter_map(|kind| {
            Some(Pair { batch_size: kind.0, resumed: loader(kind)?, whole: loader(kind)? })
        });
        Self { loaders: loaders.collect() }
    }
}

impl Target for States {
    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let at = dice.below(self.loaders.len());
        let loader = &self.loaders[at].whole;
        let epoch = *dice.pick(&[0, 0, 1, 7, u64::MAX - 1, u64::MAX]);
        // After the last epoch there are no batches.
        let batches = if epoch == u64::MAX { 0 } else { loader.len() };
        let state = loader.state_at(epoch, dice.below(batches + 1));
        let state = state.map_err(io::Error::other)?;
        let mut state = serde_json::to_value(&state).map_err(io::Error::other)?;
        if let (Value::Object(entries), true) = (&mut state, dice.one_in(2)) {
            let keys: Vec<String> = entries.keys().cloned().collect();
            for _ in 0..1 + dice.below(2) {
                let key = dice.pick(&keys).clone();
                let value = serde_json::from_str(&dice.number()).unwrap_or(Value::Null);
                match dice.below(8) {
                    0 => drop(entries.remove(&key)),
                    1 => drop(entries.insert(key, Value::String("0".repeat(dice.below(20))))),
                    _ => drop(entries.insert(key, value)),
                }
            }
        }
        let mut text = state.to_string().into_bytes();
        if dice.one_in(4) {
            (0..1 + dice.below(3)).for_each(|_| scramble(&mut text, dice));
        }
        fs::write(dir.join("state.json"), text)
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let text = fs::read(dir.join("state.json")).map_err(|error| error.to_string())?;
        let Ok(state) = serde_json::from_slice::<State>(&text) else { return Ok(0) };
        let text = serde_json::to_vec(&state).map_err(|error| error.to_string())?;
        if serde_json::from_slice::<State>(&text).ok().as_ref() != Some(&state) {
            return Err("the state does not read back as itself".to_owned());
        }
        for (at, pair) in self.loaders.iter().enumerate() {
            pair.resume(&state).map_err(|what| format!("loader {at}: {what}"))?;
        }
        Ok(0)
    }
}

impl Pair {
    /// Resumes `state`, and compares what follows with an epoch that was not interrupted.
    fn resume(&self, state: &State) -> Result<(), String> {
        if let Err(error) = self.resumed.resume(state) {
            return words::check(&error.to_string());
        }
        let epoch = state.epoch();
        if epoch == u64::MAX {
            // All epochs have been delivered.
            return Ok(());
        }
        let (rest, whole) = (indices(&self.resumed, epoch)?, indices(&self.whole, epoch)?);
        let batch = state.position() as usize / self.batch_size;
        if whole.get(batch..) != Some(&rest[..]) {
            return Err(format!("after batch {batch} of {whole:?} came {rest:?}"));
        }
        Ok(())
    }
}

/// The samples of every delivered batch of an epoch.
fn indices(loader: &Loader, epoch: u64) -> Result<Vec<Vec<usize>>, String> {
    let batches = loader.epoch(epoch).take(SAMPLES + 1);
    batches.map(|batch| Ok(batch.map_err(|error| error.to_string())?.indices().to_vec())).collect()
}
