// Resizes and blurs of bytes in integers (`engine/resize_u8.rs`, `engine/blur_u8.rs`), of a tile: the
// columns that it needs are resampled along the height into shared memory, for as many rows of the tile
// as it holds, and each of these rows is resampled along the width.
//
// Along the height a thread makes neighbouring elements, whatever pixels they are of, where those of a row
// lie side by side: one weight serves them all, and their bytes come from one address. Words instead of
// bytes would take fewer loads, but rows begin anywhere, and a word that holds the first or the last of
// them may not be the image's.
#pragma once

#include "pixels.cuh"
#include "shared.cuh"
#include "taps.cuh"

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

// Elements that a thread resamples together along the height: of more there would be less to do per element,
// but the last run of a row would do more in vain.
constexpr int RUN = 12;

// The taps and the rows of a tile, in shared memory.
struct Integers {
    Filter across, down;
    // Places in shared memory: the first tap of each column and of each row; weights, by tap and then by
    // column, and by row and then by tap; and rows.
    int column_starts, row_starts, column_weights, row_weights, rows;
    // What is left for rows, in elements.
    int room;
    // Of the tile under way: the first column, the columns, and the elements from one row to the next.
    int low, columns, pitch;
    // Rows that shared memory holds.
    int together;
    // Whether elements that lie side by side in a row of the image do so in one of the tile.
    bool is_straight;
    // What a thread does at once, in a row, and 2^23 over it, rounded up.
    int tasks, inverse;

    __device__ void place(const StagePlan &plan, int side, Shared shared) {
        across = Filter(plan, W), down = Filter(plan, H);
        column_starts = shared.take<int>(side);
        row_starts = shared.take<int>(side);
        column_weights = shared.take<int>(across.count * side);
        row_weights = shared.take<int16_t>(down.count * side);
        rows = shared.next;
        room = shared.left<int16_t>();
    }

    __device__ __forceinline__ int &column_start(int x) const { return shared_at<int>(column_starts)[x]; }

    __device__ __forceinline__ int &row_start(int y) const { return shared_at<int>(row_starts)[y]; }

    // Finds the taps of a tile, and what they need; the last thread would have the least to do. Those of
    // rows stay from a tile that is as high.
    __device__ __forceinline__ void find(const StagePlan &plan, const View &view, const Tile &tile, bool is_as_high) {
        int outputs = is_as_high ? tile.side() : 2 * tile.side();
#pragma unroll 1
        for (int i = threadIdx.x; i < outputs; i += blockDim.x) {
            bool is_row = i >= tile.side();
            int k = tile.column(i);
            if (is_row) {
                int at = resampled(plan, H, tile.y + k);
                row_start(k) = taps_of(down, at, shared_at<int16_t>(row_weights) + k * down.count, 1);
            } else {
                int at = resampled(plan, W, tile.x + k);
                column_start(k) = taps_of(across, at, shared_at<int>(column_weights) + k, tile.side());
            }
        }
        if (threadIdx.x == blockDim.x - 1) measure(plan, view, tile);
    }

    // The place in the resampled image of output `at`, or of the last.
    __device__ __forceinline__ static int resampled(const StagePlan &plan, int axis, int at) {
        int last = plan.size[axis] - 1;
        return after(plan, axis, at < last ? at : last);
    }

    __device__ void measure(const StagePlan &plan, const View &view, const Tile &tile) {
        int side = tile.side(), left, right, top, bottom;
        reach(across, resampled(plan, W, tile.x), resampled(plan, W, tile.x + side - 1), left, right);
        reach(down, resampled(plan, H, tile.y), resampled(plan, H, tile.y + side - 1), top, bottom);
        const Axis &of = view.axes[W];
        is_straight = view.channel_stride == 1 && of.sign * of.stride == tile.count &&
                      (right - left + 1) * tile.count >= RUN && of.holds(left) && of.holds(right) && view.axes[H].holds(top) && view.axes[H].holds(bottom);
        low = left, columns = right - left + 1;
        pitch = (columns * tile.count + RUN - 1) / RUN * RUN;
        together = room / pitch;
        together = together < side ? together : side;
        tasks = is_straight ? pitch / RUN : columns;
        inverse = ((1 << 23) + tasks - 1) / tasks;
    }

    // The first and the last pixel of all taps of the outputs between two.
    __device__ static void reach(const Filter &filter, int one, int other, int &low, int &high) {
        int from = filter.start(one), to = filter.start(other);
        low = from < to ? from : to;
        high = (from < to ? to : from) + filter.count - 1;
    }
};

// `f` of taps 0..`count`, unrolled where the count is known: 0 stands for any.
template <int COUNT, class F> __device__ __forceinline__ void each_tap(int count, F f) {
    if constexpr (COUNT == 0) {
#pragma unroll 1
        for (int t = 0; t < count; ++t) f(t);
    } else {
#pragma unroll
        for (int t = 0; t < COUNT; ++t) f(t);
    }
}

// Runs of elements that lie side by side in rows of the image: what is the same for all of a tile. Not in
// shared memory, since what is written there might change it.
struct Runs {
    // Those of row 0 of the image, and from one row to the next.
    const uint8_t *first;
    int step;
    // Where the last run of a row begins.
    int last;
    // By how many bits a sum is rounded, and the taps of a row.
    int shift, count;
    const int *starts;
    const int16_t *weights;
    // Row 0 of the tile, and from one to the next.
    int16_t *rows;
    int pitch;

    // Run number `at` of row `y`. The last of a row may begin before its place: what was made before is
    // made again, and not kept.
    template <int COUNT> __device__ __forceinline__ void run(int y, int at) const {
        int begin = RUN * at < last ? RUN * at : last;
        const uint8_t *from = first + (begin + step * starts[y]);
        const int16_t *weight = weights + y * count;
        int sums[RUN];
#pragma unroll
        for (int k = 0; k < RUN; ++k) sums[k] = 1 << (shift - 1);
        each_tap<COUNT>(count, [&](int t) {
#pragma unroll
            for (int k = 0; k < RUN; ++k) sums[k] += int(weight[t]) * int(from[k]);
            from += step;
        });
        int16_t *to = rows + (y * pitch + begin);
        if (begin < RUN * at) {
#pragma unroll
            for (int k = 1; k < RUN; ++k) {
                if (begin + k >= RUN * at) to[k] = int16_t(sums[k] >> shift);
            }
            return;
        }
#pragma unroll
        for (int k = 0; k < RUN; k += 4) {
            Quad<int16_t> four;
#pragma unroll
            for (int i = 0; i < 4; ++i) four.of[i] = int16_t(sums[k + i] >> shift);
            *reinterpret_cast<Quad<int16_t> *>(to + k) = four;
        }
    }
};

// One tile under way.
struct ResizeU8 {
    const StagePlan &plan;
    const View &view;
    const uint8_t *pixels;
    Integers &shared;
    Tile tile;
    int slice;
    bool is_as_high;

    // Finds what the tile needs. Every thread takes part.
    __device__ __forceinline__ void prepare() const {
        shared.find(plan, view, tile, is_as_high);
        __syncthreads();
    }

    __device__ __forceinline__ int16_t *row(int y) const {
        return shared_at<int16_t>(shared.rows) + y * shared.pitch;
    }

    // Resamples rows `from..end` of the tile along the height. Every thread takes part.
    template <class Kind> __device__ __forceinline__ void resample(int from, int end) const {
        int left = plan.size[H] - tile.y;
        end = end < left ? end : left;
        const uint8_t *first = pixels + (tile.first + slice);
        if (!shared.is_straight) {
            return each_task(from, end, [&](int y, int at) {
                int places = joined(slice, 0, view.axes[W].at(shared.low + at));
                column(places, y, row(y - from) + at * tile.count);
            });
        }
        first += view.axes[W].inside(shared.low) + view.axes[H].inside(0);
        Runs runs = {in_global(first),
                     view.axes[H].sign * view.axes[H].stride,
                     shared.columns * tile.count - RUN,
                     shared.down.bits - BETWEEN,
                     shared.down.count,
                     shared_at<int>(shared.row_starts),
                     shared_at<int16_t>(shared.row_weights),
                     shared_at<int16_t>(shared.rows) - from * shared.pitch,
                     shared.pitch};
        // The filters of resizes that make an image larger, and up to twice smaller, unrolled in the kernel
        // that is for them.
        switch (Kind::WARPS ? 0 : runs.count) {
        case 2:
            return each_task(from, end, [&](int y, int at) { runs.run<2>(y, at); });
        case 3:
            return each_task(from, end, [&](int y, int at) { runs.run<3>(y, at); });
        case 4:
            return each_task(from, end, [&](int y, int at) { runs.run<4>(y, at); });
        case 5:
            return each_task(from, end, [&](int y, int at) { runs.run<5>(y, at); });
        default:
            return each_task(from, end, [&](int y, int at) { runs.run<0>(y, at); });
        }
    }

    // `f(row, task)` of what the thread does of these rows.
    template <class F> __device__ __forceinline__ void each_task(int from, int end, F f) const {
        int tasks = shared.tasks, threads = int(blockDim.x);
        uint32_t inverse = uint32_t(shared.inverse);
        // Quotients of numbers of threads, which are small enough for this.
        int y = int(threadIdx.x * inverse >> 23), at = int(threadIdx.x) - y * tasks;
        int down = int(uint32_t(threads) * inverse >> 23), right = threads - down * tasks;
#pragma unroll 1
        for (y += from; y < end; y += down) {
            f(y, at);
            at += right;
            if (at >= tasks) at -= tasks, ++y;
        }
    }

    // Row `y` of the tile in the column whose elements begin at `column`, rounded half up. The absolute
    // values of the weights of a filter never have a sum of 2, so that a value fits.
    __device__ __forceinline__ void column(int column, int y, int16_t *to) const {
        int count = shared.down.count, shift = shared.down.bits - BETWEEN, start = shared.row_start(y);
        const int16_t *weights = shared_at<int16_t>(shared.row_weights) + y * count;
        const uint8_t *plane = in_global(pixels + tile.first * view.channel_stride);
        int sums[CHANNELS];
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) sums[c] = 1 << (shift - 1);
        for (int t = 0; t < count; ++t) {
            int weight = weights[t], at = joined(0, view.axes[H].at(start + t), column);
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c >= tile.count) continue;
                int value = at == FILL ? int(plan.fill[of_channel(tile.first + c)])
                                       : int(plane[at + c * view.channel_stride]);
                sums[c] += weight * value;
            }
        }
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            if (c < tile.count) to[c] = int16_t(sums[c] >> shift);
        }
    }

    // Some pixels of the tile, the first of whose rows in shared memory is `from`. Those that are not
    // there come of the taps of the last output.
    template <class Kind> __device__ __forceinline__ void into(Pixels &to, int from) const {
        if (to.count == 0) return;
        switch (Kind::WARPS ? 0 : shared.across.count) {
        case 2:
            return across_row<2>(to, from);
        case 3:
            return across_row<3>(to, from);
        case 4:
            return across_row<4>(to, from);
        case 5:
            return across_row<5>(to, from);
        default:
            return across_row<0>(to, from);
        }
    }

    template <int COUNT> __device__ __forceinline__ void across_row(Pixels &to, int from) const {
        int x = tile.column(to.from), side = tile.side();
        const int16_t *values[PIXELS], *first = row(tile.row(to.from) - from);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            // A narrow tile has fewer columns than these.
            int start = shared.column_start(x + i < side ? x + i : x);
            values[i] = first + (start - shared.low) * tile.count;
        }
        int sums[PIXELS][CHANNELS] = {};
        const int *weights = shared_at<int>(shared.column_weights) + x;
        each_tap<COUNT>(shared.across.count, [&](int t) {
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) {
                int weight = x + i < side ? weights[t * side + i] : 0;
#pragma unroll
                for (int c = 0; c < CHANNELS; ++c) {
                    if (c < tile.count) sums[i][c] += weight * int(values[i][t * tile.count + c]);
                }
            }
        });
        // 2^-(BETWEEN + bits).
        float scale = bits_as<float>(uint32_t(127 - BETWEEN - shared.across.bits) << 23);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) to.pixels[i].values[c] = float(sums[i][c]) * scale;
            }
        }
    }
};
