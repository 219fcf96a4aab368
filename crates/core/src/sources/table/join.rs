//! Which row of a table belongs to which file.

use std::collections::HashMap;
use std::path::Path;

use super::cells::Cells;
use crate::error::list_names;
use crate::{Error, ErrorKind, Result, Source};

/// The row of each sample, if there is one, and every file and row that has no partner.
#[derive(Debug)]
pub(super) struct Joined {
    pub(super) rows: Vec<Option<usize>>,
    pub(super) problems: Vec<Error>,
}

/// The row of each sample of `source`. `files` are the names in the rows of the table at `table`, which
/// begin in `lines`.
pub(super) fn join(
    files: &Cells,
    lines: &[u64],
    table: &Path,
    source: &dyn Source,
) -> Result<Joined> {
    let Some(files) = files.texts() else {
        let message = "the column of files has numbers or lists, expected text; name another with \
                       Table::builder(..).file(..)";
        return Err(Error::new(ErrorKind::Config, message).with_path(table));
    };
    let names: Vec<String> = files.iter().map(normal).collect();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut problems = Vec::new();
    let folder = table.parent().unwrap_or(Path::new(""));
    for (row, name) in names.iter().enumerate() {
        if let Some(first) = places.insert(name, row) {
            let message =
                format!("is named in the lines {} and {} of {table:?}", lines[first], lines[row]);
            problems.push(Error::new(ErrorKind::Duplicate, message).with_path(folder.join(name)));
        }
    }
    let mut taken: Vec<Option<usize>> = vec![None; names.len()];
    let mut rows = vec![None; source.len()];
    for (index, place) in rows.iter_mut().enumerate() {
        let name = source.name(index);
        match row_of(&normal(name.as_bytes()), &places) {
            None => {
                let message = format!("has no row in {table:?}");
                problems.push(Error::new(ErrorKind::Unpaired, message).with_path(&*name));
            }
            Some(row) => match taken[row] {
                None => (*place, taken[row]) = (Some(row), Some(index)),
                Some(other) => {
                    let message = format!(
                        "has the same row as {:?}, line {} of {table:?}; name the files by their paths \
                         there",
                        source.name(other),
                        lines[row]
                    );
                    problems.push(Error::new(ErrorKind::Duplicate, message).with_path(&*name));
                }
            },
        }
    }
    for (row, name) in names.iter().enumerate().filter(|(row, _)| taken[*row].is_none()) {
        // Of twins one is left, and was told.
        if places.get(name.as_str()) == Some(&row) {
            let message = format!("has a row in line {} of {table:?}, and no file", lines[row]);
            problems.push(Error::new(ErrorKind::Unpaired, message).with_path(folder.join(name)));
        }
    }
    match rows.iter().any(Option::is_some) {
        true => Ok(Joined { rows, problems }),
        false => Err(nothing(&names, table, source)),
    }
}

#[cold]
fn nothing(names: &[String], table: &Path, source: &dyn Source) -> Error {
    let first = source.len().min(1);
    let file = (0..first).map(|index| source.name(index)).collect::<Vec<_>>().concat();
    let held =
        list_names(names.iter().take(2).map(|name| format!("{name:?}")).collect::<Vec<_>>().iter());
    let message = format!(
        "no row names a file of the source, whose first is {file:?}; the rows name {held} and so on, in a \
         column that Table::builder(..).file(..) can change"
    );
    Error::new(ErrorKind::Unpaired, message).with_path(table)
}

/// A name with slashes between folders, and nothing before the first.
fn normal(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name).replace('\\', "/");
    name.strip_prefix("./").map_or_else(|| name.clone(), str::to_owned)
}

/// The row that names the file at `path`: by the longest end of it that any row has, first with its
/// extension, then without.
fn row_of(path: &str, places: &HashMap<&str, usize>) -> Option<usize> {
    let ends = |path: &str| {
        let mut rest = Some(path);
        while let Some(end) = rest {
            if let Some(&row) = places.get(end) {
                return Some(row);
            }
            rest = end.split_once('/').map(|(_, end)| end);
        }
        None
    };
    let name_at = path.rfind('/').map_or(0, |slash| slash + 1);
    let dot = path[name_at..].rfind('.').filter(|&dot| dot > 0);
    ends(path).or_else(|| ends(&path[..name_at + dot?]))
}
