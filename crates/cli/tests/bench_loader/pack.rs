//! `pack`: any source as few files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use crate::tester::{bench, bench_without_threads, file, images, pairs, program};

/// The names of all files of a folder, hidden ones too, with what is in them.
fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let named = |entry: fs::DirEntry| {
        (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())
    };
    entries.map(named).collect()
}

/// The folders of pairs, so that the packed samples may be beside them.
const PAIR: &str = "--field input=DIR/input --field target=DIR/output";

fn digest(dir: &Path, line: &str) -> String {
    bench(dir, &format!("digest {line}")).expect(0).stdout
}

#[test]
fn arrays_become_the_same_samples_in_few_files() {
    let dir = images(70);
    let expected = digest(dir.path(), "DIR");
    for (format, files) in [("safetensors", 4), ("npy", 2)] {
        let line = format!("pack DIR --to DIR.{format} --as {format} --shard-bytes 10kB");
        let ended = bench(dir.path(), &line).expect(0);
        assert!(ended.stdout.contains("packed 70 samples"), "{ended:#?}");
        let to = dir.path().with_extension(format);
        let packed = contents(&to);
        assert_eq!(packed.keys().filter(|name| !name.starts_with('.')).count(), files, "{format}");
        assert_eq!(digest(&to, "DIR"), expected, "{format}");
        fs::remove_dir_all(to).unwrap();
    }
}

#[test]
fn the_files_are_the_same_with_any_number_of_threads() {
    let dir = images(50);
    let packed = |name: &str, ended: crate::tester::Ended| {
        ended.expect(0);
        contents(&dir.path().join(name))
    };
    let line =
        |name: &str, rest: &str| format!("pack {PAIR} --to DIR/{name} --shard-bytes 5kB {rest}");
    for format in ["tar", "safetensors"] {
        let of = |name: &str, rest: &str| {
            let name = format!("{name}.{format}");
            packed(&name, bench(dir.path(), &line(&name, &format!("--as {format} {rest}"))))
        };
        let one = of("1", "--workers 1");
        assert!(one.len() > 4);
        assert_eq!(of("7", "--workers 7"), one);
        assert_eq!(of("0", "--workers 0"), one);
        let name = format!("none.{format}");
        let line = line(&name, &format!("--as {format}"));
        assert_eq!(packed(&name, bench_without_threads(dir.path(), &line)), one);
    }
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_bytes() {
    let dir = pairs(1000);
    for (format, size) in [("safetensors", "3kB"), ("tar", "200kB")] {
        let whole =
            format!("pack {PAIR} --to DIR/whole.{format} --as {format} --shard-bytes {size}");
        bench(dir.path(), &whole).expect(0);
        let expected = contents(&dir.path().join(format!("whole.{format}")));
        let killed = whole.replace("whole", "killed");
        let words =
            || killed.split(' ').map(|word| word.replace("DIR", dir.path().to_str().unwrap()));
        for wait in [5, 13, 29, 47, 80] {
            let mut child = program().args(words()).stdout(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(wait));
            // SIGKILL.
            child.kill().unwrap();
            child.wait().unwrap();
        }
        bench(dir.path(), &killed).expect(0);
        assert!(contents(&dir.path().join(format!("killed.{format}"))) == expected, "{format}");
    }
}

#[test]
fn a_shard_that_changed_is_written_again() {
    let dir = images(60);
    let line = "pack DIR --to DIR.packed --shard-bytes 5kB --json";
    let first = bench(dir.path(), line).expect(0).json();
    assert_eq!((&first["samples"], &first["kept"]), (&60.into(), &0.into()));
    let packed = dir.path().with_extension("packed");
    let before = contents(&packed);
    let again = bench(dir.path(), line).expect(0).json();
    assert_eq!((&again["kept"], &again["digest"]), (&60.into(), &first["digest"]));
    let shard = packed.join("000002.safetensors");
    let mut bytes = fs::read(&shard).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&shard, bytes).unwrap();
    let again = bench(dir.path(), line).expect(0).json();
    assert!(again["kept"].as_u64().unwrap() < 60);
    assert!(contents(&packed) == before);
    fs::remove_dir_all(packed).unwrap();
}

#[test]
fn a_folder_that_holds_something_else_is_refused() {
    let dir = images(20);
    let told = |line: &str, code: i32, words: &str| {
        let ended = bench(dir.path(), line).expect(code);
        assert!(ended.stderr.contains(words), "no {words:?} in {ended:#?}");
    };
    told("pack DIR --to DIR", 2, "where files of the source are");
    let other = dir.path().with_extension("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("mine"), "x").unwrap();
    told("pack DIR --to DIR.other", 1, "already holds \"mine\"");
    fs::remove_file(other.join("mine")).unwrap();
    bench(dir.path(), "pack DIR --to DIR.other").expect(0);
    told("pack DIR --to DIR.other --as npy", 2, "holds another packing, which differs in as");
    told("pack DIR --to DIR.other --augment hflip", 2, "differs in augment");
    fs::remove_dir_all(other).unwrap();
}

#[test]
fn what_a_format_cannot_hold_is_said() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR/a --samples 9 --shape 3..9 --dtype u16").expect(0);
    let source = "--field tokens=DIR/a/input --ragged tokens:0:9";
    for (format, words) in [("safetensors", "use --as tar"), ("npy", "different lengths")] {
        let line = format!("pack {source} --to DIR/p --as {format}");
        let ended = bench(dir.path(), &line).expect(2);
        assert!(ended.stderr.contains(words), "no {words:?} in {ended:#?}");
    }
    let ended = bench(dir.path(), "pack DIR/a/output --to DIR/p --as tokens").expect(2);
    assert!(ended.stderr.contains("one field of whole numbers with one axis"), "{ended:#?}");
}

#[test]
fn samples_that_cannot_be_read_end_it_and_the_rest_goes_on() {
    let dir = images(60);
    let path = file(&dir, "input", 40);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, "no array").unwrap();
    let line = "pack DIR --to DIR.packed --shard-bytes 5kB --json";
    let ended = bench(dir.path(), line).expect(1);
    assert!(ended.stdout.contains("000040.npy"), "{ended:#?}");
    fs::write(&path, whole).unwrap();
    let json = bench(dir.path(), line).expect(0).json();
    assert!(json["kept"].as_u64().unwrap() > 20, "{json}");
    fs::remove_dir_all(dir.path().with_extension("packed")).unwrap();
}

#[test]
fn documents_become_tokens() {
    let dir = tempfile::tempdir().unwrap();
    for dtype in ["u8", "u16", "i64"] {
        let line = format!("gen DIR/{dtype} --samples 40 --shape 3..90 --dtype {dtype}");
        bench(dir.path(), &line).expect(0);
        let line = format!(
            "pack --field input=DIR/{dtype}/input --ragged input:0:90 --to DIR/p{dtype} --as tokens \
             --shard-bytes 500B --json"
        );
        let ended = bench(dir.path(), &line);
        if dtype == "i64" {
            // Random numbers of 64 bits are no tokens.
            assert!(ended.expect(1).stdout.contains("found the token"));
            continue;
        }
        let json = ended.expect(0).json();
        assert_eq!((&json["samples"], &json["as"]), (&40.into(), &"tokens".into()));
        assert!(json["shards"].as_u64().unwrap() > 3, "{json}");
    }
}

#[test]
fn pictures_stay_the_files_that_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let line = "gen DIR/a --samples 12 --shape 20..40,30..50 --as jpeg --classes 3";
    bench(dir.path(), line).expect(0);
    bench(dir.path(), "pack DIR/a --to DIR/p").expect(0);
    let tar = fs::read(dir.path().join("p/000000.tar")).unwrap();
    let holds = |bytes: &[u8]| tar.windows(bytes.len()).any(|window| window == bytes);
    let pictures = fs::read_dir(dir.path().join("a/class_1")).unwrap();
    for picture in pictures {
        assert!(holds(&fs::read(picture.unwrap().path()).unwrap()));
    }
    assert!(holds(b"000011.jpg\0") && holds(b"000011.cls\0"));
}

#[test]
fn arrays_of_many_lengths_are_read_from_an_archive_as_it_is_said_to_be() {
    let dir = tempfile::tempdir().unwrap();
    bench(
        dir.path(),
        "gen DIR/d --samples 40 --shape 2..5,3 --dtype f32 --target-shape 2 --target-dtype f32",
    )
    .expect(0);
    let line = "pack DIR/d --ragged input:0:5 --to DIR/p --as tar --shard-bytes 20kB";
    let ended = bench(dir.path(), line).expect(0);
    let (_, next) = ended.stdout.split_once("try next: ").unwrap();
    assert!(next.contains("--ragged input:0:5"), "{ended:#?}");
    let digest = |place: &str| {
        let line = format!("digest {place} --ragged input:0:5 --pad input:0 --shuffle --json");
        bench(dir.path(), &line).expect(0).json()["digest"].clone()
    };
    assert_eq!(digest("DIR/d"), digest("DIR/p"));
}
