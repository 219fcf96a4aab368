//! Sources made of other sources: one file each, and the methods of [`SourceExt`] that make them.

mod cache;
mod concat;
mod concat_many;
mod map;
mod packed;
mod rename;
mod select;
mod source_ext;
mod split;
mod subset;
mod zip;

pub use self::cache::Cache;
pub use self::concat::Concat;
pub use self::concat_many::{ConcatMany, concat};
pub use self::map::Map;
pub use self::packed::{Longer, PackStats, Packed, PackedBuilder, Packing, Targets};
pub use self::rename::Rename;
pub use self::select::Select;
pub use self::source_ext::SourceExt;
pub use self::subset::Subset;
pub use self::zip::Zip;

#[cfg(test)]
mod tests {
    use crate::{Field, RowDType, Schema, Source, SourceExt, from_fn, testing};

    /// `len` samples whose value is their index plus `first`.
    pub(super) fn counting(
        name: &str,
        first: usize,
        len: usize,
    ) -> impl Source + Clone + std::fmt::Debug {
        let schema = Schema::new(vec![Field::new(name, RowDType::U32, &[])]).unwrap();
        std::sync::Arc::new(from_fn(schema, len, move |index, row| {
            row.field(0).copy_from_slice(&[(first + index) as u32])
        }))
    }

    pub(super) fn value(source: &dyn Source, index: usize, field: usize) -> u32 {
        let mut buffer = crate::RowBuffer::new(source.schema()).unwrap();
        source.read(index, &mut buffer.row(None)).unwrap();
        buffer.view().field(field).as_slice::<u32>().unwrap()[0]
    }

    #[test]
    fn adapters_conform_and_compose() {
        let zipped = counting("a", 0, 40).zip(counting("b", 100, 40)).unwrap();
        let both = std::sync::Arc::new(zipped);
        let source = both.clone().concat(both).unwrap().subset([79, 0, 45]).unwrap();
        let source = source.cache(1 << 20).unwrap();
        testing::check_source(&source);
        let read: Vec<(u32, u32)> =
            (0..3).map(|i| (value(&source, i, 0), value(&source, i, 1))).collect();
        assert_eq!(read, [(39, 139), (0, 100), (5, 105)]);
    }
}
