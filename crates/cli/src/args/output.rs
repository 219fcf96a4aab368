//! The options that say what a report is written as.

use std::path::PathBuf;

use clap::Args as Flags;

#[derive(Debug, Flags)]
pub(crate) struct JsonArgs {
    /// Print one JSON object with the version, all settings and the results
    #[arg(long, help_heading = "Output")]
    pub(crate) json: bool,
}

#[derive(Debug, Flags)]
pub(crate) struct HtmlArgs {
    /// Also write the report as an HTML page with charts, in one self-contained file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) html: Option<PathBuf>,
}
