// The kernels as functions of the host whose accesses are watched. Compiled with `-fsanitize=thread`.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <new>
#include <type_traits>

#include "whole_blocks.h"

#define PART_STAGE_PHOTO
#define PART_STAGE_U8
#define PART_STAGE_U16
#define PART_STAGE_F16
#define PART_STAGE_F32
#define PART_OTHERS

// Names of their own: what the linker took for the same functions, without the watch, would take
// their place.
#define __global__ static
#define __syncthreads() barrier(__FILE__, __LINE__)

namespace whole_blocks {

#include "engine.cu"

// The struct is a constant of the launch.
template <class Args, void (*KERNEL)(Args)>
__attribute__((no_sanitize_thread)) void call(const void *args) {
    KERNEL(*static_cast<const Args *>(args));
}

} // namespace whole_blocks

// Not watched themselves: they run while another launch may be.
#define WATCHED(name, Args)                                                                                  \
    extern "C" __attribute__((no_sanitize_thread)) uint64_t tallow_watched_##name(                          \
        const void *const *params, const whole_blocks::Watched *launch, char *report, uint64_t room) {      \
        using namespace whole_blocks;                                                                        \
        return watch(call<const Args, name>, params[0], *launch, report, room);                              \
    }

WATCHED(stage_u8, StageArgs)
WATCHED(stage_photo, StageArgs)
WATCHED(stage_u16, StageArgs)
WATCHED(stage_f16, StageArgs)
WATCHED(stage_f32, StageArgs)
WATCHED(settle_statistic, StageArgs)
WATCHED(widen, WidenArgs)
WATCHED(draw_displacements, ElasticArgs)
WATCHED(select_1, SelectArgs)
WATCHED(select_2, SelectArgs)
WATCHED(select_4, SelectArgs)
WATCHED(select_8, SelectArgs)
