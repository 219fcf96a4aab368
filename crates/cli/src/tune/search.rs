//! A search for settings: a climb, then finals among the best.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tallow::{Search, Settings, Step};

use crate::args::TuneArgs;
use crate::terminal::exit::Result;
use crate::tune::finals::{Finals, Prefer};
use crate::tune::trial::{Trial, Tried};
use crate::tune::tuner::{ROUNDS, Tuner};

/// The most settings in the finals: the defaults, the end of the climb, and what came near the best
/// of all trials.
const FINALISTS_MAX: usize = 4;
const NEAR: f64 = 0.93;

/// The longest that the finals take, unless the first two finalists take longer.
const FINALS: Duration = Duration::from_secs(30);

/// The result of a search for settings.
#[derive(Debug)]
pub(crate) struct Sought {
    /// Where the climb ended.
    pub(crate) climbed: Settings,
    pub(crate) steps: Vec<Step>,
    pub(crate) trials: Vec<Trial>,
    /// Whether it was cut short with more to try.
    pub(crate) cut: bool,
    /// The finals among the defaults, the end of the climb, and what came near.
    pub(crate) finals: Finals,
    pub(crate) seconds: Duration,
}

impl Sought {
    /// Climbs from `start` within `most`, then holds the finals.
    pub(crate) fn by(
        tuner: &Tuner<'_>,
        args: &TuneArgs,
        (start, most): (Settings, Settings),
        progress: &ProgressBar,
    ) -> Result<Self> {
        let began = Instant::now();
        let mut search = Search::new(start, most);
        let trials = tuner.search(&mut search, args.seconds, progress)?;
        let climbed = search.best();
        let budget = FINALS.min(Duration::from_secs(args.seconds) / 2);
        let turns = began.elapsed() / u32::try_from(trials.len()).unwrap_or(u32::MAX).max(1);
        let affordable = budget.div_duration_f64(turns * ROUNDS as u32) as usize;
        let finalists = finalists(&trials, start, climbed, affordable.min(FINALISTS_MAX));
        // A single finalist has no other to take turns with.
        let finals =
            if finalists.len() > 1 { tuner.finals(&finalists)? } else { Finals::default() };
        Ok(Self {
            cut: search.trial().is_some(),
            steps: search.steps().to_vec(),
            climbed,
            trials,
            finals,
            seconds: began.elapsed(),
        })
    }

    /// The settings to propose. With a step that sets the pace, these are the least that keep up
    /// with it; otherwise the defaults stay unless something is faster.
    pub(crate) fn found(&self, args: &TuneArgs, start: Settings) -> Settings {
        let prefer = if args.step_ms.is_some() { Prefer::Least } else { Prefer::Defaults(start) };
        self.finals.chosen(prefer).unwrap_or(self.climbed)
    }
}

/// The settings for the finals: where the search began and ended, and the fastest others, `most` in
/// all.
fn finalists(trials: &[Trial], start: Settings, climbed: Settings, most: usize) -> Vec<Settings> {
    let mut finalists = vec![start];
    finalists.extend((climbed != start).then_some(climbed));
    let mut tried = Tried::all(trials);
    tried.sort_by(|a, b| b.rate().total_cmp(&a.rate()));
    let near = tried.first().map_or(0.0, |fastest| fastest.rate() * NEAR);
    for other in tried.iter().filter(|tried| tried.rate() >= near) {
        if finalists.len() < most && !finalists.contains(&other.settings) {
            finalists.push(other.settings);
        }
    }
    finalists
}
