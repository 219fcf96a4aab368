//! A chain as the loader sees it: the transform that makes its engines.

use tallow_core::{Engine, Fingerprint, Result, Schema, Transform};

use crate::augment::Augment;
use crate::bind::AugmentEngine;
use crate::layout::Layout;
use crate::plan::PLAN_VERSION;

impl Transform for Augment {
    fn bind(&self, schema: &Schema) -> Result<Box<dyn Engine>> {
        Ok(Box::new(AugmentEngine::bind(self, schema)?))
    }

    #[cfg(feature = "cuda")]
    fn bind_on(
        &self,
        device: &candle_core::Device,
        schema: &Schema,
    ) -> Result<Option<Box<dyn tallow_core::device::DeviceEngine>>> {
        // Kernels know no scales, and samples that remain on the device have one size.
        if self.scaled || !device.is_cuda() {
            return Ok(None);
        }
        Ok(Some(Box::new(crate::cuda::Launches::bind(self, schema)?)))
    }

    fn takes_encoded(&self) -> bool {
        true
    }

    fn fingerprint(&self) -> Fingerprint {
        let print = Fingerprint::of("augment").number(u64::from(PLAN_VERSION));
        let layout = self.layout.map_or("", Layout::as_str);
        let print = print.text(self.field_name()).text(layout).text(&self.chain.to_string());
        let print =
            self.targets.iter().fold(print, |print, target| print.text(&target.to_string()));
        let print = print.text(self.draws_name()).number(u64::from(self.once));
        // A chain without what came later keeps the fingerprint that it had before.
        let print = if self.scaled { print.text("scaled_decode") } else { print };
        let range = self.range.unwrap_or_default().map(f64::to_bits);
        match self.range {
            Some(_) => range.into_iter().fold(print.text("range"), |print, end| print.number(end)),
            None => print,
        }
        .finish()
    }
}
