#!/usr/bin/env bash
# Compares Tallow with other loaders on four data sets: `benchmarks/peers/compare.sh [FOLDER
# [OPTION..]]`.
#
# Creates a virtual environment from requirements.txt and the data sets of the README's table in
# FOLDER, about 2.3 GB, unless they exist, builds bench-loader, and prints a table for each data
# set. The options are those of `bench-loader compare`. PEERS_PYTHON names a Python in which the
# peers are installed already.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
folder="${1:-${TMPDIR:-/tmp}/tallow-compare}"
shift $(($# > 0))
mkdir -p "$folder"
folder="$(cd "$folder" && pwd)"

python="${PEERS_PYTHON:-$folder/venv/bin/python}"
if [ -z "${PEERS_PYTHON:-}" ] && [ ! -e "$folder/venv/done" ]; then
    python3 -m venv "$folder/venv"
    "$python" -m pip install --quiet -r "$here/requirements.txt"
    touch "$folder/venv/done"
fi

cd "$here/../.."
cargo build --release -p tallow-cli
bench_loader="${CARGO_TARGET_DIR:-target}/release/bench-loader"

data() {
    [ -d "$folder/$1" ] && return
    "$bench_loader" gen "$folder/$1.part" --samples "$2" --shape "$3" --dtype "$4"
    mv "$folder/$1.part" "$folder/$1"
}
data A 20000 3,32,32 f32
data B 4000 3,224,224 u8
data C 150 1,128,128,128 f32

pictures() {
    [ -d "$folder/P" ] && return
    "$bench_loader" gen "$folder/P.part" --samples 1500 --shape 300..450,400..600 --as jpeg --classes 10
    mv "$folder/P.part" "$folder/P"
}
pictures

for set in "A 256" "B 64" "C 4"; do
    read -r name batch_size <<<"$set"
    printf '\n=== %s\n' "$name"
    "$bench_loader" compare "$folder/$name" --batch-size "$batch_size" --python "$python" "${@}"
done

# Pictures, with one worker and with two.
chain='random_resized_crop(224) random_hflip normalize(imagenet) to_dtype(f32)'
for workers in 1 2; do
    printf '\n=== P, workers: %s\n' "$workers"
    "$bench_loader" compare "$folder/P" --batch-size 64 --augment "$chain" --workers "$workers" \
        --python "$python" "${@}"
done
