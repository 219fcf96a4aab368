//! Reading with few file descriptors. A program of its own, since the limit is the process's.

mod common;

use std::fs::File;

use common::{assert_says, bytes, in_time};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::sync::atomic::AtomicBool;
use tallow_core::{NpyFolders, RowBuffer, Safetensors, Source};

/// Descriptors that the process may hold; what tests and runner hold is among them.
const LIMIT: u64 = 64;

/// Every descriptor that is left but `spare` of them.
fn take_all_but(spare: usize) -> Vec<File> {
    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    taken.truncate(taken.len() - spare);
    taken
}

/// Reads every sample on many more threads than there are descriptors for.
fn read_all_at_once(source: &dyn Source) {
    const THREADS: usize = 32;
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || {
                for i in 0..source.len() {
                    let index = (i + thread * 7) % source.len();
                    assert_eq!(bytes(source, index).unwrap(), [index as u8]);
                }
            });
        }
    });
}

/// One test, since all would share the limit.
#[test]
fn readers_wait_for_descriptors_and_say_so_when_there_are_none() {
    let dir = tempfile::tempdir().unwrap();
    let header = "{'descr': '|u1', 'fortran_order': False, 'shape': ()}";
    let shard = r#"{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#;
    for i in 0..100u8 {
        let npy =
            [b"\x93NUMPY\x01\x00".as_slice(), &[header.len() as u8, 0], header.as_bytes(), &[i]];
        std::fs::write(dir.path().join(format!("{i:03}.npy")), npy.concat()).unwrap();
        let len = (shard.len() as u64).to_le_bytes();
        let shard = [len.as_slice(), shard.as_bytes(), &[i]].concat();
        std::fs::write(dir.path().join(format!("{i:03}.safetensors")), shard).unwrap();
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(LIMIT), maximum: Some(LIMIT) }).unwrap();
    let folders = NpyFolders::open(dir.path()).unwrap();
    let shards = Safetensors::open(dir.path()).unwrap();
    in_time(move || {
        let taken = take_all_but(3);
        read_all_at_once(&folders);
        read_all_at_once(&shards);
        drop(taken);
        let _taken = take_all_but(0);
        let mut buffer = RowBuffer::new(folders.schema()).unwrap();
        // A reader that is told to stop does not wait.
        let stop = AtomicBool::new(true);
        let error = folders.read(7, &mut buffer.row(Some(&stop))).unwrap_err();
        assert_says(&error, &["007.npy", "RLIMIT_NOFILE is 64", "sample 7"]);
        let error = shards.read(99, &mut buffer.row(Some(&stop))).unwrap_err();
        assert_says(&error, &["099.safetensors", "RLIMIT_NOFILE is 64", "sample 99"]);
    });
}
