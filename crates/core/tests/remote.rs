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

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{assert_says, bytes, read};
use npy::floats;
use server::{Fault, Server};
use tallow_core::{
    ErrorKind, Fingerprint, ImageFolder, OpenOptions, RowDType, Source, SourceExt as _,
    StoreListing, open, testing,
};
use tar::archive;
use tempfile::TempDir;

const SAMPLES: usize = 12;

/// A picture of one pixel.
const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89\
    \0\0\0\nIDATx\x9cc\0\x01\0\0\x05\0\x01\r\n\x2d\xb4\0\0\0\0IEND\xaeB`\x82";

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

/// The listing of all that a server has, in a file.
fn listed(server: &Server, dir: &TempDir) -> std::path::PathBuf {
    let file = dir.path().join("all.listing");
    StoreListing::of(&server.url).unwrap().save(&file).unwrap();
    file
}

#[test]
fn a_listing_is_asked_instead_of_the_store() {
    let (dir, kept) = (written(), tempfile::tempdir().unwrap());
    let server = Server::of(dir.path());
    let file = listed(&server, &kept);
    let listing = StoreListing::open(&file).unwrap();
    assert_eq!((listing.len(), listing.url()), (SAMPLES + 3, &*format!("{}/", server.url)));
    server.plan.lock().unwrap().looked = 0;
    for place in ["arrays", "*.tar", "[0].tar", "{0..1}.tar"] {
        let local = open(dir.path().join(place)).unwrap();
        assert_same(&*local, &*open(server.at(place)).unwrap());
    }
    let plan = server.plan.lock().unwrap();
    assert_eq!(plan.looked, 0, "nothing was listed and no object looked for");
    let opened = plan.ranges.iter().filter(|(name, ..)| name == "arrays/000.npy").count();
    let whole = plan.ranges.iter().filter(|(name, _, end)| name.ends_with("npy") && *end == 288);
    assert!(opened > 0 && whole.count() >= SAMPLES, "{:?}", plan.ranges);
    drop(plan);
    for absent in ["none.tar", "arrays/none", "arrays/000.npy/x"] {
        let error = open(server.at(absent)).err().unwrap();
        assert_says(&error, &["no such object in the listing of", "list the store again"]);
    }
}

#[test]
fn the_file_of_a_listing_is_a_source() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for class in ["a", "a-b"] {
        std::fs::create_dir(dir.path().join(class)).unwrap();
        for at in 0..3 {
            std::fs::write(dir.path().join(format!("{class}/{at}.png")), PNG).unwrap();
        }
    }
    let server = Server::of(dir.path());
    let file = listed(&server, &kept);
    server.plan.lock().unwrap().looked = 0;
    let source = open(&file).unwrap();
    assert_same(&ImageFolder::open(dir.path()).unwrap(), &*source);
    assert_eq!(source.name(0), server.at("a-b/0.png"));
    assert_eq!(server.plan.lock().unwrap().looked, 0);
}

/// `examples/listing.rs` says how long it takes. Here it may take a hundred times as long, on a machine that does much
/// else: what looks through a million names for each of them takes hours.
#[test]
fn a_million_objects_are_opened_in_little_memory() {
    let (dir, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(dir.path().join("n0000")).unwrap();
    std::fs::write(dir.path().join("n0000/n0000_0000.JPEG"), PNG).unwrap();
    let server = Server::of(dir.path());
    let mut text = format!("tallow-listing-1\t1000000\t{}\n", server.url);
    for class in 0..1000u64 {
        for at in 0..1000u64 {
            let tag = (class << 32 | at).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let bytes = if class + at == 0 { PNG.len() } else { 110_000 };
            writeln!(text, "{bytes}\t{tag:032x}\tn{class:04}/n{class:04}_{at:04}.JPEG").unwrap();
        }
    }
    let text = text.replacen(&format!("\t{:032x}\t", 0), "\t0\t", 1);
    let file = kept.path().join("million.listing");
    std::fs::write(&file, text).unwrap();
    let begun = Instant::now();
    let listing = StoreListing::open(&file).unwrap();
    let source = ImageFolder::open(listing.url()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(600), "{:?}", begun.elapsed());
    assert_eq!((source.len(), source.classes().len()), (1_000_000, 1000));
    let held = listing.memory_bytes() + source.memory_bytes();
    assert!(held < 80 << 20, "{held} bytes");
    let plan = server.plan.lock().unwrap();
    assert_eq!((plan.looked, plan.ranges.len()), (0, 1), "the head of one picture was read");
}

#[test]
fn an_object_that_is_not_as_it_was_listed_is_an_error() {
    let (dir, kept) = (written(), tempfile::tempdir().unwrap());
    let server = Server::of(dir.path());
    StoreListing::open(listed(&server, &kept)).unwrap();
    let source = open(server.at("arrays")).unwrap();
    let longer = [std::fs::read(dir.path().join("arrays/003.npy")).unwrap(), vec![0]].concat();
    std::fs::write(dir.path().join("arrays/003.npy"), longer).unwrap();
    let error = read(&*source, 3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert_says(&error, &["289 bytes instead of 288", "since the store was listed"]);
    read(&*source, 4).unwrap();
    server.plan.lock().unwrap().etag += 1;
    let error = read(&*source, 4).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Changed, "{error}");
    assert_says(&error, &["another entity tag", "list the store again"]);
    // Listed again, it is what it is now.
    let fresh = listed(&server, &kept);
    StoreListing::open(fresh).unwrap();
    read(&*open(server.at("arrays")).unwrap(), 4).unwrap();
}

#[test]
fn versions_of_objects_pass_through_all_that_is_made_of_them() {
    let (dir, kept) = (written(), tempfile::tempdir().unwrap());
    std::fs::write(dir.path().join("row.npy"), floats(&[0.5; 40])).unwrap();
    let (server, copy) = (Server::of(dir.path()), Server::of(dir.path()));
    let made = |root: &str| {
        let at = |name: &str| open(format!("{root}/{name}")).unwrap();
        let rows = at("row.npy").zip(at("row.npy").rename("input", "other").unwrap()).unwrap();
        let rows = rows.select(["input"]).unwrap().subset(0..10).unwrap();
        let arrays = at("arrays").concat(at("arrays")).unwrap();
        let [arrays, _] = arrays.split([0.5, 0.5], 1).unwrap();
        let tars = at("{0..1}.tar").cache(1 << 20).unwrap();
        [rows.fingerprint(), arrays.fingerprint(), tars.fingerprint()]
    };
    let local = made(dir.path().to_str().unwrap());
    assert!(local.iter().all(|print| print.versions().is_none()));
    let first = made(&server.url);
    // Known from one listing or another, and from opening.
    StoreListing::open(listed(&server, &kept)).unwrap();
    let again = made(&server.url);
    server.plan.lock().unwrap().etag += 1;
    StoreListing::open(listed(&server, &kept)).unwrap();
    let (written_to, elsewhere) = (made(&server.url), made(&copy.url));
    assert_eq!([first, again, written_to, elsewhere], [local; 4]);
    let versions = |prints: [Fingerprint; 3], at: usize| prints[at].versions().unwrap();
    for at in 0..3 {
        let (places, tags) = versions(first, at);
        assert_eq!(versions(again, at), (places, tags));
        let (same_places, other_tags) = versions(written_to, at);
        assert!(same_places == places && other_tags != tags);
        let (other_places, same_tags) = versions(elsewhere, at);
        assert!(other_places != places && same_tags == tags);
    }
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
