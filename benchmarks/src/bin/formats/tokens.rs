//! Windows of tokens beside copies of the same windows.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use tallow::TokenFiles;
use tallow::prelude::*;

use super::{Options, Result, Side, bare, by_turns, loaded, sets};

const LENGTH: usize = 1024;
/// Bytes of a stored token, and of one that is delivered.
const STORED: usize = 2;
const DELIVERED: usize = 4;
/// What is delivered of a window: the input and the target.
const ROW: usize = 2 * LENGTH * DELIVERED;

pub(super) fn measure(options: &Options) -> Result<()> {
    let path = sets::tokens(&options.folder)?;
    let builder = TokenFiles::builder([&path]).length(LENGTH);
    let (source, held) = (builder.clone().open()?, builder.in_memory(1 << 30).open()?);
    let order = bare::shuffled(source.len())?;
    let (file, stored) = (File::open(&path)?, fs::read(&path)?);
    let mut wide = vec![0; stored.len() * (DELIVERED / STORED)];
    widen(&stored, &mut wide);
    let copy = || {
        bare::rate(&order, ROW, |window, row| {
            let (input, target) = row.split_at_mut(ROW / 2);
            let at = window * LENGTH * DELIVERED;
            input.copy_from_slice(&wide[at..][..ROW / 2]);
            target.copy_from_slice(&wide[at + DELIVERED..][..ROW / 2]);
            Ok(())
        })
    };
    let widened = || {
        bare::rate(&order, ROW, |window, row| {
            split(&stored[window * LENGTH * STORED..][..(LENGTH + 1) * STORED], row);
            Ok(())
        })
    };
    let read = |looks: bool| {
        let (order, file) = (&order, &file);
        move || {
            bare::rate(order, ROW, |window, row| {
                let mut stored = [0; (LENGTH + 1) * STORED];
                file.read_exact_at(&mut stored, (window * LENGTH * STORED) as u64)?;
                split(&stored, row);
                if looks { file.metadata().map(drop) } else { Ok(()) }
            })
        }
    };
    let sides: Vec<Side<'_>> = vec![
        loaded("tallow, windows held in memory", held)?,
        loaded("tallow, windows of the file", source)?,
        ("copied, as they are delivered".to_owned(), Box::new(copy)),
        ("copied, widened on the way".to_owned(), Box::new(widened)),
        ("bare, read and widened".to_owned(), Box::new(read(false))),
        ("bare, read, widened and looked at".to_owned(), Box::new(read(true))),
    ];
    let rounds = by_turns(options.rounds, sides)?;
    rounds.told("windows held in memory / copied", 0, 2, 0.8);
    rounds.told("windows of the file / copied", 1, 2, 0.8);
    rounds.told("the same reads in a loop / copied", 4, 2, 0.8);
    rounds.told("windows of the file / the same reads in a loop", 1, 4, 0.8);
    Ok(())
}

/// A stored window as the two fields of a row.
fn split(stored: &[u8], row: &mut [u8]) {
    let (input, target) = row.split_at_mut(ROW / 2);
    widen(&stored[..LENGTH * STORED], input);
    widen(&stored[STORED..], target);
}

fn widen(stored: &[u8], to: &mut [u8]) {
    let (stored, _) = stored.as_chunks::<STORED>();
    let (to, _) = to.as_chunks_mut::<DELIVERED>();
    for (token, to) in stored.iter().zip(to) {
        *to = u32::from(u16::from_le_bytes(*token)).to_le_bytes();
    }
}
