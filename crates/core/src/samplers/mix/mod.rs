//! Mixtures: parts of a source by weight. `period` spreads the turns of the parts, `schedule` says which
//! turn a position is, and `order` which sample, by the permutations of `ciphers`.

mod ciphers;
mod order;
mod period;
mod schedule;

use std::fmt;
use std::sync::{Arc, OnceLock};

use self::order::MixOrder;
use self::period::{Period, whole_counts};
use self::schedule::Schedule;
use crate::{
    ConcatMany, Error, ErrorKind, Fingerprint, Order, PartShare, Population, Result, Sampler,
    Source, concat,
};

/// The parts of a concatenation mixed by weight, each in an order and in epochs of its own.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use tallow_core::{Memory, Mix, Population, Sampler, Source};
///
/// let source = |from: i64, len: i64| {
///     Memory::new([("x", Tensor::arange(from, from + len, &Device::Cpu)?)])
/// };
/// let (web, code) = (source(0, 600)?, source(1000, 100)?);
/// let (source, mix) = Mix::weighted([(web, 3.0), (code, 1.0)])?;
/// // What a loader is built of: Loader::builder(source).sampler(mix)
/// let population: Population = source.population();
/// let order = mix.order(&population, 7, 0)?;
/// let parts: Vec<usize> = (0..8).map(|at| population.part_of(order.index(at))).collect();
/// assert_eq!(parts, [0, 0, 1, 0, 0, 0, 1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Shares
///
/// Whose turn it is repeats with a period: 4 turns for weights of 3 and 1. The shares of a period are
/// exact, and after any number of turns every part is within one of its share. A period has at most 2^16
/// turns. Weights whose ratios do not fit into so many are rounded, and one above 0 has a turn at least.
/// Nothing of this is random, and so each batch has the same shares, too.
///
/// # Epochs
///
/// Every part comes in an order that is drawn anew each time it was seen wholly: all of its samples come
/// once before any comes again. That is an epoch of the part, and has nothing to do with the epochs of the
/// loader. These are pieces of one stream that does not end: epoch 1 goes on where epoch 0 ended, so that
/// shares, and how often samples come, are right over all of a training. [`Until`] says how long an
/// epoch of the loader is.
///
/// # Cost
///
/// Any position is computed without those before it, from the table of the period (6 bytes per turn) and
/// a keyed permutation: no list of samples is ever made, and an epoch begins within microseconds however
/// many samples there are. A part with a sampler of its own holds up to two orders of it.
#[derive(Clone)]
pub struct Mix {
    /// Sorted by their first positions; the first is at 0.
    stages: Vec<Stage>,
    until: Until,
    /// Of the parts that have one of their own.
    samplers: Vec<Option<Arc<dyn Sampler>>>,
    /// For the population that was asked first.
    planned: Arc<OnceLock<(Population, Arc<Schedule>)>>,
}

/// Weights from a position on.
#[derive(Debug, Clone)]
struct Stage {
    start: u64,
    weights: Vec<f64>,
    period: Arc<Period>,
}

/// How long an epoch of a [`Mix`] is.
///
/// The length is the same in every epoch: as it is for the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Until {
    /// Until every part was seen wholly. Parts that end before begin again. Nothing is missing from an
    /// epoch, as with `all_exhausted` of Hugging Face and `CYCLE_UNTIL_ALL_DATASETS_EXHAUSTED` of
    /// torchdata.
    #[default]
    AllSeen,
    /// Until the first part ends: little comes twice, as with `first_exhausted` of Hugging Face.
    FirstEnds,
    /// Every sample once: a part that ends is left out, and the others share its turns by their weights.
    /// Each epoch begins anew.
    EachOnce,
    /// This many samples.
    Samples(usize),
}

impl Mix {
    /// The most parts with [`Until::EachOnce`], where each that ends needs a period for those left.
    const ONCE_MAX: usize = 1 << 10;

    /// A weight for each part of a source: of each source of [`concat()`], in order. Only their ratios
    /// count; a part whose weight is 0 never comes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a weight is negative or not finite, when none is above 0, or when more
    /// than 2^16 are.
    pub fn new(weights: &[f64]) -> Result<Self> {
        let samplers = vec![None; weights.len()];
        let stages = vec![Stage::new(0, weights)?];
        Ok(Self { stages, until: Until::default(), samplers, planned: Arc::default() })
    }

    /// The concatenation of these sources, and the mixture of its parts by these weights: the source and
    /// the sampler of a loader. Sources of different kinds go together as `Box<dyn Source>`; fields that
    /// are called otherwise are [renamed](crate::SourceExt::rename) first.
    ///
    /// # Errors
    ///
    /// As [`concat()`] and [`new`](Self::new).
    pub fn weighted<S: Source>(
        sources: impl IntoIterator<Item = (S, f64)>,
    ) -> Result<(ConcatMany<S>, Self)> {
        let (sources, weights): (Vec<S>, Vec<f64>) = sources.into_iter().unzip();
        Ok((concat(sources)?, Self::new(&weights)?))
    }

    /// Other weights from position `position` on: a curriculum. Positions count over all epochs, so step
    /// `s` of a training begins at position `s * batch_size`, if an epoch is a whole number of batches. Each
    /// part goes on where it was.
    ///
    /// ```
    /// use tallow_core::{Mix, Population, Sampler, Until};
    ///
    /// let mix = Mix::new(&[1.0, 0.0])?.then_at(4, &[1.0, 1.0])?.until(Until::Samples(8));
    /// let population = Population::of_parts([100, 100])?;
    /// let order = mix.order(&population, 7, 0)?;
    /// let parts: Vec<usize> = (0..8).map(|at| population.part_of(order.index(at))).collect();
    /// assert_eq!(parts, [0, 0, 0, 0, 0, 1, 0, 1]);
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`ErrorKind::Config`] when there are not as many weights as before,
    /// or when `position` is not above that of the weights before.
    pub fn then_at(mut self, position: u64, weights: &[f64]) -> Result<Self> {
        let expected = self.samplers.len();
        if weights.len() != expected {
            let found = weights.len();
            let message = format!(
                "found {found} weights from position {position} on, expected {expected} as before"
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        let last = self.stages.last().map_or(0, |stage| stage.start);
        if position <= last {
            let message = format!(
                "weights from position {position} on, expected one above {last}, where the weights before \
                 begin"
            );
            return Err(Error::new(ErrorKind::Config, message));
        }
        self.stages.push(Stage::new(position, weights)?);
        self.planned = Arc::default();
        Ok(self)
    }

    /// How long an epoch is. The default is [`Until::AllSeen`].
    #[must_use]
    pub fn until(mut self, until: Until) -> Self {
        self.until = until;
        self.planned = Arc::default();
        self
    }

    /// The samples of part `part` in the orders of `sampler`, for example
    /// [`Sequential`](crate::Sequential). By default a part is shuffled.
    ///
    /// The sampler sees the part as a source of its own, and counts the part's own epochs. Other parts
    /// get other seeds.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no weight for such a part.
    pub fn part_sampler(mut self, part: usize, sampler: impl Sampler + 'static) -> Result<Self> {
        let parts = self.samplers.len();
        let Some(place) = self.samplers.get_mut(part) else {
            let message = format!("a sampler for part {part}, the mixture has {parts}");
            return Err(Error::new(ErrorKind::Config, message));
        };
        *place = Some(Arc::new(sampler));
        self.planned = Arc::default();
        Ok(self)
    }

    /// The share of each part from `position` on, as it is after the weights became whole turns: they sum
    /// to 1. With [`Until::EachOnce`] these are the shares until the first part ends.
    ///
    /// ```
    /// # use tallow_core::Mix;
    /// assert_eq!(Mix::new(&[3.0, 1.0])?.shares(0), [0.75, 0.25]);
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    pub fn shares(&self, position: u64) -> Vec<f64> {
        let at = self.stages.partition_point(|stage| stage.start <= position) - 1;
        let period = &self.stages[at].period;
        let share = |part| period.count(part) as f64 / period.len() as f64;
        (0..self.samplers.len()).map(share).collect()
    }

    fn schedule(&self, population: &Population) -> Result<Arc<Schedule>> {
        let plan = || Schedule::new(self, population).map(Arc::new);
        match self.planned.get() {
            Some((planned, schedule)) if planned == population => Ok(schedule.clone()),
            Some(_) => plan(),
            None => {
                let schedule = plan()?;
                // Whichever thread is first, all have planned the same.
                let _ = self.planned.set((population.clone(), schedule.clone()));
                Ok(schedule)
            }
        }
    }
}

impl Stage {
    fn new(start: u64, weights: &[f64]) -> Result<Self> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Config, message));
        if let Some(i) = weights.iter().position(|w| !w.is_finite() || *w < 0.0) {
            return refuse(format!("weight {i} is {}, expected a finite one from 0", weights[i]));
        }
        match weights.iter().filter(|weight| **weight > 0.0).count() {
            0 => refuse("no weight is above 0".to_owned()),
            above if above > Period::TURNS_MAX => {
                refuse(format!("{above} weights above 0, at most {}", Period::TURNS_MAX))
            }
            _ => {
                let counts = whole_counts(weights, Period::TURNS_MAX);
                let period = Arc::new(Period::new(&counts));
                Ok(Self { start, weights: weights.to_vec(), period })
            }
        }
    }
}

impl Sampler for Mix {
    fn len(&self, population: &Population) -> Result<usize> {
        Ok(self.schedule(population)?.len)
    }

    fn order(&self, population: &Population, seed: u64, epoch: u64) -> Result<Arc<dyn Order>> {
        Ok(Arc::new(MixOrder::new(self.schedule(population)?, seed, epoch)?))
    }

    fn fingerprint(&self) -> Fingerprint {
        let mut print = Fingerprint::of("mix").number(self.samplers.len() as u64);
        for stage in &self.stages {
            print = print.number(stage.start);
            print = stage.weights.iter().fold(print, |print, w| print.number(w.to_bits()));
        }
        print = match self.until {
            Until::AllSeen => print.number(0),
            Until::FirstEnds => print.number(1),
            Until::EachOnce => print.number(2),
            Until::Samples(samples) => print.number(3).number(samples as u64),
        };
        for (part, sampler) in self.samplers.iter().enumerate() {
            if let Some(sampler) = sampler {
                print = print.number(part as u64).with(sampler.fingerprint());
            }
        }
        print.finish()
    }

    fn order_bytes(&self, population: &Population) -> usize {
        self.schedule(population).map_or(0, |schedule| schedule.bytes())
    }

    /// With [`Until::EachOnce`] the shares are those until the first part ends.
    fn shares(
        &self,
        population: &Population,
        epoch: u64,
        position: usize,
    ) -> Option<Vec<PartShare>> {
        let schedule = self.schedule(population).ok()?;
        let at = schedule.start_of(epoch) + position as u128;
        let asked = Self::shares(self, u64::try_from(at).unwrap_or(u64::MAX));
        let seen = schedule.seen(epoch, position);
        let share = |(asked, seen)| PartShare { asked, seen };
        Some(asked.into_iter().zip(seen).map(share).collect())
    }
}

impl fmt::Debug for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weights: Vec<_> = self.stages.iter().map(|s| (s.start, &s.weights)).collect();
        let mut debug = f.debug_struct("Mix");
        debug.field("weights", &weights).field("until", &self.until).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
