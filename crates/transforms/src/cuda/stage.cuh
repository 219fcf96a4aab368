// One pass of one stage: pixels are found, go through the program, and are stored or counted.
//
// A block makes tile after tile of one row. Where its pixels come from is prepared in shared memory
// for a tile at a time; the rest is done for each pixel alone.
#pragma once

#include <new>
#include <type_traits>

#include "lattice.cuh"
#include "program.cuh"
#include "resize_u8.cuh"
#include "separable.cuh"
#include "store.cuh"
#include "warp.cuh"

// How the pixels of a head come about.
enum class Way { Lattice, Separable, Integers, Sampled, Sharpened };

template <class T> __device__ __forceinline__ Way way_of(const StagePlan &plan) {
    if (std::is_same<T, uint8_t>::value && is_integer(plan)) return Way::Integers;
    switch (plan.head) {
    case Head::Resize:
        return plan.interpolation == Interpolation::Nearest ? Way::Lattice : Way::Separable;
    case Head::Blur:
        return Way::Separable;
    case Head::Affine:
    case Head::Perspective:
    case Head::Elastic:
        return Way::Sampled;
    case Head::Sharpen:
        return Way::Sharpened;
    default:
        return Way::Lattice;
    }
}

// Where the pixels of one row's stage come from, in shared memory: the same for every thread.
template <class T> struct Source {
    const StagePlan &plan;
    View view;
    const T *pixels;
    const float *fields;
    Way way;
    Tiles tiles;
    // Of a tile.
    Lattice lattice;
    Separable separable;

    __device__ Source(const StageArgs &args, const StagePlan &plan, uint32_t row, Shared shared)
        : Source(args, plan, row, shared, image_of(args, plan, row)) {}

    __device__ Source(const StageArgs &args, const StagePlan &plan, uint32_t row, Shared shared,
                      const RawImage<T> &image)
        : plan(plan), view(plan, image.raster), pixels(image.pixels),
          fields(args.scratch.at<const float>(row, args.fields)), way(way_of<T>(plan)),
          tiles(plan, args.channels, args.tile_log2), lattice{shared.next},
          separable(plan, 1 << args.tile_log2, shared) {}

    // What the stage reads.
    __device__ static RawImage<T> image_of(const StageArgs &args, const StagePlan &plan, uint32_t row) {
        bool is_raw = plan.from == 0;
        if (is_raw && args.is_picture) return RawImage<T>(*args.image.at<const Picture>(row));
        return {is_raw ? args.image.at<const T>(row) : args.scratch.at<const T>(row, args.canvases[plan.from]),
                Raster(plan.source, args.channels, is_raw && args.interleaved)};
    }

    // The value of channel `c` of a tile that has its pixel's first element at `at`.
    __device__ __forceinline__ float value(const Tile &tile, int c, int at) const {
        int channel = tile.first + c;
        if (at == FILL) return plan.fill[of_channel(channel)];
        return to_f32(pixels[at + channel * view.channel_stride]);
    }

    // The pixel whose first element lies at `at`.
    __device__ __forceinline__ Pixel pixel(const Tile &tile, int at) const {
        Pixel pixel = {};
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            if (c < tile.count) pixel.values[c] = value(tile, c, at);
        }
        return pixel;
    }

    // What output pixel (y, x) is blended of, in slice `z`.
    __device__ __forceinline__ Around around(int z, int y, int x) const {
        if (std::is_same<T, uint8_t>::value && blends_bytes(plan)) {
            Place place = place_of<BYTE_BITS>(plan, fields, y, x);
            return Around(plan, view, z, place, byte_weights_at(place));
        }
        Place place = place_of(plan, fields, y, x);
        return Around(plan, view, z, place, weights_at(place));
    }

    // Output pixel (y, x), sampled at a place of its own.
    __device__ OUTLINED Pixel sampled(const Source &source, Tile tile, int y, int x) {
        const StagePlan &plan = source.plan;
        int z = after(plan, D, tile.z);
        if (plan.interpolation == Interpolation::Nearest) {
            return source.pixel(tile, nearest_pixel(plan, source.view, z, place_of(plan, source.fields, y, x)));
        }
        Around around = source.around(z, y, x);
        Pixel pixel = {};
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            if (c >= tile.count) continue;
            int channel = tile.first + c;
            const T *plane = source.pixels + channel * source.view.channel_stride;
            pixel.values[c] = around.of(plane, plan.fill[of_channel(channel)]);
        }
        return pixel;
    }

    // Output pixel (y, x), blended with the mean of its neighbours; the outermost are clamped alone,
    // and images without inner ones stay as they are.
    __device__ OUTLINED Pixel sharpened(const Source &source, Tile tile, int y, int x) {
        const StagePlan &plan = source.plan;
        const View &view = source.view;
        int at = view.inside(tile.z, y, x);
        Pixel pixel = source.pixel(tile, at);
        bool has_inner = plan.size[H] > 2 && plan.size[W] > 2;
        bool is_inner = y > 0 && y + 1 < plan.size[H] && x > 0 && x + 1 < plan.size[W];
        for (int c = 0; c < CHANNELS && has_inner; ++c) {
            if (c >= tile.count) continue;
            if (!is_inner) {
                pixel.values[c] = clamp(pixel.values[c], 0.0f, plan.fill[0]);
                continue;
            }
            int dy = view.axes[H].stride, dx = view.axes[W].stride;
            auto around = [&](int row, float weight) {
                auto of = [&](int at) { return source.value(tile, c, at); };
                return of(row - dx) + weight * of(row) + of(row + dx);
            };
            float sum = around(at - dy, 1.0f) + around(at, 5.0f) + around(at + dy, 1.0f);
            float f = plan.amount, middle = pixel.values[c];
            pixel.values[c] = clamp(f * middle + (1.0f - f) * (sum / 13.0f), 0.0f, plan.fill[0]);
        }
        return pixel;
    }
};

// The pixels of one tile before the program.
template <class T> struct Found {
    const Source<T> &source;
    Resampling<T> resampling;
    ResizeU8 resize;
    int slice;

    // Every thread takes part.
    __device__ __forceinline__ Found(const Source<T> &source, const Tile &tile)
        : source(source),
          resampling{source.plan, source.view, source.pixels, source.separable, tile, 0, 0, false},
          resize{source.plan, source.view, reinterpret_cast<const uint8_t *>(source.pixels),
                 source.separable, tile, 0, 0, false} {
        slice = source.view.axes[D].at(after(source.plan, D, tile.z));
        if (source.way == Way::Lattice) source.lattice.prepare(source.plan, source.view, tile);
        if (source.way == Way::Separable) resampling.prepare();
        if (source.way == Way::Integers) resize.prepare();
    }

    __device__ __forceinline__ void into(Pixels &to, const Tile &tile) const {
        switch (source.way) {
        case Way::Lattice:
            return each(to, [&](int p) { return source.pixel(tile, source.lattice.at(tile, slice, p)); });
        case Way::Separable:
            return each(to, [&](int p) { return resampling.down_column(p); });
        case Way::Integers:
            return each(to, [&](int p) { return resize.pixel(p); });
        case Way::Sampled:
            return each(to, [&](int p) {
                return Source<T>::sampled(source, tile, tile.y + tile.row(p), tile.x + tile.column(p));
            });
        case Way::Sharpened:
            return each(to, [&](int p) {
                return Source<T>::sharpened(source, tile, tile.y + tile.row(p), tile.x + tile.column(p));
            });
        }
    }

    // Pixel number p of the tile is `f(p)`.
    template <class F> __device__ __forceinline__ static void each(Pixels &to, F f) {
        to.each_pixel([&](Pixel &pixel, int i) {
            if (to.at[i] >= 0) pixel = f(to.number(i));
        });
    }
};

// Copies a plan into shared memory, where every pixel looks at it.
__device__ __forceinline__ const StagePlan &shared_plan(const StagePlan &plan, Shared &shared) {
    StagePlan &copy = shared.take_one<StagePlan>();
    uint32_t *to = reinterpret_cast<uint32_t *>(&copy);
    const uint32_t *from = reinterpret_cast<const uint32_t *>(&plan);
    for (uint32_t i = threadIdx.x; i < sizeof(StagePlan) / 4; i += blockDim.x) to[i] = from[i];
    __syncthreads();
    return copy;
}

// The operations that a pass runs: all, or those before the statistic that it gathers.
__device__ __forceinline__ int ops_of(const StageArgs &args, const StagePlan &plan) {
    return args.gathers == NO_STATISTIC ? int(plan.ops_len) : statistic_at(plan, args.gathers);
}

template <class T> __device__ __forceinline__ void run_stage(const StageArgs &args, Shared shared) {
    uint32_t row = args.first + blockIdx.y;
    if (args.mixed_only && !args.plans.at<const PlanHeader>(row)->mixed) return;
    const StagePlan &given = plan_of(args.plans, row, args.stage);
    bool gathers = args.gathers != NO_STATISTIC;
    int ops = ops_of(args, given);
    if (given.head == Head::Skip || (gathers && ops == int(given.ops_len))) return;
    // Fewer tiles than blocks, in an image smaller than others; its statistic has a part of each.
    if (!gathers && int(blockIdx.x) >= Tiles(given, args.channels, args.tile_log2).count) return;

    const StagePlan &plan = shared_plan(given, shared);
    Tally &tally = shared.take_one<Tally>();
    Source<T> &source = shared.take_one<Source<T>>();
    int tallied = shared.take<char>(gathers ? Tally::bytes(blockDim.x) : 0);
    if (threadIdx.x == 0) {
        new (&source) Source<T>(args, plan, row, shared);
        if (gathers) new (&tally) Tally(plan.ops[ops], args.channels, shared_at<void>(tallied));
    }
    __syncthreads();
    if (gathers) tally.clear();

    Program program = {args, plan, row};
    const Tiles &tiles = source.tiles;
    for (int t = blockIdx.x; t < tiles.count; t += gridDim.x) {
        Tile tile = tiles.at(t);
        Found<T> found(source, tile);
        for (int from = threadIdx.x; from < tile.pixels(); from += PIXELS * blockDim.x) {
            Pixels pixels(plan, tile, from);
            found.into(pixels, tile);
            program.run(ops, tile, pixels);
            if (gathers) {
                tally.add(pixels, tile);
            } else {
                store(args, plan, row, tile, pixels);
            }
        }
        // The next tile takes the shared memory of this one.
        __syncthreads();
    }
    if (gathers) tally.finish(args.scratch.at<Partial>(row, args.partials)[blockIdx.x]);
}
