// `kernels/math.rs` and the conversions of `kernels/convert.rs`, operation by operation: out of
// + - * / and integer bit tricks alone, so that both engines agree bit for bit.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

// A function of its own: the registers of long formulas are for those who ask for them. The
// compilers' own word for it is a macro of one and a keyword of the other.
#ifdef __CUDACC__
#define OUTLINED static __noinline__
#else
#define OUTLINED static inline
#endif

template <class To, class From> __device__ __forceinline__ To bits_as(From from) {
    static_assert(sizeof(To) == sizeof(From), "");
    To to;
    memcpy(&to, &from, sizeof(to));
    return to;
}

__device__ __forceinline__ float larger(float a, float b) { return a > b ? a : b; }

__device__ __forceinline__ float smaller(float a, float b) { return a < b ? a : b; }

// NaN and -0 stay.
__device__ __forceinline__ float clamp(float x, float low, float high) {
    return smaller(high, larger(low, x));
}

__device__ __forceinline__ int clamp(int x, int low, int high) {
    return x < low ? low : x > high ? high : x;
}

// 1.5 * 2^23: added and subtracted, it rounds an `f32` below 2^22 half to even.
constexpr float ROUND = 12582912.0f;
// 1.5 * 2^52, the same for `f64`.
constexpr double ROUND_F64 = 6755399441055744.0;

// The largest integer not above x, for |x| <= 2^22; never -0.
__device__ __forceinline__ float floor_of(float x) {
    float nearest = (x + ROUND) - ROUND;
    return nearest - (nearest > x ? 1.0f : 0.0f);
}

// `x` rounded half to even and saturated; NaN becomes 0.
__device__ __forceinline__ uint8_t to_u8(float x) {
    return uint8_t(bits_as<uint32_t>(smaller(larger(x, 0.0f), 255.0f) + 8388608.0f));
}

// The polynomial with coefficients `c`, lowest first, by Horner's rule.
template <class T, int N> __device__ __forceinline__ T horner(const T (&c)[N], T x) {
    T sum = c[N - 1];
#pragma unroll
    for (int i = N - 2; i >= 0; --i) sum = sum * x + c[i];
    return sum;
}

constexpr uint32_t HALF_ROOT = 0x3f3504f3;
constexpr uint64_t HALF_ROOT_F64 = 0x3fe6a09e667f3bcd;

// The natural logarithm of a normal x > 0.
__device__ __forceinline__ float ln(float x) {
    constexpr float LN[] = {0.33333316f, -0.25000796f, 0.20002283f, -0.1662497f,
                            0.14181422f, -0.13125293f, 0.12879188f, -0.07865443f};
    uint32_t bits = bits_as<uint32_t>(x) + (0x3f800000 - HALF_ROOT);
    float exponent = float(int(bits >> 23) - 127);
    float t = bits_as<float>((bits & 0x007fffff) + HALF_ROOT) - 1.0f;
    float square = t * t;
    float tail = square * (t * horner(LN, t)) - 0.5f * square;
    return exponent * 0.6933594f + (t + (tail + exponent * -2.1219444e-4f));
}

// The sine and cosine of `u` turns.
__device__ __forceinline__ void sin_cos_turns(float u, float &sin, float &cos) {
    constexpr float SIN[] = {1.5707964f, -0.6459635f, 0.07968023f, -0.004602177f};
    constexpr float COS[] = {-1.2337005f, 0.2536694f, -0.020861529f, 0.0009067435f};
    float quarters = u * 4.0f;
    float shifted = quarters + ROUND;
    uint32_t quadrant = bits_as<uint32_t>(shifted);
    float r = quarters - (shifted - ROUND);
    float z = r * r;
    float s = r * horner(SIN, z), c = 1.0f + z * horner(COS, z);
    bool odd = (quadrant & 1) == 1;
    uint32_t a = bits_as<uint32_t>(odd ? c : s), b = bits_as<uint32_t>(odd ? s : c);
    sin = bits_as<float>(a ^ ((quadrant << 30) & 0x80000000));
    cos = bits_as<float>(b ^ (((quadrant + 1) << 30) & 0x80000000));
}

// The base-2 logarithm of a normal x > 0.
__device__ __forceinline__ double log2_of(double x) {
    constexpr double LOG2[] = {2.885390081790147, 0.9617966732756938, 0.5770835961807842,
                               0.41167210984621644, 0.3407404476557951};
    uint64_t bits = bits_as<uint64_t>(x) + (0x3ff0000000000000 - HALF_ROOT_F64);
    double exponent = bits_as<double>(0x4330000000000000 | (bits >> 52));
    exponent = exponent - (4503599627370496.0 + 1023.0);
    double m = bits_as<double>((bits & 0x000fffffffffffff) + HALF_ROOT_F64);
    double s = (m - 1.0) / (m + 1.0);
    return exponent + s * horner(LOG2, s * s);
}

// 2^z; z is limited to [-1000, 1000].
__device__ __forceinline__ double exp2_of(double z) {
    constexpr double EXP2[] = {0.6931471805537177,   0.24022650922335245,    0.05550410928749263,
                               0.009618056671118811, 0.0013333454557935447,  0.00015461447075348965,
                               1.5310078054966933e-05};
    z = z > -1000.0 ? z : -1000.0;
    z = z < 1000.0 ? z : 1000.0;
    double shifted = z + ROUND_F64;
    double r = z - (shifted - ROUND_F64);
    double scale = bits_as<double>((bits_as<uint64_t>(shifted) << 52) + 0x3ff0000000000000);
    return (1.0 + r * horner(EXP2, r)) * scale;
}

// x^y for x >= 0 and finite y; x below 0 counts as 0, and NaN stays.
__device__ __forceinline__ double pow_of(double x, double y) {
    double power = exp2_of(y * log2_of(x));
    double of_zero = y > 0.0 ? 0.0 : 1.0;
    double of_others = x != x ? x : of_zero;
    return x > 0.0 ? power : of_others;
}

// An `f16` and a `bf16`, as their bits.
struct Half {
    uint16_t bits;
};

struct Brain {
    uint16_t bits;
};

// The `f16` nearest to `x`, ties to even.
__device__ __forceinline__ Half to_half(float x) {
    uint32_t bits = bits_as<uint32_t>(x);
    uint32_t sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
    uint32_t odd = (magnitude >> 13) & 1;
    uint32_t normal = (magnitude + 0xc8000fffu + odd) >> 13;
    uint32_t subnormal = bits_as<uint32_t>(bits_as<float>(magnitude) + 0.5f) - 0x3f000000u;
    uint32_t nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
    uint32_t finite = magnitude < 0x38800000 ? subnormal : normal;
    uint32_t infinite = magnitude > 0x7f800000 ? nan : 0x7c00;
    return {uint16_t(sign | (magnitude < 0x47800000 ? finite : infinite))};
}

// Two of them, the second in the upper bits. Devices from 8.0 on have an instruction that rounds alike,
// subnormal numbers and infinities included; only of NaN it makes one of its own.
__device__ __forceinline__ uint32_t halves(float first, float second) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
    uint32_t both;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    return both;
#else
    return to_half(first).bits | uint32_t(to_half(second).bits) << 16;
#endif
}

// The `bf16` nearest to `x`, ties to even.
__device__ __forceinline__ Brain to_brain(float x) {
    uint32_t bits = bits_as<uint32_t>(x);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    uint32_t nan = (bits >> 16) | 0x40;
    return {uint16_t((bits & 0x7fffffff) > 0x7f800000 ? nan : rounded)};
}

// A byte as the lowest bits of 2^23 is added to it: conversions of integers are slow on some devices.
__device__ __forceinline__ float to_f32(uint8_t x) { return bits_as<float>(0x4b000000u | x) - 8388608.0f; }

__device__ __forceinline__ float to_f32(uint16_t x) { return float(x); }

__device__ __forceinline__ float to_f32(float x) { return x; }

__device__ __forceinline__ float to_f32(Brain x) { return bits_as<float>(uint32_t(x.bits) << 16); }

// Rounded to nearest, ties to even.
__device__ __forceinline__ float to_f32(double x) { return float(x); }

__device__ __forceinline__ float to_f32(int16_t x) { return float(x); }

__device__ __forceinline__ float to_f32(int32_t x) { return float(x); }

__device__ __forceinline__ float to_f32(int64_t x) { return float(x); }

__device__ __forceinline__ float to_f32(uint32_t x) { return float(x); }

__device__ __forceinline__ float to_f32(Half x) {
    uint32_t bits = x.bits;
    uint32_t sign = (bits & 0x8000) << 16, magnitude = (bits & 0x7fff) << 13;
    uint32_t finite = bits_as<uint32_t>(bits_as<float>(magnitude) * bits_as<float>(0x77800000u));
    uint32_t special = magnitude | 0x7f800000;
    special = magnitude > 0x0f800000 ? special | 0x00400000 : special;
    return bits_as<float>(sign | (magnitude >= 0x0f800000 ? special : finite));
}
