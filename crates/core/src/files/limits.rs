use crate::schema::Field;
use crate::{Error, ErrorKind, Result};

/// How much a file may claim to hold. A file whose header claims more is refused before any memory
/// is allocated for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a `.npy` header: 64 KiB. numpy writes 128 bytes and refuses above 10,000.
    pub header_bytes: usize,
    /// Bytes of a `.safetensors` header: 16 MiB. The format allows 100 MB.
    pub safetensors_header_bytes: usize,
    /// Bytes of one sample: just under 1 GiB.
    pub sample_bytes: usize,
    /// Bytes of the compressed arrays of a `.npz` file, which are held in memory, and of the pages of a
    /// Parquet file that are decoded together: 4 GiB.
    pub inflated_bytes: usize,
    /// Bytes of decoded pages of Parquet files that a source keeps for its next samples, an eighth of them for
    /// where values lie in pages that it gave up: 256 MiB. A single page may take more, and so do pages that
    /// workers are reading from.
    pub decoded_bytes: usize,
    /// Bytes of an index of samples that is held in memory, 8 for each document of token files:
    /// 1 GiB.
    pub index_bytes: usize,
    /// Bytes after the end of the array in a `.npy` file: any number, because several arrays can be
    /// saved into one open file, and numpy reads the first. With 0, a file that holds more than its
    /// array is refused as [`ErrorKind::Trailing`].
    pub trailing_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 << 10,
            safetensors_header_bytes: 16 << 20,
            sample_bytes: (1 << 30) - 1,
            inflated_bytes: 4 << 30,
            decoded_bytes: 256 << 20,
            index_bytes: 1 << 30,
            trailing_bytes: u64::MAX,
        }
    }
}

impl Limits {
    /// Whether one sample of `field` is small enough.
    pub(crate) fn check_sample(&self, field: &Field) -> Result<()> {
        let most = self.sample_bytes;
        // Checked, because no schema has checked the field yet.
        let message = match field.checked_bytes() {
            Some(found) if found <= most => return Ok(()),
            Some(found) => format!("a sample of {field} takes {found} bytes, at most {most}"),
            None => format!("a sample of {field} does not fit the address space"),
        };
        Err(Error::new(ErrorKind::TooLarge, message).with_field(field.name()))
    }

    /// Whether one sample of `field` is small enough, and `len` of them are not too many. A file of
    /// 100 bytes can claim any number of samples that take none, and reading them all would never
    /// end.
    pub(crate) fn check_samples(&self, field: &Field, len: usize) -> Result<()> {
        const WITHOUT_BYTES_MAX: usize = 1 << 32;
        self.check_sample(field)?;
        if field.max_bytes() > 0 || len <= WITHOUT_BYTES_MAX {
            return Ok(());
        }
        let message = format!(
            "{len} samples of {field}, which take no bytes, at most {WITHOUT_BYTES_MAX} of them"
        );
        Err(Error::new(ErrorKind::TooLarge, message).with_field(field.name()))
    }
}
