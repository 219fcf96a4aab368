//! Where a consumer is, in a form that can be saved.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tallow_core::Fingerprint;

use crate::policy::OnError;
use crate::{Error, ErrorKind, Result};

/// Where a consumer is: a few integers, to be saved with a checkpoint in any format of serde.
///
/// Resuming costs no more than making the order of the epoch. It works with another number of workers,
/// batches ahead or ranks, since none of them changes what is delivered. Another data set, sampler,
/// transform or seed is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    pub(crate) version: u32,
    pub(crate) source: Fingerprint,
    pub(crate) sampler: Fingerprint,
    pub(crate) transform: Fingerprint,
    pub(crate) seed: u64,
    pub(crate) epoch: u64,
    pub(crate) position: u64,
    pub(crate) batch_size: u64,
    pub(crate) errors: u64,
    /// Of the source, to say in words how another one differs. Old states have neither.
    #[serde(default)]
    pub(crate) samples: Option<u64>,
    #[serde(default)]
    pub(crate) fields: Option<FieldWords>,
    /// Of a source in a store, where its objects lie and which versions of them were read. Old states have neither.
    #[serde(default)]
    pub(crate) places: Option<Fingerprint>,
    #[serde(default)]
    pub(crate) versions: Option<Fingerprint>,
}

/// Text that every batch's state shares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub(crate) struct FieldWords(Arc<str>);

impl FieldWords {
    /// Longer lists of fields are not worth the space in every checkpoint.
    const BYTES_MAX: usize = 512;

    pub(crate) fn short(text: String) -> Option<Self> {
        (text.len() <= Self::BYTES_MAX).then(|| text.into())
    }
}

impl From<String> for FieldWords {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<FieldWords> for String {
    fn from(words: FieldWords) -> Self {
        words.0.as_ref().into()
    }
}

/// The fingerprints that a state carries.
#[derive(Debug)]
pub(crate) struct Prints {
    pub(crate) source: Fingerprint,
    /// The source's fields in words.
    pub(crate) fields: Option<FieldWords>,
    pub(crate) sampler: Fingerprint,
    pub(crate) transform: Fingerprint,
}

impl State {
    /// Changes when older states can no longer be understood.
    pub(crate) const VERSION: u32 = 1;

    /// The epoch of the next batch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The position in that epoch where the next batch begins, over all ranks. Where a sampler makes batches
    /// of its own, it is as if each had as many rows as the largest.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Failures so far that count towards the budget of that epoch.
    pub fn errors(&self) -> u64 {
        self.errors
    }

    /// The number of the next batch, if this state belongs to the loader whose own state is `own` and
    /// whose epochs have `positions` positions.
    pub(crate) fn resume_on(&self, own: &Self, positions: usize) -> Result<usize> {
        if self.version != own.version {
            let (found, expected) = (self.version, own.version);
            let message = format!("found a state of version {found}, expected version {expected}");
            return Err(Error::new(ErrorKind::State, message));
        }
        let mut problems = self.other_loader(own);
        problems.extend(self.impossible(own.batch_size, positions as u64));
        let number = usize::try_from(self.position / own.batch_size);
        match number {
            Ok(number) if problems.is_empty() => Ok(number),
            _ => Err(Error::new(ErrorKind::State, problems.join("; "))),
        }
    }

    /// How the loader of this state differs from that of `own`.
    fn other_loader(&self, own: &Self) -> Vec<String> {
        let mut problems = self.other_source(own);
        for (what, is_other) in [
            ("the sampler", self.sampler != own.sampler),
            ("the transform chain", self.transform != own.transform),
        ] {
            if is_other {
                problems.push(format!("{what} is not the one the state was saved with"));
            }
        }
        if self.seed != own.seed {
            problems
                .push(format!("the seed is {}, the state was saved with {}", own.seed, self.seed));
        }
        problems
    }

    /// How the source differs, as far as it can be said.
    fn other_source(&self, own: &Self) -> Vec<String> {
        if self.source == own.source {
            return self.other_versions(own).into_iter().collect();
        }
        let mut problems = Vec::new();
        if let (Some(found), Some(expected)) = (self.samples, own.samples)
            && found != expected
        {
            problems.push(format!(
                "the source has {expected} samples, the state was saved with {found}"
            ));
        }
        if let (Some(FieldWords(found)), Some(FieldWords(expected))) = (&self.fields, &own.fields)
            && found != expected
        {
            let shown: String = found.chars().take(FieldWords::BYTES_MAX).collect();
            problems.push(format!(
                "the source has the fields {expected}, the state was saved with {shown}"
            ));
        }
        if problems.is_empty() {
            let told = self.samples.is_some() && self.fields.is_some();
            let alike =
                if told { ", though it has as many samples and the same fields" } else { "" };
            problems.push(format!(
                "the source is not the one the state was saved with{alike}: its samples have other \
                 names, another order or other contents"
            ));
        }
        problems
    }

    /// That the objects of the source were written to. Another place is a copy, of which nothing is known.
    fn other_versions(&self, own: &Self) -> Option<String> {
        let is_there = self.places.is_some() && self.places == own.places;
        let is_other = matches!((self.versions, own.versions), (Some(a), Some(b)) if a != b);
        let message = "objects of the source were written to since the state was saved: they have the same names and \
                       lengths in the same store, and other entity tags; put the earlier ones back, or begin \
                       a new run; without its `versions` the state goes on with what is there";
        (is_there && is_other).then(|| message.to_owned())
    }

    /// What no loader can have saved.
    fn impossible(&self, own_batch_size: u64, positions: u64) -> Vec<String> {
        let Self { epoch, position, batch_size, errors, .. } = *self;
        let mut problems = Vec::new();
        if batch_size == 0 {
            problems.push("it was saved with batches of 0 rows".to_owned());
        }
        if position >= positions.max(1) {
            problems
                .push(format!("position {position} is beyond an epoch of {positions} positions"));
        } else if !position.is_multiple_of(own_batch_size) {
            problems.push(format!(
                "position {position} is inside a batch of {own_batch_size}, expected the beginning of \
                 one; it was saved with batches of {batch_size}"
            ));
        }
        if epoch == u64::MAX && position > 0 {
            problems.push(format!("position {position} of epoch {epoch}, which has no batches"));
        }
        let errors_max = position.saturating_mul(OnError::FAULTS_MAX as u64);
        if errors > errors_max {
            problems.push(format!(
                "{errors} failures before position {position}, expected at most {errors_max}"
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let print = |name: &str| Fingerprint::of(name).finish();
        State {
            version: State::VERSION,
            source: print("source"),
            sampler: print("sampler"),
            transform: print("transform"),
            seed: 1,
            epoch: 2,
            position: 12,
            batch_size: 6,
            errors: 3,
            samples: Some(100),
            fields: FieldWords::short("x: f32[2]".to_owned()),
            places: Some(print("places")),
            versions: Some(print("versions")),
        }
    }

    fn refusal(change: impl FnOnce(&mut State)) -> String {
        let mut changed = state();
        change(&mut changed);
        let error = changed.resume_on(&state(), 100).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::State);
        error.to_string()
    }

    #[test]
    fn another_source_is_told_by_what_differs() {
        let other = Fingerprint::of("other").finish();
        let error = refusal(|state| (state.source, state.samples) = (other, Some(101)));
        assert_eq!(
            error,
            "state mismatch: the source has 100 samples, the state was saved with 101"
        );
        let fields = FieldWords::short("x: f32[\n3]".to_owned());
        let error = refusal(|state| (state.source, state.fields) = (other, fields));
        assert!(
            error.contains("fields x: f32[2], the state was saved with x: f32[\\n3]"),
            "{error}"
        );
        let error = refusal(|state| state.source = other);
        assert!(error.contains("as many samples and the same fields"), "{error}");
        let error = refusal(|state| (state.source, state.samples) = (other, None));
        assert!(error.contains("the source is not the one the state was saved with"), "{error}");
    }

    #[test]
    fn objects_that_were_written_to_are_told_unless_they_lie_elsewhere() {
        let other = Some(Fingerprint::of("other").finish());
        let error = refusal(|state| state.versions = other);
        assert!(error.contains("were written to since the state was saved"), "{error}");
        let resumes = |change: fn(&mut State, Option<Fingerprint>)| {
            let (mut saved, mut own) = (state(), state());
            change(&mut saved, other);
            assert_eq!(saved.resume_on(&own, 100).unwrap(), 2);
            (saved, own) = (state(), saved);
            assert_eq!(saved.resume_on(&own, 100).unwrap(), 2);
        };
        resumes(|state, other| (state.places, state.versions) = (other, other));
        resumes(|state, _| (state.places, state.versions) = (None, None));
        resumes(|state, _| state.versions = None);
    }

    #[test]
    fn what_no_loader_saves_is_refused_in_words() {
        let words = |change: fn(&mut State)| refusal(change);
        for (error, expected) in [
            (words(|state| state.batch_size = 0), "batches of 0"),
            (words(|state| state.position = 102), "position 102 is beyond an epoch of 100"),
            (words(|state| state.position = u64::MAX), "beyond an epoch of 100"),
            (words(|state| state.position = 13), "inside a batch of 6"),
            (words(|state| state.errors = u64::MAX - 3), "failures before position 12"),
            (words(|state| (state.position, state.errors) = (0, 1)), "expected at most 0"),
            (words(|state| state.epoch = u64::MAX), "which has no batches"),
            (words(|state| state.version = 2), "state of version 2, expected version 1"),
        ] {
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(state().resume_on(&state(), 100).unwrap(), 2);
    }
}
