// The delivered row: finished pixels in their element type and layout (`engine/store.rs`).
#pragma once

#include "pixels.cuh"

__device__ __forceinline__ void store_one(uint8_t *to, float x, float scale, float bias) {
    *to = to_u8(x * scale + bias);
}

__device__ __forceinline__ void store_one(Half *to, float x, float scale, float bias) {
    *to = to_half(x * scale + bias);
}

__device__ __forceinline__ void store_one(Brain *to, float x, float scale, float bias) {
    *to = to_brain(x * scale + bias);
}

// Also what is neither scaled nor moved, bit for bit: -0 + 0 would be 0.
__device__ __forceinline__ void store_one(float *to, float x, float scale, float bias) {
    *to = scale == 1.0f && bias == 0.0f ? x : x * scale + bias;
}

template <class T>
__device__ __forceinline__ void store_as(T *to, const StagePlan &plan, const StageArgs &args, const Tile &tile,
                                         const Pixels &pixels) {
    int pixel = args.output_interleaved ? args.channels : 1;
    int channel = args.output_interleaved ? 1 : pixels_of(plan);
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
        if (c >= tile.count) continue;
        int of = of_channel(tile.first + c);
        float scale = plan.scale[of], bias = plan.bias[of];
        T *plane = to + (tile.first + c) * channel;
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            if (pixels.at[i] >= 0) store_one(plane + pixels.at[i] * pixel, pixels.pixels[i].values[c], scale, bias);
        }
    }
}

// Into a canvas, which holds values as they are.
__device__ __forceinline__ void keep(float *canvas, const StagePlan &plan, const Tile &tile, const Pixels &pixels) {
#pragma unroll
    for (int c = 0; c < CHANNELS; ++c) {
        if (c >= tile.count) continue;
        float *plane = canvas + (tile.first + c) * pixels_of(plan);
#pragma unroll
        for (int i = 0; i < PIXELS; ++i) {
            if (pixels.at[i] >= 0) plane[pixels.at[i]] = pixels.pixels[i].values[c];
        }
    }
}

__device__ __forceinline__ void store(const StageArgs &args, const StagePlan &plan, uint32_t row, const Tile &tile,
                                      const Pixels &pixels) {
    if (plan.to != 0) {
        return keep(args.scratch.at<float>(row, args.canvases[plan.to]), plan, tile, pixels);
    }
    uint32_t to = row - args.first + args.first_output;
    switch (args.stored) {
    case Stored::U8:
        return store_as(args.output.at<uint8_t>(to), plan, args, tile, pixels);
    case Stored::F16:
        return store_as(args.output.at<Half>(to), plan, args, tile, pixels);
    case Stored::BF16:
        return store_as(args.output.at<Brain>(to), plan, args, tile, pixels);
    case Stored::F32:
        return store_as(args.output.at<float>(to), plan, args, tile, pixels);
    }
}
