use std::{fmt, io};

/// What is wrong with a file.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    offset: Option<u64>,
    source: Option<io::Error>,
}

/// The kinds of errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The file cannot be read.
    Io,
    /// It is a file of another format.
    Foreign,
    /// It ends too early.
    Truncated,
    /// What it says about itself contradicts the format or the file.
    Malformed,
    /// It is valid, and nothing that is read here.
    Unsupported,
}

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), offset: None, source: None }
    }

    /// One of a file that contradicts the format or itself.
    pub fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    /// One of what is valid and not read here.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// One of a read that failed, or met the end of the file.
    pub fn io(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::UnexpectedEof => ErrorKind::Truncated,
            _ => ErrorKind::Io,
        };
        Self { source: Some(error), ..Self::new(kind, "cannot read") }
    }

    /// The same, found at this byte of the file unless it names one.
    #[must_use]
    pub fn at(self, offset: u64) -> Self {
        Self { offset: self.offset.or(Some(offset)), ..self }
    }

    /// The same with another message.
    #[must_use]
    pub fn saying(self, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..self }
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was found and expected, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The byte of the file where it was found, if that is known.
    pub fn offset(&self) -> Option<u64> {
        self.offset
    }

    /// The error of reading that it came from, if any.
    pub fn into_io(self) -> Option<io::Error> {
        self.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.offset.map_or(Ok(()), |offset| write!(f, " (at byte {offset})"))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
