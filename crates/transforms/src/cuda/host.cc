// The kernels as functions of the host, for tests.
#include "host.h"

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#define PART_STAGE_PHOTO
#define PART_STAGE_U8
#define PART_STAGE_U16
#define PART_STAGE_F16
#define PART_STAGE_F32
#define PART_OTHERS
#include "engine.cu"

thread_local Dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace {

// A barrier of the threads of a block.
class Barrier {
  public:
    explicit Barrier(uint32_t threads) : threads(threads) {}

    void wait() {
        std::unique_lock<std::mutex> lock(mutex);
        uint64_t now = round;
        if (++arrived == threads) {
            arrived = 0;
            ++round;
            all.notify_all();
            return;
        }
        all.wait(lock, [&] { return round != now; });
    }

  private:
    std::mutex mutex;
    std::condition_variable all;
    uint32_t threads, arrived = 0;
    uint64_t round = 0;
};

// What the threads of a running block have together.
struct Block {
    Barrier barrier;
    std::vector<uint64_t> memory;
};

thread_local Block *block = nullptr;

template <class Args> using Kernel = void (*)(Args);

// Runs the blocks of a grid on one thread of each: a thread goes from block to block with the
// others, so that no thread waits at a barrier alone.
template <class Args>
void run_thread(Kernel<Args> kernel, const Args &args, Dim3 grid, Dim3 threads, uint32_t thread, Block *of) {
    gridDim = grid;
    blockDim = threads;
    threadIdx = {thread, 0, 0};
    block = of;
    for (uint32_t y = 0; y < grid.y; ++y) {
        for (uint32_t x = 0; x < grid.x; ++x) {
            blockIdx = {x, y, 0};
            kernel(args);
            __syncthreads();
        }
    }
}

template <class Args>
void run(Kernel<Args> kernel, const void *const *params, const uint32_t *grid, const uint32_t *threads,
         uint32_t shared_bytes) {
    Args args = *static_cast<const Args *>(params[0]);
    Dim3 blocks = {grid[0], grid[1], grid[2]}, of = {threads[0], 1, 1};
    // Each kernel finds there what the last one left, as on the device.
    Block shared = {Barrier(of.x), std::vector<uint64_t>(shared_bytes / 8 + 2, 0x7ff4deadbeef7fa1)};
    if (of.x == 1) return run_thread(kernel, args, blocks, of, 0, &shared);
    std::vector<std::thread> others;
    for (uint32_t thread = 0; thread < of.x; ++thread) {
        others.emplace_back(run_thread<Args>, kernel, std::cref(args), blocks, of, thread, &shared);
    }
    for (std::thread &other : others) other.join();
}

} // namespace

void __syncthreads() {
    if (blockDim.x > 1) block->barrier.wait();
}

char *shared_base() {
    char *memory = reinterpret_cast<char *>(block->memory.data());
    return memory + 16 - reinterpret_cast<uintptr_t>(memory) % 16;
}

#define HOST_KERNEL(name)                                                                                    \
    extern "C" void tallow_host_##name(const void *const *params, const uint32_t *grid,                     \
                                       const uint32_t *threads, uint32_t shared_bytes) {                    \
        run(name, params, grid, threads, shared_bytes);                                                      \
    }

HOST_KERNEL(stage_u8)
HOST_KERNEL(stage_photo)
HOST_KERNEL(stage_u16)
HOST_KERNEL(stage_f16)
HOST_KERNEL(stage_f32)
HOST_KERNEL(settle_statistic)
HOST_KERNEL(widen)
HOST_KERNEL(draw_displacements)
HOST_KERNEL(select_1)
HOST_KERNEL(select_2)
HOST_KERNEL(select_4)
HOST_KERNEL(select_8)

// The `f16` of `count` values of `f32`, whose bits are `first` and those that follow.
extern "C" void tallow_host_halves(uint32_t first, uint32_t count, uint16_t *made) {
    for (uint32_t at = 0; at < count; ++at) made[at] = to_half(bits_as<float>(first + at)).bits;
}
