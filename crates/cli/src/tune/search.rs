//! A search for settings: a climb, and then turns of what came near its end.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use tallow::{Search, Settings, Step};

use crate::args::TuneArgs;
use crate::terminal::exit::Result;
use crate::tune::finals::{Finals, Prefer};
use crate::tune::trial::{Trial, Tried};
use crate::tune::tuner::{ROUNDS, Tuner};

/// Settings that take turns at the end, at most: the defaults, where the search ended, and what came
/// near the best of all trials.
const FINALISTS_MAX: usize = 4;
const NEAR: f64 = 0.93;

/// The time that their turns take, at most, unless those of the first two take more.
const FINALS: Duration = Duration::from_secs(30);

/// A search for settings.
#[derive(Debug)]
pub(crate) struct Sought {
    /// Where it ended.
    pub(crate) climbed: Settings,
    pub(crate) steps: Vec<Step>,
    pub(crate) trials: Vec<Trial>,
    /// Whether there was more to try.
    pub(crate) cut: bool,
    /// What the defaults, the end of the search, and what came near reach by turns.
    pub(crate) finals: Finals,
    pub(crate) seconds: Duration,
}

impl Sought {
    /// Climbs from `start` within `most`, and lets what it ended among take turns.
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
        // One alone has nobody to take turns with.
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

    /// What is proposed. A training that sets the pace is to have the least that it needs; where
    /// nothing does, what is as fast as the defaults is no reason to change them.
    pub(crate) fn found(&self, args: &TuneArgs, start: Settings) -> Settings {
        let prefer = if args.step_ms.is_some() { Prefer::Least } else { Prefer::Defaults(start) };
        self.finals.chosen(prefer).unwrap_or(self.climbed)
    }
}

/// The settings that take turns: where the search began and ended, and the fastest of the others, as
/// many as `most` leaves room for.
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
