//! A chain as text: `random_resized_crop(224) random_hflip(0.5) normalize(imagenet)`.
//!
//! Steps stand side by side, each a name and its arguments in parentheses, first those without a
//! name, then `key=value`. A value is a number, a word, a text in quotes, a range `a..b`, a list
//! `[a,b,c]`, or a chain. What holds for the whole chain, its field say, stands among the steps in
//! the same way. An error points at the word that it is about.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use tallow_core::escaped;

use crate::augment::Augment;
use crate::draw::Uniform;
use crate::names;
use crate::step::number;
use crate::steps::{FORMS, Jitter};
use crate::{augment, targets};

/// How a step, or a setting of the whole chain, is written, and how it comes about.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    /// The arguments, as `bench-loader` prints them.
    pub(crate) usage: &'static str,
    pub(crate) parse: fn(Augment, &mut Args<'_>) -> Result<Augment, SpecError>,
}

/// The step as it is written: its name and arguments.
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.usage {
            "" => f.write_str(self.name),
            usage => write!(f, "{}({usage})", self.name),
        }
    }
}

/// What is wrong with the text of a chain, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecError {
    text: String,
    at: Range<usize>,
    message: String,
}

impl SpecError {
    /// The bytes of the text that the error is about.
    pub fn span(&self) -> Range<usize> {
        self.at.clone()
    }

    /// What was found and what was expected.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// The message, the text, and under it a mark below the word: three lines. Of a long text the part
/// around the word is shown; control characters are escaped.
impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (before, rest) = self.text.split_at(self.at.start);
        let (word, after) = rest.split_at(self.at.len());
        let cut = before.chars().count().saturating_sub(SHOWN_MAX);
        let dots = if cut > 0 { ".." } else { "" };
        let before = before.chars().skip(cut).collect::<String>();
        let before = format!("{dots}{}", Shown(&before));
        let (word, after) = (Shown(word).to_string(), Shown(after).to_string());
        let marks = word.chars().count().max(1);
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {before}{word}{after}")?;
        write!(f, "  {}{}", " ".repeat(before.chars().count()), "^".repeat(marks))
    }
}

impl std::error::Error for SpecError {}

impl From<SpecError> for tallow_core::Error {
    fn from(error: SpecError) -> Self {
        let (word, column) = (Shown(&error.text[error.at.clone()]), error.at.start);
        let message = format!("{} (at \"{word}\", column {column})", error.message);
        Self::new(tallow_core::ErrorKind::Config, message).with_source(error)
    }
}

impl FromStr for Augment {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let mut parser = Parser { text, at: 0, depth: 0 };
        let chain = parser.chain(Augment::new())?;
        match parser.rest().is_empty() {
            true => Ok(chain),
            false => Err(parser.unexpected("the name of a step")),
        }
    }
}

/// What holds for the whole chain, whatever its steps: the fields, and how they are taken.
static SETTINGS: &[&[Form]] = &[augment::FORMS, targets::FORMS];

/// Everything that the text of a chain can name.
pub(crate) fn forms() -> impl Iterator<Item = &'static Form> + Clone {
    FORMS.iter().chain(SETTINGS).copied().flatten()
}

/// The names of all of it.
pub(crate) fn words() -> impl Iterator<Item = &'static str> + Clone {
    forms().map(|form| form.name)
}

fn is_setting(name: &str) -> bool {
    SETTINGS.iter().copied().flatten().any(|form| form.name == name)
}

/// A field's name in the text of a chain: a word where it reads as one, or else in quotes.
pub(crate) struct FieldName<'a>(pub(crate) &'a str);

impl fmt::Display for FieldName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word =
            self.0.starts_with(|c: char| c.is_ascii_alphabetic()) && self.0.chars().all(is_name);
        if is_word { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// A value of an argument.
#[derive(Debug, Clone)]
enum Value {
    Number(f64),
    Word(String),
    Range(f64, f64),
    List(Vec<f64>),
    Chain(Augment),
}

/// The value as an error tells it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => f.write_str(&number(*value)),
            Self::Word(word) => write!(f, "\"{}\"", Shown(word)),
            Self::Range(low, high) => write!(f, "{}..{}", number(*low), number(*high)),
            Self::List(list) => write!(f, "a list of {}", list.len()),
            Self::Chain(_) => f.write_str("a chain"),
        }
    }
}

#[derive(Debug, Clone)]
struct Arg {
    key: Option<String>,
    value: Value,
    at: Range<usize>,
}

/// The arguments of one step. Each is asked for once, in the order of the usage.
pub(crate) struct Args<'a> {
    text: &'a str,
    /// The whole step, for what is missing.
    at: Range<usize>,
    /// The step as it is written.
    usage: String,
    left: Vec<Arg>,
    /// The names of those that are not left.
    taken: Vec<String>,
    /// How many steps an argument stands in.
    depth: usize,
}

impl Args<'_> {
    fn error(&self, at: Range<usize>, message: impl Into<String>) -> SpecError {
        SpecError { text: self.text.to_owned(), at, message: message.into() }
    }

    /// The argument `key`: the first without a name, whose turn it is, or the one of that name.
    fn take(&mut self, key: &str) -> Option<Arg> {
        let place = |key: Option<&str>| self.left.iter().position(|arg| arg.key.as_deref() == key);
        let at = place(None).or_else(|| place(Some(key)))?;
        self.taken.push(key.to_owned());
        Some(self.left.remove(at))
    }

    fn missing(&self, key: &str) -> SpecError {
        self.error(self.at.clone(), format!("found no {key}, expected {}", self.usage))
    }

    fn wrong(&self, arg: &Arg, key: &str, expected: &str) -> SpecError {
        self.error(arg.at.clone(), format!("found {} for {key}, expected {expected}", arg.value))
    }

    /// Whole numbers in one of several forms, of so many names each: the one whose numbers are
    /// given, with their names or without.
    ///
    /// # Errors
    ///
    /// When there is no such form.
    pub(crate) fn wholes(&mut self, forms: &[&[&str]]) -> Result<Vec<usize>, SpecError> {
        let unnamed = self.count();
        let keys = self.left.iter().filter_map(|arg| arg.key.as_deref());
        let named: Vec<&str> =
            keys.filter(|key| forms.iter().any(|form| form.contains(key))).collect();
        let fits = |form: &&&[&str]| {
            form.len() == unnamed + named.len()
                && named.iter().all(|key| form[unnamed..].contains(key))
        };
        let Some(form) = forms.iter().find(fits) else {
            let without = match unnamed {
                0 if named.is_empty() => Some("none".to_owned()),
                0 => None,
                1 => Some("1 number".to_owned()),
                many => Some(format!("{many} numbers")),
            };
            let found: Vec<String> =
                without.into_iter().chain(named.iter().map(ToString::to_string)).collect();
            let expected: Vec<String> = forms.iter().map(|form| form.join(", ")).collect();
            let (found, expected) = (found.join(", "), expected.join(" | "));
            return Err(self.refuse(format!("found {found}, expected {expected}")));
        };
        form.iter().map(|name| self.whole(name)).collect()
    }

    /// Whether another argument without a name follows.
    pub(crate) fn has_more(&self) -> bool {
        self.left.iter().any(|arg| arg.key.is_none())
    }

    /// How many arguments without a name are left.
    pub(crate) fn count(&self) -> usize {
        self.left.iter().filter(|arg| arg.key.is_none()).count()
    }

    pub(crate) fn number(&mut self, key: &str) -> Result<f64, SpecError> {
        self.number_if(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn number_or(&mut self, key: &str, default: f64) -> Result<f64, SpecError> {
        Ok(self.number_if(key)?.unwrap_or(default))
    }

    fn number_if(&mut self, key: &str) -> Result<Option<f64>, SpecError> {
        match self.take(key) {
            None => Ok(None),
            Some(Arg { value: Value::Number(number), .. }) => Ok(Some(number)),
            Some(arg) => Err(self.wrong(&arg, key, "a number")),
        }
    }

    /// A whole number of at least 0.
    pub(crate) fn whole(&mut self, key: &str) -> Result<usize, SpecError> {
        self.whole_if(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn whole_or(&mut self, key: &str, default: usize) -> Result<usize, SpecError> {
        Ok(self.whole_if(key)?.unwrap_or(default))
    }

    pub(crate) fn whole_if(&mut self, key: &str) -> Result<Option<usize>, SpecError> {
        match self.take(key) {
            None => Ok(None),
            Some(Arg { value: Value::Word(word), .. }) if word == "none" => Ok(None),
            Some(Arg { value: Value::Number(number), .. })
                if number >= 0.0 && number.fract() == 0.0 && number < 1e15 =>
            {
                Ok(Some(number as usize))
            }
            Some(arg) => Err(self.wrong(&arg, key, "a whole number of at least 0")),
        }
    }

    /// A range, or a number that is a range of one.
    pub(crate) fn range(&mut self, key: &str) -> Result<Uniform, SpecError> {
        self.range_if(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn range_or(
        &mut self,
        key: &str,
        low: f64,
        high: f64,
    ) -> Result<Uniform, SpecError> {
        Ok(self.range_if(key)?.unwrap_or(Uniform { low, high }))
    }

    pub(crate) fn range_if(&mut self, key: &str) -> Result<Option<Uniform>, SpecError> {
        match self.take(key) {
            None => Ok(None),
            Some(Arg { value: Value::Range(low, high), .. }) => Ok(Some(Uniform { low, high })),
            Some(Arg { value: Value::Number(number), .. }) => Ok(Some(number.into())),
            Some(Arg { value: Value::Word(word), .. }) if word == "none" => Ok(None),
            Some(arg) => Err(self.wrong(&arg, key, "a range like 0.5..2, or a number")),
        }
    }

    /// A range, or a number x that stands for -x..x.
    pub(crate) fn around(&mut self, key: &str) -> Result<Uniform, SpecError> {
        match self.take(key) {
            None => Err(self.missing(key)),
            Some(Arg { value: Value::Number(x), .. }) => Ok(Uniform { low: -x, high: x }),
            Some(Arg { value: Value::Range(low, high), .. }) => Ok(Uniform { low, high }),
            Some(arg) => Err(self.wrong(&arg, key, "a range like -10..10, or a number")),
        }
    }

    /// A distance or a range; nothing is a distance of 0.
    pub(crate) fn jitter(&mut self, key: &str) -> Result<Jitter, SpecError> {
        match self.take(key) {
            None => Ok(Jitter::By(0.0)),
            Some(Arg { value: Value::Number(by), .. }) => Ok(Jitter::By(by)),
            Some(Arg { value: Value::Range(low, high), .. }) => Ok(Uniform { low, high }.into()),
            Some(arg) => Err(self.wrong(&arg, key, "a number, or a range like 0.5..2")),
        }
    }

    /// Numbers a channel each, or one for all; `none` and nothing are no list.
    pub(crate) fn list_if(&mut self, key: &str) -> Result<Option<Vec<f64>>, SpecError> {
        match self.take(key) {
            None => Ok(None),
            Some(Arg { value: Value::Number(number), .. }) => Ok(Some(vec![number])),
            Some(Arg { value: Value::List(list), .. }) => Ok(Some(list)),
            Some(Arg { value: Value::Word(word), .. }) if word == "none" => Ok(None),
            Some(arg) => Err(self.wrong(&arg, key, "a number or a list like [0,0.5,1]")),
        }
    }

    /// A word that `parse` knows.
    pub(crate) fn word<T: FromStr<Err = String>>(&mut self, key: &str) -> Result<T, SpecError> {
        let arg = self.take(key).ok_or_else(|| self.missing(key))?;
        let found = arg.value.to_string();
        let parsed = match arg.value {
            Value::Word(word) => word.parse(),
            // No word is empty: what is expected is what the type says of it.
            _ => "".parse(),
        };
        parsed.map_err(|expected: String| {
            self.error(arg.at, format!("found {found} for {key}, {expected}"))
        })
    }

    pub(crate) fn word_or<T: FromStr<Err = String>>(
        &mut self,
        key: &str,
        default: T,
    ) -> Result<T, SpecError> {
        let is_given = self.left.iter().any(|arg| arg.key.as_deref().is_none_or(|own| own == key));
        if is_given { self.word(key) } else { Ok(default) }
    }

    /// The name of a field: a word, or a text in quotes.
    pub(crate) fn field(&mut self, key: &str) -> Result<String, SpecError> {
        match self.take(key) {
            None => Err(self.missing(key)),
            Some(Arg { value: Value::Word(name), .. }) => Ok(name),
            Some(arg) => Err(self.wrong(&arg, key, "a name, or one in quotes like \"a b\"")),
        }
    }

    /// A word, if the next argument is one.
    pub(crate) fn word_if(&mut self, key: &str) -> Option<String> {
        let is_it = |arg: &Arg| arg.key.as_deref().is_none_or(|own| own == key);
        let at = self.left.iter().position(is_it)?;
        let Value::Word(word) = &self.left[at].value else { return None };
        let word = word.clone();
        self.left.remove(at);
        self.taken.push(key.to_owned());
        Some(word)
    }

    /// Whether `true` or `false`.
    pub(crate) fn flag_or(&mut self, key: &str, default: bool) -> Result<bool, SpecError> {
        let Some(arg) = self.take(key) else { return Ok(default) };
        match &arg.value {
            Value::Word(word) if word == "true" => Ok(true),
            Value::Word(word) if word == "false" => Ok(false),
            _ => Err(self.wrong(&arg, key, "true or false")),
        }
    }

    /// A chain of steps; `none` is one without any.
    pub(crate) fn chain(&mut self, key: &str) -> Result<Augment, SpecError> {
        let arg = self.take(key).ok_or_else(|| self.missing(key))?;
        match arg.value {
            Value::Chain(chain) => Ok(chain),
            Value::Word(ref word) if word == "none" => Ok(Augment::new()),
            Value::Word(ref word) => {
                // A step without arguments reads like a word.
                let text = &self.text[..arg.at.end];
                let mut parser = Parser { text, at: arg.at.end - word.len(), depth: self.depth };
                let chain = parser.chain(Augment::new());
                chain.map_err(|e| self.error(e.at, e.message))
            }
            _ => Err(self.wrong(&arg, key, "a chain of steps")),
        }
    }

    /// An error about the step as a whole.
    pub(crate) fn refuse(&self, message: impl Into<String>) -> SpecError {
        self.error(self.at.clone(), message)
    }

    fn finish(&self) -> Result<(), SpecError> {
        let (Some(arg), usage) = (self.left.first(), &self.usage) else { return Ok(()) };
        let message = match &arg.key {
            Some(key) if self.taken.contains(key) => format!("the argument {key:?} is given twice"),
            Some(key) => format!("found an argument \"{}\", expected {usage}", Shown(key)),
            None => format!("found {} after the last argument, expected {usage}", arg.value),
        };
        Err(self.error(arg.at.clone(), message))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    /// How many steps the next one stands in.
    depth: usize,
}

/// Steps inside each other: each is a frame of the parser's stack, and the sketch of a random order
/// goes over the steps in it a few times.
const DEPTH_MAX: usize = 8;

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// An error about the text `at`, which begins with a character; what ends inside of one takes
    /// all of it.
    fn error(&self, at: Range<usize>, message: impl Into<String>) -> SpecError {
        let end = self.text.ceil_char_boundary(at.end);
        let start = at.start.min(end);
        SpecError { text: self.text.to_owned(), at: start..end, message: message.into() }
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.blanks();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), SpecError> {
        if self.eat(token) {
            return Ok(());
        }
        Err(self.unexpected(&format!("{token:?}")))
    }

    /// The character that comes next is not what was expected.
    fn unexpected(&self, expected: &str) -> SpecError {
        let found = match self.rest().chars().next() {
            Some(c) => format!("{:?}", c.to_string()),
            None => "the end".to_owned(),
        };
        self.error(self.at..self.at + 1, format!("found {found}, expected {expected}"))
    }

    /// The longest run of characters of a name.
    fn name(&mut self) -> Option<(&'a str, Range<usize>)> {
        self.blanks();
        let rest = self.rest();
        let len = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        let starts = rest.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
        let at = self.at..self.at + len;
        (len > 0 && starts).then(|| {
            self.at += len;
            (&rest[..len], at)
        })
    }

    /// Steps until something else follows.
    fn chain(&mut self, mut chain: Augment) -> Result<Augment, SpecError> {
        while let Some((name, at)) = self.name() {
            chain = self.step(chain, name, at)?;
            self.blanks();
        }
        Ok(chain)
    }

    fn step(&mut self, chain: Augment, name: &str, at: Range<usize>) -> Result<Augment, SpecError> {
        let Some(form) = forms().find(|form| form.name == name) else {
            return Err(self.error(at, unknown(name)));
        };
        if self.depth > DEPTH_MAX {
            let message =
                format!("found {} steps around a step, expected at most {DEPTH_MAX}", self.depth);
            return Err(self.error(at, message));
        }
        if self.depth > 0 && is_setting(name) {
            let message = format!(
                "found {name} inside another step, expected it beside the steps: it holds for the \
                 whole chain"
            );
            return Err(self.error(at, message));
        }
        self.depth += 1;
        let left = if self.eat("(") { self.args()? } else { Vec::new() };
        self.depth -= 1;
        let at = at.start..self.at;
        let (text, depth) = (self.text, self.depth + 1);
        let mut args = Args { text, at, usage: form.to_string(), left, taken: Vec::new(), depth };
        let chain = (form.parse)(chain, &mut args)?;
        args.finish()?;
        Ok(chain)
    }

    fn args(&mut self) -> Result<Vec<Arg>, SpecError> {
        let mut args: Vec<Arg> = Vec::new();
        while !self.eat(")") {
            if !args.is_empty() {
                self.expect(",")?;
            }
            let arg = self.arg()?;
            if arg.key.is_none() && args.last().is_some_and(|last| last.key.is_some()) {
                return Err(self.error(arg.at, "an argument without a name after one with a name"));
            }
            args.push(arg);
        }
        Ok(args)
    }

    fn arg(&mut self) -> Result<Arg, SpecError> {
        self.blanks();
        let start = self.at;
        if let Some((name, _)) = self.name() {
            if self.eat("=") {
                let value = self.value()?;
                return Ok(Arg { key: Some(name.to_owned()), value, at: start..self.at });
            }
            self.at = start;
        }
        Ok(Arg { key: None, value: self.value()?, at: start..self.at })
    }

    fn value(&mut self) -> Result<Value, SpecError> {
        if let Some((name, at)) = self.name() {
            let word_end = self.at;
            self.blanks();
            let is_word = self.rest().starts_with([',', ')']);
            self.at = if is_word { word_end } else { at.start };
            return Ok(match is_word {
                true => Value::Word(name.to_owned()),
                false => Value::Chain(self.chain(Augment::new())?),
            });
        }
        if self.eat("[") {
            return Ok(Value::List(self.list()?));
        }
        if self.eat("\"") { Ok(Value::Word(self.quoted()?)) } else { self.numbers() }
    }

    /// A text up to the closing quote, with the escapes of a string of Rust.
    fn quoted(&mut self) -> Result<String, SpecError> {
        let start = self.at - 1;
        let mut text = String::new();
        loop {
            let Some(c) = self.rest().chars().next() else {
                let message = "found no closing quote, expected \"";
                return Err(self.error(start..self.text.len(), message));
            };
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => text.push(self.escaped()?),
                c => text.push(c),
            }
        }
    }

    /// The character that an escape says, after its backslash.
    fn escaped(&mut self) -> Result<char, SpecError> {
        let (start, rest) = (self.at, self.rest());
        let (len, escaped) = match rest.chars().next() {
            Some('n') => (1, Some('\n')),
            Some('r') => (1, Some('\r')),
            Some('t') => (1, Some('\t')),
            Some('0') => (1, Some('\0')),
            Some(c @ ('\\' | '"' | '\'')) => (1, Some(c)),
            Some('u') => {
                let code = rest.strip_prefix("u{").and_then(|rest| rest.split_once('}'));
                let code = code.map_or("", |(code, _)| code);
                let c = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
                ("u{}".len() + code.len(), c)
            }
            _ => (1, None),
        };
        let Some(c) = escaped else {
            let message = r#"found an unknown escape, expected one of \\ \" \n \r \t \0 \u{..}"#;
            return Err(self.error(start - 1..start + 1, message));
        };
        self.at = start + len;
        Ok(c)
    }

    fn list(&mut self) -> Result<Vec<f64>, SpecError> {
        let mut list = Vec::new();
        while !self.eat("]") {
            if !list.is_empty() {
                self.expect(",")?;
            }
            list.push(self.number()?);
        }
        Ok(list)
    }

    fn numbers(&mut self) -> Result<Value, SpecError> {
        let low = self.number()?;
        if self.eat("..") { Ok(Value::Range(low, self.number()?)) } else { Ok(Value::Number(low)) }
    }

    fn number(&mut self) -> Result<f64, SpecError> {
        self.blanks();
        let rest = self.rest();
        let mut len = 0;
        let mut before = ' ';
        for c in rest.chars() {
            let sign = matches!(c, '+' | '-') && (len == 0 || matches!(before, 'e' | 'E'));
            // Two dots are a range, not a part of a number.
            let dot = c == '.' && !rest[len + 1..].starts_with('.') && before != '.';
            if !(c.is_ascii_digit() || sign || dot || (matches!(c, 'e' | 'E') && len > 0)) {
                break;
            }
            len += 1;
            before = c;
        }
        if len == 0 {
            return Err(self.unexpected("a value"));
        }
        let at = self.at..self.at + len;
        let number = rest[..len].parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| {
            self.error(at, format!("found {}, expected a finite number", Shown(&rest[..len])))
        })?;
        self.at += len;
        Ok(number)
    }
}

impl SpecError {
    /// The error about a name that is none here.
    pub(crate) fn unknown(name: &str) -> Self {
        Self { text: name.to_owned(), at: 0..name.len(), message: unknown(name) }
    }
}

fn unknown(name: &str) -> String {
    let hint = names::suggestion(name, words());
    format!("found \"{}\", expected the name of a step{hint}", Shown(name))
}

/// Text of others as a message shows it: [`escaped`], and not all of it.
struct Shown<'a>(&'a str);

/// The characters of a text that a message shows.
const SHOWN_MAX: usize = 60;

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.0.chars().take(SHOWN_MAX).collect::<String>()))?;
        if self.0.chars().nth(SHOWN_MAX).is_some() { f.write_str("..") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;
    use tallow_core::{Field, RowDType, Schema, Transform};

    use super::*;
    use crate::steps::probe::augmented;
    use crate::targets::BoxFormat;

    fn error(text: &str) -> SpecError {
        text.parse::<Augment>().unwrap_err()
    }

    #[test]
    fn errors_point_at_the_word() {
        let e = error("hflip random_hflop(0.5)");
        assert_eq!(&e.text[e.span()], "random_hflop");
        assert!(e.message().contains("random_hflip"), "{e}");
        let e = error("random_hflip(q=1)");
        assert_eq!(&e.text[e.span()], "q=1");
        let e = error("random_hflip(0.5");
        assert!(e.message().contains("found the end, expected \",\""), "{e}");
        assert_eq!(error("hflip ?").span(), 6..7);
    }

    #[test]
    fn errors_point_at_whole_characters() {
        for text in
            ["hflip é", "hflip(é)", "random_hflip(0.5é", "one_of(hflip, vflip é)", "pad([é])"]
        {
            let e = error(text);
            assert!(e.to_string().ends_with(" ^"), "{e}");
            assert_eq!(&e.text[e.span()], "é");
            let e = tallow_core::Error::from(e).to_string();
            assert!(e.contains("at \"é\""), "{e}");
        }
    }

    #[test]
    fn an_argument_is_given_once() {
        for text in
            ["random_erasing(0.5, p=0.3)", "random_erasing(p=0.5, p=0.3)", "erase(1, top=2)"]
        {
            let e = error(text);
            assert!(e.message().contains("twice") || e.message().contains("left"), "{e}");
        }
        let e = error("random_erasing(0.5, p=0.3)");
        assert_eq!(
            (&e.text[e.span()], e.message()),
            ("p=0.3", "the argument \"p\" is given twice")
        );
        let e = error("elastic(p=q=1)");
        assert_eq!(&e.text[e.span()], "q");
    }

    #[test]
    fn chains_that_stand_too_deep_inside_each_other_are_refused() {
        let deep = |times: usize| "one_of(".repeat(times) + "hflip" + &")".repeat(times);
        assert!(deep(DEPTH_MAX).parse::<Augment>().is_ok());
        for times in [DEPTH_MAX + 1, 100_000] {
            assert!(error(&deep(times)).message().contains("at most 8"));
        }
        assert!(("pad(".to_owned() + &"a=".repeat(100_000)).parse::<Augment>().is_err());
    }

    #[test]
    fn the_text_of_a_chain_reads_back_as_itself() {
        let text = "random_resized_crop(224, scale=0.5..1) random_hflip(0.25) normalize(imagenet)";
        let chain: Augment = text.parse().unwrap();
        let again: Augment = chain.to_string().parse().unwrap();
        assert_eq!(chain.to_string(), again.to_string());
    }

    #[test]
    fn what_is_said_of_a_chain_is_one_line_without_control_characters() {
        let texts = [
            "\u{1b}[31m",
            "x\u{1b}\u{202e}y(1)",
            "mask(\"\u{1b}",
            "mask(\"a\", \u{7}=1)",
            &"x".repeat(100_000),
            &format!("{} ?", "hflip ".repeat(10_000)),
        ];
        for text in texts {
            let e = error(text);
            assert!(e.message().len() <= 300 && !e.message().contains(char::is_control), "{e:?}");
            let lines = e.to_string();
            let lines: Vec<&str> = lines.lines().collect();
            assert_eq!(lines.len(), 3, "{lines:?}");
            let clean = |line: &&str| line.len() <= 400 && !line.contains(char::is_control);
            assert!(lines.iter().all(clean), "{lines:?}");
            let marked = lines[2].find('^').unwrap();
            assert!(marked <= lines[1].chars().count(), "{lines:?}");
        }
        let e = error("hflip \u{1b}").to_string();
        assert_eq!(
            e,
            "found \"\\u{1b}\", expected the name of a step\n  hflip \\u{1b}\n        ^^^^^^"
        );
    }

    #[test]
    fn sizes_may_be_named_as_the_usage_lists_them() {
        let same = |named: &str, short: &str| {
            let of = |text: &str| text.parse::<Augment>().unwrap().to_string();
            assert_eq!(of(named), of(short));
        };
        same("resize(height=224, width=200)", "resize(224, 200)");
        same("resize(224, width=200)", "resize(224, 200)");
        same("resize(short=224, max=300)", "resize(224, max=300)");
        same("random_resized_crop(width=2, height=3)", "random_resized_crop(3, 2)");
        same("random_crop(size=24)", "random_crop(24)");
        same("center_crop(depth=1, height=2, width=3)", "center_crop(1, 2, 3)");
        same("crop(top=1, left=2, height=3, width=4)", "crop(1, 2, 3, 4)");
        same("crop(start=1, length=2)", "crop(1, 2)");
        same("pad(x=1, y=2, fill=0.5)", "pad(1, 2, fill=0.5)");
        same("erase(1, 2, height=3, width=4)", "erase(1, 2, 3, 4)");
        let e = error("resize(height=224)");
        assert_eq!(e.message(), "found height, expected height, width | short");
        assert!(error("resize").message().contains("found none"), "{e}");
        assert!(error("resize(1, 2, height=3)").message().contains("2 numbers, height"), "{e}");
    }

    #[test]
    fn settings_stand_anywhere_but_inside_a_step() {
        let text = "field(photo) layout(hwc) draws_as(pair) resample_once hflip vflip \
                    mask(\"a b\", fill=255) boxes(b, xywh) keypoints(p) one_hot(y, 10, smoothing=0.1)";
        let parsed: Augment = text.parse().unwrap();
        assert_eq!(parsed.to_string(), text);
        assert_eq!(parsed.field_name(), "photo");
        let mixed = "hflip one_hot(y, 10, 0.1) mask(\"a b\", 255) layout(hwc)";
        let mixed: Augment = mixed.parse().unwrap();
        assert_eq!(
            mixed.to_string(),
            "layout(hwc) hflip one_hot(y, 10, smoothing=0.1) mask(\"a b\", fill=255)"
        );
        for setting in ["mask(x)", "field(x)", "resample_once", "layout(hwc)"] {
            let e = error(&format!("random_apply(0.5, hflip {setting})"));
            assert!(e.message().contains("inside another step"), "{e}");
        }
        assert!(error("boxes(b, yxyx)").message().contains("found \"yxyx\" for format"));
        assert!(error("boxes(b)").message().contains("found no format, expected boxes("));
        assert!(error("mask(\"a").message().contains("closing quote"));
        assert!(error("mask(\"\\q\")").message().contains("unknown escape"));
        assert!(error("mask(1)").message().contains("found 1 for field"));
    }

    /// Anything that a chain can be told besides its steps.
    fn settings() -> impl Strategy<Value = Augment> {
        let any_name = || vec(any::<char>(), 0..9).prop_map(String::from_iter);
        let name = || prop_oneof![Just("a_word".to_owned()), any_name()];
        let number =
            || prop_oneof![Just(0.0), any::<f64>().prop_filter("finite", |x| x.is_finite())];
        let target = (name(), 0..4, number(), 1..2000_usize);
        let steps = prop_oneof![
            Just("hflip"),
            Just("random_resized_crop(24, scale=1e-300..1) normalize(imagenet)"),
            Just("one_of(hflip, none) random_apply(0.5, vflip rotate(3))"),
        ];
        let whole = (option::of(name()), option::of(0..9_usize), option::of(name()), any::<bool>());
        (steps, whole, vec(target, 0..4)).prop_map(
            |(steps, (field, layout, draws, once), targets)| {
                let mut chain: Augment = steps.parse().unwrap();
                chain.field = field;
                let layouts = ["hw", "chw", "hwc", "dhw", "cdhw", "dhwc", "t", "ct", "tc"];
                chain.layout = layout.map(|at| layouts[at].parse().unwrap());
                chain.draws = draws;
                chain.once = once;
                targets.into_iter().fold(
                    chain,
                    |chain, (field, kind, number, classes)| match kind {
                        0 => chain.mask_filled(field, number),
                        1 => {
                            let formats = [BoxFormat::Xyxy, BoxFormat::Xywh, BoxFormat::Cxcywh];
                            chain.boxes(field, formats[classes % 3])
                        }
                        2 => chain.keypoints(field),
                        _ => chain.one_hot(field, classes, number),
                    },
                )
            },
        )
    }

    proptest! {
        #[test]
        fn a_chain_with_its_fields_and_settings_reads_back_as_itself(chain in settings()) {
            let text = chain.to_string();
            let again: Augment = text.parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
            prop_assert_eq!(&again.to_string(), &text);
            prop_assert_eq!(again.fingerprint(), chain.fingerprint());
        }
    }

    const EXTREMES: [f64; 10] = [
        0.0,
        -1.0,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e308,
        -1e308,
        5e-324,
        usize::MAX as f64,
        0.1 + 0.2,
    ];

    /// An argument each way in which it can be the number `x`.
    fn values_of(x: f64) -> [Value; 4] {
        [Value::Number(x), Value::Range(x, x), Value::Range(1.0, x), Value::List(vec![x])]
    }

    /// The chain of one step with these arguments, which no text needs to be able to say.
    fn step_of(form: &Form, values: &[(Option<&str>, Value)]) -> Result<Augment, SpecError> {
        let mut text = String::new();
        let left = values.iter().map(|(key, value)| {
            let start = text.len();
            if let Value::Word(word) = value {
                text += word;
            }
            let (key, value, at) = (key.map(str::to_owned), value.clone(), start..text.len());
            Arg { key, value, at }
        });
        let (left, usage) = (left.collect(), form.to_string());
        let mut args = Args { text: &text, at: 0..0, usage, left, taken: Vec::new(), depth: 0 };
        let chain = (form.parse)(Augment::new(), &mut args)?;
        args.finish()?;
        Ok(chain)
    }

    /// Arguments without names that the step takes.
    fn arguments_of(form: &'static Form) -> Vec<(Option<&'static str>, Value)> {
        let chain = || Value::Chain("hflip".parse().unwrap());
        let word = |word: &str| Value::Word(word.to_owned());
        let some = |count: usize| vec![Value::Number(1.0); count];
        let mut ways: Vec<Vec<Value>> = (0..=8).map(some).collect();
        ways.push(vec![Value::Number(0.5)]);
        let corners = [0, 0, 9, 0, 9, 9, 0, 9].map(|at| Value::Number(f64::from(at)));
        ways.extend([corners.to_vec(), [0, 1, 2].map(|c| Value::Number(f64::from(c))).to_vec()]);
        ways.extend([vec![chain()], vec![Value::Number(1.0), chain()], vec![word("chw")]]);
        ways.extend([vec![word("b")], vec![word("b"), word("xyxy")]]);
        ways.push(vec![word("b"), Value::Number(2.0)]);
        let named = |way: Vec<Value>| way.into_iter().map(|value| (None, value)).collect();
        let ways = ways.into_iter().map(named).filter(|way: &Vec<_>| step_of(form, way).is_ok());
        let mut ways: Vec<Vec<_>> = ways.collect();
        assert!(!ways.is_empty(), "{form}: no arguments to try it with");
        let fits = |way: &Vec<_>| step_of(form, way).unwrap().bind(&schema()).is_ok();
        let at = ways.iter().position(fits).unwrap_or(0);
        ways.swap_remove(at)
    }

    fn schema() -> Schema {
        Schema::new(vec![Field::new("input", RowDType::U8, &[16, 16, 3])]).unwrap()
    }

    /// What is wrong with a message, if anything is.
    fn fault_of(message: &str) -> Option<String> {
        let digits = message.split(|c: char| !c.is_ascii_digit()).map(str::len).max();
        let is_good = message.len() <= 300
            && !message.contains(char::is_control)
            && digits.is_none_or(|digits| digits <= 20)
            && (message.contains("found") && message.contains("expected"));
        (!is_good).then(|| message.to_owned())
    }

    #[test]
    fn messages_are_short_and_say_what_was_found_and_expected_whatever_the_arguments() {
        let schema = schema();
        let mut faults = std::collections::BTreeSet::new();
        let mut tell = |form: &Form, fault: Option<String>| {
            faults.extend(fault.map(|message| format!("{}: {message}", form.name)));
        };
        for form in forms() {
            let base = arguments_of(form);
            let keys = form.usage.split([',', '|']).filter_map(|part| part.trim().split_once('='));
            let keys: Vec<&str> = keys.map(|(key, _)| key).collect();
            for x in EXTREMES {
                for value in values_of(x) {
                    let unnamed = (0..base.len()).map(|at| {
                        let mut values = base.clone();
                        values[at].1 = value.clone();
                        values
                    });
                    let named = keys.iter().map(|key| {
                        base.iter().cloned().chain([(Some(*key), value.clone())]).collect()
                    });
                    for values in unnamed.chain(named).collect::<Vec<Vec<_>>>() {
                        let chain = match step_of(form, &values) {
                            Ok(chain) => chain,
                            Err(error) => {
                                tell(form, fault_of(error.message()));
                                continue;
                            }
                        };
                        let text = chain.to_string();
                        let good = format!("found, expected: {text}");
                        tell(form, fault_of(&good));
                        match chain.bind(&schema) {
                            Ok(_) => assert_eq!(text.parse::<Augment>().unwrap().to_string(), text),
                            Err(error) => tell(form, fault_of(error.message())),
                        }
                    }
                }
            }
        }
        let faults: Vec<String> = faults.into_iter().collect();
        assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    }

    #[test]
    fn steps_that_do_not_draw_make_the_same_of_every_sample() {
        let [image, tokens] = [&[16, 16, 3][..], &[16]].map(|shape| {
            let values = (0..shape.iter().product::<usize>() as u32).map(|i| (i * 89 % 256) as u8);
            Tensor::from_iter(values, &Device::Cpu).unwrap().reshape(shape).unwrap()
        });
        let (mut fixed, mut drawn) = (0, 0);
        for form in FORMS.iter().copied().flatten() {
            let chain = step_of(form, &arguments_of(form)).unwrap();
            if chain.chain.0[0].draws() {
                drawn += 1;
                continue;
            }
            fixed += 1;
            let of = if form.name == "pad_or_truncate" { &tokens } else { &image };
            let views = (0..20).map(|index| {
                let made = augmented(&chain, of, index).to_dtype(DType::F32).unwrap();
                made.flatten_all().unwrap().to_vec1::<f32>().unwrap()
            });
            let views: Vec<Vec<f32>> = views.collect();
            assert!(views.iter().all(|view| *view == views[0]), "{form} draws");
        }
        assert!(fixed > 25 && drawn > 30, "{fixed} {drawn}");
    }
}
