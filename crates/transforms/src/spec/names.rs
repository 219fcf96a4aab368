//! Names of other libraries, and slips of the finger, with the step that was meant.

/// What torchvision (classes and functions of v2) and albumentations call a thing, in small letters
/// without underscores, and the steps that do it; none where no step does. Names that differ from
/// ours in nothing else are not here.
pub(super) const FOREIGN: &[(&str, &[&str])] = &[
    // torchvision
    ("autoaugment", &["rand_augment", "trivial_augment_wide"]),
    ("clampboundingboxes", &[]),
    ("clampkeypoints", &[]),
    ("convertboundingboxformat", &[]),
    ("convertimagedtype", &["to_dtype"]),
    ("elastictransform", &["elastic"]),
    ("fivecrop", &["center_crop", "crop"]),
    ("grayscaletorgb", &[]),
    ("horizontalflip", &["hflip", "random_hflip"]),
    ("identity", &["one_of"]),
    ("jpeg", &[]),
    ("lineartransformation", &["normalize"]),
    ("piltotensor", &["to_layout"]),
    ("randomadjustsharpness", &["random_sharpness"]),
    ("randomchoice", &["one_of"]),
    ("randomhorizontalflip", &["random_hflip"]),
    ("randomioucrop", &["random_crop", "random_resized_crop"]),
    ("randomphotometricdistort", &["color_jitter"]),
    ("randomresize", &["resize", "random_resized_crop"]),
    ("randomshortestsize", &["resize"]),
    ("randomverticalflip", &["random_vflip"]),
    ("randomzoomout", &["pad", "random_affine"]),
    ("rgb", &["to_layout"]),
    ("rgbtograyscale", &["grayscale"]),
    ("sanitizeboundingboxes", &[]),
    ("sanitizekeypoints", &[]),
    ("scalejitter", &["random_resized_crop", "random_affine"]),
    ("setclampingmode", &[]),
    ("tencrop", &["center_crop", "hflip"]),
    ("tograyscale", &["grayscale"]),
    ("toimage", &["to_layout"]),
    ("topilimage", &["to_layout"]),
    ("topuretensor", &["to_dtype"]),
    ("totensor", &["to_dtype", "normalize"]),
    ("trivialaugment", &["trivial_augment_wide"]),
    ("uniformtemporalsubsample", &[]),
    ("verticalflip", &["vflip", "random_vflip"]),
    // torchaudio
    ("frequencymasking", &["freq_mask"]),
    ("timemasking", &["time_mask"]),
    ("vol", &["gain"]),
    // albumentations
    ("blur", &["gaussian_blur"]),
    ("channeldropout", &["random_erasing"]),
    ("channelshuffle", &["random_channel_permutation"]),
    ("clahe", &["equalize"]),
    ("coarsedropout", &["random_erasing"]),
    ("croporpad", &["center_crop"]),
    ("cutout", &["random_erasing"]),
    ("d4", &["random_rot90", "random_hflip"]),
    ("defocus", &["gaussian_blur"]),
    ("downscale", &["resize"]),
    ("emboss", &[]),
    ("flip", &["hflip", "vflip", "random_hflip", "random_vflip"]),
    ("fromfloat", &["to_dtype"]),
    ("gaussnoise", &["gaussian_noise"]),
    ("griddistortion", &["elastic"]),
    ("griddropout", &["random_erasing"]),
    ("huesaturationvalue", &["color_jitter"]),
    ("imagecompression", &[]),
    ("invertimg", &["invert", "random_invert"]),
    ("isonoise", &["gaussian_noise"]),
    ("longestmaxsize", &["resize"]),
    ("medianblur", &["gaussian_blur"]),
    ("motionblur", &["gaussian_blur"]),
    ("multiplicativenoise", &["gaussian_noise"]),
    ("opticaldistortion", &["elastic", "random_perspective"]),
    ("pixeldropout", &["salt_and_pepper"]),
    ("planckianjitter", &["color_jitter"]),
    ("randombrightnesscontrast", &["color_jitter"]),
    ("randomgridshuffle", &[]),
    ("randomrotate90", &["random_rot90"]),
    ("randomscale", &["random_affine"]),
    ("randomsizedcrop", &["random_resized_crop"]),
    ("randomtonecurve", &["random_gamma"]),
    ("rgbshift", &["color_jitter"]),
    ("ringingovershoot", &["adjust_sharpness"]),
    ("saferotate", &["random_rotation"]),
    ("sharpen", &["adjust_sharpness", "random_sharpness"]),
    ("shiftscalerotate", &["random_affine"]),
    ("smallestmaxsize", &["resize"]),
    ("someof", &["one_of", "random_order"]),
    ("tofloat", &["to_dtype"]),
    ("togray", &["grayscale", "random_grayscale"]),
    ("torgb", &["to_layout"]),
    ("totensorv2", &["to_layout", "to_dtype"]),
    ("transpose", &["rot90"]),
    ("unsharpmask", &["adjust_sharpness"]),
    ("zoomblur", &["gaussian_blur"]),
    // What the fields are called elsewhere.
    ("additionaltargets", &["image", "mask"]),
    ("bboxes", &["boxes"]),
    ("boundingboxes", &["boxes"]),
    ("masks", &["mask"]),
    ("points", &["keypoints"]),
];

/// What to add to an error about `name`, of which there is none among `known`.
pub(crate) fn suggestion(name: &str, known: impl Iterator<Item = &'static str> + Clone) -> String {
    let letters = letters(name);
    if let Some(meant) = known.clone().find(|known| self::letters(known) == letters) {
        return did_you_mean(&[meant]);
    }
    match FOREIGN.iter().find(|(foreign, _)| *foreign == letters) {
        Some((_, [])) => "; no step does the same".to_owned(),
        Some((_, meant)) => did_you_mean(meant),
        None => nearest(name, known).map_or_else(String::new, |meant| did_you_mean(&[meant])),
    }
}

/// The letters of a name, small: what `RandomHFlip` and `random_hflip` have in common.
pub(super) fn letters(name: &str) -> String {
    name.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect()
}

fn did_you_mean(names: &[&str]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
    format!("; did you mean {}?", quoted.join(" or "))
}

/// The most wrong letters of a name that still gets a suggestion.
const SLIPS_MAX: usize = 3;

/// No step has a name of so many letters; comparing longer ones would take time and tell nothing.
const LETTERS_MAX: usize = 64;

/// The name that is nearest to `name`, if any is near: in a short name few letters are wrong.
fn nearest(name: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    if name.len() > LETTERS_MAX {
        return None;
    }
    let slips = (name.len() / 3).min(SLIPS_MAX);
    let near = known.map(|known| (distance(name, known), known)).min()?;
    (near.0 <= slips).then_some(near.1)
}

/// The number of letters to insert, delete or replace (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use crate::augment::Augment;

    /// All of `torchvision.transforms.v2` 0.29 that transforms, and of its functional twin.
    const TORCHVISION: &str = "AugMix AutoAugment CenterCrop ClampBoundingBoxes ClampKeyPoints \
        ColorJitter ConvertBoundingBoxFormat ConvertImageDtype CutMix ElasticTransform FiveCrop \
        GaussianBlur GaussianNoise Grayscale Identity JPEG LinearTransformation MixUp Normalize \
        PILToTensor Pad RGB RandAugment RandomAdjustSharpness RandomAffine RandomApply \
        RandomAutocontrast RandomChannelPermutation RandomChoice RandomCrop RandomEqualize \
        RandomErasing RandomGrayscale RandomHorizontalFlip RandomInvert RandomIoUCrop RandomOrder \
        RandomPerspective RandomPhotometricDistort RandomPosterize RandomResize RandomResizedCrop \
        RandomRotation RandomShortestSize RandomSolarize RandomVerticalFlip RandomZoomOut Resize \
        SanitizeBoundingBoxes SanitizeKeyPoints ScaleJitter SetClampingMode TenCrop ToDtype ToImage \
        ToPILImage ToPureTensor ToTensor TrivialAugmentWide UniformTemporalSubsample erase jpeg \
        adjust_brightness adjust_contrast adjust_gamma adjust_hue adjust_saturation \
        adjust_sharpness autocontrast equalize grayscale_to_rgb invert permute_channels posterize \
        rgb_to_grayscale solarize to_grayscale affine center_crop crop elastic elastic_transform \
        five_crop hflip horizontal_flip pad perspective resize resized_crop rotate ten_crop \
        vertical_flip vflip convert_image_dtype gaussian_blur gaussian_noise normalize to_dtype \
        uniform_temporal_subsample pil_to_tensor to_tensor";

    fn error(name: &str) -> Option<String> {
        name.parse::<Augment>().err().map(|error| error.message().to_owned())
    }

    #[test]
    fn every_name_of_torchvision_is_a_step_or_gets_a_hint() {
        for name in TORCHVISION.split_whitespace() {
            // A step of that name may lack arguments.
            let error = error(name).unwrap_or_default();
            let is_known = !error.contains("expected the name of a step");
            let hints = ["; did you mean \"", "; no step does the same"];
            assert!(is_known || hints.iter().any(|hint| error.contains(hint)), "{name}: {error}");
        }
    }

    #[test]
    fn the_names_of_other_libraries_lead_to_ours() {
        let meant = |name: &str, ours: &str| {
            let error = error(name).unwrap();
            assert!(error.contains(&format!("did you mean {ours}?")), "{name}: {error}");
        };
        meant("random_horizontal_flip", "\"random_hflip\"");
        meant("RandomHorizontalFlip", "\"random_hflip\"");
        meant("HorizontalFlip", "\"hflip\" or \"random_hflip\"");
        meant("ToTensor", "\"to_dtype\" or \"normalize\"");
        meant("CenterCrop", "\"center_crop\"");
        meant("ColorJitter", "\"color_jitter\"");
        meant("RANDOM_HFLIP", "\"random_hflip\"");
        meant("colour_jitter", "\"color_jitter\"");
        meant("random_hflop", "\"random_hflip\"");
        meant("points", "\"keypoints\"");
    }

    #[test]
    fn what_is_like_no_name_gets_no_hint() {
        for name in ["xyz", "abc", "q", &"random_hflip".repeat(9)] {
            assert!(!error(name).unwrap().contains("mean"), "{name}");
        }
    }
}
