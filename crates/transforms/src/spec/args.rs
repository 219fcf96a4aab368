//! How steps and settings are written, and their arguments.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use super::error::SpecError;
use super::names;
use crate::augment::Augment;
use crate::parameters::{Fill, Jitter, Uniform};
use crate::text::{Shown, number};

/// How a step, or a setting of the whole chain, is written, and how it is added to a chain.
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

/// Steps inside each other: each is a frame of the parser's stack, and the sketch of a random order
/// goes over the steps in it a few times.
pub(super) const DEPTH_MAX: usize = 8;

/// Everything that the text of a chain can name. Who parses a text says what that is: the parser
/// knows no step.
#[derive(Clone, Copy)]
pub(crate) struct Forms {
    pub(crate) steps: &'static [&'static [Form]],
    /// What holds for the whole chain, whatever its steps: the fields, and how they are taken.
    pub(crate) settings: &'static [Form],
}

impl Forms {
    /// The steps, and then the settings.
    pub(crate) fn iter(self) -> impl Iterator<Item = &'static Form> + Clone {
        self.steps.iter().copied().flatten().chain(self.settings)
    }

    /// The form of `name`, the part `at` of `text`, which is inside `depth` steps.
    ///
    /// # Errors
    ///
    /// When nothing has that name, or it does not belong there.
    pub(super) fn find(
        self,
        name: &str,
        text: &str,
        at: Range<usize>,
        depth: usize,
    ) -> Result<&'static Form, SpecError> {
        let Some(form) = self.iter().find(|form| form.name == name) else {
            return Err(SpecError::new(text, at, self.unknown(name)));
        };
        if depth > DEPTH_MAX {
            let message =
                format!("found {depth} steps around a step, expected at most {DEPTH_MAX}");
            return Err(SpecError::new(text, at, message));
        }
        if depth > 0 && self.settings.iter().any(|setting| setting.name == name) {
            let message = format!(
                "found {name} inside another step, expected it beside the steps: it holds for the \
                 whole chain"
            );
            return Err(SpecError::new(text, at, message));
        }
        Ok(form)
    }

    /// What to say of a name that nothing has.
    pub(crate) fn unknown(self, name: &str) -> String {
        let hint = names::suggestion(name, self.iter().map(|form| form.name));
        format!("found \"{}\", expected the name of a step{hint}", Shown(name))
    }
}

/// A value of an argument.
#[derive(Debug, Clone)]
pub(super) enum Value {
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
pub(super) struct Arg {
    pub(super) key: Option<String>,
    pub(super) value: Value,
    pub(super) at: Range<usize>,
}

/// The arguments of one step. Each is asked for once, in the order of the usage.
pub(crate) struct Args<'a> {
    pub(super) forms: Forms,
    pub(super) text: &'a str,
    /// The whole step, for what is missing.
    pub(super) at: Range<usize>,
    pub(super) left: Vec<Arg>,
    /// How many steps an argument is inside of.
    pub(super) depth: usize,
    /// The step as it is written.
    usage: String,
    /// The names of the arguments that are not left.
    taken: Vec<String>,
}

impl<'a> Args<'a> {
    /// The arguments `left` of a step that is the part `at` of `text`, and inside `depth - 1` others.
    pub(super) fn new(
        forms: Forms,
        text: &'a str,
        at: Range<usize>,
        left: Vec<Arg>,
        depth: usize,
    ) -> Self {
        Self { forms, text, at, left, depth, usage: String::new(), taken: Vec::new() }
    }

    /// Appends the step of `form` with these arguments to `chain`.
    ///
    /// # Errors
    ///
    /// When an argument is wrong, missing, or left.
    pub(super) fn append(mut self, form: &Form, chain: Augment) -> Result<Augment, SpecError> {
        self.usage = form.to_string();
        let chain = (form.parse)(chain, &mut self)?;
        self.finish()?;
        Ok(chain)
    }

    fn error(&self, at: Range<usize>, message: impl Into<String>) -> SpecError {
        SpecError::new(self.text, at, message)
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

    /// A range, or a number x, which means -x..x.
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

    /// One number per channel, or one for all. Without the argument, or with `none`, there is no
    /// list.
    pub(crate) fn list_if(&mut self, key: &str) -> Result<Option<Vec<f64>>, SpecError> {
        match self.take(key) {
            None => Ok(None),
            Some(Arg { value: Value::Number(number), .. }) => Ok(Some(vec![number])),
            Some(Arg { value: Value::List(list), .. }) => Ok(Some(list)),
            Some(Arg { value: Value::Word(word), .. }) if word == "none" => Ok(None),
            Some(arg) => Err(self.wrong(&arg, key, "a number or a list like [0,0.5,1]")),
        }
    }

    /// A fill, 0 without the argument or with `none`: torchvision's `fill=None` is black too.
    pub(crate) fn fill(&mut self, key: &str) -> Result<Fill, SpecError> {
        Ok(self.list_if(key)?.map_or_else(Fill::default, |values| values[..].into()))
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

    /// A word that `parse` knows; nothing where there is none, or it is `none`.
    pub(crate) fn word_unless_none<T: FromStr<Err = String>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, SpecError> {
        let is_it = |arg: &&Arg| arg.key.as_deref().is_none_or(|own| own == key);
        match self.left.iter().find(is_it).map(|arg| &arg.value) {
            None => Ok(None),
            Some(Value::Word(word)) if word == "none" => {
                self.take(key);
                Ok(None)
            }
            Some(_) => self.word(key).map(Some),
        }
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
            // A step without arguments reads like a word.
            Value::Word(ref word) => {
                let at = arg.at.end.saturating_sub(word.len())..arg.at.end;
                // A word in quotes is shorter than what is written.
                let is_plain = self.text.get(at.clone()) == Some(word);
                let at = if is_plain { at } else { arg.at.clone() };
                let form = self.forms.find(word, self.text, at.clone(), self.depth)?;
                let args = Args::new(self.forms, self.text, at, Vec::new(), self.depth + 1);
                args.append(form, Augment::new())
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
