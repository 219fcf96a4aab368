//! The data sets. Each is written beside its name and then renamed, so that half of one is never taken for it.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use tallow::candle::{Device, Tensor};

use super::Result;

/// Samples of 3x32x32 `f32`.
pub(super) const SAMPLES: usize = 20_000;
const SHAPE: (usize, usize, usize, usize) = (SAMPLES, 3, 32, 32);
pub(super) const ARCHIVES: usize = 4;

/// Unless `name` is in the folder, has it written.
fn made(folder: &Path, name: &str, write: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let (path, part) = (folder.join(name), folder.join(format!("part-{name}")));
    if !path.exists() {
        println!("  writing {}", path.display());
        write(&part)?;
        fs::rename(&part, &path)?;
    }
    Ok(path)
}

/// All samples in one array.
pub(super) fn npy(folder: &Path) -> Result<PathBuf> {
    made(folder, "samples.npy", |path| {
        Ok(Tensor::rand(0f32, 1f32, SHAPE, &Device::Cpu)?.write_npy(path)?)
    })
}

/// The same as the array `samples` of an archive that is not compressed.
pub(super) fn npz(folder: &Path) -> Result<PathBuf> {
    let array = npy(folder)?;
    made(folder, "samples.npz", |path| {
        let mut zip = zip::ZipWriter::new(File::create(path)?);
        let stored = zip::write::SimpleFileOptions::default();
        zip.start_file("samples.npy", stored.compression_method(zip::CompressionMethod::Stored))?;
        std::io::copy(&mut File::open(array)?, &mut zip)?;
        zip.finish()?;
        Ok(())
    })
}

/// The name of the file of a sample.
pub(super) fn name_of(sample: usize) -> String {
    format!("{sample:07}.npy")
}

/// The same in a file for each sample.
pub(super) fn files(folder: &Path) -> Result<PathBuf> {
    let array = npy(folder)?;
    made(folder, "files", |path| {
        fs::create_dir_all(path)?;
        let samples = Tensor::read_npy(array)?;
        for at in 0..SAMPLES {
            samples.get(at)?.write_npy(path.join(name_of(at)))?;
        }
        Ok(())
    })
}

/// The name of an archive.
pub(super) fn archive(number: usize) -> String {
    format!("{number:03}.tar")
}

/// The same files in archives.
pub(super) fn archives(folder: &Path) -> Result<PathBuf> {
    let files = files(folder)?;
    made(folder, "archives", |path| {
        fs::create_dir_all(path)?;
        let each = SAMPLES / ARCHIVES;
        for number in 0..ARCHIVES {
            let mut to = BufWriter::new(File::create(path.join(archive(number)))?);
            for at in number * each..(number + 1) * each {
                append(&mut to, &name_of(at), &fs::read(files.join(name_of(at)))?)?;
            }
            end(to)?;
        }
        Ok(())
    })
}

/// An archive of a million classes.
pub(super) fn million(folder: &Path) -> Result<PathBuf> {
    made(folder, "million.tar", |path| {
        let mut to = BufWriter::new(File::create(path)?);
        for at in 0..1_000_000 {
            append(&mut to, &format!("{at:07}.cls"), b"7")?;
        }
        end(to)
    })
}

/// Tokens of `u16` without a header.
pub(super) fn tokens(folder: &Path) -> Result<PathBuf> {
    const TOKENS: usize = 64 << 20;
    made(folder, "tokens.bin", |path| {
        let mut state = 7u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 48) as u16
        };
        let bytes: Vec<u8> = (0..TOKENS).flat_map(|_| next().to_le_bytes()).collect();
        Ok(fs::write(path, bytes)?)
    })
}

const BLOCK: usize = 512;

/// Appends a member: a header as POSIX has it, and the contents in whole blocks.
fn append(to: &mut BufWriter<File>, name: &str, contents: &[u8]) -> Result<()> {
    let mut header = [0u8; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..][..text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
    put(124, format!("{:011o}\0", contents.len()).as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..][..8].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    to.write_all(&header)?;
    to.write_all(contents)?;
    to.write_all(&[0; BLOCK][..contents.len().next_multiple_of(BLOCK) - contents.len()])?;
    Ok(())
}

fn end(mut to: BufWriter<File>) -> Result<()> {
    to.write_all(&[0; 2 * BLOCK])?;
    to.into_inner()?.sync_all()?;
    Ok(())
}
