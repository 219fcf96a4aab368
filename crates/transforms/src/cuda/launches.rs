//! Which kernels make a batch: a list of launches, from the facts of a bound engine and plain
//! addresses. Nothing here knows CUDA's types, so that the list can be looked at, and run, anywhere.

use std::ops::Range;

use bytemuck::{Pod, bytes_of};
use tallow_core::device::{DeviceSlab, Made, Run, Whose};
use tallow_core::{
    Engine as _, Error, ErrorKind, Key, Picture, Result, RowBuffer, RowDType, RowKey, Schema,
    Shapes, zeroed_words,
};

use super::args::{ElasticArgs, NO_STATISTIC, Rows, SelectArgs, StageArgs, WidenArgs};
use crate::augment::Augment;
use crate::bind::{AugmentEngine, PlanHeader, Select, StageNeeds};
use crate::layout::Layout;
use crate::plan::{CHANNELS_MAX, D, H, StagePlan, W, canvas};

/// One launch of a kernel, which takes one struct by value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Blocks along x, y and z.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// Dynamic shared memory of a block, at most 48 KiB.
    pub shared_bytes: u32,
    /// The struct.
    pub args: Vec<u8>,
}

/// Bytes of device memory that a launch reads or writes, or may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Use {
    /// The first of them.
    pub address: u64,
    /// How many.
    pub bytes: u64,
    /// Whether they are written.
    pub is_write: bool,
}

/// A chain bound to the fields of a schema, as the launches that make its batches on a CUDA device:
/// one launch per stage for the whole batch. A stage that can hold an elastic map, or an operation
/// that needs a statistic, has some launches before it, which rows without one leave at once.
#[derive(Debug)]
pub struct Launches {
    pub(super) engine: AugmentEngine,
    /// The fields that kernels make, the image among them.
    made: Vec<usize>,
    tile_log2: u32,
    /// Tiles of the largest image.
    tiles: usize,
    scratch: Scratch,
    #[cfg(feature = "cuda")]
    pub(super) kernels: super::Kernels,
}

/// Threads of a block.
const THREADS: u32 = 256;

/// Threads of a block of a stage.
const STAGE_THREADS: u32 = 128;

/// The kernel of stages of photos.
const PHOTO: &str = "stage_photo";

/// Blocks that gather the statistics of one row: enough for a small batch to fill a device, few
/// enough that the rest, joining their results, is done by one.
const PARTS: u32 = 8;

/// Blocks of a row at most; what more tiles there are, they take in turns.
const BLOCKS_MAX: usize = 4096;

/// Blocks of a launch that keep the largest devices busy several times over: where there are more tiles,
/// a block makes up to `TURNS_MAX` of them, so that what it does once serves more pixels.
const BLOCKS_ENOUGH: usize = 1536;

/// Tiles that a block makes one after the other, where it need not.
const TURNS_MAX: usize = 8;

/// Rows of one launch: blocks along the second axis of a grid.
const ROWS_MAX: usize = 65_535;

/// The largest tile is 32 x 32 pixels: a warp writes 32 pixels of a plane side by side.
const TILE_LOG2_MAX: u32 = 5;

/// Tiles side by side whose taps, or places, a block finds together: `STRIP_TILES` of `shared.cuh`.
const STRIP_TILES: usize = 8;

/// What the taps of a strip may take of the shared memory: `TAPS_BYTES` of `shared.cuh`. A strip has fewer
/// tiles, and tiles are made smaller, until they do.
const TAPS_BYTES: usize = 10 << 10;

/// The places of the rows and of the columns of the longest strip.
const PLACES_BYTES: usize = (1 + STRIP_TILES) * (1 << TILE_LOG2_MAX) * size_of::<i32>();

/// The sums of a tile of four channels, which are 16 KiB, what all threads of a block know
/// (`Source` of `stage.cuh`), and some rows of the tile: see `separable.cuh`.
const SUMS_BYTES: usize = 20 << 10;

/// Of a stage of photos, which has no sums: what all threads know, and twice some rows of the tile, see
/// `resize_u8.cuh`. So little that six blocks find room in a multiprocessor.
const PHOTO_BYTES: usize = 15 << 10;

/// Two sums per channel and thread: `Tally` of `statistics.cuh`.
const TALLY_BYTES: usize = STAGE_THREADS as usize * 2 * CHANNELS_MAX * size_of::<f64>();

/// The pixels of the largest tile in three colours.
const TILE_BYTES: usize = (1 << (2 * TILE_LOG2_MAX)) * 3 * size_of::<f32>();

/// `Partial` of `statistics.cuh`.
const PARTIAL_BYTES: usize = CHANNELS_MAX * BINS * size_of::<u32>();

/// The levels of a histogram, and one for NaN.
const BINS: usize = 256 + 1;

/// `Statistic` of `statistics.cuh`.
const STATISTIC_BYTES: usize = CHANNELS_MAX * (2 + 1 + 256) * size_of::<f32>();

/// Shared memory that a kernel has without asking the driver for more.
const SHARED_BYTES: usize = 48 << 10;

const _: () = assert!(
    size_of::<StagePlan>() + TAPS_BYTES + SUMS_BYTES + TALLY_BYTES <= SHARED_BYTES,
    "a block of the largest needs fits"
);

/// Elements that a thread widens, one after the other.
const WIDENED: usize = 8;

/// Plans that tell how much of their images kernels read.
const PLANS_ASKED: u64 = 64;

/// Parts of at most this share are copied apart. To read 150 KB aside and to copy half of them takes a
/// core as long as to read them into a slab, 18 us, since what is read aside stays in its cache.
const PARTS_SHARE_MAX: f64 = 0.75;

/// Parts of the scratch begin on these boundaries.
const ALIGN: usize = 256;

/// Where the parts of the scratch of one row lie.
#[derive(Debug, Default)]
struct Scratch {
    /// The raw image, where it is widened. It lies first, so that its rows are those of the scratch.
    widened: u64,
    canvases: [u64; canvas::COUNT],
    partials: u64,
    statistics: u64,
    /// Pixels of a stage before its program, where a statistic is gathered of them first.
    kept: u64,
    noise: u64,
    /// The plan that blurs the noise.
    blur: u64,
    fields: u64,
    /// For each field whose elements are moved two canvases, and one for those of a partner, in the
    /// order of `Launches::made`.
    moved: Vec<[u64; 3]>,
    /// From one row to the next.
    stride: usize,
}

impl Scratch {
    /// For images of so many tiles.
    fn of(engine: &AugmentEngine, made: &[usize], tiles: usize) -> Self {
        let mut scratch = Self::default();
        let extents = &engine.extents;
        scratch.widened = scratch.take(extents.widened * size_of::<f32>());
        if engine.select.is_none() {
            for (k, _) in extents.canvases.iter().enumerate().filter(|(_, used)| **used) {
                scratch.canvases[k] = scratch.take(extents.image() * size_of::<f32>());
            }
        }
        let statistics = engine.needs.iter().map(|needs| needs.statistics).max().unwrap_or(0);
        if statistics > 0 {
            scratch.partials = scratch.take(PARTS as usize * PARTIAL_BYTES);
            scratch.statistics = scratch.take(statistics * STATISTIC_BYTES);
            scratch.kept = scratch.take(tiles * TILE_BYTES);
        }
        if extents.elastic {
            // x and y of a slice.
            let displacements = 2 * extents.canvas * size_of::<f32>();
            scratch.noise = scratch.take(displacements);
            scratch.fields = scratch.take(displacements);
            scratch.blur = scratch.take(size_of::<PlanHeader>() + size_of::<StagePlan>());
        }
        for &field in made {
            let canvas = engine
                .select_of(field)
                .map_or(0, |select| select.extents.image() * raw_dtype(engine, field).size());
            let several = if engine.stages > 1 { canvas } else { 0 };
            let partner = if engine.mix.is_some() { canvas } else { 0 };
            let canvases = [several, several, partner].map(|bytes| scratch.take(bytes));
            scratch.moved.push(canvases);
        }
        scratch
    }

    /// Where the next `bytes` bytes lie.
    fn take(&mut self, bytes: usize) -> u64 {
        let at = self.stride;
        self.stride += bytes.next_multiple_of(ALIGN);
        at as u64
    }
}

/// Whose field a launch makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Row,
    Partner,
}

/// The rows of one list of launches.
#[derive(Debug, Clone, Copy)]
struct Batch<'a> {
    slab: u64,
    layout: &'a DeviceSlab,
    outputs: &'a [u64],
    first: u32,
    rows: u32,
    first_output: u32,
}

impl Batch<'_> {
    fn rows_of(&self, run: Run) -> Rows {
        Rows { base: self.slab + run.offset as u64, stride: run.stride as u64 }
    }
}

impl Launches {
    /// Binds `augment` to `schema`.
    ///
    /// # Errors
    ///
    /// As [`Transform::bind`](tallow_core::Transform::bind), or when a device cannot do it: images
    /// that are delivered ragged, of 2^31 elements and more, or resized by filters of more than 1,278
    /// taps.
    pub fn bind(augment: &Augment, schema: &Schema) -> Result<Self> {
        let launches = Self::of(AugmentEngine::bind(augment, schema)?)?;
        #[cfg(feature = "cuda")]
        let launches = Self { kernels: augment.kernels.clone(), ..launches };
        Ok(launches)
    }

    /// The launches of a bound engine.
    ///
    /// # Errors
    ///
    /// What a device cannot do.
    pub(crate) fn of(engine: AugmentEngine) -> Result<Self> {
        check(&engine)?;
        let made: Vec<usize> = (0..engine.raw.fields().len())
            .filter(|&field| made_by(&engine, field) == Made::OnDevice)
            .collect();
        let tile_log2 = tile_log2(engine.extents.taps).ok_or_else(|| {
            let taps = engine.extents.taps;
            refused(&engine, format!("filters of {taps} taps, expected at most 1278"))
        })?;
        let tiles = tiles(&engine, tile_log2);
        let scratch = Scratch::of(&engine, &made, tiles);
        Ok(Self {
            engine,
            made,
            tile_log2,
            tiles,
            scratch,
            #[cfg(feature = "cuda")]
            kernels: super::Kernels::default(),
        })
    }

    /// The fields that are [`Made::OnDevice`], in their order.
    pub fn device_fields(&self) -> &[usize] {
        &self.made
    }

    /// Whether kernels can read raw field `field`, whose rows are numbers, by rasters.
    pub(super) fn takes_rasters(&self, field: usize) -> bool {
        let engine = &self.engine;
        // Images of other types are widened wholly.
        let is_widened = field == engine.image && engine.extents.widened > 0;
        self.made.contains(&field)
            && !is_widened
            && engine.raw.fields()[field].as_picture().is_none()
    }

    /// Whether it pays to copy the part of it apart that kernels read. A few plans say so: what else
    /// is known of a chain is its worst case, in which a random crop is the whole image.
    pub(super) fn reads_parts(&self, field: usize) -> bool {
        self.takes_rasters(field)
            && self.share_read(field).is_ok_and(|share| share <= PARTS_SHARE_MAX)
    }

    /// The share of the elements of `field` that kernels read, in images of the largest size.
    fn share_read(&self, field: usize) -> Result<f64> {
        let engine = &self.engine;
        let mut row = RowBuffer::new(&engine.raw)?;
        for (at, field) in engine.raw.fields().iter().enumerate() {
            if field.is_ragged() && field.as_picture().is_none() {
                row.row(None).field(at).set_shape(&field.max_shape())?;
            }
        }
        let shape = engine.raw.fields()[field].max_shape();
        let mut words = zeroed_words(engine.plan_bytes())?;
        let plan = &mut bytemuck::cast_slice_mut(&mut words)[..engine.plan_bytes()];
        let mut read = 0;
        for index in 0..PLANS_ASKED {
            plan.fill(0);
            engine.plan(RowKey { key: Key::new(0, 0), index }, Shapes::of(row.view()), plan)?;
            let part = engine.part(field, Whose::Own, plan, &shape)?;
            read += part.map_or(0, |part| part.elements());
        }
        let all = PLANS_ASKED as f64 * shape.iter().product::<usize>().max(1) as f64;
        Ok(read as f64 / all)
    }

    /// Bytes of device memory that one row needs besides what it is made of and what is made.
    pub(super) fn scratch_stride(&self) -> usize {
        self.scratch.stride
    }

    /// The launches, one after the other, that make rows `rows` of the slab at `slab`. They become
    /// rows `first_output` and following of the tensors at `outputs`, one for each of
    /// [`device_fields`](Self::device_fields): contiguous, of the shape and the delivered type that
    /// the engine's schema says.
    pub fn list(
        &self,
        slab: u64,
        layout: &DeviceSlab,
        outputs: &[u64],
        rows: Range<usize>,
        first_output: usize,
    ) -> Vec<Launch> {
        assert_eq!(outputs.len(), self.made.len(), "an output for each field of the device");
        let mut launches = Vec::new();
        for first in rows.clone().step_by(ROWS_MAX) {
            let batch = Batch {
                slab,
                layout,
                outputs,
                first: first as u32,
                rows: (rows.end - first).min(ROWS_MAX) as u32,
                first_output: (first_output + first - rows.start) as u32,
            };
            if self.engine.mix.is_some() {
                self.partner(&batch, &mut launches);
            }
            (0..self.engine.stages).for_each(|stage| self.stage(&batch, stage, &mut launches));
        }
        launches
    }

    /// The image that is mixed in, and the masks that are, into their canvases.
    fn partner(&self, batch: &Batch<'_>, launches: &mut Vec<Launch>) {
        let engine = &self.engine;
        for stage in 0..engine.stages {
            let mut args = self.image_args(batch, stage);
            args.stage += engine.stages as u32;
            args.output = Rows::default();
            args.mixed_only = 1;
            if stage == 0 {
                args.image = batch.rows_of(batch.layout.partners[engine.image]);
                args.is_picture = u32::from(batch.layout.is_raster(engine.image));
                self.widen(&mut args, batch.rows, launches);
            }
            self.image(args, engine.needs[stage], batch.rows, launches);
            for at in 0..self.made.len() {
                launches.extend(self.select(batch, stage, at, Of::Partner));
            }
        }
    }

    /// One stage of the rows themselves.
    fn stage(&self, batch: &Batch<'_>, stage: usize, launches: &mut Vec<Launch>) {
        let engine = &self.engine;
        let mut args = self.image_args(batch, stage);
        if stage == 0 {
            self.widen(&mut args, batch.rows, launches);
        }
        match engine.select {
            None => self.image(args, engine.needs[stage], batch.rows, launches),
            Some(_) if engine.needs[stage].elastic => {
                self.displacements(args, batch.rows, launches)
            }
            Some(_) => {}
        }
        for at in 0..self.made.len() {
            launches.extend(self.select(batch, stage, at, Of::Row));
        }
    }

    fn image_args(&self, batch: &Batch<'_>, stage: usize) -> StageArgs {
        let engine = &self.engine;
        let field = &engine.schema.fields()[engine.image];
        let raw = batch.rows_of(batch.layout.fields[engine.image]);
        StageArgs {
            plans: batch.rows_of(batch.layout.plans),
            // Later stages read canvases.
            image: if stage == 0 { raw } else { Rows::default() },
            output: self.output(batch, engine.image),
            scratch: self.scratch_rows(batch),
            canvases: self.scratch.canvases,
            fields: self.scratch.fields,
            partials: self.scratch.partials,
            statistics: self.scratch.statistics,
            stage: stage as u32,
            first: batch.first,
            first_output: batch.first_output,
            channels: engine.extents.channels as u32,
            interleaved: u32::from(engine.layout.is_interleaved()),
            output_interleaved: u32::from(engine.delivered.is_interleaved()),
            stored: stored(field.dtype()),
            gathers: NO_STATISTIC,
            mixed_only: 0,
            tile_log2: self.tile_log2,
            shared_bytes: 0,
            parts: PARTS.min(self.tiles as u32),
            is_picture: u32::from(stage == 0 && batch.layout.is_raster(engine.image)),
            keeps: u32::from(engine.needs[stage].statistics > 0),
            kept: self.scratch.kept,
        }
    }

    /// Blocks of each of so many rows.
    fn blocks(&self, rows: u32) -> u32 {
        let turns = (self.tiles * rows as usize / BLOCKS_ENOUGH).clamp(1, TURNS_MAX);
        self.tiles.div_ceil(turns).min(BLOCKS_MAX) as u32
    }

    fn scratch_rows(&self, batch: &Batch<'_>) -> Rows {
        batch.rows_of(Run { offset: batch.layout.scratch, stride: self.scratch.stride })
    }

    /// The rows of the tensor that field `field` becomes.
    fn output(&self, batch: &Batch<'_>, field: usize) -> Rows {
        let made = &self.engine.schema.fields()[field];
        let row =
            made.max_shape().iter().product::<usize>() * made.dtype().delivered().size_in_bytes();
        let at = self.made.iter().position(|&made| made == field);
        Rows { base: at.map_or(0, |at| batch.outputs[at]), stride: row as u64 }
    }

    /// A stage of an image, after what it needs to know.
    fn image(&self, args: StageArgs, needs: StageNeeds, rows: u32, launches: &mut Vec<Launch>) {
        let kernel = self.kernel(&args, needs);
        if needs.elastic {
            self.displacements(args, rows, launches);
        }
        for gathers in 0..needs.statistics as u32 {
            let args = StageArgs { gathers, output: Rows::default(), ..args };
            launches.push(self.pass(kernel, args, [args.parts, rows, 1]));
            let image = Rows::default();
            let settle = StageArgs { image, shared_bytes: SETTLE_SHARED_BYTES as u32, ..args };
            launches.push(launch("settle_statistic", [1, rows, 1], settle.shared_bytes, &settle));
        }
        launches.push(self.pass(kernel, args, [self.blocks(rows), rows, 1]));
    }

    /// The kernel of a stage. What the one for photos knows of a stage is checked here.
    fn kernel(&self, args: &StageArgs, needs: StageNeeds) -> &'static str {
        // Canvases are `f32`.
        if args.image == Rows::default() {
            return "stage_f32";
        }
        let engine = &self.engine;
        let is_flat = matches!(engine.layout, Layout::Chw | Layout::Hwc);
        let is_photo = is_flat && args.channels == 3 && self.tile_log2 == TILE_LOG2_MAX;
        match raw_dtype(engine, engine.image) {
            RowDType::U8 if is_photo && !needs.warps => PHOTO,
            RowDType::U8 => "stage_u8",
            RowDType::U16 => "stage_u16",
            RowDType::F16 => "stage_f16",
            // Others are widened.
            _ => "stage_f32",
        }
    }

    /// Lets a stage read the raw image as `f32`, where stages do not read its type.
    fn widen(&self, args: &mut StageArgs, rows: u32, launches: &mut Vec<Launch>) {
        let elements = self.engine.extents.widened;
        if elements == 0 {
            return;
        }
        let widen = WidenArgs {
            plans: args.plans,
            image: args.image,
            scratch: args.scratch,
            to: self.scratch.widened,
            elements: elements as u64,
            from: widened(raw_dtype(&self.engine, self.engine.image)),
            first: args.first,
            mixed_only: args.mixed_only,
            unused: 0,
        };
        let blocks = elements.div_ceil(THREADS as usize * WIDENED).clamp(1, BLOCKS_MAX);
        launches.push(launch("widen", [blocks as u32, rows, 1], 0, &widen));
        args.image = args.scratch;
    }

    /// One pass over an image.
    fn pass(&self, kernel: &'static str, mut args: StageArgs, grid: [u32; 3]) -> Launch {
        let gathers = args.gathers != NO_STATISTIC;
        let found = if self.engine.extents.taps > 0 { TAPS_BYTES } else { PLACES_BYTES };
        let made = if kernel == PHOTO { PHOTO_BYTES } else { SUMS_BYTES };
        let tally = if gathers { TALLY_BYTES } else { 0 };
        args.shared_bytes = (size_of::<StagePlan>() + found + made + tally) as u32;
        Launch { block: [STAGE_THREADS, 1, 1], ..launch(kernel, grid, args.shared_bytes, &args) }
    }

    /// The displacements of a stage that is an elastic map: noise, and a blur of it.
    fn displacements(&self, args: StageArgs, rows: u32, launches: &mut Vec<Launch>) {
        let Scratch { noise, blur, fields, .. } = self.scratch;
        let draw = ElasticArgs {
            plans: args.plans,
            scratch: args.scratch,
            noise,
            plan: blur,
            stage: args.stage,
            first: args.first,
            mixed_only: args.mixed_only,
            unused: 0,
        };
        launches.push(launch("draw_displacements", [self.blocks(rows), rows, 1], 0, &draw));
        let mut canvases = [0; canvas::COUNT];
        (canvases[canvas::FIRST as usize], canvases[canvas::SECOND as usize]) = (noise, fields);
        let blur = StageArgs {
            plans: Rows { base: args.scratch.base + blur, stride: args.scratch.stride },
            image: Rows::default(),
            output: Rows::default(),
            canvases,
            stage: 0,
            channels: 2,
            mixed_only: 0,
            is_picture: 0,
            keeps: 0,
            ..args
        };
        launches.push(self.pass("stage_f32", blur, [self.blocks(rows), rows, 1]));
    }

    /// A stage of the field that is number `at` of those of the device, if its elements are moved.
    fn select(&self, batch: &Batch<'_>, stage: usize, at: usize, of: Of) -> Option<Launch> {
        let engine = &self.engine;
        let field = self.made[at];
        let select = engine.select_of(field)?;
        let dtype = raw_dtype(engine, field);
        let (fill_as, fill) = fill(select, dtype);
        let [a, b, partner] = self.scratch.moved[at];
        let is_partner = of == Of::Partner;
        let runs = if is_partner { &batch.layout.partners } else { &batch.layout.fields };
        let args = SelectArgs {
            plans: batch.rows_of(batch.layout.plans),
            field: batch.rows_of(runs[field]),
            output: if is_partner { Rows::default() } else { self.output(batch, field) },
            scratch: self.scratch_rows(batch),
            canvases: [a, b],
            partner,
            fields: self.scratch.fields,
            fill,
            stage: stage as u32,
            stages: engine.stages as u32,
            first_stage: if is_partner { engine.stages as u32 } else { 0 },
            is_partner: u32::from(is_partner),
            first: batch.first,
            first_output: batch.first_output,
            channels: select.extents.channels as u32,
            interleaved: u32::from(select.from.is_interleaved()),
            output_interleaved: u32::from(select.to.is_interleaved()),
            fill_as,
            widens: u32::from(dtype == RowDType::U16),
            shared_bytes: SELECT_SHARED_BYTES as u32,
            is_picture: u32::from(batch.layout.is_raster(field)),
            unused: 0,
        };
        let kernel = match dtype.size() {
            1 => "select_1",
            2 => "select_2",
            4 => "select_4",
            _ => "select_8",
        };
        Some(launch(kernel, [self.blocks(batch.rows), batch.rows, 1], args.shared_bytes, &args))
    }
}

/// `Shared` of a settlement: counts of the levels, and the step between them.
const SETTLE_SHARED_BYTES: usize = (BINS * size_of::<u32>()).next_multiple_of(16) + 16;

/// `Shared` of a selection: a row and a column of a tile.
const SELECT_SHARED_BYTES: usize = 2 * (1 << TILE_LOG2_MAX) * size_of::<i32>();

fn launch<Args: Pod>(
    kernel: &'static str,
    grid: [u32; 3],
    shared_bytes: u32,
    args: &Args,
) -> Launch {
    Launch { kernel, grid, block: [THREADS, 1, 1], shared_bytes, args: bytes_of(args).to_vec() }
}

fn refused(engine: &AugmentEngine, message: String) -> Error {
    let field = engine.schema.fields()[engine.image].name();
    Error::new(ErrorKind::Config, message).with_field(field)
}

/// What a device does not do.
fn check(engine: &AugmentEngine) -> Result<()> {
    let ragged = engine.schema.fields().iter().enumerate();
    let mut ragged =
        ragged.filter(|(i, field)| made_by(engine, *i) == Made::OnDevice && field.is_ragged());
    if let Some((_, field)) = ragged.next() {
        return Err(refused(engine, format!("delivers {field}, a device needs one shape")));
    }
    let elements = |shape: &[usize]| shape.iter().product::<usize>();
    // What no kernel reads may be of any size.
    let read = |field: &usize| made_by(engine, *field) == Made::OnDevice;
    let raw = (0..engine.raw.fields().len()).filter(read);
    let raw = raw.map(|field| elements(&engine.raw.fields()[field].decoded().max_shape()));
    let most = raw.chain([engine.extents.image(), 2 * engine.extents.canvas]).max().unwrap_or(0);
    if most > i32::MAX as usize {
        return Err(refused(
            engine,
            format!("found images of {most} elements, expected below 2^31"),
        ));
    }
    Ok(())
}

pub(super) fn made_by(engine: &AugmentEngine, field: usize) -> Made {
    match &engine.targets[field] {
        _ if field == engine.image => Made::OnDevice,
        Some(target) if target.select().is_some() => Made::OnDevice,
        Some(_) => Made::OnHost,
        None => Made::AsRead,
    }
}

/// The type of the elements that kernels read of a raw field: those of its pixels, where it has
/// pictures.
fn raw_dtype(engine: &AugmentEngine, field: usize) -> RowDType {
    let field = &engine.raw.fields()[field];
    field.as_picture().map_or(field.dtype(), Picture::dtype)
}

/// Bytes of the taps of both axes of a tile.
fn taps_bytes(taps: usize, tile_log2: u32) -> usize {
    let side = 1usize << tile_log2;
    let part = |elements: usize| (elements * size_of::<f32>()).next_multiple_of(16);
    2 * (part(side) + part(side * taps))
}

/// The largest tile whose taps fit.
fn tile_log2(taps: usize) -> Option<u32> {
    (0..=TILE_LOG2_MAX).rev().find(|&log2| taps_bytes(taps, log2) <= TAPS_BYTES)
}

/// Tiles of the largest image, which is the delivered one where there is no other.
fn tiles(engine: &AugmentEngine, tile_log2: u32) -> usize {
    let delivered = engine.delivered.split(&engine.schema.fields()[engine.image].max_shape(), 1).0;
    let largest = engine.extents.largest();
    let size = if engine.stages == 1 { delivered } else { largest };
    let tiles = |len: usize| len.div_ceil(1 << tile_log2);
    let groups = engine.extents.channels.div_ceil(CHANNELS_MAX);
    (size[D] * groups * tiles(size[H]) * tiles(size[W])).max(1)
}

/// `Widened` of `widen.cuh`.
fn widened(dtype: RowDType) -> u32 {
    match dtype {
        RowDType::BF16 => 0,
        RowDType::F64 => 1,
        RowDType::I16 => 2,
        RowDType::I32 => 3,
        RowDType::I64 => 4,
        // `bind` lets no other type through.
        _ => 5,
    }
}

/// `Stored` of `args.cuh`.
fn stored(dtype: RowDType) -> u32 {
    match dtype {
        RowDType::U8 => 0,
        RowDType::F16 => 1,
        RowDType::BF16 => 2,
        _ => 3,
    }
}

/// `FillAs` of `select.cuh`, and the bits of a constant one.
fn fill(select: &Select, dtype: RowDType) -> (u32, u64) {
    if let Some(element) = select.fill {
        return (0, u64::from_le_bytes(element));
    }
    let fill_as = match dtype {
        RowDType::U16 => 1,
        RowDType::U32 => 2,
        RowDType::I16 => 3,
        RowDType::I32 => 4,
        RowDType::I64 => 5,
        RowDType::BF16 => 6,
        RowDType::F64 => 7,
        // An 8-bit float has no fill but 0.
        _ => 0,
    };
    (fill_as, 0)
}

impl Launch {
    /// Which bytes the launch may read and write, for checks that launches and copies wait for each
    /// other. The pixels of rasters are left out: their addresses are copied to the device, and may
    /// not be there yet when the launch is made.
    pub fn uses(&self) -> Vec<Use> {
        uses(self.kernel, &self.args, self.grid)
    }
}

/// [`Launch::uses`] of what a driver is given.
///
/// # Panics
///
/// When `args` is not the struct of `kernel`.
pub fn uses(kernel: &str, args: &[u8], grid: [u32; 3]) -> Vec<Use> {
    let rows = u64::from(grid[1]);
    if kernel.starts_with("select") {
        let args: SelectArgs = bytemuck::pod_read_unaligned(args);
        let plans = plans_read(args.plans, args.first, args.first_stage + args.stages, rows);
        let read = [args.field, args.scratch].map(|of| (of, args.first, false));
        let written = [(args.output, args.first_output, true), (args.scratch, args.first, true)];
        return spans(plans, read.into_iter().chain(written), rows);
    }
    if kernel == "draw_displacements" {
        let args: ElasticArgs = bytemuck::pod_read_unaligned(args);
        let plans = plans_read(args.plans, args.first, args.stage + 1, rows);
        return spans(plans, [(args.scratch, args.first, true)], rows);
    }
    if kernel == "widen" {
        let args: WidenArgs = bytemuck::pod_read_unaligned(args);
        let plans = plans_read(args.plans, args.first, 0, rows);
        return spans(
            plans,
            [(args.image, args.first, false), (args.scratch, args.first, true)],
            rows,
        );
    }
    let args: StageArgs = bytemuck::pod_read_unaligned(args);
    let plans = plans_read(args.plans, args.first, args.stage + 1, rows);
    let read = [args.image, args.scratch].map(|of| (of, args.first, false));
    let written = [(args.output, args.first_output, true), (args.scratch, args.first, true)];
    spans(plans, read.into_iter().chain(written), rows)
}

/// Plans may lie in the midst of the rows of a scratch: of the last row they alone are read.
fn plans_read(plans: Rows, first: u32, stages: u32, rows: u64) -> Use {
    let plan = size_of::<PlanHeader>() + stages as usize * size_of::<StagePlan>();
    Use {
        address: plans.base + u64::from(first) * plans.stride,
        bytes: (rows - 1) * plans.stride + plan as u64,
        is_write: false,
    }
}

/// The plans, and whole rows, those that there are.
fn spans(plans: Use, of: impl IntoIterator<Item = (Rows, u32, bool)>, rows: u64) -> Vec<Use> {
    let used = of.into_iter().filter(|(of, ..)| of.stride > 0);
    let span = used.map(|(of, first, is_write)| Use {
        address: of.base + u64::from(first) * of.stride,
        bytes: rows * of.stride,
        is_write,
    });
    std::iter::once(plans).chain(span).collect()
}
