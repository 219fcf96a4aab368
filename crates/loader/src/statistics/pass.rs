//! The pass: threads claim parts, and sum up the samples of each.

use std::ops::Range;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use tallow_core::{Dim, Field, FieldView, RowDType, RowView};

use super::channels::Channels;
use super::found::{ChannelStatistics, FieldStatistics, Statistics};
use super::moments::{Eighth, Moments, Shifted, Sums};
use super::tally::Tally;
use crate::row_chain::{RowChain, RowReader};
use crate::{Error, Result};

/// Parts at most: enough for an even load on any machine.
const PARTS_MAX: usize = 1024;

/// Sums of channels in all parts, at most, where there are more than a few channels.
const SUMS_MAX: usize = 1 << 20;

/// Errors that are kept.
const ERRORS_MAX: usize = 100;

/// Samples after which progress is told.
const TOLD_AFTER: usize = 64;

pub(super) struct Pass<'a> {
    chain: &'a RowChain,
    counters: Vec<Counter>,
    failures_max: usize,
    progress: &'a (dyn Fn(usize) + Send + Sync),
    next: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
}

/// How the numbers of one field are counted.
struct Counter {
    dtype: RowDType,
    /// The axis of the channels, and how many there are.
    axis: Option<usize>,
    channels: usize,
    ragged: Vec<usize>,
    is_class: bool,
    counts_bytes: bool,
}

/// What one thread found.
struct Share {
    parts: Vec<(usize, Part)>,
    tallies: Vec<Tally>,
    errors: Vec<(usize, Error)>,
}

/// The moments of each channel of each field, and the samples that they are of.
#[derive(Clone)]
struct Part {
    samples: usize,
    moments: Vec<Vec<Moments>>,
}

impl Counter {
    fn new(field: &Field, axis: Option<usize>, value_counts: bool) -> Self {
        let dims = field.dims();
        let fixed = |axis: &usize| matches!(dims.get(*axis), Some(Dim::Fixed(_)));
        let axis = axis.filter(fixed);
        let is_ragged = |(_, dim): &(usize, &Dim)| matches!(dim, Dim::Ragged { .. });
        let dtype = field.dtype();
        Self {
            dtype,
            axis,
            channels: axis.map_or(1, |axis| dims[axis].max()),
            ragged: dims.iter().enumerate().filter(is_ragged).map(|(axis, _)| axis).collect(),
            is_class: dtype.is_integer() && dims.is_empty(),
            counts_bytes: value_counts && dtype == RowDType::U8,
        }
    }

    fn zeros(&self) -> Vec<Moments> {
        let is_small = matches!(self.dtype, RowDType::U8 | RowDType::U16 | RowDType::I16);
        let zero = match is_small {
            true => Moments::Exact(Sums::default()),
            false => Moments::Rounded(Shifted::default()),
        };
        vec![zero; self.channels]
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally::new(&self.ragged);
        if self.counts_bytes {
            tally.bytes = vec![vec![0; 256]; self.channels];
        }
        tally
    }

    fn add(
        &self,
        field: &FieldView<'_>,
        moments: &mut [Moments],
        tally: &mut Tally,
    ) -> tallow_core::Result<()> {
        tally.add_shape(field.shape());
        if self.is_class {
            tally.add_class(field.integer()?);
        }
        let at = Channels::of(field.shape(), self.axis);
        if self.counts_bytes {
            at.blocks(field.bytes(), |channel, block| count(block, &mut tally.bytes[channel]));
            return Ok(());
        }
        macro_rules! add {
            ($kind:ident, $values:expr) => {
                at.blocks($values, |channel, block| match &mut moments[channel] {
                    Moments::$kind(own) => own.add(block),
                    _ => unreachable!("zeros of this field's kind"),
                })
            };
        }
        match self.dtype {
            RowDType::U8 => add!(Exact, field.bytes()),
            RowDType::U16 => add!(Exact, field.as_slice::<u16>()?),
            RowDType::I16 => add!(Exact, field.as_slice::<i16>()?),
            RowDType::U32 => add!(Rounded, field.as_slice::<u32>()?),
            RowDType::I32 => add!(Rounded, field.as_slice::<i32>()?),
            RowDType::I64 => add!(Rounded, field.as_slice::<i64>()?),
            RowDType::BF16 => add!(Rounded, field.as_slice::<half::bf16>()?),
            RowDType::F16 => add!(Rounded, field.as_slice::<half::f16>()?),
            RowDType::F32 => add!(Rounded, field.as_slice::<f32>()?),
            RowDType::F64 => add!(Rounded, field.as_slice::<f64>()?),
            _ => add!(Rounded, Eighth::of(field.bytes()).as_slice()),
        }
        Ok(())
    }
}

/// Counts bytes in four tables, so that equal neighbours do not wait for each other.
fn count(bytes: &[u8], counts: &mut [u64]) {
    let mut tables = [[0u32; 256]; 4];
    // A table of `u32` cannot overflow.
    for bytes in bytes.chunks(1 << 30) {
        let (fours, rest) = bytes.as_chunks::<4>();
        for four in fours {
            for (table, &byte) in tables.iter_mut().zip(four) {
                table[usize::from(byte)] += 1;
            }
        }
        rest.iter().for_each(|&byte| tables[0][usize::from(byte)] += 1);
        for table in &mut tables {
            counts.iter_mut().zip(&*table).for_each(|(own, &count)| *own += u64::from(count));
            *table = [0; 256];
        }
    }
}

impl<'a> Pass<'a> {
    pub(super) fn new(
        chain: &'a RowChain,
        axes: Vec<Option<usize>>,
        value_counts: bool,
        failures_max: usize,
        progress: &'a (dyn Fn(usize) + Send + Sync),
    ) -> Self {
        let fields = chain.schema().fields().iter().zip(axes);
        let counters = fields.map(|(field, axis)| Counter::new(field, axis, value_counts));
        Self {
            chain,
            counters: counters.collect(),
            failures_max,
            progress,
            next: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Does it all with up to `threads` threads; if the system starts fewer, those do it.
    pub(super) fn run(&self, threads: usize) -> Result<Statistics> {
        let shares: Vec<Result<Share>> = thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, || self.share()).ok();
            let others: Vec<_> = (1..threads.min(self.parts())).map_while(start).collect();
            let own = self.share();
            let join = |other: thread::ScopedJoinHandle<'_, _>| {
                other.join().unwrap_or_else(|payload| panic::resume_unwind(payload))
            };
            std::iter::once(own).chain(others.into_iter().map(join)).collect()
        });
        self.merge(shares.into_iter().collect::<Result<Vec<_>>>()?)
    }

    fn merge(&self, shares: Vec<Share>) -> Result<Statistics> {
        let failed = self.failed.load(Ordering::Relaxed);
        let (mut parts, mut errors) = (Vec::new(), Vec::new());
        let mut tallies: Vec<Tally> = self.counters.iter().map(Counter::tally).collect();
        for share in shares {
            parts.extend(share.parts);
            errors.extend(share.errors);
            tallies.iter_mut().zip(share.tallies).for_each(|(own, other)| own.merge(other));
        }
        errors.sort_by_key(|(index, _)| *index);
        if failed > self.failures_max {
            return Err(errors.swap_remove(0).1);
        }
        errors.truncate(ERRORS_MAX);
        parts.sort_by_key(|(part, _)| *part);
        let parts = parts.into_iter().map(|(_, part)| part).collect();
        let Part { samples, moments } = self.merge_tree(parts);
        let fields = self.chain.schema().fields().iter();
        let fields = fields.zip(&self.counters).zip(moments.into_iter().zip(&tallies));
        let fields =
            fields.map(|((field, counter), (moments, tally))| counter.found(field, moments, tally));
        Ok(Statistics { samples, failed, errors, fields: fields.collect() })
    }

    /// Merges neighbours until there is one.
    fn merge_tree(&self, mut parts: Vec<Part>) -> Part {
        while parts.len() > 1 {
            let pairs = parts.chunks(2).map(|pair| {
                let mut first = pair[0].clone();
                pair[1..].iter().for_each(|second| first.merge(second));
                first
            });
            parts = pairs.collect();
        }
        parts.pop().unwrap_or_else(|| self.zeros())
    }

    fn zeros(&self) -> Part {
        Part { samples: 0, moments: self.counters.iter().map(Counter::zeros).collect() }
    }

    /// How many parts there are: whatever the threads.
    fn parts(&self) -> usize {
        let channels: usize = self.counters.iter().map(|of| of.channels).sum();
        let most = (SUMS_MAX / channels.max(1)).clamp(1, PARTS_MAX);
        most.min(self.chain.len()).max(1)
    }

    fn samples(&self, part: usize) -> Range<usize> {
        // In `u128`, so that the product cannot overflow.
        let start =
            |part| (part as u128 * self.chain.len() as u128 / self.parts() as u128) as usize;
        start(part)..start(part + 1)
    }

    /// Sums up parts until all are claimed. They are claimed in order: when one fails, those before it
    /// are done to the end, so that the first error is always the same.
    fn share(&self) -> Result<Share> {
        let mut reader = self.chain.reader()?;
        let tallies = self.counters.iter().map(Counter::tally).collect();
        let mut share = Share { parts: Vec::new(), tallies, errors: Vec::new() };
        while !self.stop.load(Ordering::Relaxed) {
            let part = self.next.fetch_add(1, Ordering::Relaxed);
            if part >= self.parts() {
                break;
            }
            let summed = self.part(self.samples(part), &mut reader, &mut share);
            share.parts.push((part, summed));
        }
        Ok(share)
    }

    fn part(&self, samples: Range<usize>, reader: &mut RowReader<'_>, share: &mut Share) -> Part {
        let mut part = self.zeros();
        let mut untold = 0;
        for index in samples {
            let added = reader.read(index).and_then(|row| {
                self.add(row, &mut part.moments, &mut share.tallies)?;
                Ok(())
            });
            match added {
                Ok(()) => part.samples += 1,
                Err(error) => {
                    if share.errors.len() < ERRORS_MAX {
                        share.errors.push((index, error));
                    }
                    let failed = self.failed.fetch_add(1, Ordering::Relaxed) + 1;
                    if failed > self.failures_max {
                        self.stop.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            }
            untold += 1;
            if untold == TOLD_AFTER {
                (self.progress)(std::mem::take(&mut untold));
            }
        }
        (self.progress)(untold);
        part
    }

    fn add(
        &self,
        row: RowView<'_>,
        moments: &mut [Vec<Moments>],
        tallies: &mut [Tally],
    ) -> tallow_core::Result<()> {
        let each = self.counters.iter().zip(moments.iter_mut().zip(tallies)).enumerate();
        each.into_iter().try_for_each(|(at, (counter, (moments, tally)))| {
            counter.add(&row.field(at), moments, tally)
        })
    }
}

impl Counter {
    fn found(&self, field: &Field, mut moments: Vec<Moments>, tally: &Tally) -> FieldStatistics {
        // Sums of bytes follow from their counts.
        for (own, counts) in moments.iter_mut().zip(&tally.bytes) {
            if let Moments::Exact(sums) = own {
                sums.add_counts(counts);
            }
        }
        let values = |channel: usize| tally.bytes.get(channel).cloned().unwrap_or_default();
        let channels = moments.into_iter().enumerate();
        let channels =
            channels.map(|(at, moments)| ChannelStatistics { moments, values: values(at) });
        let (classes, unlisted) = tally.classes(field);
        FieldStatistics {
            field: field.clone(),
            channels: channels.collect(),
            lengths: tally.lengths(),
            classes,
            unlisted,
        }
    }
}

impl Part {
    fn merge(&mut self, other: &Self) {
        self.samples += other.samples;
        let moments = self.moments.iter_mut().flatten();
        moments.zip(other.moments.iter().flatten()).for_each(|(own, other)| own.merge(other));
    }
}
