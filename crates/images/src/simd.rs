//! The one place where an instruction set is chosen, for pictures and for the kernels of augmentations.
//!
//! A kernel is a closure handed to [`Simd::run`]; everything that it calls is `#[inline(always)]`,
//! so that the whole loop is compiled with the level's target features and vectorised for it.

use std::sync::OnceLock;

use pulp::Arch;

#[cfg(target_arch = "x86_64")]
mod vbmi;

#[cfg(target_arch = "x86_64")]
pub use self::vbmi::Vbmi;

/// The SIMD level that kernels run at; results do not depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Simd(Arch);

impl Simd {
    /// The best level of this machine, or the one that `TALLOW_SIMD` names (`scalar`, `v3`, `v4`)
    /// where the machine has it; other values are ignored. The variable is read once.
    pub fn detect() -> Self {
        static LEVEL: OnceLock<Simd> = OnceLock::new();
        *LEVEL.get_or_init(|| {
            let named = std::env::var("TALLOW_SIMD").ok();
            named.and_then(|name| Self::named(&name)).unwrap_or_else(Self::best)
        })
    }

    /// The level called `name`, if this machine has it.
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "scalar" => Some(Self(Arch::Scalar)),
            "v3" => v3(),
            "v4" => v4(),
            _ => None,
        }
    }

    /// AVX-512 makes colours and noise 1.1 to 1.4 times as fast as AVX2 (Zen 4), and nothing slower.
    fn best() -> Self {
        match v4().or_else(v3) {
            Some(level) => level,
            None if cfg!(target_arch = "x86_64") => Self(Arch::Scalar),
            None => Self(Arch::new()),
        }
    }

    /// What `TALLOW_SIMD` calls this level, or `native` where an architecture has but one.
    pub fn name(self) -> &'static str {
        match self.0 {
            Arch::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Arch::V3(_) => "v3",
            #[cfg(target_arch = "x86_64")]
            Arch::V4(_) => "v4",
            _ => "native",
        }
    }

    /// Runs `f` compiled for this level. `f` and all that it calls must be `#[inline(always)]`:
    /// a call that is not inlined runs the baseline's code. Very large closures are not inlined even so;
    /// a type that implements [`pulp::NullaryFnOnce`] is.
    #[inline(always)]
    pub fn run<R>(self, f: impl FnOnce() -> R) -> R {
        self.0.dispatch(f)
    }

    /// Proof that the AVX2 instructions may be used, if this level has them: V4 has them too.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub fn v3(self) -> Option<pulp::x86::V3> {
        match self.0 {
            Arch::V3(v3) => Some(v3),
            Arch::V4(v4) => Some(*v4),
            _ => None,
        }
    }

    /// This level with vectors of 32 bytes at most: for loops that read a row at places which are no
    /// whole vectors apart. Every load of 64 bytes then crosses a line of the cache, and takes twice
    /// the time.
    pub fn without_v4(self) -> Self {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Arch::V4(v4) => Self(Arch::V3(*v4)),
            other => Self(other),
        }
    }

    /// Proof that the instructions of AVX-512 VBMI may be used: with V4, where the processor has them
    /// besides.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub fn vbmi(self) -> Option<Vbmi> {
        match self.0 {
            Arch::V4(_) => Vbmi::try_new(),
            _ => None,
        }
    }

    /// Every level of this machine, for tests that compare them.
    pub fn levels() -> Vec<Self> {
        let named = ["scalar", "v3", "v4"].into_iter().filter_map(Self::named);
        named.chain([Self::detect()]).collect()
    }
}

#[cfg(target_arch = "x86_64")]
fn v3() -> Option<Simd> {
    pulp::x86::V3::try_new().map(|level| Simd(Arch::V3(level)))
}

#[cfg(target_arch = "x86_64")]
fn v4() -> Option<Simd> {
    pulp::x86::V4::try_new().map(|level| Simd(Arch::V4(level)))
}

#[cfg(not(target_arch = "x86_64"))]
fn v4() -> Option<Simd> {
    None
}

#[cfg(not(target_arch = "x86_64"))]
fn v3() -> Option<Simd> {
    None
}

/// The vector instructions that kernels use on this machine, in the words of `TALLOW_SIMD`, which
/// can choose others: `scalar`, `v3` (AVX2), `v4` (AVX-512), or `native` where there is but one level. Results do
/// not depend on it.
pub fn simd_level() -> &'static str {
    Simd::detect().name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_levels_have_no_name() {
        assert!(Simd::named("v9").is_none());
        assert!(Simd::named("scalar").is_some());
    }

    #[test]
    fn no_level_is_wider_than_v3_without_v4() {
        for simd in Simd::levels() {
            let expected = if simd.name() == "v4" { "v3" } else { simd.name() };
            assert_eq!(simd.without_v4().name(), expected);
        }
    }

    #[test]
    fn run_returns_what_the_closure_returns() {
        for simd in Simd::levels() {
            assert_eq!(simd.run(|| 3 + 4), 7);
        }
    }
}
