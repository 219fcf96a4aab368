// The words of CUDA C++ that the kernels use, for a compiler that knows none of them.
#pragma once

#include <cmath>
#include <cstdint>

#define __device__
#define __host__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)

struct Dim3 {
    uint32_t x, y, z;
};
