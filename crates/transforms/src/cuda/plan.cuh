// The plan of a row, as `plan.rs` writes it; the formulas that it relies on are documented there.
#pragma once

#include <cstdint>

constexpr int OPS_MAX = 16;
constexpr int BLUR_WEIGHTS_MAX = 32;
// Channels whose values may differ, and those that one thread holds of a pixel.
constexpr int CHANNELS = 4;

// Axes.
constexpr int D = 0;
constexpr int H = 1;
constexpr int W = 2;

enum class Head : uint32_t { Skip, Move, Resize, Affine, Perspective, Elastic, Blur, Sharpen };

enum class Interpolation : uint32_t { Nearest, Bilinear, Bicubic };

enum class Border : uint32_t { Constant, Edge, Reflect, Symmetric, Wrap };

enum class OpCode : uint32_t {
    Brightness = 1,
    Contrast,
    Saturation,
    Hue,
    Grayscale,
    Gamma,
    Solarize,
    Posterize,
    Invert,
    Autocontrast,
    Equalize,
    Affine,
    Standardize,
    GaussianNoise,
    SaltAndPepper,
    Erase,
    EraseNoise,
    Permute,
    Blend,
    Paste,
};

struct IntegerMap {
    int32_t axis[3];
    int32_t sign[3];
    int32_t offset[3];
};

struct NoiseKey {
    uint32_t key[2];
    uint32_t index[2];
};

struct Op {
    OpCode code;
    uint32_t slot;
    float args[8];
};

struct StagePlan {
    uint32_t version;
    Head head;
    Interpolation interpolation;
    uint32_t antialias;
    Border border;
    uint32_t from;
    uint32_t to;
    uint32_t ops_len;
    double matrix[9];
    uint32_t cropped;
    int32_t source[3];
    int32_t window_start[3];
    int32_t window_end[3];
    IntegerMap before;
    int32_t middle[3];
    int32_t resampled[3];
    IntegerMap after;
    int32_t size[3];
    float fill[CHANNELS];
    float weights[BLUR_WEIGHTS_MAX];
    uint32_t weights_len;
    float amount;
    uint32_t field_stream;
    NoiseKey noise;
    Op ops[OPS_MAX];
    float scale[CHANNELS];
    float bias[CHANNELS];
};

// `bound.rs` has the same number: a field that is added there must be added here.
static_assert(sizeof(StagePlan) == 1096, "a plan of another layout");

// What precedes the stages of a row.
struct PlanHeader {
    uint32_t mixed;
    float share;
};

__device__ __forceinline__ bool needs_statistic(OpCode code) {
    return code == OpCode::Contrast || code == OpCode::Autocontrast || code == OpCode::Equalize ||
           code == OpCode::Standardize;
}

// The place of the `k`-th operation that needs a statistic; `ops_len` where there are fewer.
__device__ __forceinline__ int statistic_at(const StagePlan &plan, uint32_t k) {
    int at = 0;
    for (; at < int(plan.ops_len); ++at) {
        if (needs_statistic(plan.ops[at].code) && k-- == 0) break;
    }
    return at;
}

__device__ __forceinline__ int pixels_of(const StagePlan &plan) {
    return plan.size[D] * plan.size[H] * plan.size[W];
}

// What the axes' integer map after the interpolation makes of output coordinate `at`.
__device__ __forceinline__ int after(const StagePlan &plan, int axis, int at) {
    return plan.after.offset[axis] + plan.after.sign[axis] * at;
}

// The value outside: images of more channels use the first for the others.
__device__ __forceinline__ int of_channel(int channel) { return channel < CHANNELS ? channel : 0; }
