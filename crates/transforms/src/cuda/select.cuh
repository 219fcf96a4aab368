// Plans that only choose among pixels: masks, label images, tokens (`engine/select.rs`). Elements
// are moved as they are, whatever their type, and never interpolated.
#pragma once

#include "lattice.cuh"
#include "shared.cuh"
#include "warp.cuh"

constexpr int SELECT_LOG2 = 5;

// What the fill of a plan is rounded to, where a field has none of its own.
enum class FillAs : uint32_t { Constant, U16, U32, I16, I32, I64, BF16, F64 };

__device__ __forceinline__ double limited(double value, double low, double high) {
    value = rint(value);
    return value < low ? low : value > high ? high : value;
}

// The bits of the element that lies outside.
__device__ inline uint64_t fill_bits(const SelectArgs &args, float fill) {
    switch (FillAs(args.fill_as)) {
    case FillAs::U16:
        return uint64_t(limited(fill, 0.0, 65535.0));
    case FillAs::U32:
        return uint64_t(limited(fill, 0.0, 4294967295.0));
    case FillAs::I16:
        return uint64_t(int64_t(limited(fill, -32768.0, 32767.0)));
    case FillAs::I32:
        return uint64_t(int64_t(limited(fill, -2147483648.0, 2147483647.0)));
    case FillAs::I64:
        return uint64_t(int64_t(rint(double(fill))));
    case FillAs::BF16:
        return to_brain(fill).bits;
    case FillAs::F64:
        return bits_as<uint64_t>(double(fill));
    default:
        return args.fill;
    }
}

__device__ __forceinline__ bool is_identity(const IntegerMap &map) {
    bool same = true;
    for (int k = 0; k < 3; ++k) same = same && map.axis[k] == k && map.sign[k] == 1 && map.offset[k] == 0;
    return same;
}

// Whether every output pixel is the source pixel at the same place.
__device__ inline bool keeps_places(const StagePlan &plan) {
    if (plan.head != Head::Move) {
        return plan.head == Head::Skip || plan.head == Head::Blur || plan.head == Head::Sharpen;
    }
    bool same = is_identity(plan.before);
    for (int k = 0; k < 3; ++k) same = same && plan.size[k] == plan.source[k];
    return same;
}

// The box of a partner that is pasted after the geometry of a stage; null if there is none.
__device__ inline const Op *paste_of(const StagePlan &plan) {
    for (int at = 0; at < int(plan.ops_len); ++at) {
        if (plan.ops[at].code == OpCode::Paste) return &plan.ops[at];
    }
    return nullptr;
}

// The place of a stage among those that move elements: those of a mask are fewer than the image's.
struct Order {
    // How many come before it, and whether it is one itself, and the last.
    int before;
    bool moves, is_last;

    __device__ inline Order(const SelectArgs &args, uint32_t row) : before(0), moves(false), is_last(true) {
        for (uint32_t s = 0; s < args.stages; ++s) {
            const StagePlan &plan = plan_of(args.plans, row, args.first_stage + s);
            bool is_first = before == 0 && !moves;
            bool changes = !keeps_places(plan) || paste_of(plan);
            bool here = plan.head != Head::Skip && (is_first || changes);
            if (s < args.stage) before += here;
            if (s == args.stage) moves = here;
            if (s > args.stage && here) is_last = false;
        }
    }
};

// Where the elements of a tile lie in the source.
struct Moved {
    const StagePlan &plan;
    View view;
    const float *fields;
    bool is_lattice;
    Lattice lattice;

    __device__ __forceinline__ Moved(const StagePlan &plan, const Raster &raster, const float *fields,
                                     int places)
        : plan(plan), view(plan, raster), fields(fields),
          is_lattice(plan.head != Head::Affine && plan.head != Head::Perspective &&
                     plan.head != Head::Elastic),
          lattice{places} {}

    // The element of pixel `p` of `tile`.
    __device__ __forceinline__ int at(const Tile &tile, int p) const {
        int z = after(plan, D, tile.z);
        if (is_lattice) return lattice.at(tile, view.axes[D].at(z), 0, p);
        int y = tile.y + tile.row(p), x = tile.x + tile.column(p);
        return nearest_pixel(plan, view, z, place_of(plan, fields, y, x));
    }
};

template <class T>
__device__ __forceinline__ void put(const SelectArgs &args, bool is_delivered, void *to, int at, T element) {
    if (is_delivered && args.widens) {
        static_cast<uint32_t *>(to)[at] = uint32_t(element);
    } else {
        static_cast<T *>(to)[at] = element;
    }
}

// What a stage reads after so many others.
template <class T>
__device__ __forceinline__ RawImage<T> read_of(const SelectArgs &args, const StagePlan &plan, uint32_t row,
                                               int before) {
    bool is_raw = before == 0;
    if (is_raw && args.is_picture) return RawImage<T>(*args.field.at<const Picture>(row));
    return {is_raw ? args.field.at<const T>(row)
                   : args.scratch.at<const T>(row, args.canvases[(before - 1) % 2]),
            Raster(plan.source, int(args.channels), is_raw ? args.interleaved : args.output_interleaved)};
}

template <class T> __device__ __forceinline__ void run_select(const SelectArgs &args, Shared shared) {
    uint32_t row = args.first + blockIdx.y;
    if (args.is_partner && !args.plans.at<const PlanHeader>(row)->mixed) return;
    Order order(args, row);
    if (!order.moves) return;
    const StagePlan &plan = plan_of(args.plans, row, args.first_stage + args.stage);
    const Op *paste = paste_of(plan);
    RawImage<T> image = read_of<T>(args, plan, row, order.before);
    const T *from = image.pixels;
    T *partner = args.scratch.at<T>(row, args.partner);
    bool is_delivered = order.is_last && !args.is_partner;
    void *to = is_delivered ? args.output.at<void>(row - args.first + args.first_output)
               : order.is_last ? partner
                               : args.scratch.at<void>(row, args.canvases[order.before % 2]);
    int channels = int(args.channels);
    const Raster &read = image.raster;
    Raster written(plan.size, channels, args.output_interleaved);
    Moved moved(plan, read, args.scratch.at<const float>(row, args.fields), shared.next);
    Tiles<AnyStage> tiles(plan, args.channels, SELECT_LOG2);
    for (int t = blockIdx.x; t < tiles.count; t += gridDim.x) {
        Tile tile = tiles.at(t);
        if (moved.is_lattice) {
            moved.lattice.find(plan, moved.view, tile, 1);
            __syncthreads();
        }
        for (int p = threadIdx.x; p < tile.pixels(); p += blockDim.x) {
            int pixel = tile.at(plan, p);
            if (pixel < 0) continue;
            bool is_pasted = paste && in_box(*paste, tile.y + tile.row(p), tile.x + tile.column(p));
            int source = moved.at(tile, p);
            for (int c = tile.first; c < tile.first + tile.count; ++c) {
                int at = pixel * written.strides[W] + c * written.channel_stride;
                T element = is_pasted        ? partner[at]
                            : source == FILL ? T(fill_bits(args, plan.fill[of_channel(c)]))
                                             : from[source + c * read.channel_stride];
                put(args, is_delivered, to, at, element);
            }
        }
        __syncthreads();
    }
}
