//! Batches of similar length and by a budget, as the command line has them.

use std::path::Path;

use crate::tester::{self, bench};

const SOURCE: &str = "DIR/d --ragged input:0:30 --pad-to-longest input:0 --seed 3";

fn generated() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line =
        "gen DIR/d --samples 61 --shape 1..30,3 --dtype f32 --target-shape 2 --target-dtype f32";
    bench(dir.path(), line).expect(0);
    dir
}

/// The lines of a digest of the source.
fn samples(dir: &Path, options: &str) -> Vec<String> {
    tester::samples(dir, &format!("{SOURCE} {options}"))
}

#[test]
fn a_budget_gives_the_same_samples_to_any_workers_and_ranks() {
    let dir = generated();
    let budget = "--token-budget input:256 --rows-multiple 8 --pad-multiple 4 --shuffle";
    let position = |line: &String| line.split(' ').nth(1).unwrap().parse::<usize>().unwrap();
    let one = samples(dir.path(), budget);
    assert_eq!(one.iter().map(position).collect::<Vec<_>>(), (0..61).collect::<Vec<_>>());
    for other in ["--workers 0", "--workers 3 --prefetch 1", "--workers 8 --prefetch 7"] {
        assert_eq!(samples(dir.path(), &format!("{budget} {other}")), one, "{other}");
    }
    for world in [2, 3, 8] {
        let rank = |rank| samples(dir.path(), &format!("{budget} --rank {rank} --world {world}"));
        let mut all: Vec<String> = (0..world).flat_map(rank).collect();
        all.sort_by_key(position);
        assert_eq!(all, one, "{world} ranks");
    }
    for start in [1, 3] {
        let rest = samples(dir.path(), &format!("{budget} --start-batch {start}"));
        assert_eq!(rest, one[one.len() - rest.len()..], "from batch {start}");
        assert!(rest.len() < one.len());
    }
}

#[test]
fn buckets_give_the_same_samples_to_any_workers() {
    let dir = generated();
    let buckets = "--buckets input:3 --batch-size 5 --shuffle";
    let one = samples(dir.path(), buckets);
    assert_eq!(one.len(), 61);
    assert_eq!(samples(dir.path(), &format!("{buckets} --workers 3 --prefetch 1")), one);
    assert_ne!(samples(dir.path(), &buckets.replace(":3", "")), one);
    let plain = samples(dir.path(), "--batch-size 5 --shuffle");
    assert_ne!(plain, one);
}

#[test]
fn a_run_by_a_budget_says_what_a_batch_holds_and_compares_with_the_ceiling() {
    let dir = generated();
    let line = format!("run {SOURCE} --token-budget input:240 --ceiling --epochs 5");
    let ended = bench(dir.path(), &line).expect(0);
    assert!(!ended.stdout.is_empty());
    let line =
        format!("run {SOURCE} --token-budget input:240 --pad-multiple 4 --epochs 1 --html DIR/r");
    bench(dir.path(), &line).expect(0);
    let page = std::fs::read_to_string(dir.path().join("r")).unwrap();
    assert!(
        page.contains("SampleLengths::of(&amp;source, ")
            || page.contains("SampleLengths::of(&source, ")
    );
}

#[test]
fn what_does_not_go_together_is_a_matter_of_usage() {
    let dir = generated();
    for (options, expected) in [
        ("--token-budget input:9", "beyond the budget of 9 tokens"),
        ("--token-budget input:99 --last pad", "none of its batches is incomplete"),
        ("--token-budget input:99 --batch-size 3", "cannot be used with"),
        ("--token-budget target:99", "--token-budget target: found target"),
        ("--token-budget output:99", "no field \"output\""),
        ("--buckets nothing", "no field \"nothing\""),
        ("--token-budget input:99 --rank 0 --world 8", "expected at least one row per rank of 8"),
        ("--rows-multiple 2", "--token-budget"),
    ] {
        let ended = bench(dir.path(), &format!("digest {SOURCE} {options}")).expect(2);
        assert!(ended.stderr.contains(expected), "{options}: {ended:#?}");
    }
}
