// The loader's kernel as a function of the host.
#include "../../transforms/src/cuda/host.h"

#include "../../loader/src/cuda/move_rows.cu"

extern "C" void tallow_host_move_rows(unsigned char *slab, unsigned char *samples, const long long *places,
                                      unsigned long long row_bytes, unsigned rows, unsigned which,
                                      const unsigned *grid) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {1, 1, 1};
    threadIdx = {0, 0, 0};
    for (unsigned y = 0; y < grid[1]; ++y) {
        for (unsigned x = 0; x < grid[0]; ++x) {
            blockIdx = {x, y, 0};
            move_rows(slab, samples, places, row_bytes, rows, which);
        }
    }
}
