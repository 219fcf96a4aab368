//! What is measured: single steps from bytes to bytes, and whole chains to rows for training.

/// A case, by the name that the peers know it by.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) chain: String,
    pub(crate) input: Input,
}

/// What a sample is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Input {
    /// An image of the size that was asked for.
    Image,
    /// An image of 32x32, whatever was asked for.
    Small,
    /// An image and the boxes of its objects.
    Boxes,
    /// An image and the class of each of its pixels.
    Mask,
}

/// The steps of the catalogue whose input and output are images of one type, with fixed parameters where
/// the time depends on them.
const STEPS: &[(&str, &str)] = &[
    ("hflip", "hflip"),
    ("vflip", "vflip"),
    ("rot90", "rot90(1)"),
    ("crop_192", "center_crop(192)"),
    ("pad_16", "pad(16)"),
    ("permute", "permute_channels(2,1,0)"),
    ("erase", "erase(50,50,60,60)"),
    ("invert", "invert"),
    ("solarize", "solarize(0.5)"),
    ("posterize", "posterize(4)"),
    ("gamma", "adjust_gamma(0.7)"),
    ("brightness", "adjust_brightness(1.3)"),
    ("contrast", "adjust_contrast(1.3)"),
    ("saturation", "adjust_saturation(1.3)"),
    ("hue", "adjust_hue(0.1)"),
    ("sharpness", "adjust_sharpness(1.5)"),
    ("grayscale", "grayscale"),
    ("autocontrast", "autocontrast"),
    ("equalize", "equalize"),
    ("color_jitter", "color_jitter(0.4,0.4,0.4,0.1)"),
    ("blur_5", "gaussian_blur(5,sigma=1)"),
    ("blur_23", "gaussian_blur(23,sigma=2)"),
    ("noise", "gaussian_noise(0.1)"),
    ("salt_and_pepper", "salt_and_pepper"),
    ("rotate_nearest", "rotate(30)"),
    ("rotate_bilinear", "rotate(30,interpolation=bilinear)"),
    ("affine_bilinear", "affine(15,10,5,1.1,5,interpolation=bilinear)"),
    ("perspective", ""),
    ("elastic", "elastic(50,sigma=5)"),
    ("nearest_224", "resize(224,224,interpolation=nearest)"),
    ("resize_224", "resize(224,224)"),
    ("resize_256", "resize(256,256)"),
    ("resize_no_antialias_224", "resize(224,224,antialias=false)"),
    ("bicubic_224", "resize(224,224,interpolation=bicubic)"),
    ("bicubic_320", "resize(320,320,interpolation=bicubic)"),
    ("bicubic_no_antialias_320", "resize(320,320,interpolation=bicubic,antialias=false)"),
    ("resized_crop", "random_resized_crop(224)"),
    ("crop_flip", "random_crop(192) random_hflip(0.5)"),
    ("rand_augment", "rand_augment"),
    ("trivial_augment", "trivial_augment_wide"),
    ("aug_mix", "aug_mix"),
];

/// Chains that end in rows for training, colours first; the first seven are those of the guide.
const RECIPES: &[(&str, &str, Input)] = &[
    ("imagenet_train", "random_resized_crop(224) random_hflip(0.5)", Input::Image),
    ("imagenet_eval", "resize(256) center_crop(224)", Input::Image),
    (
        "simclr",
        "random_resized_crop(224) random_hflip(0.5) \
         random_apply(0.8,color_jitter(0.8,0.8,0.8,0.2)) random_grayscale(0.2) \
         random_apply(0.5,gaussian_blur(23,sigma=0.1..2))",
        Input::Image,
    ),
    ("cifar", "pad(4) random_crop(32) random_hflip(0.5)", Input::Small),
    ("detection", "random_hflip(0.5) resize(800,max=1333) boxes(boxes,xyxy)", Input::Boxes),
    (
        "segmentation",
        "random_resized_crop(320,scale=0.25..1) random_hflip(0.5) mask(mask)",
        Input::Mask,
    ),
    ("aug_mix_train", "random_resized_crop(224) random_hflip(0.5) aug_mix", Input::Image),
    ("to_row", "", Input::Image),
    ("crop_train", "random_crop(192) random_hflip(0.5)", Input::Image),
    (
        "jitter_train",
        "random_resized_crop(224) random_hflip(0.5) color_jitter(0.4,0.4,0.4,0.1)",
        Input::Image,
    ),
    (
        "affine_train",
        "random_affine(15,translate=[0.1,0.1],scale=0.9..1.1,interpolation=bilinear) \
         color_jitter(0.4,0.4,0.4,0.1)",
        Input::Image,
    ),
];

/// The steps of images of `size`.
pub(crate) fn steps(size: [usize; 2]) -> impl Iterator<Item = Case> {
    STEPS.iter().map(move |&(name, chain)| {
        let chain = if name == "perspective" { perspective(size) } else { chain.to_owned() };
        Case { name, chain, input: Input::Image }
    })
}

/// The recipes to normalised rows of type `to`; bytes stay as they are.
pub(crate) fn recipes(to: &str) -> impl Iterator<Item = Case> {
    let ending = match to {
        "u8" => "to_layout(chw)".to_owned(),
        to => format!("normalize(imagenet) to_dtype({to})"),
    };
    let recipe = move |&(name, chain, input): &(&'static str, &str, Input)| Case {
        name,
        chain: format!("{chain} {ending}"),
        input,
    };
    RECIPES.iter().map(recipe)
}

/// The corners' places depend on the size.
fn perspective([height, width]: [usize; 2]) -> String {
    let (right, bottom) = (width - 1, height - 1);
    let corners = format!("10,5,{},0,{right},{bottom},0,{}", width - 20, height - 16);
    format!("perspective({corners})")
}
