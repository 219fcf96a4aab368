// Resizes and blurs of bytes in integers (`engine/resize_u8.rs`, `engine/blur_u8.rs`), of a tile: the columns that it needs are
// resampled along the height into shared memory, as many at a time as it holds, and added up along
// the width.
#pragma once

#include "pixels.cuh"
#include "separable.cuh"

// Fractional bits of the values between the passes.
constexpr int BETWEEN = 6;

// Whether a plan that reads bytes resizes or blurs them in integers.
__device__ inline bool is_integer(const StagePlan &plan) {
    bool is_resize = plan.head == Head::Resize && plan.interpolation != Interpolation::Nearest;
    if (!is_resize && plan.head != Head::Blur) return false;
    if (plan.border != Border::Constant) return true;
    for (float fill : plan.fill) {
        if (!(fill >= 0.0f && fill <= 255.0f && float(int(fill)) == fill)) return false;
    }
    return true;
}

// The channels of one pixel, in integers.
struct Sums {
    int values[CHANNELS];
};

// One tile under way.
struct ResizeU8 {
    const StagePlan &plan;
    const View &view;
    const uint8_t *pixels;
    const Separable &shared;
    Tile tile;
    // Columns in hand: `first..end` of the middle image. Where that is not all that the tile needs,
    // sums over the columns before them come first.
    int first, end;
    bool has_sums;

    // Leaves the last columns in shared memory, and the sums over all before them. Every thread takes
    // part.
    __device__ __forceinline__ void prepare() {
        shared.find<int>(plan, tile);
        __syncthreads();
        int left = shared.across.start(0), right = shared.across.start(width() - 1);
        int low = left < right ? left : right, high = (left < right ? right : left) + shared.across.count;
        int column = tile.count << tile.log2;
        int room = shared.room_len * int(sizeof(float) / sizeof(int16_t)) / column;
        has_sums = high - low > room;
        if (has_sums) room -= tile.side() * int(sizeof(int) / sizeof(int16_t));
        for (first = low;; first = end) {
            end = first + room < high ? first + room : high;
            resample();
            __syncthreads();
            if (end == high) return;
            add_up();
            __syncthreads();
        }
    }

    // Output columns of the tile.
    __device__ __forceinline__ int width() const {
        int left = plan.size[W] - tile.x;
        return left < tile.side() ? left : tile.side();
    }

    __device__ __forceinline__ int *sums() const { return shared_at<int>(shared.room); }

    __device__ __forceinline__ int16_t *columns() const {
        return reinterpret_cast<int16_t *>(sums() + (has_sums ? tile.count * tile.pixels() : 0));
    }

    // The columns in hand, along the height. Neighbouring threads have neighbouring columns.
    __device__ __forceinline__ void resample() const {
        int z = view.axes[D].at(after(plan, D, tile.z)), len = end - first;
        for (int i = threadIdx.x; i < len << tile.log2; i += blockDim.x) {
            int x = i % len, y = i / len;
            if (tile.y + y >= plan.size[H]) continue;
            Sums sums = down_column(joined(z, 0, view.axes[W].at(first + x)), y);
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) columns()[((x * tile.count + c) << tile.log2) + y] = int16_t(sums.values[c]);
            }
        }
    }

    // The values of row `y` in the column whose elements begin at `column`, rounded half up.
    __device__ __forceinline__ Sums down_column(int column, int y) const {
        Taps taps = shared.down;
        int shift = taps.bits - BETWEEN;
        const int *weights = taps.weights_of<int>(y);
        int start = taps.start(y);
        const uint8_t *plane = pixels + tile.first * view.channel_stride;
        Sums sums;
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) sums.values[c] = 1 << (shift - 1);
        for (int t = 0; t < taps.count; ++t) {
            int weight = weights[t], at = joined(0, view.axes[H].at(start + t), column);
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c >= tile.count) continue;
                int value = at == FILL ? int(plan.fill[of_channel(tile.first + c)])
                                       : int(plane[at + c * view.channel_stride]);
                sums.values[c] += weight * value;
            }
        }
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) sums.values[c] = clamp(sums.values[c] >> shift, INT16_MIN, INT16_MAX);
        return sums;
    }

    // Adds the columns in hand to the sums.
    __device__ __forceinline__ void add_up() const {
        for (int p = threadIdx.x; p < tile.pixels(); p += blockDim.x) {
            if (tile.at(plan, p) < 0) continue;
            Sums added = across_row(p);
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) sums()[c * tile.pixels() + p] = added.values[c];
            }
        }
    }

    // The sums of pixel `p` of the tile over all columns so far.
    __device__ __forceinline__ Sums across_row(int p) const {
        Taps taps = shared.across;
        int y = tile.row(p), x = tile.column(p);
        const int *weights = taps.weights_of<int>(x);
        int start = taps.start(x) - first;
        int from = start < 0 ? -start : 0, to = end - first - start;
        to = to < taps.count ? to : taps.count;
        Sums added = {};
        if (from > 0) {
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) added.values[c] = sums()[c * tile.pixels() + p];
            }
        }
        const int16_t *column = columns() + (((start + from) * tile.count) << tile.log2) + y;
        for (int t = from; t < to; ++t) {
            int weight = weights[t];
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c >= tile.count) continue;
                added.values[c] += weight * int(*column);
                column += tile.side();
            }
        }
        return added;
    }

    // Pixel `p` of the tile.
    __device__ __forceinline__ Pixel pixel(int p) const {
        float scale = 1.0f / float(1 << (BETWEEN + shared.across.bits));
        Sums sums = across_row(p);
        Pixel pixel = {};
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            if (c < tile.count) pixel.values[c] = float(sums.values[c]) * scale;
        }
        return pixel;
    }
};
