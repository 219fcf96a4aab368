//! What documents were packed into, in every report: words and JSON.

use std::io::{self, Write};

use serde_json::{Value, json};
use tallow::PackStats;

use crate::html::{Section, table};
use crate::terminal::words::{count, one_line};

/// The rows that the documents of one source were packed into.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(crate) name: String,
    pub(crate) stats: PackStats,
}

impl Packed {
    fn to_json(&self) -> Value {
        let Self { name, stats } = self;
        json!({
            "source": name,
            "rows": stats.rows,
            "length": stats.length,
            "documents": stats.documents,
            "tokens": stats.tokens,
            "padding_share": stats.padding_share(),
            "divided": stats.divided,
            "divided_share": stats.divided_share(),
            "longer": stats.longer,
            "cut_tokens": stats.cut,
            "most_in_a_row": stats.most_in_a_row,
        })
    }
}

/// A line for each source; nothing if there was nothing to pack.
pub(crate) fn write(out: &mut dyn Write, packed: &[Packed]) -> io::Result<()> {
    for (number, Packed { name, stats }) in packed.iter().enumerate() {
        let head = if number == 0 { "packed   " } else { "         " };
        match packed {
            [_] => writeln!(out, "{head} {stats}")?,
            _ => writeln!(out, "{head} {}: {stats}", one_line(name))?,
        }
    }
    Ok(())
}

pub(crate) fn json(packed: &[Packed]) -> Value {
    packed.iter().map(Packed::to_json).collect()
}

/// How well documents were packed, as a table; nothing if there was nothing to pack.
pub(crate) fn section(packed: &[Packed]) -> Option<Section> {
    if packed.is_empty() {
        return None;
    }
    let percent = |share: f64| format!("{:.2}%", share * 100.0);
    let row = |Packed { name, stats }: &Packed| {
        vec![
            one_line(name),
            count(stats.documents as u64),
            count(stats.rows as u64),
            count(stats.length as u64),
            percent(stats.padding_share()),
            percent(stats.divided_share()),
        ]
    };
    let rows: Vec<Vec<String>> = packed.iter().map(row).collect();
    let names = ["source", "documents", "rows", "tokens per row", "padding", "divided"];
    let lead = "Documents in rows of one length. Padding is the share of tokens of rows that are of no \
                document; divided are documents of which several rows have a part.";
    Some(Section {
        title: "Packed documents".to_owned(),
        lead: lead.to_owned(),
        body: table(&names, &rows),
    })
}
