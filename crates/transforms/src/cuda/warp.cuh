// Affine, projective and elastic maps: each output pixel is sampled at a place of its own
// (`engine/warp.rs`).
#pragma once

#include "view.cuh"

// Fractional bits of a place, which is found in `f64` and then rounded: of one at which bytes are
// blended (`kernels/warp_u8.rs`), and of any other (`kernels/warp.rs`).
constexpr int BYTE_BITS = 14;
constexpr int PLACE_BITS = 20;

// Whether a plan that reads bytes blends them in integers.
__device__ __forceinline__ bool blends_bytes(const StagePlan &plan) {
    constexpr int SIDE_MAX = 1 << 16;
    return plan.interpolation != Interpolation::Nearest && plan.middle[H] <= SIDE_MAX && plan.middle[W] <= SIDE_MAX;
}

// A place in the middle image: the pixel at or before it, and how far after that it is.
struct Place {
    int x, y;
    float right, down;
};

// Places further away than this from the first pixel are moved here, and so is what is no number.
constexpr double FAR_AWAY = 1073741824.0;

// The parts of a place with so many fractional bits.
template <int BITS> __device__ __forceinline__ void parts(double place, int &whole, float &share) {
    // The lowest bit of a sum with 1.5 * 2^(52 - BITS) is the lowest bit of the place.
    constexpr double GRID = double(3ull << (51 - BITS));
    constexpr uint32_t WHOLE = uint32_t((1ull << 51) >> BITS);
    constexpr uint32_t SHARE = (1u << BITS) - 1;
    uint64_t bits = bits_as<uint64_t>(place + GRID);
    whole = int(uint32_t(bits >> BITS) - WHOLE);
    share = float(int(uint32_t(bits) & SHARE)) * (1.0f / float(1 << BITS));
}

template <int BITS> __device__ __forceinline__ Place place_at(double x, double y) {
    Place place;
    parts<BITS>(x, place.x, place.right);
    parts<BITS>(y, place.y, place.down);
    return place;
}

// `place` between two ends; what is no number becomes the first.
__device__ __forceinline__ double within(double place, double low, double high) {
    place = place > low ? place : low;
    return place < high ? place : high;
}

// Where output pixel (y, x) lies in the middle image; far away beyond the horizon of a projective
// map.
template <int BITS> __device__ __forceinline__ Place mapped(const StagePlan &plan, int y, int x) {
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
        return place_at<BITS>(within(px, 0.0, plan.middle[W] - 1), within(py, 0.0, plan.middle[H] - 1));
    }
    return place_at<BITS>(within(px, -FAR_AWAY, FAR_AWAY), within(py, -FAR_AWAY, FAR_AWAY));
}

// The same of an elastic map: the pixel itself, displaced by the fields, x and then y of a slice.
template <int BITS>
__device__ __forceinline__ Place displaced(const StagePlan &plan, const float *fields, int y, int x) {
    int at = y * plan.size[W] + x;
    return place_at<BITS>(double(x) + fields[at], double(y) + fields[plan.size[H] * plan.size[W] + at]);
}

template <int BITS = PLACE_BITS>
__device__ __forceinline__ Place place_of(const StagePlan &plan, const float *fields, int y, int x) {
    return plan.head == Head::Elastic ? displaced<BITS>(plan, fields, y, x) : mapped<BITS>(plan, y, x);
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

// The weights of the four pixels around a place: top left, top right, bottom left, bottom right.
struct Weights {
    float of[4];
};

__device__ __forceinline__ Weights weights_at(const Place &place) {
    float left = 1.0f - place.right, up = 1.0f - place.down;
    return {{up * left, up * place.right, place.down * left, place.down * place.right}};
}

// The same for bytes, whose products with them are exact: multiples of 2^-14.
__device__ __forceinline__ Weights byte_weights_at(const Place &place) {
    constexpr int ONE = 1 << BYTE_BITS;
    constexpr float UNIT = 1.0f / float(ONE);
    int right = int(place.right * float(ONE)), down = int(place.down * float(ONE));
    int both = (right * down + ONE / 2) >> BYTE_BITS;
    return {{float(ONE - right - down + both) * UNIT, float(right - both) * UNIT, float(down - both) * UNIT,
             float(both) * UNIT}};
}

// The four pixels around a place; those outside have weight and no element.
struct Around {
    int at[4];
    Weights weights;
    // Whether the place is in reach of the image at all.
    bool is_near;

    __device__ __forceinline__ Around(const StagePlan &plan, const View &view, int z, const Place &place,
                                      const Weights &weights)
        : weights(weights) {
        int width = plan.middle[W], height = plan.middle[H];
        int left = place.x, top = place.y;
        is_near = left >= -1 && top >= -1 && left < width && top < height;
        if (!is_near) return;
#pragma unroll
        for (int tap = 0; tap < 4; ++tap) {
            int ty = top + tap / 2, tx = left + tap % 2;
            bool inside = tx >= 0 && tx < width && ty >= 0 && ty < height;
            at[tap] = inside ? view.inside(z, ty, tx) : FILL;
        }
    }

    // Their weighted sum in a plane; the share of those outside goes to the fill.
    template <class T> __device__ __forceinline__ float of(const T *pixels, float fill) const {
        if (!is_near) return fill;
        float sum = 0.0f, outside = 0.0f;
#pragma unroll
        for (int tap = 0; tap < 4; ++tap) {
            if (at[tap] == FILL) {
                outside += weights.of[tap];
            } else {
                sum += weights.of[tap] * to_f32(pixels[at[tap]]);
            }
        }
        return sum + outside * fill;
    }
};
