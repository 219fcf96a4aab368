//! The segments of a file, one after the other (T.81 B.1).

use crate::{Error, Result};

/// The second bytes of markers.
pub(crate) mod code {
    pub(crate) const SOF0: u8 = 0xc0;
    pub(crate) const SOF1: u8 = 0xc1;
    pub(crate) const SOF2: u8 = 0xc2;
    pub(crate) const DHT: u8 = 0xc4;
    pub(crate) const RST0: u8 = 0xd0;
    pub(crate) const RST7: u8 = 0xd7;
    pub(crate) const SOI: u8 = 0xd8;
    pub(crate) const EOI: u8 = 0xd9;
    pub(crate) const SOS: u8 = 0xda;
    pub(crate) const DQT: u8 = 0xdb;
    pub(crate) const DRI: u8 = 0xdd;
    pub(crate) const APP0: u8 = 0xe0;
    pub(crate) const APP1: u8 = 0xe1;
    pub(crate) const APP14: u8 = 0xee;
    pub(crate) const TEM: u8 = 0x01;
}

/// What follows a marker, without its length.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segment<'a> {
    /// The marker's second byte.
    pub(crate) code: u8,
    /// Where `bytes` begin in the file.
    pub(crate) at: usize,
    pub(crate) bytes: &'a [u8],
}

/// Walks over the segments of a file.
///
/// What lies between them is skipped, as libjpeg does: junk, fill bytes, and the data of a scan.
#[derive(Debug)]
pub(crate) struct Markers<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Markers<'a> {
    /// Begins after the SOI marker, which has to be the first.
    pub(crate) fn new(payload: &'a [u8]) -> Result<Self> {
        if !payload.starts_with(&[0xff, code::SOI]) {
            return Err(Error::damaged("no SOI marker at byte 0, which begins every JPEG"));
        }
        Ok(Self { payload, at: 2 })
    }

    /// What was not walked over yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        &self.payload[self.at..]
    }

    /// Bytes of the file.
    pub(crate) fn end(&self) -> usize {
        self.payload.len()
    }

    /// Goes on where only `rest` bytes are left.
    pub(crate) fn resume(&mut self, rest: usize) {
        self.at = self.payload.len() - rest;
    }

    /// The next segment, or `None` at EOI and where the data end.
    pub(crate) fn next(&mut self) -> Result<Option<Segment<'a>>> {
        while let Some(code) = self.marker() {
            match code {
                code::TEM | code::RST0..=code::RST7 => {}
                code::EOI => return Ok(None),
                _ => return self.segment(code).map(Some),
            }
        }
        Ok(None)
    }

    /// The second byte of the next marker.
    fn marker(&mut self) -> Option<u8> {
        loop {
            self.at += find_ff(self.rest())?;
            self.at += self.rest().iter().position(|&byte| byte != 0xff)?;
            let code = self.payload[self.at];
            self.at += 1;
            if code != 0 {
                return Some(code);
            }
        }
    }

    fn segment(&mut self, code: u8) -> Result<Segment<'a>> {
        let marker = self.at - 2;
        if let Some(problem) = refused(code) {
            return Err(Error::unsupported(format!("{problem} at byte {marker}")));
        }
        if code == code::SOI {
            return Err(Error::damaged(format!("a second SOI marker at byte {marker}")));
        }
        let cut = || Error::truncated(format!("the data end in the segment at byte {marker}"));
        let [high, low, ..] = *self.rest() else {
            self.at = self.payload.len();
            return Err(cut());
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            let found = format!("a segment of length {length} at byte {marker}");
            return Err(Error::damaged(format!("{found}, expected at least 2")));
        }
        let at = self.at + 2;
        let bytes = self.rest().get(2..length).ok_or_else(cut)?;
        self.at += length;
        Ok(Segment { code, at, bytes })
    }
}

/// What a marker means, where it makes a file one that is not decoded.
fn refused(code: u8) -> Option<&'static str> {
    Some(match code {
        0xc3 | 0xc7 => "lossless coding",
        0xc5 | 0xc6 | 0xde | 0xdf => "hierarchical coding",
        0xc9 | 0xca => "arithmetic coding",
        0xcb | 0xcd..=0xcf => "arithmetic lossless or hierarchical coding",
        0x02..=0xbf | 0xc8 | 0xf0..=0xfd => "a marker that no standard gives a meaning",
        _ => return None,
    })
}

/// Where the first byte 0xff is, eight bytes at a time.
fn find_ff(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut at = 0;
    while let Some(chunk) = bytes[at..].first_chunk::<8>() {
        let word = !u64::from_le_bytes(*chunk);
        let zeros = word.wrapping_sub(ONES) & !word & (ONES << 7);
        if zeros != 0 {
            return Some(at + zeros.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes[at..].iter().position(|&byte| byte == 0xff).map(|offset| at + offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junk_fill_bytes_and_stuffed_bytes_are_skipped() {
        let bytes = [
            0xff, 0xd8, 1, 2, 3, 0xff, 0, 0xff, 0xd3, 0xff, 0xff, 0xff, 0xfe, 0, 4, 7, 8, 9, 0xff,
            0xd9,
        ];
        let mut markers = Markers::new(&bytes).unwrap();
        let comment = markers.next().unwrap().unwrap();
        assert_eq!((comment.code, comment.at, comment.bytes), (0xfe, 15, &[7, 8][..]));
        assert!(markers.next().unwrap().is_none());
    }

    #[test]
    fn a_segment_that_is_cut_or_too_short_is_an_error() {
        let next = |bytes: &[u8]| Markers::new(bytes).unwrap().next().unwrap_err().to_string();
        assert_eq!(
            next(&[0xff, 0xd8, 0xff, 0xe0, 0, 9, 1]),
            "the data end in the segment at byte 2"
        );
        assert_eq!(next(&[0xff, 0xd8, 0xff, 0xe0, 0]), "the data end in the segment at byte 2");
        assert!(next(&[0xff, 0xd8, 0xff, 0xe0, 0, 1]).contains("length 1"));
        assert!(next(&[0xff, 0xd8, 0xff, 0xd8]).contains("second SOI"));
    }

    #[test]
    fn processes_that_are_not_decoded_are_named() {
        for (code, name) in [(0xc3, "lossless"), (0xc9, "arithmetic"), (0xc5, "hierarchical")] {
            let bytes = [0xff, 0xd8, 0xff, code, 0, 2];
            let error = Markers::new(&bytes).unwrap().next().unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::Unsupported);
            assert!(error.message().contains(name), "{error}");
        }
    }

    #[test]
    fn a_byte_ff_is_found_wherever_it_is() {
        for length in 0..40 {
            let mut bytes = vec![0xfe; length];
            assert_eq!(find_ff(&bytes), None);
            for at in (0..length).rev() {
                bytes[at] = 0xff;
                assert_eq!(find_ff(&bytes), Some(at));
            }
        }
    }
}
