//! What a run may have under way in a store, and what it took from there: words, JSON and facts of a page.

use std::io::{self, Write};

use serde_json::{Value, json};
use tallow::{StoreLimits, StoreUse};

use super::Run;
use crate::terminal::words::{bytes, count, counted, one_line};

/// What may be under way, and what is kept.
pub(crate) fn limits(of: &StoreLimits) -> String {
    let asked = counted(of.requests as u64, "request");
    let kept = match &of.cache {
        Some((folder, most)) => {
            format!("at most {} kept in {}", bytes(*most), one_line(&folder.display().to_string()))
        }
        None => "nothing kept on the disk".to_owned(),
    };
    format!("at most {} in {asked} under way, {kept}", bytes(of.bytes))
}

/// What came, and what had to be asked for more than once.
pub(crate) fn used(of: &StoreUse) -> String {
    let each = of.bytes_fetched.checked_div(of.requests).unwrap_or_default();
    let asked = counted(of.requests, "request");
    let mut words = vec![format!("{} in {asked} of {}", bytes(of.bytes_fetched), bytes(each))];
    let more = [
        (of.retries, format!("{} sent again", count(of.retries))),
        (of.hedges, format!("{} sent twice", count(of.hedges))),
        (of.bytes_cached, format!("{} from the disk", bytes(of.bytes_cached))),
        (of.bytes_unread, format!("{} dropped unread", bytes(of.bytes_unread))),
    ];
    words.extend(more.into_iter().filter(|(found, _)| *found > 0).map(|(_, words)| words));
    words.join(", ")
}

/// A line of what came; nothing if the samples lie in no store.
pub(crate) fn write(out: &mut dyn Write, report: &Run) -> io::Result<()> {
    match &report.loader.store {
        Some(of) => writeln!(out, "store     {}", used(of)),
        None => Ok(()),
    }
}

/// The limits for machines.
pub(crate) fn limits_json(of: &StoreLimits) -> Value {
    let cache = of.cache.as_ref();
    json!({
        "bytes_in_flight_max": of.bytes,
        "requests_in_flight_max": of.requests,
        "cache_folder": cache.map(|(folder, _)| folder.display().to_string()),
        "cache_bytes_max": cache.map(|(_, most)| most),
    })
}

/// Limits and use; `None` if the samples lie in no store.
pub(crate) fn json(report: &Run) -> Option<Value> {
    let (limits, used) = (report.plan.store()?, report.loader.store?);
    let mut all = limits_json(limits);
    let counts = [
        ("requests", used.requests),
        ("retries", used.retries),
        ("hedges", used.hedges),
        ("bytes_fetched", used.bytes_fetched),
        ("bytes_unread", used.bytes_unread),
        ("bytes_cached", used.bytes_cached),
    ];
    counts.into_iter().for_each(|(name, count)| all[name] = count.into());
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_did_not_happen_is_not_told() {
        let mut of = StoreUse::default();
        of.requests = 4;
        of.bytes_fetched = 8000;
        assert_eq!(used(&of), "8.00 kB in 4 requests of 2.00 kB");
        of.retries = 1;
        of.bytes_cached = 3000;
        assert_eq!(
            used(&of),
            "8.00 kB in 4 requests of 2.00 kB, 1 sent again, 3.00 kB from the disk"
        );
        assert_eq!(used(&StoreUse::default()), "0 B in 0 requests of 0 B");
    }
}
