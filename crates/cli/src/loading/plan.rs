//! From options to a loader.

use std::ops::Range;
use std::sync::Arc;

use tallow::candle::Device;
use tallow::{
    Augment, BatchRule, Batching, Buckets, LastBatch, Loader, LoaderBuilder, Mix, Population,
    Ranks, SampleLengths, Sampler, Sequential, Shuffle, ShuffleWindows, Source, SourceError,
    SourceErrorKind, TokenBudget,
};

use crate::args::{DeviceArg, LoadArgs, MixArgs, RankArg, SourceArgs, WeightsArg, Workers};
use crate::data::place::Opened;
use crate::data::places::{self, Places};
use crate::machine::system;
use crate::terminal::exit::{self, Failure, Result};
use crate::terminal::words;

/// Opens SOURCE, whatever kind it is, but for a stream, of which no sample can be looked up.
pub(crate) fn open(args: &SourceArgs) -> Result<(Places, Opened)> {
    opened(places::find(args)?, args, false)
}

/// Opens SOURCE, whatever kind it is.
pub(crate) fn open_any(args: &SourceArgs) -> Result<(Places, Opened)> {
    opened(places::find(args)?, args, true)
}

fn opened(mut places: Places, args: &SourceArgs, takes_streams: bool) -> Result<(Places, Opened)> {
    if let Some(stream) = places.stream().filter(|_| !takes_streams) {
        return Err(Failure::usage(stream.refused()));
    }
    let opened = places.open(args)?;
    Ok((places, opened))
}

/// The mixture that the options ask for, of the parts of `population`; `None` without weights.
pub(crate) fn mix(args: &MixArgs, population: &Population, shuffle: bool) -> Result<Option<Mix>> {
    let Some((first, others)) = args.weights.split_first() else { return Ok(None) };
    let parts = population.parts();
    for WeightsArg { weights, .. } in &args.weights {
        if weights.len() != parts {
            return Err(Failure::Usage(format!(
                "--weights: found {} for {}, expected one weight for each SOURCE",
                words::counted(weights.len() as u64, "weight"),
                words::counted(parts as u64, "source"),
            )));
        }
    }
    if first.from > 0 {
        return Err(Failure::Usage(format!(
            "the first --weights begin at position {}, expected those without @POSITION first",
            first.from
        )));
    }
    let mut mix = Mix::new(&first.weights)?;
    for WeightsArg { weights, from } in others {
        mix = mix.then_at(*from, weights)?;
    }
    mix = mix.until(args.until.0);
    if !shuffle {
        mix = (0..parts).try_fold(mix, |mix, part| mix.part_sampler(part, Sequential))?;
    }
    Ok(Some(mix))
}

/// The sampler that the options ask for.
///
/// # Errors
///
/// When options do not go together, when the lengths of a field cannot be had, or when batches and ranks do
/// not fit.
pub(crate) fn sampler(source: &dyn Source, args: &LoadArgs) -> Result<Arc<dyn Sampler>> {
    refuse_two_orders(args)?;
    if source.stream().is_some() {
        refuse_choosing(args)?;
    }
    let sampler: Arc<dyn Sampler> = match (&args.buckets, &args.token_budget) {
        (Some(buckets), _) => {
            let lengths = lengths(source, &buckets.field, "--buckets")?;
            let sampler = Buckets::new(order(args, source)?, lengths, args.batch_size)?;
            Arc::new(buckets.window.into_iter().fold(sampler, Buckets::window))
        }
        (None, Some(budget)) => {
            let lengths = lengths(source, &budget.field, "--token-budget")?;
            let multiple = u32::try_from(args.pad_multiple).unwrap_or(u32::MAX);
            let sampler = TokenBudget::new(lengths, budget.tokens)?
                .multiple_of(multiple)
                .rows_multiple_of(args.rows_multiple);
            Arc::new(if args.shuffle { sampler } else { sampler.in_order() })
        }
        (None, None) => order(args, source)?,
    };
    batching(source, &*sampler, args)?;
    Ok(sampler)
}

/// Options of which each asks for an order of its own, of which there can be only one.
fn refuse_two_orders(args: &LoadArgs) -> Result {
    let mut given = [
        ("--weights", args.mix.is_some()),
        ("--shuffle-blocks", args.shuffle_blocks.is_some()),
        ("--shuffle-window", args.shuffle_window.is_some()),
        ("--buckets", args.buckets.is_some()),
        ("--token-budget", args.token_budget.is_some()),
    ]
    .into_iter()
    .filter_map(|(option, given)| given.then_some(option));
    let (Some(one), Some(other)) = (given.next(), given.next()) else { return Ok(()) };
    Err(Failure::Usage(format!(
        "{one} with {other}: each has an order of its own; leave one of them out"
    )))
}

/// Options that choose among all samples, which nobody knows of a stream.
fn refuse_choosing(args: &LoadArgs) -> Result {
    let advice = "--shuffle or --shuffle-window N shuffles it within windows";
    let given = [
        ("--weights", args.mix.is_some(), "load each stream by itself"),
        ("--shuffle-blocks", args.shuffle_blocks.is_some(), advice),
        ("--buckets", args.buckets.is_some(), "--pad-to-longest pads to the longest of a batch"),
        ("--token-budget", args.token_budget.is_some(), "use --batch-size"),
        ("--resident", args.resident.is_some(), "leave it out"),
        ("--read-ahead", args.read_ahead.is_some(), "leave it out"),
    ];
    exit::refuse(&given, IN_TURN)
}

/// Why a stream refuses an option.
pub(crate) const IN_TURN: &str =
    "takes samples of any place, and those of a stream come one after the other";

/// Samples of a stream that --shuffle shuffles among each other.
pub(super) const STREAM_WINDOW: usize = 1024;

/// The order of samples that the options ask for, whatever batches they make of it.
fn order(args: &LoadArgs, source: &dyn Source) -> Result<Arc<dyn Sampler>> {
    let streamed = source.stream().filter(|_| args.shuffle).map(|_| STREAM_WINDOW);
    if let Some(window) = args.shuffle_window.or(streamed) {
        return Ok(Arc::new(ShuffleWindows::new(window)?));
    }
    Ok(match (mix(&args.mix, &source.population(), args.shuffle)?, args.shuffle_blocks) {
        (Some(mix), _) => Arc::new(mix),
        (None, Some(blocks)) => Arc::new(Shuffle::blocks(blocks)),
        (None, None) if args.shuffle => Arc::new(Shuffle),
        (None, None) => Arc::new(Sequential),
    })
}

/// The lengths of `field`, which `option` names.
fn lengths(source: &dyn Source, field: &str, option: &str) -> Result<SampleLengths> {
    SampleLengths::of(source, field).map_err(|error| match error.kind() {
        SourceErrorKind::Config | SourceErrorKind::ShapeMismatch => {
            Failure::Usage(format!("{option} {field}: {}", error.message()))
        }
        _ => Failure::from(error),
    })
}

/// Builds the loader that the options ask for, positioned at where it begins.
pub(crate) fn build(
    source: Arc<dyn Source>,
    args: &LoadArgs,
    device: &Device,
    augment: Option<Augment>,
) -> Result<Loader> {
    let loader = builder(source, args, device, augment)?.build()?;
    refuse_empty_epochs(&loader, args)?;
    refuse_more_than_memory(&loader, args)?;
    start_at(&loader, args)?;
    Ok(loader)
}

/// An epoch without batches is an error: there would be nothing to report.
fn refuse_empty_epochs(loader: &Loader, args: &LoadArgs) -> Result {
    if !loader.is_empty() {
        return Ok(());
    }
    let (size, samples) =
        (args.batch_size, words::counted(loader.plan().samples() as u64, "sample"));
    Err(Failure::Usage(format!(
        "no batch to load: --batch-size {size} is more than the {samples} there are, and --last \
         drop leaves out an incomplete batch; lower --batch-size, or use --last keep or --last pad"
    )))
}

/// Batches that take more than all memory would end the program, or the machine.
fn refuse_more_than_memory(loader: &Loader, args: &LoadArgs) -> Result {
    // The largest pictures that are accepted are far larger than those of most folders.
    let needed = (loader.plan().memory_bytes() - loader.plan().picture_bytes()) as u64;
    match system::memory_bytes() {
        Some(memory) if needed > memory => {
            let lower = if args.prefetch.is_some() { "--prefetch or " } else { "" };
            Err(Failure::Usage(format!(
                "batches would take up to {}, but there are only {} of memory; lower \
                 {lower}--batch-size",
                words::bytes(needed),
                words::bytes(memory)
            )))
        }
        _ => Ok(()),
    }
}

/// The builder of the loader that the options ask for.
pub(crate) fn builder(
    source: Arc<dyn Source>,
    args: &LoadArgs,
    device: &Device,
    augment: Option<Augment>,
) -> Result<LoaderBuilder> {
    let sampler = sampler(&*source, args)?;
    if args.resident.is_some() && !matches!(args.device, DeviceArg::Cuda(_)) {
        return Err(Failure::usage(
            "--resident needs --device cuda:N, whose memory holds the samples",
        ));
    }
    let mut builder = Loader::builder(source)
        .sampler(sampler)
        .seed(args.seed)
        .last_batch(args.last.into())
        .ranks(ranks(args)?)
        .on_error(args.on_error)
        .device(device.clone());
    if args.token_budget.is_none() {
        builder = builder.batch_size(args.batch_size);
    }
    if let Workers::Count(count) = args.workers {
        builder = builder.workers(count);
    }
    if let Some(batches) = args.prefetch {
        builder = builder.prefetch(batches);
    }
    if let Some(bytes) = args.read_ahead {
        builder = builder.read_ahead(bytes);
    }
    if let Some(augment) = augment {
        builder = builder.transform(augment);
    }
    for (field, value) in &args.pads {
        builder = builder.pad(field, *value);
    }
    for (field, value) in &args.pads_to_longest {
        builder = builder.pad_to_multiple(field, *value, args.pad_multiple);
    }
    if let Some(bytes) = args.resident {
        builder = builder.resident(bytes);
    }
    Ok(builder)
}

/// How the options split epochs into batches: as in a loader, or in the first epoch where a sampler makes
/// batches of its own.
pub(crate) fn batching(
    source: &dyn Source,
    sampler: &dyn Sampler,
    args: &LoadArgs,
) -> Result<Batching> {
    let usage = |error: SourceError| Failure::usage(error.message());
    let (ranks, last) = (ranks(args)?, LastBatch::from(args.last));
    let (rank, world) = (ranks.rank(), ranks.world());
    match sampler.batches(&source.population()).map_err(usage)? {
        BatchRule::Own(_) if last != LastBatch::Keep => Err(Failure::usage(
            "--token-budget with --last: none of its batches is incomplete; leave out --last",
        )),
        BatchRule::Own(table) => Batching::of_table(table, rank, world).map_err(usage),
        _ => Batching::new(args.batch_size, last, rank, world).map_err(usage),
    }
}

/// The rank that the options or the environment give this process.
pub(crate) fn ranks(args: &LoadArgs) -> Result<Ranks> {
    let ranks = match (args.rank, args.world) {
        (Some(RankArg::Auto), None) => Ranks::from_env(),
        (Some(RankArg::Auto), Some(_)) => {
            return Err(Failure::usage(
                "--rank auto takes the world from the environment too; leave out --world, or give a number",
            ));
        }
        (Some(RankArg::Number(_)), None) => {
            return Err(Failure::usage(
                "--rank needs --world, the number of ranks; --rank auto takes both from the environment",
            ));
        }
        (Some(RankArg::Number(rank)), Some(world)) => Ranks::new(rank, world),
        (None, world) => Ranks::new(0, world.unwrap_or(1)),
    };
    ranks.map_err(|error| Failure::usage(error.message()))
}

/// The epochs that the options ask for.
pub(crate) fn epochs(args: &LoadArgs, count: u64) -> Result<Range<u64>> {
    let end = args.first_epoch.checked_add(count);
    let end = end.ok_or_else(|| {
        Failure::usage("the last epoch is 2^64 - 1; lower --first-epoch or --epochs")
    })?;
    Ok(args.first_epoch..end)
}

/// Makes the first epoch begin at `--start-batch`, like a training run that is resumed there.
fn start_at(loader: &Loader, args: &LoadArgs) -> Result {
    let Some(batch) = args.start_batch else { return Ok(()) };
    let batches = loader.len();
    if batch > batches {
        let batches = words::counted_as(batches as u64, "batch", "batches");
        let message = format!("--start-batch {batch}, but an epoch has {batches}");
        return Err(Failure::Usage(message));
    }
    let state = loader.state_at(args.first_epoch, batch)?;
    Ok(loader.resume(&state)?)
}
