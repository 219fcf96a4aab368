// Driver functions that allocate, free, fill and copy memory.
#include <cstring>

#include "simulator.h"

using namespace sim;

namespace {

constexpr const char *SYNC_STREAM = "it uses the legacy stream of that context";

void *pointer(Address address) { return reinterpret_cast<void *>(address); }

Address address(const void *pointer) { return reinterpret_cast<Address>(pointer); }

Span whole(const Allocation &allocation, Use use) {
    return {allocation.base, allocation.bytes, use};
}

// The live allocation that begins at `base`, or null and a violation.
Allocation *freeable(const Call &call, Address base) {
    Allocation *allocation = call->memory.find(base);
    if (allocation && allocation->base == base && !allocation->freed) return allocation;
    call->report.violation(
        Fault::invalid_free,
        text::join(call.function(), " of ", text::hex(base), ", which ",
                   !allocation        ? "is in no allocation"
                   : allocation->freed ? "was freed before: " + allocation->name()
                                       : "is inside " + allocation->name()));
    return nullptr;
}

CUresult allocate_now(const Call &call, Allocation::Kind kind, std::size_t bytes, Address *base) {
    int device = 0;
    RETURN_IF_ERROR(call.need_context("the memory belongs to that context", device));
    RETURN_IF_ERROR(call.spare_captures());
    if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
    Allocation *allocation = call->memory.allocate(kind, device, bytes, nullptr, call->scheduler);
    if (!allocation) return CUDA_ERROR_OUT_OF_MEMORY;
    poison(allocation->base, bytes, POISON_FRESH);
    *base = allocation->base;
    return CUDA_SUCCESS;
}

// Real drivers often wait for all work here. None says that it does, so the host must have waited.
CUresult free_now(const Call &call, Address base) {
    RETURN_IF_ERROR(call.need_context("the memory belongs to that context"));
    RETURN_IF_ERROR(call.spare_captures());
    if (base == 0) return CUDA_SUCCESS;
    Allocation *allocation = freeable(call, base);
    if (!allocation) return CUDA_ERROR_INVALID_VALUE;
    call->ordering.host_use(whole(*allocation, Use::release), call.function());
    poison(base, allocation->bytes, POISON_FREED);
    call->memory.release(*allocation, {});
    return CUDA_SUCCESS;
}

CUresult fill(const Call &call, CUstream handle, Address to, std::uint64_t pattern,
              std::size_t width, std::size_t count) {
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    const Span span{to, width * count, Use::write};
    const bool sound = call->submit(*stream, call.function(), {span}, [=] {
        for (std::size_t i = 0; i < count; ++i)
            std::memcpy(pointer(to + i * width), &pattern, width);
    });
    return sound ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// Memory that the simulator tracks, as opposed to the pageable memory of the client.
bool tracked(const Call &call, Address address) { return call->memory.find(address) != nullptr; }

bool on_device(const Call &call, Address address) {
    const Allocation *allocation = call->memory.find(address);
    return allocation && !allocation->host_visible();
}

void count_copy(const Call &call, Address to, Address from, std::size_t bytes) {
    const bool to_device = on_device(call, to), from_device = on_device(call, from);
    const char *way = to_device && from_device ? "bytes_on_device"
                      : to_device              ? "bytes_to_device"
                      : from_device            ? "bytes_to_host"
                                               : "bytes_on_host";
    call->report.counters[way] += bytes;
}

enum class Waits { no, for_page_locked };

// A copy in a stream. The source is read when it runs, unless it is pageable: that is staged now.
// A copy to pageable memory is over when the call returns.
CUresult copy(const Call &call, CUstream handle, Address to, Address from, std::size_t bytes,
              Waits waits = Waits::no) {
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    if (bytes == 0) return CUDA_SUCCESS;
    count_copy(call, to, from, bytes);
    std::vector<Span> uses;
    if (tracked(call, from)) uses.push_back({from, bytes, Use::read});
    if (tracked(call, to)) uses.push_back({to, bytes, Use::write});
    std::function<void()> run = [=] { std::memmove(pointer(to), pointer(from), bytes); };
    if (!tracked(call, from)) {
        const auto *source = static_cast<const unsigned char *>(pointer(from));
        std::vector<unsigned char> staged(source, source + bytes);
        run = [to, staged] { std::memcpy(pointer(to), staged.data(), staged.size()); };
    }
    const bool sound = call->submit(*stream, call.function(), uses, std::move(run));
    const bool host_side = !on_device(call, to) || !on_device(call, from);
    if (!tracked(call, to) || (waits == Waits::for_page_locked && tracked(call, from) && host_side))
        call->finish(*stream);
    return sound ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

// A function that says which side is the device: an address there that no allocation holds is an
// error of the client, and must not be taken for memory of its own.
CUresult require_device(const Call &call, Address device, std::size_t bytes) {
    if (bytes == 0 || tracked(call, device)) return CUDA_SUCCESS;
    call->report.violation(Fault::out_of_bounds,
                           text::join(call.function(), " of ", bytes, " bytes at ",
                                      text::hex(device), ", which is in no allocation"));
    return CUDA_ERROR_INVALID_VALUE;
}

} // namespace

DRIVER_API cuMemAlloc_v2(CUdeviceptr *memory, std::size_t bytes) {
    Call call(__func__);
    Address base = 0;
    RETURN_IF_ERROR(allocate_now(call, Allocation::Kind::device, bytes, &base));
    *memory = base;
    return CUDA_SUCCESS;
}

DRIVER_API cuMemFree_v2(CUdeviceptr memory) {
    Call call(__func__);
    return free_now(call, memory);
}

DRIVER_API cuMemHostAlloc(void **memory, std::size_t bytes, unsigned) {
    Call call(__func__);
    Address base = 0;
    RETURN_IF_ERROR(allocate_now(call, Allocation::Kind::page_locked, bytes, &base));
    *memory = pointer(base);
    return CUDA_SUCCESS;
}

DRIVER_API cuMemAllocHost_v2(void **memory, std::size_t bytes) {
    return cuMemHostAlloc(memory, bytes, 0);
}

DRIVER_API cuMemFreeHost(void *memory) {
    Call call(__func__);
    return free_now(call, address(memory));
}

DRIVER_API cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *host, unsigned) {
    Call call(__func__);
    *device = address(host);
    return tracked(call, address(host)) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

DRIVER_API cuMemHostRegister_v2(void *memory, std::size_t bytes, unsigned) {
    Call call(__func__);
    RETURN_IF_ERROR(call.need_context("the memory is registered with that context"));
    RETURN_IF_ERROR(call.spare_captures());
    if (bytes == 0 || tracked(call, address(memory))) return CUDA_ERROR_INVALID_VALUE;
    call->memory.adopt(address(memory), bytes);
    return CUDA_SUCCESS;
}

DRIVER_API cuMemHostUnregister(void *memory) {
    Call call(__func__);
    RETURN_IF_ERROR(call.spare_captures());
    Allocation *allocation = freeable(call, address(memory));
    if (!allocation || allocation->kind != Allocation::Kind::registered)
        return CUDA_ERROR_INVALID_VALUE;
    call->ordering.host_use(whole(*allocation, Use::release), call.function());
    call->memory.disown(allocation->base);
    return CUDA_SUCCESS;
}

// No memory for no bytes: the address is null, and freeing null does nothing.
DRIVER_API cuMemAllocAsync(CUdeviceptr *memory, std::size_t bytes, CUstream handle) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    *memory = 0;
    if (bytes == 0) return CUDA_SUCCESS;
    const Allocation *allocation =
        call->memory.allocate(Allocation::Kind::device, stream->device, bytes, stream,
                              call->scheduler);
    if (!allocation) return CUDA_ERROR_OUT_OF_MEMORY;
    const Address base = allocation->base;
    call->submit(*stream, __func__, {whole(*allocation, Use::allocate)},
                 [=] { poison(base, bytes, POISON_FRESH); });
    *memory = base;
    return CUDA_SUCCESS;
}

DRIVER_API cuMemAllocFromPoolAsync(CUdeviceptr *memory, std::size_t bytes, CUmemoryPool,
                                   CUstream stream) {
    return cuMemAllocAsync(memory, bytes, stream);
}

DRIVER_API cuMemFreeAsync(CUdeviceptr memory, CUstream handle) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    if (memory == 0) return CUDA_SUCCESS;
    Allocation *allocation = freeable(call, memory);
    if (!allocation) return CUDA_ERROR_INVALID_VALUE;
    const Span span = whole(*allocation, Use::release);
    call->submit(*stream, __func__, {span}, [=] { poison(span.base, span.bytes, POISON_FREED); });
    call->memory.release(*allocation, stream->last());
    return CUDA_SUCCESS;
}

DRIVER_API cuMemsetD8Async(CUdeviceptr to, unsigned char value, std::size_t n, CUstream stream) {
    Call call(__func__);
    return fill(call, stream, to, value, sizeof value, n);
}

DRIVER_API cuMemsetD16Async(CUdeviceptr to, unsigned short value, std::size_t n, CUstream stream) {
    Call call(__func__);
    return fill(call, stream, to, value, sizeof value, n);
}

DRIVER_API cuMemsetD32Async(CUdeviceptr to, unsigned value, std::size_t n, CUstream stream) {
    Call call(__func__);
    return fill(call, stream, to, value, sizeof value, n);
}

DRIVER_API cuMemsetD8_v2(CUdeviceptr to, unsigned char value, std::size_t n) {
    Call call(__func__);
    RETURN_IF_ERROR(call.need_context(SYNC_STREAM));
    return fill(call, CU_STREAM_NULL, to, value, sizeof value, n);
}

DRIVER_API cuMemsetD32_v2(CUdeviceptr to, unsigned value, std::size_t n) {
    Call call(__func__);
    RETURN_IF_ERROR(call.need_context(SYNC_STREAM));
    return fill(call, CU_STREAM_NULL, to, value, sizeof value, n);
}

DRIVER_API cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, std::size_t bytes,
                                CUstream stream) {
    Call call(__func__);
    RETURN_IF_ERROR(require_device(call, to, bytes));
    return copy(call, stream, to, address(from), bytes);
}

DRIVER_API cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, std::size_t bytes) {
    Call call(__func__);
    RETURN_IF_ERROR(require_device(call, to, bytes));
    return copy(call, CU_STREAM_NULL, to, address(from), bytes, Waits::for_page_locked);
}

DRIVER_API cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
    Call call(__func__);
    RETURN_IF_ERROR(require_device(call, from, bytes));
    return copy(call, stream, address(to), from, bytes);
}

DRIVER_API cuMemcpyDtoH_v2(void *to, CUdeviceptr from, std::size_t bytes) {
    Call call(__func__);
    RETURN_IF_ERROR(require_device(call, from, bytes));
    return copy(call, CU_STREAM_NULL, address(to), from, bytes, Waits::for_page_locked);
}

DRIVER_API cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes,
                                CUstream stream) {
    Call call(__func__);
    RETURN_IF_ERROR(require_device(call, to, bytes));
    RETURN_IF_ERROR(require_device(call, from, bytes));
    return copy(call, stream, to, from, bytes);
}

// Does not wait: the driver promises no synchronisation with the host for copies on the device.
DRIVER_API cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
    return cuMemcpyDtoDAsync_v2(to, from, bytes, CU_STREAM_NULL);
}

DRIVER_API cuMemcpyPeerAsync(CUdeviceptr to, CUcontext, CUdeviceptr from, CUcontext,
                             std::size_t bytes, CUstream stream) {
    return cuMemcpyDtoDAsync_v2(to, from, bytes, stream);
}

DRIVER_API cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, std::size_t bytes, CUstream stream) {
    Call call(__func__);
    return copy(call, stream, to, from, bytes);
}

DRIVER_API cuMemcpy(CUdeviceptr to, CUdeviceptr from, std::size_t bytes) {
    Call call(__func__);
    return copy(call, CU_STREAM_NULL, to, from, bytes, Waits::for_page_locked);
}
