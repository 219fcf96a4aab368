use crate::{Error, ErrorKind, Result};

/// How an element type that candle lacks becomes one that holds all of its values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Widening {
    /// The element is held as it is.
    None,
    /// 8-bit signed integers become `i16`.
    I8ToI16,
    /// 64-bit unsigned integers become `i64` where the value fits.
    U64ToI64,
}

impl Widening {
    /// Widens elements in this machine's byte order.
    pub(crate) fn apply(self, payload: Vec<u8>) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(payload),
            Self::I8ToI16 => {
                let wide = payload.iter().flat_map(|&byte| i16::from(byte as i8).to_ne_bytes());
                Ok(wide.collect())
            }
            Self::U64ToI64 => check_fits_i64(&payload).map(|()| payload),
        }
    }
}

fn check_fits_i64(payload: &[u8]) -> Result<()> {
    let value = |bytes: &[u8]| u64::from_ne_bytes(bytes.try_into().unwrap_or_default());
    let mut values = payload.chunks_exact(8).map(value).enumerate();
    match values.find(|(_, value)| i64::try_from(*value).is_err()) {
        None => Ok(()),
        Some((at, value)) => {
            let message = format!("element {at} is {value}, above what an i64 holds");
            Err(Error::new(ErrorKind::OutOfRange, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widening_keeps_every_value_or_names_the_one_it_cannot() {
        let widened = Widening::I8ToI16.apply(vec![0x80, 0x7f]).unwrap();
        assert_eq!(widened, [(-128i16).to_ne_bytes(), 127i16.to_ne_bytes()].concat());
        let fits = u64::to_ne_bytes(i64::MAX as u64).to_vec();
        assert!(Widening::U64ToI64.apply(fits).is_ok());
        let too_large = [u64::to_ne_bytes(1), u64::to_ne_bytes(1 << 63)].concat();
        let error = Widening::U64ToI64.apply(too_large).unwrap_err();
        assert!(error.message().starts_with("element 1 is 9223372036854775808"), "{error}");
    }
}
