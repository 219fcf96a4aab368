//! Rows made of the window that their plans reach, turned on the way, are those made of all pixels.

use proptest::prelude::*;
use tallow_core::{Key, Orientation, RowBuffer, RowDType};

use super::*;
use crate::engine::raw::Elements;
use crate::engine::{Reach, Turn};

/// A picture as it is stored.
#[derive(Debug, Clone)]
struct Stored {
    size: [usize; 2],
    channels: usize,
    orientation: Orientation,
    pixels: Vec<u8>,
}

impl Stored {
    fn new(size: [usize; 2], channels: usize, orientation: u16, seed: u32) -> Self {
        let noise = |at: usize| {
            let x = (at as u32 ^ seed).wrapping_mul(0x9E37_79B1);
            ((x ^ (x >> 15)).wrapping_mul(0x85EB_CA77) >> 24) as u8
        };
        Self {
            size,
            channels,
            orientation: Orientation::from_exif(orientation).unwrap(),
            pixels: (0..size[0] * size[1] * channels).map(noise).collect(),
        }
    }

    fn upright_size(&self) -> [usize; 2] {
        self.orientation.size(self.size)
    }

    fn pixel(&self, [y, x]: [usize; 2]) -> &[u8] {
        &self.pixels[(y * self.size[1] + x) * self.channels..][..self.channels]
    }

    /// The pixels of the upright picture, one after the other.
    fn upright(&self) -> Vec<u8> {
        let [height, width] = self.upright_size();
        let places = (0..height).flat_map(|y| (0..width).map(move |x| [y, x]));
        let stored = places.map(|at| self.orientation.stored(self.size, at));
        stored.flat_map(|at| self.pixel(at).to_vec()).collect()
    }

    /// The pixels of `part`.
    fn cut(&self, part: Reach) -> Vec<u8> {
        let along = |k: usize| part.start[k] as usize..part.end[k] as usize;
        let places = along(1).flat_map(|y| along(2).map(move |x| [y, x]));
        places.flat_map(|at| self.pixel(at).to_vec()).collect()
    }

    /// All pixels, of which those outside of `part` are poison.
    fn poisoned(&self, part: Option<Reach>) -> Vec<u8> {
        let part = part.unwrap_or_default();
        let is_inside = |at: usize| {
            let at = at / self.channels;
            let place = [0, at / self.size[1], at % self.size[1]].map(|at| at as i32);
            (1..3).all(|k| (part.start[k]..part.end[k]).contains(&place[k]))
        };
        let pixels = self.pixels.iter().enumerate();
        pixels.map(|(at, pixel)| if is_inside(at) { *pixel } else { 0xAA }).collect()
    }

    fn turn(&self) -> Option<Turn> {
        Turn::new(self.orientation, self.size)
    }

    fn raw<'a>(&self, part: Option<Reach>, bytes: &'a [u8]) -> Raw<'a> {
        let [height, width] = self.upright_size().map(|len| len as i32);
        Raw {
            dtype: RowDType::U8,
            elements: Elements { channels: self.channels, interleaved: true },
            size: [1, height, width],
            turn: self.turn(),
            part,
            bytes,
        }
    }
}

/// A chain bound to pictures, and the mask that follows.
struct Made {
    engine: AugmentEngine,
    plans: Vec<StagePlan>,
    picture: Stored,
}

impl Made {
    fn new(chain: &str, picture: Stored) -> Option<Self> {
        let [height, width] = picture.upright_size();
        let shape = [height, width, picture.channels];
        let fields = vec![
            Field::new("input", RowDType::U8, &shape),
            Field::new("mask", RowDType::U8, &shape),
        ];
        // A sum of several views has no mask.
        let has_mask = !chain.contains("aug_mix");
        let chain: Augment = chain.parse().unwrap_or_else(|error| panic!("{error}"));
        let chain = chain.layout(Layout::Hwc);
        let chain = if has_mask { chain.mask_filled("mask", 77.0) } else { chain };
        let engine = AugmentEngine::bind(&chain, &Schema::new(fields).unwrap());
        let engine = match engine {
            // A line has no four corners.
            Err(error) if error.to_string().contains("four points") => return None,
            engine => engine.unwrap(),
        };
        let mut plans = vec![StagePlan::zeroed(); engine.stages];
        let key = RowKey { key: Key::new(5, 2), index: 11 };
        engine.compose(key, &shape, false, &mut plans).unwrap();
        Some(Self { engine, plans, picture })
    }

    fn reach(&self, stages: impl Iterator<Item = StagePlan>) -> Option<Reach> {
        let turn = self.picture.turn();
        Reach::of(stages.map(|plan| turn.map_or(plan, |turn| turn.stage(&plan))))
    }

    fn image(&self, raw: &Raw<'_>) -> Vec<u8> {
        let mut made = RowBuffer::new(&self.engine.schema).unwrap();
        let mut scratch = vec![0xA5; self.engine.scratch_bytes()];
        self.engine.make_image(&self.plans, raw, &mut made.row(None), &mut scratch).unwrap();
        made.view().field(0).bytes().to_vec()
    }

    fn mask(&self, raw: &Raw<'_>) -> Vec<u8> {
        let mut made = RowBuffer::new(&self.engine.schema).unwrap();
        let mut scratch = vec![0xA5; self.engine.scratch_bytes()];
        let select = self.engine.select_of(1).unwrap();
        let simd = self.engine.simd;
        let to = &mut made.row(None);
        select.run(simd, &self.plans, raw, None, &mut to.field(1), &mut scratch).unwrap();
        made.view().field(1).bytes().to_vec()
    }

    /// That what is made of the window alone, and of a picture that is poison outside of it, is what
    /// is made of all of the upright picture.
    fn check(&self, chain: &str) {
        let upright = Stored {
            size: self.picture.upright_size(),
            orientation: Orientation::Upright,
            pixels: self.picture.upright(),
            ..self.picture.clone()
        };
        let whole = |picture: &Stored| {
            let [height, width] = picture.size.map(|len| len as i32);
            Some(Reach { start: [0; 3], end: [1, height, width] })
        };
        let expected = upright.raw(whole(&upright), &upright.pixels);
        type Make<'a> = &'a dyn Fn(&Raw<'_>) -> Vec<u8>;
        let (image, mask): (Make<'_>, Make<'_>) = (&|raw| self.image(raw), &|raw| self.mask(raw));
        let image = (self.reach(self.plans.iter().copied()), image);
        let select = self.engine.select_of(1);
        let mask =
            select.map(|select| (self.reach(select.stages(self.plans.iter().copied())), mask));
        for (part, make) in std::iter::once(image).chain(mask) {
            let expected = make(&expected);
            let window = part.map_or_else(Vec::new, |part| self.picture.cut(part));
            let poisoned = self.picture.poisoned(part);
            let of_window = make(&self.picture.raw(part, &window));
            assert!(of_window == expected, "{chain} of {:?}: {part:?}", self.picture.size);
            let of_poisoned = make(&self.picture.raw(whole(&self.picture), &poisoned));
            assert!(of_poisoned == expected, "{chain} of {:?}: {part:?}", self.picture.size);
        }
    }

    /// Height and width of what is read for the image.
    fn window(&self) -> [i32; 2] {
        let part = self.reach(self.plans.iter().copied()).unwrap_or_default();
        [1, 2].map(|k| part.end[k] - part.start[k])
    }
}

fn side() -> impl Strategy<Value = usize> {
    1usize..24
}

fn how() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("nearest"), Just("bilinear")]
}

fn mode() -> impl Strategy<Value = &'static str> {
    let constant = Just("constant");
    prop_oneof![constant, Just("edge"), Just("reflect"), Just("symmetric"), Just("wrap")]
}

/// Any step that moves pixels or looks at neighbours, and some that look at all pixels.
fn step() -> impl Strategy<Value = String> {
    let sides = [0usize..40, 0usize..40, 0usize..40, 0usize..40];
    let resize = (side(), side(), prop_oneof![how(), Just("bicubic")], any::<bool>());
    let affine = (-180..180, -30..30, -30..30, 2..30, -20..20, how());
    let corners = prop::array::uniform8(-4i32..24);
    let window = (0usize..36, 0usize..36, side(), side());
    prop_oneof![
        prop_oneof![Just("hflip"), Just("vflip"), Just("rot90(1)"), Just("rot90(-1)")]
            .prop_map(str::to_owned),
        (sides, mode())
            .prop_map(|([a, b, c, d], mode)| format!("pad({a},{b},{c},{d},mode={mode})")),
        (side(), side()).prop_map(|(h, w)| format!("center_crop({h},{w})")),
        side().prop_map(|side| format!("pad(24) random_crop({side})")),
        // Often wholly in the border.
        (mode(), window).prop_map(|(mode, (y, x, h, w))| {
            format!("pad(30,mode={mode}) crop({y},{x},{h},{w})")
        }),
        resize.prop_map(|(h, w, how, antialias)| {
            format!("resize({h},{w},interpolation={how},antialias={antialias})")
        }),
        (side(), side()).prop_map(|(h, w)| format!("random_resized_crop({h},{w})")),
        affine.prop_map(|(angle, x, y, scale, shear, how)| {
            let scale = f64::from(scale) / 10.0;
            format!("affine({angle},{x},{y},{scale},{shear},3,interpolation={how},fill=0.3)")
        }),
        how().prop_map(|how| format!("random_perspective(0.9,p=1,interpolation={how})")),
        corners.prop_map(|c| {
            let [a, b, c, d, e, f, g, h] = c;
            let ([c, e, f, h], [d, g]) = ([c, e, f, h].map(|at| at + 30), [d, g]);
            format!("perspective({a},{b},{c},{d},{e},{f},{g},{h})")
        }),
        how().prop_map(|how| format!("elastic(30,sigma=2,interpolation={how})")),
        prop_oneof![
            Just("rotate(33,interpolation=bilinear)"),
            Just("random_rotation(90)"),
            Just(
                "random_rot90 pad_if_needed(24,24,place=random,mode=symmetric) center_crop(21,24)"
            ),
            Just("random_affine(50,translate=[0.4,0.3],scale=0.5..1.6,interpolation=bilinear)"),
            Just("center_crop(20) resized_crop(3,2,10,12,9,31)"),
            Just("random_apply(0.5,random_rotation(30) elastic)"),
            Just("random_order(random_perspective(0.5) random_vflip elastic)"),
        ]
        .prop_map(str::to_owned),
        Just("gaussian_blur(5,sigma=1)".to_owned()),
        Just("adjust_sharpness(2)".to_owned()),
        Just("autocontrast".to_owned()),
        Just("random_erasing(1,scale=1..1,ratio=1..1)".to_owned()),
    ]
}

/// Steps of several branches, of images in colour.
fn policy() -> impl Strategy<Value = &'static str> {
    prop_oneof![
        6 => Just(""),
        1 => Just(" aug_mix"),
        1 => Just(" rand_augment"),
        1 => Just(" trivial_augment_wide"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn a_row_of_its_window_is_the_row_of_all_pixels(
        steps in prop::collection::vec(step(), 0..5), size in [side(), side()], channels in 1usize..5,
        orientation in 1u16..9, seed: u32, once: bool, color: bool, policy in policy(),
        policy_first: bool,
    ) {
        let once = if once { "resample_once " } else { "" };
        let color = if color { " adjust_brightness(0.8)" } else { "" };
        let steps = steps.join(" ");
        let chain = match policy_first {
            true => format!("{once}{policy} {steps}{color}"),
            false => format!("{once}{steps}{policy}{color}"),
        };
        let made = Made::new(&chain, Stored::new(size, channels, orientation, seed));
        prop_assume!(made.is_some());
        made.unwrap().check(&chain);
    }
}

#[test]
fn an_evaluation_reads_what_its_crop_shows() {
    let chain = "resize(256) center_crop(224) normalize(imagenet)";
    let window = |size, orientation| {
        Made::new(chain, Stored::new(size, 3, orientation, 1)).unwrap().window()
    };
    // 375 rows become 256, of which 224 show 328.1; those beside them have a share.
    for orientation in 1..=8 {
        assert!(window([375, 500], orientation).iter().all(|len| (329..332).contains(len)));
    }
    assert_eq!(window([256, 256], 1), [224, 224], "nothing is resized");
    let train = Made::new("crop(40,30,100,80) hflip", Stored::new([375, 500], 3, 3, 1)).unwrap();
    assert_eq!(train.window(), [100, 80]);
}

#[test]
fn a_crop_of_a_border_reads_nothing() {
    for chain in ["pad(10) crop(0,0,5,5)", "affine(0,100)", "pad(9) crop(0,9,4,4) invert"] {
        for orientation in 1..=8 {
            let made = Made::new(chain, Stored::new([6, 8], 3, orientation, 3)).unwrap();
            assert_eq!(made.window(), [0, 0], "{chain}");
            made.check(chain);
        }
    }
}
