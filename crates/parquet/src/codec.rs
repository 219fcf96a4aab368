//! Pages as they were before they were compressed. The output never grows beyond what the page's header
//! says, which was compared with the limit.

use std::io::Read;

use bytes::Bytes;
use parquet::basic::Compression;
use tallow_arrow::{Error, Result};

/// How pages of a column are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Snappy,
    Gzip,
    Zstd,
    Lz4,
}

impl Codec {
    pub(crate) fn of(compression: Compression) -> Result<Self> {
        Ok(match compression {
            Compression::UNCOMPRESSED => Self::None,
            Compression::SNAPPY => Self::Snappy,
            Compression::GZIP(_) => Self::Gzip,
            Compression::ZSTD(_) => Self::Zstd,
            Compression::LZ4_RAW => Self::Lz4,
            other => {
                let message = format!(
                    "pages compressed with {other}, expected Snappy, gzip, Zstandard, LZ4_RAW or none"
                );
                return Err(Error::unsupported(message));
            }
        })
    }

    /// The `len` bytes that `stored` was before.
    pub(crate) fn expand(self, stored: Bytes, len: usize) -> Result<Bytes> {
        let expanded = match self {
            Self::None => stored,
            _ if len == 0 => Bytes::new(),
            Self::Snappy => snappy(&stored, len)?.into(),
            Self::Lz4 => {
                let mut bytes = vec![0; len];
                let wrote =
                    lz4_flex::block::decompress_into(&stored, &mut bytes).map_err(damaged)?;
                bytes.truncate(wrote);
                bytes.into()
            }
            Self::Zstd => zstd::bulk::decompress(&stored, len).map_err(damaged)?.into(),
            Self::Gzip => {
                let mut bytes = Vec::with_capacity(len + 1);
                let decoder = flate2::read::MultiGzDecoder::new(&*stored);
                decoder.take(len as u64 + 1).read_to_end(&mut bytes).map_err(damaged)?;
                bytes.into()
            }
        };
        let found = expanded.len();
        if found != len {
            let message = format!("a page of {found} bytes, expected {len} as its header says");
            return Err(Error::malformed(message));
        }
        Ok(expanded)
    }
}

fn snappy(stored: &[u8], len: usize) -> Result<Vec<u8>> {
    let told = snap::raw::decompress_len(stored).map_err(damaged)?;
    if told != len {
        return Err(damaged(format!("{told} bytes, expected {len}")));
    }
    let mut bytes = vec![0; len];
    expand_snappy_into(stored, &mut bytes)?;
    Ok(bytes)
}

/// Expands a whole stream of Snappy, which must fill `into`.
pub(crate) fn expand_snappy_into(stored: &[u8], into: &mut [u8]) -> Result<()> {
    let made = snap::raw::Decoder::new().decompress(stored, into).map_err(damaged)?;
    match made == into.len() {
        true => Ok(()),
        false => Err(damaged(format!("{made} bytes, expected {}", into.len()))),
    }
}

#[cold]
fn damaged(error: impl std::fmt::Display) -> Error {
    Error::malformed(format!("the page does not decompress: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn pages_expand_to_what_they_were_and_to_no_more() {
        let page: Vec<u8> = (0..5000u32).flat_map(|it| (it / 7).to_le_bytes()).collect();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&page).unwrap();
        let stored = [
            (Codec::None, page.clone()),
            (Codec::Snappy, snap::raw::Encoder::new().compress_vec(&page).unwrap()),
            (Codec::Lz4, lz4_flex::block::compress(&page)),
            (Codec::Zstd, zstd::bulk::compress(&page, 1).unwrap()),
            (Codec::Gzip, gzip.finish().unwrap()),
        ];
        for (codec, stored) in stored {
            let stored = Bytes::from(stored);
            assert_eq!(codec.expand(stored.clone(), page.len()).unwrap(), page, "{codec:?}");
            for len in [0, 1, page.len() - 1, page.len() + 1] {
                let expanded = codec.expand(stored.clone(), len);
                // A page of no bytes has none, whatever is stored.
                assert!(expanded.is_err() || len == 0, "{codec:?} {len}");
            }
            if codec != Codec::None {
                assert!(
                    codec.expand(stored.slice(..stored.len() / 2), page.len()).is_err(),
                    "{codec:?}"
                );
            }
        }
    }
}
