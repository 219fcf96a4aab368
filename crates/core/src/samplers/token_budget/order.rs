use super::Shapes;
use crate::permutation::Feistel;
use crate::{BatchTable, Key, Order, Purpose, Stream};

/// One epoch: position -> batch and row -> place among the sorted samples -> another place of the same
/// length -> sample.
#[derive(Debug)]
pub(super) struct BudgetOrder {
    shapes: Shapes,
    /// The batches in the order of their delivery.
    table: BatchTable,
    /// Their numbers among the shapes.
    numbers: Vec<u32>,
    /// `None` leaves every sample in its place.
    key: Option<Key>,
    stream: Stream,
}

impl BudgetOrder {
    pub(super) fn new(
        shapes: Shapes,
        table: BatchTable,
        numbers: Vec<u32>,
        key: Option<Key>,
    ) -> Self {
        let stream = Stream::new("token budget of a length", 0, Purpose::Order);
        Self { shapes, table, numbers, key, stream }
    }

    /// Where the sample comes from that is at `place` in this epoch: a keyed permutation of the samples
    /// of one rounded length.
    fn exchanged(&self, place: usize) -> usize {
        let Some(key) = self.key else { return place };
        let classes = &self.shapes.classes;
        let class = classes.partition_point(|&start| start as usize <= place) - 1;
        let (start, end) = (classes[class] as usize, classes[class + 1] as usize);
        let key = key.at(class as u64).bits() ^ u64::from(self.stream.word());
        start + Feistel::new((end - start) as u64, key).permute((place - start) as u64) as usize
    }
}

impl Order for BudgetOrder {
    fn len(&self) -> usize {
        self.table.positions()
    }

    fn index(&self, position: usize) -> usize {
        let batch = self.table.batch_of(position);
        let row = position - self.table.rows(batch).start;
        let place = self.shapes.table.rows(self.numbers[batch] as usize).start + row;
        self.shapes.sorted[self.exchanged(place)] as usize
    }

    fn batches(&self) -> Option<BatchTable> {
        Some(self.table.clone())
    }
}
