//! The steps: one augmentation per file, together with its random variant. Each file has its text
//! form (`FORMS`), its builder method, what it does to a sketch, and what it writes into a plan.

mod affine;
mod aug_mix;
mod autocontrast;
mod brightness;
mod channels;
mod color_jitter;
mod contrast;
mod crop;
mod elastic;
mod equalize;
mod erase;
mod flip;
mod gamma;
mod gaussian_blur;
mod gaussian_noise;
mod grayscale;
mod hue;
mod inner;
mod invert;
mod masking;
mod mix;
#[cfg(test)]
mod nested;
mod normalize;
mod one_of;
mod output;
mod pad;
mod pad_if_needed;
mod perspective;
mod policy;
mod posterize;
#[cfg(test)]
pub(crate) mod probe;
mod rand_augment;
mod random_apply;
mod random_order;
mod random_resized_crop;
mod resize;
mod resized_crop;
mod rot90;
mod rotate;
mod salt_and_pepper;
mod saturation;
mod sharpness;
mod signal;
mod solarize;
mod tokens;
mod trivial_augment_wide;

pub use self::affine::{Affine, RandomAffine};
pub use self::aug_mix::AugMix;
pub use self::elastic::Elastic;
pub use self::erase::{EraseValue, RandomErasing};
pub use self::gaussian_noise::GaussianNoise;
pub use self::masking::{FreqMask, TimeMask};
pub use self::mix::{CutMix, MixUp, MixUpOrCutMix};
pub use self::normalize::{IMAGENET, Normalization};
pub use self::pad::Pad;
pub use self::pad_if_needed::{PadIfNeeded, Placement};
pub use self::perspective::{Perspective, RandomPerspective};
pub use self::rand_augment::RandAugment;
pub use self::random_resized_crop::RandomResizedCrop;
pub use self::resize::Resize;
pub use self::resized_crop::ResizedCrop;
pub use self::rot90::Plane;
pub use self::rotate::{RandomRotation, Rotate};
pub use self::tokens::{PadOrTruncate, Side};
pub use self::trivial_augment_wide::TrivialAugmentWide;

pub(crate) use self::output::{OutputDType, check_layout};
use crate::spec::Form;

/// The text forms of all steps.
pub(crate) static FORMS: &[&[Form]] = &[
    affine::FORMS,
    aug_mix::FORMS,
    autocontrast::FORMS,
    brightness::FORMS,
    channels::FORMS,
    color_jitter::FORMS,
    contrast::FORMS,
    crop::FORMS,
    elastic::FORMS,
    equalize::FORMS,
    erase::FORMS,
    flip::FORMS,
    gamma::FORMS,
    gaussian_blur::FORMS,
    gaussian_noise::FORMS,
    grayscale::FORMS,
    hue::FORMS,
    invert::FORMS,
    masking::FORMS,
    mix::FORMS,
    normalize::FORMS,
    one_of::FORMS,
    output::FORMS,
    pad::FORMS,
    pad_if_needed::FORMS,
    perspective::FORMS,
    posterize::FORMS,
    rand_augment::FORMS,
    random_apply::FORMS,
    random_order::FORMS,
    random_resized_crop::FORMS,
    resize::FORMS,
    resized_crop::FORMS,
    rot90::FORMS,
    rotate::FORMS,
    salt_and_pepper::FORMS,
    saturation::FORMS,
    sharpness::FORMS,
    signal::FORMS,
    solarize::FORMS,
    tokens::FORMS,
    trivial_augment_wide::FORMS,
];
