//! The samplers, which choose the samples of an epoch and their order: one file each.

mod block_shuffle;
mod mix;
mod sequential;
mod shuffle;
mod shuffle_windows;
mod subset;
mod weighted;
mod with_replacement;

pub use self::block_shuffle::BlockShuffle;
pub use self::mix::{Mix, Until};
pub use self::sequential::Sequential;
pub use self::shuffle::Shuffle;
pub use self::shuffle_windows::ShuffleWindows;
pub use self::subset::SubsetSampler;
pub use self::weighted::Weighted;
pub use self::with_replacement::WithReplacement;
