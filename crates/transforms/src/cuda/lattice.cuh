// Maps whose axes do not meet: moves, and resizes to the nearest pixel. Where an element lies is
// the sum of what its slice, its row and its column say, found once for a strip.
#pragma once

#include "pixels.cuh"
#include "taps.cuh"

// The middle coordinate of output coordinate `at`.
__device__ __forceinline__ int middle_of(const StagePlan &plan, int axis, int at) {
    int resampled = after(plan, axis, at);
    if (plan.head != Head::Resize || axis == D) return resampled;
    double scale = double(plan.middle[axis]) / double(plan.resampled[axis]);
    return nearest(resampled, scale, plan.middle[axis]);
}

// Room for the rows of a strip and then for its columns, in shared memory.
struct Lattice {
    int places;

    // Of `tiles` tiles, of which `tile` is the first.
    __device__ __forceinline__ void find(const StagePlan &plan, const View &view, const Tile &tile, int tiles) const {
#pragma unroll 1
        for (int i = threadIdx.x; i < (tiles + 1) << tile.log2; i += blockDim.x) {
            bool is_row = i < tile.side();
            Axis of = is_row ? view.axes[H] : view.axes[W];
            int at = is_row ? tile.y + i : tile.x + i - tile.side();
            shared_at<int>(places)[i] = of.at(middle_of(plan, is_row ? H : W, at));
        }
    }

    // The first element of pixel `p` of the tile whose first column is number `x` of the strip, in slice
    // `slice` of the source.
    __device__ __forceinline__ int at(const Tile &tile, int slice, int x, int p) const {
        const int *rows = shared_at<int>(places), *columns = rows + tile.side() + x;
        return joined(slice, rows[tile.row(p)], columns[tile.column(p)]);
    }

    // Those of some pixels that are all there, of a tile with room for them in a row; false where one of
    // them is of no element.
    __device__ __forceinline__ bool at(const Tile &tile, int slice, int x, const Pixels &pixels,
                                       int (&at)[PIXELS]) const {
        const int *rows = shared_at<int>(places), *columns = rows + tile.side() + x;
        int row = rows[tile.row(pixels.from)];
        const Quad<int> &four = *reinterpret_cast<const Quad<int> *>(columns + tile.column(pixels.from));
        // No place is negative but `FILL`.
        int all = slice | row;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            all |= four.of[i];
            at[i] = slice + row + four.of[i];
        }
        return all >= 0;
    }
};
