//! The result of `stats` as data, and views of it: [`human`] for text, [`json`], and [`html`] for a page.

pub(crate) mod html;
pub(crate) mod human;
pub(crate) mod json;

use tallow::{ChannelStatistics, ClassCount, FieldStatistics, Layout, Lengths, Statistics};

use crate::data::numbers::short;
use crate::loading::augment::Augmented;
use crate::terminal::words::{count, counted, one_line};

/// What was found, and in what.
#[derive(Debug)]
pub(crate) struct Stats {
    pub(crate) source: String,
    pub(crate) augmented: Option<Augmented>,
    pub(crate) found: Statistics,
}

/// The head of the table of channels.
const HEAD: [&str; 6] = ["channel", "numbers", "least", "greatest", "mean", "deviation"];

impl Stats {
    /// The rows of the table of channels, one for each channel of each field.
    fn rows(&self) -> Vec<Vec<String>> {
        let fields = self.found.fields().iter();
        fields
            .flat_map(|of| of.channels().iter().enumerate().map(|(at, c)| row(of, at, c)))
            .collect()
    }

    /// What `--augment` takes, for each field of images.
    fn normalizations(&self) -> Vec<(String, String)> {
        let fields = self.found.fields().iter();
        fields.filter_map(|of| Some((one_line(of.field().name()), normalization(of)?))).collect()
    }
}

fn row(of: &FieldStatistics, at: usize, channel: &ChannelStatistics) -> Vec<String> {
    let name = one_line(of.field().name());
    let name = if of.channels().len() > 1 { format!("{name} {at}") } else { name };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), short);
    let mut numbers = count(channel.count());
    for (what, number) in [("NaN", channel.nan()), ("infinite", channel.infinite())] {
        if number > 0 {
            numbers += &format!(" + {} {what}", count(number));
        }
    }
    let (least, greatest) = channel.range().unzip();
    vec![
        name,
        numbers,
        number(least),
        number(greatest),
        number(channel.mean()),
        number(channel.deviation()),
    ]
}

/// The step that makes mean and deviation of a field of images 0 and 1; none for other fields, and where
/// a channel is constant.
fn normalization(of: &FieldStatistics) -> Option<String> {
    let is_image = Layout::of(of.field()).is_ok_and(|layout| layout.rank() > 1);
    let (mean, deviation) = of.normalization().filter(|_| is_image)?;
    if deviation.contains(&0.0) {
        return None;
    }
    let ends = of.channels().iter().filter_map(ChannelStatistics::range);
    let (least, greatest) = ends
        .reduce(|(least, greatest), (low, high)| (least.min(low), greatest.max(high)))
        .map(|(least, greatest)| (least / of.white(), greatest / of.white()))?;
    let list = |values: &[f64]| {
        let values: Vec<String> = values.iter().map(|&value| digits(value)).collect();
        format!("[{}]", values.join(","))
    };
    // Floats are expected to be 0 to 1 unless the chain says what they are.
    let range = match least < 0.0 || greatest > 1.0 {
        true => format!("range({},{}) ", short(least), short(greatest)),
        false => String::new(),
    };
    Some(format!("{range}normalize({},{})", list(&mean), list(&deviation)))
}

/// Six digits after the point, or as many digits of a number that is small.
fn digits(value: f64) -> String {
    match value.abs() < 1e-3 {
        true => short(value),
        false => format!("{value:.6}").trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

/// How long samples are, in words.
fn lengths(of: &FieldStatistics, lengths: &Lengths) -> String {
    let Lengths { axis, min, max, mean, .. } = lengths;
    let name = one_line(of.field().name());
    format!("{name}, axis {axis}: {min} to {max}, mean {}", short(*mean))
}

/// A class by its name, or its number.
fn class(of: &ClassCount) -> String {
    of.name.as_ref().map_or_else(|| of.class.to_string(), |name| one_line(name))
}

/// How many classes there are and how even they are, in words.
fn classes(of: &FieldStatistics) -> Option<String> {
    let rarest = of.classes().iter().min_by_key(|class| class.count)?;
    let most = of.classes().iter().rev().max_by_key(|class| class.count)?;
    let name = one_line(of.field().name());
    let mut said = format!(
        "{name}: {}, from {} of {} to {} of {}",
        counted_classes(of.classes().len()),
        count(rarest.count),
        class(rarest),
        count(most.count),
        class(most),
    );
    if of.unlisted() > 0 {
        said += &format!("; {} with other numbers", counted(of.unlisted(), "sample"));
    }
    Some(said)
}

fn counted_classes(classes: usize) -> String {
    crate::terminal::words::counted_as(classes as u64, "class", "classes")
}
