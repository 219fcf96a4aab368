#!/usr/bin/env bash
# What counters, clocks and spans cost in instructions: `benchmarks/counting.sh DIR [BATCH]`.
#
# Runs the program `counting` under callgrind over DIR, a folder of pairs, built with them and
# without, with no subscriber. Subtracts one epoch from two, which leaves out building the loader.
set -euo pipefail
dir=$(realpath "$1")
batch=${2:-256}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=${CARGO_TARGET_DIR:-target}

build() {
    cargo build --quiet --release -p tallow-benchmarks --bin counting "${@:2}"
    cp "$target/release/counting" "$target/release/$1"
}
TALLOW_UNCOUNTED=1 build counting-without --features uncounted
build counting-with

instructions() { # program, workers, epochs
    valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        "$target/release/$1" "$dir" "$batch" "$2" "$3" 2>&1 |
        sed -n 's/.*Collected : //p'
}

for workers in 0 2; do
    for program in counting-with counting-without; do
        one=$(instructions "$program" "$workers" 1)
        two=$(instructions "$program" "$workers" 2)
        declare "${program/-/_}=$((two - one))"
    done
    awk -v workers="$workers" -v with="$counting_with" -v without="$counting_without" 'BEGIN {
        printf "%d workers: %.1f million instructions per epoch, %.1f without: %.2f%% more\n",
            workers, with / 1e6, without / 1e6, 100 * (with / without - 1)
    }'
done
