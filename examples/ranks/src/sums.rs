use tallow::candle::{Device, Result, Tensor, Var};

/// The ranks whose numbers are added up.
pub(crate) trait Sums {
    /// The sum over all ranks of each element of `own`, a tensor of `f32` or `f64` on this rank's device.
    fn sum(&self, own: &Tensor) -> Result<Tensor>;

    /// The sum over all ranks of each number.
    fn sum_numbers(&self, own: &[f64], device: &Device) -> Result<Vec<f64>> {
        self.sum(&Tensor::new(own, device)?)?.to_vec1()
    }

    /// Gives all ranks the values that the first has: what the others add is 0.
    fn share(&self, variables: &[Var], is_first: bool) -> Result<()> {
        for variable in variables {
            let own = if is_first { variable.copy()? } else { variable.zeros_like()? };
            variable.set(&self.sum(&own)?)?;
        }
        Ok(())
    }
}

/// One process that is all there is.
pub(crate) struct Alone;

impl Sums for Alone {
    fn sum(&self, own: &Tensor) -> Result<Tensor> {
        Ok(own.clone())
    }
}
