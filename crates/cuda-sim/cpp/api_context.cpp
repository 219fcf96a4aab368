// Driver functions about the driver, the device, its primary context and its memory pool.
#include <algorithm>
#include <cstring>

#include "simulator.h"

using namespace sim;

namespace {

constexpr int DRIVER_VERSION = 13000;
// The handle of the default pool of device 0; the others follow.
constexpr CUmemoryPool DEFAULT_POOL = 0x200;
constexpr const char *DEVICE_NAMES[DEVICES] = {"Simulated CUDA device", "Second simulated CUDA device"};

int attribute(int which) {
    switch (which) {
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Y: return 1024;
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_Z: return 64;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_X: return 2147483647;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Y: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_GRID_DIM_Z: return 65535;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK: return 48 << 10;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE: return 32;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: return 132;
    case CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT: return 3;
    case CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING: return 1;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR: return 9;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR: return 0;
    case CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED: return 1;
    default: return 0;
    }
}

struct ErrorText {
    int code;
    const char *name;
    const char *text;
};

constexpr ErrorText ERRORS[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_UNSUPPORTED_PTX_VERSION, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_STREAM_CAPTURE_UNMATCHED, "CUDA_ERROR_STREAM_CAPTURE_UNMATCHED",
     "the capture was not initiated in this stream"},
    {CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
     "dependency created on uncaptured work in another stream"},
    {CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD, "CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD",
     "attempt to terminate a thread-local capture sequence from another thread"},
    {CUDA_ERROR_FILE_NOT_FOUND, "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_CONTEXT_IS_DESTROYED, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
};

CUresult error_text(int code, const char *ErrorText::*field, const char **text) {
    for (const ErrorText &error : ERRORS) {
        if (error.code != code) continue;
        *text = error.*field;
        return CUDA_SUCCESS;
    }
    *text = nullptr;
    return CUDA_ERROR_INVALID_VALUE;
}

CUresult check(CUdevice device) {
    return device >= 0 && device < DEVICES ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
}

Device &at(const Call &call, CUdevice device) {
    return call->devices[static_cast<std::size_t>(device)];
}

CUresult device_of(CUmemoryPool pool, CUdevice &device) {
    device = static_cast<CUdevice>(pool - DEFAULT_POOL);
    return pool < DEFAULT_POOL ? CUDA_ERROR_INVALID_VALUE : check(device);
}

} // namespace

// Looks at no state, and reports of errors must not run anything: no `Call`.
DRIVER_API cuGetErrorName(int error, const char **name) {
    return error_text(error, &ErrorText::name, name);
}

DRIVER_API cuGetErrorString(int error, const char **text) {
    return error_text(error, &ErrorText::text, text);
}

DRIVER_API cuInit(unsigned) {
    Call call(__func__);
    return CUDA_SUCCESS;
}

DRIVER_API cuDriverGetVersion(int *version) {
    *version = DRIVER_VERSION;
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceGetCount(int *count) {
    *count = DEVICES;
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceGet(CUdevice *device, int ordinal) {
    RETURN_IF_ERROR(check(ordinal));
    *device = ordinal;
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceGetName(char *name, int bytes, CUdevice device) {
    RETURN_IF_ERROR(check(device));
    if (bytes <= 0) return CUDA_ERROR_INVALID_VALUE;
    std::strncpy(name, DEVICE_NAMES[device], static_cast<std::size_t>(bytes) - 1);
    name[bytes - 1] = 0;
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceGetUuid_v2(unsigned char uuid[16], CUdevice device) {
    RETURN_IF_ERROR(check(device));
    std::memset(uuid, 0x51 + device, 16);
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceTotalMem_v2(std::size_t *bytes, CUdevice device) {
    RETURN_IF_ERROR(check(device));
    *bytes = Memory::DEVICE_BYTES;
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceGetAttribute(int *value, int which, CUdevice device) {
    RETURN_IF_ERROR(check(device));
    *value = attribute(which);
    return CUDA_SUCCESS;
}

DRIVER_API cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
    Call call(__func__);
    RETURN_IF_ERROR(check(device));
    at(call, device).context_users += 1;
    *context = at(call, device).context;
    return CUDA_SUCCESS;
}

DRIVER_API cuDevicePrimaryCtxRelease_v2(CUdevice device) {
    Call call(__func__);
    RETURN_IF_ERROR(check(device));
    // An object of an earlier simulation lets go of a context that is no more.
    unsigned &users = at(call, device).context_users;
    if (users == 0) return CUDA_ERROR_INVALID_CONTEXT;
    users -= 1;
    if (users == 0) call->scheduler.finish_device(device);
    return CUDA_SUCCESS;
}

DRIVER_API cuCtxGetCurrent(CUcontext *context) {
    Call call(__func__);
    *context = call.current_context();
    return CUDA_SUCCESS;
}

DRIVER_API cuCtxSetCurrent(CUcontext context) {
    Call call(__func__);
    const auto is_it = [=](const Device &device) { return device.context == context; };
    const auto &devices = call->devices;
    if (context != 0 && std::none_of(devices.begin(), devices.end(), is_it))
        return call.invalid("context", context);
    call.current_context() = context;
    return CUDA_SUCCESS;
}

DRIVER_API cuCtxGetDevice(CUdevice *device) {
    Call call(__func__);
    return call.need_context("it asks for the device of that context", *device);
}

DRIVER_API cuCtxSetFlags(unsigned) {
    Call call(__func__);
    return call.need_context("it sets the flags of that context");
}

DRIVER_API cuCtxGetStreamPriorityRange(int *least, int *greatest) {
    *least = 0;
    *greatest = -5;
    return CUDA_SUCCESS;
}

DRIVER_API cuCtxSynchronize() {
    Call call(__func__);
    int device = 0;
    RETURN_IF_ERROR(call.need_context("it waits for the work of that context", device));
    RETURN_IF_ERROR(call.spare_captures());
    if (call.ignored()) return CUDA_SUCCESS;
    call->scheduler.finish_device(device);
    call->trim(device);
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device) {
    RETURN_IF_ERROR(check(device));
    *pool = DEFAULT_POOL + static_cast<CUmemoryPool>(device);
    return CUDA_SUCCESS;
}

DRIVER_API cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device) {
    return cuDeviceGetDefaultMemPool(pool, device);
}

// Only the release threshold changes anything: what is freed is always reused as early as all the
// rules for reuse together allow.
DRIVER_API cuMemPoolSetAttribute(CUmemoryPool pool, int which, void *value) {
    Call call(__func__);
    CUdevice device = 0;
    RETURN_IF_ERROR(device_of(pool, device));
    if (which == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD)
        at(call, device).release_threshold = *static_cast<std::uint64_t *>(value);
    return CUDA_SUCCESS;
}

DRIVER_API cuMemPoolGetAttribute(CUmemoryPool pool, int which, void *value) {
    Call call(__func__);
    CUdevice device = 0;
    RETURN_IF_ERROR(device_of(pool, device));
    const Memory &memory = call->memory;
    auto &number = *static_cast<std::uint64_t *>(value);
    switch (which) {
    case CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC:
    case CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES: *static_cast<int *>(value) = 1; break;
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD: number = at(call, device).release_threshold; break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT: number = memory.pool_bytes(device); break;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT: number = memory.device_bytes(device); break;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        number = memory.peak_bytes(Allocation::Kind::device);
        break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

DRIVER_API cuMemPoolTrimTo(CUmemoryPool pool, std::size_t keep) {
    Call call(__func__);
    CUdevice device = 0;
    RETURN_IF_ERROR(device_of(pool, device));
    call->memory.trim(device, keep, call->scheduler);
    return CUDA_SUCCESS;
}

DRIVER_API cuMemGetInfo_v2(std::size_t *free, std::size_t *total) {
    Call call(__func__);
    int device = 0;
    RETURN_IF_ERROR(call.need_context("it asks for the memory of that context's device", device));
    *total = Memory::DEVICE_BYTES;
    *free = call->memory.limit(Allocation::Kind::device) -
            call->memory.device_bytes(device);
    return CUDA_SUCCESS;
}
