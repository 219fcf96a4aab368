// Raw images of types that stages do not read: made `f32` before anything else (`engine/widen.rs`).
#pragma once

#include "args.cuh"
#include "math.cuh"

// What the elements are.
enum class Widened : uint32_t { BF16, F64, I16, I32, I64, U32 };

struct WidenArgs {
    Rows plans;
    Rows image;
    Rows scratch;
    // Where the image lies in the scratch of a row.
    uint64_t to;
    uint64_t elements;
    Widened from;
    uint32_t first;
    // Whether rows take part only that are mixed.
    uint32_t mixed_only;
    uint32_t unused;
};

static_assert(sizeof(WidenArgs) == 80, "arguments of another layout");

template <class T> __device__ __forceinline__ void widen_as(const WidenArgs &args, uint32_t row) {
    const T *from = args.image.at<const T>(row);
    float *to = args.scratch.at<float>(row, args.to);
    uint64_t step = uint64_t(gridDim.x) * blockDim.x;
    for (uint64_t i = uint64_t(blockIdx.x) * blockDim.x + threadIdx.x; i < args.elements; i += step) {
        to[i] = to_f32(from[i]);
    }
}

__device__ inline void widen_image(const WidenArgs &args) {
    uint32_t row = args.first + blockIdx.y;
    if (args.mixed_only && !args.plans.at<const PlanHeader>(row)->mixed) return;
    switch (args.from) {
    case Widened::BF16:
        return widen_as<Brain>(args, row);
    case Widened::F64:
        return widen_as<double>(args, row);
    case Widened::I16:
        return widen_as<int16_t>(args, row);
    case Widened::I32:
        return widen_as<int32_t>(args, row);
    case Widened::I64:
        return widen_as<int64_t>(args, row);
    case Widened::U32:
        return widen_as<uint32_t>(args, row);
    }
}
