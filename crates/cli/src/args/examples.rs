//! What comes after the options in the help of each command.

pub(super) const PROGRAM: &str = "\
To begin with a folder DIR of your own data:
  bench-loader inspect DIR
  bench-loader run DIR --shuffle --step-ms 20

Exit codes: 0 for success, 1 if the data or the run failed, 2 for an invalid command line.

With --json a command prints one object: \"tallow\" is the version, \"command\" the command,
\"settings\" its arguments with defaults, and \"machine\" the machine; the results follow. If there
are none, \"error\" holds \"kind\", \"message\", \"path\" and \"sample\"; the last two are null if
unknown.";

pub(super) const DEMO_EXAMPLE: &str = "\
Example:
  bench-loader demo --epochs 10";

pub(super) const GEN_EXAMPLES: &str = "\
Examples:
  bench-loader gen DIR --samples 20000 --shape 3,32,32 --dtype f32
  bench-loader gen DIR --samples 2000 --shape 3,100..400,100..400 --dtype u8
  bench-loader gen DIR --samples 60000 --shape 28,28 --dtype u8 --as safetensors --shards 8
  bench-loader gen DIR --samples 1500 --shape 300..450,400..600 --as jpeg --classes 10
  bench-loader gen DIR --samples 500 --shape 256,256 --as png";

pub(super) const DOCTOR_EXAMPLE: &str = "\
Example:
  bench-loader doctor DIR";

pub(super) const INSPECT_EXAMPLES: &str = "\
Examples:
  bench-loader inspect DIR --png samples.png
  bench-loader inspect PHOTOS --means=2000
  bench-loader inspect WEB CODE --weights 3,1
  bench-loader inspect --field input=DOCUMENTS --ragged input:0:100000 --pack 2048
  bench-loader inspect --field input=IMAGES --ragged input:1:400 --ragged input:2:400";

pub(super) const LIST_EXAMPLE: &str = "\
Example:
  bench-loader list s3://bucket/train --to train.listing";

pub(super) const CHECK_EXAMPLES: &str = "\
Examples:
  bench-loader check DIR
  bench-loader check --field input=IMAGES --field mask=MASKS --recursive";

pub(super) const STATS_EXAMPLES: &str = "\
Examples:
  bench-loader stats DIR
  bench-loader stats PHOTOS --augment 'resize(256) center_crop(224)'
  bench-loader stats DIR --html stats.html --json";

pub(super) const PACK_EXAMPLES: &str = "\
A run that was killed goes on when the same command is given again: shards that are whole are kept, and
the result has the same bytes.

Examples:
  bench-loader pack DIR --to PACKED
  bench-loader pack PHOTOS --to SHARDS --as tar --shard-bytes 1GB
  bench-loader pack PHOTOS --to SMALL --augment 'resize(256) center_crop(224)'
  bench-loader pack --field input=DOCUMENTS --ragged input:0:100000 --to TOKENS --as tokens";

pub(super) const RUN_EXAMPLES: &str = "\
Examples:
  bench-loader run DIR --shuffle --batch-size 256 --ceiling
  bench-loader run DIR --shuffle --batch-size 256 --step-ms 20
  bench-loader run DIR --shuffle --ceiling --html report.html
  bench-loader run DIR --step-ms 20 --trace trace.json
  bench-loader run DIR --augment 'random_resized_crop(224) random_hflip normalize(imagenet)'
  bench-loader run DIR --augment 'mixup(0.2)' --one-hot target:10
  bench-loader run WEB CODE --weights 3,1 --shuffle --steps 1000
  bench-loader run --field input=IMAGES --field boxes=BOXES --ragged boxes:0:50 --pad boxes:0 \\
      --augment 'random_resized_crop(224)' --boxes boxes:xyxy";

pub(super) const TUNE_EXAMPLES: &str = "\
Examples:
  bench-loader tune DIR --shuffle --batch-size 64
  bench-loader tune DIR --shuffle --cold --cpu-share 0.5 --memory 1GB
  bench-loader tune DIR --shuffle --grid --html tune.html
  bench-loader tune DIR --augment 'random_resized_crop(224) random_hflip' --step-ms 20";

pub(super) const DIGEST_EXAMPLES: &str = "\
Examples:
  bench-loader digest DIR --shuffle --seed 7 --epochs 2
  bench-loader digest DIR --augment 'random_crop(24) random_hflip' --workers 7
  bench-loader digest WEB CODE --weights 3,1 --until each-once --steps 100..200
  bench-loader digest --field input=PHOTOS --field road=MASKS --augment 'hflip mask(road)'";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
Examples:
  bench-loader explain DIR --augment 'random_resized_crop(224) random_hflip normalize(imagenet)'
  bench-loader explain --field photo=PHOTOS --field joints=JOINTS --augment-field photo \\
      --augment 'random_resized_crop(224)' --points joints";

pub(super) const COMPARE_EXAMPLES: &str = "\
With --augment, images of bytes are also cropped, warped and coloured: by torchvision on tensors and on
images of PIL, by OpenCV with albumentations, and by DALI; of pictures also by SPDL and a plain loop. A
library without a counterpart of a step is left out, and the report says so. All deliver the same: bytes
as they came, or planes of floats if the chain ends in normalize, to_dtype(f32) or to_dtype(f16). The
steps are
  random_resized_crop, random_crop, center_crop, crop, resize, resized_crop, hflip, vflip,
  random_hflip, random_vflip, rot90, pad, rotate, random_rotation, affine, random_affine,
  perspective, random_perspective, elastic, grayscale, random_grayscale, invert, random_invert,
  posterize, random_posterize, solarize, random_solarize, autocontrast, random_autocontrast,
  equalize, random_equalize, adjust_sharpness, random_sharpness, adjust_gamma, random_gamma,
  adjust_brightness, random_brightness, adjust_contrast, random_contrast, adjust_saturation,
  random_saturation, adjust_hue, random_hue, color_jitter, gaussian_blur, gaussian_noise,
  salt_and_pepper, erase, random_erasing, permute_channels, random_channel_permutation,
  random_apply, random_order, one_of, rand_augment, trivial_augment_wide, aug_mix, normalize,
  to_dtype, to_layout.

Also exits with 1 if other loaders are installed and none of them could be compared.

Examples:
  pip install torch numpy nvidia-dali-cuda130 spdl grain
  bench-loader compare DIR --batch-size 256
  bench-loader compare DIR --batch-size 256 --html compare.html
  bench-loader compare --field input=IMAGES --field mask=MASKS --python venv/bin/python --rounds 11
  bench-loader compare DIR --augment 'random_resized_crop(224) random_hflip normalize(imagenet) to_dtype(f32)'
  bench-loader compare DIR --augment 'rotate(30,interpolation=bilinear)' --layout hwc";

pub(super) const CATALOGUE_EXAMPLES: &str = "\
Examples:
  bench-loader catalogue
  bench-loader catalogue random_resized_crop";

pub(super) const PREVIEW_EXAMPLES: &str = "\
Examples:
  bench-loader preview DIR --augment 'random_resized_crop(32) random_hflip' --out views.png
  bench-loader preview --field input=IMAGES --field mask=MASKS --mask mask \\
      --augment 'random_crop(128) random_vflip' --samples 2 --views 4 --out views.png";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  bench-loader completions bash > ~/.local/share/bash-completion/completions/bench-loader
  bench-loader completions fish > ~/.config/fish/completions/bench-loader.fish";

pub(super) const MAN_EXAMPLES: &str = "\
Examples:
  bench-loader man | man -l -
  bench-loader man run > ~/.local/share/man/man1/bench-loader-run.1";
