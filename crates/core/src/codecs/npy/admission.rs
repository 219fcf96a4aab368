//! The admission scan: a flat, single pass over the header's text before any parser sees it.
//!
//! The general parser of Python literals in `npyz` takes exponential time on nested brackets
//! and can overflow the stack, and numpy's own reader guards itself only after reading. What is
//! admitted here is flat: three known keys, each once, whose values are a string, a boolean and a
//! tuple of decimal numbers. Everything else is refused with the offset of the offending byte.

use crate::error::quoted;
use crate::{Error, ErrorKind, MAX_RANK, Result};

/// The three values of a header.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Admitted {
    pub(super) descr: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<usize>,
}

impl Admitted {
    /// Scans `text`, the first byte of which is at `start` of the file.
    pub(super) fn scan(text: &[u8], start: usize) -> Result<Self> {
        Scan { text, at: 0, start }.dictionary()
    }
}

struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    start: usize,
}

impl Scan<'_> {
    fn dictionary(mut self) -> Result<Admitted> {
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        self.expect(b'{')?;
        while !self.skip(b'}') {
            let key_at = self.at;
            let key = self.string()?;
            self.expect(b':')?;
            let repeated = match key.as_str() {
                "descr" => descr.replace(self.descr()?).is_some(),
                "fortran_order" => fortran_order.replace(self.boolean()?).is_some(),
                "shape" => shape.replace(self.tuple()?).is_some(),
                _ => return Err(self.error_at(key_at, format!("unknown key {}", quoted(&key)))),
            };
            if repeated {
                return Err(self.error_at(key_at, format!("key {key:?} comes twice")));
            }
            if !self.skip(b',') && self.peek() != Some(b'}') {
                return Err(self.error("expected ',' or '}'"));
            }
        }
        if self.peek().is_some() {
            return Err(self.error("expected nothing after the dictionary"));
        }
        match (descr, fortran_order, shape) {
            (Some(descr), Some(fortran_order), Some(shape)) => {
                Ok(Admitted { descr, fortran_order, shape })
            }
            (descr, fortran_order, _) => {
                let missing = match (descr, fortran_order) {
                    (None, _) => "descr",
                    (_, None) => "fortran_order",
                    _ => "shape",
                };
                Err(self.error(&format!("the key {missing:?} is missing")))
            }
        }
    }

    fn descr(&mut self) -> Result<String> {
        if self.peek() == Some(b'[') {
            let message = "structured dtypes are not supported; save each field of the array as a \
                           .npy file of its own";
            return Err(Error::new(ErrorKind::UnsupportedDtype, message)
                .with_offset((self.start + self.at) as u64));
        }
        self.string()
    }

    /// A quoted string without escapes, Python 2's `u` prefix included.
    fn string(&mut self) -> Result<String> {
        self.at += usize::from(self.peek() == Some(b'u'));
        let quote = match self.text.get(self.at) {
            Some(&quote @ (b'\'' | b'"')) => quote,
            _ => return Err(self.error("expected a quoted string")),
        };
        let rest = &self.text[self.at + 1..];
        let len = rest.iter().position(|&byte| byte == quote || byte == b'\\' || byte == b'\n');
        match len {
            Some(len) if rest[len] == quote && rest[..len].is_ascii() => {
                self.at += len + 2;
                Ok(String::from_utf8_lossy(&rest[..len]).into_owned())
            }
            _ => Err(self.error("expected a plain string that ends with its quote")),
        }
    }

    fn boolean(&mut self) -> Result<bool> {
        self.peek();
        for (word, value) in [(&b"True"[..], true), (b"False", false)] {
            if self.text[self.at..].starts_with(word) {
                self.at += word.len();
                return Ok(value);
            }
        }
        Err(self.error("expected True or False"))
    }

    /// `()`, `(3,)`, `(3, 4)`; `(3)` is a number in Python, not a tuple.
    fn tuple(&mut self) -> Result<Vec<usize>> {
        self.expect(b'(')?;
        let mut shape = Vec::new();
        let mut comma = true;
        while !self.skip(b')') {
            if !comma {
                return Err(self.error("expected ',' or ')'"));
            }
            shape.push(self.number()?);
            comma = self.skip(b',');
            if shape.len() > MAX_RANK {
                return Err(self.error(&format!("a rank above {MAX_RANK}")));
            }
        }
        if shape.len() == 1 && !comma {
            return Err(self.error("the shape is a number, expected a tuple"));
        }
        Ok(shape)
    }

    fn number(&mut self) -> Result<usize> {
        self.peek();
        let rest = &self.text[self.at..];
        if rest.starts_with(b"np.") {
            return Err(self.error(
                "the shape is written as np.int64(..), as numpy 2 does for memory maps opened with \
                 numpy integers; save the array again with np.save",
            ));
        }
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let digits = std::str::from_utf8(&rest[..len]).unwrap_or_default();
        if len == 0 {
            return Err(self.error("expected a decimal number"));
        }
        if len > 1 && digits.starts_with('0') {
            return Err(self.error("expected a decimal number without leading zeros"));
        }
        let Ok(number) = digits.parse::<usize>() else {
            return Err(self.error("a length that does not fit 64 bits"));
        };
        self.at += len;
        // Python 2 wrote long integers with a suffix.
        if self.text.get(self.at) == Some(&b'L') {
            self.at += 1;
        }
        Ok(number)
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c) {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    fn skip(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.skip(byte) {
            return Ok(());
        }
        Err(self.error(&format!("expected {:?}", char::from(byte))))
    }

    #[cold]
    fn error(&self, expected: &str) -> Error {
        let found = match self.text.get(self.at) {
            Some(byte) => format!("found {:?}, ", char::from(*byte)),
            None => "the header ends, ".to_owned(),
        };
        self.error_at(self.at, format!("{found}{expected}"))
    }

    #[cold]
    fn error_at(&self, at: usize, message: String) -> Error {
        Error::new(ErrorKind::Header, message).with_offset((self.start + at) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<Admitted> {
        Admitted::scan(text.as_bytes(), 10)
    }

    #[test]
    fn any_key_order_quotes_and_white_space_are_admitted() {
        let expected = Admitted { descr: "<f4".into(), fortran_order: false, shape: vec![3, 4] };
        for text in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }    \n",
            "{'shape':(3,4,),'descr':'<f4','fortran_order':False}",
            "{\"fortran_order\": False, \"shape\": (3, 4), \"descr\": \"<f4\"}",
            "{u'descr': u'<f4', 'fortran_order': False, 'shape': (3L, 4L)}\n\n",
            " {\n'descr'\t: '<f4',\r\n'fortran_order': False, 'shape': ( 3 , 4 ) } ",
        ] {
            assert_eq!(scan(text).unwrap(), expected, "{text}");
        }
        let scalar = scan("{'descr': '|u1', 'fortran_order': True, 'shape': ()}").unwrap();
        assert!(scalar.shape.is_empty() && scalar.fortran_order);
    }

    #[test]
    fn everything_else_is_refused_with_its_offset() {
        for (text, offset, words) in [
            ("", 10, "expected '{'"),
            ("{'descr': '<f4', 'fortran_order': False}", 50, "\"shape\" is missing"),
            ("{'descr': '<f4', 'descr': '<f4'}", 27, "comes twice"),
            ("{'descr': '<f4', 'extra': 1}", 27, "unknown key"),
            ("{'descr': '<f4' 'shape': ()}", 26, "expected ',' or '}'"),
            ("{'shape': (3)}", 23, "expected a tuple"),
            ("{'shape': [3]}", 20, "expected '('"),
            ("{'shape': (-3,)}", 21, "decimal"),
            ("{'shape': (03,)}", 21, "leading zeros"),
            ("{u 'shape': (3,)}", 12, "expected a quoted string"),
            ("{'shape': (3.0,)}", 22, "',' or ')'"),
            ("{'shape': (99999999999999999999,)}", 21, "does not fit"),
            ("{'shape': (np.int64(3),)}", 21, "np.save"),
            ("{'fortran_order': 'False'}", 28, "True or False"),
            ("{'descr': '<f4}", 20, "ends with its quote"),
            ("{'descr': '<f4', 'fortran_order': False, 'shape': ()} x", 64, "nothing after"),
        ] {
            let error = scan(text).unwrap_err();
            assert!(error.message().contains(words), "{text}: {error}");
            assert_eq!(error.offset(), Some(offset), "{text}: {error}");
        }
    }

    #[test]
    fn nesting_is_refused_at_once() {
        for bracket in ["[", "{", "(", "{1:"] {
            let text = format!("{{'shape': {}", bracket.repeat(30_000));
            assert_eq!(scan(&text).unwrap_err().kind(), ErrorKind::Header);
        }
        let structured = scan("{'descr': [('a', '<f4')]}").unwrap_err();
        assert_eq!(structured.kind(), ErrorKind::UnsupportedDtype);
    }
}
