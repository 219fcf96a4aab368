//! Fields whose elements are moved as they are, in any type: masks, and images that no step computes.

use bytemuck::Pod;
use tallow_core::{FieldMut, Result, RowDType};

use super::follow::enlarged;
use super::theirs::Theirs;
use crate::engine::raw::Elements;
use crate::engine::select::{self, Finding, Taken};
use crate::engine::{Extents, Memory, Raw, Reach, displacements};
use crate::kernels::Simd;
use crate::layout::Layout;
use crate::plan::{CHANNELS_MAX, D, Head, StagePlan, canvas};

/// The raw field of a partner, and its stages up to where it is mixed in.
pub(crate) type Partner<'a> = (&'a Raw<'a>, Theirs<'a>);

/// A field whose elements are moved as they are.
#[derive(Debug, Clone)]
pub(crate) struct Select {
    pub(crate) from: Layout,
    pub(crate) to: Layout,
    /// The element outside of the field, as [`RowDType::element`] has it; without it the plan's own
    /// fill, in the range of the image.
    pub(crate) fill: Option<[u8; 8]>,
    /// How many times as large as the image it is.
    pub(crate) times: i32,
    /// The scratch of the image's plans, with the channels of this field.
    pub(crate) extents: Extents,
}

/// The alignment at which elements of any type can begin.
const ALIGN: usize = 64;

impl Select {
    /// Images between stages: two that alternate, and the partner's.
    pub(crate) fn images(extents: &Extents) -> usize {
        if extents.canvases[canvas::PARTNER as usize] { 3 } else { 2 }
    }

    /// Bytes of the scratch, for elements of `size` bytes.
    pub(crate) fn scratch_bytes(extents: &Extents, size: usize) -> usize {
        extents.bytes() + Self::images(extents) * extents.image() * size + ALIGN
    }

    /// The stages `plans` as they find elements: each is one of the raw field, the nearest. What
    /// they reach of it is what [`run`](Self::run) reads.
    pub(crate) fn stages(
        &self,
        plans: impl Iterator<Item = StagePlan>,
    ) -> impl Iterator<Item = StagePlan> {
        plans.map(|plan| enlarged(&plan, self.times).choosing())
    }

    /// Moves the elements of `from` as `plans` say, and pastes those of a partner.
    pub(crate) fn run(
        &self,
        simd: Simd,
        plans: &[StagePlan],
        from: &Raw<'_>,
        partner: Option<Partner<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        match from.dtype.size() {
            1 => self.moved::<u8>(simd, plans, from, partner, to, scratch),
            2 => self.moved::<u16>(simd, plans, from, partner, to, scratch),
            4 => self.moved::<u32>(simd, plans, from, partner, to, scratch),
            _ => self.moved::<u64>(simd, plans, from, partner, to, scratch),
        }
    }

    fn moved<T: Pod>(
        &self,
        simd: Simd,
        plans: &[StagePlan],
        from: &Raw<'_>,
        partner: Option<Partner<'_>>,
        to: &mut FieldMut<'_>,
        scratch: &mut [u8],
    ) -> Result<()> {
        let (own, rest) = scratch.split_at_mut(self.extents.bytes());
        let mut memory = Memory::divide(&self.extents, own);
        let skip = rest.as_ptr().align_offset(ALIGN);
        let bytes = Self::images(&self.extents) * self.extents.image() * size_of::<T>();
        let images = bytemuck::cast_slice_mut::<u8, T>(&mut rest[skip..][..bytes]);
        let (a, rest) = images.split_at_mut(self.extents.image());
        let (b, c) = rest.split_at_mut(self.extents.image());
        let mut theirs = [a, c];
        if let Some((field, stages)) = partner {
            self.through(simd, stages.stages(), field, None, &mut memory, &mut theirs);
            let channels = field.elements.channels;
            let (planes, unit) =
                if self.to.is_interleaved() { (1, channels) } else { (channels, 1) };
            let depth = field.size[D] as usize;
            stages.spread(&mut *theirs[1], planes * depth, unit, self.times);
        }
        let [free, pasted] = theirs;
        let (mut canvases, pasted) = ([free, b], partner.map(|_| &*pasted));
        let own = plans.iter().copied();
        let size = self.through(simd, own, from, pasted, &mut memory, &mut canvases);
        let channels = from.elements.channels;
        to.set_shape(&self.to.join(size, channels))?;
        let made = &canvases[1][..size.iter().product::<usize>() * channels];
        to.copy_from_bytes(bytemuck::cast_slice(made))
    }

    /// Moves the elements of `from` through `plans` into the second of `canvases`, with the boxes
    /// that are pasted of `partner`, which lies there as it is delivered; returns the size of what
    /// is made.
    fn through<T: Pod>(
        &self,
        simd: Simd,
        plans: impl Iterator<Item = StagePlan>,
        from: &Raw<'_>,
        partner: Option<&[T]>,
        memory: &mut Memory<'_>,
        canvases: &mut [&mut [T]; 2],
    ) -> [usize; 3] {
        let mut size = from.size;
        let delivered = Elements { interleaved: self.to.is_interleaved(), ..from.elements };
        let mut is_raw = true;
        for plan in plans.filter(|plan| plan.head() != Head::Skip) {
            let plan = &enlarged(&plan, self.times);
            if is_raw || !plan.keeps_places() {
                let fill = self.fill_of::<T>(plan, from.dtype);
                let Memory { head, fields, .. } = &mut *memory;
                let displacements = displacements(simd, plan, head, fields);
                let finding = Finding { displacements, places: &mut head.places };
                let [to, other] = &mut *canvases;
                if is_raw {
                    let (pixels, elements) = (from.pixels(), from.elements);
                    let part = from.part.unwrap_or_default();
                    let taken = Taken { pixels, elements, part };
                    select::run(simd, &from.stage(plan), taken, delivered, to, fill, finding);
                } else {
                    let part = Reach { start: [0; 3], end: plan.source };
                    let taken = Taken { pixels: other, elements: delivered, part };
                    select::run(simd, plan, taken, delivered, to, fill, finding);
                }
                canvases.swap(0, 1);
                is_raw = false;
                size = plan.size;
            }
            if let (Some(paste), Some(partner)) = (plan.paste(), partner) {
                select::paste(paste, plan.size, delivered, partner, canvases[1]);
            }
        }
        size.map(|len| len as usize)
    }

    /// The value outside, per channel: the mask's own fill, or the image's, rounded like pixels.
    fn fill_of<T: Pod>(&self, plan: &StagePlan, dtype: RowDType) -> [T; CHANNELS_MAX] {
        plan.fill.map(|fill| {
            let element = self.fill.or_else(|| dtype.element(rounded(dtype, fill.into())));
            let element = element.unwrap_or_default();
            bytemuck::pod_read_unaligned(&element[..size_of::<T>()])
        })
    }
}

/// `value` as an element type can have it: integers half to even, at most at the end of the range.
pub(super) fn rounded(dtype: RowDType, value: f64) -> f64 {
    let (low, high) = match dtype {
        RowDType::U8 => (0.0, 255.0),
        RowDType::U16 => (0.0, 65535.0),
        RowDType::U32 => (0.0, f64::from(u32::MAX)),
        RowDType::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
        RowDType::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
        RowDType::I64 => return value.round_ties_even(),
        _ => return value,
    };
    value.round_ties_even().clamp(low, high)
}
