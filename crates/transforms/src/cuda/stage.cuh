// One pass of one stage: pixels are found, go through the program, and are stored or counted.
//
// A block makes strip after strip of one row, and each tile by tile: a strip is some tiles side by side. Where
// its pixels come from is found for all of a strip, so that every thread has something to find, and threads wait
// for one another once a strip and not once a tile. On an H200 they waited for a third of the time before.
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
enum class Way { Lattice, Separable, Integers, Sampled, Sharpened, Kept };

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

// The operations that a pass runs: all, or those before the statistic that it gathers.
__device__ __forceinline__ int ops_of(const StageArgs &args, const StagePlan &plan) {
    return args.gathers == NO_STATISTIC ? int(plan.ops_len) : statistic_at(plan, args.gathers);
}

// Pixels of photos as `f32`, tile by tile: of each a plane per colour, four elements after those of the
// thread before.
struct Kept {
    float *pixels;

    __device__ __forceinline__ Quad<float> *at(int tile, int c, const Pixels &of) const {
        constexpr int PLANE = 1 << (2 * PhotoStage::LOG2_KNOWN);
        return in_global(reinterpret_cast<Quad<float> *>(pixels + (tile * 3 + c) * PLANE + of.from));
    }

    __device__ __forceinline__ void put(int tile, const Pixels &of) const {
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            Quad<float> four;
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) four.of[i] = of.pixels[i].values[c];
            *at(tile, c, of) = four;
        }
    }

    __device__ __forceinline__ void into(int tile, Pixels &to) const {
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            Quad<float> four = *at(tile, c, to);
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) to.pixels[i].values[c] = four.of[i];
        }
    }
};

// Where the pixels of one row's stage come from, in shared memory: the same for every thread.
template <class T, class Kind> struct Source {
    const StagePlan &plan;
    View view;
    const T *pixels;
    const float *fields;
    const Statistic *statistics;
    // The delivered row.
    void *to;
    Way way;
    // The operations, where they are plain.
    bool is_plain;
    PlainProgram program;
    // Pixels before the program, in the order in which threads make them, and whether they go there.
    Kept kept;
    bool keeps;
    Tiles<Kind> tiles;
    // The first tile of the block, and how many it makes.
    Tile tile;
    int left;
    // All begin at the same place in shared memory, and a stage has one.
    Lattice lattice;
    Separable separable;
    Integers integers;

    __device__ Source(const StageArgs &args, const StagePlan &plan, uint32_t row, Shared shared)
        : Source(args, plan, row, shared, image_of(args, plan, row)) {}

    __device__ Source(const StageArgs &args, const StagePlan &plan, uint32_t row, Shared shared,
                      const RawImage<T> &image)
        : plan(plan), view(plan, image.raster), pixels(image.pixels),
          fields(args.scratch.at<const float>(row, args.fields)),
          statistics(args.scratch.at<const Statistic>(row, args.statistics)),
          to(reinterpret_cast<void *>(args.output.base + (row - args.first + args.first_output) * args.output.stride)),
          way(way_of<T>(plan)), 
          is_plain(!Kind::WARPS && program.take(plan, ops_of(args, plan), in_global(statistics))),
          tiles(plan, args.channels, args.tile_log2), lattice{shared.next} {
        kept.pixels = args.scratch.at<float>(row, args.kept);
        keeps = false;
        if (Kind::CHANNELS_KNOWN) pixels += slice_at(0);
        if (!Kind::WARPS && way == Way::Integers && args.keeps && statistic_at(plan, 0) < int(plan.ops_len)) {
            // The first pass gathers the first statistic.
            keeps = args.gathers == 0;
            if (!keeps) way = Way::Kept;
        }
        int side = 1 << args.tile_log2;
        if (way == Way::Integers) integers.place(plan, side, shared);
        if (way == Way::Separable) separable.place(plan, side, shared);
    }

    // Finds the first tile of the block, of one thread for all: it takes divisions. An image smaller than
    // others has fewer tiles than there are blocks.
    __device__ void begin() {
        int share = (tiles.count + int(gridDim.x) - 1) / int(gridDim.x);
        int at = int(blockIdx.x) * share, end = at + share < tiles.count ? at + share : tiles.count;
        tile = tiles.at(at), left = end - at;
    }

    // Tiles of the strip that begins with `tile`, where the block has so many left.
    __device__ __forceinline__ int strip(const Tile &tile, int left) const {
        int most = way == Way::Integers ? integers.tiles : STRIP_TILES, beside = tiles.beside(tile);
        most = most < beside ? most : beside;
        return most < left ? most : left;
    }

    // Finds what a strip needs of `tiles` tiles, of which `tile` is the first. Every thread takes part.
    __device__ __forceinline__ void prepare(const Tile &tile, int tiles) const {
        if (way == Way::Lattice) lattice.find(plan, view, tile, tiles);
        if (std::is_same<T, uint8_t>::value && way == Way::Integers) integers.find(plan, tile, tiles);
        __syncthreads();
    }

    // Where slice `z` of the output begins in the source.
    __device__ __forceinline__ int slice_at(int z) const { return view.axes[D].at(after(plan, D, z)); }

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

    // Pixels side by side whose channels lie side by side, and all of which are there.
    __device__ __forceinline__ void pixels_at(const Tile &tile, const int (&at)[PIXELS], Pixels &to) const {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            const T *pixel = in_global(pixels + tile.first + at[i]);
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                if (c < tile.count) to.pixels[i].values[c] = to_f32(pixel[c]);
            }
        }
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
template <class T, class Kind> struct Found {
    using Of = Source<T, Kind>;
    const Of &source;
    // As `source` has it, which every thread would have to read again.
    Way way;
    // Where the tile's slice begins in the source, and its first column in the strip.
    int slice, x;
    Resampling<T> resampling;
    ResizeU8 resize;

    // Every thread takes part.
    __device__ __forceinline__ Found(const Of &source, const Tile &tile, int slice, int x)
        : source(source), way(source.way), slice(slice), x(x),
          resampling{source.plan, source.view, source.pixels, source.separable, tile, 0, 0, false},
          resize{source.plan, source.view, reinterpret_cast<const uint8_t *>(source.pixels),
                 source.integers, tile, slice, x} {
        if (SEPARATES && way == Way::Separable) resampling.prepare();
    }

    // Which ways there are in this kernel at all.
    static constexpr bool HAS_INTEGERS = std::is_same<T, uint8_t>::value;
    // Photos of bytes are separated in integers.
    static constexpr bool SEPARATES = Kind::WARPS || !HAS_INTEGERS;

    __device__ __forceinline__ bool is_integer() const { return HAS_INTEGERS && way == Way::Integers; }

    // Makes ready for rows of the tile from `from` on, in a half of the memory, and returns where they end. Every
    // thread takes part.
    __device__ __forceinline__ int begin(const Tile &tile, int half, int from) {
        if (!is_integer()) return tile.side();
        int end = resize.template resample<Kind>(half, from);
        __syncthreads();
        return end;
    }

    // Leaves the shared memory of the tile to the next. Every thread takes part.
    __device__ __forceinline__ void end() const {
        if (SEPARATES && way == Way::Separable) __syncthreads();
    }

    // Some pixels of the tile, where `from` is the first of the rows that are made together.
    __device__ __forceinline__ void into(Pixels &to, const Tile &tile, int half, int from) const {
        if (way == Way::Lattice) {
            int at[PIXELS];
            bool is_whole = to.count == PIXELS && source.view.channel_stride == 1;
            if (is_whole && source.lattice.at(tile, slice, x, to, at)) return source.pixels_at(tile, at, to);
            return each(to, [&](int p) { return source.pixel(tile, source.lattice.at(tile, slice, x, p)); });
        }
        if (is_integer()) return resize.template into<Kind>(to, half, from);
        if (SEPARATES && way == Way::Separable) {
            return each(to, [&](int p) { return resampling.down_column(p); });
        }
        if (Kind::WARPS && way == Way::Sampled) {
            return each(to, [&](int p) {
                return Of::sampled(source, tile, tile.y + tile.row(p), tile.x + tile.column(p));
            });
        }
        if (Kind::WARPS) {
            return each(to, [&](int p) {
                return Of::sharpened(source, tile, tile.y + tile.row(p), tile.x + tile.column(p));
            });
        }
    }

    // Pixel number p of the tile is `f(p)`.
    template <class F> __device__ __forceinline__ static void each(Pixels &to, F f) {
        to.each_pixel([&](Pixel &pixel, int i) {
            if (to.has(i)) pixel = f(to.number(i));
        });
    }
};

// Copies a plan into shared memory, where every pixel looks at it.
__device__ __forceinline__ const StagePlan &shared_plan(const StagePlan &plan, Shared &shared) {
    StagePlan &copy = shared.take_one<StagePlan>();
    uint64_t *to = reinterpret_cast<uint64_t *>(&copy);
    const uint64_t *from = reinterpret_cast<const uint64_t *>(&plan);
#pragma unroll 1
    for (uint32_t i = threadIdx.x; i < sizeof(StagePlan) / 8; i += blockDim.x) to[i] = from[i];
    __syncthreads();
    return copy;
}

template <class T, class Kind> __device__ __forceinline__ void run_stage(const StageArgs &args, Shared shared) {
    uint32_t row = args.first + blockIdx.y;
    if (args.mixed_only && !args.plans.at<const PlanHeader>(row)->mixed) return;
    const StagePlan &given = plan_of(args.plans, row, args.stage);
    bool gathers = args.gathers != NO_STATISTIC;
    int ops = ops_of(args, given);
    if (given.head == Head::Skip || (gathers && ops == int(given.ops_len))) return;

    const StagePlan &plan = shared_plan(given, shared);
    Tally &tally = shared.take_one<Tally>();
    Source<T, Kind> &source = shared.take_one<Source<T, Kind>>();
    int tallied = shared.take<char>(gathers ? Tally::bytes(blockDim.x) : 0);
    if (threadIdx.x == 0) {
        new (&source) Source<T, Kind>(args, plan, row, shared);
        source.begin();
        if (gathers) new (&tally) Tally(plan.ops[ops], args.channels, shared_at<void>(tallied));
    }
    __syncthreads();
    if (gathers) tally.clear();

    bool keeps = !Kind::WARPS && source.keeps;
    Tile tile = Tiles<Kind>::known(source.tile);
    // Photos have one, at which their pixels begin.
    int slice = Kind::CHANNELS_KNOWN ? 0 : source.slice_at(tile.z), half = 0;
#pragma unroll 1
    for (int left = source.left; left > 0;) {
        int tiles = source.strip(tile, left);
        left -= tiles;
        source.prepare(tile, tiles);
#pragma unroll 1
        for (int x = 0; x < tiles << tile.log2; x += tile.side(), tile.x += tile.side()) {
            Found<T, Kind> found(source, tile, slice, x);
            int step = tile.together();
#pragma unroll 1
            for (int top = 0, end; top < tile.side(); top = end) {
                half ^= 1;
                end = found.begin(tile, half, top);
                int last = end << tile.log2;
#pragma unroll 1
                for (int from = (top << tile.log2) + step * threadIdx.x; from < last; from += step * blockDim.x) {
                    Pixels pixels(plan, tile, from);
                    if (!Kind::WARPS && found.way == Way::Kept) {
                        source.kept.into(source.tiles.number(tile), pixels);
                    } else {
                        found.into(pixels, tile, half, top);
                    }
                    if (keeps) source.kept.put(source.tiles.number(tile), pixels);
                    if (Kind::WARPS) {
                        Program{args, plan, row, in_global(source.statistics)}.run(ops, tile, pixels);
                    } else if (source.is_plain) {
                        source.program.run(pixels);
                    } else {
                        // Copies, since what a function is given by reference does not stay in registers.
                        Pixels copy = pixels;
                        Tile of = tile;
                        Program::run_apart({args, plan, row, in_global(source.statistics)}, ops, of, copy);
                        pixels = copy;
                    }
                    if (gathers) {
                        tally.template add<std::is_same<T, uint8_t>::value>(pixels, tile);
                    } else {
                        store(args, plan, row, source.to, tile, pixels);
                    }
                }
            }
            found.end();
        }
        source.tiles.wrap(tile);
        if (!Kind::CHANNELS_KNOWN) slice = source.slice_at(tile.z);
        // What the next strip needs takes the memory of this one.
        __syncthreads();
    }
    if (gathers) tally.finish(args.scratch.at<Partial>(row, args.partials)[blockIdx.x]);
}
