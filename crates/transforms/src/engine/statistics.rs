//! What an operation must know of the whole image before its first pixel is changed.

use super::memory::Tile;
use crate::kernels::Simd;
use crate::kernels::stats::{GraySum, Histogram, MinMax, Moments};
use crate::plan::{CHANNELS_MAX, Op, OpCode};

/// A statistic of the image that reaches an operation, gathered a row at a time.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "one on the stack of a stage; a box would allocate")]
pub(crate) enum Statistic {
    /// The mean of the luma.
    Gray(GraySum),
    /// Least and greatest value per channel.
    Extremes([MinMax; CHANNELS_MAX]),
    /// How often each of 256 levels occurs, per channel.
    Histograms([Histogram; CHANNELS_MAX]),
    /// What each of those levels becomes, per channel; a channel that stays as it is has none.
    Tables([Option<[f32; 256]>; CHANNELS_MAX]),
    /// Mean and variance per channel; images of more channels share the last.
    Moments([Moments; CHANNELS_MAX]),
}

impl Statistic {
    /// What `op` needs, if anything.
    pub(crate) fn of(op: &Op) -> Option<Self> {
        Some(match op.code()? {
            OpCode::Contrast => Self::Gray(GraySum::new(op.args[1])),
            OpCode::Autocontrast => Self::Extremes([MinMax::default(); CHANNELS_MAX]),
            OpCode::Equalize => Self::Histograms(Default::default()),
            OpCode::Standardize => Self::Moments([Moments::default(); CHANNELS_MAX]),
            _ => return None,
        })
    }

    /// Adds a row of the image.
    pub(crate) fn add(&mut self, simd: Simd, op: &Op, tile: &mut Tile<'_>) {
        match self {
            Self::Gray(sum) if tile.channels >= 3 => {
                let [r, g, b] = tile.colors();
                sum.add(simd, r, g, b);
            }
            Self::Gray(sum) => sum.add_gray(simd, tile.plane_ref(0)),
            Self::Extremes(extremes) => {
                for (c, extremes) in extremes.iter_mut().enumerate().take(tile.channels) {
                    extremes.add(simd, tile.plane_ref(c));
                }
            }
            Self::Histograms(histograms) => {
                for (c, histogram) in histograms.iter_mut().enumerate().take(tile.channels) {
                    histogram.add(simd, tile.plane_ref(c), op.args[0]);
                }
            }
            Self::Tables(_) => {}
            Self::Moments(moments) => {
                for c in 0..tile.channels {
                    let slot = if op.slot == 1 { c.min(CHANNELS_MAX - 1) } else { 0 };
                    moments[slot].add(simd, tile.plane_ref(c));
                }
            }
        }
    }

    /// Adds an image of which `tile` has the values that occur, each as often as its channel's `counts`
    /// say. Not for moments, whose sums depend on the order of values.
    pub(crate) fn add_counted(
        &mut self,
        simd: Simd,
        op: &Op,
        tile: &Tile<'_>,
        counts: &[&[u32; 256]; CHANNELS_MAX],
    ) {
        for (c, counts) in counts.iter().enumerate().take(tile.channels) {
            let values = tile.plane_ref(c);
            match self {
                Self::Extremes(extremes) => {
                    let values = values.iter().zip(*counts).filter(|(_, count)| **count > 0);
                    values.for_each(|(value, _)| extremes[c].add(simd, &[*value]));
                }
                Self::Histograms(histograms) => {
                    histograms[c].add_counted(simd, values, *counts, op.args[0]);
                }
                Self::Gray(sum) => {
                    if c < if tile.channels >= 3 { 3 } else { 1 } {
                        sum.add_counted(c, values, *counts);
                    }
                }
                Self::Moments(_) | Self::Tables(_) => {}
            }
        }
    }

    /// The statistic once every row was added, as `op` uses it.
    pub(crate) fn settle(self, op: &Op) -> Self {
        match self {
            Self::Histograms(histograms) => {
                let [max, are_levels, ..] = op.args;
                Self::Tables(histograms.map(|of| of.equalize_lut(max, are_levels == 1.0)))
            }
            other => other,
        }
    }
}
