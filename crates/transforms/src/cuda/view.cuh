// The middle image of a stage: source pixels seen through crops, flips, turns and borders
// (`engine/view.rs`). Elements are counted in 32 bits: `launches.rs` refuses larger images.
#pragma once

#include "math.cuh"
#include "plan.cuh"

// No element: the fill.
constexpr int FILL = -1;

// `at` modulo `len`, not negative.
__device__ __forceinline__ int wrapped(int at, int len) {
    int rest = at % len;
    return rest < 0 ? rest + len : rest;
}

// Where the coordinate `at`, outside of 0..`len`, is found inside.
__device__ OUTLINED int beyond(Border border, int at, int len) {
    if (len <= 0) return FILL;
    switch (border) {
    case Border::Edge:
        return clamp(at, 0, len - 1);
    case Border::Wrap:
        return wrapped(at, len);
    case Border::Symmetric:
        at = wrapped(at, 2 * len);
        return at < len ? at : 2 * len - 1 - at;
    case Border::Reflect:
        if (len == 1) return 0;
        at = wrapped(at, 2 * (len - 1));
        return at < len ? at : 2 * (len - 1) - at;
    default:
        return FILL;
    }
}

// One axis of the middle image. Each runs along one axis of the source, so that an element lies at
// the sum of what its three coordinates give.
struct Axis {
    int offset, sign, stride, first;
    // The window, in source coordinates.
    int start, end;
    Border border;

    // The part of coordinate `middle` of the place of an element, or `FILL`.
    __device__ __forceinline__ int at(int middle) const {
        int source = offset + sign * middle;
        if (source < start || source >= end) {
            int inside = beyond(border, source - start, end - start);
            if (inside == FILL) return FILL;
            source = start + inside;
        }
        return first + source * stride;
    }

    // Whether a coordinate needs no border.
    __device__ __forceinline__ bool holds(int middle) const {
        int source = offset + sign * middle;
        return source >= start && source < end;
    }

    // The same of a coordinate that needs no border.
    __device__ __forceinline__ int inside(int middle) const {
        return first + (offset + sign * middle) * stride;
    }
};

// Where the pixels of a picture, or of a part of an image, lie that are there, of one row: `Raster` of
// `core/src/device.rs`.
struct Picture {
    uint64_t address;
    int32_t first[3];
    int32_t strides[3];
    int32_t channel_stride;
    int32_t unused;
};

static_assert(sizeof(Picture) == 40, "a raster of another layout");

// How the elements of an image lie: coordinate k of a pixel contributes `first` and `strides` times k.
struct Raster {
    int first[3];
    int strides[3];
    int channel_stride;

    __device__ __forceinline__ explicit Raster(const Picture &picture)
        : channel_stride(picture.channel_stride) {
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            first[k] = picture.first[k];
            strides[k] = picture.strides[k];
        }
    }

    __device__ __forceinline__ Raster(const int32_t (&size)[3], int channels, bool interleaved) {
        first[D] = first[H] = first[W] = 0;
        int pixel = interleaved ? channels : 1;
        strides[D] = size[H] * size[W] * pixel;
        strides[H] = size[W] * pixel;
        strides[W] = pixel;
        channel_stride = interleaved ? 1 : size[D] * size[H] * size[W];
    }
};

// The integer map and the border of a plan in front of a raster.
struct View {
    Axis axes[3];
    int channel_stride;

    __device__ __forceinline__ View(const StagePlan &plan, const Raster &raster)
        : channel_stride(raster.channel_stride) {
#pragma unroll
        for (int k = 0; k < 3; ++k) {
            int axis = plan.before.axis[k];
            axes[k] = {plan.before.offset[axis],
                       plan.before.sign[k],
                       axis == D ? raster.strides[D] : axis == H ? raster.strides[H] : raster.strides[W],
                       axis == D ? raster.first[D] : axis == H ? raster.first[H] : raster.first[W],
                       plan.window_start[axis],
                       plan.window_end[axis],
                       plan.border};
        }
    }

    // The place of a pixel's first element, of a middle image without a border.
    __device__ __forceinline__ int inside(int z, int y, int x) const {
        return axes[D].inside(z) + axes[H].inside(y) + axes[W].inside(x);
    }
};

// The place of an element whose coordinates have these parts.
__device__ __forceinline__ int joined(int z, int y, int x) {
    return z == FILL || y == FILL || x == FILL ? FILL : z + y + x;
}
