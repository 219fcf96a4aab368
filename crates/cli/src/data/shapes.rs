//! Files of one field that have different shapes.

use std::fmt;
use std::path::Path;

use tallow::{Dim, Field, NpyFile, Source as _, SourceErrorKind};

use crate::terminal::words::{count, counted};

/// The shape of the array in a `.npy` file, if it can be opened.
pub(crate) fn of_file(path: &Path) -> Option<Vec<usize>> {
    match NpyFile::open(path) {
        Ok(file) => Some([&[file.len()], &*file.schema().fields()[0].max_shape()].concat()),
        // A scalar has no axis for samples.
        Err(error) if error.kind() == SourceErrorKind::ShapeMismatch => Some(Vec::new()),
        Err(_) => None,
    }
}

/// How the shapes of some files differ from what their field declares.
#[derive(Debug)]
pub(crate) struct Spread {
    field: Field,
    files: usize,
    /// Files that the field does not admit.
    pub(crate) others: usize,
    /// Of these, files with another number of axes.
    other_rank: usize,
    /// The least and the greatest length of each axis.
    lengths: Vec<(usize, usize)>,
}

/// The lengths of an axis that should be ragged, or ragged up to a greater length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Axis {
    pub(crate) axis: usize,
    pub(crate) least: usize,
    pub(crate) greatest: usize,
}

impl Spread {
    /// Starts with `files` files of `field`. All that have another shape must be added; others may
    /// be.
    pub(crate) fn among(field: &Field, files: usize) -> Self {
        let length = |dim: &Dim| match *dim {
            Dim::Fixed(len) => (len, len),
            Dim::Ragged { .. } => (usize::MAX, 0),
        };
        let lengths = field.dims().iter().map(length).collect();
        Self { field: field.clone(), files, others: 0, other_rank: 0, lengths }
    }

    /// Adds a file of this shape.
    pub(crate) fn add(&mut self, shape: &[usize]) {
        self.others += usize::from(!self.field.admits(shape));
        if shape.len() != self.lengths.len() {
            self.other_rank += 1;
            return;
        }
        for ((least, greatest), &len) in self.lengths.iter_mut().zip(shape) {
            (*least, *greatest) = (len.min(*least), len.max(*greatest));
        }
    }

    pub(crate) fn field(&self) -> &str {
        self.field.name()
    }

    /// The axes that should be ragged.
    pub(crate) fn axes(&self) -> Vec<Axis> {
        let axes = self.field.dims().iter().zip(&self.lengths).enumerate();
        axes.filter(|(_, (dim, (least, greatest)))| !(dim.admits(*least) && dim.admits(*greatest)))
            // For a ragged axis there may have been no file.
            .filter(|(_, (_, (least, greatest)))| least <= greatest)
            .map(|(axis, (_, &(least, greatest)))| Axis { axis, least, greatest })
            .collect()
    }
}

/// What differs, and the options that allow it.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let axes = self.axes();
        let (others, files) = (count(self.others as u64), counted(self.files as u64, "file"));
        let declared = self.field.to_string();
        let declared = declared.rsplit_once(": ").map_or("", |(_, declared)| declared);
        write!(f, "{others} of {files} of {} differ from {declared}", self.field())?;
        let lengths = |of: &Axis| format!("axis {} ({} to {})", of.axis, of.least, of.greatest);
        let option = |of: &Axis| format!("--ragged {}:{}:{}", self.field(), of.axis, of.greatest);
        if !axes.is_empty() {
            let lengths: Vec<String> = axes.iter().map(lengths).collect();
            let options: Vec<String> = axes.iter().map(option).collect();
            write!(f, " in {}: use {}", lengths.join(" and "), options.join(" "))?;
        }
        // So differ files of many samples, which the first axis counts.
        if self.other_rank == 0 && matches!(axes[..], [Axis { axis: 0, .. }]) {
            f.write_str(", or --stacked if each file holds many samples")?;
        }
        match self.other_rank {
            0 => Ok(()),
            others => write!(f, "; {} another number of axes", counted_have(others)),
        }
    }
}

fn counted_have(files: usize) -> String {
    if files == 1 { "1 has".to_owned() } else { format!("{} have", count(files as u64)) }
}

#[cfg(test)]
mod tests {
    use tallow::RowDType;

    use super::*;

    #[test]
    fn the_axes_that_differ_are_named_with_their_lengths() {
        let mut spread = Spread::among(&Field::new("input", RowDType::U8, &[3, 20, 30]), 3);
        [[3, 20, 30], [3, 10, 30], [3, 20, 47]].iter().for_each(|shape| spread.add(shape));
        assert_eq!(
            spread.to_string(),
            "2 of 3 files of input differ from u8[3, 20, 30] in axis 1 (10 to 20) and axis 2 (30 \
             to 47): use --ragged input:1:20 --ragged input:2:47"
        );
        let mut first = Spread::among(&Field::new("x", RowDType::U8, &[40, 3]), 2);
        first.add(&[7, 3]);
        let said = first.to_string();
        assert!(said.ends_with("--ragged x:0:40, or --stacked if each file holds many samples"));
        spread.add(&[]);
        assert!(spread.to_string().ends_with("; 1 has another number of axes"), "{spread}");
    }

    #[test]
    fn an_axis_that_is_ragged_already_is_named_where_it_is_longer() {
        let dims = vec![Dim::Ragged { max: 40 }, Dim::Fixed(3)];
        let mut spread = Spread::among(&Field::with_dims("x", RowDType::U8, dims), 2);
        spread.add(&[40, 3]);
        assert_eq!(spread.axes(), []);
        spread.add(&[41, 3]);
        assert_eq!(spread.axes(), [Axis { axis: 0, least: 40, greatest: 41 }]);
    }
}
