//! Runs one expectation over a matrix of configurations.

use std::time::Duration;

use tallow::{
    Batch, Error, Field, LastBatch, Loader, LoaderBuilder, RowDType, Schema, Source, from_fn,
};

/// When a worker that does not get on is taken for stuck. So long that a machine with other work does
/// not stand still for a quarter of it, after which workers are given up once all were stuck.
pub(crate) const STALL: Duration = Duration::from_millis(600);

/// A source whose two fields tell the index.
pub(crate) fn counting(samples: usize) -> impl Source + 'static {
    let fields = vec![Field::new("x", RowDType::F32, &[2, 3]), Field::new("y", RowDType::I64, &[])];
    from_fn(Schema::new(fields).unwrap(), samples, |index, row| {
        let x: [f32; 6] = std::array::from_fn(|i| (index * 6 + i) as f32);
        row.field(0).copy_from_slice(&x)?;
        row.field(1).copy_from_slice(&[index as i64])
    })
}

/// One delivered row: epoch, position, index, bytes of the fields.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DeliveredRow {
    pub(crate) epoch: u64,
    pub(crate) position: usize,
    pub(crate) index: usize,
    pub(crate) x: Vec<f32>,
    pub(crate) y: i64,
}

/// The rows of a batch of [`counting`], checked against each other.
pub(crate) fn rows(batch: &Batch) -> Vec<DeliveredRow> {
    let x = batch["x"].flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
    let y = batch["y"].to_vec1::<i64>().unwrap();
    assert_eq!((x.len(), y.len()), (batch.rows(), batch.rows()));
    let mask = batch.mask().unwrap().to_vec1::<u8>().unwrap();
    for row in batch.len()..batch.rows() {
        assert_eq!((mask[row], y[row]), (0, 0), "padding is zero and masked");
        assert!(x[row].iter().all(|&x| x == 0.0));
    }
    assert!(mask[..batch.len()].iter().all(|&m| m == 1));
    let row = |(row, (position, &index)): (usize, (usize, &usize))| {
        assert_eq!(y[row], index as i64, "the row holds its sample");
        assert_eq!(x[row][0], (index * 6) as f32);
        DeliveredRow { epoch: batch.epoch(), position, index, x: x[row].clone(), y: y[row] }
    };
    batch.positions().zip(batch.indices()).enumerate().map(row).collect()
}

/// Everything that one loader delivers over `epochs`, batch by batch.
pub(crate) fn stream(
    loader: &Loader,
    epochs: std::ops::Range<u64>,
) -> Result<Vec<Vec<DeliveredRow>>, Error> {
    loader.epochs(epochs).map(|batch| batch.map(|batch| rows(&batch))).collect()
}

/// The configurations that must never change what is delivered.
pub(crate) const WORKERS: [usize; 4] = [0, 1, 2, 7];
pub(crate) const PREFETCH: [usize; 3] = [1, 2, 9];
pub(crate) const LASTS: [LastBatch; 3] = [LastBatch::Keep, LastBatch::Drop, LastBatch::Pad];

/// Runs `expect` for every number of workers and of batches ahead.
pub(crate) fn matrix(build: impl Fn() -> LoaderBuilder, expect: impl Fn(Loader)) {
    for workers in WORKERS {
        for prefetch in PREFETCH {
            expect(build().workers(workers).prefetch(prefetch).build().unwrap());
        }
    }
}
