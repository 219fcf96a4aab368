#!/usr/bin/env bash
# Proves and measures what only a GPU can, on a machine that has one and perhaps nothing else.
#
#     scripts/gpu.sh build [FOLDER]    with Rust: a program into FOLDER (default target/gpu), to be carried
#     FOLDER/gpu.sh run OUT            with a GPU: everything, into OUT/table.txt
#
# `build` takes a CUDA toolkit, or installs the one of cuda-toolkit.sh. CUDA_COMPUTE_CAP names the
# device's compute capability without the point (default 90), or an earlier one.
#
# `run` takes a driver of CUDA 13 and its libraries, those of the system or of PyTorch; with PyTorch
# and torchvision their figures stand beside ours (PYTHON names another python3), and where
# compute-sanitizer is found it looks on. The last line is PASS or FAIL, of correctness alone, and
# the exit code says the same.
set -euo pipefail

# A program beyond this is not what was meant: something was linked that belongs to the machine.
size_max=$((60 * 1000 * 1000))

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

usage() {
    sed -n '2,/^set /s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}

build() {
    local out target size
    export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-90}"
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
    cp "$target/release/gpu" benchmarks/peers/gpu.py scripts/gpu.sh "$out/"
    git describe --always --dirty >"$out/commit.txt" 2>/dev/null || echo unknown >"$out/commit.txt"
    size=$(wc -c <"$out/gpu")
    if [ "$size" -gt "$size_max" ]; then
        echo "gpu.sh: the program has $size bytes, more than $size_max" >&2
        exit 1
    fi
    echo "$out: carry it to the machine with the GPU, and run there: ./gpu.sh run OUT"
}

# Folders of CUDA's libraries, as PyTorch brings them.
python_libraries() {
    "$python" - <<'PYTHON' 2>/dev/null || true
import glob, site, sysconfig
roots = {sysconfig.get_paths()["purelib"], *site.getsitepackages(), site.getusersitepackages()}
print(":".join(path for root in sorted(roots) for path in sorted(glob.glob(root + "/nvidia/*/lib"))))
PYTHON
}

sanitizer() {
    local found
    for found in "$(command -v compute-sanitizer || true)" /usr/local/cuda*/bin/compute-sanitizer; do
        if [ -x "$found" ]; then
            echo "$found"
            return
        fi
    done
}

failed=0

# step NAME COMMAND...: its output into the table and a log, whether it failed into `failed`.
step() {
    local name="$1"
    shift
    printf '\n== %s\n$ %s\n' "$name" "$*"
    if ! "$@" 2>&1; then
        failed=1
        echo "FAIL  $name"
    fi
}

table() {
    local check tool
    echo "machine   $(uname -srm), $(nproc) cores, $(awk '/^MemTotal/ { print $2 " kB" }' /proc/meminfo)"
    echo "commit    $(cat "$here/commit.txt" 2>/dev/null || echo unknown)"
    echo "command   ${BASH_SOURCE[0]} run"
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --format=csv,noheader \
            --query-gpu=name,driver_version,memory.total,pcie.link.gen.max,pcie.link.width.max |
            sed 's/^/gpu       /' || true
    fi
    step "correctness of the loader" "$here/gpu" loader
    step "correctness of augmentation" "$here/gpu" augment
    check=$(sanitizer)
    if [ -n "$check" ]; then
        for tool in memcheck racecheck; do
            step "compute-sanitizer, $tool" \
                "$check" --tool "$tool" --error-exitcode 9 "$here/gpu" quick loader augment
        done
    else
        printf '\n== compute-sanitizer: not found, not run\n'
    fi
    # What figures cannot be taken says so there; they are no matter of correctness.
    printf '\n== figures\n$ %s\n' "$here/gpu figures"
    "$here/gpu" figures 2>&1 | sed -n '/^      /p; /^FAIL /s/^FAIL */      not measured: /p' || true
    printf '\n== peers\n$ %s\n' "$python $here/gpu.py"
    "$python" "$here/gpu.py" 2>&1 || echo "      not measured"
    echo
    if [ "$failed" = 0 ]; then echo "PASS"; else echo "FAIL"; fi
}

run() {
    local out="$1" libraries
    python="${PYTHON:-python3}"
    if ! [ -x "$here/gpu" ]; then
        echo "gpu.sh: no program beside me; \`scripts/gpu.sh build FOLDER\` makes it" >&2
        exit 2
    fi
    libraries=$(python_libraries)
    # Behind those of the environment: what somebody has chosen is not overruled.
    if [ -n "$libraries" ]; then
        export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries"
    fi
    mkdir -p "$out"
    table | tee "$out/table.txt"
    [ "$(tail -n 1 "$out/table.txt")" = PASS ]
}

case "${1:-}" in
    build) [ $# -le 2 ] || usage; build "${2:-}" ;;
    run) [ $# -eq 2 ] || usage; run "$2" ;;
    *) usage ;;
esac
