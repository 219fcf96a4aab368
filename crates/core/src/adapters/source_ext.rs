use std::sync::Arc;

use super::{Cache, Concat, Map, Packed, Rename, Select, Subset, Zip, split};
use crate::field_index;
use crate::{
    Error, ErrorKind, Field, FieldIndex, Result, Row, RowBuffer, RowView, Sample, Schema, Source,
    Table,
};

/// Methods of every source: they look at its samples, choose among them, and make other sources.
pub trait SourceExt: Source {
    /// Sample `index` in memory, for looking at.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no such sample; what is wrong with it when it cannot be
    /// read.
    fn get(&self, index: usize) -> Result<Sample> {
        if index >= self.len() {
            let message = format!("no sample {index}, the source has {}", self.len());
            return Err(Error::new(ErrorKind::Config, message));
        }
        Sample::read(self, index).map_err(|error| error.with_index(index))
    }

    /// Every sample in memory, one after the other, for looking at. A loader reads faster: this
    /// reads each sample when it is asked for, on the thread that asks. A sample that cannot be read is
    /// an error in its place, and others follow.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use tallow_core::{Memory, Source, SourceExt};
    ///
    /// let source = Memory::new([("label", Tensor::arange(0i64, 10, &Device::Cpu)?)])?;
    /// let source: &dyn Source = &source;
    /// for sample in source.iter().skip(8) {
    ///     let sample = sample?.decoded()?; // pixels instead of files, where there are pictures
    ///     println!("{}: {}", source.name(sample.index()), sample.tensor("label")?);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    fn iter(&self) -> impl DoubleEndedIterator<Item = Result<Sample>> + ExactSizeIterator {
        (0..self.len()).map(|index| self.get(index))
    }

    /// The label of every sample: the value of `field`, which must be one integer per sample, of any
    /// integer dtype. Reads that field alone where the source can, so labels cost no images.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use tallow_core::{Memory, SourceExt, Weighted};
    ///
    /// let labels = Tensor::new(&[0u8, 0, 0, 1], &Device::Cpu)?;
    /// let source = Memory::new([("label", labels)])?;
    /// let labels = source.labels("label")?;
    /// assert_eq!(labels, [0, 0, 0, 1]);
    /// let sampler = Weighted::balanced(&labels)?;
    /// let [train, test] = source.split_stratified([0.5, 0.5], &labels, 7)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no such field; [`ErrorKind::DtypeMismatch`] or
    /// [`ErrorKind::ShapeMismatch`] when it does not hold one integer; the first sample that cannot be
    /// read.
    fn labels(&self, field: impl FieldIndex) -> Result<Vec<i64>> {
        let fields = self.schema().fields();
        let Some(at) = field.position_in(fields) else {
            return Err(Error::new(ErrorKind::Config, field_index::missing(&field, fields)));
        };
        check_label(&fields[at])?;
        let schema = Schema::new(vec![fields[at].clone()])?;
        let mut buffer = RowBuffer::new(&schema)?;
        let mut label = |index| {
            self.read_fields(index, &[at], &mut buffer.row(None))?;
            buffer.finish()?;
            buffer.view().field(0).integer()
        };
        (0..self.len()).map(|at| label(at).map_err(|error: Error| error.with_index(at))).collect()
    }

    /// The fields of this source and of `other`, sample by sample. Where both have a field of one
    /// name, [`rename`](Self::rename) one of them first.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShapeMismatch`] when the sources differ in length, [`ErrorKind::Config`] when
    /// they share a field name.
    fn zip<S: Source>(self, other: S) -> Result<Zip<Self, S>>
    where
        Self: Sized,
    {
        Zip::new(self, other)
    }

    /// The fields of this source, and for each sample the row of `table` that names its file: by the path that
    /// is its [name](Source::name) or the end of it, with its extension or without.
    ///
    /// ```no_run
    /// use tallow_core::{ImageFolders, SourceExt, Table};
    ///
    /// let pictures = ImageFolders::open("train")?; // train/a.jpg, train/b.jpg
    /// let source = pictures.with_table(Table::open("labels.csv")?)?; // file,label; a.jpg,cat; b.jpg,dog
    /// # Ok::<(), tallow_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unpaired`] or [`ErrorKind::Duplicate`], listing them, when there are files without a row,
    /// rows without a file or two of one; [`Table::survey`] takes the others. [`ErrorKind::Config`] when
    /// no column has files, or a field of both has one name.
    fn with_table(self, table: Table) -> Result<Zip<Self, Table>>
    where
        Self: Sized,
    {
        table.joined(self)
    }

    /// This source on the heap, without its type: for a list of sources of several types, as
    /// [`concat`](crate::concat) takes it, and for what a function returns that may be one or another.
    fn boxed<'a>(self) -> Box<dyn Source + 'a>
    where
        Self: Sized + 'a,
    {
        Box::new(self)
    }

    /// The samples of this source, then those of `other`. Use the function
    /// [`concat`](crate::concat) for more than two.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::ShapeMismatch`] when the schemas differ, [`ErrorKind::TooLarge`] when there are
    /// more samples than can be counted.
    fn concat<S: Source>(self, other: S) -> Result<Concat<Self, S>>
    where
        Self: Sized,
    {
        Concat::new(self, other)
    }

    /// The samples `indices` of this source, in this order.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when an index is not below the source's length.
    fn subset(self, indices: impl IntoIterator<Item = usize>) -> Result<Subset<Self>>
    where
        Self: Sized,
    {
        Subset::new(self, indices.into_iter().collect())
    }

    /// These fields alone, in this order, by name or position. The others are not read where the
    /// source can read fields alone.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use tallow_core::{Memory, Source, SourceExt};
    ///
    /// let tensor = Tensor::arange(0i64, 10, &Device::Cpu)?;
    /// let source = Memory::new([("a", tensor.clone()), ("b", tensor.clone()), ("c", tensor)])?;
    /// let source = source.select(["c", "a"])?.rename("c", "label")?;
    /// assert_eq!(source.schema().to_string(), "label: i64[]; a: i64[]");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no such field, when one is named twice, or when none is
    /// named.
    fn select<I: FieldIndex>(self, fields: impl IntoIterator<Item = I>) -> Result<Select<Self>>
    where
        Self: Sized,
    {
        Select::new(self, fields)
    }

    /// The same samples with the field `old` called `new`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when there is no field `old`, when there is a field `new` already, or
    /// when `new` is empty.
    fn rename(self, old: impl FieldIndex, new: impl Into<String>) -> Result<Rename<Self>>
    where
        Self: Sized,
    {
        Rename::new(self, old, new.into())
    }

    /// Random parts of this source, `fractions` of its samples each, for example
    /// `[0.8, 0.1, 0.1]`: the same for the same seed, whatever else is drawn from it.
    ///
    /// No sample is in two parts. The boundaries between parts are rounded sums of the fractions, so
    /// fractions that sum to 1 leave nothing out. Within a part the order is the source's. The
    /// parts share the source.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when a fraction is negative or not a number, or their sum is above 1;
    /// [`ErrorKind::TooLarge`] when there is no memory for the list of a part.
    fn split<const N: usize>(self, fractions: [f64; N], seed: u64) -> Result<[Subset<Arc<Self>>; N]>
    where
        Self: Sized,
    {
        let lists = split::by_fractions(self.len(), &fractions, seed)?;
        Ok(parts(self, lists))
    }

    /// Random parts of this source, `counts` samples each. Like [`split`](Self::split) otherwise:
    /// what the counts leave over is in no part.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when the counts sum to more than the source has;
    /// [`ErrorKind::TooLarge`] when there is no memory for the list of a part.
    fn split_counts(self, counts: &[usize], seed: u64) -> Result<Vec<Subset<Arc<Self>>>>
    where
        Self: Sized,
    {
        let lists = split::by_counts(self.len(), counts, seed)?;
        let whole = Arc::new(self);
        Ok(lists.into_iter().map(|list| Subset::of_checked(whole.clone(), list)).collect())
    }

    /// Parts of this source as by [`split`](Self::split), and as large, of which each has its
    /// fraction of every label's samples, to within about one sample. `labels` are those of all
    /// samples, as [`labels`](Self::labels) gives them.
    ///
    /// # Errors
    ///
    /// As [`split`](Self::split), and [`ErrorKind::Config`] when there are not as many labels as
    /// samples.
    fn split_stratified<const N: usize>(
        self,
        fractions: [f64; N],
        labels: &[i64],
        seed: u64,
    ) -> Result<[Subset<Arc<Self>>; N]>
    where
        Self: Sized,
    {
        let lists = split::stratified(self.len(), &fractions, labels, seed)?;
        Ok(parts(self, lists))
    }

    /// `k` pairs of training and validation samples, for cross-validation.
    ///
    /// Every sample is in the validation part of one pair and in the training part of the others.
    /// The validation parts differ in size by one at most. Within a part the order is the source's.
    /// The same seed gives the same folds.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use tallow_core::{Memory, Source, SourceExt};
    ///
    /// let source = Memory::new([("x", Tensor::arange(0i64, 10, &Device::Cpu)?)])?;
    /// for (train, validation) in source.folds(5, 7)? {
    ///     assert_eq!((train.len(), validation.len()), (8, 2));
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] when `k` is below 2 or above the number of samples;
    /// [`ErrorKind::TooLarge`] when there is no memory for the list of a part.
    fn folds(self, k: usize, seed: u64) -> Result<Vec<Fold<Self>>>
    where
        Self: Sized,
    {
        let lists = split::in_folds(self.len(), k, seed)?;
        let whole = Arc::new(self);
        let fold = |validation: Vec<usize>| {
            let train = split::without(whole.len(), &validation)?;
            let part = |list| Subset::of_checked(whole.clone(), list);
            Ok((part(train), part(validation)))
        };
        lists.into_iter().map(fold).collect()
    }

    /// The samples of this source as `map` rewrites them to fields of `schema`.
    fn map<F>(self, schema: Schema, map: F) -> Map<Self, F>
    where
        Self: Sized,
        F: Fn(RowView<'_>, &mut Row<'_>) -> Result<()> + Send + Sync,
    {
        Map::new(self, schema, map)
    }

    /// The documents of this source in rows of `length` tokens, packed best-fit: [`Packed`], with what it
    /// does by default. [`Packed::builder`] has options.
    ///
    /// # Errors
    ///
    /// As [`PackedBuilder::build`](crate::PackedBuilder::build).
    fn pack(self, length: usize) -> Result<Packed<Self>>
    where
        Self: Sized,
    {
        Packed::builder(self, length).build()
    }

    /// Keeps samples in memory once they were read, up to `bytes` of them; what is kept is never
    /// evicted, so that every epoch hits the same share.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] when there is no memory for a table of the samples that would fit.
    fn cache(self, bytes: usize) -> Result<Cache<Self>>
    where
        Self: Sized,
    {
        Cache::new(self, bytes)
    }
}

impl<S: Source + ?Sized> SourceExt for S {}

/// The samples to train with and those to validate with.
type Fold<S> = (Subset<Arc<S>>, Subset<Arc<S>>);

/// As many parts as there are lists.
fn parts<S: Source, const N: usize>(source: S, lists: Vec<Vec<usize>>) -> [Subset<Arc<S>>; N] {
    let (whole, mut lists) = (Arc::new(source), lists.into_iter());
    std::array::from_fn(|_| Subset::of_checked(whole.clone(), lists.next().unwrap_or_default()))
}

fn check_label(field: &Field) -> Result<()> {
    let is_one = !field.is_ragged() && field.max_elements() == 1;
    let kind = match (field.dtype().is_integer(), is_one) {
        (true, true) => return Ok(()),
        (false, _) => ErrorKind::DtypeMismatch,
        (true, false) => ErrorKind::ShapeMismatch,
    };
    let message = format!(
        "found {field}, expected one integer per sample, as i64[]; make one of it with .map(..)"
    );
    Err(Error::new(kind, message).with_field(field.name()))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{counting, value};
    use super::*;
    use crate::{RowDType, from_fn};

    #[test]
    fn parts_of_a_split_are_disjoint_complete_and_seeded() {
        let source = counting("a", 0, 101);
        let indices = |seed| {
            let parts = source.clone().split([0.8, 0.1, 0.1], seed).unwrap();
            parts.map(|p| (0..p.len()).map(|i| value(&p, i, 0)).collect::<Vec<_>>())
        };
        let parts = indices(1);
        assert_eq!([parts[0].len(), parts[1].len(), parts[2].len()], [81, 10, 10]);
        let mut all = parts.concat();
        all.sort_unstable();
        assert_eq!(all, (0..101).collect::<Vec<u32>>());
        assert_eq!(indices(1), parts);
        assert_ne!(indices(2), parts);
    }

    #[test]
    fn every_sample_is_validated_in_one_fold_and_trained_with_in_the_others() {
        let folds = counting("a", 0, 10).folds(3, 1).unwrap();
        let mut validated = Vec::new();
        for (train, validation) in &folds {
            assert_eq!(train.len() + validation.len(), 10);
            assert!(validation.indices().iter().all(|index| !train.indices().contains(index)));
            validated.extend_from_slice(validation.indices());
        }
        validated.sort_unstable();
        assert_eq!(validated, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_source_without_its_type_is_looked_at_and_goes_on_after_an_error() {
        let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
        let source = from_fn(schema, 4, |index, row| match index {
            1 => Err(Error::new(ErrorKind::Io, "gone")),
            _ => row.field("x").copy_from_slice(&[index as u8]),
        });
        let source: &dyn Source = &source;
        let seen: Vec<_> = source.iter().rev().map(|it| it.map(|sample| sample.index())).collect();
        assert_eq!(seen.len(), source.iter().len());
        assert!(matches!(seen[..], [Ok(3), Ok(2), Err(_), Ok(0)]), "{seen:?}");
        assert_eq!(source.get(2).unwrap().field("x").as_slice::<u8>().unwrap(), [2]);
    }

    #[test]
    fn labels_of_every_integer_dtype_are_read_without_the_other_fields() {
        fn labels<T: crate::Element>(label: impl Fn(usize) -> T + Send + Sync) -> Vec<i64> {
            let schema = Schema::new(vec![Field::new("label", T::DTYPE, &[1])]).unwrap();
            let source = from_fn(schema, 3, move |index, row| {
                row.field("label").copy_from_slice(&[label(index)])
            });
            let images = Schema::new(vec![Field::new("image", RowDType::U8, &[9])]).unwrap();
            let images = from_fn(images, 3, |_, _| panic!("an image is read"));
            images.zip(source).unwrap().labels("label").unwrap()
        }
        assert_eq!(labels(|i| i as u8 + 250), [250, 251, 252]);
        assert_eq!(labels(|i| i as u16 + 65530), [65530, 65531, 65532]);
        assert_eq!(labels(|i| u32::MAX - i as u32), [4294967295, 4294967294, 4294967293]);
        assert_eq!(labels(|i| -(i as i16)), [0, -1, -2]);
        assert_eq!(labels(|i| -(i as i32)), [0, -1, -2]);
        assert_eq!(labels(|i| i64::MIN + i as i64)[1], i64::MIN + 1);
    }

    #[test]
    fn labels_that_are_not_one_integer_are_refused_with_what_to_do() {
        let of = |dtype, shape: &[usize]| {
            let schema = Schema::new(vec![Field::new("x", dtype, shape)]).unwrap();
            from_fn(schema, 2, |_, _| Ok(())).labels("x").unwrap_err()
        };
        let error = of(RowDType::F32, &[]);
        assert_eq!(error.kind(), ErrorKind::DtypeMismatch);
        assert_eq!(
            error.message(),
            "found x: f32[], expected one integer per sample, as i64[]; make one of it with .map(..)"
        );
        assert_eq!(of(RowDType::U8, &[10]).kind(), ErrorKind::ShapeMismatch);
        let error = counting("a", 0, 3).labels("b").unwrap_err();
        assert_eq!(error.message(), "no field \"b\", the fields are \"a\"");
        let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
        let error = from_fn(schema, 2, |_, _| Ok(())).labels("x").unwrap_err();
        assert_eq!((error.kind(), error.index()), (ErrorKind::Incomplete, Some(0)));
    }
}
