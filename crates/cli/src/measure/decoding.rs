//! How large the pictures of a source are, and how long one takes to decode.

use std::time::{Duration, Instant};

use tallow::{RowBuffer, Source};

use crate::data::pixels::{self, Pixels};
use crate::report::Pictures;

/// The pictures of one field, as some samples showed them.
#[derive(Debug)]
pub(crate) struct Decoding {
    pub(crate) pictures: Pictures,
    /// How many were decoded wholly.
    pub(crate) samples: usize,
    /// Of the picture in the middle.
    pub(crate) pixels: usize,
    pub(crate) time: Duration,
}

/// Enough for a median.
const SAMPLES_MAX: usize = 64;

/// Large pictures take long, and a few of them tell enough.
const TIME_MAX: Duration = Duration::from_millis(500);

/// Decodes pictures of the first field that has some, one after the other, spread over the source.
/// `None` if there is no such field, or none of them can be read.
pub(crate) fn measure(source: &dyn Source) -> Option<Decoding> {
    let (at, field) = pixels::pictures(source.schema()).next()?;
    let mut pictures = Pictures::new(field.name());
    let mut buffer = RowBuffer::new(source.schema()).ok()?;
    let decoders = Pixels::default();
    let (mut sizes, mut times) = (Vec::new(), Vec::new());
    let samples = source.len().min(SAMPLES_MAX);
    let begin = Instant::now();
    for step in 0..samples {
        if begin.elapsed() > TIME_MAX {
            break;
        }
        // In `u128`, so that the product cannot overflow.
        let index = (step as u128 * source.len() as u128 / samples as u128) as usize;
        let read = source.read(index, &mut buffer.row(None)).and_then(|()| buffer.finish());
        let Ok(()) = read else { continue };
        let start = Instant::now();
        let decoded = decoders.decode(buffer.view(), at, |head, _| {
            pictures.add(head);
            head.stored_size().iter().product::<usize>()
        });
        if let Ok(Some(pixels)) = decoded {
            times.push(start.elapsed());
            sizes.push(pixels);
        }
    }
    let samples = times.len();
    Some(Decoding { pictures, samples, pixels: middle(sizes)?, time: middle(times)? })
}

fn middle<T: Ord + Copy>(mut values: Vec<T>) -> Option<T> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_one_of_the_values() {
        assert_eq!(middle(vec![9, 1, 5]), Some(5));
        assert_eq!(middle(vec![9, 1]), Some(9));
        assert_eq!(middle(Vec::<u8>::new()), None);
    }
}
