use std::ops::Range;

use proptest::prelude::*;

use super::upsample::Upsampling;
use super::upsample::tests::pixel;
use super::*;
use crate::jpeg::frame::{ColorModel, Process};

/// A frame, and random coefficients of all its blocks.
struct Picture {
    frame: Frame,
    blocks: Vec<Vec<(Block, usize)>>,
}

impl Picture {
    fn new(size: (u16, u16), samplings: &[u8], color: ColorModel, mut seed: u64) -> Self {
        let mut head = vec![8];
        head.extend(size.0.to_be_bytes());
        head.extend(size.1.to_be_bytes());
        head.push(samplings.len() as u8);
        for (id, &sampling) in (1..).zip(samplings) {
            head.extend([id, sampling, 0]);
        }
        let mut random = || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        let mut frame = Frame::read(&head, Process::Sequential, 0).unwrap();
        frame.color = color;
        let mut blocks = Vec::new();
        for component in frame.components_mut() {
            component.quant = std::array::from_fn(|k| 1 + (k + random() % 9) as u16);
            let count = component.blocks_wide * component.blocks_high;
            let block = |_| {
                let mut block = [0; 64];
                block[0] = (random() % 600) as i16 - 300;
                let last = if random() % 3 == 0 { 0 } else { 63 };
                for _ in 0..last / 9 {
                    block[random() % 64] = (random() % 40) as i16 - 20;
                }
                (block, last)
            };
            blocks.push((0..count).map(block).collect());
        }
        Self { frame, blocks }
    }

    /// The window by the pipeline, from blocks in reach alone and with memory that holds anything.
    fn window(&self, simd: Simd, view: View<'_>, memory: &mut Memory) -> Vec<u8> {
        let conversion = Conversion::new(self.frame.color, view.color);
        let mut bytes = vec![0; view.window.pixels() * conversion.pixel_bytes()];
        let mut pixels = Pixels::at(simd, memory, &self.frame, view, &mut bytes).unwrap();
        for unit_row in unit_rows(&self.frame, &[0, 1, 2, 3].map(|k| pixels.reach(k))) {
            for (index, component) in self.frame.components().iter().enumerate() {
                let reach = pixels.reach(index);
                for row in component.v * unit_row..component.v * (unit_row + 1) {
                    for column in reach.columns.clone().filter(|_| reach.rows.contains(&row)) {
                        let at = row * component.blocks_wide + column;
                        let (block, last) = &self.blocks[index][at];
                        // What is not needed may be anything.
                        let (block, last) = match reach.dc_only {
                            true => {
                                (std::array::from_fn(|k| if k == 0 { block[0] } else { 77 }), 0)
                            }
                            false => (*block, *last),
                        };
                        pixels.block(index, row, column, &block, last);
                    }
                }
            }
            pixels.unit_row_done(unit_row);
        }
        assert!(pixels.is_complete());
        bytes
    }

    /// All pixels, by the definition: whole components first, then pixel by pixel.
    fn whole(&self, color: Color, scale: Scale) -> Vec<u8> {
        let scalar = Simd::named("scalar").unwrap();
        let conversion = Conversion::new(self.frame.color, color);
        let components = &self.frame.components()[..conversion.components()];
        let samplings: Vec<_> =
            components.iter().map(|c| Sampling::of(c, &self.frame, scale).unwrap()).collect();
        let samples: Vec<_> = components
            .iter()
            .zip(&self.blocks)
            .zip(&samplings)
            .map(|((component, blocks), sampling)| {
                let side = sampling.side;
                let stride = component.blocks_wide * side;
                let mut samples = vec![0; stride * component.blocks_high * side];
                for (index, (block, _)) in blocks.iter().enumerate() {
                    let (by, bx) = (index / component.blocks_wide, index % component.blocks_wide);
                    let rows = samples_of(scalar, block, &idct::quantisers(&component.quant), side);
                    for (k, row) in rows.chunks_exact(side).enumerate() {
                        let at = (by * side + k) * stride + bx * side;
                        samples[at..at + side].copy_from_slice(row);
                    }
                }
                (samples, stride)
            })
            .collect();
        let mut bytes = Vec::new();
        let [height, width] = [self.frame.height, self.frame.width].map(|len| scale.side(len));
        for row in 0..height {
            let mut rows = vec![vec![0; width.next_multiple_of(STEP)]; MAX_COMPONENTS];
            for ((sampling, (samples, stride)), to) in samplings.iter().zip(&samples).zip(&mut rows)
            {
                let upsampling = Upsampling::of(sampling);
                let size = (sampling.height, sampling.width);
                for (column, to) in to[..width].iter_mut().enumerate() {
                    *to = pixel(upsampling, (row, column), size, |r, c| samples[r * stride + c]);
                }
            }
            let mut pixels = vec![0; width * conversion.pixel_bytes()];
            let rows = [0, 1, 2, 3].map(|k| &rows[k][..]);
            conversion.row(scalar, rows, &mut pixels);
            bytes.extend(pixels);
        }
        bytes
    }
}

/// The samples of a block, row by row.
fn samples_of(simd: Simd, block: &Block, quantisers: &Block, side: usize) -> Vec<u8> {
    let mut samples = vec![0; side * side];
    match side {
        8 => {
            let (eights, _) = samples.as_chunks_mut();
            idct::block(simd, block, quantisers, 63, eights, 0, 1);
        }
        4 => idct::block_of_4(simd, block, quantisers, 63, &mut samples, 4),
        2 => idct::block_of_2(simd, block, quantisers, 63, &mut samples, 2),
        _ => samples[0] = idct::block_of_1(block[0], quantisers[0]),
    }
    samples
}

/// Memory as another picture might have left it.
fn used(memory: &mut Memory, byte: u8) {
    for plane in &mut memory.planes {
        plane.poison(byte);
    }
}

const SCALES: [Scale; 4] = [Scale::Whole, Scale::Half, Scale::Quarter, Scale::Eighth];

const COLORS: [Color; 4] = [Color::Rgb, Color::Gray, Color::Rgba, Color::Stored];

/// Samplings of one, three and four components that libjpeg takes.
const SAMPLINGS: [&[u8]; 22] = [
    &[0x11],
    &[0x11, 0x11, 0x11],
    &[0x21, 0x11, 0x11],
    &[0x12, 0x11, 0x11],
    &[0x22, 0x11, 0x11],
    &[0x22, 0x21, 0x12],
    &[0x41, 0x11, 0x11],
    &[0x14, 0x11, 0x11],
    &[0x42, 0x21, 0x11],
    &[0x24, 0x12, 0x22],
    &[0x44, 0x22, 0x11],
    &[0x44, 0x24, 0x42],
    &[0x31, 0x11, 0x11],
    &[0x13, 0x11, 0x11],
    &[0x33, 0x11, 0x31],
    &[0x11, 0x22, 0x22],
    &[0x11, 0x21, 0x12],
    &[0x22, 0x22, 0x11],
    &[0x11, 0x11, 0x11, 0x11],
    &[0x22, 0x11, 0x11, 0x22],
    &[0x21, 0x11, 0x11, 0x21],
    &[0x11, 0x12, 0x21, 0x22],
];

fn models(components: usize) -> &'static [ColorModel] {
    match components {
        1 => &[ColorModel::Gray],
        3 => &[ColorModel::YCbCr, ColorModel::Rgb],
        _ => &[ColorModel::Cmyk, ColorModel::Ycck],
    }
}

/// Rows or columns of a window out of `size`, from two numbers.
fn range(size: u16, [a, b]: [u16; 2]) -> Range<usize> {
    let (a, b) = (usize::from(a % size), usize::from(b % size));
    a.min(b)..a.max(b) + 1
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_window_is_cut_from_the_whole_picture_at_every_level(
        sampling in 0..SAMPLINGS.len(),
        model in 0usize..2,
        color in 0..COLORS.len(),
        scale in 0..SCALES.len(),
        size in (1u16..130, 1u16..200),
        rows in prop::collection::vec(any::<[u16; 2]>(), 4),
        columns in prop::collection::vec(any::<[u16; 2]>(), 4),
        seed in any::<u64>(),
    ) {
        let samplings = SAMPLINGS[sampling];
        let models = models(samplings.len());
        let (color, scale) = (COLORS[color], SCALES[scale]);
        let picture = Picture::new(size, samplings, models[model % models.len()], seed);
        let whole = picture.whole(color, scale);
        let size = (scale.side(size.0.into()) as u16, scale.side(size.1.into()) as u16);
        let mut memory = Memory::default();
        let windows = rows.into_iter().zip(columns).map(|(rows, columns)| Window {
            rows: range(size.0, rows),
            columns: range(size.1, columns),
        });
        let all = Window { rows: 0..size.0.into(), columns: 0..size.1.into() };
        for (index, window) in windows.chain([all]).enumerate() {
            let mut expected = vec![0; whole.len() / usize::from(size.0) / usize::from(size.1) * window.pixels()];
            let bytes = expected.len() / window.pixels();
            crate::window::crop(&whole, size.1.into(), bytes, &window, &mut expected);
            for (simd, byte) in Simd::levels().into_iter().zip([0, 255, 99 + index as u8]) {
                used(&mut memory, byte);
                let view = View { color, scale, window: &window };
                let found = picture.window(simd, view, &mut memory);
                prop_assert!(found == expected, "{:?} at {:?}, {:?}", window, scale, simd);
            }
        }
    }
}

#[test]
fn fractions_that_are_not_whole_are_refused_where_they_matter() {
    let picture = Picture::new((20, 20), &[0x31, 0x21, 0x11], ColorModel::YCbCr, 1);
    let window = Window { rows: 0..20, columns: 0..20 };
    let mut memory = Memory::default();
    let mut new = |color, pixels: &mut [u8]| {
        let view = View { color, scale: Scale::Whole, window: &window };
        Pixels::new(&mut memory, &picture.frame, view, pixels).map(|_| ())
    };
    let error = new(Color::Rgb, &mut [0; 1200]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a component sampled 2x1 in a frame of 3x1, expected whole fractions"
    );
    assert!(new(Color::Gray, &mut [0; 400]).is_ok());
}

#[test]
fn gray_of_a_picture_in_ycbcr_needs_luma_alone() {
    let picture = Picture::new((64, 64), &[0x22, 0x11, 0x11], ColorModel::YCbCr, 1);
    let window = Window { rows: 16..32, columns: 8..17 };
    let mut memory = Memory::default();
    let mut bytes = [0; 144];
    let view = View { color: Color::Gray, scale: Scale::Whole, window: &window };
    let pixels = Pixels::new(&mut memory, &picture.frame, view, &mut bytes).unwrap();
    assert_eq!(pixels.reach(0), Reach { rows: 2..4, columns: 1..3, dc_only: false });
    assert_eq!(pixels.reach(1), Reach::default());
}

#[test]
fn filters_reach_one_sample_further() {
    let picture = Picture::new((64, 64), &[0x22, 0x11, 0x11], ColorModel::YCbCr, 1);
    let mut memory = Memory::default();
    let mut bytes = [0; 16 * 16 * 3];
    let mut reach = |start: usize| {
        let window = Window { rows: start..start + 16, columns: start + 1..start + 16 };
        let bytes = &mut bytes[..window.pixels() * 3];
        let view = View { color: Color::Rgb, scale: Scale::Whole, window: &window };
        let pixels = Pixels::new(&mut memory, &picture.frame, view, bytes).unwrap();
        (pixels.reach(0), pixels.reach(1))
    };
    let blocks = |rows, columns| Reach { rows, columns, dc_only: false };
    assert_eq!(reach(16), (blocks(2..4, 2..4), blocks(0..3, 1..3)));
    assert_eq!(reach(17), (blocks(2..5, 2..5), blocks(1..3, 1..3)));
}
