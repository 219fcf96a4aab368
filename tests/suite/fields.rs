//! What is delivered: dtypes, ragged fields, transforms.

use tallow::candle::{DType, Device, Tensor};
use tallow::{
    Batch, Dim, ErrorKind, Field, LastBatch, Loader, Memory, OnError, Row, RowDType, RowView,
    Schema, Source, SourceExt, from_fn, map,
};

use crate::tester::{WORKERS, counting};

#[test]
fn u16_is_delivered_as_u32_with_all_its_values() {
    let schema = Schema::new(vec![
        Field::new("wide", RowDType::U16, &[2]),
        Field::new("other", RowDType::F32, &[]),
    ]);
    let source = from_fn(schema.unwrap(), 5, |index, row| {
        row.field(0).copy_from_slice(&[index as u16, u16::MAX])?;
        row.field(1).copy_from_slice(&[index as f32])
    });
    let loader = Loader::builder(source).batch_size(5).build().unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    assert_eq!(batch["wide"].dtype(), DType::U32);
    assert_eq!(batch["wide"].to_vec2::<u32>().unwrap()[3], [3, 65535]);
    assert_eq!(batch["other"].to_vec1::<f32>().unwrap(), [0.0, 1.0, 2.0, 3.0, 4.0]);
}

/// Samples of length `index % 4`, up to 3.
fn ragged() -> impl Source {
    let dims = vec![Dim::Ragged { max: 3 }];
    let schema = Schema::new(vec![Field::with_dims("x", RowDType::I16, dims)]).unwrap();
    from_fn(schema, 8, |index, row| {
        let len = index % 4;
        let mut field = row.field(0);
        field.set_shape(&[len])?;
        field.copy_from_slice(&vec![index as i16; len])
    })
}

#[test]
fn a_ragged_field_is_padded_with_its_lengths_beside_it() {
    for workers in WORKERS {
        let builder = Loader::builder(ragged()).batch_size(4).pad("x", -1.0);
        let loader = builder.workers(workers).build().unwrap();
        let batch = loader.epoch(0).nth(1).unwrap().unwrap();
        let expected = [[-1, -1, -1], [5, -1, -1], [6, 6, -1], [7, 7, 7]];
        assert_eq!(batch["x"].to_vec2::<i16>().unwrap(), expected);
        assert_eq!(batch["x_len"].to_vec1::<i64>().unwrap(), [0, 1, 2, 3]);
    }
}

/// Samples of shape (`index % 3`, 4, `index / 3 % 3`), up to (2, 4, 2).
fn twice_ragged() -> impl Source {
    let dims = vec![Dim::Ragged { max: 9 }, Dim::Fixed(4), Dim::Ragged { max: 7 }];
    let schema = Schema::new(vec![
        Field::new("y", RowDType::U8, &[]),
        Field::with_dims("x", RowDType::F32, dims),
    ]);
    from_fn(schema.unwrap(), 18, |index, row| {
        row.field(0).copy_from_slice(&[index as u8])?;
        let shape = [index % 3, 4, index / 3 % 3];
        let mut field = row.field(1);
        field.set_shape(&shape)?;
        let len = shape.iter().product::<usize>();
        field.copy_from_slice(&(0..len).map(|i| (index * 100 + i) as f32).collect::<Vec<_>>())
    })
}

/// The rows of padded tensors, without their padding.
fn unpadded(batch: &Batch) -> Vec<Vec<f32>> {
    let lens = batch["x_len"].to_vec2::<i64>().unwrap();
    let row = |(row, lens): (usize, &Vec<i64>)| {
        let x = batch["x"].get(row).unwrap();
        let x = x.narrow(0, 0, lens[0] as usize).unwrap().narrow(2, 0, lens[1] as usize).unwrap();
        x.flatten_all().unwrap().to_vec1::<f32>().unwrap()
    };
    lens.iter().enumerate().map(row).collect()
}

#[test]
fn rows_are_padded_to_the_longest_of_their_batch() {
    for (rank, world) in [(0, 1), (0, 2), (1, 2)] {
        for last in [LastBatch::Keep, LastBatch::Pad] {
            for workers in WORKERS {
                let build = || {
                    let builder = Loader::builder(twice_ragged()).shuffle().last_batch(last);
                    builder.batch_size(4).workers(workers).rank(rank, world)
                };
                let whole = build().pad("x", -1.0).build().unwrap();
                let cut = build().pad_to_longest("x", -1.0).build().unwrap();
                assert!(cut.plan().memory_bytes() > whole.plan().memory_bytes());
                for (whole, cut) in whole.epochs(0..2).zip(cut.epochs(0..2)) {
                    let (whole, cut) = (whole.unwrap(), cut.unwrap());
                    assert_eq!(whole["x"].dims()[1..], [9, 4, 7]);
                    let lens = whole["x_len"].to_vec2::<i64>().unwrap();
                    let longest = |axis| lens.iter().map(|lens| lens[axis] as usize).max();
                    let expected = [whole.rows(), longest(0).unwrap(), 4, longest(1).unwrap()];
                    assert_eq!(cut["x"].dims(), expected);
                    assert!(cut["x"].is_contiguous());
                    assert_eq!(unpadded(&whole), unpadded(&cut));
                    let same = whole["x"].narrow(1, 0, expected[1]).unwrap();
                    let same = same.narrow(3, 0, expected[3]).unwrap().flatten_all().unwrap();
                    let found = cut["x"].flatten_all().unwrap();
                    assert_eq!(same.to_vec1::<f32>().unwrap(), found.to_vec1::<f32>().unwrap());
                }
                let bytes = cut.report().bytes;
                assert!(bytes > 0 && bytes < whole.report().bytes);
            }
        }
    }
}

#[test]
fn a_skipped_row_does_not_lengthen_its_batch() {
    let source = ragged();
    let schema = source.schema().clone();
    let source = from_fn(schema, 8, move |index, row| {
        source.read(index, row)?;
        if index % 4 == 3 { Err(tallow::SourceError::user("too long")) } else { Ok(()) }
    });
    let loader = Loader::builder(source).batch_size(4).pad_to_longest("x", 0.0);
    let loader = loader.on_error(OnError::Skip { budget: 2 }).build().unwrap();
    for batch in loader.epoch(0) {
        let batch = batch.unwrap();
        assert_eq!(batch["x"].dims(), [3, 2]);
        assert_eq!(batch["x_len"].to_vec1::<i64>().unwrap(), [0, 1, 2]);
    }
}

#[test]
fn a_batch_of_empty_rows_has_a_dimension_of_0() {
    let loader = Loader::builder(ragged().subset([0, 4]).unwrap()).pad_to_longest("x", 0.0);
    let batch = loader.build().unwrap().epoch(0).next().unwrap().unwrap();
    assert_eq!(batch["x"].dims(), [2, 0]);
}

#[test]
fn a_ragged_field_without_padding_is_refused_with_what_to_do() {
    let error = Loader::builder(ragged()).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains(".pad(\"x\", 0.0)"), "{error}");
}

#[test]
fn transforms_run_one_behind_the_other_in_the_workers() {
    let scaled = || Schema::new(vec![Field::new("x", RowDType::F32, &[2, 3])]).unwrap();
    let sums = || Schema::new(vec![Field::new("sum", RowDType::F32, &[])]).unwrap();
    let double = move |input: RowView<'_>, out: &mut Row<'_>| {
        let doubled: Vec<f32> = input.field(0).as_slice::<f32>()?.iter().map(|x| x * 2.0).collect();
        out.field(0).copy_from_slice(&doubled)
    };
    let sum = |input: RowView<'_>, out: &mut Row<'_>| {
        out.field(0).copy_from_slice(&[input.field(0).as_slice::<f32>()?.iter().sum::<f32>()])
    };
    for workers in WORKERS {
        let builder = Loader::builder(counting(10)).batch_size(4).workers(workers);
        let builder = builder.transform(map(scaled(), double)).transform(map(sums(), sum));
        let loader = builder.build().unwrap();
        assert_eq!(loader.schema().to_string(), "sum: f32[]");
        let found: Vec<f32> = loader
            .epoch(0)
            .flat_map(|batch| batch.unwrap()["sum"].to_vec1::<f32>().unwrap())
            .collect();
        let expected: Vec<f32> =
            (0..10).map(|i| (0..6).map(|k| (i * 6 + k) as f32 * 2.0).sum()).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn a_panicking_transform_is_an_error_of_its_batch_and_names_the_stage() {
    let schema = Schema::new(vec![Field::new("x", RowDType::U8, &[])]).unwrap();
    let transform = map(schema, |input, out| {
        let index = input.field(1).as_slice::<i64>()?[0];
        assert!(index != 5, "cannot transform {index}");
        out.field(0).copy_from_slice(&[0u8])
    });
    let loader = Loader::builder(counting(8)).batch_size(4).transform(transform).build().unwrap();
    let results: Vec<_> = loader.epoch(0).collect();
    let error = results[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Panic);
    assert!(error.to_string().contains("stage transform"), "{error}");
    assert!(results[0].is_ok());
}

#[test]
fn tensors_in_memory_are_delivered_as_they_are() {
    for dtype in [DType::U8, DType::U32, DType::I64, DType::BF16, DType::F16, DType::F64] {
        let all = Tensor::arange(0u32, 24, &Device::Cpu).unwrap();
        let all = all.reshape((12, 2)).unwrap().to_dtype(dtype).unwrap();
        let loader = Loader::builder(Memory::new([("x", all.clone())]).unwrap()).batch_size(5);
        let batches: Vec<Tensor> = loader
            .build()
            .unwrap()
            .epoch(0)
            .flat_map(|batch| batch.unwrap().into_tensors())
            .collect();
        let back = Tensor::cat(&batches, 0).unwrap();
        let equal = |t: &Tensor| t.to_dtype(DType::F64).unwrap().to_vec2::<f64>().unwrap();
        assert_eq!((back.dtype(), equal(&back)), (dtype, equal(&all)));
    }
}

#[test]
fn fields_without_elements_and_batches_without_rows_are_delivered() {
    let schema = Schema::new(vec![Field::new("none", RowDType::F32, &[0, 4])]).unwrap();
    let source = || from_fn(schema.clone(), 5, |_, row| row.field(0).copy_from_slice::<f32>(&[]));
    let loader = Loader::builder(source()).batch_size(4).rank(3, 4).build().unwrap();
    let shapes: Vec<_> =
        loader.epoch(0).map(|batch| batch.unwrap()["none"].dims().to_vec()).collect();
    assert_eq!(shapes, [[1, 0, 4], [0, 0, 4]]);
    let loader = Loader::builder(counting(0)).last_batch(LastBatch::Pad).build().unwrap();
    assert_eq!(loader.epochs(0..3).filter(Result::is_err).count(), 3, "nothing to deliver");
}
