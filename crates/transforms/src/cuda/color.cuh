// Colour operations of one pixel: `kernels/color.rs`.
#pragma once

#include "math.cuh"

// The weights of red, green and blue in the luma.
constexpr float LUMA_R = 0.2989f, LUMA_G = 0.587f, LUMA_B = 0.114f;

__device__ __forceinline__ float luma_of(float r, float g, float b) {
    return LUMA_R * r + LUMA_G * g + LUMA_B * b;
}

__device__ __forceinline__ void saturate(float (&rgb)[4], float f, float max) {
    float gray = (1.0f - f) * luma_of(rgb[0], rgb[1], rgb[2]);
#pragma unroll
    for (int c = 0; c < 3; ++c) rgb[c] = clamp(f * rgb[c] + gray, 0.0f, max);
}

__device__ __forceinline__ void gray(float (&rgb)[4]) {
    rgb[0] = rgb[1] = rgb[2] = luma_of(rgb[0], rgb[1], rgb[2]);
}

// `v` less a share of `range`, of 0 to 1, and no less than `beyond` if there is a share.
__device__ __forceinline__ float lowered(float v, float share, float range, float beyond) {
    float by = larger(smaller(range * share, range), beyond);
    return v - (share > 0.0f ? by : 0.0f);
}

// Turns the hue by `shift` turns.
__device__ __forceinline__ void turn_hue(float (&rgb)[4], float shift, float max) {
    float turn = shift * 6.0f - 1.0f;
    turn = turn < 0.0f ? turn + 6.0f : turn;
    float r = rgb[0], g = rgb[1], b = rgb[2];
    // 0, or NaN where one of them is no finite number, which comparisons pass over.
    float odd = (r + g + b) * 0.0f;
    float v = larger(larger(r, g), b) + odd;
    float range = v - smaller(smaller(r, g), b);
    float from = v == r ? 1.0f : v == g ? 3.0f : 5.0f;
    float difference = v == r ? g - b : v == g ? b - r : r - g;
    // Of gray there is nothing to divide: 2^-126 is the least normal number.
    float h = (from + difference / larger(range, bits_as<float>(0x00800000u))) + turn;
    h = h < 6.0f ? h : h - 6.0f;
    float beyond = v - max;
    rgb[0] = lowered(v, 2.0f - fabsf(h - 3.0f), range, beyond);
    rgb[1] = lowered(v, fabsf(h - 2.0f) - 1.0f, range, beyond);
    rgb[2] = lowered(v, fabsf(h - 4.0f) - 1.0f, range, beyond);
}

// The same operations on values of which none is negative, -0 included, and all are finite: what they make
// is then the same by the extremes of a device, which know neither NaN nor the sign of 0 and take half
// the instructions.
struct PlainColors {
    __device__ __forceinline__ static float most(float a, float b) {
#ifdef __CUDA_ARCH__
        return fmaxf(a, b);
#else
        return larger(a, b);
#endif
    }

    __device__ __forceinline__ static float least(float a, float b) {
#ifdef __CUDA_ARCH__
        return fminf(a, b);
#else
        return smaller(a, b);
#endif
    }

    // Of numbers that are not -0.
    __device__ __forceinline__ static float limited(float x, float max) { return least(most(x, 0.0f), max); }

    __device__ __forceinline__ static void saturate(float (&rgb)[4], float f, float max) {
        float gray = (1.0f - f) * luma_of(rgb[0], rgb[1], rgb[2]);
#pragma unroll
        for (int c = 0; c < 3; ++c) rgb[c] = limited(f * rgb[c] + gray, max);
    }

    // Of values up to `max`: then nothing is beyond it, and what is no share subtracts nothing. The sign
    // of a 0 that is subtracted does not show.
    __device__ __forceinline__ static float lowered(float v, float share, float range) {
        return v - most(least(range * share, range), 0.0f);
    }

    // What is known of a pixel before its hue is turned.
    struct Hue {
        float v, range, from, difference, divisor, quotient;
    };

    __device__ __forceinline__ static Hue hue_of(const float (&rgb)[4]) {
        float r = rgb[0], g = rgb[1], b = rgb[2];
        float v = most(most(r, g), b);
        float range = v - least(least(r, g), b);
        float from = v == r ? 1.0f : v == g ? 3.0f : 5.0f;
        float difference = v == r ? g - b : v == g ? b - r : r - g;
        // Of gray there is nothing to divide.
        return {v, range, from, difference, most(range, bits_as<float>(0x00800000u)), 0.0f};
    }

    // `a / b`, rounded to nearest, of a divisor from 2^-64 to 2^64 that is no smaller than |a|: an estimate
    // of 1/b, made exact to a rounding, and the remainders of two quotients. As compilers divide, but
    // without a look at numbers of any size.
    __device__ __forceinline__ static float quotient(float a, float b) {
#ifdef __CUDA_ARCH__
        float inverse;
        asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(b));
        inverse = __fmaf_rn(inverse, __fmaf_rn(-b, inverse, 1.0f), inverse);
        float q = a * inverse;
        q = __fmaf_rn(inverse, __fmaf_rn(-b, q, a), q);
        return __fmaf_rn(inverse, __fmaf_rn(-b, q, a), q);
#else
        return a / b;
#endif
    }

    __device__ __forceinline__ static void turn(const Hue &of, float turn, float (&rgb)[4]) {
        float h = (of.from + of.quotient) + turn;
        h = h < 6.0f ? h : h - 6.0f;
        rgb[0] = lowered(of.v, 2.0f - fabsf(h - 3.0f), of.range);
        rgb[1] = lowered(of.v, fabsf(h - 2.0f) - 1.0f, of.range);
        rgb[2] = lowered(of.v, fabsf(h - 4.0f) - 1.0f, of.range);
    }
};

// `top` (x `unit`)^`power`, limited to [0, max].
__device__ OUTLINED float gamma_of(float x, double power, double unit, double top, float max) {
    return clamp(float(top * pow_of(double(x) * unit, power)), 0.0f, max);
}

// The bin, 0..=255, that a value in [0, max] falls into.
__device__ __forceinline__ int bin_of(float x, float max) { return to_u8(floor_of(x * (255.999f / max))); }
