//! Why something could not be delivered, or not be built.

use std::fmt;

use tallow_core::escaped;

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a batch could not be delivered, or a loader could not be built.
///
/// In an iteration an error takes the place of its batch: the batches before it were delivered, and
/// those after it will be.
///
/// Errors of sources and of candle turn into this one by `?`, and this one into candle's, so that one
/// result type serves a whole program:
///
/// ```
/// # use tallow_core::{Field, RowDType, Schema, from_fn};
/// # use tallow_loader::Loader;
/// fn mean() -> tallow_loader::Result<f32> {
///     let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[4])])?;
///     let source = from_fn(schema, 8, |_, row| row.field(0).copy_from_slice(&[0.5f32; 4]));
///     let loader = Loader::builder(source).batch_size(8).build()?;
///     let mut mean = 0.0;
///     for batch in loader.epoch(0) {
///         mean = batch?["input"].mean_all()?.to_scalar()?;
///     }
///     Ok(mean)
/// }
/// assert_eq!(mean()?, 0.5);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    batch: Option<BatchId>,
    position: Option<usize>,
    cause: Option<tallow_core::Error>,
    /// Whether the message contains the cause.
    told: bool,
    hopeless: bool,
}

/// A batch among all batches of a loader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId {
    /// The epoch.
    pub epoch: u64,
    /// Which batch of the epoch, counted over all ranks.
    pub number: usize,
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}, batch {}", self.epoch, self.number)
    }
}

/// The kinds of error, as a program tells them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A sample could not be read or transformed: see [`Error::cause`].
    Sample,
    /// More samples failed than the policy allows.
    Budget,
    /// User code panicked.
    Panic,
    /// A worker was at one sample for longer than the stall timeout.
    Stalled,
    /// An epoch has no batch: one needs more samples than there are, or all were skipped.
    Empty,
    /// There is no memory for a batch.
    Memory,
    /// The system does not start another thread.
    Thread,
    /// The tensors could not be made, or not be moved to their device.
    Device,
    /// A closure of [`crate::LoaderBuilder::map_batch`] failed: see [`Error::cause`].
    MapBatch,
    /// An operation of candle failed: what `?` makes of candle's own errors.
    Tensor,
    /// A configuration that cannot work.
    Config,
    /// A state that does not belong to this loader.
    State,
    /// Another iteration of the same loader is running.
    Busy,
    /// A thread did not end in time when the loader was stopped.
    Abandoned,
}

impl ErrorKind {
    /// The kind in words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "bad sample",
            Self::Budget => "too many bad samples",
            Self::Panic => "panic",
            Self::Stalled => "stalled",
            Self::Empty => "nothing to deliver",
            Self::Memory => "out of memory",
            Self::Thread => "no thread",
            Self::Device => "device",
            Self::MapBatch => "map_batch failed",
            Self::Tensor => "tensor operation",
            Self::Config => "configuration",
            Self::State => "state mismatch",
            Self::Busy => "busy",
            Self::Abandoned => "abandoned",
        }
    }
}

impl Error {
    #[cold]
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self(Box::new(Inner {
            kind,
            message,
            batch: None,
            position: None,
            cause: None,
            told: false,
            hopeless: false,
        }))
    }

    /// An error whose words are those of `cause`.
    #[cold]
    pub(crate) fn caused(kind: ErrorKind, cause: tallow_core::Error) -> Self {
        let mut error = Self::new(kind, String::new());
        error.0.cause = Some(cause);
        error
    }

    /// candle could not make a tensor, or not move it to its device.
    #[cold]
    pub(crate) fn device(cause: candle_core::Error) -> Self {
        let cause = tallow_core::Error::from(cause);
        Self::new(ErrorKind::Device, cause.message()).with_source(cause)
    }

    /// The error as one problem of a configuration among others.
    pub(crate) fn problem(&self) -> String {
        if self.0.kind == ErrorKind::Config { self.words() } else { self.to_string() }
    }

    /// All problems of a configuration as one error; `Ok` if there is none.
    pub(crate) fn all(problems: &[String]) -> Result<()> {
        if problems.is_empty() {
            return Ok(());
        }
        Err(Self::new(ErrorKind::Config, problems.join("; ")))
    }

    pub(crate) fn with_batch(mut self, batch: BatchId) -> Self {
        self.0.batch = Some(batch);
        self
    }

    pub(crate) fn with_position(mut self, position: usize) -> Self {
        self.0.position = Some(position);
        self
    }

    pub(crate) fn with_message(mut self, message: impl Into<String>) -> Self {
        self.0.message = message.into();
        self
    }

    pub(crate) fn hopeless(mut self) -> Self {
        self.0.hopeless = true;
        self
    }

    /// Adds to the message.
    pub(crate) fn with_remark(mut self, remark: &str) -> Self {
        let message = &mut self.0.message;
        *message += if message.is_empty() { "" } else { ", " };
        *message += remark;
        self
    }

    /// Keeps the cause for programs. The message says it already.
    pub(crate) fn with_source(mut self, cause: tallow_core::Error) -> Self {
        self.0.cause = Some(cause);
        self.0.told = true;
        self
    }

    /// What the error says after its kind and batch. The kind of the cause is left out if it is the
    /// same.
    pub(crate) fn words(&self) -> String {
        let inner = &*self.0;
        let cause = inner.cause.as_ref().filter(|_| !inner.told).map(|cause| {
            let same = cause.kind().as_str() == inner.kind.as_str();
            if same { cause.without_kind() } else { cause.to_string() }
        });
        let message = Some(escaped(&inner.message)).filter(|message| !message.is_empty());
        [message, cause].into_iter().flatten().collect::<Vec<_>>().join(": ")
    }

    pub(crate) fn into_cause(self) -> Option<tallow_core::Error> {
        self.0.cause
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The batch whose place the error takes, if there is one.
    pub fn batch(&self) -> Option<BatchId> {
        self.0.batch
    }

    /// The position in the epoch of the row that failed, if there is one.
    pub fn position(&self) -> Option<usize> {
        self.0.position
    }

    /// Whether what comes after this error fails at once as well, because every worker is stuck, for
    /// example on a file system that is gone. The loader works again as soon as one of them returns,
    /// but a program that runs unattended should give up.
    pub fn is_hopeless(&self) -> bool {
        self.0.hopeless
    }

    /// The error of the source, transform or closure that caused this one. It names path, field and
    /// sample as far as they are known.
    pub fn cause(&self) -> Option<&tallow_core::Error> {
        self.0.cause.as_ref()
    }
}

/// As `Display`: a program that returns the error from `main` prints it like this, and so does
/// `unwrap`.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &*self.0;
        f.write_str(inner.kind.as_str())?;
        if let Some(batch) = inner.batch {
            write!(f, " in {batch}")?;
        }
        if let Some(position) = inner.position {
            write!(f, ", position {position}")?;
        }
        write!(f, ": {}", self.words())
    }
}

impl std::error::Error for Error {
    /// The source of [`Error::cause`]: the message has the words of the cause itself.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.cause.as_ref().and_then(std::error::Error::source)
    }
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        candle_core::Error::wrap(error)
    }
}

impl From<candle_core::Error> for Error {
    /// Candle keeps only the words of an error that it wraps, also of one of this crate.
    fn from(error: candle_core::Error) -> Self {
        let cause = tallow_core::Error::from(error);
        Self::new(ErrorKind::Tensor, cause.message()).with_source(cause)
    }
}

impl From<tallow_core::Error> for Error {
    fn from(error: tallow_core::Error) -> Self {
        let kind = match error.kind() {
            tallow_core::ErrorKind::Config => ErrorKind::Config,
            tallow_core::ErrorKind::State => ErrorKind::State,
            _ => ErrorKind::Sample,
        };
        Self::caused(kind, error)
    }
}

/// CUDA refuses something.
#[cfg(feature = "cuda")]
#[cold]
pub(crate) fn refused(what: &str, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Device, format!("CUDA refuses {what}: {error}"))
}

/// CUDA has not enough memory.
#[cfg(feature = "cuda")]
#[cold]
pub(crate) fn no_memory(what: &str, bytes: usize, error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorKind::Memory, format!("no {bytes} bytes of {what}: {error}"))
}
