// Resizes and blurs of a tile (`engine/separable.rs`): the rows that it needs are resampled along
// the width into shared memory, as many at a time as it holds, and added up along the height. Taps
// are added in their order, as on the CPU.
#pragma once

#include "pixels.cuh"
#include "shared.cuh"
#include "taps.cuh"

// The taps of some neighbouring outputs along one axis, in shared memory.
struct Taps {
    // The index of the first tap of each, and `count` weights each.
    int starts, weights;
    int count;

    __device__ __forceinline__ int &start(int output) const { return shared_at<int>(starts)[output]; }

    __device__ __forceinline__ float *of(int output) const {
        return shared_at<float>(weights) + output * count;
    }
};

// Room for one tile, in shared memory, and where its parts begin.
struct Separable {
    Taps across, down;
    // What is left for sums and rows, in elements.
    int room, room_len;

    // For tiles of that side, whose taps are those of `plan`.
    __device__ void place(const StagePlan &plan, int side, Shared shared) {
        across = take(plan, W, side, shared);
        down = take(plan, H, side, shared);
        room = shared.next, room_len = shared.left<float>();
    }

    __device__ __forceinline__ static Taps take(const StagePlan &plan, int axis, int side, Shared &shared) {
        Filter filter(plan, axis);
        int starts = shared.take<int>(side);
        return {starts, shared.take<float>(filter.count * side), filter.count};
    }

    // Finds the columns and the rows of a tile.
    __device__ __forceinline__ void find(const StagePlan &plan, const Tile &tile) const {
        for (int i = threadIdx.x; i < 2 * tile.side(); i += blockDim.x) {
            bool is_row = i >= tile.side();
            int axis = is_row ? H : W, k = tile.column(i);
            int at = (is_row ? tile.y : tile.x) + k, last = plan.size[axis] - 1;
            Taps taps = is_row ? down : across;
            int resampled = after(plan, axis, at < last ? at : last);
            taps.start(k) = taps_of(Filter(plan, axis), resampled, taps.of(k), 1);
        }
    }
};

// One tile under way.
template <class T> struct Resampling {
    const StagePlan &plan;
    const View &view;
    const T *pixels;
    const Separable &shared;
    Tile tile;
    // Rows in hand: `first..end` of the middle image. Where that is not all that the tile needs,
    // sums over the rows before them come first.
    int first, end;
    bool has_sums;

    // Leaves the last rows in shared memory, and the sums over all before them. Every thread takes
    // part.
    __device__ __forceinline__ void prepare() {
        shared.find(plan, tile);
        __syncthreads();
        int top = shared.down.start(0), bottom = shared.down.start(height() - 1);
        int low = top < bottom ? top : bottom, high = (top < bottom ? bottom : top) + shared.down.count;
        int row = tile.count << tile.log2, room = shared.room_len / row;
        has_sums = high - low > room;
        if (has_sums) room -= tile.side();
        for (first = low;; first = end) {
            end = first + room < high ? first + room : high;
            resample();
            __syncthreads();
            if (end == high) return;
            add_up();
            __syncthreads();
        }
    }

    // Output rows of the tile.
    __device__ __forceinline__ int height() const {
        int left = plan.size[H] - tile.y;
        return left < tile.side() ? left : tile.side();
    }

    __device__ __forceinline__ float *sums() const { return shared_at<float>(shared.room); }

    __device__ __forceinline__ float *rows() const {
        return sums() + (has_sums ? tile.count * tile.pixels() : 0);
    }

    // The rows in hand, along the width.
    __device__ __forceinline__ void resample() const {
        int z = view.axes[D].at(after(plan, D, tile.z));
        float *to = rows();
        for (int i = threadIdx.x; i < (end - first) << tile.log2; i += blockDim.x) {
            int x = tile.column(i), r = tile.row(i);
            if (tile.x + x >= plan.size[W]) continue;
            Pixel sum = across_row(joined(z, view.axes[H].at(first + r), 0), x);
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) to[((r * tile.count + c) << tile.log2) + x] = sum.values[c];
            }
        }
    }

    // The sums of column `x` over the row whose elements begin at `row`.
    __device__ __forceinline__ Pixel across_row(int row, int x) const {
        Taps taps = shared.across;
        const float *weights = taps.of(x);
        int start = taps.start(x);
        Axis columns = view.axes[W];
        int channel = view.channel_stride;
        const T *plane = pixels + tile.first * channel;
        Pixel sum = {};
        for (int t = 0; t < taps.count; ++t) {
            float weight = weights[t];
            int at = joined(0, row, columns.at(start + t));
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c >= tile.count) continue;
                float value = at == FILL ? plan.fill[of_channel(tile.first + c)]
                                         : to_f32(plane[at + c * channel]);
                sum.values[c] = t == 0 ? weight * value : sum.values[c] + weight * value;
            }
        }
        return sum;
    }

    // Adds the rows in hand to the sums.
    __device__ __forceinline__ void add_up() const {
        for (int p = threadIdx.x; p < tile.pixels(); p += blockDim.x) {
            if (tile.at(plan, p) < 0) continue;
            Pixel sum = down_column(p);
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) sums()[c * tile.pixels() + p] = sum.values[c];
            }
        }
    }

    // The sums of pixel `p` of the tile over all rows so far.
    __device__ __forceinline__ Pixel down_column(int p) const {
        Taps taps = shared.down;
        int y = tile.row(p), x = tile.column(p);
        const float *weights = taps.of(y);
        int start = taps.start(y) - first;
        int from = start < 0 ? -start : 0, to = end - first - start;
        to = to < taps.count ? to : taps.count;
        Pixel sum = {};
        if (from > 0) {
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) sum.values[c] = sums()[c * tile.pixels() + p];
            }
        }
        const float *row = rows() + (((start + from) * tile.count) << tile.log2) + x;
        for (int t = from; t < to; ++t) {
            float weight = weights[t];
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c >= tile.count) continue;
                float term = weight * *row;
                sum.values[c] = t == 0 ? term : sum.values[c] + term;
                row += tile.side();
            }
        }
        return sum;
    }
};
