use super::order::Span;
use super::schedule::Schedule;
use crate::permutation::Feistel;
use crate::{Key, Purpose, Stream};

/// The permutations of the shuffled parts of one epoch of a mixture.
///
/// A table for each part would be exactly uniform, but costs 4 bytes per sample of every part. Deriving
/// the keys of a permutation takes as long as half of the permutation itself, so those of the epochs that
/// the parts begin with are kept.
#[derive(Debug)]
pub(super) struct Ciphers {
    seed: u64,
    stream: u64,
    kept: Vec<Feistel>,
    /// For each part: the epoch of the first one kept, where that is, and how many are.
    parts: Vec<(u64, u32, u32)>,
}

impl Ciphers {
    /// The most that are kept: 72 KiB, made within some microseconds.
    const KEPT_MAX: usize = 1 << 10;

    pub(super) fn new(schedule: &Schedule, seed: u64, spans: &[Span]) -> Self {
        let stream = u64::from(Stream::new("mix", 0, Purpose::Order).word());
        let most = Self::most_of_each(schedule);
        let mut this = Self { seed, stream, kept: Vec::new(), parts: Vec::new() };
        let (first, last) = (&spans[0], &spans[spans.len() - 1]);
        for (part, of) in schedule.parts.iter().enumerate() {
            let epoch = first.places[part].epoch;
            let last = last.last_epoch_of(part, schedule.len, schedule);
            let epochs = last.wrapping_sub(epoch).saturating_add(1).min(most);
            let count = if of.sampler.is_some() || of.len == 0 { 0 } else { epochs };
            this.parts.push((epoch, this.kept.len() as u32, count as u32));
            let kept = (0..count).map(|after| this.cipher(part, of.len, epoch.wrapping_add(after)));
            let kept: Vec<Feistel> = kept.collect();
            this.kept.extend(kept);
        }
        this
    }

    /// The most epochs of a part whose permutations are kept.
    fn most_of_each(schedule: &Schedule) -> u64 {
        (Self::KEPT_MAX / schedule.parts.len().max(1)) as u64
    }

    /// Bytes that those of an order take at most.
    pub(super) fn bytes_for(schedule: &Schedule) -> usize {
        let most = Self::most_of_each(schedule);
        let len = schedule.len as u64;
        let kept: u64 = schedule.parts.iter().map(|part| most.min(len / part.len.max(1) + 2)).sum();
        kept as usize * size_of::<Feistel>() + schedule.parts.len() * 16
    }

    fn cipher(&self, part: usize, len: u64, epoch: u64) -> Feistel {
        let key = Key::new(self.seed, epoch).at(part as u64);
        Feistel::new(len, key.bits() ^ self.stream)
    }

    /// The sample at position `position` of epoch `epoch` of part `part`, which has `len` samples.
    #[inline]
    pub(super) fn permute(&self, part: usize, len: u64, epoch: u64, position: u64) -> u64 {
        let (first, start, count) = self.parts[part];
        let after = epoch.wrapping_sub(first);
        if after < u64::from(count) {
            return self.kept[start as usize + after as usize].permute(position);
        }
        self.cipher(part, len, epoch).permute(position)
    }
}
