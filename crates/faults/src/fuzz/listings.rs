//! Files of listings of stores, some of them damaged: opened, saved and opened again.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use tallow::StoreListing;

use super::{Target, words};
use crate::dice::{Dice, scramble};

pub(super) struct Listings;

/// Parts of names, some of which begin alike.
const PARTS: [&str; 12] = [
    "a",
    "a b",
    "ab",
    "abc",
    "train",
    "train-0",
    "\u{e9}",
    "0",
    "1",
    "\u{1f600}",
    "x.npy",
    "x.png",
];
/// Parts that make a name an error.
const WRONG: [&str; 5] = ["", "..", ".", "\r", "a\tb"];

/// The file of a case, and beside it the same again if nothing is wrong with it.
const FILE: &str = "listing";
const RIGHT: &str = "right";

impl Target for Listings {
    fn make(&self, dice: &mut Dice, dir: &Path) -> io::Result<()> {
        let (mut is_right, mut names) = (true, BTreeSet::new());
        for _ in 0..1 + dice.below(60) {
            let mut parts: Vec<&str> = (0..1 + dice.below(4)).map(|_| *dice.pick(&PARTS)).collect();
            if dice.one_in(400) {
                parts.push(*dice.pick(&WRONG));
                is_right = false;
            }
            names.insert(parts.join("/"));
        }
        let mut names: Vec<String> = names.into_iter().collect();
        if dice.one_in(20) {
            let before = names.clone();
            dice.shuffle(&mut names);
            is_right &= names == before;
        }
        let mut text =
            format!("tallow-listing-1\t{}\thttp://host/{}\n", names.len(), dice.below(9));
        for name in &names {
            let tag = match dice.below(3) {
                0 => "-".to_owned(),
                1 => format!("\"{:x}\"", dice.below(1 << 30)),
                _ => format!("W/\"{}\"", dice.below(1 << 30)),
            };
            let _ = writeln!(text, "{}\t{tag}\t{name}", dice.below(1 << 40));
        }
        let mut bytes = text.into_bytes();
        if dice.one_in(2) {
            (0..1 + dice.below(3)).for_each(|_| scramble(&mut bytes, dice));
            is_right = false;
        }
        if is_right {
            fs::write(dir.join(RIGHT), &bytes)?;
        }
        fs::write(dir.join(FILE), bytes)
    }

    fn run(&self, dir: &Path) -> Result<usize, String> {
        let right = fs::read(dir.join(RIGHT)).ok();
        let Some(saved) = save_again(&dir.join(FILE), &dir.join("saved"))? else {
            return match right {
                Some(_) => Err("a right listing was refused".to_owned()),
                None => Ok(0),
            };
        };
        if right.is_some_and(|right| right != saved) {
            return Err("a right listing was saved otherwise".to_owned());
        }
        match save_again(&dir.join("saved"), &dir.join("again"))? {
            Some(again) if again == saved => Ok(0),
            _ => Err("a saved listing is another one when it is read".to_owned()),
        }
    }
}

/// What is saved of a listing that can be opened.
fn save_again(file: &Path, to: &Path) -> Result<Option<Vec<u8>>, String> {
    let listing = match StoreListing::open(file) {
        Ok(listing) => listing,
        Err(error) => return words::check(&error.to_string()).map(|()| None),
    };
    listing.save(to).map_err(|error| error.to_string())?;
    fs::read(to).map(Some).map_err(|error| error.to_string())
}
