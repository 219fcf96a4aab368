//! How many cores there are for a loader.

/// Cores that this process may use.
pub(crate) fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Cores that the machine has; those that this process may use where the system does not say.
pub(crate) fn of_machine() -> usize {
    let listed = std::fs::read_to_string("/sys/devices/system/cpu/online").ok();
    listed.and_then(|list| count(list.trim())).unwrap_or(0).max(available())
}

/// How many numbers a list of Linux has, like `0-3,8`.
fn count(list: &str) -> Option<usize> {
    list.split(',')
        .map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            last.checked_sub(first)?.checked_add(1)
        })
        .try_fold(0usize, |sum, part| sum.checked_add(part?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_counted() {
        assert_eq!(["0", "0-3", "0-3,8,10-11"].map(count), [Some(1), Some(4), Some(7)]);
        assert_eq!(["", "3-0", "0-18446744073709551615", "x"].map(count), [None; 4]);
        assert!(of_machine() >= available());
    }
}
