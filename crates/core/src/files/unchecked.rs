//! Looking at a file once for many rows.

use std::cell::RefCell;
use std::sync::Arc;

use super::sample_file::OpenFile;

/// Files that rows were read from, and that have not been looked at since. Who reads many rows may have each file
/// looked at once for all of them, instead of once for each: a file that was written to has another stamp from
/// then on, so a look after the last row says what looks after each row would have said.
///
/// A row that is [checked later](crate::Row::checked_later) may hold anything until [`hold`](Self::hold) has said
/// that the files are what they were. If they are not, its rows have to be read again without it, which says
/// what is wrong and with which of them.
#[derive(Debug, Default)]
pub struct Unchecked {
    /// Each file once: as many as a source keeps open.
    files: RefCell<Vec<Noted>>,
}

#[derive(Debug)]
struct Noted {
    file: Arc<OpenFile>,
    /// When the status of the file had changed last, as far as that was known before the first of the rows
    /// was read: what another thread finds of a later status says nothing of them.
    changed: i64,
}

impl Unchecked {
    /// Notes a file before a row is read from it.
    pub(super) fn note(&self, file: &Arc<OpenFile>) {
        let mut files = self.files.borrow_mut();
        // Rows of one claim are often of one file, so the last one is the likeliest.
        if !files.iter().rev().any(|noted| Arc::ptr_eq(&noted.file, file)) {
            files.push(Noted { file: file.clone(), changed: file.changed() });
        }
    }

    /// Whether all files are still what they were when they were opened. Forgets them.
    pub fn hold(&self) -> bool {
        let mut files = self.files.borrow_mut();
        let hold = files.iter().all(|noted| noted.file.is_unchanged_since(noted.changed));
        files.clear();
        hold
    }
}
