// The loader's kernel as a function of the host, in whole blocks whose accesses are watched. Compiled with
// `-fsanitize=thread`.
#include "../../transforms/src/cuda/whole_blocks.h"

#define __global__

namespace whole_blocks {

#include "../../loader/src/cuda/move_rows.cu"

// Parameters are constants of the launch.
#define UNWATCHED __attribute__((no_sanitize_thread))

template <class T> UNWATCHED static T param(const void *params, int i) {
    return *static_cast<const T *>(static_cast<const void *const *>(params)[i]);
}

UNWATCHED static void call(const void *params) {
    move_rows(param<unsigned char *>(params, 0), param<unsigned char *>(params, 1),
              param<const long long *>(params, 2), param<unsigned long long>(params, 3),
              param<unsigned>(params, 4), param<unsigned>(params, 5));
}

} // namespace whole_blocks

extern "C" UNWATCHED uint64_t tallow_watched_move_rows(
    const void *const *params, const whole_blocks::Watched *launch, char *report, uint64_t room) {
    return whole_blocks::watch(whole_blocks::call, params, *launch, report, room);
}
