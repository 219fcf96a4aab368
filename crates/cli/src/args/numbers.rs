//! Numbers on the command line: counts, shares, times and sizes.

use std::time::Duration;

pub(super) fn parse_positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("expected at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("expected a whole number".to_owned()),
    }
}

/// Milliseconds, with a fraction if needed. More than an hour is a typing error.
pub(super) fn parse_step(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms @ 0.0..=3.6e6) => Ok(Duration::from_secs_f64(ms / 1e3)),
        _ => Err("expected milliseconds from 0 to 3600000".to_owned()),
    }
}

pub(super) fn parse_share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if share > 0.0 && share <= 1.0 => Ok(share),
        _ => Err("expected a share above 0, up to 1".to_owned()),
    }
}

/// Bytes, in the units of the reports.
pub(super) fn parse_size(text: &str) -> Result<usize, String> {
    const UNITS: [(&str, f64); 5] =
        [("kB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1.0)];
    let unit = UNITS.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = unit.unwrap_or((text, 1.0));
    match number.trim_end().parse::<f64>() {
        Ok(number) if (0.0..=1e15).contains(&(number * bytes)) => Ok((number * bytes) as usize),
        _ => Err("expected a size like 800MB or 24GB".to_owned()),
    }
}
