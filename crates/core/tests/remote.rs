//! Sources that read from a server give the same samples as from the disk, and its failures are errors.

#[expect(dead_code, reason = "shared with other tests")]
mod common;
#[path = "common/npy.rs"]
mod npy;
#[path = "common/server.rs"]
mod server;
#[expect(dead_code, reason = "shared with other tests")]
#[path = "common/tar.rs"]
mod tar;

use std::path::Path;

use common::{assert_says, bytes, read};
use npy::floats;
use server::{Fault, Server};
use tallow_core::{ErrorKind, OpenOptions, RowDType, Source, open, testing};
use tar::archive;
use tempfile::TempDir;

const SAMPLES: usize = 12;

/// Two archives, a folder of arrays and a file of tokens.
fn written() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("arrays")).unwrap();
    let array = |at: usize| floats(&std::array::from_fn::<f32, 40, _>(|i| (at * 40 + i) as f32));
    for shard in 0..2 {
        let members: Vec<(String, Vec<u8>)> =
            (shard * 6..shard * 6 + 6).map(|at| (format!("{at:03}.x.npy"), array(at))).collect();
        let members: Vec<(&str, &[u8])> =
            members.iter().map(|(name, array)| (&name[..], &array[..])).collect();
        std::fs::write(dir.path().join(format!("{shard}.tar")), archive(&members)).unwrap();
    }
    for at in 0..SAMPLES {
        std::fs::write(dir.path().join(format!("arrays/{at:03}.npy")), array(at)).unwrap();
    }
    let tokens: Vec<u8> = (0..4000u16).flat_map(u16::to_le_bytes).collect();
    std::fs::write(dir.path().join("tokens.bin"), tokens).unwrap();
    dir
}

fn assert_same(local: &dyn Source, remote: &dyn Source) {
    assert_eq!((local.len(), local.schema()), (remote.len(), remote.schema()));
    assert_eq!(local.fingerprint(), remote.fingerprint(), "a state resumes on a copy elsewhere");
    let mut all = true;
    for index in 0..local.len() {
        let [local, remote] = match [local, remote].map(|source| read(source, index)) {
            [Ok(local), Ok(remote)] => [local, remote],
            // Nulls are errors wherever they lie.
            [local, remote] => {
                let [local, remote] = [local, remote].map(|it| it.err().map(|it| it.kind()));
                assert_eq!(local, remote, "sample {index}");
                all = false;
                continue;
            }
        };
        for field in 0..local.schema().fields().len() {
            let [local, remote] =
                [&local, &remote].map(|row| row.view().field(field).bytes().to_vec());
            assert_eq!(local, remote, "sample {index}");
        }
    }
    if all {
        testing::check_source(remote);
    }
}

#[test]
fn a_server_delivers_what_the_disk_delivers() {
    let dir = written();
    let server = Server::of(dir.path());
    for place in ["{0..1}.tar", "0.tar", "arrays"] {
        let local = open(dir.path().join(place)).unwrap();
        assert_same(&*local, &*open(server.at(place)).unwrap());
    }
    let tokens = || OpenOptions::new().tokens(RowDType::U16, 64);
    let local = tokens().open(dir.path().join("tokens.bin")).unwrap();
    assert_same(&*local, &*tokens().open(server.at("tokens.bin")).unwrap());
}

#[test]
fn what_other_programs_wrote_is_read_from_a_server_too() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let server = Server::of(&root);
    let mut places = vec!["tar/webdataset.tar", "mds/everything", "npz/{0..2}.npz", "npz"];
    places.extend(["arrow/plain.arrow", "arrow/saved"].iter().filter(|_| cfg!(feature = "arrow")));
    let parquet = ["snappy", "lengths", "indexed"].map(|it| format!("parquet/{it}.parquet"));
    places.extend(parquet.iter().map(|it| &it[..]).filter(|_| cfg!(feature = "parquet")));
    for place in places {
        let local = open(root.join(place)).unwrap();
        assert_same(&*local, &*open(server.at(place)).unwrap());
    }
}

#[test]
fn answers_that_fail_for_a_moment_are_asked_for_again() {
    let dir = written();
    let server = Server::of(dir.path());
    let local = open(dir.path().join("0.tar")).unwrap();
    for fault in [Fault::Busy, Fault::Reset, Fault::Cut] {
        server.plan.lock().unwrap().faults = vec![fault; 2];
        let remote = open(server.at("0.tar")).unwrap();
        server.plan.lock().unwrap().faults = vec![fault; 2];
        let same = bytes(&*local, 3).unwrap() == bytes(&*remote, 3).unwrap();
        assert!(same && server.plan.lock().unwrap().faults.is_empty(), "{fault:?}");
    }
}

#[test]
fn each_member_is_asked_for_once() {
    let dir = written();
    let server = Server::of(dir.path());
    let remote = open(server.at("0.tar")).unwrap();
    server.plan.lock().unwrap().ranges.clear();
    (0..remote.len()).for_each(|index| drop(read(&*remote, index).unwrap()));
    let mut ranges = server.plan.lock().unwrap().ranges.clone();
    ranges.sort_unstable();
    assert_eq!(ranges.len(), remote.len());
    assert!(ranges.is_sorted_by(|a, b| a.2 <= b.1), "no byte comes twice: {ranges:?}");
}

/// Members of an archive that lie beside one another are one request, and a file is one.
#[test]
fn what_was_told_in_advance_is_asked_for_once() {
    let dir = written();
    let server = Server::of(dir.path());
    for (place, most) in [("0.tar", 5), ("arrays", SAMPLES)] {
        let local = open(dir.path().join(place)).unwrap();
        let remote = open(server.at(place)).unwrap();
        server.plan.lock().unwrap().ranges.clear();
        for index in 0..remote.len() {
            remote.extents(index, &mut |extent| assert!(extent.will_need()));
        }
        for index in (0..remote.len()).rev() {
            assert_eq!(bytes(&*local, index).unwrap(), bytes(&*remote, index).unwrap());
        }
        let mut ranges = server.plan.lock().unwrap().ranges.clone();
        ranges.sort_unstable();
        assert!(ranges.len() <= most, "{ranges:?}");
        let twice = ranges.windows(2).any(|it| it[0].0 == it[1].0 && it[0].2 > it[1].1);
        assert!(!twice, "{ranges:?}");
    }
}

#[test]
fn an_object_that_changed_is_an_error_of_its_samples() {
    let dir = written();
    let server = Server::of(dir.path());
    let remote = open(server.at("0.tar")).unwrap();
    server.plan.lock().unwrap().etag += 1;
    let error = read(&*remote, 0).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert_says(&error, &["cannot read (bytes ", "written to since it was opened"]);
    assert_eq!(error.path(), Some(Path::new(&server.at("0.tar/000"))));
}

#[test]
fn what_no_request_can_mend_is_said_at_once() {
    let dir = written();
    let server = Server::of(dir.path());
    let error = open(server.at("9.tar")).err().unwrap();
    assert_says(&error, &["no such object", "9.tar"]);
    server.plan.lock().unwrap().faults = vec![Fault::NoRange; 3];
    assert_says(
        &open(server.at("0.tar")).err().unwrap(),
        &["whole objects where a range is asked for"],
    );
}

#[test]
fn a_url_with_a_credential_is_refused_and_not_shown() {
    for url in [
        "https://me:hunter22@127.0.0.1/a.tar",
        "https://127.0.0.1/a.tar?sig=hunter22",
        "https://127.0.0.1/{0..9}.tar?sig=hunter22",
    ] {
        let error = open(url).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(!format!("{error} {error:?}").contains("hunter22"), "{error:?}");
    }
}
