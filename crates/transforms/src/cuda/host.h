// The words of CUDA C++ that the kernels use, for a compiler that knows none of them.
//
// A block has as many threads as its launch says. One is the rule: loops in strides of the block
// then do all the work in order, and barriers have nothing to wait for. With several, each is a
// thread of the host (`host.cc`), slow and true: a barrier that is missing shows.
#pragma once

#include <cmath>
#include <cstdint>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)

struct Dim3 {
    uint32_t x, y, z;
};

extern thread_local Dim3 gridDim, blockDim, blockIdx, threadIdx;

void __syncthreads();

inline uint32_t atomicAdd(uint32_t *at, uint32_t n) { return __atomic_fetch_add(at, n, __ATOMIC_RELAXED); }
