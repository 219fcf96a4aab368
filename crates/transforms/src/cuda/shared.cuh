// The dynamic shared memory of a block, divided from its beginning.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
// The element at byte `at` of it. Parts are kept as such places and not as pointers, of which the
// compiler would not know that they are shared.
template <class T> __device__ __forceinline__ T *shared_at(int at) {
    extern __shared__ __align__(16) char memory[];
    return reinterpret_cast<T *>(memory + at);
}
#else
char *shared_base();

template <class T> inline T *shared_at(int at) { return reinterpret_cast<T *>(shared_base() + at); }
#endif

// What the taps of a strip may take, and tiles of one at most: as `launches.rs` has it.
constexpr int TAPS_BYTES = 10 << 10;
constexpr int STRIP_TILES = 8;

struct Shared {
    int next, end;

    // The place of the next `count` elements, on a boundary of 16 bytes.
    template <class T> __device__ __forceinline__ int take(int count) {
        int taken = next;
        next += (count * int(sizeof(T)) + 15) / 16 * 16;
        return taken;
    }

    // The next element.
    template <class T> __device__ __forceinline__ T &take_one() { return *shared_at<T>(take<T>(1)); }

    // How many elements are left.
    template <class T> __device__ __forceinline__ int left() const { return (end - next) / int(sizeof(T)); }
};

// All that a launch asked for.
__device__ __forceinline__ Shared shared_memory(uint32_t bytes) { return {0, int(bytes)}; }
