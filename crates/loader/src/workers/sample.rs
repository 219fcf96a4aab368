//! One sample, made for looking at it.

use tallow_core::{Key, RowKey, Sample};

use super::epoch::Epoch;
use super::worker::Filler;
use crate::user_code::{catch, discard};
use crate::visit::Visit;
use crate::{BatchId, Error, ErrorKind, Result};

impl Filler {
    /// Sample `index` as epoch `epoch` delivers it.
    pub(crate) fn sample(&self, epoch: u64, index: usize) -> Result<Sample> {
        let samples = self.delivery.course.population.samples();
        if index >= samples {
            let message = format!("no sample {index}, the source has {samples}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let batch_size = self.delivery.course.batching.batch_size();
        let visit = self.delivery.visit(BatchId { epoch, number: index / batch_size })?;
        let made = catch(|| self.of_visit(&visit, epoch, index));
        discard(visit);
        made.unwrap_or_else(|text| {
            let message = format!("{text:?} in the order of the epoch");
            Err(Error::new(ErrorKind::Panic, message))
        })
    }

    fn of_visit(&self, visit: &Visit, epoch: u64, index: usize) -> Result<Sample> {
        let course = &self.delivery.course;
        let (order, pass) = (&*visit.order, visit.pass.as_deref());
        if let Some(len) = pass.and_then(|pass| pass.reach(index + 1, &mut |_| true)) {
            let message = format!("no sample {index}, the stream of epoch {epoch} has {len}");
            return Err(Error::new(ErrorKind::Config, message));
        }
        let mut key = Key::new(course.seed, epoch);
        if order.repeats() {
            // Each repetition has random numbers of its own: these are those of the first.
            let found = (0..order.len()).find(|&position| order.index(position) == index);
            let position = found.ok_or_else(|| {
                let message = format!("epoch {epoch} does not visit sample {index}");
                Error::new(ErrorKind::Config, message)
            })?;
            key = key.at(position as u64);
        }
        let epoch = Epoch { order, key, samples: course.population.samples(), pass };
        let row = self.pipeline.delivered(epoch, RowKey { key, index: index as u64 })?;
        Ok(Sample::from_row(index, row)?)
    }
}
