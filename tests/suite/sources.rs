//! Sources of one's own and sources made of others, as a loader delivers them.

use std::cell::RefCell;

use tallow::prelude::*;
use tallow::{ErrorKind, concat, from_fn_with};

use crate::tester::{WORKERS, counting, matrix, stream};

#[test]
fn a_reader_that_is_not_sync_delivers_what_a_source_does() {
    let expected = stream(&Loader::builder(counting(50)).shuffle().build().unwrap(), 0..2);
    let expected = expected.unwrap();
    let build = || {
        let schema = counting(1).schema().clone();
        let init = || Ok(RefCell::new(Vec::new()));
        let source = from_fn_with(schema, 50, init, |scratch, index, row| {
            let mut scratch = scratch.borrow_mut();
            scratch.clear();
            scratch.extend((0..6).map(|i| (index * 6 + i) as f32));
            row.field("x").copy_from_slice(&scratch)?;
            row.field("y").copy_from_slice(&[index as i64])
        });
        Loader::builder(source).shuffle()
    };
    matrix(build, |loader| assert_eq!(stream(&loader, 0..2).unwrap(), expected));
}

#[test]
fn selected_renamed_and_concatenated_sources_deliver_their_samples() {
    for workers in WORKERS {
        let part = |samples| counting(samples).select(["y"]).unwrap().rename("y", "id").unwrap();
        let source = concat([part(3), part(0), part(2)]).unwrap();
        let loader = Loader::builder(source).batch_size(5).workers(workers).build().unwrap();
        let batch = loader.epoch(0).next().unwrap().unwrap();
        assert_eq!(loader.schema().to_string(), "id: i64[]");
        assert_eq!(batch["id"].to_vec1::<i64>().unwrap(), [0, 1, 2, 0, 1]);
    }
}

#[test]
fn a_balanced_sampler_evens_out_the_labels_of_a_source() {
    let schema = Schema::new(vec![Field::new("label", RowDType::U8, &[])]).unwrap();
    let source = from_fn(schema, 1000, |index, row| {
        row.field("label").copy_from_slice(&[u8::from(index % 10 == 0)])
    });
    let sampler = Weighted::balanced(&source.labels("label").unwrap()).unwrap();
    let loader = Loader::builder(source).batch_size(1000).sampler(sampler).build().unwrap();
    let batch = loader.epoch(0).next().unwrap().unwrap();
    let ones = batch["label"].to_vec1::<u8>().unwrap().into_iter().filter(|&one| one == 1).count();
    assert!(ones.abs_diff(500) < 80, "{ones} of 1000");
}

#[test]
fn a_field_that_is_not_there_is_an_error_of_the_sample_with_the_names_there_are() {
    for workers in WORKERS {
        let schema = Schema::new(vec![Field::new("image", RowDType::U8, &[])]).unwrap();
        let source = from_fn(schema, 3, |_, row| row.field("imgae").copy_from_slice(&[1u8]));
        let loader = Loader::builder(source).workers(workers).build().unwrap();
        let error = loader.epoch(0).next().unwrap().unwrap_err();
        let text = error.to_string();
        // A panic's words are shown in quotes, so theirs are escaped.
        assert!(text.contains(r#"no field \"imgae\", the fields are \"image\""#), "{text}");
    }
}

#[test]
fn errors_of_the_standard_library_pass_through_read_with_their_words() {
    let schema = Schema::new(vec![Field::new("x", RowDType::I64, &[])]).unwrap();
    let source = from_fn(schema, 1, |_, row| {
        let text = std::fs::read_to_string("/nowhere/at-all")?;
        row.field("x").copy_from_slice(&[text.parse::<i64>()?])
    });
    let loader = Loader::builder(source).build().unwrap();
    let error = loader.epoch(0).next().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Sample);
    assert!(error.to_string().contains("No such file or directory"), "{error}");
}
