#!/usr/bin/env bash
# How close the result of `bench-loader tune` is to the best of all settings within its bounds, in
# five situations: `benchmarks/tune.sh FOLDER`. Missing data sets are written to FOLDER first.
set -euo pipefail
mkdir -p "$1"
folder=$(realpath "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --quiet --release -p tallow-cli
bench=${CARGO_TARGET_DIR:-target}/release/bench-loader

data() { # name, then the options of gen
    [ -d "$folder/$1" ] && return
    "$bench" gen "$folder/$1.part" "${@:2}" >/dev/null
    mv "$folder/$1.part" "$folder/$1"
}
data small --samples 20000 --shape 3,32,32 --dtype f32
data large --samples 150 --shape 1,128,128,128 --dtype f32
data medium --samples 4000 --shape 3,224,224 --dtype u8
data ragged --samples 1500 --shape 3,100..400,100..400 --dtype u8

tune() { # what it is, then the options of tune
    printf '\n%s\n' "$1"
    "$bench" tune --shuffle --grid "${@:2}" | grep -E '^(bounds|found|grid|paste)|^  +[0-9.]+ (of|times)'
}
tune "small" "$folder/small" --batch-size 256
tune "large" "$folder/large" --batch-size 4
tune "ragged" "$folder/ragged" --batch-size 32 \
    --ragged input:1:400 --ragged input:2:400 --augment 'random_resized_crop(160) to_dtype(f32)'
tune "slow transform" "$folder/medium" --batch-size 64 \
    --augment 'random_resized_crop(160) random_hflip color_jitter(0.4, 0.4, 0.4, 0.1) normalize(imagenet)'
tune "cold" "$folder/medium" --batch-size 64 --cold
