// Colour operations of one pixel: `kernels/color.rs`.
#pragma once

#include "math.cuh"

__device__ __forceinline__ float luma_of(float r, float g, float b) {
    return 0.2989f * r + 0.587f * g + 0.114f * b;
}

__device__ __forceinline__ void saturate(float (&rgb)[4], float f, float max) {
    float gray = (1.0f - f) * luma_of(rgb[0], rgb[1], rgb[2]);
#pragma unroll
    for (int c = 0; c < 3; ++c) rgb[c] = clamp(f * rgb[c] + gray, 0.0f, max);
}

__device__ __forceinline__ void gray(float (&rgb)[4]) {
    rgb[0] = rgb[1] = rgb[2] = luma_of(rgb[0], rgb[1], rgb[2]);
}

// `of` of the sector, without a branch.
__device__ __forceinline__ float pick(float sector, float a, float b, float c, float d, float e, float f) {
    float low = sector < 1.0f ? a : sector < 2.0f ? b : c;
    float high = sector < 4.0f ? d : sector < 5.0f ? e : f;
    return sector < 3.0f ? low : high;
}

// Turns the hue by `shift` turns.
__device__ __forceinline__ void turn_hue(float (&rgb)[4], float shift, float max) {
    float r = rgb[0], g = rgb[1], b = rgb[2];
    // 0, or NaN where one of them is no finite number, which comparisons pass over.
    float odd = (r + g + b) * 0.0f;
    float v = larger(larger(r, g), b) + odd;
    float range = v - smaller(smaller(r, g), b);
    bool gray = range == 0.0f;
    float s = range / (gray ? 1.0f : v);
    float from = v == r ? 0.0f : v == g ? 2.0f : 4.0f;
    float difference = v == r ? g - b : v == g ? b - r : r - g;
    float sixth = from + difference / (gray ? 1.0f : range);
    float h = sixth * (1.0f / 6.0f) + 1.0f;
    h = h - floor_of(h);
    float turned = h + shift;
    float h6 = (turned - floor_of(turned)) * 6.0f;
    float sector = floor_of(h6);
    float sf = s * (h6 - sector);
    float p = clamp((1.0f - s) * v, 0.0f, max);
    float q = clamp((1.0f - sf) * v, 0.0f, max);
    float t = clamp((sf + (1.0f - s)) * v, 0.0f, max);
    sector = sector == 6.0f ? 0.0f : sector;
    rgb[0] = pick(sector, v, q, p, p, t, v);
    rgb[1] = pick(sector, t, v, v, q, p, p);
    rgb[2] = pick(sector, p, p, t, v, v, q);
}

// `top` (x `unit`)^`power`, limited to [0, max].
__device__ OUTLINED float gamma_of(float x, double power, double unit, double top, float max) {
    return clamp(float(top * pow_of(double(x) * unit, power)), 0.0f, max);
}

// The bin, 0..=255, that a value in [0, max] falls into.
__device__ __forceinline__ int bin_of(float x, float max) { return to_u8(floor_of(x * (255.999f / max))); }
