//! How loading went over time, in the little memory that a chart needs.

use std::time::Duration;

/// What was recorded when a batch was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// Time of loading, without pauses between measurements.
    pub(crate) at: Duration,
    pub(crate) samples: u64,
    pub(crate) wait: Duration,
    /// Batches that were ready after it.
    pub(crate) ready: usize,
}

/// Some consecutive batches.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Span {
    /// When the last of them was taken, in seconds.
    pub(crate) end: f64,
    batches: u64,
    samples: u64,
    /// Seconds.
    wait: f64,
    longest: f64,
    ready: u64,
    fewest: usize,
}

impl Span {
    fn of(taken: &Taken) -> Self {
        let wait = taken.wait.as_secs_f64();
        Self {
            end: taken.at.as_secs_f64(),
            batches: 1,
            samples: taken.samples,
            wait,
            longest: wait,
            ready: taken.ready as u64,
            fewest: taken.ready,
        }
    }

    /// Both as one span.
    fn with(self, later: Self) -> Self {
        Self {
            end: later.end,
            batches: self.batches + later.batches,
            samples: self.samples + later.samples,
            wait: self.wait + later.wait,
            longest: self.longest.max(later.longest),
            ready: self.ready + later.ready,
            fewest: self.fewest.min(later.fewest),
        }
    }

    pub(crate) fn mean_wait(&self) -> f64 {
        self.wait / self.batches as f64
    }

    pub(crate) fn longest_wait(&self) -> f64 {
        self.longest
    }

    pub(crate) fn mean_ready(&self) -> f64 {
        self.ready as f64 / self.batches as f64
    }

    pub(crate) fn fewest_ready(&self) -> f64 {
        self.fewest as f64
    }
}

/// Spans of one batch each, or of more if there are too many.
#[derive(Debug)]
pub(crate) struct Timeline {
    spans: Vec<Span>,
    /// Batches of each span except the last.
    each: u64,
}

impl Timeline {
    /// 230 kB, and more than a chart has pixels.
    const SPANS_MAX: usize = 4096;

    pub(crate) fn new() -> Self {
        Self { spans: Vec::new(), each: 1 }
    }

    pub(crate) fn add(&mut self, taken: &Taken) {
        self.push(Span::of(taken));
    }

    fn push(&mut self, span: Span) {
        match self.spans.last_mut() {
            Some(last) if last.batches + span.batches <= self.each => *last = last.with(span),
            _ => self.spans.push(span),
        }
        if self.spans.len() >= Self::SPANS_MAX {
            self.each *= 2;
            self.spans = self.spans.chunks(2).map(joined).collect();
        }
    }

    /// Adds a later measurement that begins `at`.
    pub(crate) fn append(&mut self, later: &Self, at: Duration) {
        let shifted = |span: &Span| Span { end: span.end + at.as_secs_f64(), ..*span };
        later.spans.iter().map(shifted).for_each(|span| self.push(span));
    }

    /// The number of spans; 0 if nothing was taken.
    pub(crate) fn len(&self) -> usize {
        self.spans.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// All of them, joined into at most `most`.
    pub(crate) fn reduced(&self, most: usize) -> Vec<Span> {
        let each = self.spans.len().div_ceil(most).max(1);
        self.spans.chunks(each).map(joined).collect()
    }

    /// Samples per second in `count` equal parts of the first `wall` seconds, each at its middle.
    /// The samples of a span are spread evenly over its time, because single batches come in
    /// bursts.
    pub(crate) fn rates(&self, count: usize, wall: f64) -> Vec<(f64, f64)> {
        if wall <= 0.0 || count == 0 {
            return Vec::new();
        }
        let width = wall / count as f64;
        let mut samples = vec![0.0; count];
        let mut start = 0.0;
        for span in &self.spans {
            let length = (span.end - start).max(f64::MIN_POSITIVE);
            let first = (start / width) as usize;
            let last = (span.end / width) as usize;
            for (part, sum) in samples.iter_mut().enumerate().take(last + 1).skip(first) {
                let from = (part as f64 * width).max(start);
                let to = ((part + 1) as f64 * width).min(span.end);
                *sum += span.samples as f64 * ((to - from) / length).clamp(0.0, 1.0);
            }
            start = span.end;
        }
        let middle = |part: usize| (part as f64 + 0.5) * width;
        samples.iter().enumerate().map(|(i, samples)| (middle(i), samples / width)).collect()
    }
}

/// Consecutive spans as one; there is at least one.
fn joined(spans: &[Span]) -> Span {
    spans[1..].iter().fold(spans[0], |span, next| span.with(*next))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(at_ms: u64, ready: usize) -> Taken {
        let wait = Duration::from_millis(ready as u64);
        Taken { at: Duration::from_millis(at_ms), samples: 4, wait, ready }
    }

    #[test]
    fn memory_is_bounded_and_nothing_is_lost() {
        let mut timeline = Timeline::new();
        (1..=100_000).for_each(|i| timeline.add(&taken(i, i as usize % 3)));
        assert!(timeline.len() < Timeline::SPANS_MAX);
        let sum = |of: fn(&Span) -> u64| timeline.spans.iter().map(of).sum::<u64>();
        assert_eq!((sum(|s| s.batches), sum(|s| s.samples)), (100_000, 400_000));
        let last = timeline.spans.last().unwrap();
        assert_eq!((last.end, last.longest, last.fewest), (100.0, 0.002, 0));
    }

    #[test]
    fn rates_are_those_of_equal_parts_of_the_time() {
        let mut timeline = Timeline::new();
        // Two bursts: what comes at one moment took all the time since the previous one.
        [500, 501, 1000, 1000].iter().for_each(|at| timeline.add(&taken(*at, 1)));
        let rates = timeline.rates(2, 1.0);
        let (at, rates): (Vec<_>, Vec<_>) = rates.into_iter().unzip();
        assert_eq!(at, [0.25, 0.75]);
        assert!((rates[0] - 8.0).abs() < 0.1 && rates[1] > 15.0, "{rates:?}");
        assert!(timeline.rates(3, 0.0).is_empty() && Timeline::new().rates(2, 1.0).len() == 2);
    }

    #[test]
    fn a_later_measurement_goes_on_where_the_first_ended() {
        let (mut first, mut second) = (Timeline::new(), Timeline::new());
        first.add(&taken(10, 2));
        second.add(&taken(5, 1));
        first.append(&second, Duration::from_millis(20));
        let ends: Vec<f64> = first.spans.iter().map(|span| span.end).collect();
        assert_eq!(ends, [0.01, 0.025]);
        assert_eq!(first.spans[0].mean_ready(), 2.0);
    }
}
