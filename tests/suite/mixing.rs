//! Engines that read a second row beside their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use tallow::plan::{Engine, Mixer, RowKey, Shapes};
use tallow::{
    ErrorKind, Field, Fingerprint, Key, Loader, LoaderBuilder, OnError, Purpose, Row, RowDType,
    RowView, Schema, Source, SourceError, SourceResult, Stream, Transform, WithReplacement,
    from_fn,
};
use tallow_transforms::Augment;

use crate::tester::{LASTS, PREFETCH, WORKERS, counting, matrix};

const SEED: u64 = 11;
const SAMPLES: usize = 43;

/// Which position stands beside a row.
type PartnerOf = fn(RowKey, usize) -> Option<usize>;

/// Any position, for three rows of four.
fn any(key: RowKey, positions: usize) -> Option<usize> {
    let mut draws = key.draws(Stream::new("mix", 0, Purpose::Transform));
    (draws.below(4) > 0).then(|| draws.below(positions as u64) as usize)
}

/// In order, the next position.
fn next(key: RowKey, positions: usize) -> Option<usize> {
    Some((key.index as usize + 1) % positions)
}

/// Adds to the rows of [`counting`]: a random number of their own, or their partner's values.
#[derive(Clone)]
enum Add {
    Random,
    Partner(PartnerOf),
}

impl Transform for Add {
    fn bind(&self, schema: &Schema) -> SourceResult<Box<dyn Engine>> {
        Ok(Box::new(Adding { schema: schema.clone(), add: self.clone() }))
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of("add").finish()
    }
}

struct Adding {
    schema: Schema,
    add: Add,
}

impl Adding {
    fn write(&self, raw: RowView<'_>, added: &[f32; 6], row: &mut Row<'_>) -> SourceResult<()> {
        let x = raw.field(0).as_slice::<f32>()?;
        let x: [f32; 6] = std::array::from_fn(|i| x[i] + added[i]);
        row.field(0).copy_from_slice(&x)?;
        row.field(1).copy_from_view(&raw.field(1))
    }
}

impl Engine for Adding {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn plan_bytes(&self) -> usize {
        8
    }

    fn plan(&self, key: RowKey, _shapes: Shapes<'_>, plan: &mut [u8]) -> SourceResult<()> {
        assert_eq!(plan, [0; 8]);
        if matches!(self.add, Add::Random) {
            let random = key.draws(Stream::new("add", 0, Purpose::Transform)).below(1000);
            plan.copy_from_slice(&random.to_ne_bytes());
        }
        Ok(())
    }

    fn run(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> SourceResult<()> {
        let added = u64::from_ne_bytes(plan.try_into().unwrap()) as f32;
        self.write(raw, &[added; 6], row)
    }

    fn mixer(&self) -> Option<&dyn Mixer> {
        matches!(self.add, Add::Partner(_)).then_some(self as &dyn Mixer)
    }
}

impl Mixer for Adding {
    fn partner(&self, key: RowKey, positions: usize) -> Option<usize> {
        match self.add {
            Add::Partner(partner_of) => partner_of(key, positions),
            Add::Random => panic!("asked for a partner without mixing"),
        }
    }

    /// The partner's index, by which `run_pair` knows it.
    fn plan_pair(
        &self,
        own: (RowKey, Shapes<'_>),
        partner: (RowKey, Shapes<'_>),
        plan: &mut [u8],
    ) -> SourceResult<()> {
        assert_eq!(plan, [0; 8]);
        assert_eq!((own.1.shape(0), partner.1.shape(0)), (&[2, 3][..], &[2, 3][..]));
        plan.copy_from_slice(&partner.0.index.to_ne_bytes());
        Ok(())
    }

    fn run_pair(
        &self,
        plan: &[u8],
        raw: RowView<'_>,
        partner: RowView<'_>,
        row: &mut Row<'_>,
        _scratch: &mut [u8],
    ) -> SourceResult<()> {
        let index = i64::from_ne_bytes(plan.try_into().unwrap());
        assert_eq!(partner.field(1).as_slice::<i64>()?, [index]);
        self.write(raw, partner.field(0).as_slice::<f32>()?.try_into().unwrap(), row)
    }
}

/// The sample and the values of each epoch and position.
type Rows = BTreeMap<(u64, usize), (usize, Vec<f32>)>;

fn delivered(loader: &Loader, epochs: std::ops::Range<u64>) -> Rows {
    let mut rows = Rows::new();
    for batch in loader.epochs(epochs) {
        let batch = batch.unwrap();
        let x = batch["x"].flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let samples = batch.indices().iter().copied().zip(x);
        rows.extend(batch.positions().map(|at| (batch.epoch(), at)).zip(samples));
    }
    rows
}

/// What mixing makes of `rows`: each row plus what stands at its partner's position, both as they
/// come without mixing.
fn mixed(rows: &Rows, positions: usize, repeats: bool) -> Rows {
    let mix = |(&(epoch, position), (index, x)): (&(u64, usize), &(usize, Vec<f32>))| {
        let key = Key::new(SEED, epoch);
        let key = if repeats { key.at(position as u64) } else { key };
        let partner = any(RowKey { key, index: *index as u64 }, positions);
        let added = partner.map(|partner| &rows[&(epoch, partner)].1);
        let sum = |i: usize| x[i] + added.map_or(0.0, |added| added[i]);
        ((epoch, position), (*index, (0..x.len()).map(sum).collect()))
    };
    rows.iter().map(mix).collect()
}

fn plain() -> LoaderBuilder {
    Loader::builder(counting(SAMPLES)).seed(SEED).batch_size(8).shuffle().transform(Add::Random)
}

fn mixing() -> LoaderBuilder {
    plain().transform(Add::Partner(any))
}

#[test]
fn a_partner_is_the_row_of_its_position_whoever_reads_it() {
    let rows = delivered(&plain().build().unwrap(), 0..2);
    let expected = mixed(&rows, SAMPLES, false);
    assert_ne!(expected, rows);
    matrix(mixing, |loader| {
        assert_eq!(delivered(&loader, 0..2), expected);
        assert_eq!(delivered(&loader, 0..2), expected, "a second time");
    });
    for batch_size in [1, 5, 64] {
        let loader = mixing().batch_size(batch_size).build().unwrap();
        assert_eq!(delivered(&loader, 0..2), expected);
    }
    for last in LASTS {
        let loader = mixing().last_batch(last).build().unwrap();
        assert!(delivered(&loader, 0..2).iter().all(|(at, row)| expected[at] == *row));
    }
}

#[test]
fn every_rank_mixes_with_the_rows_of_all() {
    let expected = delivered(&mixing().build().unwrap(), 0..2);
    for world in [2, 4] {
        let mut rows = Rows::new();
        for rank in 0..world {
            rows.extend(delivered(&mixing().rank(rank, world).build().unwrap(), 0..2));
        }
        assert_eq!(rows, expected);
    }
}

#[test]
fn resuming_at_every_batch_gives_the_rest_of_the_mixed_rows() {
    let expected = delivered(&mixing().build().unwrap(), 0..2);
    let loader = mixing().workers(2).build().unwrap();
    for batch in 0..loader.len() {
        loader.resume(&loader.state_at(1, batch).unwrap()).unwrap();
        let rest = expected.range((1, batch * 8)..).map(|(at, row)| (*at, row.clone()));
        assert_eq!(delivered(&loader, 1..2), rest.collect());
    }
}

#[test]
fn an_order_that_repeats_samples_gives_a_partner_the_key_of_its_position() {
    const POSITIONS: usize = 70;
    let repeated =
        |builder: LoaderBuilder| builder.sampler(WithReplacement::new().draws(POSITIONS));
    let rows = delivered(&repeated(plain()).build().unwrap(), 0..2);
    let expected = mixed(&rows, POSITIONS, true);
    matrix(|| repeated(mixing()), |loader| assert_eq!(delivered(&loader, 0..2), expected));
}

#[test]
fn a_row_may_be_its_own_partner() {
    let own: PartnerOf = |key, _| Some(key.index as usize);
    let build = || Loader::builder(counting(SAMPLES)).batch_size(8);
    let rows = delivered(&build().build().unwrap(), 0..1);
    let doubled = build().transform(Add::Partner(own)).build().unwrap();
    for (at, (index, x)) in delivered(&doubled, 0..1) {
        let twice: Vec<f32> = rows[&at].1.iter().map(|x| x * 2.0).collect();
        assert_eq!((index, x), (rows[&at].0, twice));
    }
}

/// [`counting`], with sample 13 bad and sample 29 panicking.
fn failing() -> impl Source {
    let good = Arc::new(counting(40));
    from_fn(good.schema().clone(), 40, move |index, row| match index {
        13 => Err(SourceError::user("sample 13 is bad")),
        29 => panic!("sample 29 panics"),
        _ => good.read(index, row),
    })
}

fn failing_mixer(on_error: OnError) -> LoaderBuilder {
    let builder = Loader::builder(failing()).batch_size(8).on_error(on_error);
    builder.transform(Add::Random).transform(Add::Partner(next))
}

#[test]
fn a_partner_that_cannot_be_read_is_an_error_of_the_row_and_named() {
    for workers in WORKERS {
        let loader = failing_mixer(OnError::Fail).workers(workers).build().unwrap();
        let results: Vec<_> = loader.epoch(0).collect();
        let failed: Vec<usize> = (0..5).filter(|&i| results[i].is_err()).collect();
        assert_eq!(failed, [1, 3]);
        let error = results[1].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.position()), (ErrorKind::Sample, Some(12)));
        assert_eq!(error.cause().unwrap().index(), Some(13));
        assert!(error.to_string().contains("read as the partner of sample 12"), "{error}");
        let error = results[3].as_ref().unwrap_err();
        assert_eq!((error.kind(), error.position()), (ErrorKind::Panic, Some(28)));
        let words = error.to_string();
        assert!(words.contains("in stage read, sample 29"), "{words}");
        assert!(words.contains("read as the partner of sample 28"), "{words}");
    }
}

#[test]
fn a_row_whose_partner_fails_is_skipped_or_substituted() {
    for workers in WORKERS {
        let loader = failing_mixer(OnError::Skip { budget: 4 }).workers(workers).build().unwrap();
        let faults: Vec<_> = loader
            .epoch(0)
            .flat_map(|batch| batch.unwrap().faults().iter().map(|f| f.index).collect::<Vec<_>>())
            .collect();
        assert_eq!(faults, [12, 13, 28, 29]);
        assert_eq!(delivered(&loader, 1..2).len(), 36);
    }
    let substituted = |workers, prefetch| {
        let builder = failing_mixer(OnError::Substitute { budget: 20 });
        let loader = builder.workers(workers).prefetch(prefetch).build().unwrap();
        delivered(&loader, 0..2)
    };
    let expected = substituted(0, 1);
    assert_eq!(expected.len(), 80);
    for prefetch in PREFETCH {
        assert_eq!(substituted(3, prefetch), expected);
    }
}

#[test]
fn a_partner_outside_the_epoch_or_a_panic_instead_of_one_is_an_error() {
    let outside: PartnerOf = |_, positions| Some(positions);
    let panics: PartnerOf = |_, _| panic!("no partner");
    for (partner_of, kind, words) in [
        (outside, ErrorKind::Config, "position 43 of an epoch of 43"),
        (panics, ErrorKind::Panic, "\"no partner\" in stage transform"),
    ] {
        for workers in [0, 2] {
            let builder = plain().transform(Add::Partner(partner_of)).workers(workers);
            let loader = builder.build().unwrap();
            let error = loader.epoch(0).next().unwrap().unwrap_err();
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}

#[test]
fn a_chain_mixes_once() {
    let error = mixing().transform(Add::Partner(any)).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("transforms 1 and 2"), "{error}");
}

#[test]
fn the_memory_of_partners_is_planned() {
    let workers = 3;
    let memory = |builder: LoaderBuilder| {
        builder.workers(workers).prefetch(2).build().unwrap().plan().memory_bytes()
    };
    // Six f32 and an i64: the input row of the second engine, then those of both for the partner.
    let added = memory(mixing()) - memory(plain());
    assert_eq!(added, workers * 3 * 32);
}

/// Height and width of the images that are augmented.
const SIDES: [usize; 2] = [6, 10];
const CLASSES: usize = 50;

/// Images of one channel, whose pixels tell sample and place, and the sample as the class.
fn images() -> impl Source {
    let fields =
        vec![Field::new("input", RowDType::F32, &SIDES), Field::new("target", RowDType::U8, &[])];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
        let image: [f32; SIDES[0] * SIDES[1]] = std::array::from_fn(|i| (index * 100 + i) as f32);
        row.field(0).copy_from_slice(&image)?;
        row.field(1).copy_from_slice(&[index as u8])
    })
}

/// Each sample's image and labels.
type Labelled = BTreeMap<usize, (Vec<f32>, Vec<f32>)>;

fn labelled(loader: &Loader) -> Labelled {
    let mut rows = Labelled::new();
    for batch in loader.epoch(0) {
        let batch = batch.unwrap();
        let field = |name: &str| batch[name].flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
        let pairs = field("input").into_iter().zip(field("target"));
        rows.extend(batch.indices().iter().copied().zip(pairs));
    }
    rows
}

fn augmenting(chain: &str) -> LoaderBuilder {
    let augment: Augment = chain.parse().unwrap();
    let augment = augment.one_hot("target", CLASSES, 0.0);
    Loader::builder(images()).seed(SEED).batch_size(8).transform(augment)
}

/// The two classes of a row with their shares, its own first; without a partner twice its own.
fn shares(index: usize, labels: &[f32]) -> [(usize, f32); 2] {
    assert!((labels.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    let other = (0..CLASSES).find(|class| *class != index && labels[*class] > 0.0);
    [(index, labels[index]), other.map_or((index, 0.0), |other| (other, labels[other]))]
}

#[test]
fn mixup_blends_images_and_labels_in_the_same_shares() {
    // What is mixed are the images as the steps before leave them, of the partner under its own
    // key.
    let before = "random_hflip(0.5) random_apply(0.5, vflip) random_crop(5)";
    let plain = labelled(&augmenting(before).build().unwrap());
    let chain = format!("{before} mixup(0.8, p=0.7)");
    let expected = labelled(&augmenting(&chain).build().unwrap());
    let mut mixed = 0;
    for (&index, (image, labels)) in &expected {
        let [(_, own), (other, share)] = shares(index, labels);
        mixed += usize::from(other != index);
        let (mine, theirs) = (&plain[&index].0, &plain[&other].0);
        for ((x, mine), theirs) in image.iter().zip(mine).zip(theirs) {
            assert!((own * mine + share * theirs - x).abs() < 1e-2, "sample {index} and {other}");
        }
    }
    assert!((20..40).contains(&mixed), "{mixed} of {SAMPLES}");
    matrix(|| augmenting(&chain), |loader| assert_eq!(labelled(&loader), expected));
}

#[test]
fn cutmix_pastes_a_box_whose_area_is_the_share() {
    let expected = labelled(&augmenting("cutmix(1)").build().unwrap());
    let mut partly = 0;
    for (&index, (image, labels)) in &expected {
        let [(_, own), (other, _)] = shares(index, labels);
        let of = |class: usize| {
            image.iter().enumerate().filter(move |(i, x)| **x == (class * 100 + i) as f32)
        };
        assert!(
            image.iter().enumerate().all(|(i, x)| {
                [index, other].iter().any(|class| *x == (class * 100 + i) as f32)
            })
        );
        let area = of(index).count() as f32 / image.len() as f32;
        assert!((area - own).abs() < 1e-6, "sample {index}: {area} and {own}");
        partly += usize::from(other != index);
    }
    assert!(partly > 20, "{partly} of {SAMPLES}");
    matrix(|| augmenting("cutmix(1)"), |loader| assert_eq!(labelled(&loader), expected));
}

#[test]
fn steps_behind_the_mixing_see_the_mixture() {
    // Both ways of mixing, behind stages of its own and before others.
    let chain = "range(0, 5000) aug_mix(depth=2) mixup_or_cutmix(0.4, 1, p=0.8) \
                 random_resized_crop(4) normalize(0.5, 0.5)";
    let expected = labelled(&augmenting(chain).build().unwrap());
    assert!(expected.values().all(|(image, _)| image.len() == 16));
    assert!(expected.values().flat_map(|(image, _)| image).all(|x| x.is_finite()));
    matrix(|| augmenting(chain), |loader| assert_eq!(labelled(&loader), expected));
}

#[test]
fn images_that_are_mixed_need_labels_and_one_size() {
    let build = |augment: Augment| {
        Loader::builder(images()).transform(augment).build().unwrap_err().to_string()
    };
    let chain = |text: &str| text.parse::<Augment>().unwrap();
    assert!(build(chain("mixup(0.2)")).contains("one_hot"));
    let masked = chain("mixup(0.2)").one_hot("target", CLASSES, 0.0).mask("target");
    assert!(build(masked).contains("augmented already"));
}

/// The images of [`images`], each beside a mask that says the sample of every pixel.
fn masked() -> impl Source {
    let fields = vec![
        Field::new("input", RowDType::F32, &SIDES),
        Field::new("target", RowDType::U8, &[]),
        Field::new("mask", RowDType::I64, &SIDES),
    ];
    from_fn(Schema::new(fields).unwrap(), SAMPLES, |index, row| {
        let image: [f32; SIDES[0] * SIDES[1]] = std::array::from_fn(|i| (index * 100 + i) as f32);
        row.field(0).copy_from_slice(&image)?;
        row.field(1).copy_from_slice(&[index as u8])?;
        row.field(2).copy_from_slice(&[index as i64; SIDES[0] * SIDES[1]])
    })
}

#[test]
fn cutmix_pastes_the_mask_of_the_partner_where_it_pastes_its_pixels() {
    // Pixels tell their sample, before the mixing and after, as long as nothing is interpolated.
    let chains = [
        "cutmix(1)",
        "random_hflip random_crop(5) cutmix(1, p=0.6) rot90(1) random_crop(4)",
        "random_apply(0.5, rotate(30)) cutmix(1) random_apply(0.5, rotate(-20)) hflip",
    ];
    for (chain, labels) in chains.into_iter().flat_map(|chain| [(chain, true), (chain, false)]) {
        let builder = || {
            let augment: Augment = chain.parse().unwrap();
            let augment = augment.mask_filled("mask", 0.0);
            let augment = if labels { augment.one_hot("target", CLASSES, 0.0) } else { augment };
            Loader::builder(masked()).seed(SEED).batch_size(8).transform(augment)
        };
        let pairs = |loader: &Loader| {
            let mut rows = BTreeMap::new();
            for batch in loader.epoch(0) {
                let batch = batch.unwrap();
                let pixels = batch["input"].flatten_from(1).unwrap().to_vec2::<f32>().unwrap();
                let masks = batch["mask"].flatten_from(1).unwrap().to_vec2::<i64>().unwrap();
                rows.extend(batch.indices().iter().copied().zip(pixels.into_iter().zip(masks)));
            }
            rows
        };
        let expected = pairs(&builder().build().unwrap());
        let mut mixed = 0;
        for (index, (pixels, mask)) in &expected {
            let of = pixels.iter().map(|x| *x as i64 / 100);
            assert!(of.eq(mask.iter().copied()), "{chain}, sample {index}");
            mixed += usize::from(mask.iter().any(|sample| *sample != mask[0]));
        }
        assert!(mixed > 15, "{chain}: {mixed} of {SAMPLES}");
        matrix(builder, |loader| assert_eq!(pairs(&loader), expected));
    }
}

#[test]
fn masks_boxes_and_points_that_cannot_be_mixed_are_refused_with_a_way_out() {
    let build = |augment: Augment| {
        Loader::builder(masked()).transform(augment).build().unwrap_err().to_string()
    };
    let chain = |text: &str| text.parse::<Augment>().unwrap().one_hot("target", CLASSES, 0.0);
    for text in ["mixup(0.2)", "mixup_or_cutmix(0.2, 1)"] {
        let problem = build(chain(text).mask("mask"));
        assert!(problem.contains("no sum of two masks: mix by cutmix"), "{problem}");
    }
    for text in ["mixup(0.2)", "cutmix(1)"] {
        let problem = build(chain(text).keypoints("mask"));
        assert!(problem.contains("leave out the mixing, or the field"), "{problem}");
    }
    let problem = build(chain("aug_mix").mask("mask"));
    assert!(problem.contains("leave out aug_mix, or the field"), "{problem}");
    let problem = build("cutmix(1)".parse::<Augment>().unwrap());
    assert!(problem.contains(".one_hot(field, classes) or .mask(field)"), "{problem}");
}

#[test]
fn a_bad_label_of_a_partner_is_blamed_on_the_partner_and_its_field() {
    // Every fifth sample has a class that is none.
    let is_bad = |index: usize| index.is_multiple_of(5);
    let source = || {
        let names = |index: usize| format!("input/{index}.npy");
        let fields = vec![
            Field::new("input", RowDType::F32, &SIDES),
            Field::new("target", RowDType::U8, &[]),
        ];
        let plain = from_fn(Schema::new(fields).unwrap(), SAMPLES, move |index, row| {
            row.field(0).copy_from_slice(&[0.5f32; SIDES[0] * SIDES[1]])?;
            row.field(1).copy_from_slice(&[if is_bad(index) { 200 } else { index as u8 }])
        });
        Named(plain, names)
    };
    for mix in ["mixup(1)", "cutmix(1)"] {
        let augment: Augment = mix.parse().unwrap();
        let augment = augment.one_hot("target", CLASSES, 0.0);
        let loader = Loader::builder(source()).seed(SEED).batch_size(1).transform(augment);
        let loader = loader.build().unwrap();
        let errors: Vec<_> = loader.epoch(0).filter_map(SourceResult::err).collect();
        let mut of_partner = 0;
        for error in &errors {
            let (cause, position) = (error.cause().unwrap(), error.position().unwrap());
            let index = cause.index().unwrap();
            let words = error.to_string();
            assert!(is_bad(index) && cause.field() == Some("target"), "{words}");
            assert!(words.contains("found class 200"), "{words}");
            assert!(!words.contains("input/"), "the image is not at fault: {words}");
            let role = format!("read as the partner of sample {position}");
            assert_eq!(words.contains(&role), !is_bad(position), "{words}");
            of_partner += usize::from(index != position);
        }
        let own = (0..SAMPLES).filter(|index| is_bad(*index)).count();
        assert!(of_partner > 2 && errors.len() == own + of_partner, "{mix}: {errors:?}");
    }
}

/// A source whose samples have names.
struct Named<S>(S, fn(usize) -> String);

impl<S: Source> Source for Named<S> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn schema(&self) -> &Schema {
        self.0.schema()
    }

    fn read(&self, index: usize, row: &mut tallow::Row<'_>) -> tallow::SourceResult<()> {
        self.0.read(index, row)
    }

    fn name(&self, index: usize) -> std::borrow::Cow<'_, str> {
        (self.1)(index).into()
    }
}
