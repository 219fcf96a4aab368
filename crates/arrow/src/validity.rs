/// Which items are there and which are null: a bit each, or nothing where none is null.
#[derive(Debug, Default)]
pub(crate) struct Validity(pub(crate) Option<Vec<u8>>);

impl Validity {
    pub(crate) fn is_null(&self, item: u64) -> bool {
        self.0.as_ref().is_some_and(|bits| bits[(item / 8) as usize] >> (item % 8) & 1 == 0)
    }

    pub(crate) fn any_null(&self, items: std::ops::Range<u64>) -> bool {
        self.0.is_some() && { items }.any(|item| self.is_null(item))
    }

    pub(crate) fn held_bytes(&self) -> usize {
        self.0.as_ref().map_or(0, Vec::len)
    }
}
