//! A chain as text: `random_resized_crop(224) random_hflip(0.5) normalize(imagenet)`.
//!
//! Steps stand side by side, each a name and its arguments in parentheses, first those without a
//! name, then `key=value`. A value is a number, a word, a range `a..b`, a list `[a,b,c]`, or a
//! chain. An error points at the word that it is about.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use crate::augment::Augment;
use crate::draw::Uniform;
use crate::steps::{FORMS, Jitter};

/// How a step is written, and how it comes about.
pub(crate) struct Form {
    pub(crate) name: &'static str,
    /// The arguments, as `bench-loader` prints them.
    pub(crate) usage: &'static str,
    pub(crate) parse: fn(Augment, &mut Args<'_>) -> Result<Augment, SpecError>,
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

/// The message, the text, and under it a mark below the word: three lines.
impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.text[..self.at.start].chars().count();
        let marks = self.text[self.at.clone()].chars().count().max(1);
        writeln!(f, "{}", self.message)?;
        writeln!(f, "  {}", self.text)?;
        write!(f, "  {}{}", " ".repeat(start), "^".repeat(marks))
    }
}

impl std::error::Error for SpecError {}

impl From<SpecError> for tallow_core::Error {
    fn from(error: SpecError) -> Self {
        let (word, column) = (&error.text[error.at.clone()], error.at.start);
        let message = format!("{} (at {word:?}, column {column})", error.message);
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
            false => Err(parser.error(parser.at..parser.at + 1, "expected the name of a step")),
        }
    }
}

/// Every step that a chain can name, with its arguments: the catalogue.
pub fn catalogue() -> impl Iterator<Item = (&'static str, &'static str)> {
    FORMS.iter().flat_map(|forms| forms.iter()).map(|form| (form.name, form.usage))
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

impl Value {
    fn kind(&self) -> &'static str {
        match self {
            Self::Number(_) => "a number",
            Self::Word(_) => "a word",
            Self::Range(..) => "a range",
            Self::List(_) => "a list",
            Self::Chain(_) => "a chain",
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
        self.error(self.at.clone(), format!("expected the argument {key}"))
    }

    fn wrong(&self, arg: &Arg, key: &str, expected: &str) -> SpecError {
        self.error(
            arg.at.clone(),
            format!("found {} for {key}, expected {expected}", arg.value.kind()),
        )
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
    pub(crate) fn word_or<T: FromStr<Err = String>>(
        &mut self,
        key: &str,
        default: T,
    ) -> Result<T, SpecError> {
        match self.take(key) {
            None => Ok(default),
            Some(Arg { value: Value::Word(word), at, .. }) => {
                word.parse().map_err(|expected: String| {
                    self.error(at, format!("found {word:?} for {key}, {expected}"))
                })
            }
            Some(arg) => Err(self.wrong(&arg, key, "a word")),
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
                chain.map_err(|e| self.error(e.at, format!("{word:?}: {}", e.message)))
            }
            _ => Err(self.wrong(&arg, key, "a chain of steps")),
        }
    }

    /// An error about the step as a whole.
    pub(crate) fn refuse(&self, message: impl Into<String>) -> SpecError {
        self.error(self.at.clone(), message)
    }

    fn finish(&self, usage: &str) -> Result<(), SpecError> {
        let Some(arg) = self.left.first() else { return Ok(()) };
        let message = match &arg.key {
            Some(key) if self.taken.contains(key) => format!("the argument {key:?} is given twice"),
            Some(key) => format!("no argument {key:?}; expected {usage}"),
            None => format!("one argument too many; expected {usage}"),
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
        Err(self.error(self.at..self.at + 1, format!("expected {token:?}")))
    }

    /// The longest run of characters of a name.
    fn name(&mut self) -> Option<(&'a str, Range<usize>)> {
        self.blanks();
        let rest = self.rest();
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
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
        let mut forms = FORMS.iter().flat_map(|forms| forms.iter());
        let Some(form) = forms.find(|form| form.name == name) else {
            return Err(self.error(at, format!("no step {name:?}{}", suggestion(name))));
        };
        if self.depth > DEPTH_MAX {
            return Err(self.error(at, format!("expected at most {DEPTH_MAX} steps around a step")));
        }
        self.depth += 1;
        let left = if self.eat("(") { self.args()? } else { Vec::new() };
        self.depth -= 1;
        let at = at.start..self.at;
        let mut args = Args { text: self.text, at, left, taken: Vec::new(), depth: self.depth + 1 };
        let chain = (form.parse)(chain, &mut args)?;
        let usage = if form.usage.is_empty() { "none" } else { form.usage };
        args.finish(&format!("{name}({usage})"))?;
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
        if self.eat("[") { Ok(Value::List(self.list()?)) } else { self.numbers() }
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
        let at = self.at..self.at + len.max(1);
        let number = rest[..len].parse::<f64>().ok().filter(|number| number.is_finite());
        let number = number.ok_or_else(|| self.error(at, "expected a value"))?;
        self.at += len;
        Ok(number)
    }
}

/// The name that is nearest to one that is not known, if any is near.
fn suggestion(name: &str) -> String {
    let mut near: Vec<(usize, &str)> =
        catalogue().map(|(known, _)| (distance(name, known), known)).collect();
    near.sort_unstable();
    match near.first() {
        Some((distance, known)) if *distance <= 3 => format!("; did you mean {known:?}?"),
        _ => String::new(),
    }
}

/// The number of letters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(e.message().contains("\",\""), "{e}");
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
    fn the_page_of_the_catalogue_has_every_step_as_it_is() {
        let page = include_str!("../catalogue/CATALOGUE.md");
        for (name, usage) in catalogue() {
            let form = if usage.is_empty() { name.to_owned() } else { format!("{name}({usage})") };
            assert!(page.contains(&format!("\n## `{name}`\n\n`{form}`\n")), "{form}: run make.py");
        }
    }

    #[test]
    fn the_text_of_a_chain_reads_back_as_itself() {
        let text = "random_resized_crop(224, scale=0.5..1) random_hflip(0.25) normalize(imagenet)";
        let chain: Augment = text.parse().unwrap();
        let again: Augment = chain.to_string().parse().unwrap();
        assert_eq!(chain.to_string(), again.to_string());
    }
}
