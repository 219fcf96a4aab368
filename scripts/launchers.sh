#!/usr/bin/env bash
# Ranks under real launchers: `scripts/launchers.sh [LAUNCHER..]`, of openmpi, mpich, torchrun and slurm;
# without any, all that are installed. CI runs this.
#
# For each launcher and for 1, 2, 3 and 8 processes, `bench-loader digest --rank auto` delivers, over all
# ranks, what one process delivers: line by line, a sample each. A run of three processes that is
# killed in the middle of an epoch then goes on with two and with one, exactly where all ranks had
# been.
#
# BENCH_LOADER names the program; otherwise cargo builds it. TORCHRUN names torchrun, if it is not
# in the PATH. srun needs a cluster that runs; the guide's page on ranks says how one machine becomes one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -z "${BENCH_LOADER:-}" ]; then
    cargo build --release -p tallow-cli
    BENCH_LOADER="${CARGO_TARGET_DIR:-target}/release/bench-loader"
fi
BENCH_LOADER="$(realpath "$BENCH_LOADER")"
export BENCH_LOADER

OUT="$(mktemp -d)"
export OUT
trap 'rm -rf "$OUT"' EXIT

read -r -a torchrun <<<"${TORCHRUN:-torchrun}"

# Containers are often root.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

# openmpi, mpich, torchrun and slurm as commands that take a number of processes and a command.
openmpi() {
    local program=mpirun
    command -v mpirun.openmpi >/dev/null && program=mpirun.openmpi
    exec "$program" --oversubscribe -n "$@"
}
mpich() { exec mpiexec.hydra -n "$@"; }
torchrun() {
    local count="$1"
    shift
    # The defaults of the two mean "nothing"; under Python 3.11 and later, torch before 2.0 takes that for a fault.
    exec "${torchrun[@]}" --standalone --nproc_per_node "$count" --redirects 1 --tee 1 \
        --log_dir "$OUT/logs" --no_python "$@"
}
slurm() { exec srun --overcommit --job-name "tallow-$$" -n "$@"; }

is_there() {
    case "$1" in
    openmpi) command -v mpirun.openmpi >/dev/null || [[ "$(mpirun --version 2>&1)" = *'Open MPI'* ]] ;;
    mpich) command -v mpiexec.hydra >/dev/null ;;
    torchrun) command -v "${torchrun[0]}" >/dev/null ;;
    slurm) sinfo >/dev/null 2>&1 ;;
    *)
        echo "launchers: $1, expected openmpi, mpich, torchrun or slurm" >&2
        exit 2
        ;;
    esac
}

# Samples of small rows, in batches that no number of processes here divides.
samples=2003
size=25
epochs=2
"$BENCH_LOADER" gen "$OUT/data" --samples "$samples" --shape 4 --dtype f32 --as npy >/dev/null
export LOAD="$OUT/data --batch-size $size --shuffle --seed 3 --workers 1 --per-sample"

# Lines of whole samples, in the order of epochs and positions.
lines() { awk 'NF == 4 && length($4) == 32' "$@" | sort -n -k1,1 -k2,2; }

# shellcheck disable=SC2086
"$BENCH_LOADER" digest $LOAD --epochs "$epochs" | lines >"$OUT/whole"
[ "$(wc -l <"$OUT/whole")" = $((samples * epochs)) ]

# What the ranks write, a file each (torchrun takes a `$$` for a `$`): `ranks LAUNCHER COUNT FOLDER OPTIONS..`.
ranks() {
    local launcher="$1" count="$2" folder="$3"
    mkdir "$folder"
    # shellcheck disable=SC2016
    ("$launcher" "$count" bash -c 'exec "$BENCH_LOADER" digest $LOAD --rank auto "${@:2}" >"$1/$BASHPID"' \
        rank "$folder" "${@:4}") >"$folder.log" 2>&1 || {
        cat "$folder.log"
        return 1
    }
    [ "$(find "$folder" -type f | wc -l)" = "$count" ]
}

same() { cmp "$1" "$2" || { echo "launchers: $3"; exit 1; }; }

worlds() {
    local launcher="$1" count
    for count in 1 2 3 8; do
        ranks "$launcher" "$count" "$OUT/$launcher-$count" --epochs "$epochs"
        lines "$OUT/$launcher-$count"/* >"$OUT/union"
        same "$OUT/union" "$OUT/whole" "$count ranks of $launcher deliver something else"
    done
    echo "$launcher: 1, 2, 3 and 8 ranks together deliver what one process does"
}

# Three ranks whose output nobody reads after the first 40 KB, so that they stand still within the
# first epoch, or in the second; then all are killed at once.
killed() {
    local launcher="$1" folder="$OUT/$1-killed" waited=0 group
    mkdir "$folder"
    # A group of its own, so that it can be killed as a whole.
    set -m
    # shellcheck disable=SC2016
    ("$launcher" 3 bash -c \
        'own=$BASHPID
        "$BENCH_LOADER" digest $LOAD --rank auto --epochs 1000 | { head -c 40000 >"$1/$own"; exec sleep 600; }' \
        rank "$folder") >"$folder.log" 2>&1 &
    group=$!
    set +m
    until [ "$(find "$folder" -type f -size +39k | wc -l)" = 3 ]; do
        sleep 0.2
        waited=$((waited + 1))
        [ "$waited" -lt 300 ] || { cat "$folder.log"; echo "launchers: $launcher does not start"; exit 1; }
    done
    # The launcher first, so that it tells nobody; then what it started.
    { kill -KILL -- "-$group" && wait "$group"; } 2>/dev/null || true
    stop_ranks "$folder"
    # Slurm keeps the cores of a job whose srun was killed.
    if [ "$launcher" = slurm ]; then scancel --name "tallow-$$"; fi
}

# Ends the processes of ranks that write into a folder: they may be in groups of their own.
stop_ranks() {
    local process
    for process in "$1"/*; do
        pkill -KILL -P "$(basename "$process")" 2>/dev/null || true
        kill -KILL "$(basename "$process")" 2>/dev/null || true
    done
}

resumed() {
    local launcher="$1" count at epoch batch
    killed "$launcher"
    lines "$OUT/$launcher-killed"/* >"$OUT/before"
    # Batches of which every rank has written its rows.
    at="$(awk -v n="$samples" '{ if ($1 * n + $2 != NR - 1) exit; last = NR } END { print last + 0 }' "$OUT/before")"
    epoch=$((at / samples))
    batch=$((at % samples / size))
    at=$((epoch * samples + batch * size))
    [ "$at" -gt 0 ] && [ "$at" -lt $((samples * epochs)) ]
    same <(head -n "$at" "$OUT/before") <(head -n "$at" "$OUT/whole") "$launcher: wrong before it was killed"
    for count in 2 1; do
        ranks "$launcher" "$count" "$OUT/$launcher-again-$count" --first-epoch "$epoch" \
            --start-batch "$batch" --epochs $((epochs - epoch))
        lines "$OUT/$launcher-again-$count"/* >"$OUT/after"
        same "$OUT/after" <(tail -n +$((at + 1)) "$OUT/whole") "$launcher: $count ranks go on with something else"
    done
    echo "$launcher: 3 ranks, killed after batch $batch of epoch $epoch, go on with 2 and with 1"
}

launchers=("$@")
if [ $# = 0 ]; then
    for launcher in openmpi mpich torchrun slurm; do
        if is_there "$launcher"; then launchers+=("$launcher"); fi
    done
fi
[ ${#launchers[@]} -gt 0 ] || { echo "launchers: none is installed"; exit 1; }
for launcher in "${launchers[@]}"; do
    is_there "$launcher" || { echo "launchers: $launcher is not there, or does not run"; exit 1; }
    worlds "$launcher"
    resumed "$launcher"
done
