// The delivered row: finished pixels in their element type and layout (`engine/store.rs`).
#pragma once

#include <type_traits>

#include "pixels.cuh"

__device__ __forceinline__ void round_quad(Quad<uint8_t> &to, const float (&x)[PIXELS]) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) to.of[i] = to_u8(x[i]);
}

__device__ __forceinline__ void round_quad(Quad<Half> &to, const float (&x)[PIXELS]) {
    to = bits_as<Quad<Half>>(uint64_t(halves(x[0], x[1])) | uint64_t(halves(x[2], x[3])) << 32);
}

__device__ __forceinline__ void round_quad(Quad<Brain> &to, const float (&x)[PIXELS]) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) to.of[i] = to_brain(x[i]);
}

__device__ __forceinline__ void round_quad(Quad<float> &to, const float (&x)[PIXELS]) {
#pragma unroll
    for (int i = 0; i < PIXELS; ++i) to.of[i] = x[i];
}

// A delivered value before it is rounded. What is neither scaled nor moved stays, bit for bit, where
// rounding would not hide that -0 + 0 is 0.
template <class T> __device__ __forceinline__ float delivered(float x, float scale, float bias) {
    if (std::is_same<T, float>::value && scale == 1.0f && bias == 0.0f) return x;
    return x * scale + bias;
}

// Whether quads that begin at any of these byte addresses or offsets can be stored at once.
template <class T> __device__ __forceinline__ bool is_aligned(uint64_t at) {
    return at % sizeof(Quad<T>) == 0;
}

template <class T>
__device__ __forceinline__ void store_planes(T *to, int plane, const Tile &tile, const Pixels &pixels,
                                             const float (&values)[CHANNELS][PIXELS]) {
    to += tile.first * plane + pixels.first;
    uint64_t at = reinterpret_cast<uint64_t>(to) | uint64_t(plane) * sizeof(T);
    bool is_quad = pixels.count == PIXELS && is_aligned<T>(at);
    Quad<T> quads[CHANNELS];
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
        if (c < tile.count) round_quad(quads[c], values[c]);
    }
    if (is_quad) {
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            if (c < tile.count) *in_global(reinterpret_cast<Quad<T> *>(to + c * plane)) = quads[c];
        }
        return;
    }
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            if (c < tile.count && pixels.has(i)) to[c * plane + i] = quads[c].of[i];
        }
    }
}

// Pixels of three channels are as many quads.
template <class T>
__device__ __forceinline__ void store_pixels(T *to, int channels, const Tile &tile, const Pixels &pixels,
                                             const float (&values)[CHANNELS][PIXELS]) {
    to += pixels.first * channels + tile.first;
    if (channels == 3 && pixels.count == PIXELS && is_aligned<T>(reinterpret_cast<uint64_t>(to))) {
#pragma unroll
        for (int q = 0; q < 3; ++q) {
            float four[PIXELS];
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) four[i] = values[(q * PIXELS + i) % 3][(q * PIXELS + i) / 3];
            Quad<T> quad;
            round_quad(quad, four);
            in_global(reinterpret_cast<Quad<T> *>(to))[q] = quad;
        }
        return;
    }
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
        if (c >= tile.count) continue;
        Quad<T> quad;
        round_quad(quad, values[c]);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            if (pixels.has(i)) to[i * channels + c] = quad.of[i];
        }
    }
}

template <class T>
__device__ __forceinline__ void store_as(T *to, const StagePlan &plan, const StageArgs &args, const Tile &tile,
                                         const Pixels &pixels) {
    if (pixels.count == 0) return;
    float values[CHANNELS][PIXELS];
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
        if (c >= tile.count) continue;
        int of = of_channel(tile.first + c);
        float scale = plan.scale[of], bias = plan.bias[of];
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            values[c][i] = delivered<T>(pixels.pixels[i].values[c], scale, bias);
        }
    }
    if (args.output_interleaved) return store_pixels(to, args.channels, tile, pixels, values);
    store_planes(to, pixels_of(plan), tile, pixels, values);
}

// Into a canvas, which holds values as they are.
__device__ __forceinline__ void keep(float *canvas, const StagePlan &plan, const Tile &tile, const Pixels &pixels) {
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
        if (c >= tile.count) continue;
        float *plane = canvas + (tile.first + c) * pixels_of(plan) + pixels.first;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            if (pixels.has(i)) plane[i] = pixels.pixels[i].values[c];
        }
    }
}

// Into the delivered row at `to`, or into the canvas that the plan names.
__device__ __forceinline__ void store(const StageArgs &args, const StagePlan &plan, uint32_t row, void *to,
                                      const Tile &tile, const Pixels &pixels) {
    if (plan.to != 0) {
        return keep(args.scratch.at<float>(row, args.canvases[plan.to]), plan, tile, pixels);
    }
    switch (args.stored) {
    case Stored::U8:
        return store_as(static_cast<uint8_t *>(to), plan, args, tile, pixels);
    case Stored::F16:
        return store_as(static_cast<Half *>(to), plan, args, tile, pixels);
    case Stored::BF16:
        return store_as(static_cast<Brain *>(to), plan, args, tile, pixels);
    case Stored::F32:
        return store_as(static_cast<float *>(to), plan, args, tile, pixels);
    }
}
