//! Files of columns in any format: what was written is read back, and what was damaged is refused or read in
//! the same way each time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tallow::{RowBuffer, RowDType, Source, SourceResult};

use super::{Target, words};
use crate::dice::{Dice, scramble};

/// Files of a format.
pub(super) struct Columns {
    pub(super) extension: &'static str,
    pub(super) write: fn(&mut Dice) -> Written,
    pub(super) open: fn(&[PathBuf]) -> SourceResult<Box<dyn Source>>,
}

/// A value as it is delivered.
pub(super) type Value = (RowDType, Vec<usize>, Vec<u8>);

/// Files, and their rows; a value is `None` where it must be refused.
pub(super) type Written = (Vec<Vec<u8>>, Vec<Vec<Option<Value>>>);

/// The values of each sample, or why it was refused.
type Outcome = Result<Vec<Result<Vec<Value>, String>>, String>;

/// What is written comes from the number in this file.
const NUMBER: &str = "number";

/// Beside files that are not as they were written.
const DAMAGED: &str = "damaged";

impl Target for Columns {
    /// Longer than a source waits if a file was just written.
    fn rests_for(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let number = dice.below(usize::MAX) as u64;
        fs::write(dir.join(NUMBER), number.to_string())?;
        let mut files = self.written(number).0;
        if dice.one_in(2) {
            fs::write(dir.join(DAMAGED), "")?;
            let at = dice.below(files.len());
            (0..1 + dice.below(3)).for_each(|_| damage(&mut files[at], dice));
        }
        let mut files = files.iter().enumerate();
        files.try_for_each(|(at, file)| fs::write(self.path(dir, at), file))
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let number = fs::read_to_string(dir.join(NUMBER)).map_err(|error| error.to_string())?;
        let number = number.trim().parse().map_err(|_| format!("{number:?} in {NUMBER}"))?;
        let paths = (0..).map(|at| self.path(dir, at));
        let paths: Vec<PathBuf> = paths.take_while(|path| path.exists()).collect();
        if dir.join(DAMAGED).exists() {
            return self.check_damaged(&paths);
        }
        let (_, rows) = self.written(number);
        let found = match self.outcome(&paths) {
            // No dimension of a row is of length 0.
            Err(_) if rows.is_empty() || has_empty_column(&rows) => return Ok(0),
            found => found.map_err(|error| format!("refused: {error}"))?,
        };
        if found.len() != rows.len() {
            return Err(format!("{} samples of {}", found.len(), rows.len()));
        }
        for (index, (found, expected)) in found.iter().zip(&rows).enumerate() {
            let expected: Option<Vec<Value>> = expected.iter().cloned().collect();
            if found.as_ref().ok() != expected.as_ref() {
                return Err(format!("sample {index}: found {found:?}, expected {expected:?}"));
            }
        }
        Ok(0)
    }
}

impl Columns {
    fn path(&self, dir: &Path, at: usize) -> PathBuf {
        dir.join(format!("{at}.{}", self.extension))
    }

    fn written(&self, number: u64) -> Written {
        (self.write)(&mut Dice::new(number, 0))
    }

    fn check_damaged(&self, paths: &[PathBuf]) -> Result<usize, String> {
        let (first, again) = (self.outcome(paths), self.outcome(paths));
        for error in [&first].into_iter().flatten().flatten().filter_map(|it| it.as_ref().err()) {
            words::check(error)?;
        }
        first.as_ref().err().map_or(Ok(()), |error| words::check(error))?;
        if first == again { Ok(0) } else { Err(format!("{first:?}, then {again:?}")) }
    }

    fn outcome(&self, paths: &[PathBuf]) -> Outcome {
        let words = |error: tallow::SourceError| error.to_string();
        let source = (self.open)(paths).map_err(words)?;
        let mut buffer = RowBuffer::new(source.schema()).map_err(words)?;
        let mut row = |index| {
            source
                .read(index, &mut buffer.row(None))
                .and_then(|()| buffer.finish())
                .map_err(words)?;
            let view = buffer.view();
            let fields = (0..source.schema().fields().len()).map(|at| {
                let field = view.field(at);
                (field.dtype(), field.shape().to_vec(), field.bytes().to_vec())
            });
            Ok(fields.collect())
        };
        Ok((0..source.len().min(1 << 10)).map(&mut row).collect())
    }
}

/// Whether all values of some column are known to be empty.
fn has_empty_column(rows: &[Vec<Option<Value>>]) -> bool {
    let is_empty = |value: &Option<Value>| value.as_ref().is_none_or(|value| value.2.is_empty());
    (0..rows[0].len()).any(|at| rows.iter().all(|row| is_empty(&row[at])))
}

/// Changes something, mostly a number that is not 0.
fn damage(file: &mut Vec<u8>, dice: &mut Dice) {
    let set: Vec<usize> = (0..file.len()).filter(|&at| file[at] != 0).collect();
    match dice.below(8) {
        0 => file.truncate(dice.below(file.len() + 1)),
        1 => scramble(file, dice),
        _ if !set.is_empty() => {
            let at = *dice.pick(&set) & if dice.one_in(4) { !7 } else { !0 };
            let len = *dice.pick(&[1, 1, 1, 2, 4, 8]);
            let value = *dice.pick(&[0, 1, 2, 4, 8, 16, 127, 128, 254, 255]);
            file.iter_mut().skip(at).take(len).for_each(|byte| *byte = value);
        }
        _ => {}
    }
}
