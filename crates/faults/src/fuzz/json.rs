//! A second reader of JSON, which keeps what others lose: the order of entries, and entries with
//! equal names.

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Json {
    /// A number, true, false or null, as it is written.
    Word(String),
    Text(String),
    List(Vec<Json>),
    Entries(Vec<(String, Json)>),
}

/// The value of `text`; `None` if it is not JSON, or nested deeper than anyone would write.
pub(super) fn read(text: &[u8]) -> Option<Json> {
    let mut reader = Reader { text: std::str::from_utf8(text).ok()?.as_bytes(), at: 0 };
    let value = reader.value(0)?;
    reader.blanks();
    (reader.at == reader.text.len()).then_some(value)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        let is_blank = |byte: &&u8| b" \t\n\r".contains(byte);
        self.at += self.text[self.at..].iter().take_while(is_blank).count();
    }

    /// Consumes `byte` if it comes next, and returns whether it did.
    fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let found = self.text.get(self.at) == Some(&byte);
        self.at += usize::from(found);
        found
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        const DEPTH_MAX: usize = 120;
        self.blanks();
        match *self.text.get(self.at)? {
            _ if depth > DEPTH_MAX => None,
            b'"' => self.string().map(Json::Text),
            b'[' => self.list(depth),
            b'{' => self.entries(depth),
            _ => self.word(),
        }
    }

    fn list(&mut self, depth: usize) -> Option<Json> {
        let mut items = Vec::new();
        self.at += 1;
        while !self.eat(b']') {
            if !items.is_empty() && !self.eat(b',') {
                return None;
            }
            items.push(self.value(depth + 1)?);
        }
        Some(Json::List(items))
    }

    fn entries(&mut self, depth: usize) -> Option<Json> {
        let mut entries = Vec::new();
        self.at += 1;
        while !self.eat(b'}') {
            if !entries.is_empty() && !self.eat(b',') {
                return None;
            }
            self.blanks();
            let name = self.string()?;
            if !self.eat(b':') {
                return None;
            }
            entries.push((name, self.value(depth + 1)?));
        }
        Some(Json::Entries(entries))
    }

    fn word(&mut self) -> Option<Json> {
        let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let len = self.text[self.at..].iter().take_while(is_word).count();
        let word = std::str::from_utf8(&self.text[self.at..][..len]).ok()?;
        self.at += len;
        let known = matches!(word, "true" | "false" | "null") || is_number(word);
        known.then(|| Json::Word(word.to_owned()))
    }

    fn string(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        if !self.eat(b'"') {
            return None;
        }
        loop {
            let byte = *self.text.get(self.at)?;
            self.at += 1;
            match byte {
                b'"' => return String::from_utf8(bytes).ok(),
                b'\\' => {
                    let mut buffer = [0; 4];
                    bytes.extend(self.escaped()?.encode_utf8(&mut buffer).as_bytes());
                }
                0..0x20 => return None,
                byte => bytes.push(byte),
            }
        }
    }

    fn escaped(&mut self) -> Option<char> {
        let byte = *self.text.get(self.at)?;
        self.at += 1;
        Some(match byte {
            b'"' | b'\\' | b'/' => char::from(byte),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.unit()?;
                let pair = (0xd800..0xdc00).contains(&first);
                if !pair {
                    return char::from_u32(first);
                }
                if self.text.get(self.at..self.at + 2)? != b"\\u" {
                    return None;
                }
                self.at += 2;
                let second = self.unit().filter(|unit| (0xdc00..0xe000).contains(unit))?;
                char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?
            }
            _ => return None,
        })
    }

    fn unit(&mut self) -> Option<u32> {
        let digits = std::str::from_utf8(self.text.get(self.at..self.at + 4)?).ok()?;
        self.at += 4;
        let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if plain { u32::from_str_radix(digits, 16).ok() } else { None }
    }
}

/// Whether `word` is a JSON number: no sign but a minus, no leading zeros, digits on both sides of
/// a dot.
fn is_number(word: &str) -> bool {
    let word = word.strip_prefix('-').unwrap_or(word);
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
        }
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let leading = whole.len() > 1 && whole.starts_with('0');
    digits(whole) && !leading && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_and_escapes_are_kept_apart() {
        let read = read(br#" {"a": [1, "\u00e9\ud83d\ude00"], "\u0061": null} "#).unwrap();
        let list = Json::List(vec![Json::Word("1".into()), Json::Text("\u{e9}\u{1f600}".into())]);
        let expected = vec![("a".to_owned(), list), ("a".to_owned(), Json::Word("null".into()))];
        assert_eq!(read, Json::Entries(expected));
    }

    #[test]
    fn what_is_no_json_is_none() {
        for text in ["", "{", "[1,]", "01", "1.", "+1", "tru", "\"\\ud800\"", "\"\n\"", "{} x"] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }
}
