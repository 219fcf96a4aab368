// What an operation must know of the whole image before its first pixel is changed
// (`engine/statistics.rs`, `kernels/stats.rs`).
//
// A pass over the image leaves partial results, one per block, which `settle` joins in their order:
// no sum depends on timing. The sums of a luma are exact; those of moments are not the sums of the
// CPU, whose order is another; in `f64`, of `f32` values, the difference does not show.
#pragma once

#include "color.cuh"
#include "pixels.cuh"
#include "shared.cuh"

constexpr int LEVELS = 256;
// What values are counted in: the levels, and NaN after them.
constexpr int BINS = LEVELS + 1;

// A statistic as its operation uses it.
struct Statistic {
    // The mean of the luma; or of each channel the extremes, or a scale and a bias.
    float numbers[CHANNELS][2];
    // Whether the levels of a channel change, and what they become.
    uint32_t changes[CHANNELS];
    float tables[CHANNELS][LEVELS];
};

// What a block knows of it.
union Partial {
    double sums[CHANNELS][2];
    float extremes[CHANNELS][2];
    uint32_t counts[CHANNELS][BINS];
};

// The extremes of two values, NaN where one of them is.
__device__ __forceinline__ float least(float a, float b) { return a < b || a != a ? a : b; }

__device__ __forceinline__ float greatest(float a, float b) { return a > b || a != a ? a : b; }

// Channels of colour.
__device__ __forceinline__ int colors_of(int channels) { return channels >= 3 ? 3 : 1; }

// What rounds values up to `max` to steps of 2^-20 of the power of two at or above it, added and
// subtracted.
__device__ __forceinline__ float rounds_to_steps(float max) {
    return 12.0f * bits_as<float>((bits_as<uint32_t>(max) + 0x007fffffu) & 0xff800000u);
}

// The slot of channel `channel` in a standardisation.
__device__ __forceinline__ int moments_of(const Op &op, int channel) {
    return op.slot == 1 ? (channel < CHANNELS ? channel : CHANNELS - 1) : 0;
}

// A partial result under way, in shared memory: for sums and extremes, one per thread.
struct Tally {
    const Op *op;
    int channels;
    bool is_counted;
    union {
        double *sums;
        float *extremes;
        uint32_t *counts;
    };

    __device__ Tally(const Op &op, int channels, void *memory)
        : op(&op), channels(channels), is_counted(op.code == OpCode::Equalize),
          sums(static_cast<double *>(memory)) {}

    // Bytes for a block of that many threads.
    __device__ __forceinline__ static int bytes(int threads) {
        int sums = threads * 2 * CHANNELS * int(sizeof(double)), counts = int(sizeof(Partial));
        return sums > counts ? sums : counts;
    }

    // Every thread takes part.
    __device__ __forceinline__ void clear() {
        int threads = int(blockDim.x);
#pragma unroll 1
        for (int i = threadIdx.x; i < CHANNELS * BINS && is_counted; i += threads) counts[i] = 0;
#pragma unroll 1
        for (int i = threadIdx.x; i < 2 * CHANNELS * threads && !is_counted; i += threads) {
            if (op->code == OpCode::Autocontrast) {
                extremes[i] = (i / threads) % 2 == 0 ? INFINITY : -INFINITY;
            } else {
                sums[i] = 0.0;
            }
        }
        __syncthreads();
    }

    template <class T> __device__ __forceinline__ T &mine(T *of, int slot, int which) const {
        return of[(2 * slot + which) * blockDim.x + threadIdx.x];
    }

    // `ARE_NEAR` where values are below four times the range, on both sides of 0.
    template <bool ARE_NEAR> __device__ __forceinline__ void add(const Pixels &pixels, const Tile &tile) {
        if (op->code == OpCode::Contrast) return add_colors<ARE_NEAR>(pixels, tile);
#pragma unroll
        for (int c = 0; c < CHANNELS; ++c) {
            if (c >= tile.count) continue;
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) {
                if (pixels.has(i)) add_value(pixels.pixels[i].values[c], tile.first + c);
            }
        }
    }

    // Sums of the channels of colour, in steps of 2^-20 of the range.
    template <bool ARE_NEAR> __device__ __forceinline__ void add_colors(const Pixels &pixels, const Tile &tile) {
        if (tile.first > 0) return;
        float rounds = rounds_to_steps(op->args[1]);
#pragma unroll
        for (int c = 0; c < 3; ++c) {
            if (c >= colors_of(tile.count)) continue;
            float steps[PIXELS];
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) {
                steps[i] = pixels.has(i) ? (pixels.pixels[i].values[c] + rounds) - rounds : 0.0f;
            }
            double &sum = mine(sums, c, 0);
            // Of values that are not far outside of the range four have an exact sum in `f32`.
            if (ARE_NEAR) {
                sum += double((steps[0] + steps[1]) + (steps[2] + steps[3]));
            } else {
#pragma unroll
                for (int i = 0; i < PIXELS; ++i) sum += double(steps[i]);
            }
        }
    }

    __device__ __forceinline__ void add_value(float x, int channel) {
        if (op->code == OpCode::Standardize) {
            int slot = moments_of(*op, channel);
            mine(sums, slot, 0) += double(x);
            mine(sums, slot, 1) += double(x) * double(x);
        } else if (channel >= CHANNELS) {
            return;
        } else if (is_counted) {
            int bin = x != x ? LEVELS : bin_of(x, op->args[0]);
            atomicAdd(&counts[channel * BINS + bin], 1u);
        } else {
            float &low = mine(extremes, channel, 0), &high = mine(extremes, channel, 1);
            low = least(x, low);
            high = greatest(x, high);
        }
    }

    // Leaves what the block knows in `partial`, after a barrier.
    __device__ void finish(Partial &partial) {
        if (is_counted) {
#pragma unroll 1
            for (int i = threadIdx.x; i < CHANNELS * BINS; i += blockDim.x) {
                partial.counts[i / BINS][i % BINS] = counts[i];
            }
            return;
        }
#pragma unroll 1
        for (int i = threadIdx.x; i < 2 * CHANNELS; i += blockDim.x) {
            if (op->code == OpCode::Autocontrast) {
                partial.extremes[i / 2][i % 2] = joined_extreme(i);
            } else {
                partial.sums[i / 2][i % 2] = joined_sum(i);
            }
        }
    }

    __device__ double joined_sum(int i) const {
        double sum = 0.0;
        // So that loads need not wait for sums.
#pragma unroll 8
        for (uint32_t t = 0; t < blockDim.x; ++t) sum += sums[i * blockDim.x + t];
        return sum;
    }

    __device__ float joined_extreme(int i) const {
        float extreme = extremes[i * blockDim.x];
#pragma unroll 1
        for (uint32_t t = 1; t < blockDim.x; ++t) {
            float x = extremes[i * blockDim.x + t];
            extreme = i % 2 == 0 ? least(x, extreme) : greatest(x, extreme);
        }
        return extreme;
    }
};

// The sum of one kind of a channel over all blocks.
__device__ inline double joined_sums(const Partial *parts, int count, int c, int which) {
    double sum = 0.0;
    for (int p = 0; p < count; ++p) sum += parts[p].sums[c][which];
    return sum;
}

// The sum of the luma.
__device__ inline double joined_luma(const Partial *parts, int count, int channels) {
    double r = joined_sums(parts, count, 0, 0);
    if (colors_of(channels) < 3) return r;
    double g = joined_sums(parts, count, 1, 0), b = joined_sums(parts, count, 2, 0);
    return double(LUMA_R) * r + double(LUMA_G) * g + double(LUMA_B) * b;
}

// The numbers of an operation that needs no table, from the parts of all blocks.
__device__ inline void settle_numbers(const StagePlan &plan, const Op &op, int channels,
                                      const Partial *parts, int count, int c, float (&numbers)[2]) {
    if (op.code == OpCode::Autocontrast) {
        float low = INFINITY, high = -INFINITY;
        for (int p = 0; p < count; ++p) {
            low = least(parts[p].extremes[c][0], low);
            high = greatest(parts[p].extremes[c][1], high);
        }
        numbers[0] = low, numbers[1] = high;
        return;
    }
    double pixels = double(pixels_of(plan));
    if (op.code == OpCode::Contrast) {
        numbers[0] = float(joined_luma(parts, count, channels) / pixels);
        return;
    }
    double sum = joined_sums(parts, count, c, 0), squares = joined_sums(parts, count, c, 1);
    int shared = op.slot == 1 ? (c < CHANNELS - 1 ? 1 : channels - (CHANNELS - 1)) : channels;
    double values = shared > 0 ? pixels * double(shared) : 1.0;
    double mean = sum / values, variance = squares / values - mean * mean;
    double deviation = sqrt((variance < 0.0 ? 0.0 : variance) + double(op.args[0]));
    double scale = deviation == 0.0 ? 0.0 : 1.0 / deviation;
    numbers[0] = float(scale), numbers[1] = float(-mean * scale);
}

// The table that equalizes a channel, after PIL: a block has the counts, and then below each level
// those of the levels before it.
__device__ inline void settle_table(const Op &op, const Partial *parts, int count, int c,
                                    uint32_t *counts, uint32_t *step, Statistic &statistic) {
    for (int bin = threadIdx.x; bin < BINS; bin += blockDim.x) {
        uint32_t sum = 0;
        for (int p = 0; p < count; ++p) sum += parts[p].counts[c][bin];
        counts[bin] = sum;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
        uint32_t below = 0, last = 0;
        for (int level = 0; level < LEVELS; ++level) {
            uint32_t here = counts[level];
            last = here > 0 ? here : last;
            counts[level] = below;
            below += here;
        }
        *step = (below - last) / 255;
        statistic.changes[c] = counts[LEVELS] > 0 || (below > 0 && (*step > 0 || op.args[1] != 1.0f));
    }
    __syncthreads();
    for (uint32_t level = threadIdx.x; level < LEVELS; level += blockDim.x) {
        uint32_t made = *step == 0 ? level : (counts[level] + *step / 2) / *step;
        made = made < 255 ? made : 255;
        float value = float(made) * op.args[0] / 255.0f;
        statistic.tables[c][level] = counts[LEVELS] > 0 ? bits_as<float>(0x7fc00000u) : value;
    }
    __syncthreads();
}

// Joins the parts of the statistic that the pass before gathered.
__device__ inline void settle(const StageArgs &args, Shared shared) {
    uint32_t *counts = shared_at<uint32_t>(shared.take<uint32_t>(BINS));
    uint32_t *step = &shared.take_one<uint32_t>();
    uint32_t row = args.first + blockIdx.y;
    if (args.mixed_only && !args.plans.at<const PlanHeader>(row)->mixed) return;
    const StagePlan &plan = plan_of(args.plans, row, args.stage);
    int at = statistic_at(plan, args.gathers);
    if (plan.head == Head::Skip || at == int(plan.ops_len)) return;
    const Op &op = plan.ops[at];
    const Partial *parts = args.scratch.at<const Partial>(row, args.partials);
    Statistic &statistic = args.scratch.at<Statistic>(row, args.statistics)[args.gathers];
    if (op.code == OpCode::Equalize) {
        int tables = int(args.channels) < CHANNELS ? int(args.channels) : CHANNELS;
        for (int c = 0; c < tables; ++c) settle_table(op, parts, args.parts, c, counts, step, statistic);
        return;
    }
    for (int c = threadIdx.x; c < CHANNELS; c += blockDim.x) {
        settle_numbers(plan, op, args.channels, parts, args.parts, c, statistic.numbers[c]);
    }
}
