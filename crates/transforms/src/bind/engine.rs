//! An `Augment` tied to a schema: the engine that the loader's workers run.

use std::sync::Arc;

use bytemuck::{Pod, Zeroable};
use tallow_core::device::{Part, Whose};
use tallow_core::{
    Decoders, Dim, Engine, Error, ErrorKind, Field, FieldMut, FieldView, Mixer, PictureHead,
    Purpose, Result, Row, RowKey, RowMark, RowView, Schema, Shapes, Stream, Window,
};

use super::deliver::{self, delivered_field, delivered_layout, is_moved, is_pixel, scale_of};
use super::pixels::{self, Pixels, Shown};
use super::scaling;
use super::select::Select;
use super::targets::{BoundTarget, Mixed};
use super::theirs::Theirs;
use crate::augment::Augment;
use crate::compose::{Composer, Line, Mixing, Sketch};
use crate::engine::{self, Extents, Memory, Raw, widen};
use crate::kernels::Simd;
use crate::layout::{Layout, Shape};
use crate::parameters::chance;
use crate::plan::{OPS_MAX, StagePlan, canvas};
use crate::step::{self, Node};
use crate::targets::Target;
use crate::values::Values;

/// What precedes the stages of a row's plan.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub(crate) struct PlanHeader {
    /// 1 where a partner is mixed in, whose stages follow the row's own.
    pub(crate) mixed: u32,
    /// The share of the row's own sample in its labels.
    pub(crate) share: f32,
}

/// What a stage of any sample may need to know before its first pixel is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StageNeeds {
    /// Statistics, one after the other.
    pub(crate) statistics: usize,
    /// The displacements of an elastic map.
    pub(crate) elastic: bool,
    /// Whether its pixels may be other than moved or resized. Maps that are merged may be any.
    pub(crate) warps: bool,
}

impl StageNeeds {
    /// A sample that draws fewer steps can be at an earlier stage than the sketch: what the sketch
    /// has in a later stage may be in an earlier one.
    fn of(sketch: &Sketch) -> Vec<Self> {
        let needs = |stage: usize| {
            let rest = &sketch.stages[stage..];
            let counts = rest.iter().any(|stage| stage.statistic);
            Self {
                statistics: if counts { sketch.statistics.min(OPS_MAX) } else { 0 },
                elastic: rest.iter().any(|stage| stage.elastic),
                warps: sketch.once || rest.iter().any(|stage| stage.warps),
            }
        };
        (0..sketch.stages.len()).map(needs).collect()
    }
}

/// A chain bound to the fields of a schema.
#[derive(Debug, Clone)]
pub(crate) struct AugmentEngine {
    pub(crate) schema: Schema,
    /// The schema of the raw rows.
    pub(crate) raw: Schema,
    /// The index of the image among the fields.
    pub(crate) image: usize,
    pub(crate) layout: Layout,
    /// How the image is delivered.
    pub(crate) delivered: Layout,
    /// A factor and a summand that turn values of the raw range into delivered ones.
    scale: [f32; 2],
    values: Values,
    /// Whether raw values that are far from the range have to be found.
    ranged: bool,
    /// Whether values are computed, not only moved.
    computes: bool,
    once: bool,
    /// Whether pictures may be decoded smaller than they are stored.
    pub(super) scaled: bool,
    nodes: Vec<Node>,
    streams: Vec<Stream>,
    /// The name of the streams, where one was set.
    draws: Option<String>,
    /// The step that mixes a second sample in, if there is one.
    pub(crate) mix: Option<usize>,
    pub(crate) stages: usize,
    /// What each stage may need to know beforehand.
    pub(crate) needs: Vec<StageNeeds>,
    pub(crate) extents: Extents,
    /// Set where pixels are only moved: elements then keep their type and their bits.
    pub(crate) select: Option<Select>,
    pub(crate) targets: Vec<Option<BoundTarget>>,
    lines: Vec<Line>,
    simd: Simd,
    /// Where the pixels of encoded fields come from; all clones share their memory.
    decoders: Arc<Decoders>,
}

impl AugmentEngine {
    /// Binds `augment` to `schema`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] with all problems.
    pub(crate) fn bind(augment: &Augment, schema: &Schema) -> Result<Self> {
        let image = position(schema, augment.field_name())?;
        let field = &schema.fields()[image];
        let layout = layout_of(augment, field).map_err(|problem| named(field, problem))?;
        scaling::check(augment, field).map_err(|problem| named(field, problem))?;
        let field = &field.decoded();
        let mut sketch = outline(augment, field, layout)?;
        let delivered = delivered_layout(&sketch);
        let out = delivered_field(field, &mut sketch, delivered);
        let out = out.map_err(|problem| named(field, problem))?;
        let targets = bind_targets(augment, schema, image, &sketch)?;
        let fields =
            schema.fields().iter().zip(&targets).enumerate().map(|(i, (field, target))| {
                if i == image {
                    out.clone()
                } else {
                    target.as_ref().map_or(field, |t| &t.field).clone()
                }
            });
        let extents = Extents::of(&sketch);
        let moves = is_moved(&sketch, field.dtype(), out.dtype());
        let select = Select { from: layout, to: delivered, fill: None, times: 1, extents };
        let select = moves.then_some(select);
        let widened = if moves { 0 } else { widen::elements(field) };
        let extents = Extents { widened, ..extents };
        let nodes = step::bind(&augment.chain, augment.draws_name());
        let mut streams = Vec::new();
        step::streams(&nodes, &mut streams);
        Ok(Self {
            schema: Schema::new(fields.collect())?,
            raw: schema.clone(),
            image,
            layout,
            delivered,
            scale: scale_of(&sketch, out.dtype()),
            values: sketch.values,
            ranged: sketch.ranged,
            computes: sketch.computes,
            once: augment.once,
            scaled: augment.scaled,
            mix: nodes.iter().position(|node| node.step.mixes().is_some()),
            nodes,
            streams,
            draws: augment.draws.clone(),
            stages: sketch.stages.len(),
            needs: StageNeeds::of(&sketch),
            extents,
            select,
            targets,
            lines: sketch.lines,
            simd: Simd::detect(),
            decoders: Arc::default(),
        })
    }

    /// How the chain was cut, and why.
    pub(crate) fn explain(&self) -> String {
        let mut text = String::new();
        let (stages, bytes) = (self.stages, self.plan_bytes());
        let passes = if stages == 1 { "1 stage" } else { &format!("{stages} stages") };
        text += &format!("{passes}, plans of {bytes} bytes per sample\n");
        for stage in 0..stages {
            for line in self.lines.iter().filter(|line| line.stage == stage) {
                let Line { step, cut, note, .. } = line;
                let why = cut.map(|reason| format!("cut here: {reason}"));
                let why = why.unwrap_or_else(|| (*note).to_owned());
                text += &format!("  stage {stage}: {step}: {why}\n");
            }
        }
        if self.raw.fields()[self.image].as_picture().is_some() {
            text += "  decodes of each picture the window that its plan shows\n";
        }
        if self.scaled {
            text +=
                "  decodes JPEGs at 1/2, 1/4 or 1/8 where the first resize makes less of them\n";
        }
        if self.mix.is_some() {
            text += "  reads a second sample per row: a random position of the same epoch\n";
        }
        text + &format!("  delivers {}: {}\n", self.delivered, self.schema.fields()[self.image])
    }

    /// The shape of the image, as its layout has it; that of a picture is in its head.
    pub(super) fn shape(&self, shapes: Shapes<'_>) -> Result<Shape<usize>> {
        if let Some(head) = shapes.picture(self.image)? {
            return Ok(self.shape_of(&head));
        }
        let (size, channels) = self.layout.split(shapes.shape(self.image), 1);
        Ok(self.layout.join(size, channels))
    }

    /// The shape of a picture whose head is `head`.
    pub(super) fn shape_of(&self, head: &PictureHead) -> Shape<usize> {
        let [height, width] = head.size();
        self.layout.join([1, height, width], self.extents.channels)
    }

    fn composer<'a>(
        &self,
        key: RowKey,
        shape: &[usize],
        plans: &'a mut [StagePlan],
    ) -> Result<Composer<'a>> {
        let (size, channels) = self.layout.split(shape, 1);
        // An empty sequence of tokens can be padded; an image without pixels has no statistics.
        if size.contains(&0) && (self.computes || self.layout != Layout::T) {
            let message = format!("found shape {shape:?}, an image without pixels");
            let field = self.schema.fields()[self.image].name();
            return Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(field));
        }
        let size = size.map(|len| len as i32);
        let composer = Composer::new(key, size, channels, self.values, self.once, plans);
        Ok(composer.with_axes(self.layout.axes()))
    }

    /// Writes the plans of the row itself; the share of its labels.
    fn compose(
        &self,
        key: RowKey,
        shape: &[usize],
        mixed: bool,
        plans: &mut [StagePlan],
    ) -> Result<f32> {
        let mut composer = self.composer(key, shape, plans)?;
        composer.set_mixed(mixed);
        composer.chain(&self.nodes);
        let share = composer.share();
        composer.finish(self.scale);
        Ok(share)
    }

    /// What the steps draw for one sample, in words.
    pub(crate) fn drawn(&self, key: RowKey, shapes: Shapes<'_>) -> Result<Vec<String>> {
        let mut plans = vec![StagePlan::zeroed(); self.stages];
        let composer = self.composer(key, &self.shape(shapes)?, &mut plans)?;
        let mut composer = composer.with_notes();
        // Whether there is a partner does not depend on which one it is.
        composer.set_mixed(self.partner(key, 1).is_some());
        composer.chain(&self.nodes);
        Ok(composer.into_notes())
    }

    /// Writes the plans of the partner, up to where it is mixed in.
    fn compose_partner(&self, key: RowKey, shape: &[usize], plans: &mut [StagePlan]) -> Result<()> {
        let mut composer = self.composer(key, shape, plans)?;
        composer.chain(&self.nodes[..self.mix.unwrap_or(0)]);
        composer.finish_in(canvas::PARTNER);
        Ok(())
    }

    fn execute(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        partner: Option<RowView<'_>>,
        row: &mut Row<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        let (head, plans) = read(plan);
        let (own, theirs) = plans.split_at(self.stages);
        let pixels = self.pixels(row.mark());
        if let Some(partner) = partner.filter(|_| head.mixed == 1 && self.select.is_none()) {
            self.keep_partner(
                pixels,
                Theirs::new(own, theirs),
                &partner.field(self.image),
                scratch,
            )
            .map_err(Error::of_partner)?;
        }
        pixels.of(&raw.field(self.image), self.layout, own.iter().copied(), |raw| {
            self.make_image(own, raw, row, scratch)
        })??;
        let others = (0..self.targets.len()).filter(|field| *field != self.image);
        for i in others {
            let partner = partner.map(|partner| partner.field(i));
            self.target(i, plan, raw.field(i), partner, &mut row.field(i), scratch)?;
        }
        Ok(())
    }

    /// Where pixels come from for a row that leaves its traces in `mark`.
    fn pixels<'a>(&'a self, mark: Option<&'a RowMark>) -> Pixels<'a> {
        Pixels { decoders: &self.decoders, mark, scaled: self.scaled }
    }

    /// Makes what is needed of the partner's image in its canvas, where
    /// [`make_image`](Self::make_image) finds it.
    fn keep_partner(
        &self,
        pixels: Pixels<'_>,
        theirs: Theirs<'_>,
        image: &FieldView<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        if theirs.is_empty() {
            return Ok(());
        }
        let (scratch, _) = scratch.split_at_mut(self.extents.bytes());
        let mut memory = Memory::divide(&self.extents, scratch);
        pixels.of(image, self.layout, theirs.stages(), |raw| {
            engine::run(self.simd, theirs.stages(), raw, &mut memory, None)?;
            theirs.spread(&mut *memory.canvases[canvas::PARTNER as usize], raw.planes(), 1, 1);
            Ok(())
        })?
    }

    /// Makes the image from `raw`.
    fn make_image(
        &self,
        plans: &[StagePlan],
        raw: &Raw<'_>,
        row: &mut Row<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        if let Some(select) = &self.select {
            return select.run(self.simd, plans, raw, None, &mut row.field(self.image), scratch);
        }
        let (scratch, _) = scratch.split_at_mut(self.extents.bytes());
        let mut memory = Memory::divide(&self.extents, scratch);
        let (stages, mut field) = (plans.iter(), row.field(self.image));
        deliver::make(self.simd, stages, raw, self.delivered, &mut memory, &mut field)
    }

    /// Makes field `field`, which is not the image, from its raw field and the partner's.
    pub(crate) fn target(
        &self,
        field: usize,
        plan: &[u8],
        raw: FieldView<'_>,
        partner: Option<FieldView<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        let (head, plans) = read(plan);
        let (own, theirs) = plans.split_at(self.stages);
        let mixed = partner.filter(|_| head.mixed == 1);
        let theirs = Theirs::new(own, theirs);
        let mixed = mixed.map(|field| Mixed { field, theirs, share: head.share });
        match &self.targets[field] {
            None => to.copy_from_view(&raw),
            Some(target) => {
                let pixels = self.pixels(to.mark());
                target.run(self.simd, pixels, own, &raw, mixed, to, scratch)
            }
        }
    }

    /// Which pixels of the stored picture in raw field `field`, whose head is `head`, kernels read.
    ///
    /// # Errors
    ///
    /// When it has not the size that the stages begin with.
    pub(crate) fn window(
        &self,
        field: usize,
        whose: Whose,
        plan: &[u8],
        head: &PictureHead,
    ) -> Result<Option<Window>> {
        let (own, theirs) = read(plan).1.split_at(self.stages);
        let stages = if whose == Whose::Own { own } else { theirs };
        let name = self.raw.fields()[field].name();
        let shown = match self.select_of(field).filter(|_| field != self.image) {
            None => Shown::of(name, head, stages.iter().copied()),
            Some(select) => Shown::of(name, head, select.stages(stages.iter().copied())),
        };
        Ok(shown?.window())
    }

    /// Which part of raw field `field`, whose row has the shape `shape`, kernels read.
    ///
    /// # Errors
    ///
    /// As [`window`](Self::window).
    pub(crate) fn part(
        &self,
        field: usize,
        whose: Whose,
        plan: &[u8],
        shape: &[usize],
    ) -> Result<Option<Part>> {
        let (own, theirs) = read(plan).1.split_at(self.stages);
        let stages = if whose == Whose::Own { own } else { theirs };
        let name = self.raw.fields()[field].name();
        match self.select_of(field) {
            Some(select) if field != self.image => {
                let stages = select.stages(stages.iter().copied());
                pixels::part_of(name, shape, select.from, stages)
            }
            _ => pixels::part_of(name, shape, self.layout, stages.iter().copied()),
        }
    }

    /// How the elements of a field are moved, where they are not computed.
    pub(crate) fn select_of(&self, field: usize) -> Option<&Select> {
        match field == self.image {
            true => self.select.as_ref(),
            false => self.targets[field].as_ref()?.select(),
        }
    }
}

impl Augment {
    /// The layout of the image in fields of `schema`, and the one in which it is delivered.
    ///
    /// # Errors
    ///
    /// As [`Transform::bind`](tallow_core::Transform::bind).
    pub fn layouts(&self, schema: &Schema) -> Result<[Layout; 2]> {
        let engine = AugmentEngine::bind(self, schema)?;
        Ok([engine.layout, engine.delivered])
    }

    /// The layout of the field `field` in rows of `schema`, and the one in which it is delivered;
    /// `None` where it is neither the image, nor a mask or a second image.
    ///
    /// # Errors
    ///
    /// As [`Transform::bind`](tallow_core::Transform::bind), and when there is no such field.
    pub fn layouts_of(&self, schema: &Schema, field: &str) -> Result<Option<[Layout; 2]>> {
        let engine = AugmentEngine::bind(self, schema)?;
        let at = position(schema, field)?;
        Ok(match &engine.targets[at] {
            _ if at == engine.image => Some([engine.layout, engine.delivered]),
            Some(target) => target.layouts(),
            None => None,
        })
    }

    /// How the chain is cut into stages for fields of `schema`, and why, line by line.
    ///
    /// # Errors
    ///
    /// As [`Transform::bind`](tallow_core::Transform::bind).
    pub fn explain(&self, schema: &Schema) -> Result<String> {
        Ok(AugmentEngine::bind(self, schema)?.explain())
    }

    /// What the steps of the chain draw for one sample, in words, in their order.
    ///
    /// # Errors
    ///
    /// As [`Transform::bind`](tallow_core::Transform::bind), or when the shapes do not fit.
    pub fn drawn(&self, schema: &Schema, key: RowKey, shapes: Shapes<'_>) -> Result<Vec<String>> {
        AugmentEngine::bind(self, schema)?.drawn(key, shapes)
    }
}

impl Engine for AugmentEngine {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn check(&self, raw: RowView<'_>) -> Result<()> {
        let Some(reach) = self.values.reach().filter(|_| self.ranged) else { return Ok(()) };
        let field = raw.field(self.image);
        match widen::beyond(self.simd, &field, reach)? {
            None => Ok(()),
            Some((at, value)) => {
                let name = self.raw.fields()[self.image].name();
                let problem = self.values.beyond(value, at);
                Err(Error::new(ErrorKind::OutOfRange, problem).with_field(name))
            }
        }
    }

    fn plan(&self, key: RowKey, shapes: Shapes<'_>, plan: &mut [u8]) -> Result<()> {
        let (head, stages) = write(plan);
        let stages = &mut stages[..self.stages];
        self.composed(shapes, stages, |shape, plans| self.compose(key, shape, false, plans))?;
        *head = PlanHeader { mixed: 0, share: 1.0 };
        Ok(())
    }

    fn run(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        self.execute(plan, raw, None, row, scratch)
    }

    fn mixer(&self) -> Option<&dyn Mixer> {
        self.mix.map(|_| self as &dyn Mixer)
    }

    fn plan_bytes(&self) -> usize {
        let rows = if self.mix.is_some() { 2 } else { 1 };
        size_of::<PlanHeader>() + rows * self.stages * size_of::<StagePlan>()
    }

    fn scratch_bytes(&self) -> usize {
        let targets = self.targets.iter().flatten().map(|target| target.scratch_bytes);
        let own = match self.select {
            Some(_) => Select::scratch_bytes(&self.extents, size_of::<u64>()),
            None => self.extents.bytes(),
        };
        targets.fold(own, usize::max)
    }

    fn streams(&self) -> &[Stream] {
        &self.streams
    }

    fn draws_as(&self) -> Option<&str> {
        self.draws.as_deref()
    }
}

impl Mixer for AugmentEngine {
    fn partner(&self, key: RowKey, positions: usize) -> Option<usize> {
        let node = &self.nodes[self.mix?];
        let mut draws = key.draws(node.stream.with_purpose(Purpose::Partner));
        let mixes = chance(&mut draws, node.step.mixes()?);
        (mixes && positions > 0).then(|| draws.below(positions as u64) as usize)
    }

    fn plan_pair(
        &self,
        own: (RowKey, Shapes<'_>),
        partner: (RowKey, Shapes<'_>),
        plan: &mut [u8],
    ) -> Result<()> {
        let (head, stages) = write(plan);
        let (mine, theirs) = stages.split_at_mut(self.stages);
        let share =
            self.composed(own.1, mine, |shape, plans| self.compose(own.0, shape, true, plans))?;
        let compose =
            |shape: &[usize], plans: &mut [_]| self.compose_partner(partner.0, shape, plans);
        self.composed(partner.1, theirs, compose).map_err(Error::of_partner)?;
        *head = PlanHeader { mixed: 1, share };
        Ok(())
    }

    fn run_pair(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        partner: RowView<'_>,
        row: &mut Row<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        self.execute(plan, raw, Some(partner), row, scratch)
    }
}

/// The plan of a row as structs. Plans are aligned by the contract of [`Engine`].
fn read(plan: &[u8]) -> (PlanHeader, &[StagePlan]) {
    let (head, stages) = plan.split_at(size_of::<PlanHeader>());
    (bytemuck::pod_read_unaligned(head), bytemuck::cast_slice(stages))
}

fn write(plan: &mut [u8]) -> (&mut PlanHeader, &mut [StagePlan]) {
    let (head, stages) = plan.split_at_mut(size_of::<PlanHeader>());
    (bytemuck::from_bytes_mut(head), bytemuck::cast_slice_mut(stages))
}

fn position(schema: &Schema, name: &str) -> Result<usize> {
    schema.position(name).ok_or_else(|| {
        Error::new(
            ErrorKind::Config,
            format!("found {name:?}, which is no field, expected one of {schema}"),
        )
    })
}

/// An error of the configuration, all problems in one line.
fn config(problems: &[String]) -> Error {
    Error::new(ErrorKind::Config, problems.join("; "))
}

fn named(field: &Field, problem: String) -> Error {
    Error::new(ErrorKind::Config, problem).with_field(field.name())
}

fn layout_of(augment: &Augment, field: &Field) -> std::result::Result<Layout, String> {
    if let Some(picture) = field.as_picture() {
        let layout = pixels::layout_of(picture);
        return match augment.layout.filter(|said| *said != layout) {
            Some(said) => Err(format!("found {field}, which are decoded as {layout}, not {said}")),
            None => Ok(layout),
        };
    }
    let Some(layout) = augment.layout else { return Layout::of(field) };
    if layout.rank() == field.dims().len() {
        return Ok(layout);
    }
    Err(format!("found {field}, expected the {} axes of {layout}", layout.rank()))
}

fn outline(augment: &Augment, field: &Field, layout: Layout) -> Result<Sketch> {
    let (size, channels) = layout.split(field.dims(), Dim::Fixed(1));
    let Dim::Fixed(channels) = channels else {
        return Err(named(field, format!("found {field}, whose channels are ragged")));
    };
    if channels == 0 {
        return Err(named(field, format!("found {field}, an image without channels")));
    }
    let values = Values::of(augment.range, field.dtype(), layout);
    let values = values.map_err(|problem| named(field, problem))?;
    let mut sketch = Sketch::new(size, channels, field.dtype(), layout, values, augment.once);
    sketch.needs_pixels().map_err(|problem| named(field, problem))?;
    sketch.needs_countable().map_err(|problem| named(field, problem))?;
    sketch.chain(&augment.chain).map_err(|problems| config(&problems))?;
    sketch.finish();
    sketch.needs_room().map_err(|problem| named(field, problem))?;
    if sketch.computes && !is_pixel(field.dtype()) {
        let problem = format!(
            "found {field}, whose pixels are moved but not computed with: store the files as f16 or \
             f32"
        );
        return Err(named(field, problem));
    }
    Ok(sketch)
}

fn bind_targets(
    augment: &Augment,
    schema: &Schema,
    image: usize,
    sketch: &Sketch,
) -> Result<Vec<Option<BoundTarget>>> {
    let mut targets: Vec<Option<BoundTarget>> = schema.fields().iter().map(|_| None).collect();
    let mut problems = Vec::new();
    for target in &augment.targets {
        let at = position(schema, &target.field)?;
        if at == image || targets[at].is_some() {
            problems.push(format!("{target}: the field is augmented already"));
            continue;
        }
        match BoundTarget::bind(target, &schema.fields()[at], sketch) {
            Ok(bound) => targets[at] = Some(bound),
            Err(problem) => problems.push(format!("{target}: {problem}")),
        }
    }
    // A second image is a label too, which is mixed as the first is.
    let labelled = targets.iter().flatten().any(BoundTarget::is_label)
        || augment.targets.iter().any(Target::is_image);
    const LABELS: &str =
        "found mixed samples, expected mixed labels beside them: add .one_hot(field, classes)";
    match sketch.mixing {
        Mixing::Blends if !labelled => problems.push(LABELS.to_owned()),
        Mixing::Pastes if !labelled && !augment.targets.iter().any(Target::is_mask) => {
            problems.push(format!("{LABELS} or .mask(field)"));
        }
        _ => {}
    }
    if problems.is_empty() { Ok(targets) } else { Err(config(&problems)) }
}

#[cfg(test)]
mod pasted;
#[cfg(test)]
mod windows;

#[cfg(test)]
mod tests {
    use super::*;
    use tallow_core::{Key, RowBuffer, RowDType};

    /// What the chain makes of one image of bytes, computed at `simd`.
    fn made(chain: &str, shape: &[usize], image: &[u8], simd: Simd) -> Vec<u8> {
        let chain: Augment = chain.parse().unwrap();
        let schema = Schema::new(vec![Field::new("input", RowDType::U8, shape)]).unwrap();
        let engine = AugmentEngine { simd, ..AugmentEngine::bind(&chain, &schema).unwrap() };
        let (mut raw, mut made) =
            (RowBuffer::new(&schema).unwrap(), RowBuffer::new(engine.schema()).unwrap());
        raw.row(None).field(0).copy_from_bytes(image).unwrap();
        raw.finish().unwrap();
        let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
        let plan = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
        let key = RowKey { key: Key::new(3, 1), index: 7 };
        engine.plan(key, Shapes::of(raw.view()), plan).unwrap();
        let mut scratch = vec![0u64; engine.scratch_bytes().div_ceil(8)];
        let scratch = bytemuck::cast_slice_mut(&mut scratch);
        engine.run(plan, raw.view(), &mut made.row(None), scratch).unwrap();
        made.finish().unwrap();
        made.view().field(0).bytes().to_vec()
    }

    /// Why the chain does not fit a field of bytes.
    fn refused(chain: Augment, layout: Layout, shape: &[usize]) -> String {
        let schema = Schema::new(vec![Field::new("input", RowDType::U8, shape)]).unwrap();
        AugmentEngine::bind(&chain.layout(layout), &schema).unwrap_err().to_string()
    }

    #[test]
    fn a_size_of_more_axes_than_the_field_is_refused() {
        let cases = [
            ("center_crop(5, 5)", Layout::T, &[8][..]),
            ("random_resized_crop(5, 5)", Layout::Ct, &[2, 8]),
            ("random_crop(1, 5)", Layout::Tc, &[8, 2]),
            ("center_crop(2, 5, 5)", Layout::Hwc, &[8, 8, 3]),
            ("random_crop(1, 5, 5)", Layout::Hw, &[8, 8]),
        ];
        for (chain, layout, shape) in cases {
            let problem = refused(chain.parse().unwrap(), layout, shape);
            assert!(problem.contains("which are fewer"), "{chain}: {problem}");
        }
    }

    #[test]
    fn images_too_large_to_be_counted_or_held_are_refused() {
        let pads = "pad(16777216) ".repeat(20);
        let chains = [
            ("resized_crop(0, 0, 1, 1, 4000000000, 1)", "axes of at most"),
            ("center_crop(3000000000)", "axes of at most"),
            ("resize(1048576) center_crop(3)", "axes of at most"),
            (&pads, "axes of at most"),
            ("resize(1000000, 1000000)", "values"),
            ("center_crop(100000) hflip", "values"),
        ];
        for (chain, why) in chains {
            let problem = refused(chain.parse().unwrap(), Layout::Hwc, &[1, 4096, 3]);
            assert!(problem.contains(why), "{chain}: {problem}");
        }
        let crop = Augment::new().crop_image(usize::MAX, 0, 1, 1);
        assert!(refused(crop, Layout::Hw, &[8, 8]).contains("outside of an image"));
        assert!(refused(Augment::new(), Layout::Hwc, &[8, 8, 0]).contains("without channels"));
        let chain = "resize(100000, 100000) crop(0, 0, 1, 1)";
        let moved = made(chain, &[8, 8, 1], &[7; 64], Simd::detect());
        assert_eq!(moved, [7], "what is cut off is never held");
    }

    #[test]
    fn masks_have_the_axes_of_the_image_where_their_shape_leaves_them_open() {
        let cases = [
            (Layout::Cdhw, &[1, 5, 6, 7][..], &[5, 6, 7][..]),
            (Layout::Dhw, &[5, 6, 7], &[5, 6, 7]),
            (Layout::Hwc, &[4, 4, 3], &[4, 4, 1]),
            (Layout::Ct, &[2, 9], &[9]),
            (Layout::Ct, &[2, 9], &[1, 9]),
        ];
        for (layout, image, mask) in cases {
            let fields = [("input", image), ("mask", mask)];
            let fields = fields.map(|(name, shape)| Field::new(name, RowDType::U8, shape));
            let schema = Schema::new(fields.to_vec()).unwrap();
            let chain = Augment::new().hflip().layout(layout).mask("mask");
            let bound = AugmentEngine::bind(&chain, &schema).map(|bound| bound.schema().clone());
            assert_eq!(bound.unwrap().fields()[1], schema.fields()[1], "{layout}");
        }
    }

    #[test]
    fn results_do_not_depend_on_the_simd_level() {
        let chains = [
            "random_resized_crop(23) random_hflip(1) color_jitter(0.4, 0.4, 0.4, 0.1) \
             random_erasing(1, value=noise) normalize(imagenet)",
            "adjust_sharpness(1.7) random_gamma(0.5..2) autocontrast solarize(0.6) \
             gaussian_noise(0.1) to_dtype(f16)",
            "gaussian_blur(5) adjust_hue(0.2) equalize salt_and_pepper permute_channels(2, 0, 1)",
            "random_crop(19, 31) random_vflip(1) posterize(5) adjust_saturation(1.4) invert \
             standardize to_dtype(bf16)",
            "adjust_brightness(1.2) adjust_contrast(1.4) grayscale to_layout(hwc)",
        ];
        let shape = [29, 37, 3];
        let bytes = (0..29 * 37 * 3u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8);
        let image: Vec<u8> = bytes.collect();
        for chain in chains {
            let scalar = made(chain, &shape, &image, Simd::named("scalar").unwrap());
            for simd in Simd::levels() {
                assert!(made(chain, &shape, &image, simd) == scalar, "{chain} at {simd:?}");
            }
        }
    }
}
