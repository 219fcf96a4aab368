use std::ops::Range;

use proptest::prelude::*;

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
    fn window(&self, simd: Simd, color: Color, window: &Window, memory: &mut Memory) -> Vec<u8> {
        let conversion = Conversion::new(self.frame.color, color);
        let mut bytes = vec![0; window.pixels() * conversion.pixel_bytes()];
        let mut pixels = Pixels::at(simd, memory, &self.frame, color, window, &mut bytes).unwrap();
        for unit_row in unit_rows(&self.frame, &[0, 1, 2, 3].map(|k| pixels.reach(k))) {
            for (index, component) in self.frame.components().iter().enumerate() {
                let reach = pixels.reach(index);
                for row in component.v * unit_row..component.v * (unit_row + 1) {
                    for column in reach.columns.clone().filter(|_| reach.rows.contains(&row)) {
                        let at = row * component.blocks_wide + column;
                        let (block, last) = &self.blocks[index][at];
                        pixels.block(index, row, column, block, *last);
                    }
                }
            }
            pixels.unit_row_done(unit_row);
        }
        assert!(pixels.is_complete());
        bytes
    }

    /// All pixels, by the definition: whole components first, then pixel by pixel.
    fn whole(&self, color: Color) -> Vec<u8> {
        let scalar = Simd::named("scalar").unwrap();
        let conversion = Conversion::new(self.frame.color, color);
        let components = &self.frame.components()[..conversion.components()];
        let samples: Vec<_> = components
            .iter()
            .zip(&self.blocks)
            .map(|(component, blocks)| {
                let stride = component.blocks_wide;
                let mut samples = vec![[0; BLOCK]; stride * component.blocks_high * BLOCK];
                let quantisers = idct::quantisers(&component.quant);
                for (index, (block, _)) in blocks.iter().enumerate() {
                    let at = index / stride * stride * BLOCK + index % stride;
                    idct::block(scalar, block, &quantisers, 63, &mut samples, at, stride);
                }
                let (samples, stride) = (samples.into_flattened(), stride * BLOCK);
                (samples, stride)
            })
            .collect();
        let mut bytes = Vec::new();
        for row in 0..self.frame.height {
            let mut rows = vec![vec![0; self.frame.width.next_multiple_of(STEP)]; MAX_COMPONENTS];
            for ((component, (samples, stride)), to) in
                components.iter().zip(&samples).zip(&mut rows)
            {
                let upsampling = Upsampling::of(component, &self.frame).unwrap();
                let size = (component.height, component.width);
                for (column, to) in to[..self.frame.width].iter_mut().enumerate() {
                    *to = pixel(upsampling, (row, column), size, |r, c| samples[r * stride + c]);
                }
            }
            let mut pixels = vec![0; self.frame.width * conversion.pixel_bytes()];
            let rows = [0, 1, 2, 3].map(|k| &rows[k][..]);
            conversion.row(scalar, rows, &mut pixels);
            bytes.extend(pixels);
        }
        bytes
    }
}

/// Memory as another picture might have left it.
fn used(memory: &mut Memory, byte: u8) {
    for plane in &mut memory.planes {
        plane.poison(byte);
    }
}

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
        size in (1u16..130, 1u16..200),
        rows in prop::collection::vec(any::<[u16; 2]>(), 4),
        columns in prop::collection::vec(any::<[u16; 2]>(), 4),
        seed in any::<u64>(),
    ) {
        let samplings = SAMPLINGS[sampling];
        let models = models(samplings.len());
        let color = COLORS[color];
        let picture = Picture::new(size, samplings, models[model % models.len()], seed);
        let whole = picture.whole(color);
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
                let found = picture.window(simd, color, &window, &mut memory);
                prop_assert!(found == expected, "{:?} at {:?}", window, simd);
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
        Pixels::new(&mut memory, &picture.frame, color, &window, pixels).map(|_| ())
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
    let pixels =
        Pixels::new(&mut memory, &picture.frame, Color::Gray, &window, &mut bytes).unwrap();
    assert_eq!(pixels.reach(0), Reach { rows: 2..4, columns: 1..3 });
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
        let pixels = Pixels::new(&mut memory, &picture.frame, Color::Rgb, &window, bytes).unwrap();
        (pixels.reach(0), pixels.reach(1))
    };
    let blocks = |rows, columns| Reach { rows, columns };
    assert_eq!(reach(16), (blocks(2..4, 2..4), blocks(0..3, 1..3)));
    assert_eq!(reach(17), (blocks(2..5, 2..5), blocks(1..3, 1..3)));
}
