//! The memory of one field of a batch, which becomes a tensor.

use std::mem::MaybeUninit;

use candle_core::{CpuStorage, DType, Device, Shape, Tensor, WithDType};

/// Columns from this size on ask for huge pages. A fresh allocation of this size comes from the
/// kernel page by page, and its page faults then cost more than reading the data: for batches of
/// 32 MiB the request doubles the throughput.
const HUGE_PAGES_FROM_BYTES: usize = 4 << 20;

/// The size of a huge page on the machines that candle runs on. Where it is another, the request
/// covers a little less and nothing breaks.
const HUGE_PAGE_BYTES: usize = 2 << 20;

/// A run of rows of one element type, not initialised at first.
///
/// Behind a trait so that the slab need not know the ten element types.
pub(crate) trait FieldColumn: Send {
    /// The first byte; valid for the bytes of all rows until the column is consumed.
    fn memory(&mut self) -> *mut u8;

    /// The first `rows` rows as a tensor of shape `shape`, on the CPU with no copy.
    ///
    /// # Safety
    ///
    /// The first `rows` rows must have been written wholly, and no thread may write any more.
    unsafe fn into_tensor(
        self: Box<Self>,
        rows: usize,
        shape: Shape,
        device: &Device,
    ) -> candle_core::Result<Tensor>;
}

/// A column for `rows` rows of `row_elements` elements each; `None` when there is no memory.
pub(crate) fn column(
    dtype: DType,
    rows: usize,
    row_elements: usize,
) -> Option<Box<dyn FieldColumn>> {
    let size = (rows, row_elements);
    match dtype {
        DType::U8 => typed(CpuStorage::U8, size),
        DType::U32 => typed(CpuStorage::U32, size),
        DType::I16 => typed(CpuStorage::I16, size),
        DType::I32 => typed(CpuStorage::I32, size),
        DType::I64 => typed(CpuStorage::I64, size),
        DType::BF16 => typed(CpuStorage::BF16, size),
        DType::F16 => typed(CpuStorage::F16, size),
        DType::F32 => typed(CpuStorage::F32, size),
        DType::F64 => typed(CpuStorage::F64, size),
        DType::F8E4M3 => typed(CpuStorage::F8E4M3, size),
        _ => None,
    }
}

/// The constructor of candle's storage names the element type, one of which candle does not
/// export.
fn typed<T: WithDType + Send>(
    _storage: fn(Vec<T>) -> CpuStorage,
    (rows, row_elements): (usize, usize),
) -> Option<Box<dyn FieldColumn>> {
    let mut elements: Vec<T> = Vec::new();
    elements.try_reserve_exact(rows.checked_mul(row_elements)?).ok()?;
    advise_huge_pages(elements.spare_capacity_mut());
    Some(Box::new(TypedColumn { elements, row_elements }))
}

struct TypedColumn<T> {
    /// Of length 0 until it becomes a tensor: what is written lies in its capacity. An ordinary
    /// vector, because candle will free it as one.
    elements: Vec<T>,
    row_elements: usize,
}

impl<T: WithDType + Send> FieldColumn for TypedColumn<T> {
    fn memory(&mut self) -> *mut u8 {
        self.elements.as_mut_ptr().cast()
    }

    unsafe fn into_tensor(
        self: Box<Self>,
        rows: usize,
        shape: Shape,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let TypedColumn { mut elements, row_elements } = *self;
        let len = rows * row_elements;
        assert!(len <= elements.capacity(), "more rows than the column has");
        // SAFETY: `len` is within the capacity, and the caller promises that these rows are
        // written; every bit pattern is a value of the element types, which are plain numbers.
        unsafe { elements.set_len(len) };
        Tensor::from_vec(elements, shape, device)
    }
}

/// Asks the kernel to back the whole huge pages inside `memory` as such.
fn advise_huge_pages<T>(memory: &mut [MaybeUninit<T>]) {
    let bytes = size_of_val(memory);
    if bytes < HUGE_PAGES_FROM_BYTES || !cfg!(target_os = "linux") {
        return;
    }
    let start = memory.as_mut_ptr() as usize;
    let first = start.next_multiple_of(HUGE_PAGE_BYTES);
    let end = (start + bytes) / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    if first < end {
        #[cfg(target_os = "linux")]
        // SAFETY: the range lies inside memory that we own and is aligned to pages; the advice
        // changes how it is backed, not what it holds. A refusal is as good as no advice.
        unsafe {
            libc::madvise(first as *mut libc::c_void, end - first, libc::MADV_HUGEPAGE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dtype_has_a_column_that_becomes_a_tensor() {
        for dtype in [
            DType::U8,
            DType::U32,
            DType::I16,
            DType::I32,
            DType::I64,
            DType::BF16,
            DType::F16,
            DType::F32,
            DType::F64,
            DType::F8E4M3,
        ] {
            let mut column = column(dtype, 3, 2).unwrap();
            let bytes = 3 * 2 * dtype.size_in_bytes();
            // SAFETY: the column is valid for these bytes, and they are written before it
            // becomes a tensor.
            let tensor = unsafe {
                column.memory().write_bytes(0, bytes);
                column.into_tensor(3, (3, 2).into(), &Device::Cpu)
            };
            let tensor = tensor.unwrap();
            assert_eq!((tensor.dtype(), tensor.dims()), (dtype, &[3, 2][..]));
        }
    }

    #[test]
    fn an_impossible_size_is_refused() {
        assert!(column(DType::F64, usize::MAX, 2).is_none());
        assert!(column(DType::F64, 1 << 60, 1).is_none());
    }
}
