// Rows between the slab of a batch and the samples that stay on the device.
//
// Each row has two places, that of its own sample and that of its partner's; `which` says which of
// them a launch is about. A place of 0 or more is a sample that is brought into the slab, -1 leaves
// the row as it is, and -2 - i puts the row where sample i stays.

struct alignas(16) Quad {
    unsigned words[4];
};

template <class T>
__device__ __forceinline__ void move_row(const unsigned char *__restrict__ from, unsigned char *__restrict__ to,
                                         unsigned long long bytes) {
    unsigned long long stride = (unsigned long long)gridDim.x * blockDim.x;
    unsigned long long first = (unsigned long long)blockIdx.x * blockDim.x + threadIdx.x;
    // Unrolled, so that several loads of a thread run at once.
#pragma unroll 8
    for (unsigned long long i = first; i < bytes / sizeof(T); i += stride) {
        reinterpret_cast<T *>(to)[i] = reinterpret_cast<const T *>(from)[i];
    }
}

// Both begin on boundaries of 256 bytes, so a row is aligned as its length is.
extern "C" __global__ void move_rows(unsigned char *slab, unsigned char *samples, const long long *places,
                                     unsigned long long row_bytes, unsigned rows, unsigned which) {
    for (unsigned row = blockIdx.y; row < rows; row += gridDim.y) {
        long long place = places[2ull * row + which];
        if (place == -1) continue;
        unsigned char *in_slab = slab + row * row_bytes;
        unsigned char *in_samples = samples + (unsigned long long)(place < 0 ? -2 - place : place) * row_bytes;
        const unsigned char *from = place < 0 ? in_slab : in_samples;
        unsigned char *to = place < 0 ? in_samples : in_slab;
        if (row_bytes % 16 == 0) {
            move_row<Quad>(from, to, row_bytes);
        } else if (row_bytes % 4 == 0) {
            move_row<unsigned>(from, to, row_bytes);
        } else {
            move_row<unsigned char>(from, to, row_bytes);
        }
    }
}
