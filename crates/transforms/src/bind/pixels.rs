//! The pixels of raw fields: as they lie in a row, or decoded, as far as the plans of the row reach.

use tallow_core::device::Part;
use tallow_core::{
    Decoders, Dim, Error, ErrorKind, FieldView, Picture, PictureHead, Result, RowMark, Window,
};

use super::scaling;
use crate::compose::ShownSize;
use crate::engine::raw::Elements;
use crate::engine::{Raw, Reach, Turn};
use crate::layout::Layout;
use crate::plan::{H, StagePlan, W};

/// Where the pixels of raw fields come from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pixels<'a> {
    pub(crate) decoders: &'a Decoders,
    /// Where the time of decoding is left.
    pub(crate) mark: Option<&'a RowMark>,
    /// Whether pictures may be decoded smaller than they are stored.
    pub(crate) scaled: bool,
}

impl Pixels<'_> {
    /// Hands the image in `field` to `then`. Of a picture, what `stages` reach is decoded for this,
    /// and nothing where they reach nothing.
    ///
    /// # Errors
    ///
    /// When it is no picture, or a damaged one, or not of the size that the stages begin with.
    pub(crate) fn of<R>(
        &self,
        field: &FieldView<'_>,
        layout: Layout,
        stages: impl Iterator<Item = StagePlan>,
        then: impl FnOnce(&Raw<'_>) -> R,
    ) -> Result<R> {
        match field.declared().as_picture() {
            None => {
                let (raw, mut stages) = (Raw::of(field, layout), stages);
                check_size(field.name(), raw.size, stages.next().map(|plan| plan.source))?;
                Ok(then(&raw))
            }
            Some(picture) => self.decoded(field, picture, stages, then),
        }
    }

    fn decoded<R>(
        &self,
        field: &FieldView<'_>,
        picture: &Picture,
        stages: impl Iterator<Item = StagePlan>,
        then: impl FnOnce(&Raw<'_>) -> R,
    ) -> Result<R> {
        let head = picture.head(field.bytes()).map_err(|error| error.with_field(field.name()))?;
        let mut stages = stages.peekable();
        let head = if self.scaled { scaling::read_by(stages.peek(), head) } else { head };
        let shown = Shown::of(field.name(), &head, stages)?;
        let channels = head.stored().channels_of(picture.color());
        let raw = Raw {
            dtype: picture.dtype(),
            elements: Elements { channels, interleaved: true },
            size: shown.size,
            turn: shown.turn,
            part: shown.part,
            bytes: &[],
        };
        let Some(window) = shown.window() else { return Ok(then(&raw)) };
        let then = |bytes: &[u8]| Ok(then(&Raw { bytes, ..raw }));
        self.decoders.decode(field, picture, &head, &window, self.mark, then)
    }
}

/// What some stages show of a picture.
pub(super) struct Shown {
    /// Depth, height and width of the whole picture, upright.
    size: [i32; 3],
    turn: Option<Turn>,
    /// What is read of the picture as it is stored, if anything is.
    part: Option<Reach>,
}

impl Shown {
    /// That of `stages` and the picture in field `field` whose head is `head`.
    ///
    /// # Errors
    ///
    /// When it is not of the size that the stages begin with.
    pub(super) fn of(
        field: &str,
        head: &PictureHead,
        stages: impl Iterator<Item = StagePlan>,
    ) -> Result<Self> {
        let [height, width] = head.size().map(|len| len as i32);
        let size = [1, height, width];
        let mut stages = stages.peekable();
        check_size(field, size, stages.peek().map(|plan| plan.source))?;
        let turn = Turn::new(head.orientation(), head.stored_size());
        let stages = stages.map(|plan| turn.map_or(plan, |turn| turn.stage(&plan)));
        Ok(Self { size, turn, part: Reach::of(stages) })
    }

    /// What is to be decoded of the picture.
    pub(super) fn window(&self) -> Option<Window> {
        let part = self.part?;
        let along = |k: usize| part.start[k] as usize..part.end[k] as usize;
        Some(Window { rows: along(H), columns: along(W) })
    }
}

/// What `stages` show of an image that lies as numbers in a row of field `field`, in the shape `shape`
/// and in `layout`.
///
/// # Errors
///
/// When it is not of the size that the stages begin with.
pub(super) fn part_of(
    field: &str,
    shape: &[usize],
    layout: Layout,
    stages: impl Iterator<Item = StagePlan>,
) -> Result<Option<Part>> {
    let (size, channels) = layout.split(shape, 1);
    let mut stages = stages.peekable();
    let first = stages.peek().map(|plan| plan.source);
    check_size(field, size.map(|len| len as i32), first)?;
    let part = |Reach { start, end }: Reach| Part {
        size,
        channels,
        interleaved: layout.is_interleaved(),
        start: start.map(|at| at as usize),
        end: end.map(|at| at as usize),
    };
    Ok(Reach::of(stages).map(part))
}

/// Whether an image of `size` is of the size `first`, which the first stage begins with. Each field of
/// a row tells its own size where it is ragged, or of pictures.
fn check_size(field: &str, size: [i32; 3], first: Option<[i32; 3]>) -> Result<()> {
    let expected = first.unwrap_or(size);
    if size == expected {
        return Ok(());
    }
    let [found, expected] =
        [size, expected].map(|size| ShownSize(size.map(|len| Dim::Fixed(len as usize))));
    let message = format!(
        "found an image of {found}, expected {expected}: fields that follow an image \
                           have its size"
    );
    Err(Error::new(ErrorKind::ShapeMismatch, message).with_field(field))
}

/// The layout of the pixels of `picture`: channels last, or none of the numbers as they are stored.
pub(crate) fn layout_of(picture: &Picture) -> Layout {
    if picture.dims().len() == 2 { Layout::Hw } else { Layout::Hwc }
}
