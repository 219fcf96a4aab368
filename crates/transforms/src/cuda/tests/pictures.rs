//! Pictures: kernels read the window that a plan reaches, turned on the way, and make of it what the
//! CPU makes.

use tallow_core::device::{DeviceEngine, Raster, Whose};
use tallow_core::{
    Decoders, Depth, Error, Field, FieldView, Picture, Result, RowBuffer, RowDType, Schema, Shapes,
};

use super::{Batch, Launches, Same, Use, elements, parsed};
use crate::augment::Augment;

/// Bytes around a window that no kernel may see.
const AROUND: usize = 64;

/// The pixels of a window in its memory.
pub(super) fn used(window: &[u64]) -> Use {
    let bytes = size_of_val(window) - 2 * AROUND;
    Use { address: window.as_ptr() as u64 + AROUND as u64, bytes: bytes as u64, is_write: false }
}

/// The window of a picture that kernels read, and where it lies in memory whose other bytes no kernel
/// may see.
pub(super) fn window(
    launches: &Launches,
    raw: &FieldView<'_>,
    field: usize,
    whose: Whose,
    plan: &[u8],
) -> Result<(Raster, Option<Vec<u64>>)> {
    let picture = raw.declared().as_picture().expect("a field of pictures");
    let head = picture.head(raw.bytes())?;
    let Some(window) = launches.window(field, whose, plan, &head)? else {
        return Ok((Raster::default(), None));
    };
    let bytes = window.pixels() * head.stored().pixel_bytes(picture.color());
    surrounded(bytes, |pixels, address| {
        Decoders::default().decode_into(raw, picture, &head, &window, pixels, None)?;
        Ok(Raster::new(picture, &head, &window, address))
    })
}

/// The same of the part of a row of numbers that kernels read.
pub(super) fn part(
    launches: &Launches,
    raw: &FieldView<'_>,
    field: usize,
    whose: Whose,
    plan: &[u8],
) -> Result<(Raster, Option<Vec<u64>>)> {
    let Some(part) = DeviceEngine::part(launches, field, whose, plan, raw.shape())? else {
        return Ok((Raster::default(), None));
    };
    let size = raw.dtype().size();
    surrounded(part.elements() * size, |pixels, address| {
        part.copy(raw.bytes(), pixels, size);
        Ok(part.raster(address))
    })
}

/// What `write` says of so many bytes that it writes, among others that no kernel may see.
fn surrounded(
    bytes: usize,
    write: impl FnOnce(&mut [u8], u64) -> Result<Raster>,
) -> Result<(Raster, Option<Vec<u64>>)> {
    let mut words = vec![0xAAAA_AAAA_AAAA_AAAAu64; (bytes + 2 * AROUND).div_ceil(8)];
    let pixels = &mut bytemuck::cast_slice_mut(&mut words)[AROUND..][..bytes];
    let address = pixels.as_ptr() as u64;
    let raster = write(pixels, address)?;
    Ok((raster, Some(words)))
}

/// A PNG of noise that has to be turned as EXIF says.
fn png([height, width]: [usize; 2], color: png::ColorType, turned: u16, seed: u64) -> Vec<u8> {
    let depth = match color {
        png::ColorType::Grayscale => png::BitDepth::Sixteen,
        _ => png::BitDepth::Eight,
    };
    let bytes =
        height * width * color.samples() * if depth == png::BitDepth::Sixteen { 2 } else { 1 };
    let mut payload = Vec::new();
    let mut encoder = png::Encoder::new(&mut payload, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(elements(RowDType::U8, 3 * 256, 1));
    }
    let mut writer = encoder.write_header().unwrap();
    let mut exif = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    exif.extend(turned.to_be_bytes());
    exif.extend([0; 6]);
    writer.write_chunk(png::chunk::eXIf, &exif).unwrap();
    writer.write_image_data(&elements(RowDType::U8, bytes, seed)).unwrap();
    writer.finish().unwrap();
    payload
}

/// Photos with classes, depths and a second photo beside them.
fn schema() -> Schema {
    let small = |picture: Picture| picture.at_most(64, 64).payload_bytes(1 << 16).upright();
    let fields = vec![
        Field::pictures("input", small(Picture::rgb())),
        Field::pictures("mask", small(Picture::stored(Depth::Eight))),
        Field::pictures("depth", small(Picture::stored(Depth::Sixteen))),
        Field::pictures("second", small(Picture::rgb())),
        Field::new("target", RowDType::U8, &[]),
    ];
    Schema::new(fields).unwrap()
}

/// Row `at`: each picture is stored in another orientation, and all have one size upright.
fn row(at: usize) -> RowBuffer {
    let upright = [21 + 3 * at % 17, 40 - 5 * at % 23];
    let mut raw = RowBuffer::new(&schema()).unwrap();
    let colors = [
        png::ColorType::Rgb,
        png::ColorType::Indexed,
        png::ColorType::Grayscale,
        png::ColorType::Rgb,
    ];
    {
        let mut row = raw.row(None);
        for (i, color) in colors.into_iter().enumerate() {
            let turned = (at + 3 * i) as u16 % 8 + 1;
            let stored = if turned > 4 { [upright[1], upright[0]] } else { upright };
            let payload = png(stored, color, turned, (31 * at + i) as u64);
            let mut field = row.field(i);
            field.set_shape(&[payload.len()]).unwrap();
            field.copy_from_slice(&payload).unwrap();
        }
        row.field(4).copy_from_slice(&[(at % 5) as u8]).unwrap();
    }
    raw.finish().unwrap();
    raw
}

/// A chain with masks, but where sums of two images have none.
fn augment(chain: &str) -> Augment {
    let chain = parsed(chain).one_hot("target", 5, 0.1);
    if chain.to_string().contains("mixup") {
        chain
    } else {
        chain.mask_filled("mask", 77.0).mask("depth")
    }
}

#[test]
fn windows_of_pictures_are_read_in_every_orientation() {
    let chains = [
        "random_resized_crop(24, 29) random_hflip color_jitter(0.4, 0, 0.4, 0.1) normalize(imagenet)",
        "random_crop(17) random_vflip rot90(1)",
        "resize(30) center_crop(24, 20) to_dtype(f16)",
        "pad(9, mode=reflect) random_crop(26, 44)",
        "pad(60, 4) random_crop(20) to_dtype(f32)",
        "rotate(30, interpolation=bilinear, fill=0.4) random_crop(12) gaussian_blur(3)",
        "random_perspective(0.5, p=1) center_crop(16)",
        "resize(31, 19, interpolation=nearest) adjust_sharpness(1.6)",
        "elastic(30, sigma=2) random_crop(15)",
        "random_resized_crop(20) cutmix(1)",
        "random_crop(20) mixup(0.4) normalize(imagenet)",
    ];
    for chain in chains {
        let batch = Batch::of(&augment(chain), &schema(), (0..9).map(row).collect());
        batch.compare(chain, Same::Bits, 1);
    }
}

#[test]
fn a_mask_of_another_size_is_an_error_of_its_row() {
    let launches = Launches::bind(&augment("random_crop(17) hflip"), &schema()).unwrap();
    let (wide, tall) = (row(0), row(1));
    let engine = launches.engine();
    let mut plan = vec![0u64; engine.plan_bytes() / 8];
    let plan: &mut [u8] = bytemuck::cast_slice_mut(&mut plan);
    engine.plan(super::key(0), Shapes::of(wide.view()), plan).unwrap();
    let of = |row: &RowBuffer, whose| -> Error {
        window(&launches, &row.view().field(1), 1, whose, plan).unwrap_err()
    };
    assert!(window(&launches, &wide.view().field(1), 1, Whose::Own, plan).is_ok());
    let error = of(&tall, Whose::Own);
    assert!(error.to_string().contains("fields that follow an image have its size"), "{error}");
    assert_eq!(error.field(), Some("mask"));
}
