#!/usr/bin/env bash
# Proves and measures what needs a GPU, on a machine that has one and perhaps nothing else.
#
#     scripts/gpu.sh build [FOLDER]    with Rust: builds a program into FOLDER (default target/gpu) to copy
#     FOLDER/gpu.sh run OUT [PART...]  with a GPU: runs everything, or PARTs, and writes OUT/table.txt
#
# `build` uses a CUDA toolkit, or installs the one of cuda-toolkit.sh. CUDA_COMPUTE_CAP names the
# device's compute capability without the point (default 90), or an earlier one. TALLOW_CUDA_ARCHS=all
# builds Tallow's kernels for every device, which takes minutes.
#
# `run` needs a driver of CUDA 13 and its libraries, from the system or from PyTorch. PARTs are, in this
# order unless given in another:
#
#     loader augment pictures                  what the device makes is what the CPU makes
#     memcheck racecheck initcheck synccheck   the same in short under compute-sanitizer
#     figures                                  rates, times, and shares of a copy
#     profile                                  what ncu counts of the kernels
#     peers                                    figures of torchvision and kornia (PYTHON names another python3)
#
# `correctness` stands for the first three, `sanitizer` for the next four. All of them together take less
# than 10 minutes, because each has a limit; PART_SECONDS sets another one for all. What is not there is not
# run, and what ran out of time is not done. The table is written anew after each part, so that a run that is
# cut leaves one: first a summary of at most 60 lines, which is printed as well, then what each part said.
#
# The summary ends in PASS, FAIL or NOT DONE, and so does the table. They are about correctness only; the
# exit codes are 0, 1 and 3.
set -euo pipefail

# A larger program has a library linked in that belongs to the machine.
size_max=$((52 << 20))
# What can be carried to some machines.
carried_max=$((64 << 20))

correctness=(loader augment pictures)
sanitizer=(memcheck racecheck initcheck synccheck)
declare -A limits=(
    [loader]=30 [augment]=190 [pictures]=20
    [memcheck]=35 [racecheck]=120 [initcheck]=35 [synccheck]=30
    [figures]=40 [profile]=30 [peers]=40
)
summary_lines=60

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

build() {
    local out target size
    export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-90}"
    export TALLOW_CUDA_ARCHS="${TALLOW_CUDA_ARCHS:-$CUDA_COMPUTE_CAP}"
    mkdir -p "${1:-$here/../target/gpu}"
    out=$(cd "${1:-$here/../target/gpu}" && pwd)
    cd "$here/.."
    if ! command -v nvcc >/dev/null; then
        # shellcheck source=scripts/cuda-toolkit.sh
        . "$here/cuda-toolkit.sh"
    fi
    target="${CARGO_TARGET_DIR:-target}"
    CARGO_PROFILE_RELEASE_STRIP=symbols \
        cargo build --release -p tallow-benchmarks --features cuda --bin gpu
    cp "$target/release/gpu" benchmarks/peers/gpu.py scripts/gpu.sh scripts/gpu_profile.py "$out/"
    git describe --always --dirty >"$out/commit.txt" 2>/dev/null || echo unknown >"$out/commit.txt"
    size=$(wc -c <"$out/gpu")
    if [ "$size" -gt "$size_max" ]; then
        echo "gpu.sh: the program has $size bytes, more than $size_max" >&2
        exit 1
    fi
    size=$(du -sb "$out" | cut -f 1)
    if [ "$size" -gt "$carried_max" ]; then
        echo "gpu.sh: $out has $size bytes, more than $carried_max" >&2
        exit 1
    fi
    echo "$out: $size bytes; carry it to the machine with the GPU, and run there: ./gpu.sh run OUT"
}

# The folders of CUDA libraries: those that come with PyTorch, and those of a toolkit and a driver that no
# list of the system may name.
libraries() {
    "$python" - <<'PYTHON' 2>/dev/null || true
import glob, site, sysconfig
roots = {sysconfig.get_paths()["purelib"], *site.getsitepackages(), site.getusersitepackages()}
folders = [path for root in sorted(roots) for path in sorted(glob.glob(root + "/nvidia/*/lib"))]
folders += glob.glob("/usr/local/cuda/lib64") + glob.glob("/usr/local/nvidia/lib64")
print(":".join(folders))
PYTHON
}

# tool NAME: where a tool of the toolkit is, if anywhere.
tool() {
    local found
    for found in "$(command -v "$1" || true)" /usr/local/cuda*/bin/"$1" /opt/nvidia/nsight-compute/*/"$1"; do
        if [ -x "$found" ]; then
            echo "$found"
            return
        fi
    done
}

# What became of each part that was asked for, and in which time.
declare -A became=() taken=()

# limit PART: its seconds.
limit() {
    echo "${PART_SECONDS:-${limits[$1]}}"
}

# within PART COMMAND...: shows the command, and ends it after the time that is left to the part.
within() {
    local part="$1" left
    shift
    left=$(($(limit "$part") - (SECONDS - started)))
    printf '$ %s\n' "$*"
    timeout --kill-after=5 "$((left > 1 ? left : 1))" "$@" 2>&1
}

# judge PART CODE: what a part of correctness became, by its exit code and by what it said.
judge() {
    local part="$1" code="$2"
    if [ "$code" = 0 ]; then
        became[$part]="ok, $(grep -c '^ok' "$said/$part" || true) checks"
    elif grep -q '^FAIL' "$said/$part" || { [ "$code" != 124 ] && [ "$code" != 137 ]; }; then
        became[$part]=FAIL
    else
        became[$part]="not done, $(grep -c '^ok' "$said/$part" || true) checks were ok"
    fi
}

check() {
    local part="$1" code=0
    within "$part" "$here/gpu" "$part" >"$said/$part" || code=$?
    judge "$part" "$code"
}

sanitize() {
    local part="$1" compute_sanitizer code=0 words=(quick loader augment pictures) options=()
    compute_sanitizer=$(tool compute-sanitizer)
    if [ -z "$compute_sanitizer" ]; then
        became[$part]="not run, no compute-sanitizer here"
        return
    fi
    case "$part" in
        # Asking for the time of pending events is not an error, but the tool reports it as one.
        memcheck) options=(--report-api-errors no) ;;
        # About shared memory and barriers, of which the loader has none.
        racecheck | synccheck) words=(quick augment pictures) ;;
    esac
    # Some machines give programs access to the device, but not tools that inspect them.
    within "$part" "$compute_sanitizer" --tool "$part" "${options[@]}" --error-exitcode 9 "$here/gpu" probe \
        >"$said/$part" || code=$?
    if [ "$code" != 0 ]; then
        became[$part]="not run, compute-sanitizer refused the device"
        [ "$code" != 124 ] || became[$part]="not done, nor was a probe"
        return
    fi
    within "$part" "$compute_sanitizer" --tool "$part" "${options[@]}" --error-exitcode 9 "$here/gpu" "${words[@]}" \
        >>"$said/$part" || code=$?
    judge "$part" "$code"
}

# What cannot be measured is said; it does not affect correctness.
figures() {
    became[figures]=measured
    within figures "$here/gpu" figures | sed -u 's/^FAIL */    * not measured: /' >"$said/figures" ||
        became[figures]="not all measured"
}

profile() {
    local ncu chain metrics
    ncu=$(tool ncu)
    if [ -z "$ncu" ]; then
        became[profile]="not run, no ncu here"
        return
    fi
    metrics=$("$python" "$here/gpu_profile.py" --metrics)
    became[profile]=measured
    for chain in crop resized jitter; do
        # Clocks that others use are left alone.
        within profile "$ncu" --csv --page raw --print-units base --clock-control none --metrics "$metrics" \
            "$here/gpu" "$chain" 2>&1 | "$python" "$here/gpu_profile.py" "$chain" >>"$said/profile" ||
            became[profile]="not all measured"
    done
}

peers() {
    became[peers]=measured
    within peers "$python" -u "$here/gpu.py" >"$said/peers" || became[peers]="not all measured"
}

# What the parts so far amount to.
verdict() {
    local part verdict=PASS
    for part in "$@"; do
        case "${became[$part]:-}" in
            FAIL*) verdict=FAIL && break ;;
            "not done"*) verdict="NOT DONE" ;;
        esac
    done
    echo "$verdict"
}

machine() {
    echo "machine   $(uname -srm), $(nproc) cores, $(awk '/^MemTotal/ { print $2 " kB" }' /proc/meminfo)"
    echo "commit    $(cat "$here/commit.txt" 2>/dev/null || echo unknown)"
    echo "command   ${BASH_SOURCE[0]} run $command"
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --format=csv,noheader \
            --query-gpu=name,driver_version,memory.total,pcie.link.gen.max,pcie.link.width.max |
            sed 's/^/gpu       /' || true
    fi
}

# summary PART...: the machine, what became of each part, what failed, and the figures that say most.
summary() {
    local part
    {
        cat "$said/machine"
        for part in "$@"; do
            printf '%-9s %s%s\n' "$part" "${became[$part]}" "${taken[$part]:+, ${taken[$part]} s}"
        done
        for part in "$@"; do
            [ -f "$said/$part" ] || continue
            [ "${became[$part]}" != FAIL ] || grep -m 3 '^FAIL' "$said/$part" | cut -c 1-200 || true
            sed -n 's/^    \* /  /p' "$said/$part"
        done
    } | head -n $((summary_lines - 1))
    verdict "$@"
}

# table PART...: the summary, and all that the parts said.
table() {
    local part
    summary "$@"
    for part in "$@"; do
        [ -f "$said/$part" ] || continue
        printf '\n== %s: %s\n' "$part" "${became[$part]}"
        cat "$said/$part"
    done
    echo
    verdict "$@"
}

run_part() {
    case "$1" in
        loader | augment | pictures) check "$1" ;;
        memcheck | racecheck | initcheck | synccheck) sanitize "$1" ;;
        *) "$1" ;;
    esac
}

# The parts that words stand for.
parts() {
    local word
    for word in "$@"; do
        case "$word" in
            correctness) printf '%s\n' "${correctness[@]}" ;;
            sanitizer) printf '%s\n' "${sanitizer[@]}" ;;
            *) echo "$word" ;;
        esac
    done
}

run() {
    local out="$1" found part asked
    command="$*"
    shift
    [ $# -gt 0 ] || set -- correctness sanitizer figures profile peers
    mapfile -t asked < <(parts "$@")
    for part in "${asked[@]}"; do
        [ -n "${limits[$part]:-}" ] || usage
        became[$part]="not done"
    done
    python="${PYTHON:-python3}"
    if ! [ -x "$here/gpu" ]; then
        echo "gpu.sh: no program beside me; \`scripts/gpu.sh build FOLDER\` makes it" >&2
        exit 2
    fi
    found=$(libraries)
    # After those of the environment, which take precedence.
    if [ -n "$found" ]; then
        export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$found"
    fi
    mkdir -p "$out"
    said=$(mktemp -d)
    trap 'rm -rf "$said"' EXIT
    machine >"$said/machine"
    for part in "${asked[@]}"; do
        started=$SECONDS
        run_part "$part"
        taken[$part]=$((SECONDS - started))
        echo "$part: ${became[$part]}, ${taken[$part]} s"
        table "${asked[@]}" >"$out/table.txt.new"
        mv "$out/table.txt.new" "$out/table.txt"
    done
    echo
    summary "${asked[@]}"
    case "$(verdict "${asked[@]}")" in
        PASS) ;;
        FAIL) exit 1 ;;
        *) exit 3 ;;
    esac
}

case "${1:-}" in
    build) [ $# -le 2 ] || usage; build "${2:-}" ;;
    run) [ $# -ge 2 ] || usage; run "${@:2}" ;;
    *) usage ;;
esac
