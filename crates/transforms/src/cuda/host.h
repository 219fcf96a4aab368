// What kernels find around them on the host, for tests.
//
// A block has as many threads as its launch says. One is the rule: loops in strides of the block
// then do all the work in order, and barriers have nothing to wait for. With several, each is a
// thread of the host (`host.cc`), slow and true: a barrier that is missing shows. What only whole
// blocks show is looked for in `whole_blocks.h`.
#pragma once

#include "words.h"

#define __global__

extern thread_local Dim3 gridDim, blockDim, blockIdx, threadIdx;

void __syncthreads();

inline uint32_t atomicAdd(uint32_t *at, uint32_t n) { return __atomic_fetch_add(at, n, __ATOMIC_RELAXED); }
