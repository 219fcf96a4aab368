use mpi::collective::SystemOperation;
use mpi::traits::{Communicator, CommunicatorCollectives, Root};
use tallow::candle::{Result, Tensor, Var};

/// The ranks whose numbers are added up.
pub(crate) trait Sums {
    /// The sum over all ranks of each number.
    fn sum(&self, own: &[f64]) -> Vec<f64>;

    /// The sum over all ranks of a tensor of `f32`.
    fn sum_tensor(&self, own: &Tensor) -> Result<Tensor>;
}

/// One process that is all there is.
pub(crate) struct Alone;

impl Sums for Alone {
    fn sum(&self, own: &[f64]) -> Vec<f64> {
        own.to_vec()
    }

    fn sum_tensor(&self, own: &Tensor) -> Result<Tensor> {
        Ok(own.clone())
    }
}

impl<C: Communicator> Sums for C {
    fn sum(&self, own: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; own.len()];
        self.all_reduce_into(own, &mut sums[..], SystemOperation::sum());
        sums
    }

    fn sum_tensor(&self, own: &Tensor) -> Result<Tensor> {
        let own_numbers = own.flatten_all()?.to_vec1::<f32>()?;
        let mut sums = vec![0f32; own_numbers.len()];
        self.all_reduce_into(&own_numbers[..], &mut sums[..], SystemOperation::sum());
        Tensor::from_vec(sums, own.shape(), own.device())
    }
}

/// Gives all ranks the values that rank 0 has.
pub(crate) fn broadcast(world: &impl Communicator, variables: &[Var]) -> Result<()> {
    for variable in variables {
        let mut values = variable.flatten_all()?.to_vec1::<f32>()?;
        world.process_at_rank(0).broadcast_into(&mut values[..]);
        variable.set(&Tensor::from_vec(values, variable.shape(), variable.device())?)?;
    }
    Ok(())
}
