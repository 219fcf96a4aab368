//! What the SOURCEs on the command line refer to: one, or several that go together.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tallow::{
    Found, PackStats, Packing, Shards, Source, SourceError, SourceExt as _, SourceResult,
    StoreListing, concat,
};

use super::place::{self, Opened};
use super::streams::Stream;
use crate::args::{PackArg, SourceArgs};
use crate::report::Packed;

/// What was found at each SOURCE, in order: at least one, or a stream.
pub(crate) struct Places {
    found: Vec<Found>,
    /// Each as it was typed.
    typed: Vec<String>,
    /// What was done with each, once it is open.
    adapted: Vec<Adapted>,
    /// What they are together, if that is a stream; nothing is found then.
    stream: Option<Stream>,
}

/// What --rename, --pack and --select did with one source, in this order.
#[derive(Default)]
struct Adapted {
    renamed: Vec<(String, String)>,
    packed: Option<(PackArg, Packing)>,
    selected: Vec<String>,
}

/// Looks at what is there, without opening a sample.
pub(crate) fn find(args: &SourceArgs) -> SourceResult<Places> {
    // It is in use from here on.
    args.listing.as_ref().map(StoreListing::open).transpose()?;
    let stream = Stream::find(args)?;
    let found = match &args.sources[..] {
        _ if stream.is_some() => Vec::new(),
        [] => vec![place::find(args, None)?],
        paths => {
            let find = |path: &PathBuf| place::find(args, Some(path));
            paths.iter().map(find).collect::<SourceResult<_>>()?
        }
    };
    let typed = args.sources.iter().map(|path| path.display().to_string()).collect();
    Ok(Places { found, typed, adapted: Vec::new(), stream })
}

impl Places {
    /// Opens them as a source that has samples: as their concatenation, if there are several.
    pub(crate) fn open(&mut self, args: &SourceArgs) -> SourceResult<Opened> {
        if let Some(stream) = &mut self.stream {
            let source = stream.open()?;
            let fields = fields_of(&source).collect();
            let (source, _, adapted) = adapted(source, args)?;
            self.adapted.push(adapted);
            self.refuse_unknown(args, fields)?;
            return Ok(Opened { source, ignored: 0, left_out: Vec::new(), packed: Vec::new() });
        }
        let (mut sources, mut packed, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        let (mut fields, mut ignored) = (BTreeSet::new(), 0);
        for (at, found) in self.found.iter().enumerate() {
            let opened = place::open(found)?;
            fields.extend(fields_of(&opened.source));
            let located = |error: SourceError| match error.path() {
                None => error.with_path(found.place()),
                Some(_) => error,
            };
            let (source, stats, adapted) = adapted(opened.source, args).map_err(located)?;
            let name = || self.typed.get(at).cloned().unwrap_or_else(|| place::shown(found));
            packed.extend(stats.map(|stats| Packed { name: name(), stats }));
            sources.push(source);
            self.adapted.push(adapted);
            ignored += opened.ignored;
            left_out.extend(opened.left_out);
        }
        self.refuse_unknown(args, fields)?;
        self.refuse_other_schemas(&sources)?;
        let source: Arc<dyn Source> = match <[_; 1]>::try_from(sources) {
            Ok([source]) => source,
            Err(sources) => Arc::new(concat(sources)?),
        };
        left_out.sort();
        left_out.dedup();
        Ok(Opened { source, ignored, left_out, packed })
    }

    /// A field that no source has, neither before nor after it was renamed, is a typing error.
    fn refuse_unknown(&self, args: &SourceArgs, fields: BTreeSet<String>) -> SourceResult<()> {
        let is_used =
            |pair: &&(String, String)| self.adapted.iter().any(|it| it.renamed.contains(pair));
        let Some((old, _)) = args.renames.iter().find(|pair| !is_used(pair)) else { return Ok(()) };
        let fields = fields.into_iter().collect::<Vec<_>>().join(", ");
        let message = format!("--rename: no source has a field {old:?}, the fields are {fields}");
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

    /// The stream that they are, if they are one.
    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.stream.as_ref()
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
        match &self.stream {
            Some(stream) => stream.shown(),
            None => self.found.iter().map(place::shown).collect::<Vec<_>>().join(", "),
        }
    }

    /// As a report names each of several: as it was typed. The shards of a stream are one.
    pub(crate) fn names(&self) -> Vec<String> {
        match &self.stream {
            Some(stream) => vec![stream.shown()],
            None => self.typed.clone(),
        }
    }

    /// Whether there are files with many samples each.
    pub(crate) fn is_of_arrays(&self) -> bool {
        self.found.iter().any(is_of_arrays)
    }

    /// Whether --picture applies to a file of samples.
    pub(crate) fn are_of_columns(&self) -> bool {
        let has_columns = |shards: &Shards| matches!(shards.extension(), "arrow" | "parquet");
        self.found.iter().any(|it| matches!(it, Found::Shards(shards) if has_columns(shards)))
    }

    /// Whether all samples are in files with many each.
    pub(crate) fn is_packed(&self) -> bool {
        self.found.iter().all(is_of_arrays)
    }

    /// The files of all samples.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let streamed = self.stream.iter().flat_map(Stream::files).cloned();
        let found = self.found.iter().flat_map(|found| found.files().unwrap_or_default());
        streamed.chain(found).collect()
    }

    /// Whether this is one of the files of the samples.
    pub(crate) fn has(&self, file: &Path) -> bool {
        let is_streamed = |it: &Stream| it.files().iter().any(|path| place::is_same(path, file));
        self.stream.as_ref().is_some_and(is_streamed)
            || self.found.iter().any(|found| place::has(found, file))
    }

    /// Whether a file of this name would become a sample.
    pub(crate) fn takes(&self, file: &Path) -> bool {
        self.found.iter().any(|found| found.takes(file))
    }

    /// Folders of samples that are ignored.
    pub(crate) fn passed_over(&self) -> Vec<PathBuf> {
        self.found.iter().flat_map(Found::passed_over).collect()
    }

    /// What --rename, --pack and --select do with source `at`, as Rust code.
    pub(crate) fn adapting_code(&self, at: usize) -> String {
        let mut code = String::new();
        let Some(Adapted { renamed, packed, selected }) = self.adapted.get(at) else { return code };
        for (old, new) in renamed {
            // Writing to a string cannot fail.
            let _ = writeln!(code, "let source = source.rename({old:?}, {new:?})?;");
        }
        code += &packed.iter().map(packing_code).collect::<String>();
        if !selected.is_empty() {
            let _ = writeln!(code, "let source = source.select({selected:?})?;");
        }
        code
    }
}

/// The names of its fields, in quotes.
fn fields_of(source: &dyn Source) -> impl Iterator<Item = String> {
    source.schema().fields().iter().map(|field| format!("{:?}", field.name()))
}

fn is_of_arrays(found: &Found) -> bool {
    matches!(found, Found::Shards(_)) || !place::arrays(found).is_empty()
}

fn packing_code((pack, packing): &(PackArg, Packing)) -> String {
    let length = pack.length;
    if (&pack.field, *packing) == (&None, Packing::default()) {
        return format!("let source = source.pack({length})?;\n");
    }
    let field = pack.field.as_ref().map(|field| format!(".field({field:?})")).unwrap_or_default();
    format!(
        "let source = tallow::Packed::builder(source, {length}){field}\n    \
         .packing(tallow::Packing::{packing:?})\n    .build()?;\n"
    )
}

/// A source with the names, the rows and the fields that were asked for, and how well its documents were
/// packed, if they were.
fn adapted(
    mut source: Arc<dyn Source>,
    args: &SourceArgs,
) -> SourceResult<(Arc<dyn Source>, Option<PackStats>, Adapted)> {
    let (mut adapted, mut stats) = (Adapted::default(), None);
    for (old, new) in &args.renames {
        if source.schema().position(old).is_some() {
            source = Arc::new(source.rename(old.as_str(), new)?);
            adapted.renamed.push((old.clone(), new.clone()));
        }
    }
    if let Some(pack) = &args.pack {
        let packing = Packing::from(args.packing);
        let builder = tallow::Packed::builder(source, pack.length).packing(packing);
        let rows = match &pack.field {
            Some(field) => builder.field(field.as_str()).build()?,
            None => builder.build()?,
        };
        stats = Some(rows.stats().clone());
        source = Arc::new(rows);
        adapted.packed = Some((pack.clone(), packing));
    }
    if !args.selected.is_empty() {
        source = Arc::new(source.select(args.selected.iter().map(String::as_str))?);
        adapted.selected.clone_from(&args.selected);
    }
    Ok((source, stats, adapted))
}
