use std::fs;
use std::io::Cursor;
use std::path::Path;

use tempfile::TempDir;

use crate::tester::{bench, file, images, truncate};

/// A decoded picture.
struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<[u8; 3]>,
}

impl Picture {
    fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap();
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        let (width, height) = (info.width as usize, info.height as usize);
        Self { width, height, pixels: pixels.as_chunks().0.to_vec() }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        self.pixels[y * self.width + x]
    }
}

/// Where the first picture of the first line begins below a title of two lines, and the distance to
/// the next one, for a sample with 12 pixels per side that become squares of 21 each.
const LEFT: usize = 8;
const TOP: usize = 36;
const STEP: usize = 12 * 21 + 8;

fn preview(dir: &TempDir, options: &str) -> Picture {
    let line = format!("preview --out DIR/views.png {options}");
    let ended = bench(dir.path(), &line).expect(0);
    let path = dir.path().join("views.png");
    let picture = Picture::read(&path);
    let size = format!("{}x{} pixels", picture.width, picture.height);
    assert!(ended.stderr.starts_with("wrote ") && ended.stdout.contains(&size), "{ended:#?}");
    fs::remove_file(path).unwrap();
    picture
}

#[test]
fn each_sample_stands_beside_its_views() {
    let dir = images(6);
    let chain = "--augment 'random_resized_crop(8) random_hflip'";
    let picture = preview(&dir, &format!("DIR {chain}"));
    assert_eq!(picture.width, LEFT + 9 * STEP);
    let again = preview(&dir, &format!("DIR {chain}"));
    assert_eq!(again.pixels, picture.pixels);
    let other = preview(&dir, &format!("DIR {chain} --seed 1"));
    assert_ne!(other.pixels, picture.pixels);
    let fewer = preview(&dir, &format!("DIR {chain} --samples 9 --views 2 --first-sample 4"));
    assert_eq!(fewer.width, LEFT + 3 * STEP);
    assert!(fewer.height < picture.height, "two samples are left");
}

#[test]
fn a_flipped_view_is_the_sample_mirrored() {
    let dir = images(1);
    for dtype in ["", " to_dtype(f16)", " to_dtype(f32) to_layout(hwc)"] {
        let chain = format!("--augment 'hflip{dtype}' --samples 1 --views 1");
        let picture = preview(&dir, &format!("DIR {chain}"));
        for (x, y) in (0..12).flat_map(|x| (0..12).map(move |y| (x, y))) {
            let raw = picture.at(LEFT + x * 21, TOP + y * 21);
            let view = picture.at(LEFT + STEP + (11 - x) * 21, TOP + y * 21);
            assert_eq!(raw, view, "{dtype}, {x}, {y}");
        }
    }
}

#[test]
fn views_are_what_a_loader_of_that_epoch_delivers() {
    let dir = images(3);
    let chain = "--augment 'random_crop(6)' --samples 1";
    let all = preview(&dir, &format!("DIR {chain} --views 3"));
    for epoch in 0..3 {
        let one = preview(&dir, &format!("DIR {chain} --views 1 --first-epoch {epoch}"));
        for (x, y) in (0..6).flat_map(|x| (0..6).map(move |y| (x * 21, y * 21))) {
            let left = LEFT + (epoch + 1) * STEP;
            assert_eq!(one.at(LEFT + STEP + x, TOP + y), all.at(left + x, TOP + y));
        }
    }
}

#[test]
fn every_kind_of_image_has_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    let mut made = 0;
    for dtype in ["u8", "u16", "f16", "f32"] {
        for shape in ["12,12", "1,12,12", "12,12,2", "12,12,3", "4,12,12", "9,12,12,1"] {
            let folder = format!("DIR/{made}");
            let line = format!("gen {folder} --samples 1 --shape {shape} --dtype {dtype}");
            bench(dir.path(), &line).expect(0);
            for chain in ["hflip", "'random_crop(8) standardize'", "'vflip to_dtype(f32)'"] {
                preview(&dir, &format!("{folder} --augment {chain} --views 2"));
            }
            made += 1;
        }
    }
}

#[test]
fn signals_and_masks_and_large_images_have_a_picture() {
    let dir = tempfile::tempdir().unwrap();
    bench(dir.path(), "gen DIR/s --samples 1 --shape 2,900 --dtype f32").expect(0);
    preview(&dir, "DIR/s --augment hflip --layout ct --views 1");
    let line = "gen DIR/m --samples 2 --shape 600,9,3 --dtype u8 --target-shape 600,9 \
                --target-dtype u8";
    bench(dir.path(), line).expect(0);
    let both = preview(&dir, "DIR/m --augment hflip --mask target --views 1");
    let image = preview(&dir, "DIR/m --augment hflip --mask target --show input --views 1");
    assert!(both.height > image.height);
    preview(&dir, "DIR/m --augment hflip --mask target --show target --views 1");
}

#[test]
fn what_cannot_be_read_or_written_is_told_and_leaves_nothing_behind() {
    let dir = images(3);
    let line = "preview DIR --augment hflip --out";
    for out in ["DIR", "DIR/absent/x.png"] {
        let ended = bench(dir.path(), &format!("{line} {out}")).expect(2);
        assert!(ended.stderr.contains("cannot write"), "{ended:#?}");
    }
    truncate(&file(&dir, "input", 1), 1);
    let ended = bench(dir.path(), &format!("{line} DIR/x.png")).expect(1);
    assert!(ended.stderr.contains("000001.npy"), "{ended:#?}");
    assert!(!dir.path().join("x.png").exists());
    bench(dir.path(), &format!("{line} DIR/x.png --samples 1")).expect(0);
    let ended = bench(dir.path(), "preview DIR/absent --augment hflip --out DIR/y.png").expect(1);
    assert!(ended.stderr.contains("absent"), "{ended:#?}");
}
