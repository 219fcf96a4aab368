// Where each output of a resize or a blur reads, and with which weights: the formulas of
// `engine/separable.rs`, in `f64`.
#pragma once

#include "shared.cuh"
#include "view.cuh"

// The taps of some neighbouring outputs along one axis, in shared memory.
struct Taps {
    // The index of the first tap of each, and `count` weights each.
    int starts, weights;
    int count;

    __device__ __forceinline__ int &start(int output) const { return shared_at<int>(starts)[output]; }

    __device__ __forceinline__ float *weights_of(int output) const {
        return shared_at<float>(weights) + output * count;
    }
};

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
    // The length of the axis, and the weights of each output.
    int len, count;
    const StagePlan &plan;

    __device__ Filter(const StagePlan &plan, int axis) : len(plan.middle[axis]), plan(plan) {
        scale = double(plan.middle[axis]) / double(plan.resampled[axis]);
        is_cubic = plan.interpolation == Interpolation::Bicubic;
        double wider = scale > 1.0 ? scale : 1.0;
        support = is_cubic ? 2.0 * wider : scale;
        if (plan.head == Head::Blur) {
            kind = Kernel;
            count = 2 * int(plan.weights_len) - 1;
        } else if (plan.antialias > 0 && (is_cubic || scale > 1.0)) {
            kind = Wide;
            count = int(floor(2.0 * support)) + 1;
        } else {
            kind = is_cubic ? Bicubic : Bilinear;
            count = is_cubic ? 4 : 2;
        }
        count = count < len ? count : len;
    }

    // Writes the weights of resampled pixel `at` and returns the first tap.
    __device__ int taps(int at, float *weights) const {
        for (int t = 0; t < count; ++t) weights[t] = 0.0f;
        double edge = double(at) + 0.5;
        switch (kind) {
        case Bilinear: {
            double place = scale * edge - 0.5;
            place = place > 0.0 ? place : 0.0;
            double first = floor(place);
            first = first < double(len - 1) ? first : double(len - 1);
            double second = place - first;
            double taps[] = {1.0 - second, second};
            return spread(int(first), taps, weights);
        }
        case Bicubic: {
            double place = scale * edge - 0.5;
            double first = floor(place), t = place - first;
            double taps[] = {cubic(t + 1.0, -0.75), cubic(t, -0.75), cubic(1.0 - t, -0.75),
                             cubic(2.0 - t, -0.75)};
            return spread(int(first) - 1, taps, weights);
        }
        case Wide:
            return wide(scale * edge, weights);
        default:
            return kernel(at, weights);
        }
    }

    // Taps outside count for the outermost pixel.
    template <int N> __device__ int spread(int first, const double (&taps)[N], float *weights) const {
        int start = clamp(first, 0, len - count);
#pragma unroll
        for (int t = 0; t < N; ++t) weights[clamp(first + t, 0, len - 1) - start] += float(taps[t]);
        return start;
    }

    // All pixels less than `support` from the centre, their weights made to sum to 1.
    __device__ int wide(double centre, float *weights) const {
        int first = int(centre - support + 0.5), end = int(centre + support + 0.5);
        first = first > 0 ? first : 0;
        end = end < len ? end : len;
        int start = first < len - count ? first : len - count;
        double total = 0.0;
        for (int at = first; at < end; ++at) total += weight(at, centre);
        for (int at = first; at < end; ++at) weights[at - start] = float(weight(at, centre) / total);
        return start;
    }

    __device__ double weight(int at, double centre) const {
        double x = (double(at) - centre + 0.5) / (scale > 1.0 ? scale : 1.0);
        if (is_cubic) return cubic(x, -0.5);
        double rest = 1.0 - fabs(x);
        return rest > 0.0 ? rest : 0.0;
    }

    // A blur's, those outside reflected.
    __device__ int kernel(int at, float *weights) const {
        int half = int(plan.weights_len);
        int start = clamp(at - half + 1, 0, len - count);
        for (int tap = at - half + 1; tap < at + half; ++tap) {
            int inside = tap >= 0 && tap < len ? tap : beyond(Border::Reflect, tap, len);
            weights[inside - start] += plan.weights[tap < at ? at - tap : tap - at];
        }
        return start;
    }
};

// Writes the weights of resampled pixel `at` along `axis` and returns the first tap.
__device__ OUTLINED int taps_of(const StagePlan &plan, int axis, int at, float *weights) {
    return Filter(plan, axis).taps(at, weights);
}
