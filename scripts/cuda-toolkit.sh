#!/usr/bin/env bash
# A CUDA 13.0 toolkit from Python wheels, for machines without CUDA: enough to compile and link the
# feature `cuda` without a driver or GPU.
#
#     . scripts/cuda-toolkit.sh
#     cargo build --features cuda
#
# Source it: it sets CUDA_HOME and similar variables, PATH and LIBRARY_PATH. The first time it
# installs about 2 GB into $TALLOW_CUDA (default ~/.cache/tallow-cuda-13.0), which needs python3
# with venv and a C compiler. candle's kernels are PTX for compute capability 8.0, which every later
# device accepts too, unless CUDA_COMPUTE_CAP names another; so are Tallow's, and machine code for it,
# unless the build is for release or TALLOW_CUDA_ARCHS says otherwise (crates/fatbin).
#
# A program linked against the driver of `stubs/` starts on machines with a real driver (580 or
# later, with the CUDA 13 libraries), or with the simulated one of crates/cuda-sim.

tallow_cuda_wheels=(
    nvidia-cuda-nvcc==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-crt==13.0.88
    nvidia-cuda-runtime==13.0.96 nvidia-cuda-cccl==13.0.85 nvidia-cuda-nvrtc==13.0.88
    nvidia-cublas==13.0.2.14 nvidia-curand==10.4.0.35
)

# The folder of the wheels in that of the toolkit.
tallow_cuda_home() {
    echo "$1"/venv/lib/python3*/site-packages/nvidia/cu13
}

# Linkers look for names without a version, which wheels leave out.
tallow_cuda_names() {
    local home name
    home=$(tallow_cuda_home "$1")
    for name in cublas cublasLt curand nvrtc cudart; do
        ln -sf "$(find "$home/lib" -name "lib$name.so.*" | sort | head -n 1)" "$1/stubs/lib$name.so" || return
    done
}

# A driver to link against, with every function of its header. None of them may be called.
tallow_cuda_driver() {
    local header="$1/stubs/driver.c" home
    home=$(tallow_cuda_home "$1")
    {
        echo '#include <cuda.h>' | "${CC:-cc}" -E -I"$home/include" -
        cat "$home/include/cuda.h"
    } | grep -oE '\bcu[A-Z][A-Za-z0-9_]*' | sort -u |
        sed 's/.*/void &(void) { __builtin_trap(); }/' >"$header" || return
    "${CC:-cc}" -w -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$1/stubs/libcuda.so" "$header"
}

# NCCL to link against, with the functions that examples/ranks calls. None of them may be called.
tallow_cuda_nccl() {
    printf 'void nccl%s(void) { __builtin_trap(); }\n' GetUniqueId CommInitRank AllReduce CommAbort |
        "${CC:-cc}" -w -shared -fPIC -Wl,-soname,libnccl.so.2 -o "$1/stubs/libnccl.so" -x c -
}

tallow_cuda_install() {
    [ -f "$1/complete" ] && [ -f "$1/stubs/libnccl.so" ] && return
    mkdir -p "$1/stubs" &&
        python3 -m venv "$1/venv" &&
        "$1/venv/bin/pip" install --quiet "${tallow_cuda_wheels[@]}" &&
        tallow_cuda_names "$1" &&
        tallow_cuda_driver "$1" &&
        tallow_cuda_nccl "$1" &&
        touch "$1/complete"
}

tallow_cuda_folder="${TALLOW_CUDA:-${HOME:-/tmp}/.cache/tallow-cuda-13.0}"
if tallow_cuda_install "$tallow_cuda_folder"; then
    CUDA_HOME=$(tallow_cuda_home "$tallow_cuda_folder")
    export CUDA_HOME CUDA_PATH="$CUDA_HOME" CUDA_ROOT="$CUDA_HOME" CUDA_TOOLKIT_ROOT_DIR="$CUDA_HOME"
    export CUDA_COMPUTE_CAP="${CUDA_COMPUTE_CAP:-80}"
    export PATH="$CUDA_HOME/bin:$PATH"
    export LIBRARY_PATH="$tallow_cuda_folder/stubs${LIBRARY_PATH:+:$LIBRARY_PATH}"
else
    echo "cuda-toolkit.sh: the toolkit could not be installed in $tallow_cuda_folder" >&2
fi
unset -f tallow_cuda_home tallow_cuda_names tallow_cuda_driver tallow_cuda_nccl tallow_cuda_install
unset tallow_cuda_wheels tallow_cuda_folder
