//! What the SOURCEs on the command line refer to: one, or several that go together.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow::{Found, Source, SourceError, SourceExt as _, SourceResult, concat};

use super::place::{self, Opened};
use crate::args::SourceArgs;

/// What was found at each SOURCE, in order: at least one.
pub(crate) struct Places {
    found: Vec<Found>,
    /// Each as it was typed.
    typed: Vec<String>,
    /// The fields of each that --rename and --select are about, once it is open.
    adapted: Vec<Adapted>,
}

/// What --rename and --select did with one source.
#[derive(Default)]
struct Adapted {
    renamed: Vec<(String, String)>,
    selected: Vec<String>,
}

/// Looks at what is there, without opening a sample.
pub(crate) fn find(args: &SourceArgs) -> SourceResult<Places> {
    let found = match &args.sources[..] {
        [] => vec![place::find(args, None)?],
        paths => {
            let find = |path: &PathBuf| place::find(args, Some(path));
            paths.iter().map(find).collect::<SourceResult<_>>()?
        }
    };
    let typed = args.sources.iter().map(|path| path.display().to_string()).collect();
    Ok(Places { found, typed, adapted: Vec::new() })
}

impl Places {
    /// Opens them as a source that has samples: as their concatenation, if there are several.
    pub(crate) fn open(&mut self, args: &SourceArgs) -> SourceResult<Opened> {
        let (mut sources, mut ignored, mut left_out) = (Vec::new(), 0, Vec::new());
        for found in &self.found {
            let opened = place::open(found)?;
            let (source, adapted) = adapted(opened.source, args)?;
            sources.push(source);
            self.adapted.push(adapted);
            ignored += opened.ignored;
            left_out.extend(opened.left_out);
        }
        self.refuse_unknown(args, &sources)?;
        self.refuse_other_schemas(&sources)?;
        let source: Arc<dyn Source> = match <[_; 1]>::try_from(sources) {
            Ok([source]) => source,
            Err(sources) => Arc::new(concat(sources)?),
        };
        left_out.sort();
        left_out.dedup();
        Ok(Opened { source, ignored, left_out })
    }

    /// A field that no source has, neither before nor after it was renamed, is a typing error.
    fn refuse_unknown(&self, args: &SourceArgs, sources: &[Arc<dyn Source>]) -> SourceResult<()> {
        let is_used =
            |pair: &&(String, String)| self.adapted.iter().any(|it| it.renamed.contains(pair));
        let Some((old, _)) = args.renames.iter().find(|pair| !is_used(pair)) else { return Ok(()) };
        let fields = sources.iter().flat_map(|source| source.schema().fields());
        let mut names: Vec<String> = fields.map(|field| format!("{:?}", field.name())).collect();
        names.sort();
        names.dedup();
        let message =
            format!("--rename: no source has a field {old:?}, the fields are {}", names.join(", "));
        Err(SourceError::new(tallow::SourceErrorKind::Config, message))
    }

    /// Says which source differs from the first, in what, and what to do.
    fn refuse_other_schemas(&self, sources: &[Arc<dyn Source>]) -> SourceResult<()> {
        for (source, found) in sources.iter().zip(&self.found).skip(1) {
            if let Err(error) = sources[0].clone().concat(source.clone()) {
                let first = format!("{:?}", self.found[0].place());
                let message = error.message().replace("the first source", &first);
                return Err(SourceError::new(error.kind(), message).with_path(found.place()));
            }
        }
        Ok(())
    }

    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Found> {
        self.found.iter()
    }

    /// The place, if there is only one.
    pub(crate) fn only(&self) -> Option<&Found> {
        match &self.found[..] {
            [found] => Some(found),
            _ => None,
        }
    }

    /// As a report names them: by their paths, or by the folder of each field.
    pub(crate) fn shown(&self) -> String {
        self.found.iter().map(place::shown).collect::<Vec<_>>().join(", ")
    }

    /// As a report names each of several: as it was typed.
    pub(crate) fn names(&self) -> Vec<String> {
        self.typed.clone()
    }

    /// Whether there are files with many samples each.
    pub(crate) fn is_of_arrays(&self) -> bool {
        self.found.iter().any(is_of_arrays)
    }

    /// Whether all samples are in files with many each.
    pub(crate) fn is_packed(&self) -> bool {
        self.found.iter().all(is_of_arrays)
    }

    /// The files of all samples.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        self.found.iter().flat_map(|found| found.files().unwrap_or_default()).collect()
    }

    /// Whether this is one of the files of the samples.
    pub(crate) fn has(&self, file: &Path) -> bool {
        self.found.iter().any(|found| place::has(found, file))
    }

    /// Whether a file of this name would become a sample.
    pub(crate) fn takes(&self, file: &Path) -> bool {
        self.found.iter().any(|found| found.takes(file))
    }

    /// Folders of samples that are ignored.
    pub(crate) fn passed_over(&self) -> Vec<PathBuf> {
        self.found.iter().flat_map(Found::passed_over).collect()
    }

    /// What --rename and --select do with source `at`, as Rust code.
    pub(crate) fn adapting_code(&self, at: usize) -> String {
        let mut code = String::new();
        let Some(Adapted { renamed, selected }) = self.adapted.get(at) else { return code };
        for (old, new) in renamed {
            // Writing to a string cannot fail.
            let _ = writeln!(code, "let source = source.rename({old:?}, {new:?})?;");
        }
        if !selected.is_empty() {
            let _ = writeln!(code, "let source = source.select({selected:?})?;");
        }
        code
    }
}

fn is_of_arrays(found: &Found) -> bool {
    matches!(found, Found::Shards(_)) || !place::arrays(found).is_empty()
}

/// A source with the names and the fields that were asked for.
fn adapted(
    mut source: Arc<dyn Source>,
    args: &SourceArgs,
) -> SourceResult<(Arc<dyn Source>, Adapted)> {
    let mut adapted = Adapted::default();
    for (old, new) in &args.renames {
        if source.schema().position(old).is_some() {
            source = Arc::new(source.rename(old.as_str(), new)?);
            adapted.renamed.push((old.clone(), new.clone()));
        }
    }
    if !args.selected.is_empty() {
        source = Arc::new(source.select(args.selected.iter().map(String::as_str))?);
        adapted.selected.clone_from(&args.selected);
    }
    Ok((source, adapted))
}
