use std::env;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{DeviceRepr, ValidAsZeroBits};
use candle_core::cuda::cudarc::nccl::{Comm, Id, NcclType, ReduceOp};
use candle_core::cuda::{CudaDType, CudaStorage};
use candle_core::{
    CpuStorage, CustomOp1, DType, Device, Error, Layout, Result, Shape, Tensor, bail,
};
use tallow::Ranks;

use crate::meeting::{Token, meet};
use crate::sums::Sums;
use crate::training;

/// Where ranks of one machine meet.
const MEETING: &str = "127.0.0.1:29600";

pub(crate) fn run() -> Result<()> {
    let ranks = Ranks::from_env()?;
    // One stream, for candle's work and NCCL's.
    let device = Device::new_cuda_with_stream(ranks.local_rank().unwrap_or(0))?;
    let at = env::args().nth(1).unwrap_or_else(|| MEETING.to_owned());
    let id = if ranks.rank() == 0 { Some(new_id()?) } else { None };
    let id = Id::uninit(meet(&at, ranks.world(), id)?.map(|byte| byte as _));
    let stream = device.as_cuda_device()?.cuda_stream();
    let comm = Comm::from_rank(stream, ranks.rank(), ranks.world(), id);
    let comm = comm.map_err(|e| failed("the ranks cannot be joined", &e))?;
    training::run(&ranks, &Nccl(comm), &device)
}

fn new_id() -> Result<Token> {
    let id = Id::new().map_err(|e| failed("no identity for the ranks", &e))?;
    Ok(id.internal().map(|byte| byte as u8))
}

fn failed(what: &str, error: &dyn std::fmt::Debug) -> Error {
    Error::msg(format!("NCCL: {what}: {error:?}"))
}

/// The ranks, each with a GPU.
struct Nccl(Comm);

impl Sums for Nccl {
    fn sum(&self, own: &Tensor) -> Result<Tensor> {
        own.contiguous()?.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for Nccl {
    fn name(&self) -> &'static str {
        "sum over ranks"
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        bail!("NCCL adds up what is in CUDA memory")
    }

    fn cuda_fwd(&self, own: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let sums = match own.dtype() {
            DType::F32 => self.sum_of::<f32>(own, layout)?,
            DType::F64 => self.sum_of::<f64>(own, layout)?,
            other => bail!("a sum of {other:?}, expected f32 or f64"),
        };
        Ok((sums, layout.shape().clone()))
    }
}

impl Nccl {
    fn sum_of<T>(&self, own: &CudaStorage, layout: &Layout) -> Result<CudaStorage>
    where
        T: CudaDType + DeviceRepr + NcclType + ValidAsZeroBits,
    {
        let Some((start, end)) = layout.contiguous_offsets() else {
            bail!("a sum over ranks takes a tensor without gaps, found {layout:?}")
        };
        let device = own.device();
        let mut sums = device.alloc_zeros::<T>(end - start)?;
        let own = own.as_cuda_slice::<T>()?.slice(start..end);
        let done = self.0.all_reduce(&own, &mut sums, &ReduceOp::Sum);
        done.map_err(|e| failed("the ranks cannot be added up", &e))?;
        Ok(CudaStorage::wrap_cuda_slice(sums, device.clone()))
    }
}
