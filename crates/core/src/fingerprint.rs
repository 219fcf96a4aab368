use std::fmt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

/// 64 bits that identify a source, a sampler or a transform in a saved state: equal for the same
/// thing on any machine, and almost surely different for another. Not a defence against forgery.
///
/// Serialised as 16 hexadecimal digits: a number of 64 bits would be rounded by readers of JSON
/// that know only floats.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Fingerprint(u64);

impl From<Fingerprint> for String {
    fn from(print: Fingerprint) -> Self {
        format!("{:016x}", print.0)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

impl Fingerprint {
    /// Starts a fingerprint of something called `name`.
    pub fn of(name: &str) -> FingerprintBuilder {
        FingerprintBuilder(Xxh3::new()).text(name)
    }

    /// The 64 bits.
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({:016x})", self.0)
    }
}

/// A fingerprint in the making. Parts are length-prefixed: ("ab", "c") is not ("a", "bc").
#[derive(Clone)]
pub struct FingerprintBuilder(Xxh3);

impl fmt::Debug for FingerprintBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FingerprintBuilder").field(&self.0.digest()).finish()
    }
}

impl FingerprintBuilder {
    /// Adds bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(&(bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
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
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds another fingerprint.
    #[must_use]
    pub fn with(self, other: Fingerprint) -> Self {
        self.number(other.0)
    }

    /// The fingerprint of all that was added.
    pub fn finish(self) -> Fingerprint {
        Fingerprint(self.0.digest())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_all_64_bits() {
        let print = Fingerprint(u64::MAX - 1);
        let text = serde_json::to_string(&print).unwrap();
        assert_eq!(text, "\"fffffffffffffffe\"");
        assert_eq!(serde_json::from_str::<Fingerprint>(&text).unwrap(), print);
        assert!(serde_json::from_str::<Fingerprint>("\"nonsense\"").is_err());
    }

    #[test]
    fn parts_do_not_run_together() {
        let of = |a: &str, b: &str| Fingerprint::of("t").text(a).text(b).finish();
        assert_ne!(of("ab", "c"), of("a", "bc"));
        assert_eq!(of("ab", "c"), of("ab", "c"));
    }
}
