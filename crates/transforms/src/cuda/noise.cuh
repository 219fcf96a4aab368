// Numbers of Philox4x32-10 for each element: `kernels/noise.rs`.
#pragma once

#include "math.cuh"
#include "plan.cuh"

struct Noise {
    NoiseKey of;
    uint32_t stream;

    // The four words of a block, as two pairs.
    __device__ __forceinline__ void block(uint32_t at, uint32_t (&words)[4]) const {
        uint32_t k0 = of.key[0], k1 = of.key[1];
        uint32_t c0 = at, c1 = stream, c2 = of.index[0], c3 = of.index[1];
#pragma unroll
        for (int round = 0; round < 10; ++round) {
            uint64_t p0 = uint64_t(c0) * 0xD2511F53u, p1 = uint64_t(c2) * 0xCD9E8D57u;
            c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
            c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
            c1 = uint32_t(p1);
            c3 = uint32_t(p0);
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        words[0] = c0, words[1] = c1, words[2] = c2, words[3] = c3;
    }

    // Number `at` and its neighbour of the same pair: of even and odd place.
    __device__ __forceinline__ void pair(uint32_t at, uint32_t &even, uint32_t &odd) const {
        uint32_t words[4];
        block(at / 4, words);
        bool second = (at & 2) != 0;
        even = second ? words[2] : words[0];
        odd = second ? words[3] : words[1];
    }
};

// 2^-24, the step of uniform numbers.
constexpr float STEP = 1.0f / 16777216.0f;

// `u` as a multiple of 2^-24 in [0, 1).
__device__ __forceinline__ float unit(uint32_t u) { return float(int(u >> 8)) * STEP; }

// Element `at` of a row of uniform numbers.
__device__ __forceinline__ float uniform(const Noise &noise, uint32_t at) {
    uint32_t even, odd;
    noise.pair(at, even, odd);
    return unit(at & 1 ? odd : even);
}

// Element `at` of a row of normals, by Box and Muller.
__device__ OUTLINED float normal(Noise noise, uint32_t at) {
    uint32_t even, odd;
    noise.pair(at, even, odd);
    float r = sqrtf(-2.0f * ln(unit(even) + STEP));
    float sin, cos;
    sin_cos_turns(unit(odd), sin, cos);
    return r * (at & 1 ? sin : cos);
}
