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

// The taps of a strip and the rows of a tile, in shared memory.
struct Integers {
    Filter across, down;
    // Tiles of a strip at most, and its columns: so far apart lie the weights of a column.
    int tiles, width;
    // Places in shared memory: the first tap of each column and of each row; weights, by tap and then by
    // column, and by row and then by tap; and rows.
    int column_starts, row_starts, column_weights, row_weights, rows;
    // Elements of two halves that rows are made in by turns: while some threads read those of one, others
    // go on with the other.
    int half;

    __device__ void place(const StagePlan &plan, int side, Shared shared) {
        across = Filter(plan, W), down = Filter(plan, H);
        int of_tile = (across.count + 1) * side * int(sizeof(int));
        int of_rows = side * int(sizeof(int)) + down.count * side * int(sizeof(int16_t));
        tiles = clamp((TAPS_BYTES - of_rows) / of_tile, 1, STRIP_TILES);
        width = tiles * side;
        column_starts = shared.take<int>(width);
        row_starts = shared.take<int>(side);
        column_weights = shared.take<int>(across.count * width);
        row_weights = shared.take<int16_t>(down.count * side);
        rows = shared.next;
        // Halves begin where a quad may.
        half = shared.left<int16_t>() / 2 / 8 * 8;
    }

    __device__ __forceinline__ int &column_start(int x) const { return shared_at<int>(column_starts)[x]; }

    __device__ __forceinline__ int &row_start(int y) const { return shared_at<int>(row_starts)[y]; }

    // Finds the taps of `tiles` tiles, of which `tile` is the first.
    __device__ __forceinline__ void find(const StagePlan &plan, const Tile &tile, int tiles) const {
        int columns = tiles << tile.log2;
#pragma unroll 1
        for (int i = threadIdx.x; i < columns + tile.side(); i += blockDim.x) {
            if (i < columns) {
                int at = resampled(plan, W, tile.x + i);
                column_start(i) = taps_of(across, at, shared_at<int>(column_weights) + i, width);
            } else {
                int k = i - columns, at = resampled(plan, H, tile.y + k);
                row_start(k) = taps_of(down, at, shared_at<int16_t>(row_weights) + k * down.count, 1);
            }
        }
    }

    // The place in the resampled image of output `at`, or of the last.
    __device__ __forceinline__ static int resampled(const StagePlan &plan, int axis, int at) {
        int last = plan.size[axis] - 1;
        return after(plan, axis, at < last ? at : last);
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
    const Integers &shared;
    Tile tile;
    int slice;
    // Its first column in the strip.
    int x;
    // The first column of the image that it needs, and the elements from one row to the next.
    int low, pitch;

    __device__ __forceinline__ ResizeU8(const StagePlan &plan, const View &view, const uint8_t *pixels,
                                        const Integers &shared, const Tile &tile, int slice, int x)
        : plan(plan), view(view), pixels(pixels), shared(shared), tile(tile), slice(slice), x(x) {}

    // Resamples rows of the tile along the height into a half, as many from `from` on as it holds, and returns
    // where they end. Every thread takes part. What the tile needs is looked at anew for each half: what is not
    // known any more while pixels are made takes no registers then.
    template <class Kind> __device__ __forceinline__ int resample(int half, int from) {
        int side = tile.side(), right, top, bottom;
        reach(shared.column_start(x), shared.column_start(x + side - 1), shared.across.count, low, right);
        reach(shared.row_start(0), shared.row_start(side - 1), shared.down.count, top, bottom);
        int columns = right - low + 1;
        pitch = (columns * tile.count + RUN - 1) / RUN * RUN;
        int together = pitch * side <= shared.half ? side : shared.half / pitch;
        int end = from + together < side ? from + together : side;
        // Whether elements that lie side by side in a row of the image do so in one of the tile.
        const Axis &of = view.axes[W];
        bool is_straight = view.channel_stride == 1 && of.sign * of.stride == tile.count &&
                      columns * tile.count >= RUN && of.holds(low) && of.holds(right) &&
                           view.axes[H].holds(top) && view.axes[H].holds(bottom);
        int left = plan.size[H] - tile.y;
        make<Kind>(half, from, end < left ? end : left, columns, is_straight);
        return end;
    }

    // The first and the last pixel of all taps between two.
    __device__ __forceinline__ static void reach(int one, int other, int count, int &low, int &high) {
        low = one < other ? one : other;
        high = (one < other ? other : one) + count - 1;
    }

    // Row `y` of those in a half.
    __device__ __forceinline__ int16_t *row(int half, int y) const {
        return shared_at<int16_t>(shared.rows) + half * shared.half + y * pitch;
    }

    // Rows `from..end` of so many columns.
    template <class Kind>
    __device__ __forceinline__ void make(int half, int from, int end, int columns, bool is_straight) const {
        const uint8_t *first = pixels + (tile.first + slice);
        if (!is_straight) {
            return each_task(from, end, columns, [&](int y, int at) {
                int places = joined(slice, 0, view.axes[W].at(low + at));
                column(places, y, row(half, y - from) + at * tile.count);
            });
        }
        first += view.axes[W].inside(low) + view.axes[H].inside(0);
        Runs runs = {in_global(first),
                     view.axes[H].sign * view.axes[H].stride,
                     columns * tile.count - RUN,
                     shared.down.bits - BETWEEN,
                     shared.down.count,
                     shared_at<int>(shared.row_starts),
                     shared_at<int16_t>(shared.row_weights),
                     row(half, -from),
                     pitch};
        // The filters of resizes that make an image larger, and up to twice smaller, unrolled in the kernel
        // that is for them.
        switch (Kind::WARPS ? 0 : runs.count) {
        case 2:
            return each_task(from, end, pitch / RUN, [&](int y, int at) { runs.run<2>(y, at); });
        case 3:
            return each_task(from, end, pitch / RUN, [&](int y, int at) { runs.run<3>(y, at); });
        case 4:
            return each_task(from, end, pitch / RUN, [&](int y, int at) { runs.run<4>(y, at); });
        case 5:
            return each_task(from, end, pitch / RUN, [&](int y, int at) { runs.run<5>(y, at); });
        default:
            return each_task(from, end, pitch / RUN, [&](int y, int at) { runs.run<0>(y, at); });
        }
    }

    // `f(row, task)` of what the thread does of these rows, of so many tasks each.
    template <class F> __device__ __forceinline__ void each_task(int from, int end, int tasks, F f) const {
        int threads = int(blockDim.x);
        // Quotients of numbers so small are exact between the halves.
        float inverse = 1.0f / float(tasks);
        int y = int((float(threadIdx.x) + 0.5f) * inverse), at = int(threadIdx.x) - y * tasks;
        int down = int((float(threads) + 0.5f) * inverse), right = threads - down * tasks;
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

    // Some pixels of the tile, of rows in a half of which the first is `from`. Those that are not
    // there come of the taps of the last output.
    template <class Kind> __device__ __forceinline__ void into(Pixels &to, int half, int from) const {
        if (to.count == 0) return;
        switch (Kind::WARPS ? 0 : shared.across.count) {
        case 2:
            return across_row<2>(to, half, from);
        case 3:
            return across_row<3>(to, half, from);
        case 4:
            return across_row<4>(to, half, from);
        case 5:
            return across_row<5>(to, half, from);
        default:
            return across_row<0>(to, half, from);
        }
    }

    template <int COUNT> __device__ __forceinline__ void across_row(Pixels &to, int half, int from) const {
        int column = tile.column(to.from), side = tile.side(), width = shared.width;
        const int16_t *values[PIXELS], *first = row(half, tile.row(to.from) - from);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            // A narrow tile has fewer columns than these.
            int start = shared.column_start(x + (column + i < side ? column + i : column));
            values[i] = first + (start - low) * tile.count;
        }
        int sums[PIXELS][CHANNELS] = {};
        const int *weights = shared_at<int>(shared.column_weights) + (x + column);
        each_tap<COUNT>(shared.across.count, [&](int t) {
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) {
                int weight = column + i < side ? weights[t * width + i] : 0;
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
