// Pixels in flight.
#pragma once

#include "args.cuh"
#include "kind.cuh"
#include "math.cuh"

// Pixels that a thread works on at once, side by side in a row: an operation of the program is looked
// up once for all, and they are stored together.
constexpr int PIXELS = 4;

// Whether a place lies in the box of an operation.
__device__ __forceinline__ bool in_box(const Op &op, int y, int x) {
    return y >= int(op.args[0]) && y < int(op.args[1]) && x >= int(op.args[2]) && x < int(op.args[3]);
}

// Four elements that are stored at once.
template <class T> struct alignas(PIXELS * sizeof(T)) Quad {
    T of[PIXELS];
};

// The channels of one pixel.
struct Pixel {
    float values[CHANNELS];
};

// A part of an image that one block makes at a time: a square whose side is 2 to the `log2`.
struct Tile {
    int log2;
    int z, y, x;
    // Channels `first..first + count`, at most four.
    int first, count;

    __device__ __forceinline__ int side() const { return 1 << log2; }
    __device__ __forceinline__ int pixels() const { return 1 << (2 * log2); }

    // The row and the column of its pixel number `p`.
    __device__ __forceinline__ int row(int p) const { return p >> log2; }
    __device__ __forceinline__ int column(int p) const { return p & (side() - 1); }

    // Pixels of a row that a thread makes together: a tile may be narrower than four.
    __device__ __forceinline__ int together() const { return log2 >= 2 ? PIXELS : side(); }

    // The place of its pixel number `p` in a plane of the output; negative where there is no pixel.
    __device__ __forceinline__ int at(const StagePlan &plan, int p) const {
        int py = y + row(p), px = x + column(p);
        bool is_pixel = p < pixels() && py < plan.size[H] && px < plan.size[W];
        return is_pixel ? (z * plan.size[H] + py) * plan.size[W] + px : -1;
    }
};

// The pixels of a tile that a thread makes together: number `from` and those after it.
struct Pixels {
    Pixel pixels[PIXELS];
    int from;
    // Where the first lies in a plane, and how many there are.
    int first, count;

    __device__ __forceinline__ Pixels(const StagePlan &plan, const Tile &tile, int from) : from(from) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) pixels[i] = Pixel{};
        int y = tile.y + tile.row(from), x = tile.x + tile.column(from);
        int left = plan.size[W] - x, together = tile.together();
        count = y >= plan.size[H] ? 0 : left < together ? left : together;
        first = (tile.z * plan.size[H] + y) * plan.size[W] + x;
    }

    __device__ __forceinline__ int number(int i) const { return from + i; }

    __device__ __forceinline__ bool has(int i) const { return i < count; }

    // Where one that there is lies in a plane.
    __device__ __forceinline__ int at(int i) const { return first + i; }

    // `value = f(value, channel, pixel)` of the channels before `end`.
    template <class F> __device__ __forceinline__ void each(int end, F f) {
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            if (c >= end) continue;
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) pixels[i].values[c] = f(pixels[i].values[c], c, i);
        }
    }

    // `f` of every pixel.
    template <class F> __device__ __forceinline__ void each_pixel(F f) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) f(pixels[i], i);
    }
};

// The tiles of an image, channels in groups of four.
template <class Kind> struct Tiles {
    int log2, columns, rows, groups, channels, count;

    __device__ __forceinline__ Tiles(const StagePlan &plan, uint32_t channels, uint32_t log2)
        : log2(int(log2)), channels(int(channels)) {
        int last = (1 << this->log2) - 1;
        columns = (plan.size[W] + last) >> log2;
        rows = (plan.size[H] + last) >> log2;
        groups = Kind::CHANNELS_KNOWN ? 1 : (int(channels) + CHANNELS - 1) / CHANNELS;
        count = plan.size[D] * groups * rows * columns;
    }

    __device__ Tile at(int t) const {
        Tile tile;
        tile.log2 = log2;
        tile.x = (t % columns) << log2;
        t /= columns;
        tile.y = (t % rows) << log2;
        t /= rows;
        tile.first = (t % groups) * CHANNELS;
        tile.z = t / groups;
        int left = channels - tile.first;
        tile.count = left < CHANNELS ? left : CHANNELS;
        return tile;
    }

    // The number of a tile of one slice and one group of channels.
    __device__ __forceinline__ int number(const Tile &tile) const {
        return (tile.y >> log2) * columns + (tile.x >> log2);
    }

    // Tiles from this one to the end of its row.
    __device__ __forceinline__ int beside(const Tile &tile) const { return columns - (tile.x >> log2); }

    // Where a tile is beyond the end of its row, it becomes the first of the next.
    __device__ __forceinline__ void wrap(Tile &tile) const {
        if (tile.x < columns << log2) return;
        tile.x = 0;
        tile.y += tile.side();
        if (Kind::CHANNELS_KNOWN || tile.y < rows << log2) return;
        tile.y = 0;
        tile.first += CHANNELS;
        if (tile.first >= channels) tile.first = 0, ++tile.z;
        int left = channels - tile.first;
        tile.count = left < CHANNELS ? left : CHANNELS;
    }

    // A tile of this image, with what the kind knows of all.
    __device__ __forceinline__ static Tile known(Tile tile) {
        if (Kind::CHANNELS_KNOWN) {
            tile.log2 = Kind::LOG2_KNOWN;
            tile.first = tile.z = 0;
            tile.count = Kind::CHANNELS_KNOWN;
        }
        return tile;
    }
};
