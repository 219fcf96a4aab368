// The engine that runs plans on a CUDA device: the same plan bytes as the CPU engine, the same
// operations in the same order, the same bits. `launches.rs` says which kernels make a batch.
//
// Kernels are *block programs*: every loop over work goes in strides of the block, every phase ends
// in a barrier, and no thread knows its warp. The same source, compiled for the host, runs a block
// as one thread (`host.cc`): that is how it is tested where there is no device.
//
// Compiled without contraction: a fused product would have other bits. `build.rs` compiles one part at
// a time, each of which becomes a module.
#include "elastic.cuh"
#include "select.cuh"
#include "stage.cuh"
#include "widen.cuh"

// Threads of a block on the device.
#define THREADS 256
// Of one of a stage: on an H200 a sixth faster than twice as many, which more often wait for one another.
#define STAGE_THREADS 128
// Blocks of a multiprocessor, for 80 registers a thread: with fewer registers they would be spilled.
#define STAGE_BLOCKS 6

extern "C" {

#ifdef PART_STAGE_U8
__global__ void __launch_bounds__(STAGE_THREADS, STAGE_BLOCKS) stage_u8(const __grid_constant__ StageArgs args) {
    run_stage<uint8_t, AnyStage>(args, shared_memory(args.shared_bytes));
}
#endif

#ifdef PART_STAGE_PHOTO
__global__ void __launch_bounds__(STAGE_THREADS, STAGE_BLOCKS) stage_photo(const __grid_constant__ StageArgs args) {
    run_stage<uint8_t, PhotoStage>(args, shared_memory(args.shared_bytes));
}
#endif

#ifdef PART_STAGE_U16
__global__ void __launch_bounds__(STAGE_THREADS, STAGE_BLOCKS) stage_u16(const __grid_constant__ StageArgs args) {
    run_stage<uint16_t, AnyStage>(args, shared_memory(args.shared_bytes));
}
#endif

#ifdef PART_STAGE_F16
__global__ void __launch_bounds__(STAGE_THREADS, STAGE_BLOCKS) stage_f16(const __grid_constant__ StageArgs args) {
    run_stage<Half, AnyStage>(args, shared_memory(args.shared_bytes));
}
#endif

#ifdef PART_STAGE_F32
__global__ void __launch_bounds__(STAGE_THREADS, STAGE_BLOCKS) stage_f32(const __grid_constant__ StageArgs args) {
    run_stage<float, AnyStage>(args, shared_memory(args.shared_bytes));
}
#endif

#ifdef PART_OTHERS
__global__ void __launch_bounds__(THREADS) settle_statistic(const __grid_constant__ StageArgs args) {
    settle(args, shared_memory(args.shared_bytes));
}

__global__ void __launch_bounds__(THREADS) widen(const __grid_constant__ WidenArgs args) { widen_image(args); }

__global__ void __launch_bounds__(THREADS) draw_displacements(const __grid_constant__ ElasticArgs args) {
    draw_elastic(args);
}

__global__ void __launch_bounds__(THREADS) select_1(const __grid_constant__ SelectArgs args) {
    run_select<uint8_t>(args, shared_memory(args.shared_bytes));
}

__global__ void __launch_bounds__(THREADS) select_2(const __grid_constant__ SelectArgs args) {
    run_select<uint16_t>(args, shared_memory(args.shared_bytes));
}

__global__ void __launch_bounds__(THREADS) select_4(const __grid_constant__ SelectArgs args) {
    run_select<uint32_t>(args, shared_memory(args.shared_bytes));
}

__global__ void __launch_bounds__(THREADS) select_8(const __grid_constant__ SelectArgs args) {
    run_select<uint64_t>(args, shared_memory(args.shared_bytes));
}
#endif
}
