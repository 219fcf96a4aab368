use std::sync::Arc;

use tallow_core::{BatchTable, Batching, Order};

use super::Course;
use crate::user_code::{catch, discard};
use crate::{Error, ErrorKind, Result};

/// The order of epoch `epoch` and how it is cut into batches: it must have as many positions and the batches that
/// the sampler promised.
pub(super) fn make(course: &Course, epoch: u64) -> Result<(Arc<dyn Order>, Batching)> {
    let make = || {
        let order = course.sampler.order(&course.population, course.seed, epoch)?;
        Ok::<_, tallow_core::Error>((order.len(), order.batches(), order))
    };
    let (found, table, order) = catch(make).map_err(|text| {
        let message = format!("{text:?} in the sampler, over epoch {epoch}");
        Error::new(ErrorKind::Panic, message)
    })??;
    let expected = course.positions;
    let problem = if found == expected {
        other_table(course.batching.table(), table.as_ref())
    } else {
        let message = format!(
            "an order of {found} positions, expected the {expected} that the sampler promised"
        );
        Some(message)
    };
    if let Some(message) = problem {
        discard(order);
        return Err(Error::new(ErrorKind::Config, message));
    }
    let batching = course.batching.clone();
    let batching = table.into_iter().fold(batching, Batching::with_table);
    Ok((order, batching))
}

/// How the batches of an epoch differ from those that the sampler promised, for which the memory is
/// planned.
fn other_table(planned: Option<&BatchTable>, found: Option<&BatchTable>) -> Option<String> {
    let sizes = |table: &BatchTable| {
        (table.len(), table.positions(), table.rows_max(), table.elements_max())
    };
    let (expected, found) = (planned.map(sizes), found.map(sizes));
    if expected == found {
        return None;
    }
    let words = |sizes: Option<(usize, usize, usize, usize)>| match sizes {
        None => "no batches of its own".to_owned(),
        Some((batches, positions, rows, elements)) => format!(
            "{batches} batches of {positions} positions with at most {rows} rows and {elements} elements"
        ),
    };
    let (found, expected) = (words(found), words(expected));
    Some(format!("an order with {found}, expected {expected}, as the sampler promised"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_table_than_the_sampler_promised_is_told_in_words() {
        let table = |batches: &[(usize, u32)]| BatchTable::new(batches.iter().copied()).unwrap();
        let planned = table(&[(2, 9), (3, 4)]);
        assert_eq!(other_table(Some(&planned), Some(&table(&[(3, 4), (2, 9)]))), None);
        assert_eq!(other_table(None, None), None);
        let longer = other_table(Some(&planned), Some(&table(&[(3, 4), (2, 10)]))).unwrap();
        assert!(longer.contains("and 20 elements, expected 2 batches of 5 positions"), "{longer}");
        let none = other_table(Some(&planned), None).unwrap();
        assert!(none.starts_with("an order with no batches of its own, expected 2"), "{none}");
    }
}
