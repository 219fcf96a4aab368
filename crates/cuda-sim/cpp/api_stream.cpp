// Driver functions about streams and events: what orders work.
#include "simulator.h"

using namespace sim;

DRIVER_API cuStreamCreate(CUstream *stream, unsigned flags) {
    Call call(__func__);
    RETURN_IF_ERROR(call.need_context("the stream belongs to that context"));
    const bool blocking = !(flags & CU_STREAM_NON_BLOCKING);
    *stream = new_handle();
    call->streams[*stream] = call->scheduler.open(Stream::Kind::created, blocking).lane;
    return CUDA_SUCCESS;
}

DRIVER_API cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int) {
    return cuStreamCreate(stream, flags);
}

// Returns at once; what is pending runs all the same.
DRIVER_API cuStreamDestroy_v2(CUstream handle) {
    Call call(__func__);
    return call->streams.erase(handle) ? CUDA_SUCCESS : call.invalid("stream", handle);
}

DRIVER_API cuStreamGetFlags(CUstream handle, unsigned *flags) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    *flags = stream->blocking ? 0 : CU_STREAM_NON_BLOCKING;
    return CUDA_SUCCESS;
}

DRIVER_API cuStreamIsCapturing(CUstream handle, int *status) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    *status = 0;
    return CUDA_SUCCESS;
}

DRIVER_API cuStreamSynchronize(CUstream handle) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    if (!call.ignored()) call->finish(*stream);
    return CUDA_SUCCESS;
}

DRIVER_API cuStreamQuery(CUstream handle) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    if (call.ignored()) return CUDA_SUCCESS;
    call->scheduler.poll(stream->last());
    if (!call->scheduler.done(stream->last())) return CUDA_ERROR_NOT_READY;
    call->scheduler.host_learns(stream->clock);
    return CUDA_SUCCESS;
}

// Waits for the latest record at the time of this call, whatever is recorded afterwards; an event
// that was never recorded holds up nothing.
DRIVER_API cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned) {
    Call call(__func__);
    Stream *stream = nullptr;
    Event *event = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    RETURN_IF_ERROR(call.event(event_handle, event));
    if (call.ignored() || !event->record) return CUDA_SUCCESS;
    stream->clock.join(event->record->clock);
    call->submit(*stream, __func__, {}, [] {}, {event->record->moment});
    return CUDA_SUCCESS;
}

DRIVER_API cuLaunchHostFunc(CUstream handle, void (*run)(void *), void *argument) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    call->submit(*stream, __func__, {}, [run, argument] { run(argument); });
    return CUDA_SUCCESS;
}

DRIVER_API cuEventCreate(CUevent *event, unsigned flags) {
    Call call(__func__);
    RETURN_IF_ERROR(call.need_context("the event belongs to that context"));
    *event = new_handle();
    call->events[*event].timed = !(flags & CU_EVENT_DISABLE_TIMING);
    return CUDA_SUCCESS;
}

// Waits that were issued keep what they took from the event.
DRIVER_API cuEventDestroy_v2(CUevent handle) {
    Call call(__func__);
    return call->events.erase(handle) ? CUDA_SUCCESS : call.invalid("event", handle);
}

DRIVER_API cuEventRecord(CUevent event_handle, CUstream handle) {
    Call call(__func__);
    Stream *stream = nullptr;
    Event *event = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    RETURN_IF_ERROR(call.event(event_handle, event));
    if (call.ignored()) return CUDA_SUCCESS;
    auto executed_before = std::make_shared<std::uint64_t>(0);
    Scheduler *scheduler = &call->scheduler;
    call->submit(*stream, __func__, {},
                 [=] { *executed_before = scheduler->executed(); });
    event->record = Record{stream->last(), stream->clock, executed_before};
    return CUDA_SUCCESS;
}

DRIVER_API cuEventSynchronize(CUevent handle) {
    Call call(__func__);
    Event *event = nullptr;
    RETURN_IF_ERROR(call.event(handle, event));
    if (call.ignored() || !event->record) return CUDA_SUCCESS;
    call->scheduler.finish(event->record->moment);
    call->scheduler.host_learns(event->record->clock);
    return CUDA_SUCCESS;
}

DRIVER_API cuEventQuery(CUevent handle) {
    Call call(__func__);
    Event *event = nullptr;
    RETURN_IF_ERROR(call.event(handle, event));
    if (call.ignored() || !event->record) return CUDA_SUCCESS;
    call->scheduler.poll(event->record->moment);
    if (!call->scheduler.done(event->record->moment)) return CUDA_ERROR_NOT_READY;
    call->scheduler.host_learns(event->record->clock);
    return CUDA_SUCCESS;
}

// A microsecond an operation: the simulator has no time, and a test that needs one is wrong here.
DRIVER_API cuEventElapsedTime_v2(float *milliseconds, CUevent from_handle, CUevent to_handle) {
    Call call(__func__);
    Event *from = nullptr, *to = nullptr;
    RETURN_IF_ERROR(call.event(from_handle, from));
    RETURN_IF_ERROR(call.event(to_handle, to));
    if (!from->record || !to->record || !from->timed || !to->timed)
        return CUDA_ERROR_INVALID_HANDLE;
    if (!call->scheduler.done(from->record->moment) || !call->scheduler.done(to->record->moment))
        return CUDA_ERROR_NOT_READY;
    const auto begin = static_cast<float>(*from->record->executed_before);
    *milliseconds = (static_cast<float>(*to->record->executed_before) - begin) / 1000;
    return CUDA_SUCCESS;
}

DRIVER_API cuEventElapsedTime(float *milliseconds, CUevent from, CUevent to) {
    return cuEventElapsedTime_v2(milliseconds, from, to);
}
