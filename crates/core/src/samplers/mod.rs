//! The samplers, which choose the samples of an epoch and their order: one file each.

mod block_shuffle;
mod buckets;
mod mix;
mod sequential;
mod shuffle;
mod shuffle_windows;
mod subset;
mod token_budget;
mod weighted;
mod with_replacement;

pub use self::block_shuffle::BlockShuffle;
pub use self::buckets::Buckets;
pub use self::mix::{Mix, Until};
pub use self::sequential::Sequential;
pub use self::shuffle::Shuffle;
pub use self::shuffle_windows::ShuffleWindows;
pub use self::subset::SubsetSampler;
pub use self::token_budget::TokenBudget;
pub use self::weighted::Weighted;
pub use self::with_replacement::WithReplacement;
use crate::Fingerprint;

/// What a saved state remembers of a table of lengths.
fn lengths_fingerprint(lengths: &[u32]) -> Fingerprint {
    let bytes = |lengths: &[u32]| lengths.iter().flat_map(|l| l.to_le_bytes()).collect::<Vec<u8>>();
    let print = Fingerprint::of("lengths").number(lengths.len() as u64);
    lengths.chunks(1 << 16).fold(print, |print, chunk| print.bytes(&bytes(chunk))).finish()
}
