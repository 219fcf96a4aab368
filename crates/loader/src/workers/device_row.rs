//! What a worker writes into the slab for an engine of a device: the plan of a row, the windows of its
//! pictures, the parts of its images that the plan reaches, and the fields that are made here.

use tallow_core::device::{Raster, Whose};
use tallow_core::{
    Error, ErrorKind, Picture, PictureHead, Result, Row, RowBuffer, RowKey, RowMark, RowView,
    Shapes,
};

use super::chain::{Beside, Chain};
use super::finisher::{Finisher, Placed};
use super::pipeline::Tools;
use crate::resident::{KeptPicture, Resident};
use crate::slabs;
use crate::stages::Stage;

impl Chain<'_, '_> {
    /// Writes what a device engine needs in addition to the raw row into the slab, and if that has not
    /// all of the raw row, what it has. Of `rows` the last one is then what was read.
    pub(super) fn plan_for_device(
        &mut self,
        key: RowKey,
        beside: Option<Beside<'_>>,
        rows: &[RowBuffer],
        memory: slabs::Beside<'_>,
    ) -> Result<()> {
        let Some(finisher) = &self.pipeline.finisher else { return Ok(()) };
        let engine = finisher.engine.engine();
        let beside = beside.zip(engine.mixer());
        let Tools { slots, extras, plan, engine: own, .. } = &mut *self.tools;
        let Some(extras) = extras else { return Ok(()) };
        self.clock.enter(Stage::Transform);
        let (raw, slots) = match rows.last().filter(|_| finisher.reads_aside()) {
            Some(row) => (row.view(), Some(slots)),
            None => (slots.view(self.pipeline.raw()), None),
        };
        let mine = Member::new(finisher, self.resident, key, raw)?;
        let theirs = beside.map(|((key, view), _)| Member::new(finisher, self.resident, key, view));
        let theirs = theirs.transpose().map_err(Error::of_partner)?;
        let plan: &mut [u8] = bytemuck::cast_slice_mut(plan);
        plan.fill(0);
        let (len, padded) = (engine.plan_bytes(), finisher.extras.fields()[0].max_bytes());
        match beside.zip(theirs.as_ref()) {
            None => engine.plan(key, mine.shapes(), &mut plan[..len])?,
            Some((((partner, _), mixer), theirs)) => {
                let shapes = (mine.shapes(), theirs.shapes());
                mixer.plan_pair((key, shapes.0), (partner, shapes.1), &mut plan[..len])?;
            }
        }
        let plan = &plan[..padded];
        let mut row = self.clock.watch(extras.row(&finisher.extras, Some(self.stop)));
        let placing = Placing { finisher, plan: &plan[..len], memory, mark: row.mark() };
        if let Some(theirs) = &theirs {
            let placed = placing.place(theirs, Whose::Partner, false, &mut row, 1);
            placed.map_err(Error::of_partner)?;
        }
        if let Some(slots) = slots {
            let mut row = slots.row(&finisher.slab, Some(self.stop));
            placing.place(&mine, Whose::Own, self.resident.is_some(), &mut row, 0)?;
            if !mine.is_present() {
                slots.finish(&finisher.slab)?;
            }
        }
        row.field(0).copy_from_bytes(plan)?;
        let made = finisher.made_range();
        if finisher.has_partner_index {
            let partner = beside.map_or(-1, |((partner, _), _)| partner.index as i64);
            row.field(made.end).copy_from_slice(&[partner])?;
        }
        let own = &mut bytemuck::cast_slice_mut(own)[..engine.scratch_bytes()];
        for (at, &field) in finisher.made.iter().enumerate() {
            let partner = theirs.as_ref().map(|theirs| theirs.view.field(field));
            let to = &mut row.field(made.start + at);
            finisher.engine.make_on_host(
                field,
                &plan[..len],
                raw.field(field),
                partner,
                to,
                own,
            )?;
        }
        extras.finish_part(&finisher.extras, made)
    }
}

/// One of the samples that a row is made of.
struct Member<'a> {
    view: RowView<'a>,
    /// The heads of its pictures, one per field; empty where no field has any.
    heads: Vec<Option<PictureHead>>,
    /// The pictures that the device has, if the sample is there.
    present: Option<&'a [KeptPicture]>,
}

impl<'a> Member<'a> {
    /// The sample of `key`, of which `view` has what was read or is known here.
    fn new(
        finisher: &Finisher,
        resident: Option<&'a Resident>,
        key: RowKey,
        view: RowView<'a>,
    ) -> Result<Self> {
        let index = key.index as usize;
        let resident = resident.filter(|resident| resident.is_present(index));
        let present = resident.map(|resident| resident.pictures_of(index));
        let mut heads = Vec::new();
        if finisher.has_pictures() {
            let mut kept = present.unwrap_or_default().iter();
            for (field, placed) in finisher.placed.iter().enumerate() {
                let known = if matches!(placed, Placed::Raster(_)) { kept.next() } else { None };
                heads.push(match known {
                    Some(kept) => Some(kept.head.clone()),
                    None => Shapes::of(view).picture(field)?,
                });
            }
        }
        Ok(Self { view, heads, present })
    }

    fn shapes(&self) -> Shapes<'_> {
        match self.heads.is_empty() {
            true => Shapes::of(self.view),
            false => Shapes::with_heads(self.view, &self.heads),
        }
    }

    /// Whether the device has it already, for all that is enqueued from now on.
    fn is_present(&self) -> bool {
        self.present.is_some()
    }
}

/// What it takes to write samples into the slab.
struct Placing<'a> {
    finisher: &'a Finisher,
    plan: &'a [u8],
    memory: slabs::Beside<'a>,
    mark: Option<&'a RowMark>,
}

impl Placing<'_> {
    /// Writes what the slab has of the raw fields of `member` into the fields of `row` from `first` on:
    /// only where its pictures are, if the device has it. Pictures of a sample that `stays` there are
    /// decoded wholly.
    fn place(
        &self,
        member: &Member<'_>,
        whose: Whose,
        stays: bool,
        row: &mut Row<'_>,
        first: usize,
    ) -> Result<()> {
        let mut rasters = 0;
        for (field, placed) in self.finisher.placed.iter().enumerate() {
            match placed {
                Placed::Row if !member.is_present() => {
                    row.field(first + field).copy_from_view(&member.view.field(field))?;
                }
                Placed::Raster(picture) => {
                    let kept = member.present.map(|pictures| &pictures[rasters]);
                    rasters += 1;
                    let raster = match (kept, &member.heads[field]) {
                        (Some(kept), _) => {
                            let whole = kept.head.stored().whole();
                            Raster::new(picture, &kept.head, &whole, kept.address())
                        }
                        (None, Some(head)) => {
                            self.decode(member, field, (picture, head), whose, stays)?
                        }
                        (None, None) => Raster::default(),
                    };
                    row.field(first + field).copy_from_bytes(bytemuck::bytes_of(&raster))?;
                }
                Placed::Part => {
                    let raster = self.cut(member, field, whose)?;
                    row.field(first + field).copy_from_bytes(bytemuck::bytes_of(&raster))?;
                }
                Placed::Row | Placed::Nothing => {}
            }
        }
        Ok(())
    }

    /// Decodes of a picture what the plan reaches, or all of it.
    fn decode(
        &self,
        member: &Member<'_>,
        field: usize,
        (picture, head): (&Picture, &PictureHead),
        whose: Whose,
        stays: bool,
    ) -> Result<Raster> {
        let window = self.finisher.engine.window(field, whose, self.plan, head)?;
        let window = if stays { Some(head.stored().whole()) } else { window };
        let Some(window) = window else { return Ok(Raster::default()) };
        let bytes = window.pixels() * head.stored().pixel_bytes(picture.color());
        let (pixels, address) = self.lend(bytes)?;
        let file = member.view.field(field);
        self.finisher.decoders.decode_into(&file, picture, head, &window, pixels, self.mark)?;
        Ok(Raster::new(picture, head, &window, address))
    }

    /// Copies the part of a row of numbers that the plan reaches.
    fn cut(&self, member: &Member<'_>, field: usize, whose: Whose) -> Result<Raster> {
        let row = member.view.field(field);
        let part = self.finisher.engine.part(field, whose, self.plan, row.shape())?;
        let Some(part) = part else { return Ok(Raster::default()) };
        let element = row.dtype().size();
        let (pixels, address) = self.lend(part.elements() * element)?;
        part.copy(row.bytes(), pixels, element);
        Ok(part.raster(address))
    }

    fn lend(&self, bytes: usize) -> Result<(&mut [u8], u64)> {
        let lent = self.memory.lend(bytes);
        lent.map_err(|error| Error::new(ErrorKind::TooLarge, error.to_string()))
    }
}
