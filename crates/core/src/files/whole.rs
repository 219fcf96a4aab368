//! Files that are read as they are, whatever they hold.

use std::time::SystemTime;

use super::File;
use super::Stamp;
use crate::{Error, ErrorKind, FieldMut, Result};

/// Reads all of `file` into `field`, which is as many bytes as the file has; an error if it changes
/// meanwhile. A file that was written to a moment ago may be so still: it is read once it rests.
///
/// Usually this is one read and one look at the file after it: a file whose times lie well before its
/// reading began was not written to meanwhile. Nothing is allocated: the field has room for the
/// largest file that it admits.
pub(crate) fn read_whole(file: &File, field: &mut FieldMut<'_>) -> Result<()> {
    let begun = SystemTime::now();
    let read = field.read_after_head(file, 0, &mut []);
    let stamp = Stamp::of_regular(file)?;
    check_bytes(stamp.bytes, field)?;
    if read.is_ok_and(|read| read as u64 == stamp.bytes) && stamp.is_settled(begun) {
        return field.set_shape(&[stamp.bytes as usize]);
    }
    let read = |stamp: &Stamp| {
        field.restart();
        check_bytes(stamp.bytes, field)?;
        field.set_shape(&[stamp.bytes as usize])?;
        field.read_rest(file, 0)
    };
    Stamp::at_rest(file, read).map(|_| ())
}

/// Whether a file of this length is one for the field.
fn check_bytes(bytes: u64, field: &FieldMut<'_>) -> Result<()> {
    let most = field.declared().max_bytes() as u64;
    if bytes == 0 {
        return Err(Error::new(ErrorKind::Empty, "the file has no bytes"));
    }
    if bytes > most {
        let message = format!("a file of {bytes} bytes, at most {most}");
        return Err(Error::new(ErrorKind::TooLarge, message));
    }
    Ok(())
}
