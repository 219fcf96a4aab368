//! What holds for any geometric chain, whatever its steps, sizes, types and layouts.

use candle_core::{DType, Device, Tensor};
use proptest::prelude::*;
use tallow_core::{
    Dim, Engine, Field, Key, RowBuffer, RowDType, RowKey, Schema, Shapes, Transform,
};
use tallow_transforms::{Augment, BoxFormat, Fields, Layout};

// ---- images

/// Numbers that look random, in [0, 1).
fn unit(seed: u64, at: usize) -> f32 {
    let mut x = seed.wrapping_add(at as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((x ^ (x >> 27)) >> 40) as f32 / 16_777_216.0
}

/// Rows of noise: of all levels for `u8`, in [0, 1) for `f32`.
fn noise(dtype: DType, shape: &[usize], seed: u64) -> Tensor {
    let len = shape.iter().product::<usize>();
    let values = (0..len).map(|at| unit(seed, at));
    match dtype {
        DType::U8 => {
            let values: Vec<u8> = values.map(|x| (x * 256.0) as u8).collect();
            Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
        }
        _ => Tensor::from_vec(values.collect::<Vec<f32>>(), shape, &Device::Cpu).unwrap(),
    }
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

fn shape_of(layout: Layout, channels: usize, [height, width]: [usize; 2]) -> Vec<usize> {
    match layout {
        Layout::Hw => vec![height, width],
        Layout::Hwc => vec![height, width, channels],
        _ => vec![channels, height, width],
    }
}

fn key(seed: u64, index: u64) -> RowKey {
    RowKey { key: Key::new(seed, 0), index }
}

fn keys(rows: usize) -> Vec<RowKey> {
    (0..rows as u64).map(|index| key(7, index)).collect()
}

/// What the chain makes of the rows of one field, in the layout that they have.
fn augmented(chain: &str, layout: Layout, rows: &Tensor) -> Tensor {
    let augment: Augment = chain.parse().unwrap_or_else(|e| panic!("{e}"));
    let augment = augment.layout(layout).to_layout(layout);
    let fields = Fields::new([("input", rows.clone())]);
    let made = augment.apply(&fields, &keys(rows.dims()[0]));
    made.unwrap_or_else(|e| panic!("{chain} of {rows:?}: {e}"))["input"].clone()
}

// ---- chains

fn side() -> impl Strategy<Value = usize> {
    1usize..20
}

fn sizes() -> impl Strategy<Value = [usize; 2]> {
    [side(), side()]
}

fn interpolation() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("nearest"), Just("bilinear")]
}

/// Steps without random parameters that move pixels, of images of any size. What lies outside is
/// `FILL`.
fn fixed_move() -> impl Strategy<Value = String> {
    let pad = prop_oneof![
        Just("constant"),
        Just("edge"),
        Just("reflect"),
        Just("symmetric"),
        Just("wrap")
    ];
    let sides = [0usize..6, 0usize..6, 0usize..6, 0usize..6];
    prop_oneof![
        Just("hflip".to_owned()),
        Just("vflip".to_owned()),
        (-3..5).prop_map(|k| format!("rot90({k})")),
        (sides, pad).prop_map(|([a, b, c, d], mode)| {
            format!("pad({a},{b},{c},{d},mode={mode},fill=FILL)")
        }),
        Just("rotate(180)".to_owned()),
        Just("rotate(90,fill=FILL)".to_owned()),
        sizes().prop_map(|[h, w]| format!("resize({h},{w},interpolation=nearest)")),
        (-360..360).prop_map(|angle| format!("rotate({angle},fill=FILL)")),
        (-180..180, -4..5, -20..20)
            .prop_map(|(angle, x, shear)| format!("affine({angle},{x},2,1.3,{shear},3,fill=FILL)")),
    ]
}

/// The same that interpolate.
fn fixed_map() -> impl Strategy<Value = String> {
    let resize = (sizes(), prop_oneof![Just("nearest"), Just("bilinear"), Just("bicubic")]);
    let affine = (-180..180, -4..5, -4..5, 5..20, -20..20, interpolation());
    prop_oneof![
        (resize, any::<bool>()).prop_map(|(([h, w], how), antialias)| {
            format!("resize({h},{w},interpolation={how},antialias={antialias})")
        }),
        (1usize..12, interpolation())
            .prop_map(|(short, how)| format!("resize({short},max=19,interpolation={how})")),
        (-360..360, interpolation())
            .prop_map(|(a, how)| format!("rotate({a},interpolation={how},fill=FILL)")),
        affine.prop_map(|(a, x, y, scale, shear, how)| {
            let scale = f64::from(scale) / 10.0;
            format!("affine({a},{x},{y},{scale},{shear},3,interpolation={how},fill=FILL)")
        }),
    ]
}

/// Steps with random parameters.
fn random_step() -> impl Strategy<Value = String> {
    let affine = "random_affine(40,translate=[0.2,0.3],scale=0.6..1.5,shear=[-9,9,-5,5]";
    prop_oneof![
        Just("random_hflip random_vflip".to_owned()),
        sizes().prop_map(|[h, w]| format!("random_rot90 resize({h},{w})")),
        interpolation()
            .prop_map(|how| format!("random_rotation(90,interpolation={how},fill=FILL)")),
        interpolation().prop_map(move |how| format!("{affine},interpolation={how},fill=FILL)")),
        interpolation()
            .prop_map(|how| format!("random_perspective(0.6,p=0.7,interpolation={how},fill=FILL)")),
        interpolation()
            .prop_map(|how| format!("elastic(30,sigma=2,interpolation={how},fill=FILL)")),
        (sizes(), interpolation())
            .prop_map(|([h, w], how)| format!("random_resized_crop({h},{w},interpolation={how})")),
        side().prop_map(|s| format!("pad(19,fill=FILL) random_crop({s})")),
    ]
}

fn any_chain(fill: &'static str) -> impl Strategy<Value = String> {
    let step = prop_oneof![fixed_move(), fixed_map(), random_step()];
    prop::collection::vec(step, 1..5).prop_map(move |steps| steps.join(" ").replace("FILL", fill))
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::Hw), Just(Layout::Chw), Just(Layout::Hwc)]
}

fn dtypes() -> impl Strategy<Value = DType> {
    prop_oneof![Just(DType::U8), Just(DType::F32)]
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, ..ProptestConfig::default() }
}

// ---- values

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn moves_that_cancel_are_the_identity(
        size in sizes(), layout in layouts(), dtype in dtypes(), channels in 1usize..6, seed: u64,
    ) {
        let mut shape = shape_of(layout, channels, size);
        shape.insert(0, 2);
        let image = noise(dtype, &shape, seed);
        let turns = "rot90(1) rot90(1) rot90(1) rot90(1)";
        for chain in ["hflip hflip", "vflip vflip", turns, "rot90(3) hflip rot90(3) hflip", "rotate(180) vflip hflip"] {
            let made = augmented(chain, layout, &image);
            prop_assert_eq!(made.dims(), image.dims());
            prop_assert_eq!(values(&made), values(&image), "{}", chain);
        }
    }

    #[test]
    fn masks_have_the_values_of_the_input_or_the_fill(
        chain in any_chain("0.5"), size in sizes(), seed: u64,
    ) {
        let [h, w] = size;
        let mask: Vec<u8> = (0..2 * h * w).map(|at| [3, 7, 200][(unit(seed, at) * 3.0) as usize]).collect();
        let mask = Tensor::from_vec(mask, (2, h, w), &Device::Cpu).unwrap();
        let image = noise(DType::F32, &[2, 3, h, w], seed);
        let augment: Augment = chain.parse().unwrap();
        let augment = augment.layout(Layout::Chw).mask_filled("mask", 9.0);
        let made = augment.apply(&Fields::new([("input", image), ("mask", mask)]), &keys(2)).unwrap();
        prop_assert!(values(&made["mask"]).iter().all(|x| [3.0, 7.0, 9.0, 200.0].contains(x)), "{}", chain);
        prop_assert_eq!(&made["input"].dims()[2..], &made["mask"].dims()[1..]);
    }

    #[test]
    fn a_constant_image_with_that_fill_stays_constant(
        chain in any_chain("0.4"), size in sizes(), layout in layouts(), once: bool,
    ) {
        let shape = shape_of(layout, 3, size);
        for (dtype, value, near) in [(DType::U8, 102.0f32, 0.0), (DType::F32, 0.4, 1e-6)] {
            let image = Tensor::full(value, shape.as_slice(), &Device::Cpu).unwrap();
            let image = image.to_dtype(dtype).unwrap().unsqueeze(0).unwrap();
            let augment: Augment = chain.parse().unwrap();
            let augment = if once { augment.resample_once() } else { augment };
            let made = augment.layout(layout).apply(&Fields::new([("input", image)]), &keys(1)).unwrap();
            let worst = values(&made["input"]).iter().fold(0.0f32, |worst, x| worst.max((x - value).abs()));
            prop_assert!(worst <= near, "{} of {:?}: {} apart", chain, dtype, worst);
        }
    }

    #[test]
    fn a_row_depends_on_itself_alone(
        chain in any_chain("0.4"), size in sizes(), layout in layouts(), dtype in dtypes(), seed: u64,
    ) {
        let mut shape = shape_of(layout, 2, size);
        shape.insert(0, 1);
        let rows = [0, 1, 2].map(|row| noise(dtype, &shape, seed ^ row));
        let other = noise(dtype, &shape, !seed);
        let batch = |second: &Tensor| {
            let rows = Tensor::cat(&[&rows[0], second, &rows[2]], 0).unwrap();
            augmented(&chain, layout, &rows)
        };
        let (before, after) = (batch(&rows[1]), batch(&other));
        for row in [0, 2] {
            let of = |made: &Tensor| values(&made.get(row).unwrap());
            prop_assert_eq!(of(&before), of(&after), "{}", chain);
        }
    }

    #[test]
    fn a_chain_draws_the_same_twice(chain in any_chain("0.4"), size in sizes(), seed: u64) {
        let image = noise(DType::U8, &[2, 3, size[0], size[1]], seed);
        let first = augmented(&chain, Layout::Chw, &image);
        prop_assert_eq!(values(&first), values(&augmented(&chain, Layout::Chw, &image)));
        let augment: Augment = chain.parse().unwrap();
        let again: Augment = augment.to_string().parse().unwrap();
        prop_assert_eq!(augment.to_string(), again.to_string());
        let schema = Schema::new(vec![Field::new("input", RowDType::U8, &image.dims()[1..])]).unwrap();
        let raw = RowBuffer::new(&schema).unwrap();
        // Shapes are known before values are.
        let mut raw = raw;
        raw.row(None).field(0).copy_from_slice(&image.get(0).unwrap().flatten_all().unwrap().to_vec1::<u8>().unwrap()).unwrap();
        let drawn = |augment: &Augment| {
            augment.clone().layout(Layout::Chw).drawn(&schema, key(7, 0), Shapes::of(raw.view())).unwrap()
        };
        prop_assert_eq!(drawn(&augment), drawn(&again));
    }
}

// ---- fused and unfused

/// A step after the other, each as a chain of its own.
fn one_by_one(steps: &[String], layout: Layout, image: &Tensor) -> Tensor {
    steps.iter().fold(image.clone(), |image, step| augmented(step, layout, &image))
}

fn fixed_steps(step: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<String>> {
    let filled = step.prop_map(|step| step.replace("FILL", "0.2"));
    prop::collection::vec(filled, 1..6)
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn fused_moves_are_the_unfused_ones(
        steps in fixed_steps(fixed_move()), size in sizes(), layout in layouts(), dtype in dtypes(),
        channels in 1usize..6, seed: u64,
    ) {
        let mut shape = shape_of(layout, channels, size);
        shape.insert(0, 1);
        let image = noise(dtype, &shape, seed);
        let (fused, apart) =
            (augmented(&steps.join(" "), layout, &image), one_by_one(&steps, layout, &image));
        prop_assert_eq!(fused.dims(), apart.dims());
        prop_assert_eq!(values(&fused), values(&apart), "{:?}", steps);
    }

    #[test]
    fn fused_interpolations_are_the_unfused_ones(
        steps in fixed_steps(prop_oneof![
            fixed_move(), fixed_map(),
            Just("elastic(20,sigma=1,fill=0.3)".to_owned()),
            (1usize..9).prop_map(|s| format!("center_crop({s},12)")),
        ]),
        size in sizes(), layout in layouts(), channels in 1usize..6, seed: u64,
    ) {
        // A second step of the same name draws from another stream than when it is alone.
        prop_assume!(steps.iter().filter(|step| step.starts_with("elastic")).count() < 2);
        let mut shape = shape_of(layout, channels, size);
        shape.insert(0, 1);
        let image = noise(DType::F32, &shape, seed);
        let (fused, apart) =
            (augmented(&steps.join(" "), layout, &image), one_by_one(&steps, layout, &image));
        prop_assert_eq!(fused.dims(), apart.dims());
        let pairs = values(&fused).into_iter().zip(values(&apart));
        let worst = pairs.fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
        prop_assert!(worst <= 2e-6, "{:?}: {} apart", steps, worst);
    }
}

/// Steps that compute, of images in colour: on the pixel in flight, by a statistic of the image, or
/// from neighbours.
fn fixed_color() -> impl Strategy<Value = String> {
    let factor = || (0..20).prop_map(|f| f64::from(f) / 10.0);
    prop_oneof![
        factor().prop_map(|f| format!("adjust_brightness({f})")),
        factor().prop_map(|f| format!("adjust_contrast({f})")),
        factor().prop_map(|f| format!("adjust_saturation({f})")),
        (-5..6).prop_map(|h| format!("adjust_hue({})", f64::from(h) / 10.0)),
        (1..30).prop_map(|g| format!("adjust_gamma({})", f64::from(g) / 10.0)),
        factor().prop_map(|f| format!("solarize({})", f / 2.0)),
        (0..9).prop_map(|bits| format!("posterize({bits})")),
        factor().prop_map(|f| format!("adjust_sharpness({f})")),
        Just("grayscale".to_owned()),
        Just("invert".to_owned()),
        Just("autocontrast".to_owned()),
        Just("equalize".to_owned()),
        Just("permute_channels(2,0,1)".to_owned()),
        Just("erase(1,1,3,2,value=0.7)".to_owned()),
        Just("gaussian_blur(3,sigma=0.8)".to_owned()),
    ]
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn fused_colors_are_the_unfused_ones(
        steps in prop::collection::vec(
            prop_oneof![
                3 => fixed_color(),
                1 => fixed_move().prop_map(|step| step.replace("FILL", "0.2")),
            ],
            1..9,
        ),
        size in [4usize..20, 4usize..20], chw: bool, seed: u64,
    ) {
        let layout = if chw { Layout::Chw } else { Layout::Hwc };
        let mut shape = shape_of(layout, 3, size);
        shape.insert(0, 1);
        let image = noise(DType::F32, &shape, seed);
        // A rectangle of a fixed place may lie outside of what a resize leaves.
        prop_assume!(steps.iter().all(|s| !s.starts_with("erase")) || !steps.iter().any(|s| s.starts_with("resize")));
        let (fused, apart) =
            (augmented(&steps.join(" "), layout, &image), one_by_one(&steps, layout, &image));
        let bits = |tensor: &Tensor| values(tensor).into_iter().map(f32::to_bits).collect::<Vec<_>>();
        prop_assert_eq!(bits(&fused), bits(&apart), "{:?}", steps);
    }
}

// ---- image, mask, box and points

/// A rectangle as an image, a mask, a box and the indices of its first and last pixel.
fn rectangle([h, w]: [usize; 2], [top, left, bottom, right]: [usize; 4]) -> Fields {
    let inside = |at: usize| {
        let (y, x) = (at / w, at % w);
        u8::from((top..bottom).contains(&y) && (left..right).contains(&x))
    };
    let mask: Vec<u8> = (0..h * w).map(inside).collect();
    let image: Vec<f32> = mask.iter().map(|&x| f32::from(x)).collect();
    let edges = [left, top, right, bottom].map(|edge| edge as f32);
    let points = [edges[0], edges[1], edges[2] - 1.0, edges[3] - 1.0];
    Fields::new([
        ("input", Tensor::from_vec(image, (1, h, w), &Device::Cpu).unwrap()),
        ("mask", Tensor::from_vec(mask, (1, h, w), &Device::Cpu).unwrap()),
        ("boxes", Tensor::from_vec(edges.to_vec(), (1, 1, 4), &Device::Cpu).unwrap()),
        ("points", Tensor::from_vec(points.to_vec(), (1, 2, 2), &Device::Cpu).unwrap()),
    ])
}

fn followed(chain: &str, fields: &Fields) -> Fields {
    let augment: Augment = chain.parse().unwrap();
    let augment = augment.mask("mask").boxes("boxes", BoxFormat::Xyxy).keypoints("points");
    augment.apply(fields, &keys(1)).unwrap_or_else(|e| panic!("{chain}: {e}"))
}

/// Left, top, right and bottom edge of what is not 0 in a mask.
fn extent(mask: &Tensor) -> Option<[f32; 4]> {
    let width = mask.dims()[2];
    let set = values(mask).into_iter().enumerate().filter(|(_, x)| *x > 0.0);
    let places = set.map(|(at, _)| ((at % width) as f32, (at / width) as f32));
    places.fold(None, |extent, (x, y)| {
        let [l, t, r, b] = extent.unwrap_or([x, y, x + 1.0, y + 1.0]);
        Some([l.min(x), t.min(y), r.max(x + 1.0), b.max(y + 1.0)])
    })
}

/// A size, and a rectangle in it of at least 2 pixels.
fn rectangles() -> impl Strategy<Value = ([usize; 2], [usize; 4])> {
    [2usize..20, 2usize..20].prop_flat_map(|[h, w]| {
        (Just([h, w]), 0..h - 1, 0..w - 1).prop_flat_map(|([h, w], top, left)| {
            (Just([h, w]), Just(top), Just(left), top + 2..=h, left + 2..=w)
                .prop_map(|(size, top, left, bottom, right)| (size, [top, left, bottom, right]))
        })
    })
}

fn plain_move() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("hflip".to_owned()),
        Just("vflip".to_owned()),
        Just("random_hflip".to_owned()),
        (0..4).prop_map(|k| format!("rot90({k})")),
        [0usize..6, 0usize..6, 0usize..6, 0usize..6]
            .prop_map(|[a, b, c, d]| format!("pad({a},{b},{c},{d})")),
        [2usize..15, 2usize..15].prop_map(|[h, w]| format!("center_crop({h},{w})")),
        ([2usize..25, 2usize..25], placement())
            .prop_map(|([h, w], place)| format!("pad_if_needed({h},{w},place={place})")),
    ]
}

fn placement() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("center"), Just("random")]
}

fn plain_moves() -> impl Strategy<Value = String> {
    prop::collection::vec(plain_move(), 0..4).prop_map(|steps| steps.join(" "))
}

proptest! {
    #![proptest_config(cases(800))]

    #[test]
    fn targets_follow_moves_exactly((size, rect) in rectangles(), chain in plain_moves()) {
        let made = followed(&chain, &rectangle(size, rect));
        prop_assert_eq!(values(&made["input"]), values(&made["mask"]));
        let edges = values(&made["boxes"]);
        let extent = extent(&made["mask"]).unwrap_or_default();
        prop_assert_eq!(&edges[..], &extent[..], "{}", chain);
        // A point that was cut off may come to lie on a border that was put there later: only
        // those in the box are to be seen.
        let width = made["mask"].dims()[2] as f32;
        for point in values(&made["points"]).chunks(2) {
            let (x, y) = (point[0], point[1]);
            if (edges[0]..edges[2]).contains(&x) && (edges[1]..edges[3]).contains(&y) {
                prop_assert_eq!(values(&made["mask"])[(y * width + x) as usize], 1.0, "{}", chain);
            }
        }
    }

    #[test]
    fn targets_follow_a_resize_within_a_pixel(
        (size, rect) in rectangles(), before in plain_moves(), [h, w] in [2usize..30, 2usize..30],
        crops: bool, after in plain_moves(),
    ) {
        let resize = match crops {
            true => format!("random_resized_crop({h},{w})"),
            false => format!("resize({h},{w})"),
        };
        let chain = format!("{before} {resize} {after}");
        let made = followed(&chain, &rectangle(size, rect));
        let edges = values(&made["boxes"]);
        match extent(&made["mask"]) {
            Some(extent) => {
                let apart = edges.iter().zip(extent).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
                prop_assert!(apart <= 1.0, "{}: box {:?}, mask {:?}", chain, edges, extent);
            }
            // Between two pixels that the mask took.
            None => prop_assert!(edges[2] - edges[0] <= 1.0 || edges[3] - edges[1] <= 1.0, "{} {:?}", chain, edges),
        }
    }

    #[test]
    fn a_box_holds_what_is_turned_within_a_pixel(
        (size, rect) in rectangles(), before in plain_moves(), map in 0usize..5, after in plain_moves(),
    ) {
        let maps = [
            "random_rotation(180)",
            "affine(30,3,-2,1.2,10,-5)",
            "random_affine(180,translate=[0.2,0.2],scale=0.7..1.4,shear=[-10,10,-10,10])",
            "random_perspective(0.5,p=1)",
            "rotate(45)",
        ];
        let chain = format!("{before} {} {after}", maps[map]);
        let made = followed(&chain, &rectangle(size, rect));
        let edges = values(&made["boxes"]);
        if let Some(extent) = extent(&made["mask"]) {
            let [left, top, right, bottom] = extent;
            let holds = edges[0] <= left + 1.0 && edges[1] <= top + 1.0
                && edges[2] >= right - 1.0 && edges[3] >= bottom - 1.0;
            prop_assert!(holds, "{}: box {:?}, mask {:?}", chain, edges, extent);
        }
    }
}

// ---- boxes beyond the image

/// What happens to height and width: the words of a step, and what it does to a box whose ends no
/// image cuts.
#[derive(Debug, Clone)]
enum BoxStep {
    Flip,
    Turn,
    Pad([i32; 4]),
    Center([i32; 2]),
    Resize([i32; 2]),
    /// A warp that moves nothing, but has the size of the image.
    Still,
}

/// A box along one axis, the image reaching from 0 to `len`.
#[derive(Debug, Clone, Copy)]
struct Span {
    low: f64,
    high: f64,
    len: i32,
}

impl Span {
    fn pad(self, before: i32, behind: i32) -> Self {
        let by = f64::from(before);
        Self { low: self.low + by, high: self.high + by, len: self.len + before + behind }
    }

    /// Ends where pixels are taken away, and nowhere else.
    fn crop(self, start: i32, len: i32) -> Self {
        let (mut low, mut high) = (self.low - f64::from(start), self.high - f64::from(start));
        if start > 0 {
            (low, high) = (low.max(0.0), high.max(0.0));
        }
        if start + len < self.len {
            (low, high) = (low.min(f64::from(len)), high.min(f64::from(len)));
        }
        Self { low, high, len }
    }

    fn ended(self) -> Self {
        let end = f64::from(self.len);
        Self { low: self.low.clamp(0.0, end), high: self.high.clamp(0.0, end), ..self }
    }

    fn flip(self) -> Self {
        let end = f64::from(self.len);
        Self { low: end - self.high, high: end - self.low, ..self }
    }

    fn center(self, len: i32) -> Self {
        let short = (len - self.len).max(0);
        let padded = self.pad(short / 2, short - short / 2);
        let start = (f64::from(padded.len - len) / 2.0).round_ties_even() as i32;
        padded.crop(start, len)
    }

    fn resize(self, len: i32) -> Self {
        let scale = f64::from(len) / f64::from(self.len);
        Self { low: self.low * scale, high: self.high * scale, len }
    }
}

impl BoxStep {
    fn text(&self) -> String {
        match self {
            Self::Flip => "hflip".to_owned(),
            Self::Turn => "rot90(1)".to_owned(),
            Self::Pad([left, top, right, bottom]) => format!("pad({left},{top},{right},{bottom})"),
            Self::Center([h, w]) => format!("center_crop({h},{w})"),
            Self::Resize([h, w]) => format!("resize({h},{w},interpolation=nearest)"),
            Self::Still => "affine(0)".to_owned(),
        }
    }

    /// Height and width, before and after.
    fn of(&self, [y, x]: [Span; 2]) -> [Span; 2] {
        match self {
            Self::Flip => [y, x.flip()],
            // Counter-clockwise: what was on the right is on top.
            Self::Turn => [x.flip(), y],
            Self::Pad([left, top, right, bottom]) => [y.pad(*top, *bottom), x.pad(*left, *right)],
            Self::Center([h, w]) => [y.center(*h), x.center(*w)],
            Self::Resize([h, w]) => [y.resize(*h), x.resize(*w)],
            Self::Still => [y.ended(), x.ended()],
        }
    }
}

fn box_step() -> impl Strategy<Value = BoxStep> {
    prop_oneof![
        1 => Just(BoxStep::Flip),
        1 => Just(BoxStep::Turn),
        3 => [0i32..6, 0i32..6, 0i32..6, 0i32..6].prop_map(BoxStep::Pad),
        3 => [2i32..20, 2i32..20].prop_map(BoxStep::Center),
        1 => [2i32..20, 2i32..20].prop_map(BoxStep::Resize),
        1 => Just(BoxStep::Still),
    ]
}

proptest! {
    #![proptest_config(cases(2000))]

    #[test]
    fn boxes_beyond_the_image_reach_into_borders_and_end_at_crops(
        [height, width] in [2i32..16, 2i32..16], low in [-8i32..16, -8i32..16], len in [1i32..24, 1i32..24],
        steps in prop::collection::vec(box_step(), 0..6),
    ) {
        let span = |k: usize, size: i32| {
            let low = f64::from(low[k]);
            Span { low, high: low + f64::from(len[k]), len: size }
        };
        let raw = [span(0, height), span(1, width)];
        let edges = [raw[1].low, raw[0].low, raw[1].high, raw[0].high].map(|edge| edge as f32);
        let image = Tensor::zeros((1, height as usize, width as usize), DType::U8, &Device::Cpu).unwrap();
        let boxes = Tensor::from_slice(&edges, (1, 1, 4), &Device::Cpu).unwrap();
        let chain = steps.iter().map(BoxStep::text).collect::<Vec<_>>().join(" ");
        let augment: Augment = chain.parse().unwrap();
        let augment = augment.layout(Layout::Hw).boxes("boxes", BoxFormat::Xyxy);
        let made = augment.apply(&Fields::new([("input", image), ("boxes", boxes)]), &keys(1)).unwrap();
        // A box of which nothing is left at one step does not come back.
        let is_there = |spans: &[Span; 2]| spans.iter().all(|span| span.high > span.low);
        let through = |spans: Option<[Span; 2]>, step: &BoxStep| spans.map(|spans| step.of(spans)).filter(is_there);
        let end = steps.iter().fold(Some(raw), through).map(|spans| spans.map(Span::ended)).filter(is_there);
        let expected = end.map_or([0.0; 4], |[y, x]| [x.low, y.low, x.high, y.high]);
        for (found, expected) in values(&made["boxes"]).into_iter().zip(expected) {
            prop_assert!((f64::from(found) - expected).abs() < 1e-4, "{}: {:?} of {:?}, expected {:?}",
                chain, values(&made["boxes"]), edges, expected);
        }
    }
}

#[test]
fn a_box_of_an_object_beyond_the_edge_is_whole_on_a_padded_image() {
    let image = Tensor::zeros((1, 10, 10), DType::U8, &Device::Cpu).unwrap();
    let boxes = Tensor::new(&[[[-3f32, 2.0, 5.0, 12.0]]], &Device::Cpu).unwrap();
    let fields = Fields::new([("input", image), ("boxes", boxes)]);
    let of = |chain: &str| {
        let augment: Augment = chain.parse().unwrap();
        let augment = augment.layout(Layout::Hw).boxes("boxes", BoxFormat::Xyxy);
        values(&augment.apply(&fields, &keys(1)).unwrap()["boxes"])
    };
    assert_eq!(of("pad(4)"), [1.0, 6.0, 9.0, 16.0]);
    assert_eq!(of("pad(1) pad(3)"), [1.0, 6.0, 9.0, 16.0], "the first border is too narrow");
    assert_eq!(of("hflip"), [5.0, 2.0, 10.0, 10.0]);
    assert_eq!(of("crop(0, 1, 10, 9) pad(4)"), [4.0, 6.0, 8.0, 16.0], "cut off on the left alone");
    assert_eq!(of("affine(0) pad(4)"), [4.0, 6.0, 9.0, 14.0], "a warp keeps what lies inside");
    assert_eq!(of("pad(4) crop(0, 2, 18, 16) pad(9)"), [9.0, 15.0, 16.0, 25.0]);
}

// ---- points on rubber

/// Which place of the raw image each pixel of `side` x `side` shows after `chain`, x and y; NaN
/// where any of it lies outside.
fn shown(chain: &str, side: usize) -> Vec<[f32; 2]> {
    let ramp = |of: fn(usize, usize) -> usize| {
        (0..side * side).map(move |at| of(at / side, at % side) as f32 / side as f32)
    };
    let planes = ramp(|_, x| x).chain(ramp(|y, _| y)).chain(ramp(|_, _| 1).map(|_| 1.0)).collect();
    let image = Tensor::from_vec::<_, f32>(planes, (1, 3, side, side), &Device::Cpu).unwrap();
    let made = values(&augmented(chain, Layout::Chw, &image));
    let pixels = side * side;
    let place = |at: usize| [made[at], made[pixels + at]].map(|x| x * side as f32);
    let is_inside = |at: usize| made[2 * pixels + at] > 0.999_999;
    (0..pixels).map(|at| if is_inside(at) { place(at) } else { [f32::NAN; 2] }).collect()
}

/// What a place between the pixels shows, by the four around it.
fn shown_between(shown: &[[f32; 2]], side: usize, [x, y]: [f32; 2]) -> [f32; 2] {
    let (left, top) = (x.floor(), y.floor());
    let at = |dy: usize, dx: usize| {
        let (x, y) = ((left as usize + dx).min(side - 1), (top as usize + dy).min(side - 1));
        shown[y * side + x]
    };
    [0, 1].map(|k| {
        let row = |dy: usize| at(dy, 0)[k] + (x - left) * (at(dy, 1)[k] - at(dy, 0)[k]);
        row(0) + (y - top) * (row(1) - row(0))
    })
}

#[test]
fn points_under_an_elastic_map_lie_where_the_image_shows_them() {
    const SIDE: usize = 96;
    let distance = |a: [f32; 2], b: [f32; 2]| (a[0] - b[0]).hypot(a[1] - b[1]);
    for (alpha, sigma) in [(50, 5), (300, 5), (1000, 5), (300, 3), (40, 1)] {
        let chain = format!("elastic({alpha}, sigma={sigma})");
        let shown = shown(&chain, SIDE);
        let points: Vec<[f32; 2]> = (0..400)
            .map(|k| [4.3 + (k % 20) as f32 * 4.43, 3.8 + (k / 20) as f32 * 4.43])
            .collect();
        let flat: Vec<f32> = points.iter().flatten().copied().collect();
        let image = Tensor::zeros((1, 3, SIDE, SIDE), DType::F32, &Device::Cpu).unwrap();
        let moved = Tensor::from_vec(flat, (1, points.len(), 2), &Device::Cpu).unwrap();
        let augment: Augment = chain.parse().unwrap();
        let augment = augment.layout(Layout::Chw).keypoints("points");
        let fields = Fields::new([("input", image), ("points", moved)]);
        let moved = values(&augment.apply(&fields, &keys(1)).unwrap()["points"]);
        let mut seen = 0;
        for (point, place) in points.iter().zip(moved.chunks(2)) {
            let place = [place[0], place[1]];
            let is_inside = place.iter().all(|at| (0.0..=(SIDE - 1) as f32).contains(at));
            // The nearest pixel of all that shows the point to a tenth of a pixel.
            let pixels = (0..SIDE * SIDE).filter(|at| distance(shown[*at], *point) < 0.1);
            let away = |at: usize| distance([(at % SIDE) as f32, (at / SIDE) as f32], *point);
            let nearest = pixels.map(away).fold(f32::INFINITY, f32::min);
            assert!(
                is_inside || nearest.is_infinite(),
                "{chain}: {point:?} is shown inside, not at {place:?}"
            );
            if !is_inside {
                continue;
            }
            let found = shown_between(&shown, SIDE, place);
            if found[0].is_nan() {
                // One of the four pixels shows what lies outside.
                continue;
            }
            seen += 1;
            assert!(
                distance(found, *point) < 0.05,
                "{chain}: {point:?} at {place:?}, which shows {found:?}"
            );
            let away = distance(place, *point);
            assert!(
                away < nearest + 1.0,
                "{chain}: {point:?} at {place:?}, {nearest} away as well"
            );
        }
        assert!(seen > 200, "{chain}: {seen} of {} are seen", points.len());
    }
}

#[test]
fn points_that_are_no_numbers_or_far_away_end_an_elastic_map_soon() {
    let image = Tensor::zeros((1, 32, 32), DType::U8, &Device::Cpu).unwrap();
    let far = [f32::NAN, 1.0, f32::INFINITY, 2.0, 1e30, -1e30, -500.0, 40.0];
    let points = Tensor::from_slice(&far, (1, 4, 2), &Device::Cpu).unwrap();
    for alpha in ["5", "1000000"] {
        let augment: Augment = format!("elastic({alpha})").parse().unwrap();
        let augment = augment.layout(Layout::Hw).keypoints("points");
        let fields = Fields::new([("input", image.clone()), ("points", points.clone())]);
        let moved = values(&augment.apply(&fields, &keys(1)).unwrap()["points"]);
        assert!(moved[0].is_nan() && moved[2].is_infinite(), "{moved:?}");
        assert!(moved[4..].iter().all(|at| at.is_finite()), "{moved:?}");
    }
}

// ---- volumes

/// A volume, as plainly as can be.
#[derive(Debug, Clone, PartialEq)]
struct Volume {
    size: [usize; 3],
    values: Vec<f32>,
}

impl Volume {
    fn numbered(size: [usize; 3]) -> Self {
        Self { size, values: (0..size.iter().product()).map(|at: usize| at as f32 + 1.0).collect() }
    }

    fn of(tensor: &Tensor) -> Self {
        let dims = tensor.dims();
        Self { size: [dims[1], dims[2], dims[3]], values: values(tensor) }
    }

    fn tensor(&self) -> Tensor {
        let [d, h, w] = self.size;
        Tensor::from_vec(self.values.clone(), (1, d, h, w), &Device::Cpu).unwrap()
    }

    /// The volume of `size` whose voxels `from` says where they come from; 0 outside.
    fn map(&self, size: [usize; 3], from: impl Fn([i64; 3]) -> [i64; 3]) -> Self {
        let mut values = Vec::new();
        for z in 0..size[0] {
            for y in 0..size[1] {
                for x in 0..size[2] {
                    let at = from([z, y, x].map(|k| k as i64));
                    let inside = (0..3).all(|k| (0..self.size[k] as i64).contains(&at[k]));
                    let [_, h, w] = self.size.map(|len| len as i64);
                    let place = (at[0] * h + at[1]) * w + at[2];
                    values.push(if inside { self.values[place as usize] } else { 0.0 });
                }
            }
        }
        Self { size, values }
    }

    fn flip(&self, axis: usize) -> Self {
        let last = self.size[axis] as i64 - 1;
        self.map(self.size, |mut at| {
            at[axis] = last - at[axis];
            at
        })
    }

    fn crop(&self, start: [i64; 3], size: [usize; 3]) -> Self {
        self.map(size, |at| [0, 1, 2].map(|k| at[k] + start[k]))
    }

    /// `numpy.rot90(self, 1, (a, b))`.
    fn turn(&self, a: usize, b: usize) -> Self {
        let mut size = self.size;
        size.swap(a, b);
        let last = size[a] as i64 - 1;
        self.map(size, |mut at| {
            (at[a], at[b]) = (at[b], last - at[a]);
            at
        })
    }
}

const PLANES: [(&str, usize, usize); 3] = [("hw", 1, 2), ("dh", 0, 1), ("dw", 0, 2)];

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn volumes_are_moved_as_a_plain_implementation_moves_them(
        size in [1usize..7, 1usize..7, 1usize..7], moves in prop::collection::vec(0usize..9, 1..5),
        part in [1usize..7, 1usize..7, 1usize..7], parallel: bool,
    ) {
        let raw = Volume::numbered(size);
        let (mut expected, mut steps) = (raw.clone(), Vec::new());
        for step in moves {
            match step {
                0 => { steps.push("hflip".to_owned()); expected = expected.flip(2); }
                1 => { steps.push("vflip".to_owned()); expected = expected.flip(1); }
                2 => { steps.push("random_dflip(1)".to_owned()); expected = expected.flip(0); }
                3..=5 => {
                    let (plane, a, b) = PLANES[step - 3];
                    steps.push(format!("rot90(1,plane={plane})"));
                    expected = expected.turn(a, b);
                }
                6 => {
                    let len = [0, 1, 2].map(|k| part[k].min(expected.size[k]));
                    let start = [0, 1, 2].map(|k| expected.size[k] - len[k]);
                    let numbers: Vec<String> = start.iter().chain(&len).map(ToString::to_string).collect();
                    steps.push(format!("crop({})", numbers.join(",")));
                    expected = expected.crop(start.map(|at| at as i64), len);
                }
                7 => {
                    let [d, h, w] = part;
                    steps.push(format!("center_crop({d},{h},{w})"));
                    let short = [0, 1, 2].map(|k| part[k].saturating_sub(expected.size[k]));
                    let more = [0, 1, 2].map(|k| expected.size[k].saturating_sub(part[k]) as f64 / 2.0);
                    let start = [0, 1, 2].map(|k| more[k].round_ties_even() as i64 - (short[k] / 2) as i64);
                    expected = expected.crop(start, part);
                }
                _ => {
                    steps.push("pad(1,2,0,1)".to_owned());
                    let [d, h, w] = expected.size;
                    expected = expected.crop([0, -2, -1], [d, h + 3, w + 1]);
                }
            }
        }
        // Two chains of which one computes, on canvases of `f32`, and one only moves.
        let chain = steps.join(" ") + if parallel { " resize(999,999,interpolation=nearest)" } else { "" };
        let chain = chain.replace("resize(999,999", &format!("resize({},{}", expected.size[1], expected.size[2]));
        let made = augmented(&chain, Layout::Dhw, &raw.tensor());
        prop_assert_eq!(Volume::of(&made), expected, "{}", chain);
    }

    #[test]
    fn a_random_crop_of_a_volume_is_a_part_of_it(
        size in [1usize..7, 1usize..7, 1usize..7], less in [0usize..7, 0usize..7, 0usize..7],
    ) {
        let raw = Volume::numbered(size);
        let part = [0, 1, 2].map(|k| size[k].saturating_sub(less[k]).max(1));
        let [d, h, w] = part;
        let made = Volume::of(&augmented(&format!("random_crop({d},{h},{w})"), Layout::Dhw, &raw.tensor()));
        let first = made.values[0] as i64 - 1;
        let [_, height, width] = size.map(|len| len as i64);
        let start = [first / (height * width), first / width % height, first % width];
        prop_assert_eq!(made, raw.crop(start, part));
    }

    #[test]
    fn slices_of_a_volume_are_mapped_like_images(
        size in [1usize..5, 2usize..10, 2usize..10], seed: u64, map in 0usize..5,
    ) {
        let map = [
            "affine(20,1,-1,1.1,5,0,interpolation=bilinear,fill=0.4)",
            "resize(7,5)",
            "hflip perspective(1,0,8,1,7,8,0,6)",
            "elastic(20,sigma=1)",
            "rotate(90) resize(9,4,interpolation=bicubic) vflip",
        ][map];
        let [d, h, w] = size;
        let volume = noise(DType::F32, &[1, d, h, w], seed);
        let made = augmented(map, Layout::Dhw, &volume);
        for z in 0..d {
            let made = made.narrow(1, z, 1).unwrap();
            let slice = volume.narrow(1, z, 1).unwrap().squeeze(1).unwrap().contiguous().unwrap();
            prop_assert_eq!(values(&made), values(&augmented(map, Layout::Hw, &slice)), "{}", map);
        }
    }
}

#[test]
fn a_mask_of_a_volume_follows_a_crop_of_slices_behind_a_map() {
    let volume = Volume::numbered([5, 6, 7]).tensor().unsqueeze(1).unwrap();
    let fields = Fields::new([("input", volume.clone()), ("mask", volume)]);
    for map in ["rotate(30)", "random_perspective(0.5, p=1, interpolation=nearest)"] {
        let augment: Augment = format!("{map} center_crop(2,4,5)").parse().unwrap();
        let made = augment.layout(Layout::Cdhw).mask("mask").apply(&fields, &keys(1)).unwrap();
        assert_eq!(values(&made["input"]), values(&made["mask"]), "{map}");
    }
}

// ---- ragged sources

/// One row through an engine, and its shape.
fn run(
    engine: &dyn Engine,
    schema: &Schema,
    key: RowKey,
    image: &Tensor,
) -> (Vec<usize>, Vec<f32>) {
    let mut raw = RowBuffer::new(schema).unwrap();
    let mut made = RowBuffer::new(engine.schema()).unwrap();
    let mut row = raw.row(None);
    let mut field = row.field(0);
    field.set_shape(image.dims()).unwrap();
    field.copy_from_slice(&values(image)).unwrap();
    let mut plan = vec![0u64; engine.plan_bytes().div_ceil(8)];
    let plan: &mut [u8] = &mut bytemuck::cast_slice_mut(&mut plan)[..engine.plan_bytes()];
    // What a scratch holds before is of no importance.
    let mut scratch = vec![0xA5u8; engine.scratch_bytes()];
    engine.plan(key, Shapes::of(raw.view()), plan).unwrap();
    engine.run(plan, raw.view(), &mut made.row(None), &mut scratch).unwrap();
    made.finish().unwrap();
    let field = made.view().field(0);
    (field.shape().to_vec(), field.as_slice::<f32>().unwrap().to_vec())
}

fn ragged_step() -> impl Strategy<Value = String> {
    prop_oneof![
        fixed_move(),
        fixed_map(),
        random_step(),
        Just("random_rot90".to_owned()),
        (1usize..12).prop_map(|short| format!("resize({short})")),
        sizes().prop_map(|[h, w]| format!("center_crop({h},{w})")),
        side().prop_map(|side| format!("center_crop({side})")),
        Just("resize(9) center_crop(7)".to_owned()),
        Just("random_apply(0.5, elastic rotate(20, interpolation=bilinear))".to_owned()),
        Just("random_order(random_rotation(30) gaussian_blur(3) hflip)".to_owned()),
        Just("one_of(vflip, random_perspective(0.5) equalize, none)".to_owned()),
    ]
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn a_row_of_a_ragged_source_is_what_it_is_alone(
        steps in prop::collection::vec(ragged_step(), 1..4), rows in prop::collection::vec(sizes(), 3), seed: u64,
    ) {
        let chain = steps.join(" ").replace("FILL", "0.3");
        let augment: Augment = chain.parse().unwrap();
        let augment = augment.layout(Layout::Chw);
        let bind = |height, width| {
            let dims = vec![Dim::Fixed(2), height, width];
            let schema = Schema::new(vec![Field::with_dims("input", RowDType::F32, dims)]).unwrap();
            (augment.bind(&schema).unwrap_or_else(|e| panic!("{chain}: {e}")), schema)
        };
        let ragged = bind(Dim::Ragged { max: 20 }, Dim::Ragged { max: 20 });
        for (index, [h, w]) in rows.into_iter().enumerate() {
            let image = noise(DType::F32, &[2, h, w], seed ^ index as u64);
            let alone = bind(Dim::Fixed(h), Dim::Fixed(w));
            let key = key(3, index as u64);
            let together = run(ragged.0.as_ref(), &ragged.1, key, &image);
            prop_assert_eq!(together, run(alone.0.as_ref(), &alone.1, key, &image), "{}", chain);
        }
    }
}

#[test]
fn a_resize_of_ragged_images_and_a_crop_are_one_pass_of_little_memory() {
    let dims = vec![Dim::Ragged { max: 4000 }, Dim::Ragged { max: 4000 }, Dim::Fixed(3)];
    let schema = Schema::new(vec![Field::with_dims("input", RowDType::U8, dims)]).unwrap();
    let augment: Augment = "resize(256) center_crop(224) to_dtype(f32)".parse().unwrap();
    let explained = augment.explain(&schema).unwrap();
    assert!(explained.starts_with("1 stage"), "{explained}");
    let engine = augment.bind(&schema).unwrap();
    assert!(engine.scratch_bytes() < 8 << 20, "{}", engine.scratch_bytes());
    assert_eq!(engine.schema().fields()[0].dims(), [3, 224, 224].map(Dim::Fixed));
}

#[test]
fn resampled_once_there_and_back_is_where_it_was() {
    let image = noise(DType::F32, &[1, 3, 17, 22], 5);
    let augment: Augment =
        "rotate(30,interpolation=bilinear) hflip resize(40,31) resize(17,22) hflip rotate(-30,interpolation=bilinear)"
            .parse()
            .unwrap();
    let augment = augment.resample_once();
    let schema = Schema::new(vec![Field::new("input", RowDType::F32, &[3, 17, 22])]).unwrap();
    assert!(augment.explain(&schema).unwrap().starts_with("1 stage"));
    let made = augment.apply(&Fields::new([("input", image.clone())]), &keys(1)).unwrap();
    let pairs = values(&made["input"]).into_iter().zip(values(&image));
    // Corners that the first turn alone would have cut off are there again.
    let worst = pairs.fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(worst < 2e-5, "{worst}");
}
