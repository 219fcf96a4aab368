// What kernels are given: `launches.rs` has the same structs.
#pragma once

#include "view.cuh"

// Canvases in all, the row included: `compose.rs` names them.
constexpr int CANVASES = 6;

// No statistic is gathered: the pass makes the pixels.
constexpr uint32_t NO_STATISTIC = ~0u;

// How elements are stored.
enum class Stored : uint32_t { U8, F16, BF16, F32 };

// An address of a launch. The compiler does not see what made a number an address, and accesses of any
// kind of memory take longer.
template <class T> __device__ __forceinline__ T *in_global(T *at) {
#ifdef __CUDA_ARCH__
    __builtin_assume(__isGlobal(at));
#endif
    return at;
}

// Rows of one kind in device memory.
struct Rows {
    uint64_t base;
    uint64_t stride;

    template <class T> __device__ __forceinline__ T *at(uint32_t row, uint64_t offset = 0) const {
        return in_global(reinterpret_cast<T *>(base + row * stride + offset));
    }
};

// One pass of one stage over an image of every row.
struct StageArgs {
    Rows plans;
    Rows image;
    Rows output;
    Rows scratch;
    // Where each canvas lies in the scratch of a row.
    uint64_t canvases[CANVASES];
    // Displacements of an elastic map.
    uint64_t fields;
    uint64_t partials;
    uint64_t statistics;
    // Pixels before the program, of a stage that gathers a statistic first: resampled once for all passes.
    uint64_t kept;
    // The index of the stage in the plan of a row.
    uint32_t stage;
    // The first row of the slab, and where it goes.
    uint32_t first;
    uint32_t first_output;
    uint32_t channels;
    // Whether the channels of a pixel lie side by side in the raw image, and in the output.
    uint32_t interleaved;
    uint32_t output_interleaved;
    Stored stored;
    // Which statistic of the stage the pass gathers, if any.
    uint32_t gathers;
    // Whether rows take part only that are mixed.
    uint32_t mixed_only;
    // The side of a tile is 2 to this.
    uint32_t tile_log2;
    uint32_t shared_bytes;
    uint32_t parts;
    // Whether `image` is a `Picture` per row.
    uint32_t is_picture;
    // Whether there is room for `kept`.
    uint32_t keeps;
};

static_assert(sizeof(StageArgs) == 200, "arguments of another layout");

// One stage over a field whose elements are moved.
struct SelectArgs {
    Rows plans;
    Rows field;
    Rows output;
    Rows scratch;
    // Canvases of this field, which take turns.
    uint64_t canvases[2];
    // The partner's elements, which are pasted.
    uint64_t partner;
    uint64_t fields;
    // The bits of the element outside, where `fill_as` is constant.
    uint64_t fill;
    uint32_t stage;
    uint32_t stages;
    // Where the stages of the row, or of its partner, begin in the plan.
    uint32_t first_stage;
    // Whether the field is the partner's: rows take part only that are mixed.
    uint32_t is_partner;
    uint32_t first;
    uint32_t first_output;
    uint32_t channels;
    uint32_t interleaved;
    uint32_t output_interleaved;
    // What the fill of the plan is rounded to.
    uint32_t fill_as;
    // Whether 16-bit elements are delivered as 32-bit ones.
    uint32_t widens;
    uint32_t shared_bytes;
    // Whether `field` is a `Picture` per row.
    uint32_t is_picture;
    uint32_t unused;
};

static_assert(sizeof(SelectArgs) == 160, "arguments of another layout");

// Where the raw image of a row lies, and how.
template <class T> struct RawImage {
    const T *pixels;
    Raster raster;

    __device__ __forceinline__ RawImage(const T *pixels, const Raster &raster) : pixels(pixels), raster(raster) {}

    // Of a picture.
    __device__ __forceinline__ explicit RawImage(const Picture &picture)
        : pixels(in_global(reinterpret_cast<const T *>(picture.address))), raster(picture) {}
};

__device__ __forceinline__ const StagePlan &plan_of(const Rows &plans, uint32_t row, uint32_t stage) {
    return plans.at<const StagePlan>(row, sizeof(PlanHeader))[stage];
}
