// Affine, projective and elastic maps: each output pixel is sampled at a place of its own
// (`engine/warp.rs`).
#pragma once

#include "view.cuh"

// A place in the middle image: the pixel at or before it, and how far after that it is. Found in
// `f64` and rounded to a multiple of 2^-20 pixels (`kernels/warp.rs`).
struct Place {
    int x, y;
    float right, down;
};

// Places further away than this from the first pixel are moved here, and so is what is no number.
constexpr double FAR_AWAY = 1073741824.0;

// The parts of a place.
__device__ __forceinline__ void parts(double place, int &whole, float &share) {
    // 1.5 * 2^32.
    constexpr double GRID = 6442450944.0;
    constexpr uint32_t WHOLE = 0x80000000u;
    uint64_t bits = bits_as<uint64_t>(place + GRID);
    whole = int(uint32_t(bits >> 20) - WHOLE);
    share = float(int(uint32_t(bits) & 0xfffffu)) * (1.0f / 1048576.0f);
}

__device__ __forceinline__ Place place_at(double x, double y) {
    Place place;
    parts(x, place.x, place.right);
    parts(y, place.y, place.down);
    return place;
}

// `place` between two ends; what is no number becomes the first.
__device__ __forceinline__ double within(double place, double low, double high) {
    place = place > low ? place : low;
    return place < high ? place : high;
}

// Where output pixel (y, x) lies in the middle image; far away beyond the horizon of a projective
// map.
__device__ __forceinline__ Place mapped(const StagePlan &plan, int y, int x) {
    const double(&m)[9] = plan.matrix;
    double v = after(plan, H, y), u = after(plan, W, x);
    double px = m[0] * u + (m[1] * v + m[2]), py = m[3] * u + (m[4] * v + m[5]);
    if (plan.head == Head::Perspective) {
        double w = m[6] * u + (m[7] * v + m[8]);
        double inverse = 1.0 / (w > 0.0 ? w : double(NAN));
        px = px * inverse;
        py = py * inverse;
    }
    if (plan.border == Border::Edge) {
        return place_at(within(px, 0.0, plan.middle[W] - 1), within(py, 0.0, plan.middle[H] - 1));
    }
    return place_at(within(px, -FAR_AWAY, FAR_AWAY), within(py, -FAR_AWAY, FAR_AWAY));
}

// The same of an elastic map: the pixel itself, displaced by the fields, x and then y of a slice.
__device__ __forceinline__ Place displaced(const StagePlan &plan, const float *fields, int y, int x) {
    int at = y * plan.size[W] + x;
    return place_at(double(x) + fields[at], double(y) + fields[plan.size[H] * plan.size[W] + at]);
}

__device__ __forceinline__ Place place_of(const StagePlan &plan, const float *fields, int y, int x) {
    return plan.head == Head::Elastic ? displaced(plan, fields, y, x) : mapped(plan, y, x);
}

// `whole` + `share`, rounded half to even.
__device__ __forceinline__ int rounded(int whole, float share) {
    bool half = whole & 1 ? share >= 0.5f : share > 0.5f;
    return whole + (half ? 1 : 0);
}

// The element of the pixel nearest to a place, half to even; `FILL` outside.
__device__ __forceinline__ int nearest_pixel(const StagePlan &plan, const View &view, int z, Place place) {
    int x = rounded(place.x, place.right), y = rounded(place.y, place.down);
    bool inside = x >= 0 && y >= 0 && x < plan.middle[W] && y < plan.middle[H];
    return inside ? view.inside(z, y, x) : FILL;
}

// The four pixels around a place; those outside have weight and no element.
struct Around {
    int at[4];
    float weights[4];
    // Whether the place is in reach of the image at all.
    bool is_near;

    __device__ __forceinline__ Around(const StagePlan &plan, const View &view, int z, Place place) {
        int width = plan.middle[W], height = plan.middle[H];
        int left = place.x, top = place.y;
        is_near = left >= -1 && top >= -1 && left < width && top < height;
        if (!is_near) return;
        float right_share = place.right, bottom_share = place.down;
        float left_share = 1.0f - right_share, top_share = 1.0f - bottom_share;
#pragma unroll
        for (int tap = 0; tap < 4; ++tap) {
            int ty = top + tap / 2, tx = left + tap % 2;
            bool inside = tx >= 0 && tx < width && ty >= 0 && ty < height;
            at[tap] = inside ? view.inside(z, ty, tx) : FILL;
            weights[tap] = (tap / 2 ? bottom_share : top_share) * (tap % 2 ? right_share : left_share);
        }
    }

    // Their weighted sum in a plane; the share of those outside goes to the fill.
    template <class T> __device__ __forceinline__ float of(const T *pixels, float fill) const {
        if (!is_near) return fill;
        float sum = 0.0f, outside = 0.0f;
#pragma unroll
        for (int tap = 0; tap < 4; ++tap) {
            if (at[tap] == FILL) {
                outside += weights[tap];
            } else {
                sum += weights[tap] * to_f32(pixels[at[tap]]);
            }
        }
        return sum + outside * fill;
    }
};
