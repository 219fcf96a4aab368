// Driver functions about modules and launches.
#include <fstream>
#include <iterator>

#include "simulator.h"

using namespace sim;

namespace {

struct Shape {
    std::uint32_t grid[3];
    std::uint32_t block[3];
    std::uint32_t shared_bytes;
};

// What a kernel that no test registered may touch: every allocation whose address is among its
// parameters, all of it, for reading and writing. Only PTX text tells which parameters there are.
std::vector<Span> suspected_uses(const Call &call, const Sizes &sizes, void **values) {
    std::vector<Span> uses;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        if (sizes[i] != sizeof(Address)) continue;
        const Address address = *static_cast<const Address *>(values[i]);
        const Allocation *allocation = call->memory.find(address);
        if (allocation && address < allocation->end())
            uses.push_back({allocation->base, allocation->bytes, Use::write});
    }
    return uses;
}

void report_failure(const Call &call, const char *kernel, const char *why) {
    call->report.violation(Fault::kernel_failed, text::join("kernel ", kernel, ": ", why));
}

void run(Launch &launch) {
    launch.report->counters[std::string("run:") + launch.name] += 1;
    const cuda_sim_kernel &calls = launch.kernel->calls;
    if (calls.run(calls.user, &launch.view(), &launch) != 0)
        launch.report->violation(Fault::kernel_failed,
                                 text::join("kernel ", launch.name, " panicked"));
}

CUresult launch_registered(const Call &call, Stream &stream, const char *name,
                           std::shared_ptr<Kernel> kernel, const Shape &shape, void **values) {
    auto launch = std::make_shared<Launch>(kernel->param_bytes, values, shape.grid, shape.block,
                                           shape.shared_bytes);
    launch->kernel = kernel;
    launch->name = name;
    launch->report = &call->report;
    kernel->calls.uses(kernel->calls.user, &launch->view(), &launch->spans);
    const bool sound = call->submit(stream, name, launch->spans, [launch] { run(*launch); });
    if (!sound) report_failure(call, name, "left out, for it would leave its memory");
    return CUDA_SUCCESS;
}

CUresult launch(const Call &call, CUfunction handle, const Shape &shape, CUstream stream_handle,
                void **values, void **extra) {
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(stream_handle, stream));
    const Function *function = call->kernels.find(handle);
    if (!function) return call.invalid("function", handle);
    RETURN_IF_ERROR(call.need_device("a kernel", function->device, *stream));
    for (int axis = 0; axis < 3; ++axis)
        if (shape.grid[axis] == 0 || shape.block[axis] == 0) return CUDA_ERROR_INVALID_VALUE;
    call->report.counters[std::string("launch:") + function->name] += 1;
    if (extra) report_failure(call, function->name, "parameters in one buffer are not simulated");
    if (auto kernel = call->kernels.registered(function->name))
        return launch_registered(call, *stream, function->name, kernel, shape, values);
    std::vector<Span> uses;
    if (function->param_bytes && !extra) uses = suspected_uses(call, *function->param_bytes, values);
    call->submit(*stream, function->name, uses, [] {});
    return CUDA_SUCCESS;
}

} // namespace

DRIVER_API cuModuleLoadData(CUmodule *module, const void *image) {
    Call call(__func__);
    int device = 0;
    RETURN_IF_ERROR(call.need_context("the module belongs to that context", device));
    RETURN_IF_ERROR(call.spare_captures());
    if (!call->refused_modules.empty()) {
        const CUresult refused = call->refused_modules.front();
        call->refused_modules.pop_front();
        return refused;
    }
    *module = call->kernels.load(ptx_text(image), device);
    return CUDA_SUCCESS;
}

DRIVER_API cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned, int *, void **) {
    return cuModuleLoadData(module, image);
}

DRIVER_API cuModuleLoad(CUmodule *module, const char *path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return CUDA_ERROR_FILE_NOT_FOUND;
    const std::string image((std::istreambuf_iterator<char>(file)), {});
    return cuModuleLoadData(module, image.c_str());
}

DRIVER_API cuModuleUnload(CUmodule module) {
    Call call(__func__);
    return call->kernels.unload(module) ? CUDA_SUCCESS : call.invalid("module", module);
}

DRIVER_API cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
    Call call(__func__);
    if (!call->kernels.loaded(module)) return call.invalid("module", module);
    *function = call->kernels.function(module, name);
    return *function ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

DRIVER_API cuFuncGetAttribute(int *value, int, CUfunction) {
    Call call(__func__);
    *value = 1024;
    return CUDA_SUCCESS;
}

DRIVER_API cuFuncSetAttribute(CUfunction, int, int) {
    Call call(__func__);
    return CUDA_SUCCESS;
}

DRIVER_API cuFuncSetCacheConfig(CUfunction, int) {
    Call call(__func__);
    return CUDA_SUCCESS;
}

DRIVER_API cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                          unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared,
                          CUstream stream, void **params, void **extra) {
    Call call(__func__);
    const std::uint64_t number = call->report.counters[call.function()] - 1;
    if (call->refused_launches.count(number)) return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    const Shape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared};
    return launch(call, function, shape, stream, params, extra);
}

DRIVER_API cuLaunchCooperativeKernel(CUfunction function, unsigned grid_x, unsigned grid_y,
                                     unsigned grid_z, unsigned block_x, unsigned block_y,
                                     unsigned block_z, unsigned shared, CUstream stream,
                                     void **params) {
    Call call(__func__);
    const Shape shape{{grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared};
    return launch(call, function, shape, stream, params, nullptr);
}
