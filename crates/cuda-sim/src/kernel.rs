//! Kernels that the host plays.

use std::fmt;

use crate::ffi;

/// A number as kernels pass and store it, in the byte order of the machine.
pub trait Number: Copy + sealed::Sealed {
    /// Its size in memory.
    const BYTES: usize = size_of::<Self>();
    /// The number in the first [`BYTES`](Self::BYTES) bytes.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Appends the number.
    fn append_to(self, bytes: &mut Vec<u8>);
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! numbers {
    ($($number:ty),+) => {$(
        impl sealed::Sealed for $number {}
        impl Number for $number {
            fn from_bytes(bytes: &[u8]) -> Self {
                let bytes = bytes.first_chunk().expect("as many bytes as the number has");
                Self::from_ne_bytes(*bytes)
            }
            fn append_to(self, bytes: &mut Vec<u8>) {
                bytes.extend_from_slice(&self.to_ne_bytes());
            }
        }
    )+};
}

numbers!(u8, i8, u16, i16, u32, i32, u64, i64, usize, isize, f32, f64);

/// Bytes that a launch reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    pub(crate) address: u64,
    pub(crate) bytes: usize,
    pub(crate) is_write: bool,
}

impl Use {
    /// The launch reads these bytes.
    pub fn read(address: u64, bytes: usize) -> Self {
        Self { address, bytes, is_write: false }
    }

    /// The launch writes these bytes.
    pub fn write(address: u64, bytes: usize) -> Self {
        Self { address, bytes, is_write: true }
    }
}

/// One launch of a kernel: the values its parameters had then, and its shape.
#[derive(Debug)]
pub struct Launch<'a> {
    pub(crate) params: Vec<&'a [u8]>,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads a block along x, y and z.
    pub block: [u32; 3],
    /// Dynamic shared memory a block.
    pub shared_bytes: u32,
}

impl Launch<'_> {
    /// The bytes of a parameter: a structure passed by value, say.
    ///
    /// # Panics
    ///
    /// If the kernel was registered with fewer parameters. A panic in a kernel is a violation.
    pub fn bytes(&self, index: usize) -> &[u8] {
        self.params[index]
    }

    /// The value of a parameter that is a number; a device pointer is a `u64`.
    ///
    /// # Panics
    ///
    /// If the parameter was registered with another size.
    pub fn param<T: Number>(&self, index: usize) -> T {
        let bytes = self.bytes(index);
        assert_eq!(bytes.len(), T::BYTES, "the size of parameter {index}");
        T::from_bytes(bytes)
    }
}

/// A kernel touched bytes that it had not declared. Already recorded as a violation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Undeclared;

impl fmt::Display for Undeclared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kernel did not declare this use of memory")
    }
}

impl std::error::Error for Undeclared {}

/// The memory that a running kernel may touch: what it declared, as it is at this moment.
#[derive(Debug)]
pub struct KernelMemory<'a> {
    pub(crate) granted: ffi::Granted<'a>,
}

impl KernelMemory<'_> {
    /// Copies numbers out of memory.
    ///
    /// # Errors
    ///
    /// If the launch did not declare that it reads all of them.
    pub fn read<T: Number>(&self, address: u64, count: usize) -> Result<Vec<T>, Undeclared> {
        let mut bytes = vec![0; count * T::BYTES];
        self.granted.read(address, &mut bytes)?;
        Ok(bytes.chunks_exact(T::BYTES).map(T::from_bytes).collect())
    }

    /// Copies numbers into memory.
    ///
    /// # Errors
    ///
    /// If the launch did not declare that it writes all of them.
    pub fn write<T: Number>(&mut self, address: u64, numbers: &[T]) -> Result<(), Undeclared> {
        let mut bytes = Vec::with_capacity(numbers.len() * T::BYTES);
        for number in numbers {
            number.append_to(&mut bytes);
        }
        self.granted.write(address, &bytes)
    }
}

type Uses = dyn Fn(&Launch<'_>) -> Vec<Use> + Send;
type Run = dyn Fn(&Launch<'_>, &mut KernelMemory<'_>) -> Result<(), Undeclared> + Send;

/// A kernel with what it does, in two closures: which memory a launch uses, asked when it is
/// launched, and the work itself, done when the seed likes. Neither may call the driver, whose lock
/// is held around them.
///
/// ```
/// use tallow_cuda_sim::{Kernel, Use};
///
/// // extern "C" __global__ void scale(const float *from, float *to, float by, size_t count)
/// let scale = Kernel::new("scale", [8, 8, 4, 8])
///     .uses(|launch| {
///         let bytes = 4 * launch.param::<usize>(3);
///         vec![Use::read(launch.param(0), bytes), Use::write(launch.param(1), bytes)]
///     })
///     .runs(|launch, memory| {
///         let from = memory.read::<f32>(launch.param(0), launch.param(3))?;
///         let by = launch.param::<f32>(2);
///         let to: Vec<f32> = from.iter().map(|x| x * by).collect();
///         memory.write(launch.param(1), &to)
///     });
/// ```
pub struct Kernel {
    pub(crate) name: String,
    pub(crate) param_bytes: Vec<usize>,
    pub(crate) uses: Box<Uses>,
    pub(crate) run: Box<Run>,
}

impl Kernel {
    /// A kernel by the name of its entry in the module, with the sizes of its parameters. It uses
    /// no memory and does nothing.
    ///
    /// # Panics
    ///
    /// If a parameter has no bytes: no kernel has such a one.
    pub fn new(name: &str, param_bytes: impl Into<Vec<usize>>) -> Self {
        let param_bytes = param_bytes.into();
        assert!(param_bytes.iter().all(|&bytes| bytes > 0), "a parameter of {name} has no bytes");
        Self {
            name: name.to_owned(),
            param_bytes,
            uses: Box::new(|_| Vec::new()),
            run: Box::new(|_, _| Ok(())),
        }
    }

    /// Which memory a launch reads and writes. Default: none.
    #[must_use]
    pub fn uses(mut self, uses: impl Fn(&Launch<'_>) -> Vec<Use> + Send + 'static) -> Self {
        self.uses = Box::new(uses);
        self
    }

    /// What a launch does. Default: nothing.
    #[must_use]
    pub fn runs(
        mut self,
        run: impl Fn(&Launch<'_>, &mut KernelMemory<'_>) -> Result<(), Undeclared> + Send + 'static,
    ) -> Self {
        self.run = Box::new(run);
        self
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("name", &self.name)
            .field("param_bytes", &self.param_bytes)
            .finish_non_exhaustive()
    }
}
