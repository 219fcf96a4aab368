// Whole blocks on the host, every access of whose kernels is watched.
//
// A thread of a block is a fiber. Between two barriers the fibers of a block run one after the other, in
// an order that a seed draws; blocks run one after the other too. No access is then at the mercy of
// a schedule: which threads were free to meet is known from the barriers between them. Kernels are
// compiled with `-fsanitize=thread`, whose calls before each access land in `whole_blocks.cc` instead of
// in the sanitizer's library.
//
// Found are accesses of two threads to one byte, one of them a write, with no barrier between them, or of
// two blocks; reads of shared memory that nothing was written to; barriers that not all threads of a
// block reach; and accesses beside what the launch says that it uses.
#pragma once

#include "words.h"

namespace whole_blocks {

extern Dim3 gridDim, blockDim, blockIdx, threadIdx;

// A barrier at a line of the source.
void barrier(const char *file, int line);

uint32_t atomicAdd(uint32_t *at, uint32_t n);

// The shared memory of the running block.
char *shared_base();

// Bytes that a launch may read or write.
struct Use {
    uint64_t address, bytes;
    uint32_t is_write;
};

// A launch, and how it is run.
struct Watched {
    const uint32_t *grid;
    uint32_t threads, shared_bytes;
    const Use *uses;
    uint64_t uses_len;
    uint64_t seed;
    // The number of the barrier that is left out, from 1 on, or 0.
    uint32_t left_out;
};

// Runs the blocks of a kernel up to the first thing that is found, which is written into `report` as
// far as there is room; returns its length, 0 where nothing is found.
uint64_t watch(void (*kernel)(const void *args), const void *args, const Watched &launch, char *report,
               uint64_t room);

} // namespace whole_blocks
