// Maps whose axes do not meet: moves, and resizes to the nearest pixel. Where an element lies is
// the sum of what its slice, its row and its column say, found once for a tile.
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

// Room for the columns of a tile and for its rows, in shared memory.
struct Lattice {
    int columns;

    // Every thread takes part.
    __device__ __forceinline__ void prepare(const StagePlan &plan, const View &view, const Tile &tile) const {
#pragma unroll 1
        for (int i = threadIdx.x; i < 2 * tile.side(); i += blockDim.x) {
            bool is_row = i >= tile.side();
            int axis = is_row ? H : W, k = tile.column(i);
            Axis of = is_row ? view.axes[H] : view.axes[W];
            shared_at<int>(columns)[i] = of.at(middle_of(plan, axis, (is_row ? tile.y : tile.x) + k));
        }
        __syncthreads();
    }

    // The first element of pixel `p` of the tile, in slice `slice` of the source.
    __device__ __forceinline__ int at(const Tile &tile, int slice, int p) const {
        const int *places = shared_at<int>(columns);
        return joined(slice, places[tile.side() + tile.row(p)], places[tile.column(p)]);
    }

    // Those of some pixels that are all there, of a tile with room for them in a row; false where one of
    // them is of no element.
    __device__ __forceinline__ bool at(const Tile &tile, int slice, const Pixels &pixels, int (&at)[PIXELS]) const {
        const int *places = shared_at<int>(columns);
        int row = places[tile.side() + tile.row(pixels.from)];
        const Quad<int> &four = *reinterpret_cast<const Quad<int> *>(places + tile.column(pixels.from));
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
