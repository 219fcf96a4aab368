//! The tables that segments define: of quantisation (DQT) and of Huffman codes (DHT).

use super::markers::Segment;
use crate::{Error, Result};

/// Where the coefficients are in a block, row by row, in the order in which they are coded.
pub(crate) const NATURAL_ORDER: [u8; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// How many codes there are of each length from 1 to 16, then their symbols by rising code.
pub(crate) type Codes<'a> = &'a [u8];

/// The tables as they stand at some point of a file.
#[derive(Debug, Default)]
pub(crate) struct Tables<'a> {
    /// Of quantisation, in natural order.
    pub(crate) quant: [Option<[u16; 64]>; 4],
    /// Of codes for DC differences.
    pub(crate) dc: [Option<Codes<'a>>; 4],
    /// Of codes for AC coefficients.
    pub(crate) ac: [Option<Codes<'a>>; 4],
}

impl<'a> Tables<'a> {
    /// Takes a DQT segment.
    pub(crate) fn read_quant(&mut self, segment: &Segment<'_>) -> Result<()> {
        let mut bytes = segment.bytes;
        while let [head, tail @ ..] = bytes {
            let at = segment.at + segment.bytes.len() - bytes.len();
            let index = usize::from(head & 15);
            let width = if head >> 4 == 0 { 1 } else { 2 };
            let slot =
                self.quant.get_mut(index).ok_or_else(|| number("quantisation", index, at))?;
            let (numbers, rest) = tail
                .split_at_checked(64 * width)
                .ok_or_else(|| Error::damaged(format!("a quantisation table cut at byte {at}")))?;
            let mut table = [0; 64];
            for (&to, from) in NATURAL_ORDER.iter().zip(numbers.chunks_exact(width)) {
                table[usize::from(to)] =
                    from.iter().fold(0, |number, &byte| number << 8 | u16::from(byte));
            }
            *slot = Some(table);
            bytes = rest;
        }
        Ok(())
    }

    /// Takes a DHT segment.
    pub(crate) fn read_huffman(&mut self, segment: &Segment<'a>) -> Result<()> {
        let mut bytes = segment.bytes;
        while let [head, tail @ ..] = bytes {
            let at = segment.at + segment.bytes.len() - bytes.len();
            let index = usize::from(head & 15);
            let tables = if head & 0x10 == 0 { &mut self.dc } else { &mut self.ac };
            let slot = tables.get_mut(index).ok_or_else(|| number("Huffman", index, at))?;
            let cut = || Error::damaged(format!("a Huffman table cut at byte {at}"));
            let counts = tail.get(..16).ok_or_else(cut)?;
            let symbols: usize = counts.iter().copied().map(usize::from).sum();
            if symbols > 256 {
                let found = format!("a Huffman table of {symbols} codes at byte {at}");
                return Err(Error::damaged(format!("{found}, at most 256")));
            }
            let (codes, rest) = tail.split_at_checked(16 + symbols).ok_or_else(cut)?;
            *slot = Some(codes);
            bytes = rest;
        }
        Ok(())
    }

    /// The codes of DC table number `index`.
    pub(crate) fn dc_codes(&self, index: usize) -> Result<Codes<'a>> {
        self.dc.get(index).copied().flatten().ok_or_else(|| missing("DC", index))
    }

    /// The codes of AC table number `index`.
    pub(crate) fn ac_codes(&self, index: usize) -> Result<Codes<'a>> {
        self.ac.get(index).copied().flatten().ok_or_else(|| missing("AC", index))
    }

    /// Puts the tables of T.81 K.3 where none were defined: frames of Motion JPEG leave them out, and
    /// libjpeg-turbo decodes such frames, if they are sequential.
    pub(crate) fn default_huffman(&mut self) {
        let [dc0, dc1, ..] = &mut self.dc;
        dc0.get_or_insert(&STANDARD_DC_LUMA);
        dc1.get_or_insert(&STANDARD_DC_CHROMA);
        let [ac0, ac1, ..] = &mut self.ac;
        ac0.get_or_insert(&STANDARD_AC_LUMA);
        ac1.get_or_insert(&STANDARD_AC_CHROMA);
    }
}

#[cold]
fn number(kind: &str, index: usize, at: usize) -> Error {
    Error::damaged(format!("a {kind} table of number {index} at byte {at}, expected 0 to 3"))
}

#[cold]
fn missing(kind: &str, index: usize) -> Error {
    Error::damaged(format!("a scan with {kind} Huffman table {index}, which no segment defines"))
}

const STANDARD_DC_LUMA: [u8; 28] =
    [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

const STANDARD_DC_CHROMA: [u8; 28] =
    [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

const STANDARD_AC_LUMA: [u8; 178] = [
    0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 125, 1, 2, 3, 0, 4, 17, 5, 18, 33, 49, 65, 6, 19,
    81, 97, 7, 34, 113, 20, 50, 129, 145, 161, 8, 35, 66, 177, 193, 21, 82, 209, 240, 36, 51, 98,
    114, 130, 9, 10, 22, 23, 24, 25, 26, 37, 38, 39, 40, 41, 42, 52, 53, 54, 55, 56, 57, 58, 67,
    68, 69, 70, 71, 72, 73, 74, 83, 84, 85, 86, 87, 88, 89, 90, 99, 100, 101, 102, 103, 104, 105,
    106, 115, 116, 117, 118, 119, 120, 121, 122, 131, 132, 133, 134, 135, 136, 137, 138, 146, 147,
    148, 149, 150, 151, 152, 153, 154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178, 179, 180,
    181, 182, 183, 184, 185, 186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211, 212, 213,
    214, 215, 216, 217, 218, 225, 226, 227, 228, 229, 230, 231, 232, 233, 234, 241, 242, 243, 244,
    245, 246, 247, 248, 249, 250,
];

const STANDARD_AC_CHROMA: [u8; 178] = [
    0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 119, 0, 1, 2, 3, 17, 4, 5, 33, 49, 6, 18, 65, 81,
    7, 97, 113, 19, 34, 50, 129, 8, 20, 66, 145, 161, 177, 193, 9, 35, 51, 82, 240, 21, 98, 114,
    209, 10, 22, 36, 52, 225, 37, 241, 23, 24, 25, 26, 38, 39, 40, 41, 42, 53, 54, 55, 56, 57, 58,
    67, 68, 69, 70, 71, 72, 73, 74, 83, 84, 85, 86, 87, 88, 89, 90, 99, 100, 101, 102, 103, 104,
    105, 106, 115, 116, 117, 118, 119, 120, 121, 122, 130, 131, 132, 133, 134, 135, 136, 137, 138,
    146, 147, 148, 149, 150, 151, 152, 153, 154, 162, 163, 164, 165, 166, 167, 168, 169, 170, 178,
    179, 180, 181, 182, 183, 184, 185, 186, 194, 195, 196, 197, 198, 199, 200, 201, 202, 210, 211,
    212, 213, 214, 215, 216, 217, 218, 226, 227, 228, 229, 230, 231, 232, 233, 234, 242, 243, 244,
    245, 246, 247, 248, 249, 250,
];

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(bytes: &[u8]) -> Segment<'_> {
        Segment { code: 0, at: 100, bytes }
    }

    #[test]
    fn quantisation_tables_come_in_zigzag_order_of_one_or_two_bytes() {
        let mut bytes = vec![0x01];
        bytes.extend(0..64);
        bytes.push(0x12);
        bytes.extend((0..64u16).flat_map(|n| (n + 256).to_be_bytes()));
        let mut tables = Tables::default();
        tables.read_quant(&segment(&bytes)).unwrap();
        let table = tables.quant[1].unwrap();
        assert_eq!(table[..4], [0, 1, 5, 6]);
        assert_eq!((table[8], table[63]), (2, 63));
        assert_eq!(tables.quant[2].unwrap()[16], 256 + 3);
        assert!(tables.quant[0].is_none());
    }

    #[test]
    fn tables_that_are_cut_or_of_a_wrong_number_are_refused() {
        let mut tables = Tables::default();
        let mut quant = |bytes: &[u8]| tables.read_quant(&segment(bytes)).unwrap_err().to_string();
        assert!(quant(&[0; 64]).contains("cut at byte 100"));
        assert!(quant(&[4; 65]).contains("number 4"));
        let codes =
            |bytes: &[u8]| Tables::default().read_huffman(&segment(bytes)).unwrap_err().to_string();
        assert!(codes(&[0; 16]).contains("cut"));
        assert!(codes(&[0x14; 17]).contains("number 4"));
        assert!(codes(&[&[0x10][..], &[1; 16], &[0; 15]].concat()).contains("cut"));
        assert!(codes(&[&[0x10][..], &[17; 16], &[0; 272]].concat()).contains("272 codes"));
    }

    #[test]
    fn the_standard_tables_only_fill_gaps() {
        let mut tables = Tables::default();
        let mine = [&[1][..], &[1], &[0; 15], &[5]].concat();
        tables.read_huffman(&segment(&mine)).unwrap();
        tables.default_huffman();
        assert_eq!(tables.dc[1].unwrap(), &mine[1..]);
        assert_eq!(tables.dc[0].unwrap(), STANDARD_DC_LUMA);
        for codes in [tables.dc[0], tables.ac[0], tables.ac[1], Some(&STANDARD_DC_CHROMA)] {
            let (counts, symbols) = codes.unwrap().split_at(16);
            assert_eq!(counts.iter().map(|&n| usize::from(n)).sum::<usize>(), symbols.len());
        }
        assert!(tables.dc[2].is_none() && tables.ac[3].is_none());
    }
}
