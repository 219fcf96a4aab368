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
# `run` needs a driver of CUDA 13 and its libraries, from the system or from PyTorch. If PyTorch and
# torchvision are installed, it also prints their figures (PYTHON names another python3), and if
# compute-sanitizer is, it checks with that. PARTs are loader, augment, pictures, figures, peers, sanitizer,
# in this order unless given in another. Each part may take PART_SECONDS (default 90), so that it
# does not hold up the next one. The last line is PASS or FAIL, about correctness only, and the exit
# code says the same.
set -euo pipefail

# A larger program has a library linked in that belongs to the machine.
size_max=$((52 << 20))

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
    cp "$target/release/gpu" benchmarks/peers/gpu.py scripts/gpu.sh "$out/"
    git describe --always --dirty >"$out/commit.txt" 2>/dev/null || echo unknown >"$out/commit.txt"
    size=$(wc -c <"$out/gpu")
    if [ "$size" -gt "$size_max" ]; then
        echo "gpu.sh: the program has $size bytes, more than $size_max" >&2
        exit 1
    fi
    echo "$out: carry it to the machine with the GPU, and run there: ./gpu.sh run OUT"
}

# The folders of the CUDA libraries that come with PyTorch.
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

# within COMMAND...: ends it after the time of a part.
within() {
    timeout --kill-after=5 "${PART_SECONDS:-90}" "$@"
}

# step NAME COMMAND...: writes its output to the table, and sets `failed` if it failed.
step() {
    local name="$1" code=0
    shift
    printf '\n== %s\n$ %s\n' "$name" "$*"
    within "$@" 2>&1 || code=$?
    if [ "$code" != 0 ]; then
        failed=1
        [ "$code" != 124 ] || echo "      not done after ${PART_SECONDS:-90} s"
        echo "FAIL  $name"
    fi
}

sanitize() {
    local check tool
    check=$(sanitizer)
    if [ -z "$check" ]; then
        printf '\n== compute-sanitizer: not found, not run\n'
        return
    fi
    # Some machines give programs access to the device, but not tools that inspect them.
    if ! within "$check" --tool memcheck --error-exitcode 9 "$here/gpu" probe >/dev/null 2>&1; then
        printf '\n== compute-sanitizer: refused the device, not run\n'
        return
    fi
    for tool in memcheck racecheck; do
        # Asking for the time of pending events is not an error, but the tool reports it as one.
        [ "$tool" = racecheck ] || set -- --report-api-errors no
        step "compute-sanitizer, $tool" \
            "$check" --tool "$tool" "$@" --error-exitcode 9 "$here/gpu" quick loader augment pictures
        set --
    done
}

# Figures that cannot be measured are listed as such; they do not affect correctness.
figures() {
    printf '\n== figures\n$ %s\n' "$here/gpu figures"
    within "$here/gpu" figures 2>&1 |
        sed -u -n '/^      /p; /^FAIL /s/^FAIL */      not measured: /p' || echo "      not all measured"
}

peers() {
    printf '\n== peers\n$ %s\n' "$python $here/gpu.py"
    within "$python" -u "$here/gpu.py" 2>&1 || echo "      not all measured"
}

table() {
    local part
    echo "machine   $(uname -srm), $(nproc) cores, $(awk '/^MemTotal/ { print $2 " kB" }' /proc/meminfo)"
    echo "commit    $(cat "$here/commit.txt" 2>/dev/null || echo unknown)"
    echo "command   ${BASH_SOURCE[0]} run $*"
    if command -v nvidia-smi >/dev/null; then
        nvidia-smi --format=csv,noheader \
            --query-gpu=name,driver_version,memory.total,pcie.link.gen.max,pcie.link.width.max |
            sed 's/^/gpu       /' || true
    fi
    for part in "$@"; do
        case "$part" in
            loader) step "correctness of the loader" "$here/gpu" loader ;;
            augment) step "correctness of augmentation" "$here/gpu" augment ;;
            pictures) step "correctness of pictures" "$here/gpu" pictures ;;
            figures) figures ;;
            peers) peers ;;
            sanitizer) sanitize ;;
        esac
    done
    echo
    if [ "$failed" = 0 ]; then echo "PASS"; else echo "FAIL"; fi
}

run() {
    local out="$1" libraries part
    shift
    [ $# -gt 0 ] || set -- loader augment pictures figures peers sanitizer
    for part in "$@"; do
        case "$part" in loader | augment | pictures | figures | peers | sanitizer) ;; *) usage ;; esac
    done
    python="${PYTHON:-python3}"
    if ! [ -x "$here/gpu" ]; then
        echo "gpu.sh: no program beside me; \`scripts/gpu.sh build FOLDER\` makes it" >&2
        exit 2
    fi
    libraries=$(python_libraries)
    # After those of the environment, which take precedence.
    if [ -n "$libraries" ]; then
        export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$libraries"
    fi
    mkdir -p "$out"
    table "$@" | tee "$out/table.txt"
    [ "$(tail -n 1 "$out/table.txt")" = PASS ]
}

case "${1:-}" in
    build) [ $# -le 2 ] || usage; build "${2:-}" ;;
    run) [ $# -ge 2 ] || usage; run "${@:2}" ;;
    *) usage ;;
esac
