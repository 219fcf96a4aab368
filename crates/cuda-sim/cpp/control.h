// The interface of the simulator to a test, beside that of the driver; src/ffi.rs is its mirror.
#pragma once

#include <cstddef>
#include <cstdint>

#define SIM_EXPORT extern "C" __attribute__((visibility("default")))

// One launch as its kernel sees it: pointers to copies of the parameters, with their sizes.
struct cuda_sim_launch {
    const unsigned char *const *params;
    const std::size_t *param_bytes;
    std::size_t count;
    std::uint32_t grid[3];
    std::uint32_t block[3];
    std::uint32_t shared_bytes;
};

// A kernel that the host plays. `uses` is called at the launch and reports what the kernel touches
// through cuda_sim_kernel_uses; `run` is called when the adversary pleases, touches memory through
// cuda_sim_kernel_read and _write, and returns 0, or anything else for a failure. Neither may call
// the driver: both run under its lock.
struct cuda_sim_kernel {
    void *user;
    void (*uses)(void *user, const cuda_sim_launch *launch, void *uses);
    int (*run)(void *user, const cuda_sim_launch *launch, void *memory);
    void (*drop)(void *user);
};

// Starts anew with a seed: what is pending runs, all streams, events, modules, kernels and counts
// are forgotten. Memory that is still alive stays readable.
SIM_EXPORT void cuda_sim_begin(std::uint64_t seed);
SIM_EXPORT void cuda_sim_drain();

SIM_EXPORT void cuda_sim_register_kernel(const char *name, const cuda_sim_kernel *kernel,
                                         std::size_t n_params, const std::size_t *param_bytes);
SIM_EXPORT void cuda_sim_kernel_uses(void *uses, std::uint64_t address, std::size_t bytes,
                                     int is_write);
SIM_EXPORT int cuda_sim_kernel_read(void *memory, std::uint64_t from, void *to, std::size_t bytes);
SIM_EXPORT int cuda_sim_kernel_write(void *memory, std::uint64_t to, const void *from,
                                     std::size_t bytes);

// The host touches page-locked memory now. 0 when all was well.
SIM_EXPORT int cuda_sim_host_use(std::uint64_t address, std::size_t bytes, int is_write);
// The same for as long as the window that it names is open: no operation issued meanwhile may use
// the memory in conflict.
SIM_EXPORT std::uint64_t cuda_sim_open_window(std::uint64_t address, std::size_t bytes,
                                              int is_write);
SIM_EXPORT void cuda_sim_close_window(std::uint64_t window);
// The `nth` call (from 0) of a driver function from now on does nothing and succeeds; every call
// when `nth` is negative.
SIM_EXPORT void cuda_sim_ignore(const char *function, std::int64_t nth);
// The `nth` launch (from 0) from now on is refused.
SIM_EXPORT void cuda_sim_refuse_launch(std::uint64_t nth);
// The load of a module after those that are refused already returns this error.
SIM_EXPORT void cuda_sim_refuse_module(int error);
SIM_EXPORT void cuda_sim_limit_memory(int page_locked, std::uint64_t bytes);

SIM_EXPORT void cuda_sim_each_violation(void *user,
                                        void (*visit)(void *user, int fault, const char *message));
SIM_EXPORT void cuda_sim_each_counter(void *user, void (*visit)(void *user, const char *name,
                                                                std::uint64_t value));
SIM_EXPORT void cuda_sim_each_allocation(void *user,
                                         void (*visit)(void *user, std::uint64_t address,
                                                       std::size_t bytes, int page_locked));
