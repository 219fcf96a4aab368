//! What a file claims is not allocated before it is checked. A program of its own, since it
//! counts the allocations of the whole process.

mod common;
#[path = "common/npy.rs"]
mod npy;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{assert_says, bytes, in_time, read};
use npy::{floats, header, with_header};
use tallow_core::{NpyFile, NpyFolders, Safetensors};

/// The system's allocator, remembering the largest request.
struct Largest;

static LARGEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Largest {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LARGEST.fetch_max(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above; `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Largest = Largest;

/// One test, since all would share the count.
#[test]
fn no_claim_of_a_small_file_is_allocated() {
    const MUCH: usize = 1 << 20;
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, contents: &[u8]| {
        std::fs::write(dir.path().join(name), contents).unwrap();
    };
    write("!.npy", &floats(&[1.0]));
    let mut count = 0;
    for shape in [&[1 << 28][..], &[1 << 40], &[1 << 20, 1 << 20], &[1 << 63, 2], &[0, 1 << 61]] {
        for (descr, fortran) in [("<f4", false), (">f4", true), ("|i1", true), ("<u8", false)] {
            for version in [1, 2] {
                let file = with_header(version, &header(descr, fortran, shape), &[0; 100]);
                write(&format!("{count}.npy"), &file);
                count += 1;
            }
        }
    }
    write("x.npy", b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{");
    write("a.safetensors", &[&(1u64 << 40).to_le_bytes()[..], b"{}"].concat());
    let entry = r#"{"x":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#;
    write("b.safetensors", &[&(entry.len() as u64).to_le_bytes()[..], entry.as_bytes()].concat());

    let largest = in_time(move || {
        LARGEST.store(0, Ordering::Relaxed);
        let source = NpyFolders::open(dir.path()).unwrap();
        assert!(bytes(&source, 0).is_ok());
        (1..=count + 1).for_each(|i| drop(read(&source, i).unwrap_err()));
        for i in 0..count {
            let path = dir.path().join(format!("{i}.npy"));
            assert_says(&NpyFile::open(path).unwrap_err(), &[".npy"]);
        }
        for name in ["a.safetensors", "b.safetensors"] {
            assert_says(&Safetensors::open(dir.path().join(name)).unwrap_err(), &[name]);
        }
        LARGEST.load(Ordering::Relaxed)
    });
    assert!((1..MUCH).contains(&largest), "{largest} bytes at once");
}
