use std::fmt;
use std::path::{Path, PathBuf};

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, where, what was found and what was expected.
///
/// The message is one line, lower case and without a full stop, so that it reads well after
/// "failed to". Control characters, and bytes that are not UTF-8 in a path, are [`escaped`]. The kind
/// is for programs, the rest is for people.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    path: Option<PathBuf>,
    field: Option<String>,
    index: Option<usize>,
    offset: Option<u64>,
    of_partner: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of error it is, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused: opening, reading or listing failed.
    Io,
    /// A directory, FIFO, socket or device where a regular file was expected.
    NotRegular,
    /// A file holds less than its header claims.
    Truncated,
    /// A file is empty.
    Empty,
    /// A file is of another format than its name says.
    Foreign,
    /// A header is malformed.
    Header,
    /// The data after a header contradict themselves, or a checksum.
    Damaged,
    /// An element type that candle cannot hold exactly.
    UnsupportedDtype,
    /// An element type other than the one the schema declares.
    DtypeMismatch,
    /// A shape other than the one the schema declares.
    ShapeMismatch,
    /// A size above a limit, or one that does not fit the address space.
    TooLarge,
    /// A value that the declared element type cannot hold.
    OutOfRange,
    /// A file changed while it was being read.
    Changed,
    /// A sample has no partner in another folder.
    Unpaired,
    /// Two files, tensors or fields have the same name.
    Duplicate,
    /// A file holds more than its header claims.
    Trailing,
    /// A source returned without having written the whole of a field.
    Incomplete,
    /// A stream ended with an error, or before it should: what would have come is not known.
    Broken,
    /// User code failed.
    User,
    /// A configuration that cannot work.
    Config,
    /// A saved state that belongs to something else.
    State,
    /// The loader was stopped while a read was under way.
    Stopped,
}

impl ErrorKind {
    /// The kind in words, as `bench-loader check` lists it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "i/o error",
            Self::NotRegular => "not a regular file",
            Self::Truncated => "truncated",
            Self::Empty => "empty",
            Self::Foreign => "foreign format",
            Self::Header => "malformed header",
            Self::Damaged => "damaged",
            Self::UnsupportedDtype => "unsupported dtype",
            Self::DtypeMismatch => "dtype mismatch",
            Self::ShapeMismatch => "shape mismatch",
            Self::TooLarge => "too large",
            Self::OutOfRange => "value out of range",
            Self::Changed => "changed while reading",
            Self::Unpaired => "unpaired",
            Self::Duplicate => "duplicate",
            Self::Trailing => "trailing data",
            Self::Incomplete => "incomplete row",
            Self::Broken => "broken stream",
            Self::User => "user code failed",
            Self::Config => "configuration",
            Self::State => "state mismatch",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Error {
    /// An error of `kind`; `message` tells what was found and what was expected.
    #[cold]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            path: None,
            field: None,
            index: None,
            offset: None,
            of_partner: false,
            source: None,
        }))
    }

    /// An error of user code, from any error or text: for closures and sources that fail in ways of
    /// their own. `?` does this by itself for text, I/O errors, candle's, the standard library's parse
    /// errors, and boxed errors. An error of this crate that was boxed on its way is unwrapped.
    ///
    /// ```
    /// use tallow_core::Error;
    ///
    /// fn label(line: &str) -> Result<i64, Error> {
    ///     let (_, label) = line.split_once(',').ok_or("no comma")?;
    ///     Ok(label.parse()?)
    /// }
    /// assert_eq!(label("cat 3").unwrap_err().to_string(), "user code failed: no comma");
    /// assert_eq!(label("cat,3").unwrap(), 3);
    /// ```
    #[cold]
    pub fn user(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        match error.into().downcast::<Self>() {
            Ok(own) => *own,
            Err(source) => Self::new(ErrorKind::User, source.to_string()).with_source(source),
        }
    }

    #[cold]
    pub(crate) fn io(doing: &str, error: std::io::Error) -> Self {
        #[cfg(feature = "remote")]
        if let Some(error) = crate::files::stored::of_io(doing, &error) {
            return error;
        }
        Self::new(ErrorKind::Io, format!("cannot {doing}: {error}")).with_source(error)
    }

    /// Names the file.
    pub fn with_path(mut self, path: impl Into<PathBuf>) -> Self {
        if self.0.path.is_none() {
            self.0.path = Some(crate::files::shown(path.into()));
        }
        self
    }

    /// Names the field.
    pub fn with_field(mut self, field: impl Into<String>) -> Self {
        self.0.field.get_or_insert(field.into());
        self
    }

    /// The same error with a field that was called `old` called `new`.
    pub(crate) fn with_field_renamed(mut self, old: &str, new: String) -> Self {
        if let Some(field) = self.0.field.as_mut().filter(|field| *field == old) {
            *field = new;
        }
        self
    }

    /// Names the sample. The outermost source has the last word, because the caller knows its
    /// numbering.
    pub fn with_index(mut self, index: usize) -> Self {
        self.0.index = Some(index);
        self
    }

    /// Names the byte of the file.
    pub fn with_offset(mut self, offset: u64) -> Self {
        self.0.offset.get_or_insert(offset);
        self
    }

    /// The same error of something that begins at byte `at` of the file.
    pub(crate) fn with_offset_from(mut self, at: u64) -> Self {
        self.0.offset = self.0.offset.map(|offset| at.saturating_add(offset));
        self
    }

    /// Says that the fault is in the sample that is mixed in; see
    /// [`Mixer::run_pair`](crate::Mixer::run_pair).
    pub fn of_partner(mut self) -> Self {
        self.0.of_partner = true;
        self
    }

    /// Keeps the error that caused this one, which the message tells in its words.
    pub fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What was found and what was expected, without the place.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The file, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }

    /// The field, if it is known.
    pub fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// The sample's index, if it is known.
    pub fn index(&self) -> Option<usize> {
        self.0.index
    }

    /// Whether the fault is in the sample that is mixed in, and not in the row's own.
    pub fn is_of_partner(&self) -> bool {
        self.0.of_partner
    }

    /// The error that caused this one, for programs to inspect; the message has its words.
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.0.source.as_deref()
    }

    /// The byte offset in the file, if it is known.
    pub fn offset(&self) -> Option<u64> {
        self.0.offset
    }
}

impl Error {
    /// The error without its kind, for a message that has already named the kind.
    pub fn without_kind(&self) -> String {
        self.told(None)
    }

    fn told(&self, kind: Option<ErrorKind>) -> String {
        let inner = &*self.0;
        // `Debug` of a path escapes control characters and bytes that are not UTF-8.
        let path = inner.path.as_ref().map(|path| format!("{path:?}: ")).unwrap_or_default();
        let kind = kind.map(|kind| format!("{kind}: ")).unwrap_or_default();
        let mut places = Vec::new();
        if let Some(field) = &inner.field {
            places.push(format!("field {}", quoted(field)));
        }
        if let Some(index) = inner.index {
            places.push(format!("sample {index}"));
        }
        if let Some(offset) = inner.offset {
            places.push(format!("byte {offset}"));
        }
        let message = escaped(&inner.message);
        match places.is_empty() {
            true => format!("{path}{kind}{message}"),
            false => format!("{path}{kind}{message} ({})", places.join(", ")),
        }
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
        f.write_str(&self.told(Some(self.kind())))
    }
}

impl std::error::Error for Error {
    /// The source of [`Error::cause`], since the message already has the cause's words: printing a
    /// chain of errors repeats nothing.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().and_then(|cause| cause.source())
    }
}

impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        candle_core::Error::wrap(error)
    }
}

impl From<std::io::Error> for Error {
    /// An error of this crate that was wrapped on its way is unwrapped.
    fn from(error: std::io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Error::new(ErrorKind::Io, error.to_string()).with_source(error),
        }
    }
}

impl From<Box<dyn std::error::Error + Send + Sync>> for Error {
    fn from(error: Box<dyn std::error::Error + Send + Sync>) -> Self {
        Error::user(error)
    }
}

impl From<String> for Error {
    fn from(message: String) -> Self {
        Error::user(message)
    }
}

impl From<&str> for Error {
    fn from(message: &str) -> Self {
        Error::user(message)
    }
}

macro_rules! from_errors {
    ($($error:ty),* $(,)?) => {
        $(impl From<$error> for Error {
            fn from(error: $error) -> Self {
                Error::user(error)
            }
        })*
    };
}

from_errors!(
    std::array::TryFromSliceError,
    std::char::ParseCharError,
    std::fmt::Error,
    std::num::ParseFloatError,
    std::num::ParseIntError,
    std::num::TryFromIntError,
    std::str::ParseBoolError,
    std::str::Utf8Error,
    std::string::FromUtf8Error,
);

impl From<candle_core::Error> for Error {
    /// The message leaves out the backtrace that candle may have captured; the cause has it.
    fn from(error: candle_core::Error) -> Self {
        let mut what = &error;
        while let candle_core::Error::WithBacktrace { inner, .. } = what {
            what = inner;
        }
        Error::new(ErrorKind::User, what.to_string()).with_source(error)
    }
}

/// Makes everything in `text` visible that a terminal would obey or hide: control characters, line
/// breaks, marks that change the direction of writing, and invisible characters. Use it for all text
/// from files, file names or user code that is printed.
///
/// ```
/// assert_eq!(tallow_core::escaped("caf\u{e9}\n\u{202e}"), "caf\u{e9}\\n\\u{202e}");
/// ```
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // Quotes and backslashes stay: a message holds names that were escaped before.
    for piece in text.split_inclusive(['"', '\'', '\\']) {
        let plain = piece.trim_end_matches(['"', '\'', '\\']);
        out.extend(plain.escape_debug());
        out.push_str(&piece[plain.len()..]);
    }
    out
}

/// The words of another library about a file, which may repeat much of what the file holds.
pub(crate) fn shortened(text: String) -> String {
    const SHOWN_CHARS: usize = 200;
    match text.char_indices().nth(SHOWN_CHARS) {
        None => text,
        Some((at, _)) => format!("{}.. of {} bytes", &text[..at], text.len()),
    }
}

/// Text from a file as an error shows it: escaped, and short whatever the file holds.
pub(crate) fn quoted(text: &str) -> String {
    const SHOWN_CHARS: usize = 60;
    match text.char_indices().nth(SHOWN_CHARS) {
        None => format!("{text:?}"),
        Some((at, _)) => format!("{:?}.. of {} bytes", &text[..at], text.len()),
    }
}

/// The first of many names, and how many there are.
pub(crate) fn list_names<S: fmt::Display>(names: impl ExactSizeIterator<Item = S>) -> String {
    const SHOWN_NAMES: usize = 10;
    let total = names.len();
    let mut shown: Vec<String> = names.take(SHOWN_NAMES).map(|name| name.to_string()).collect();
    if total > SHOWN_NAMES {
        shown.push(format!(".. {total} in all"));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_is_one_line_that_names_everything() {
        let error = Error::new(ErrorKind::Truncated, "holds 3 bytes,\nexpected 4")
            .with_path("a\n/b.npy")
            .with_field("input")
            .with_index(7)
            .with_offset(128);
        assert_eq!(
            error.to_string(),
            "\"a\\n/b.npy\": truncated: holds 3 bytes,\\nexpected 4 \
             (field \"input\", sample 7, byte 128)"
        );
    }

    #[test]
    fn what_a_terminal_would_obey_or_not_show_is_shown() {
        let obeyed = "\u{1b}[31m\u{7}\u{9b}2J\u{202e}\u{200b}\u{2028}\n\r\0";
        let error = Error::new(ErrorKind::User, format!("{obeyed} of \"caf\u{e9}\", e\u{301}"))
            .with_field(obeyed)
            .with_path(obeyed);
        let text = error.to_string();
        assert!(text.chars().all(|c| c == ' ' || c.escape_debug().count() <= 2 || c == '\u{301}'));
        assert!(text.contains("\\u{202e}") && text.contains("caf\u{e9}"), "{text}");
        assert_eq!(escaped(&text), text, "once is enough");
    }

    #[test]
    fn an_error_that_user_code_hands_on_is_itself_again() {
        let error = Error::new(ErrorKind::Truncated, "holds 3 bytes").with_index(7);
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
        assert_eq!(Error::user(boxed).to_string(), "truncated: holds 3 bytes (sample 7)");
    }

    #[test]
    fn errors_of_the_standard_library_become_errors_of_a_sample() {
        fn parsed(text: &[u8]) -> Result<u8> {
            let number: i64 = std::str::from_utf8(text)?.parse()?;
            Ok(u8::try_from(number)?)
        }
        assert_eq!(parsed(b"7").unwrap(), 7);
        for text in [&b"\xff"[..], b"x", b"256"] {
            let error = parsed(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::User);
            assert!(error.cause().is_some());
        }
        let error = std::fs::File::open("/nowhere/at all").map_err(Error::from).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(error.to_string().starts_with("i/o error: No such file"), "{error}");
    }

    #[test]
    fn an_error_that_came_as_one_of_io_is_itself_again() {
        let error = std::io::Error::other(Error::new(ErrorKind::Truncated, "holds 3 bytes"));
        assert_eq!(Error::from(error).kind(), ErrorKind::Truncated);
    }

    #[test]
    fn an_error_of_candle_is_one_line_without_its_backtrace() {
        let inner = Box::new(candle_core::Error::Msg("no room".into()));
        let backtrace = Box::new(std::backtrace::Backtrace::force_capture());
        let error = Error::from(candle_core::Error::WithBacktrace { inner, backtrace });
        assert_eq!(error.to_string(), "user code failed: no room");
        let cause = error.cause().unwrap().to_string();
        assert!(cause.starts_with("no room\n"), "{cause}");
    }

    #[test]
    fn a_chain_of_errors_says_nothing_twice() {
        let io = || std::io::Error::other("no such disk");
        for error in [Error::io("open", io()), Error::user(io())] {
            assert!(error.to_string().ends_with("no such disk"), "{error}");
            assert!(error.cause().unwrap().is::<std::io::Error>());
            assert!(std::error::Error::source(&error).is_none());
        }
    }

    #[test]
    fn long_lists_of_names_are_cut_with_their_total() {
        assert_eq!(list_names(["a", "b"].iter()), "a, b");
        let many: Vec<usize> = (0..12).collect();
        assert_eq!(list_names(many.iter()), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, .. 12 in all");
    }
}
