//! Random choices, all from a seed and the number of a case.

use tallow::{Draws, Key, Purpose, Stream};

/// The choices of one case: the same seed and case always make the same ones.
#[derive(Debug)]
pub(crate) struct Dice(Draws);

impl Dice {
    pub(crate) fn new(seed: u64, case: u64) -> Self {
        Self(Key::new(seed, 0).draws(Stream::new("faults", 0, Purpose::Data), case))
    }

    /// A number below `bound`, which must be above 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0.below(bound as u64) as usize
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        &among[self.below(among.len())]
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = (0..len.div_ceil(4)).flat_map(|_| self.0.next_u32().to_le_bytes());
        words.take(len).collect()
    }

    /// Puts the items in a random order.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }

    /// A whole number as digits, often one that code forgets to handle.
    pub(crate) fn number(&mut self) -> String {
        const EDGES: [&str; 26] = [
            "0",
            "1",
            "2",
            "3",
            "-1",
            "-0",
            "00",
            "255",
            "256",
            "65535",
            "65536",
            "2147483647",
            "2147483648",
            "4294967295",
            "4294967296",
            "1099511627776",
            "4611686018427387904",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "340282366920938463463374607431768211456",
            "1e3",
            "3.5",
            "3L",
            "0x10",
        ];
        match self.below(4) {
            0 => self.below(1000).to_string(),
            1 => (self.0.next_u64() >> self.below(64)).to_string(),
            _ => (*self.pick(&EDGES)).to_owned(),
        }
    }
}

/// Damages text or bytes in one place without knowing what they mean, for what a grammar would
/// never write.
pub(crate) fn scramble(bytes: &mut Vec<u8>, dice: &mut Dice) {
    const MARKS: &[u8] = b"{}[]()<>'\",:.=-+ \n\0\\\x7f\xff0aLu|#";
    let at = dice.below(bytes.len() + 1);
    let end = (at + dice.below(12)).min(bytes.len());
    match dice.below(8) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = *dice.pick(MARKS),
        2 => bytes.insert(at, *dice.pick(MARKS)),
        3 => drop(bytes.drain(at..end)),
        4 => {
            let run = bytes[at..end].to_vec();
            let to = dice.below(bytes.len() + 1);
            drop(bytes.splice(to..to, run));
        }
        5 => {
            let nest = vec![*dice.pick(b"[({"); 1 << dice.below(12)];
            drop(bytes.splice(at..at, nest));
        }
        6 => bytes.truncate(at),
        _ => replace_number(bytes, dice),
    }
}

/// Replaces one of the numbers that are written in digits.
fn replace_number(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let is_first =
        |at: &usize| bytes[*at].is_ascii_digit() && (*at == 0 || !bytes[at - 1].is_ascii_digit());
    let starts: Vec<usize> = (0..bytes.len().min(4096)).filter(is_first).collect();
    if starts.is_empty() {
        return;
    }
    let at = *dice.pick(&starts);
    let len = bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number = dice.number();
    drop(bytes.splice(at..at + len, number.into_bytes()));
}
