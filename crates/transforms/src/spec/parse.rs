//! The grammar of a chain.

use std::ops::Range;

use super::args::{Arg, Args, Forms, Value};
use super::error::SpecError;
use crate::augment::Augment;
use crate::text::{Shown, is_name};

/// The chain that `text` says, in words of `forms`.
///
/// # Errors
///
/// What is wrong with the text, and where.
pub(crate) fn parse(text: &str, forms: Forms) -> Result<Augment, SpecError> {
    let mut parser = Parser { forms, text, at: 0, depth: 0 };
    let chain = parser.chain(Augment::new())?;
    match parser.rest().is_empty() {
        true => Ok(chain),
        false => Err(parser.unexpected(&format!("the name of a step{}", parser.parentheses()))),
    }
}

struct Parser<'a> {
    forms: Forms,
    text: &'a str,
    at: usize,
    /// How many steps the next one is inside of.
    depth: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// An error about the text `at`, which begins with a character; what ends inside of one takes
    /// all of it.
    fn error(&self, at: Range<usize>, message: impl Into<String>) -> SpecError {
        let end = self.text.ceil_char_boundary(at.end);
        let start = at.start.min(end);
        SpecError::new(self.text, start..end, message)
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

    /// A hint, where a number follows the name of a step.
    fn parentheses(&self) -> String {
        let is_number = |c: char| c.is_ascii_digit() || ".-+,".contains(c);
        let before = self.text[..self.at].trim_end();
        let name = before.rsplit(|c| !is_name(c)).next().unwrap_or_default();
        let rest = self.rest();
        let number = &rest[..rest.find(|c| !is_number(c)).unwrap_or(rest.len())];
        if name.is_empty() || !number.contains(|c: char| c.is_ascii_digit()) {
            return String::new();
        }
        format!("; arguments are in parentheses, as in {name}({number})")
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
        let form = self.forms.find(name, self.text, at.clone(), self.depth)?;
        self.depth += 1;
        let left = if self.eat("(") { self.args()? } else { Vec::new() };
        self.depth -= 1;
        let at = at.start..self.at;
        Args::new(self.forms, self.text, at, left, self.depth + 1).append(form, chain)
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
