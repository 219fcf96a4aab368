use mpi::collective::SystemOperation;
use mpi::traits::{Communicator, CommunicatorCollectives, Equivalence};
use tallow::Ranks;
use tallow::candle::{DType, Device, Result, Tensor, WithDType, bail};

use crate::sums::Sums;
use crate::training;

pub(crate) fn run() -> Result<()> {
    // What MPI says, the environment said before.
    let ranks = Ranks::from_env()?;
    let Some(universe) = mpi::initialize() else { bail!("MPI cannot be initialised") };
    let world = universe.world();
    if (world.rank() as usize, world.size() as usize) != (ranks.rank(), ranks.world()) {
        bail!("MPI says rank {} of {}, the environment {ranks}", world.rank(), world.size());
    }
    training::run(&ranks, &world, &Device::Cpu)
}

impl<C: Communicator> Sums for C {
    fn sum(&self, own: &Tensor) -> Result<Tensor> {
        match own.dtype() {
            DType::F32 => sum::<f32>(self, own),
            DType::F64 => sum::<f64>(self, own),
            other => bail!("a sum of {other:?}, expected f32 or f64"),
        }
    }
}

fn sum<T: WithDType + Equivalence>(ranks: &impl Communicator, own: &Tensor) -> Result<Tensor> {
    let own_numbers = own.flatten_all()?.to_vec1::<T>()?;
    let mut sums = vec![T::zero(); own_numbers.len()];
    ranks.all_reduce_into(&own_numbers[..], &mut sums[..], SystemOperation::sum());
    Tensor::from_vec(sums, own.shape(), own.device())
}
