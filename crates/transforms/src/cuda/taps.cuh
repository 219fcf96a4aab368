// Where each output of a resize or a blur reads, and with which weights: the formulas of
// `engine/taps.rs`, in `f64`.
#pragma once

#include "shared.cuh"
#include "view.cuh"

// The pixel that is nearest in edge coordinates.
__device__ __forceinline__ int nearest(int at, double scale, int len) {
    return clamp(int(floor(scale * (double(at) + 0.5))), 0, len - 1);
}

__device__ __forceinline__ double cubic(double x, double a) {
    x = fabs(x);
    if (x <= 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

// How the taps of one axis of a plan are found.
struct Filter {
    enum Kind { Bilinear, Bicubic, Wide, Kernel } kind;
    bool is_cubic;
    double scale, support;
    // By how much the taps of a wide one lie closer together in the filter than in the image.
    double closer;
    // The length of the axis, and the weights of each output.
    int len, count;
    // Fractional bits of whole weights.
    int bits;
    // Weights of a kernel, from the middle outwards.
    const float *weights;
    int half;

    Filter() = default;

    __device__ Filter(const StagePlan &plan, int axis)
        : len(plan.middle[axis]), weights(plan.weights), half(int(plan.weights_len)) {
        scale = double(plan.middle[axis]) / double(plan.resampled[axis]);
        is_cubic = plan.interpolation == Interpolation::Bicubic;
        double wider = scale > 1.0 ? scale : 1.0;
        support = is_cubic ? 2.0 * wider : scale;
        closer = 1.0 / wider;
        if (plan.head == Head::Blur) {
            kind = Kernel;
            count = 2 * half - 1;
        } else if (plan.antialias > 0 && (is_cubic || scale > 1.0)) {
            kind = Wide;
            count = int(floor(2.0 * support)) + 1;
        } else {
            kind = is_cubic ? Bicubic : Bilinear;
            count = is_cubic ? 4 : 2;
        }
        count = count < len ? count : len;
        bits = kind != Wide || scale < 1.5 ? 14 : scale < 3.0 ? 15 : 16;
    }

    // The place that resampled pixel `at` shows.
    __device__ double place(int at) const {
        double edge = double(at) + 0.5;
        switch (kind) {
        case Bilinear: {
            double place = scale * edge - 0.5;
            return place > 0.0 ? place : 0.0;
        }
        case Bicubic:
            return scale * edge - 0.5;
        case Wide:
            return scale * edge;
        default:
            return double(at);
        }
    }

    // The first pixel that the taps of such a place are of; it may lie outside.
    __device__ int first(double place) const {
        switch (kind) {
        case Bilinear: {
            double first = floor(place);
            return int(first < double(len - 1) ? first : double(len - 1));
        }
        case Bicubic:
            return int(floor(place)) - 1;
        case Wide: {
            int first = int(place - support + 0.5);
            return first > 0 ? first : 0;
        }
        default:
            return int(place) - half + 1;
        }
    }

    // `tap(pixel, weight)` of all taps of resampled pixel `at`, in their order. Pixels lie inside, and
    // one may come again.
    template <class F> __device__ void each(int at, F tap) const {
        double place = this->place(at);
        int first = this->first(place);
        switch (kind) {
        case Bilinear: {
            double second = place - double(first);
            double taps[] = {1.0 - second, second};
            return spread(first, taps, tap);
        }
        case Bicubic: {
            double t = place - floor(place);
            double taps[] = {cubic(t + 1.0, -0.75), cubic(t, -0.75), cubic(1.0 - t, -0.75),
                             cubic(2.0 - t, -0.75)};
            return spread(first, taps, tap);
        }
        case Wide: {
            int end = int(place + support + 0.5);
            end = end < len ? end : len;
            double total = 0.0;
            for (int at = first; at < end; ++at) total += weight(at, place);
            double share = 1.0 / total;
            for (int at = first; at < end; ++at) tap(at, weight(at, place) * share);
            return;
        }
        default:
            return kernel(at, tap);
        }
    }

    // Taps outside count for the outermost pixel.
    template <int N, class F> __device__ void spread(int first, const double (&taps)[N], F tap) const {
#pragma unroll
        for (int t = 0; t < N; ++t) tap(clamp(first + t, 0, len - 1), taps[t]);
    }

    __device__ double weight(int at, double centre) const {
        double x = (double(at) - centre + 0.5) * closer;
        if (is_cubic) return cubic(x, -0.5);
        double rest = 1.0 - fabs(x);
        return rest > 0.0 ? rest : 0.0;
    }

    __device__ int reflected(int pixel) const {
        return pixel >= 0 && pixel < len ? pixel : beyond(Border::Reflect, pixel, len);
    }

    // A blur's, those outside reflected.
    template <class F> __device__ void kernel(int at, F tap) const {
        for (int pixel = at - half + 1; pixel < at + half; ++pixel) {
            tap(reflected(pixel), double(weights[pixel < at ? at - pixel : pixel - at]));
        }
    }

    // The first pixel that resampled pixel `at` has a weight for.
    __device__ int start(int at) const { return clamp(first(place(at)), 0, len - count); }

    // Writes the weights of resampled pixel `at`, `step` apart, and returns the first tap.
    __device__ int taps(int at, float *weights, int step) const {
        int start = this->start(at);
        for (int t = 0; t < count; ++t) weights[t * step] = 0.0f;
        each(at, [&](int pixel, double weight) { weights[(pixel - start) * step] += float(weight); });
        return start;
    }

    // The same in whole numbers of 2^-`bits`: their sums are rounded, and a weight is what lies
    // between two of them.
    template <class Weight> __device__ int taps(int at, Weight *weights, int step) const {
        constexpr int BIAS = 1 << 16;
        int start = this->start(at), before = BIAS;
        double sum = 0.0, unit = double(1 << bits);
        for (int t = 0; t < count; ++t) weights[t * step] = 0;
        auto next = [&](double weight) {
            sum += weight;
            int rounded = int(sum * unit + (double(BIAS) + 0.5)), next = rounded - before;
            before = rounded;
            return next;
        };
        if (kind != Kernel) {
            each(at, [&](int pixel, double weight) { weights[(pixel - start) * step] += next(weight); });
            return start;
        }
        // From the outside inwards, alike on both sides; the middle is what is left of 1.
        int rest = 1 << bits;
        for (int k = half - 1; k > 0; --k) {
            int weight = next(double(this->weights[k]));
            weights[(reflected(at - k) - start) * step] += weight;
            weights[(reflected(at + k) - start) * step] += weight;
            rest -= 2 * weight;
        }
        weights[(at - start) * step] += rest;
        return start;
    }
};

// Writes the weights of resampled pixel `at`, `step` apart, and returns the first tap.
template <class Weight> __device__ OUTLINED int taps_of(const Filter &filter, int at, Weight *weights, int step) {
    return filter.taps(at, weights, step);
}
