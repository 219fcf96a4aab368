//! A second reader of `.npy`, written from the description of the format and the behaviour of
//! numpy. It is short and slow, and what the product reads is compared with it.

use tallow::RowDType;

/// What a file holds, as it is delivered: little-endian, row-major, widened.
#[derive(Debug)]
pub(super) struct Array {
    pub(super) dtype: RowDType,
    pub(super) shape: Vec<usize>,
    pub(super) elements: Vec<u8>,
    /// Elements that the type of the row cannot hold: a row with one is refused.
    pub(super) unfit: Vec<usize>,
    /// Why a reader may also refuse the file. If it does not, this is what it must read.
    pub(super) odd: Option<&'static str>,
}

/// The longest header to read.
const HEADER_BYTES_MAX: usize = 64 << 10;

/// The array in `file`; `None` if every reader must refuse it.
pub(super) fn read(file: &[u8]) -> Option<Array> {
    let version = file.strip_prefix(b"\x93NUMPY")?.get(..2)?;
    let (start, len) = match version {
        [1, 0] => (10, usize::from(u16::from_le_bytes(file.get(8..10)?.try_into().ok()?))),
        [2 | 3, 0] => (12, u32::from_le_bytes(file.get(8..12)?.try_into().ok()?) as usize),
        _ => return None,
    };
    let text = file.get(start..start + len).filter(|text| text.len() <= HEADER_BYTES_MAX)?;
    let header = Header::of(&tokens(text)?)?;
    let kind = Kind::of(&header.descr)?;
    let payload = &file[start + len..];
    let count = header.shape.iter().try_fold(1usize, |n, &len| n.checked_mul(len.max(1)))?;
    count.checked_mul(kind.stored.max(kind.row.size())).filter(|&n| n <= isize::MAX as usize)?;
    let count = if header.shape.contains(&0) { 0 } else { count };
    let stored = payload.get(..count * kind.stored)?;
    let odd = match () {
        () if kind.odd => Some("the spelling of the type"),
        () if count == 0 => Some("no elements"),
        () if stored.len() < payload.len() => Some("bytes after the array"),
        () => None,
    };
    let elements = row_major(stored, &header, kind.stored);
    let (elements, unfit) = kind.widened(elements);
    Some(Array { dtype: kind.row, shape: header.shape, elements, unfit, odd })
}

struct Header {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

#[derive(Debug, PartialEq)]
enum Token {
    Mark(u8),
    Text(String),
    Word(String),
}

fn tokens(mut text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    while let Some(&first) = text.first() {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_.+-".contains(byte);
        let prefixed = first == b'u' && matches!(text.get(1), Some(b'\'' | b'"'));
        if prefixed || matches!(first, b'\'' | b'"') {
            let quote = text[usize::from(prefixed)];
            let body = &text[usize::from(prefixed) + 1..];
            let len = body.iter().position(|&byte| byte == quote)?;
            let word = std::str::from_utf8(&body[..len]).ok()?;
            if !word.is_ascii() || word.contains(['\\', '\n']) {
                return None;
            }
            tokens.push(Token::Text(word.to_owned()));
            text = &body[len + 1..];
        } else if is_word(&first) {
            let len = text.iter().take_while(|byte| is_word(byte)).count();
            tokens.push(Token::Word(String::from_utf8_lossy(&text[..len]).into_owned()));
            text = &text[len..];
        } else {
            if !b" \t\n\r\x0c".contains(&first) {
                tokens.push(Token::Mark(first));
            }
            text = &text[1..];
        }
    }
    Some(tokens)
}

impl Header {
    fn of(tokens: &[Token]) -> Option<Self> {
        use Token::{Mark, Text, Word};
        let (mut descr, mut fortran_order, mut shape) = (None, None, None);
        let mut rest = match tokens {
            [Mark(b'{'), rest @ ..] => rest,
            _ => return None,
        };
        loop {
            let twice;
            (twice, rest) = match rest {
                [Mark(b'}')] => break,
                [Text(key), Mark(b':'), Text(value), rest @ ..] if key == "descr" => {
                    (descr.replace(value.clone()).is_some(), rest)
                }
                [Text(key), Mark(b':'), Word(value), rest @ ..] if key == "fortran_order" => {
                    let value = match value.as_str() {
                        "True" => true,
                        "False" => false,
                        _ => return None,
                    };
                    (fortran_order.replace(value).is_some(), rest)
                }
                [Text(key), Mark(b':'), Mark(b'('), rest @ ..] if key == "shape" => {
                    let end = rest.iter().position(|token| *token == Mark(b')'))?;
                    (shape.replace(tuple(&rest[..end])?).is_some(), &rest[end + 1..])
                }
                _ => return None,
            };
            rest = match rest {
                _ if twice => return None,
                [Mark(b','), rest @ ..] => rest,
                [Mark(b'}'), ..] => rest,
                _ => return None,
            };
        }
        Some(Self { descr: descr?, fortran_order: fortran_order?, shape: shape? })
    }
}

/// The numbers between the parentheses of a tuple: `3, 4`, `3,` or nothing. `3` is not a tuple.
fn tuple(tokens: &[Token]) -> Option<Vec<usize>> {
    let number = |pair: &[Token]| match pair {
        [Token::Word(word)] | [Token::Word(word), Token::Mark(b',')] => length(word),
        _ => None,
    };
    if tokens.len() == 1 {
        return None;
    }
    let shape: Vec<usize> = tokens.chunks(2).map(number).collect::<Option<_>>()?;
    (shape.len() <= tallow::MAX_RANK).then_some(shape)
}

fn length(word: &str) -> Option<usize> {
    let digits = word.strip_suffix('L').unwrap_or(word);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    let leading = digits.len() > 1 && digits.starts_with('0');
    if plain && !leading { digits.parse().ok() } else { None }
}

/// An element type in a file.
struct Kind {
    row: RowDType,
    stored: usize,
    big: bool,
    letter: u8,
    odd: bool,
}

impl Kind {
    fn of(descr: &str) -> Option<Self> {
        const NAMES: [(&str, char, &str); 12] = [
            ("b1", '?', "bool"),
            ("i1", 'b', "int8"),
            ("u1", 'B', "uint8"),
            ("i2", 'h', "int16"),
            ("u2", 'H', "uint16"),
            ("i4", 'i', "int32"),
            ("u4", 'I', "uint32"),
            ("i8", 'q', "int64"),
            ("u8", 'Q', "uint64"),
            ("f2", 'e', "float16"),
            ("f4", 'f', "float32"),
            ("f8", 'd', "float64"),
        ];
        let marked = descr.trim_start_matches(['<', '>', '=', '|']);
        let marks = descr.len() - marked.len();
        // Some readers accept a size with leading zeros.
        let odd = marked.len() > 2 && marked[1..].starts_with('0');
        let sized = match odd {
            true => format!("{}{}", &marked[..1], marked[1..].trim_start_matches('0')),
            false => marked.to_owned(),
        };
        let is_it = |&&(sizes, letter, name): &&(&str, char, &str)| {
            sized == sizes || marked == letter.to_string() || marks == 0 && marked == name
        };
        let (kind, ..) = NAMES.iter().find(is_it).filter(|_| marks <= 1)?;
        let (letter, stored) = (kind.as_bytes()[0], usize::from(kind.as_bytes()[1] - b'0'));
        let row = match (letter, stored) {
            (b'b', _) | (b'u', 1) => RowDType::U8,
            (b'i', 1 | 2) => RowDType::I16,
            (b'u', 2) => RowDType::U16,
            (b'i', 4) => RowDType::I32,
            (b'u', 4) => RowDType::U32,
            (_, 8) if letter != b'f' => RowDType::I64,
            (_, 2) => RowDType::F16,
            (_, 4) => RowDType::F32,
            _ => RowDType::F64,
        };
        Some(Self { row, stored, big: descr.starts_with('>'), letter, odd })
    }

    /// Elements as rows hold them, and which of them rows cannot hold.
    fn widened(&self, mut elements: Vec<u8>) -> (Vec<u8>, Vec<usize>) {
        if self.big {
            elements.chunks_exact_mut(self.stored).for_each(<[u8]>::reverse);
        }
        match (self.letter, self.stored) {
            (b'i', 1) => {
                let wide = |&byte: &u8| i16::from(byte as i8).to_le_bytes();
                (elements.iter().flat_map(wide).collect(), Vec::new())
            }
            (b'u', 8) => {
                let above = |(_, element): &(usize, &[u8])| element[7] > 127;
                let unfit = elements.chunks_exact(8).enumerate().filter(above).map(|(at, _)| at);
                let unfit = unfit.collect();
                (elements, unfit)
            }
            _ => (elements, Vec::new()),
        }
    }
}

fn row_major(stored: &[u8], header: &Header, size: usize) -> Vec<u8> {
    if !header.fortran_order {
        return stored.to_vec();
    }
    let count = stored.len() / size;
    let place = |mut at: usize| {
        // The coordinates of an element, the last axis first, and its place if the first axis runs
        // fastest.
        let mut place = 0;
        let mut stride = count;
        for &len in header.shape.iter().rev() {
            stride /= len;
            place += at % len * stride;
            at /= len;
        }
        place
    };
    (0..count).flat_map(|at| &stored[place(at) * size..][..size]).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, payload: &[u8]) -> Vec<u8> {
        let len = (header.len() as u16).to_le_bytes();
        [b"\x93NUMPY\x01\0", &len[..], header.as_bytes(), payload].concat()
    }

    #[test]
    fn what_numpy_writes_is_read() {
        let header = "{'descr': '<i2', 'fortran_order': True, 'shape': (2, 3), }   \n";
        let stored: Vec<u8> = [1i16, 4, 2, 5, 3, 6].iter().flat_map(|x| x.to_le_bytes()).collect();
        let array = read(&file(header, &stored)).unwrap();
        let elements: Vec<u8> = (1i16..=6).flat_map(i16::to_le_bytes).collect();
        assert_eq!((array.dtype, array.shape), (RowDType::I16, vec![2, 3]));
        assert_eq!((array.elements, array.odd), (elements, None));
    }

    #[test]
    fn what_numpy_refuses_is_none() {
        for header in [
            "{'descr': '<f4', 'fortran_order': False, 'shape': (3)}",
            "{'descr': '<f4', 'fortran_order': 0, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), 'x': 1}",
            "{'descr': '<V4', 'fortran_order': False, 'shape': (1,)}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (1,) ",
        ] {
            assert!(read(&file(header, &[0; 64])).is_none(), "{header}");
        }
    }
}
