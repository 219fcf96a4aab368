//! What is known of an image when a chain is bound: its sizes, channels and range, and how the
//! chain is cut into stages.

use std::fmt;

use tallow_core::{Dim, RowDType};

use super::cut::{Atom, Contents, Reason};
use crate::layout::Layout;
use crate::plan::{BLUR_WEIGHTS_MAX, CHANNELS_MAX, D, H, Interpolation, W};
use crate::text::number;
use crate::values::{Values, is_moderate};

/// The longest axis of anything: lengths and places are `i32` in a plan.
pub(crate) const LEN_MAX: usize = i32::MAX as usize / 4;

/// The most values of an image that is held as one: they are counted in 32 bits.
const VALUES_MAX: usize = i32::MAX as usize;

/// What reaches a step, and how the chain is cut so far.
#[derive(Debug, Clone)]
pub(crate) struct Sketch {
    /// Depth, height and width.
    pub(crate) size: [Dim; 3],
    /// What none of them is below.
    least: [usize; 3],
    pub(crate) channels: usize,
    /// The values of the raw field.
    pub(crate) values: Values,
    /// Whether values have left their range for good: they are normalised.
    pub(crate) normalized: bool,
    /// Whether the delivered values depend on the ends of the range.
    pub(crate) ranged: bool,
    /// The element type of the raw field.
    pub(crate) raw: RowDType,
    pub(crate) raw_layout: Layout,
    /// What is delivered, where a step said so.
    pub(crate) dtype: Option<RowDType>,
    pub(crate) layout: Option<Layout>,
    /// What a second sample does to the image.
    pub(crate) mixing: Mixing,
    /// Whether a step cannot tell where a pixel comes from: it blends views of one image.
    pub(crate) blends_views: bool,
    /// Whether values are computed, not only moved.
    pub(crate) computes: bool,
    /// Whether a map shows places between pixels, whatever it takes for them.
    pub(crate) resamples: bool,
    /// Whether one computes values for them.
    pub(crate) interpolates: bool,
    /// Whether a border mirrors the image at the middle of its outermost pixels.
    pub(crate) reflects: bool,
    /// The longest axis of any image.
    pub(crate) longest: usize,
    /// Whether nothing came so far but moves, so that there is no image yet besides the raw one.
    is_raw: bool,
    /// The size of the raw image.
    pub(crate) raw_size: [Dim; 3],
    pub(crate) once: bool,
    /// Statistics of the whole image, of all stages.
    pub(crate) statistics: usize,
    pub(crate) stages: Vec<StageSketch>,
    pub(crate) lines: Vec<Line>,
    /// The step under way, for `lines`.
    label: String,
}

/// What a second sample does to an image, in the order of what it leaves of a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mixing {
    /// There is none.
    None,
    /// A pixel is of one sample or of the other.
    Pastes,
    /// A pixel may be a sum of both.
    Blends,
}

/// The largest that a stage needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StageSketch {
    pub(crate) contents: Contents,
    /// Taps along an axis of the widest filter.
    pub(crate) taps: usize,
    /// By how much a resize makes an image smaller at most.
    scale: f64,
    /// Elements of a channel of what the stage writes, and of what its statistics see.
    pub(crate) elements: usize,
    /// The longest row of any image in it.
    pub(crate) width: usize,
    /// The longest column.
    pub(crate) height: usize,
    pub(crate) elastic: bool,
    /// Whether pixels may be sampled at places of their own, or looked at with their neighbours.
    pub(crate) warps: bool,
    pub(crate) statistic: bool,
}

/// One line of `explain`.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) stage: usize,
    pub(crate) step: String,
    /// Why the step began a stage.
    pub(crate) cut: Option<Reason>,
    pub(crate) note: &'static str,
}

impl Sketch {
    pub(crate) fn new(
        size: [Dim; 3],
        channels: usize,
        raw: RowDType,
        raw_layout: Layout,
        values: Values,
        once: bool,
    ) -> Self {
        let mut sketch = Self {
            size,
            least: least_of(size),
            channels,
            values,
            normalized: false,
            ranged: false,
            raw,
            raw_layout,
            dtype: None,
            layout: None,
            mixing: Mixing::None,
            blends_views: false,
            computes: false,
            resamples: false,
            interpolates: false,
            reflects: false,
            longest: 0,
            is_raw: true,
            raw_size: size,
            once,
            statistics: 0,
            stages: Vec::new(),
            lines: Vec::new(),
            label: String::new(),
        };
        sketch.set_size(size);
        sketch.open();
        sketch
    }

    fn open(&mut self) {
        if !self.stages.is_empty() {
            self.measure();
        }
        self.stages.push(StageSketch {
            contents: Contents::default(),
            taps: 1,
            scale: 0.0,
            elements: 0,
            width: 0,
            height: 0,
            elastic: false,
            warps: false,
            statistic: false,
        });
        self.measure();
    }

    fn stage(&mut self) -> &mut StageSketch {
        self.stages.last_mut().expect("a sketch begins with a stage")
    }

    /// Names the step that comes next.
    pub(crate) fn begin(&mut self, step: String) {
        self.label = step;
    }

    /// The step under way.
    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    fn note(&mut self, cut: Option<Reason>, note: &'static str) {
        let stage = self.stages.len() - 1;
        let step = self.label.clone();
        let said = self.lines.last().is_some_and(|l| l.stage == stage && l.step == step);
        if !said {
            self.lines.push(Line { stage, step, cut, note });
        }
    }

    /// A line for a step that needs no stage of its own.
    pub(crate) fn line(&mut self, note: &'static str) {
        self.note(None, note);
    }

    /// Begins a stage, for `reason`.
    pub(crate) fn cut(&mut self, reason: Reason) {
        self.is_raw = false;
        self.open();
        self.note(Some(reason), "");
    }

    /// Adds `atom`, after a cut if the rules require one.
    pub(crate) fn atom(&mut self, atom: Atom) {
        if atom != Atom::Move {
            // The first map of all reads the raw image, whatever a sample draws before it.
            self.is_raw &=
                matches!(atom, Atom::Turn | Atom::Pad { .. } | Atom::Resize | Atom::Warp);
            self.measure();
            self.is_raw = false;
        }
        self.computes |= matches!(atom, Atom::Neighbours | Atom::Point(_) | Atom::Pinned(_));
        match self.stage().contents.admits(atom, self.once) {
            Ok(()) => self.note(None, class_of(atom)),
            Err(reason) => self.cut(reason),
        }
        let stage = self.stage();
        stage.contents.add(atom);
        stage.warps |= matches!(atom, Atom::Warp | Atom::Neighbours);
    }

    /// A statistic of the whole image, and the operation that uses it.
    pub(crate) fn statistic(&mut self) {
        self.atom(Atom::Pinned(1));
        self.stage().statistic = true;
        self.statistics += 1;
        if let Some(line) = self.lines.last_mut() {
            line.note = "after a statistic of the whole image";
        }
    }

    /// Books the current size. Not every size that a stage goes through is ever an image: what a
    /// move follows, a resize above all, is made no larger than the move leaves it. No sample ends
    /// a stage in front of a move, unless an operation before it ended the moves, which booked. Of
    /// the raw image there is never more than a row or a column: pictures may be large.
    pub(crate) fn measure(&mut self) {
        let [depth, height, width] = self.max_size();
        let is_raw = self.is_raw;
        let stage = self.stage();
        if !is_raw {
            let elements = depth.saturating_mul(height).saturating_mul(width);
            stage.elements = stage.elements.max(elements);
        }
        stage.width = stage.width.max(width);
        stage.height = stage.height.max(height);
    }

    /// Books the size of what is delivered, after the last step.
    pub(crate) fn finish(&mut self) {
        self.is_raw = false;
        self.measure();
    }

    pub(crate) fn max_size(&self) -> [usize; 3] {
        self.size.map(Dim::max)
    }

    /// The image has another size from here on.
    pub(crate) fn set_size(&mut self, size: [Dim; 3]) {
        self.size = size;
        self.least = least_of(size);
        self.longest = self.max_size().into_iter().fold(self.longest, usize::max);
    }

    /// No image is smaller than `least` along `axis`.
    pub(crate) fn set_least(&mut self, axis: usize, least: usize) {
        self.least[axis] = least.min(self.size[axis].max());
    }

    /// A length along `axis` that no image is below.
    pub(crate) fn least(&self, axis: usize) -> usize {
        self.least[axis]
    }

    /// A map that interpolates at places of its own.
    pub(crate) fn warp(&mut self, interpolation: Interpolation) {
        self.atom(Atom::Warp);
        self.resample(interpolation != Interpolation::Nearest);
    }

    /// A resize to `size` by filters of `support` pixels on each side at scale 1, widened by up to
    /// `scale`; a support of half a pixel takes the nearest.
    pub(crate) fn resize(&mut self, size: [Dim; 3], support: f64, scale: f64) {
        self.atom(Atom::Resize);
        self.resample(support > 0.5);
        let stage = self.stage();
        stage.scale = stage.scale.max(scale);
        stage.widen_taps(support);
        self.set_size(size);
    }

    /// A map that shows places between pixels.
    fn resample(&mut self, interpolates: bool) {
        self.resamples = true;
        self.interpolates |= interpolates;
        self.computes |= interpolates;
    }

    /// A convolution with a kernel whose half, the middle included, has `weights` weights.
    ///
    /// # Errors
    ///
    /// When a plan does not hold that many.
    pub(crate) fn blur(&mut self, weights: usize) -> Result<(), String> {
        if weights > BLUR_WEIGHTS_MAX {
            let (found, most) = (2 * weights - 1, 2 * BLUR_WEIGHTS_MAX - 1);
            return Err(format!("a kernel of {found}, at most {most}"));
        }
        self.atom(Atom::Neighbours);
        self.taps(2 * weights - 1);
        Ok(())
    }

    /// An elastic map, whose displacements are blurred with such a kernel.
    ///
    /// # Errors
    ///
    /// When a plan does not hold that many weights.
    pub(crate) fn elastic(
        &mut self,
        weights: usize,
        interpolation: Interpolation,
    ) -> Result<(), String> {
        self.blur(weights)?;
        self.resample(interpolation != Interpolation::Nearest);
        self.stage().elastic = true;
        Ok(())
    }

    fn taps(&mut self, taps: usize) {
        let stage = self.stage();
        stage.taps = stage.taps.max(taps);
    }

    /// Asks for a range from black, which is 0, to white: what values have as long as they are not
    /// normalised.
    ///
    /// # Errors
    ///
    /// When they are, or it is not known.
    pub(crate) fn needs_range(&mut self) -> Result<(), String> {
        if self.normalized {
            return Err("works on values between black and white: put it before the \
                        normalisation"
                .to_owned());
        }
        self.ranged = true;
        self.values.check_colors()
    }

    /// Asks for a range, wherever it begins.
    ///
    /// # Errors
    ///
    /// When it is not known.
    pub(crate) fn needs_ends(&mut self) -> Result<(), String> {
        self.ranged = true;
        self.values.check_ends()
    }

    /// Asks for colours: a range, and 1 to 4 channels.
    ///
    /// # Errors
    ///
    /// When there are none.
    pub(crate) fn needs_colors(&mut self) -> Result<(), String> {
        self.needs_range()?;
        if self.channels > CHANNELS_MAX {
            return Err(format!(
                "found {} channels, expected 1 to 4: gray or red, green and blue, with alpha or \
                 without",
                self.channels
            ));
        }
        Ok(())
    }

    /// How far values lie from each other: what `Composer::spread` says.
    pub(crate) fn spread(&self) -> f64 {
        if self.normalized { 1.0 } else { self.values.width() / self.values.unit() }
    }

    /// Asks that an argument is one of the image's values: any number after a normalisation.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub(crate) fn needs_value(&self, name: &str, value: f64) -> Result<(), String> {
        needs_moderate(name, value)?;
        if self.normalized { Ok(()) } else { self.values.check(name, value) }
    }

    /// Asks that an argument is a distance that values can have from each other, of either sign.
    ///
    /// # Errors
    ///
    /// When it is not.
    pub(crate) fn needs_distance(&self, name: &str, value: f64) -> Result<(), String> {
        needs_moderate(name, value)?;
        if self.normalized { Ok(()) } else { self.values.check_distance(name, value) }
    }

    /// Asks for a height and width of their own: an image, not a signal.
    ///
    /// # Errors
    ///
    /// When an axis may be empty.
    pub(crate) fn needs_pixels(&self) -> Result<(), String> {
        match self.max_size().contains(&0) {
            true => Err("found an image without pixels".to_owned()),
            false => Ok(()),
        }
    }

    /// Asks for axes that plans can count along.
    ///
    /// # Errors
    ///
    /// When one is longer.
    pub(crate) fn needs_countable(&self) -> Result<(), String> {
        match self.max_size().iter().any(|len| *len > LEN_MAX) {
            true => {
                let size = ShownSize(self.size);
                Err(format!("found an image of {size}, expected axes of at most {LEN_MAX}"))
            }
            false => Ok(()),
        }
    }

    /// Asks for images that can be held, once the chain is gone over.
    ///
    /// # Errors
    ///
    /// When one is larger.
    pub(crate) fn needs_room(&self) -> Result<(), String> {
        let raw =
            self.raw_size.into_iter().fold(1, |size: usize, dim| size.saturating_mul(dim.max()));
        let largest = self.stages.iter().map(|stage| stage.elements).fold(raw, usize::max);
        if largest.saturating_mul(self.channels) <= VALUES_MAX {
            return Ok(());
        }
        let channels = self.channels;
        let found = format!(
            "found images of up to {largest} pixels in {channels} channels, expected at most \
             {VALUES_MAX} values"
        );
        // A long, flat image, resized by its shorter side alone.
        let hint = "resize to a height and a width, as with resize(224, 224), or set an upper bound, as \
                    with resize(256, max=1024)";
        Err(if largest > raw { format!("{found}: {hint}") } else { found })
    }

    /// Asks for a height: an image or a volume, not a signal.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn needs_height(&self) -> Result<(), String> {
        match self.raw_layout.as_str().contains('h') {
            true => Ok(()),
            false => Err("found a signal, which has no height".to_owned()),
        }
    }

    /// Goes every way that a step may take, each from here, and leaves the worst of all.
    ///
    /// # Errors
    ///
    /// What does not work in one of the ways, or when they leave images of different sizes.
    pub(crate) fn ways<W>(&mut self, ways: impl IntoIterator<Item = W>) -> Result<(), String>
    where
        W: FnOnce(&mut Self) -> Result<(), String>,
    {
        let common = self.lines.len();
        let mut worst: Option<Self> = None;
        for way in ways {
            let mut sketch = self.clone();
            way(&mut sketch)?;
            worst = Some(match worst {
                Some(worst) => worst.or(sketch, common)?,
                None => sketch,
            });
        }
        if let Some(mut worst) = worst {
            worst.label = std::mem::take(&mut self.label);
            *self = worst;
        }
        Ok(())
    }

    /// Takes over what holds of a sample if it holds after `other`.
    pub(crate) fn join(&mut self, other: &Self) {
        self.normalized |= other.normalized;
        self.mixing = self.mixing.max(other.mixing);
        self.ranged |= other.ranged;
        self.blends_views |= other.blends_views;
        self.computes |= other.computes;
        self.resamples |= other.resamples;
        self.interpolates |= other.interpolates;
        self.reflects |= other.reflects;
        self.longest = self.longest.max(other.longest);
        self.is_raw &= other.is_raw;
        self.dtype = self.dtype.or(other.dtype);
    }

    /// The worst of both: what one of two ways through a step may leave. `common` is how many lines
    /// both had before they parted.
    ///
    /// # Errors
    ///
    /// When the ways do not leave images of one size.
    pub(crate) fn or(mut self, other: Self, common: usize) -> Result<Self, String> {
        if self.size != other.size {
            let (a, b) = (ShownSize(self.size), ShownSize(other.size));
            return Err(format!("leaves images of {a} or {b}: every way must leave the same size"));
        }
        self.least = [D, H, W].map(|k| self.least[k].min(other.least[k]));
        self.join(&other);
        self.statistics = self.statistics.max(other.statistics);
        let (long, short) = match self.stages.len() >= other.stages.len() {
            true => (&self.stages, &other.stages),
            false => (&other.stages, &self.stages),
        };
        // A sample that took the way of fewer stages is at an earlier stage, whatever that holds.
        // The needs of a stage do not depend on its place, so the largest serve all.
        let mut stages = long.clone();
        let last = stages.len() - 1;
        if short.len() == long.len() {
            stages[last].contents = stages[last].contents.or(short[last].contents);
        }
        for stage in &mut stages {
            for s in short {
                stage.widen(s);
            }
        }
        self.lines.extend(other.lines.into_iter().skip(common));
        self.stages = stages;
        Ok(self)
    }
}

impl StageSketch {
    /// Has room for the taps of a resize by filters of `support` pixels on each side at scale 1.
    pub(crate) fn widen_taps(&mut self, support: f64) {
        if self.scale > 0.0 {
            let taps = (2.0 * (support * self.scale.max(1.0)).ceil()) as usize + 2;
            self.taps = self.taps.max(taps);
        }
    }

    /// Has room for what `other` needs, too.
    pub(crate) fn widen(&mut self, other: &Self) {
        self.taps = self.taps.max(other.taps);
        self.scale = self.scale.max(other.scale);
        self.elements = self.elements.max(other.elements);
        self.width = self.width.max(other.width);
        self.height = self.height.max(other.height);
        self.elastic |= other.elastic;
        self.warps |= other.warps;
        self.statistic |= other.statistic;
    }
}

/// The least that is known of sizes.
fn least_of(size: [Dim; 3]) -> [usize; 3] {
    size.map(|dim| match dim {
        Dim::Fixed(len) => len,
        Dim::Ragged { .. } => 1,
    })
}

fn needs_moderate(name: &str, value: f64) -> Result<(), String> {
    match is_moderate(value) {
        true => Ok(()),
        false => {
            let found = number(value);
            Err(format!("found {name} {found}, expected a number of at most 1e30"))
        }
    }
}

fn class_of(atom: Atom) -> &'static str {
    match atom {
        Atom::Move | Atom::Turn | Atom::Pad { .. } => "moves pixels, exact",
        Atom::Resize | Atom::Warp => "interpolates, once",
        Atom::Neighbours => "looks at neighbours",
        Atom::Point(_) => "on the pixel in flight, exact",
        Atom::Pinned(_) => "on the pixel in flight, by place",
    }
}

/// A size as people write it.
pub(crate) struct ShownSize(pub(crate) [Dim; 3]);

impl fmt::Display for ShownSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skip = usize::from(self.0[D] == Dim::Fixed(1));
        for (i, dim) in self.0[skip..].iter().enumerate() {
            let x = if i == 0 { "" } else { "x" };
            match dim {
                Dim::Fixed(len) => write!(f, "{x}{len}")?,
                Dim::Ragged { max } => write!(f, "{x}..={max}")?,
            }
        }
        Ok(())
    }
}
