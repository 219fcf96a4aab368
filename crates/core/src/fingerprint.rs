use std::fmt;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// 64 bits that identify a source, a sampler or a transform in a saved state: equal for the same
/// thing on any machine, and almost surely different for another. Not a defence against forgery.
///
/// That of a source whose samples are objects of a store also carries which [versions](Self::versions) of them
/// were opened. These are no part of what is compared or serialised: a copy elsewhere is the same source.
///
/// Serialised as 16 hexadecimal digits: a number of 64 bits would be rounded by readers of JSON
/// that know only floats.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint {
    bits: u64,
    versions: Versions,
}

/// Versions are not compared.
impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}

impl Eq for Fingerprint {}

impl Hash for Fingerprint {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}

/// Which objects of a store a source has: where they lie, and as which versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Versions {
    places: u64,
    tags: u64,
}

impl Versions {
    /// These, and then others.
    pub(crate) fn and(self, others: Self) -> Self {
        let both = |own: u64, other: u64| match (own, other) {
            (0, only) | (only, 0) => only,
            (own, other) => Fingerprint::of("both").number(own).number(other).finish().bits,
        };
        Self { places: both(self.places, others.places), tags: both(self.tags, others.tags) }
    }
}

/// Versions of objects at one place.
#[cfg(feature = "remote")]
pub(crate) struct VersionsBuilder {
    place: Fingerprint,
    tags: Xxh3,
}

#[cfg(feature = "remote")]
impl VersionsBuilder {
    /// Of the object at this URL, or of objects below it.
    pub(crate) fn at(url: &str) -> Self {
        let place = Fingerprint::of("place").text(url).finish();
        Self { place, tags: Xxh3::new() }
    }

    /// Adds the entity tag of the next object, if the store tells it.
    pub(crate) fn add(&mut self, etag: Option<&str>) {
        let etag = etag.unwrap_or_default();
        self.tags.update(&(etag.len() as u64).to_le_bytes());
        self.tags.update(etag.as_bytes());
    }

    /// The versions of all objects that were added.
    pub(crate) fn finish(self) -> Versions {
        Versions { places: self.place.bits, tags: self.tags.digest() }
    }
}

impl From<Fingerprint> for String {
    fn from(print: Fingerprint) -> Self {
        format!("{:016x}", print.bits)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Fingerprint::from_bits)
    }
}

impl Fingerprint {
    /// Starts a fingerprint of something called `name`.
    pub fn of(name: &str) -> FingerprintBuilder {
        FingerprintBuilder { bits: Xxh3::new(), versions: Versions::default() }.text(name)
    }

    /// The 64 bits.
    pub fn bits(self) -> u64 {
        self.bits
    }

    fn from_bits(bits: u64) -> Self {
        Self { bits, versions: Versions::default() }
    }

    /// Of the objects in stores that were opened: where they lie, and which versions they have there, by their entity
    /// tags. `None` without any. Where two sources have equal fingerprints and the same places, but other versions, the
    /// objects were written to.
    pub fn versions(self) -> Option<(Fingerprint, Fingerprint)> {
        let Versions { places, tags } = self.versions;
        let is_there = self.versions != Versions::default();
        is_there.then(|| (Self::from_bits(places), Self::from_bits(tags)))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:016x})", self.bits)
    }
}

/// A fingerprint in the making. Parts are length-prefixed: ("ab", "c") is not ("a", "bc").
#[derive(Clone)]
pub struct FingerprintBuilder {
    bits: Xxh3,
    versions: Versions,
}

impl fmt::Debug for FingerprintBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FingerprintBuilder").field(&self.bits.digest()).finish()
    }
}

impl FingerprintBuilder {
    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bits.update(&(bytes.len() as u64).to_le_bytes());
        self.bits.update(bytes);
        self
    }

    /// Adds text.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, number: u64) -> Self {
        self.bits.update(&number.to_le_bytes());
        self
    }

    /// Adds another fingerprint, and the versions that it carries.
    #[must_use]
    pub fn with(self, other: Fingerprint) -> Self {
        self.number(other.bits).with_versions(other.versions)
    }

    /// Adds versions, which leave the 64 bits as they are.
    #[must_use]
    pub(crate) fn with_versions(mut self, versions: Versions) -> Self {
        self.versions = self.versions.and(versions);
        self
    }

    /// The fingerprint of all that was added.
    pub fn finish(self) -> Fingerprint {
        Fingerprint { bits: self.bits.digest(), versions: self.versions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_all_64_bits() {
        let print = Fingerprint::from_bits(u64::MAX - 1);
        let text = serde_json::to_string(&print).unwrap();
        assert_eq!(text, "\"fffffffffffffffe\"");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), print);
        assert!(serde_json::from_str::<Fingerprint>("\"nonsense\"").is_err());
    }

    #[test]
    #[cfg(feature = "remote")]
    fn versions_pass_through_what_is_made_of_a_source_and_are_not_compared() {
        let of = |place: &str, tags: [Option<&str>; 2]| {
            let mut versions = VersionsBuilder::at(place);
            tags.into_iter().for_each(|tag| versions.add(tag));
            let source = Fingerprint::of("source").with_versions(versions.finish()).finish();
            Fingerprint::of("zip").with(Fingerprint::of("other").finish()).with(source).finish()
        };
        let print = of("s3://a", [Some("1"), None]);
        let (places, versions) = print.versions().unwrap();
        for (other, is_there, is_same) in [
            (of("s3://a", [Some("1"), None]), true, true),
            (of("s3://a", [Some("1"), Some("2")]), true, false),
            (of("s3://a", [None, Some("1")]), true, false),
            (of("s3://b", [Some("1"), None]), false, true),
        ] {
            assert_eq!(other, print);
            let (other_places, other_versions) = other.versions().unwrap();
            assert_eq!((places == other_places, versions == other_versions), (is_there, is_same));
        }
        assert_eq!(Fingerprint::of("zip").finish().versions(), None);
        let text = serde_json::to_string(&print).unwrap();
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap().versions(), None);
    }

    #[test]
    fn parts_do_not_run_together() {
        let of = |a: &str, b: &str| Fingerprint::of("t").text(a).text(b).finish();
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_eq!(of("ab", "c"), of("ab", "c"));
    }
}
