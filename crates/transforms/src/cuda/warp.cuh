// Affine, projective and elastic maps: each output pixel is sampled at a place of its own
// (`engine/warp.rs`).
#pragma once

#include "view.cuh"

// A place in the middle image.
struct Place {
    float x, y;
};

// Where output pixel (y, x) lies in the middle image; NaN behind the horizon of a projective map.
__device__ __forceinline__ Place mapped(const StagePlan &plan, int y, int x) {
    const float(&m)[9] = plan.matrix;
    float v = float(after(plan, H, y)) - plan.centre[1];
    float u = float(after(plan, W, x)) - plan.centre[0];
    float px = m[0] * u + m[1] * v + m[2], py = m[3] * u + m[4] * v + m[5];
    if (plan.head == Head::Perspective) {
        float w = m[6] * u + m[7] * v + m[8];
        w = w > 0.0f ? w : NAN;
        px = px / w;
        py = py / w;
    }
    Place place = {px + plan.middle_centre[0], py + plan.middle_centre[1]};
    if (plan.border == Border::Edge) {
        float right = float(plan.middle[W] - 1), bottom = float(plan.middle[H] - 1);
        if (place.x < 0.0f) place.x = 0.0f;
        if (place.x > right) place.x = right;
        if (place.y < 0.0f) place.y = 0.0f;
        if (place.y > bottom) place.y = bottom;
    }
    return place;
}

// The same of an elastic map: the pixel itself, displaced by the fields, x and then y of a slice.
__device__ __forceinline__ Place displaced(const StagePlan &plan, const float *fields, int y, int x) {
    int at = y * plan.size[W] + x;
    return {float(x) + fields[at], float(y) + fields[plan.size[H] * plan.size[W] + at]};
}

__device__ __forceinline__ Place place_of(const StagePlan &plan, const float *fields, int y, int x) {
    return plan.head == Head::Elastic ? displaced(plan, fields, y, x) : mapped(plan, y, x);
}

// The element of the pixel nearest to a place, half to even; `FILL` outside.
__device__ __forceinline__ int nearest_pixel(const StagePlan &plan, const View &view, int z, Place place) {
    float x = rintf(place.x), y = rintf(place.y);
    bool inside = x >= 0.0f && y >= 0.0f && x < float(plan.middle[W]) && y < float(plan.middle[H]);
    return inside ? view.inside(z, int(y), int(x)) : FILL;
}

// The four pixels around a place; those outside have weight and no element.
struct Around {
    int at[4];
    float weights[4];
    // Whether the place is in reach of the image at all.
    bool is_near;

    __device__ __forceinline__ Around(const StagePlan &plan, const View &view, int z, Place place) {
        int width = plan.middle[W], height = plan.middle[H];
        float x = place.x, y = place.y;
        // Not what is not a number.
        is_near = x > -1.0f && y > -1.0f && x < float(width) && y < float(height);
        if (!is_near) return;
        float left = floorf(x), top = floorf(y);
        float right_share = x - left, bottom_share = y - top;
        float left_share = 1.0f - right_share, top_share = 1.0f - bottom_share;
#pragma unroll
        for (int tap = 0; tap < 4; ++tap) {
            int ty = int(top) + tap / 2, tx = int(left) + tap % 2;
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
