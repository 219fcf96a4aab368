//! Channels in another order.

use std::fmt;

use tallow_core::Draws;

use crate::augment::Augment;
use crate::compose::{Atom, Composer, Sketch};
use crate::parameters::{chance, check_p, permutation};
use crate::plan::{CHANNELS_MAX, OpCode};
use crate::spec::Form;
use crate::step::Step;
use crate::text::number;

pub(crate) static FORMS: &[Form] = &[
    Form {
        name: "permute_channels",
        usage: "channel, ..",
        parse: |a, args| {
            let order = (0..args.count()).map(|_| args.whole("channel"));
            Ok(a.permute_channels(&order.collect::<Result<Vec<_>, _>>()?))
        },
    },
    Form {
        name: "random_channel_permutation",
        usage: "p=1",
        parse: |a, args| Ok(a.random_channel_permutation(args.number_or("p", 1.0)?)),
    },
];

impl Augment {
    /// Channel c takes channel `order[c]`: `[2, 1, 0]` swaps red and blue. Exact. torchvision:
    /// `permute_channels`.
    pub fn permute_channels(self, order: &[usize]) -> Self {
        self.push(PermuteChannels(order.to_vec()))
    }

    /// Puts the channels, up to four, into a random order with probability `p`; all orders are
    /// equally probable. Exact. torchvision: `RandomChannelPermutation`, which always acts.
    pub fn random_channel_permutation(self, p: f64) -> Self {
        self.push(RandomChannelPermutation { p })
    }
}

/// Requires at most as many channels as an operation holds at once.
///
/// # Errors
///
/// When there are more.
fn needs_few(channels: usize) -> Result<(), String> {
    match channels > CHANNELS_MAX {
        true => Err(format!("found {channels} channels, expected at most {CHANNELS_MAX}")),
        false => Ok(()),
    }
}

/// Writes that channel c becomes channel `order[c]`.
fn permute(order: &[usize], composer: &mut Composer<'_>) {
    let mut args: [f32; CHANNELS_MAX] = std::array::from_fn(|c| c as f32);
    args.iter_mut().zip(order).for_each(|(to, &from)| *to = from as f32);
    composer.point(OpCode::Permute, &args);
}

#[derive(Debug)]
struct PermuteChannels(Vec<usize>);

impl Step for PermuteChannels {
    fn name(&self) -> &'static str {
        "permute_channels"
    }

    fn draws(&self) -> bool {
        false
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        let channels = sketch.channels;
        needs_few(channels)?;
        let is_order =
            self.0.len() == channels && (0..channels).all(|channel| self.0.contains(&channel));
        if !is_order {
            let order = &self.0;
            return Err(format!("found {order:?}, expected an order of {channels} channels"));
        }
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, _draws: &mut Draws, composer: &mut Composer<'_>) {
        permute(&self.0, composer);
    }
}

impl fmt::Display for PermuteChannels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        write!(f, "permute_channels({})", order.join(", "))
    }
}

#[derive(Debug)]
struct RandomChannelPermutation {
    p: f64,
}

impl Step for RandomChannelPermutation {
    fn name(&self) -> &'static str {
        "random_channel_permutation"
    }

    fn outline(&self, sketch: &mut Sketch) -> Result<(), String> {
        check_p(self.p)?;
        needs_few(sketch.channels)?;
        sketch.atom(Atom::Point(1));
        Ok(())
    }

    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>) {
        let acts = chance(draws, self.p);
        let order: [usize; CHANNELS_MAX] = permutation(draws, composer.channels());
        if acts {
            let order = &order[..composer.channels()];
            composer.note(format_args!("channels {order:?}"));
            permute(order, composer);
        }
    }
}

impl fmt::Display for RandomChannelPermutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "random_channel_permutation({})", number(self.p))
    }
}

#[cfg(test)]
mod tests {
    use crate::steps::probe::{made, refusal};

    #[test]
    fn channels_change_places() {
        assert_eq!(made("permute_channels(2, 0, 1)", &[3, 1, 1], &[10, 20, 30]), [30, 10, 20]);
        assert_eq!(made("random_channel_permutation", &[1, 1, 2], &[10, 20]), [10, 20]);
        let mut shuffled = made("random_channel_permutation", &[4, 1, 1], &[1, 2, 3, 4]);
        shuffled.sort_unstable();
        assert_eq!(shuffled, [1, 2, 3, 4]);
        for wrong in ["0, 1", "0, 1, 1", "0, 1, 3", "1, 2, 3, 0"] {
            let refusal = refusal(&format!("permute_channels({wrong})"));
            assert!(refusal.contains("an order of 3 channels"), "{refusal}");
        }
    }
}
