//! Pictures that are to a decoder what photos are: smooth areas, textures, edges and noise, about as
//! many bits per pixel, and things of known classes in them.

use tallow::{Draws, Key, Purpose, Stream};

/// A picture, and the class of what is at each pixel.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Photo {
    pub(crate) height: usize,
    pub(crate) width: usize,
    /// Red, green and blue of each pixel, row by row.
    pub(crate) pixels: Vec<u8>,
    /// 0 for the background, otherwise a class from 1.
    pub(crate) classes: Vec<u8>,
}

/// The classes of things, besides the background.
pub(crate) const CLASSES: u8 = 20;

/// Planes are in this part of a level, so that a sum of many small waves is not rounded away.
const PER_LEVEL: i32 = 32;

/// The coarse waves of a plane: the logarithm of their length in pixels, and their height. Their
/// heights fall with their length, as the spectrum of photos does.
const COARSE: [(u32, i32); 4] = [(8, 16), (7, 13), (6, 10), (5, 7)];

/// The fine waves, which are stronger in rough areas and absent in smooth ones.
const FINE: [(u32, i32); 4] = [(4, 7), (3, 8), (2, 9), (1, 9)];

/// Waves of colour, which are weaker than those of brightness.
const COLOUR: [(u32, i32); 2] = [(7, 5), (6, 3)];

/// The most that the noise of the sensor adds or takes away, in levels.
const NOISE: i32 = 5;

/// Draws photos from a seed.
#[derive(Debug)]
pub(crate) struct Camera {
    key: Key,
    scenes: Stream,
}

impl Camera {
    pub(crate) fn new(seed: u64) -> Self {
        Self { key: Key::new(seed, 0), scenes: Stream::new("gen photo", 0, Purpose::Data) }
    }

    /// Photo `index`. All things in it are of class `class`, or each of a class of its own.
    pub(crate) fn photo(&self, index: usize, size: [usize; 2], class: Option<u8>) -> Photo {
        let [height, width] = size;
        let mut draws = self.key.draws(self.scenes, index as u64);
        let count = 3 + draws.below(5);
        let mut things: Vec<Thing> =
            (0..count).map(|_| Thing::random(&mut draws, size, class)).collect();
        things[0].class = class.unwrap_or(0);
        let at = placed(&things, size);
        let luma = waves(&COARSE, size, &mut draws);
        let detail = waves(&FINE, size, &mut draws);
        let chroma = [0, 1].map(|_| waves(&COLOUR, size, &mut draws));
        let mut noise = Noise { draws, left: [0; 4], next: 4 };
        let mut pixels = Vec::with_capacity(3 * height * width);
        for (pixel, &thing) in at.iter().enumerate() {
            let thing = &things[usize::from(thing)];
            let detail = detail[pixel] * thing.roughness / ROUGHNESS_MAX;
            let level = (luma[pixel] + detail) / PER_LEVEL + thing.luma + noise.next();
            let [blue, red] = [0, 1].map(|at| chroma[at][pixel] / PER_LEVEL + thing.chroma[at]);
            pixels.extend(rgb(level, blue, red));
        }
        let classes = at.iter().map(|&thing| things[usize::from(thing)].class).collect();
        Photo { height, width, pixels, classes }
    }
}

/// An ellipse with a colour, a texture and a class; the first of a photo is its background.
#[derive(Debug)]
struct Thing {
    class: u8,
    centre: [i64; 2],
    radii: [i64; 2],
    luma: i32,
    chroma: [i32; 2],
    roughness: i32,
}

const ROUGHNESS_MAX: i32 = 8;

impl Thing {
    fn random(draws: &mut Draws, size: [usize; 2], class: Option<u8>) -> Self {
        let centre = size.map(|len| draws.below(len as u64) as i64);
        let radii = size.map(|len| 2 + draws.below(len as u64 / 3 + 1) as i64);
        let drawn = 1 + draws.below(u64::from(CLASSES)) as u8;
        let class = class.unwrap_or(drawn);
        // Classes differ in colour, so that a network has something to learn.
        let colour = |step: i32| (i32::from(class) * step) % 96 - 48;
        Self {
            class,
            centre,
            radii,
            luma: 70 + draws.below(116) as i32,
            chroma: [colour(37), colour(59)],
            roughness: draws.below(ROUGHNESS_MAX as u64 + 1) as i32,
        }
    }

    /// The columns of row `y` that it covers.
    fn columns(&self, y: usize, width: usize) -> std::ops::Range<usize> {
        let [centre_y, centre_x] = self.centre;
        let [height, half] = self.radii;
        let away = (y as i64 - centre_y).abs();
        if away > height {
            return 0..0;
        }
        let across = (half * half * (height * height - away * away)).isqrt() / height;
        (centre_x - across).max(0) as usize..(centre_x + across).clamp(0, width as i64) as usize
    }
}

/// The number of the thing that is in front at each pixel.
fn placed(things: &[Thing], [height, width]: [usize; 2]) -> Vec<u8> {
    let mut at = vec![0; height * width];
    for (number, thing) in things.iter().enumerate().skip(1) {
        for (y, row) in at.chunks_exact_mut(width).enumerate() {
            row[thing.columns(y, width)].fill(number as u8);
        }
    }
    at
}

/// A sum of waves, each of which goes straight from one random number of a grid to the next. Only
/// whole numbers are used, so that every machine gets the same.
fn waves(waves: &[(u32, i32)], [height, width]: [usize; 2], draws: &mut Draws) -> Vec<i32> {
    let mut plane = vec![0; height * width];
    for &(log, gain) in waves {
        let (cell, columns) = (1 << log, (width >> log) + 2);
        let mut bytes = Noise { draws: draws.clone(), left: [0; 4], next: 4 };
        let mut line = || -> Vec<i32> { (0..columns).map(|_| bytes.byte()).collect() };
        let (mut top, mut bottom) = (line(), line());
        for (y, row) in plane.chunks_exact_mut(width).enumerate() {
            let down = (y as i32) & (cell - 1);
            if down == 0 && y > 0 {
                top = std::mem::replace(&mut bottom, line());
            }
            let between = |column: usize| top[column] * (cell - down) + bottom[column] * down;
            for (column, run) in row.chunks_mut(cell as usize).enumerate() {
                let (left, right) = (between(column), between(column + 1));
                for (across, value) in run.iter_mut().enumerate() {
                    let across = across as i32;
                    *value += ((left * (cell - across) + right * across) * gain) >> (2 * log);
                }
            }
        }
        *draws = bytes.draws;
    }
    plane
}

/// Random bytes, four from each number.
struct Noise {
    draws: Draws,
    left: [u8; 4],
    next: usize,
}

impl Noise {
    /// From -128 to 127.
    fn byte(&mut self) -> i32 {
        if self.next == self.left.len() {
            (self.left, self.next) = (self.draws.next_u32().to_le_bytes(), 0);
        }
        self.next += 1;
        i32::from(self.left[self.next - 1]) - 128
    }

    /// Noise of one pixel, in levels.
    fn next(&mut self) -> i32 {
        self.byte() * (2 * NOISE + 1) / 256
    }
}

/// A pixel from its luma and its differences of blue and of red, as JFIF has it.
fn rgb(luma: i32, blue: i32, red: i32) -> [u8; 3] {
    let of = |value: i32| value.clamp(0, 255) as u8;
    [
        of(luma + ((359 * red) >> 8)),
        of(luma - ((88 * blue + 183 * red) >> 8)),
        of(luma + ((454 * blue) >> 8)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_a_function_of_seed_and_index() {
        let photo = |seed, index| Camera::new(seed).photo(index, [40, 50], None);
        assert_eq!(photo(1, 2), photo(1, 2));
        assert_ne!(photo(1, 2), photo(1, 3));
        assert_ne!(photo(1, 2), photo(2, 2));
        let classes: std::collections::HashSet<u8> = photo(1, 2).classes.into_iter().collect();
        assert!(classes.contains(&0) && classes.len() > 1, "{classes:?}");
        assert!(classes.iter().all(|&class| class <= CLASSES), "{classes:?}");
    }

    #[test]
    fn every_size_can_be_drawn() {
        for size in [[1, 1], [1, 300], [257, 2], [64, 64]] {
            let photo = Camera::new(0).photo(0, size, Some(3));
            assert_eq!(photo.pixels.len(), 3 * size[0] * size[1]);
            assert!(photo.classes.iter().all(|&class| class == 3));
        }
    }

    #[test]
    fn photos_are_neither_flat_nor_noise() {
        let photo = Camera::new(0).photo(1, [256, 256], None);
        let green: Vec<i32> = photo.pixels.iter().skip(1).step_by(3).map(|&g| g.into()).collect();
        let mean = green.iter().sum::<i32>() / green.len() as i32;
        let spread = green.iter().map(|g| (g - mean).abs()).sum::<i32>() / green.len() as i32;
        let step = green.windows(2).map(|two| (two[0] - two[1]).abs()).sum::<i32>();
        let step = step / green.len() as i32;
        assert!((12..80).contains(&spread) && (1..spread / 2).contains(&step), "{spread} {step}");
    }
}
