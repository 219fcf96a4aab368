//! What is measured: single steps from bytes to bytes, and whole chains to rows for training.

/// A case, by the name that the peers know it by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) chain: &'static str,
}

const fn case(name: &'static str, chain: &'static str) -> Case {
    Case { name, chain }
}

/// Steps of the catalogue whose input and output are images of bytes, with fixed parameters where
/// the time depends on them.
pub(crate) const STEPS: &[Case] = &[
    case("hflip", "hflip"),
    case("vflip", "vflip"),
    case("rot90", "rot90(1)"),
    case("crop_192", "center_crop(192)"),
    case("pad_16", "pad(16)"),
    case("permute", "permute_channels(2,1,0)"),
    case("erase", "erase(50,50,60,60)"),
    case("invert", "invert"),
    case("solarize", "solarize(0.5)"),
    case("posterize", "posterize(4)"),
    case("gamma", "adjust_gamma(0.7)"),
    case("brightness", "adjust_brightness(1.3)"),
    case("contrast", "adjust_contrast(1.3)"),
    case("saturation", "adjust_saturation(1.3)"),
    case("hue", "adjust_hue(0.1)"),
    case("sharpness", "adjust_sharpness(1.5)"),
    case("grayscale", "grayscale"),
    case("autocontrast", "autocontrast"),
    case("equalize", "equalize"),
    case("color_jitter", "color_jitter(0.4,0.4,0.4,0.1)"),
    case("blur_5", "gaussian_blur(5,sigma=1)"),
    case("blur_23", "gaussian_blur(23,sigma=2)"),
    case("noise", "gaussian_noise(0.1)"),
    case("salt_and_pepper", "salt_and_pepper"),
    case("rotate_nearest", "rotate(30)"),
    case("rotate_bilinear", "rotate(30,interpolation=bilinear)"),
    case("affine_bilinear", "affine(15,10,5,1.1,5,interpolation=bilinear)"),
    case("elastic", "elastic(50,sigma=5)"),
    case("nearest_224", "resize(224,224,interpolation=nearest)"),
    case("resize_224", "resize(224,224)"),
    case("resize_256", "resize(256,256)"),
    case("resize_no_antialias_224", "resize(224,224,antialias=false)"),
    case("bicubic_224", "resize(224,224,interpolation=bicubic)"),
    case("bicubic_320", "resize(320,320,interpolation=bicubic)"),
    case("resized_crop", "random_resized_crop(224)"),
    case("crop_flip", "random_crop(192) random_hflip(0.5)"),
    case("rand_augment", "rand_augment"),
    case("trivial_augment", "trivial_augment_wide"),
    case("aug_mix", "aug_mix"),
];

/// The corners' places depend on the size.
pub(crate) fn perspective([height, width]: [usize; 2]) -> String {
    let (right, bottom) = (width - 1, height - 1);
    let corners = format!("10,5,{},0,{right},{bottom},0,{}", width - 20, height - 16);
    format!("perspective({corners})")
}

/// Chains to normalised `f32`, colours first.
pub(crate) const RECIPES: &[Case] = &[
    case("to_f32", ""),
    case("crop_train", "random_crop(192) random_hflip(0.5)"),
    case("imagenet_train", "random_resized_crop(224) random_hflip(0.5)"),
    case("imagenet_eval", "resize(256) center_crop(224)"),
    case(
        "jitter_train",
        "random_resized_crop(224) random_hflip(0.5) color_jitter(0.4,0.4,0.4,0.1)",
    ),
    case(
        "affine_train",
        "random_affine(15,translate=[0.1,0.1],scale=0.9..1.1,interpolation=bilinear) \
         color_jitter(0.4,0.4,0.4,0.1)",
    ),
    case(
        "simclr",
        "random_resized_crop(224) random_hflip(0.5) \
         random_apply(0.8,color_jitter(0.8,0.8,0.8,0.2)) random_grayscale(0.2) \
         random_apply(0.5,gaussian_blur(23,sigma=0.1..2))",
    ),
];

/// How every recipe ends.
pub(crate) const ENDING: &str = "normalize(imagenet) to_dtype(f32)";
