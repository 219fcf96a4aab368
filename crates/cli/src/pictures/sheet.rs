//! Lines of pictures with captions: the layout of a preview.

use crate::pictures::picture::{Colour, LETTER, Picture};

/// A picture and its caption.
#[derive(Debug)]
pub(crate) struct Shot {
    pub(crate) picture: Picture,
    pub(crate) caption: Vec<String>,
}

/// A title, and lines of pictures side by side.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) title: Vec<String>,
    /// The most pixels per side of a picture; smaller ones are enlarged towards it.
    pub(crate) side: usize,
    pub(crate) lines: Vec<Vec<Shot>>,
}

/// A caption has room for at least this many letters.
const LETTERS_MIN: usize = 18;
const GAP: usize = 8;
/// Neither black nor white, so that the border of a picture is visible.
const PAPER: Colour = [228, 228, 222];
/// From one line of text to the next.
const LEADING: usize = LETTER + 2;
/// 768 MiB while the picture is made.
const PIXELS_MAX: usize = 1 << 28;

impl Sheet {
    /// The sheet as one picture.
    ///
    /// # Errors
    ///
    /// A message, if it would be larger than anyone looks at.
    pub(crate) fn draw(mut self) -> Result<Picture, String> {
        self.lines.iter_mut().for_each(|line| enlarge(line, self.side));
        let shots = || self.lines.iter().flatten();
        let cell = shots().map(|shot| shot.picture.width()).max().unwrap_or(0);
        let cell = cell.max(LETTERS_MIN * LETTER);
        for caption in self.lines.iter_mut().flatten().map(|shot| &mut shot.caption) {
            *caption = wrapped(caption, cell / LETTER);
        }
        let columns = self.lines.iter().map(Vec::len).max().unwrap_or(0);
        let width = GAP + columns * (cell + GAP);
        let title = wrapped(&self.title, (width - 2 * GAP) / LETTER);
        let top = 2 * GAP + title.len() * LEADING;
        let height = top + self.lines.iter().map(|line| line_height(line)).sum::<usize>();
        if width.saturating_mul(height) > PIXELS_MAX {
            return Err(format!("a picture of {width}x{height} pixels is too large"));
        }
        let mut sheet = Picture::filled(width, height, PAPER);
        write_lines(&mut sheet, &title, GAP, GAP);
        let mut y = top;
        for line in &self.lines {
            for (column, shot) in line.iter().enumerate() {
                let x = GAP + column * (cell + GAP);
                sheet.paste(&shot.picture, x, y);
                write_lines(&mut sheet, &shot.caption, x, y + shot.picture.height() + GAP / 2);
            }
            y += line_height(line);
        }
        Ok(sheet)
    }
}

/// Enlarges all pictures of a line by the same factor, as far as the largest has room.
fn enlarge(line: &mut [Shot], side: usize) {
    let sides = line.iter().map(|shot| shot.picture.width().max(shot.picture.height()));
    let times = side / sides.max().unwrap_or(side).max(1);
    if times <= 1 {
        return;
    }
    line.iter_mut().for_each(|shot| shot.picture = shot.picture.enlarged(times));
}

fn line_height(line: &[Shot]) -> usize {
    let height = |shot: &Shot| shot.picture.height() + GAP / 2 + shot.caption.len() * LEADING;
    line.iter().map(height).max().unwrap_or(0) + GAP
}

fn write_lines(sheet: &mut Picture, lines: &[String], x: usize, y: usize) {
    for (i, line) in lines.iter().enumerate() {
        sheet.write(line, x, y + i * LEADING);
    }
}

/// Lines of at most `letters` letters, broken between words if possible.
fn wrapped(lines: &[String], letters: usize) -> Vec<String> {
    let mut wrapped = Vec::new();
    for line in lines {
        let mut rest: Vec<char> = line.chars().collect();
        while rest.len() > letters {
            let blank = rest[..=letters].iter().rposition(|&letter| letter == ' ');
            let end = blank.filter(|&end| end > 0).unwrap_or(letters);
            wrapped.push(rest.drain(..end).collect());
            // The blank ends the line, and the continuation is indented.
            let blanks = rest.iter().take_while(|&&letter| letter == ' ').count();
            rest.splice(..blanks, [' ']);
        }
        wrapped.push(rest.into_iter().collect());
    }
    wrapped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pictures::picture::BLACK;

    const SIDE: usize = 256;

    fn shot(width: usize, height: usize) -> Shot {
        Shot { picture: Picture::filled(width, height, BLACK), caption: vec!["x".to_owned()] }
    }

    #[test]
    fn lines_break_between_words() {
        let of = |text: &str| wrapped(&[text.to_owned()], 6);
        assert_eq!(of("short"), ["short"]);
        assert_eq!(of("two words"), ["two", " words"]);
        assert_eq!(of("unbroken"), ["unbrok", " en"]);
        assert_eq!(of("abcdef ghijkl mn"), ["abcdef", " ghijk", " l mn"]);
    }

    #[test]
    fn pictures_of_a_line_keep_their_proportions() {
        let sheet = Sheet { title: vec![], side: SIDE, lines: vec![vec![shot(8, 8), shot(4, 8)]] };
        let sheet = sheet.draw().unwrap();
        let black = |y: usize| (0..sheet.width()).filter(|&x| sheet.at(x, y) == BLACK).count();
        assert_eq!(black(2 * GAP), 256 + 128);
    }

    #[test]
    fn a_sheet_too_large_is_refused() {
        let lines = (0..120).map(|_| (0..100).map(|_| shot(1, 256)).collect()).collect();
        assert!(
            Sheet { title: vec![], side: SIDE, lines }.draw().unwrap_err().contains("too large")
        );
    }
}
