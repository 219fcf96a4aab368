// The pixel operations of a plan, on pixels in flight: `engine/program.rs`.
#pragma once

#include "color.cuh"
#include "noise.cuh"
#include "pixels.cuh"
#include "statistics.cuh"

// Operations on colours of bytes of which `PlainColors` holds, with what is the same for all pixels found
// once. In shared memory.
struct PlainProgram {
    // Brightness and contrast, which differ in a summand; saturation, of which no colours are left where
    // it is 0; and hue.
    enum class Kind : uint32_t { Scale, Saturate, Turn };

    struct alignas(16) Step {
        Kind kind;
        // A factor, or what is added to a hue; the limit; and a summand.
        float a, limit, offset;
    };

    int len;
    Step steps[OPS_MAX];

    // Takes the operations before `end`, of bytes that are moved, or blended without undershoot. Returns
    // whether it could: other operations and numbers that are negative or so large that a product
    // might not be finite are for `Program`.
    __device__ bool take(const StagePlan &plan, int end, const Statistic *statistic) {
        len = end;
        bool undershoots = plan.head == Head::Resize && plan.interpolation == Interpolation::Bicubic;
        bool is_plain = !undershoots;
        // What no value is above.
        float most = 255.0f;
        for (float fill : plan.fill) {
            is_plain = is_plain && is_moderate(fill);
            most = PlainColors::most(most, fill);
        }
        for (int at = 0; at < end && is_plain; ++at) {
            const Op &op = plan.ops[at];
            float a = op.args[0], limit = op.args[1], turn = a * 6.0f - 1.0f;
            Step &step = steps[at];
            step = {Kind::Scale, a, limit, 0.0f};
            switch (op.code) {
            case OpCode::Brightness:
                break;
            case OpCode::Contrast:
                step.offset = (1.0f - a) * statistic++->numbers[0][0];
                break;
            case OpCode::Saturation:
                step.kind = Kind::Saturate;
                break;
            case OpCode::Grayscale:
                step = {Kind::Saturate, 0.0f, most, 0.0f};
                break;
            case OpCode::Hue:
                step = {Kind::Turn, turn < 0.0f ? turn + 6.0f : turn, most, 0.0f};
                is_plain = most <= limit && a >= -1.0f && a <= 1.0f;
                break;
            default:
                return false;
            }
            is_plain = is_plain && is_moderate(step.a) && is_moderate(step.limit);
            most = step.limit;
        }
        return is_plain;
    }

    // Whether `x` is a number from 0 to 2^20, and not -0: the bits of others are larger.
    __device__ __forceinline__ static bool is_moderate(float x) { return bits_as<uint32_t>(x) <= 0x49800000u; }

    __device__ __forceinline__ void run(Pixels &pixels) const {
#pragma unroll 1
        for (int at = 0; at < len; ++at) {
            Step step = steps[at];
            float a = step.a, limit = step.limit;
            if (step.kind == Kind::Turn) {
                turn_hues(pixels, a);
            } else if (step.kind == Kind::Saturate) {
                pixels.each_pixel([&](Pixel &pixel, int) { PlainColors::saturate(pixel.values, a, limit); });
            } else {
                pixels.each(3, [&](float x, int, int) { return PlainColors::limited(a * x + step.offset, limit); });
            }
        }
    }

    __device__ __forceinline__ static void turn_hues(Pixels &pixels, float turn) {
        PlainColors::Hue hues[PIXELS];
        float least = INFINITY;
        pixels.each_pixel([&](Pixel &pixel, int i) {
            hues[i] = PlainColors::hue_of(pixel.values);
            least = PlainColors::least(least, hues[i].divisor);
        });
        // 2^-64: of smaller numbers the remainders might not be exact.
        bool is_small = least < bits_as<float>(0x1f800000u);
        if (is_small) {
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) hues[i].quotient = hues[i].difference / hues[i].divisor;
        } else {
#pragma unroll
            for (int i = 0; i < PIXELS; ++i) {
                hues[i].quotient = PlainColors::quotient(hues[i].difference, hues[i].divisor);
            }
        }
        pixels.each_pixel([&](Pixel &pixel, int i) { PlainColors::turn(hues[i], turn, pixel.values); });
    }
};

// A row's stage, and what its operations look at beside the pixels.
struct Program {
    const StageArgs &args;
    const StagePlan &plan;
    uint32_t row;
    const Statistic *statistics;

    // Runs the operations before `end`.
    __device__ __forceinline__ void run(int end, const Tile &tile, Pixels &pixels) const {
        const Statistic *statistic = statistics;
        for (int at = 0; at < end; ++at) {
            const Op &op = plan.ops[at];
            run_one(op, *statistic, tile, pixels);
            if (needs_statistic(op.code)) ++statistic;
        }
    }

    // The same for kernels that seldom need it: what they do otherwise keeps its registers.
    __device__ OUTLINED void run_apart(const Program &program, int end, const Tile &tile, Pixels &pixels) {
        program.run(end, tile, pixels);
    }

    // Channels of colour among those of the tile: alpha, the last of two or four, is none.
    __device__ __forceinline__ int colors(const Tile &tile) const {
        return tile.first > 0 ? 0 : args.channels >= 3 ? 3 : 1;
    }

    // Which of its four numbers an operation has for a channel.
    static constexpr int NO_NUMBER = -1;

    __device__ __forceinline__ static int number_of(const Op &op, int channel) {
        if (op.slot == 0) return of_channel(channel);
        int of = channel - (int(op.slot) - 1) * CHANNELS;
        return of >= 0 && of < CHANNELS ? of : NO_NUMBER;
    }

    __device__ __forceinline__ void run_one(const Op &op, const Statistic &statistic, const Tile &tile,
                                            Pixels &pixels) const {
        float a = op.args[0], b = op.args[1];
        int count = tile.count;
        // A gray image is its own luma.
        bool has_colors = colors(tile) == 3;
        switch (op.code) {
        case OpCode::Brightness:
            return pixels.each(colors(tile),
                              [&](float x, int, int) { return clamp(x * a, 0.0f, b); });
        case OpCode::Contrast: {
            float offset = (1.0f - a) * statistic.numbers[0][0];
            return pixels.each(colors(tile),
                              [&](float x, int, int) { return clamp(a * x + offset, 0.0f, b); });
        }
        case OpCode::Saturation:
return pixels.each_pixel([&](Pixel &pixel, int) {
                if (has_colors) saturate(pixel.values, a, b);
            });
        case OpCode::Hue:
return pixels.each_pixel([&](Pixel &pixel, int) {
                if (has_colors) turn_hue(pixel.values, a, b);
            });
        case OpCode::Grayscale:
return pixels.each_pixel([&](Pixel &pixel, int) {
                if (has_colors) gray(pixel.values);
            });
        case OpCode::Gamma: {
            float max = op.args[2];
            double power = a, unit = 1.0 / double(max), top = double(b) * double(max);
            return pixels.each(count,
                              [&](float x, int, int) { return gamma_of(x, power, unit, top, max); });
        }
        case OpCode::Solarize:
            return pixels.each(count,
                              [&](float x, int, int) { return x >= a ? b - x : x + 0.0f; });
        case OpCode::Posterize: {
            float per_step = 1.0f / a;
            return pixels.each(count, [&](float x, int, int) {
                return clamp(floor_of(x * per_step), 0.0f, b) * a;
            });
        }
        case OpCode::Invert:
            return pixels.each(count, [&](float x, int, int) { return a - x; });
        case OpCode::Autocontrast:
            return autocontrast(op, statistic, tile, pixels);
        case OpCode::Equalize:
            return pixels.each(tile.first > 0 ? 0 : count, [&](float x, int c, int) {
                return statistic.changes[c] ? statistic.tables[c][bin_of(x, a)] : x;
            });
        case OpCode::Affine:
            return pixels.each(count, [&](float x, int c, int) {
                int of = number_of(op, tile.first + c);
                return of == NO_NUMBER ? x : x * op.args[of] + op.args[CHANNELS + of];
            });
        case OpCode::Standardize:
            return pixels.each(count, [&](float x, int c, int) {
                const float(&moments)[2] = statistic.numbers[moments_of(op, tile.first + c)];
                return x * moments[0] + moments[1];
            });
        case OpCode::GaussianNoise:
            return gaussian(op, tile, pixels);
        case OpCode::SaltAndPepper:
            return salt_and_pepper(op, tile, pixels);
        case OpCode::Erase:
            return pixels.each(count, [&](float x, int c, int i) {
                int of = number_of(op, tile.first + c);
                return of != NO_NUMBER && is_boxed(op, tile, pixels, i) ? op.args[CHANNELS + of] : x;
            });
        case OpCode::EraseNoise:
            return erase_noise(op, tile, pixels);
        case OpCode::Permute:
            return permute(op, tile, pixels);
        case OpCode::Blend:
            return pixels.each(count, [&](float x, int c, int i) {
                return !pixels.has(i) ? x : a * x + b * other(op, tile, pixels, c, i);
            });
        case OpCode::Paste:
            return pixels.each(count, [&](float x, int c, int i) {
                return is_boxed(op, tile, pixels, i) ? other(op, tile, pixels, c, i) : x;
            });
        }
    }

    __device__ __forceinline__ void autocontrast(const Op &op, const Statistic &statistic, const Tile &tile,
                                                 Pixels &pixels) const {
        float max = op.args[0];
        pixels.each(tile.first > 0 ? 0 : tile.count, [&](float x, int c, int) {
            float low = statistic.numbers[c][0], high = statistic.numbers[c][1];
            bool is_flat = low == high;
            float unit = is_flat ? 1.0f : (high - low) * (1.0f / max);
            return clamp((x - (is_flat ? 0.0f : low)) / unit, 0.0f, max);
        });
    }

    // The number of an element among the noise of an operation.
    __device__ __forceinline__ uint32_t element(const Tile &tile, const Pixels &pixels, int c, int i) const {
        return uint32_t(tile.first + c) * uint32_t(pixels_of(plan)) + uint32_t(pixels.at(i));
    }

    __device__ __forceinline__ void gaussian(const Op &op, const Tile &tile, Pixels &pixels) const {
        float sigma = op.args[0], mean = op.args[1], max = op.args[2];
        float low = max > 0.0f ? 0.0f : -INFINITY, high = max > 0.0f ? max : INFINITY;
        Noise noise = {plan.noise, op.slot};
        pixels.each(tile.count, [&](float x, int c, int i) {
            float number = normal(noise, element(tile, pixels, c, i));
            return clamp(x + (mean + sigma * number), low, high);
        });
    }

    __device__ __forceinline__ void salt_and_pepper(const Op &op, const Tile &tile, Pixels &pixels) const {
        float amount = op.args[0], salt = op.args[1], max = op.args[2];
        Noise noise = {plan.noise, op.slot};
        pixels.each_pixel([&](Pixel &pixel, int i) {
            uint32_t hit, kind;
            noise.pair(2 * uint32_t(pixels.at(i)), hit, kind);
            bool is_hit = unit(hit) < amount;
            float value = unit(kind) < salt ? max : 0.0f;
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                float &x = pixel.values[c];
                if (c < colors(tile)) x = is_hit ? value : x + 0.0f;
            }
        });
    }

    // Whether a pixel lies in the box of an operation.
    __device__ __forceinline__ static bool is_boxed(const Op &op, const Tile &tile, const Pixels &pixels, int i) {
        int y = tile.y + tile.row(pixels.number(i)), x = tile.x + tile.column(pixels.number(i));
        return pixels.has(i) && in_box(op, y, x);
    }

    __device__ __forceinline__ void erase_noise(const Op &op, const Tile &tile, Pixels &pixels) const {
        float mean = op.args[4], sigma = op.args[5];
        Noise noise = {plan.noise, op.slot};
        pixels.each(tile.count, [&](float x, int c, int i) {
            if (!is_boxed(op, tile, pixels, i)) return x;
            return normal(noise, element(tile, pixels, c, i)) * sigma + mean;
        });
    }

    __device__ __forceinline__ static void permute(const Op &op, const Tile &tile, Pixels &pixels) {
        if (tile.first > 0) return;
        pixels.each_pixel([&](Pixel &pixel, int) {
            Pixel from = pixel;
#pragma unroll
            for (int c = 0; c < CHANNELS; ++c) {
                int of = int(op.args[c]);
                float low = of == 0 ? from.values[0] : from.values[1];
                float high = of == 2 ? from.values[2] : from.values[3];
                if (c < tile.count) pixel.values[c] = of < 2 ? low : high;
            }
        });
    }

    // The value of another canvas at the same place.
    __device__ __forceinline__ float other(const Op &op, const Tile &tile, const Pixels &pixels, int c,
                                           int i) const {
        const float *canvas = args.scratch.at<const float>(row, args.canvases[op.slot]);
        return canvas[(tile.first + c) * pixels_of(plan) + pixels.at(i)];
    }
};
