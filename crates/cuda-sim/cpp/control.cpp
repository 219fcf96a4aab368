// What a test asks of the simulator, and what kernels ask while they run.
#include "control.h"

#include <cstring>

#include "simulator.h"

using namespace sim;

namespace {

// Whether the kernel said at its launch that it would touch these bytes this way.
bool declared(Launch &launch, Address base, std::size_t bytes, Use use) {
    if (bytes == 0) return true;
    for (const Span &span : launch.spans)
        if (span.use == use && span.base <= base && base + bytes <= span.end()) return true;
    launch.report->violation(Fault::undeclared_access,
                             text::join("kernel ", launch.name,
                                        use == Use::read ? " reads " : " writes ", bytes,
                                        " bytes at ", text::hex(base),
                                        " that its list of uses does not hold"));
    return false;
}

} // namespace

// Called by stubs only: a function that the simulator does not know.
extern "C" __attribute__((visibility("hidden"))) int cuda_sim_unsupported(const char *function) {
    Call call(function);
    call->report.violation(Fault::unsupported,
                           text::join(function, " is not simulated (CUDA_ERROR_NOT_SUPPORTED)"));
    return CUDA_ERROR_NOT_SUPPORTED;
}

void cuda_sim_begin(std::uint64_t seed) {
    Call call;
    begin(seed);
}

void cuda_sim_drain() {
    Call call;
    call->scheduler.drain();
}

void cuda_sim_register_kernel(const char *name, const cuda_sim_kernel *kernel, std::size_t n_params,
                              const std::size_t *param_bytes) {
    Call call;
    Sizes sizes(param_bytes, param_bytes + n_params);
    call->kernels.register_kernel(name, std::make_shared<Kernel>(*kernel, std::move(sizes)));
}

void cuda_sim_kernel_uses(void *uses, std::uint64_t address, std::size_t bytes, int is_write) {
    auto &spans = *static_cast<std::vector<Span> *>(uses);
    spans.push_back({address, bytes, is_write ? Use::write : Use::read});
}

int cuda_sim_kernel_read(void *memory, std::uint64_t from, void *to, std::size_t bytes) {
    if (!declared(*static_cast<Launch *>(memory), from, bytes, Use::read)) return 1;
    std::memcpy(to, reinterpret_cast<const void *>(from), bytes);
    return 0;
}

int cuda_sim_kernel_write(void *memory, std::uint64_t to, const void *from, std::size_t bytes) {
    if (!declared(*static_cast<Launch *>(memory), to, bytes, Use::write)) return 1;
    std::memcpy(reinterpret_cast<void *>(to), from, bytes);
    return 0;
}

int cuda_sim_host_use(std::uint64_t address, std::size_t bytes, int is_write) {
    Call call;
    const std::uint64_t before = call->report.counters["violations"];
    const Span span{address, bytes, is_write ? Use::write : Use::read};
    call->ordering.host_use(span, "access");
    return call->report.counters["violations"] == before ? 0 : 1;
}

std::uint64_t cuda_sim_open_window(std::uint64_t address, std::size_t bytes, int is_write) {
    Call call;
    return call->ordering.open_window({address, bytes, is_write ? Use::write : Use::read});
}

void cuda_sim_close_window(std::uint64_t window) {
    Call call;
    call->ordering.close_window(window);
}

void cuda_sim_ignore(const char *function, std::int64_t nth) {
    Call call;
    if (nth < 0)
        call->ignored_always.insert(function);
    else
        call->ignored[function].insert(call->report.counters[function] +
                                       static_cast<std::uint64_t>(nth));
}

void cuda_sim_refuse_launch(std::uint64_t nth) {
    Call call;
    call->refused_launches.insert(call->report.counters["cuLaunchKernel"] + nth);
}

void cuda_sim_refuse_module(int error) {
    Call call;
    call->refused_modules.push_back(static_cast<CUresult>(error));
}

void cuda_sim_limit_memory(int page_locked, std::uint64_t bytes) {
    Call call;
    call->memory.limit(page_locked ? Allocation::Kind::page_locked : Allocation::Kind::device,
                       bytes);
}

void cuda_sim_each_violation(void *user, void (*visit)(void *, int, const char *)) {
    Call call;
    for (const Violation &violation : call->report.violations)
        visit(user, static_cast<int>(violation.fault), violation.message.c_str());
}

void cuda_sim_each_counter(void *user, void (*visit)(void *, const char *, std::uint64_t)) {
    Call call;
    auto &counters = call->report.counters;
    counters["device_bytes"] = call->memory.live_bytes(Allocation::Kind::device);
    counters["device_peak_bytes"] = call->memory.peak_bytes(Allocation::Kind::device);
    counters["pool_taken_bytes"] = call->memory.pool_taken();
    counters["pool_released_bytes"] = call->memory.pool_released();
    counters["page_locked_bytes"] = call->memory.live_bytes(Allocation::Kind::page_locked);
    for (auto &[name, value] : counters) visit(user, name.c_str(), value);
}

void cuda_sim_each_allocation(void *user,
                              void (*visit)(void *, std::uint64_t, std::size_t, int)) {
    Call call;
    for (const Allocation *allocation : call->memory.live())
        visit(user, allocation->base, allocation->bytes, allocation->host_visible());
}
