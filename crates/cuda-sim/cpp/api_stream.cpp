// Driver functions about streams and events: what orders work.
#include "simulator.h"

using namespace sim;

DRIVER_API cuStreamCreate(CUstream *stream, unsigned flags) {
    Call call(__func__);
    int device = 0;
    RETURN_IF_ERROR(call.need_context("the stream belongs to that context", device));
    const bool blocking = !(flags & CU_STREAM_NON_BLOCKING);
    *stream = new_handle();
    call->streams[*stream] = call->scheduler.open(Stream::Kind::created, blocking, device).lane;
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
    *status = CU_STREAM_CAPTURE_STATUS_NONE;
    if (stream->capture)
        *status = stream->capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                               : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}

DRIVER_API cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    if (stream->capture || stream->kind == Stream::Kind::legacy) return CUDA_ERROR_INVALID_VALUE;
    stream->capture = Capture{mode, std::this_thread::get_id(), false};
    return CUDA_SUCCESS;
}

// Graphs are not simulated: the handle is null, as that of a capture that failed.
DRIVER_API cuStreamEndCapture(CUstream handle, void **graph) {
    Call call(__func__);
    *graph = nullptr;
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    if (!stream->capture) return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    const Capture capture = *stream->capture;
    if (capture.mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture.thread != std::this_thread::get_id())
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    stream->capture.reset();
    return capture.invalidated ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
}

DRIVER_API cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
    Call call(__func__);
    if (!call.ignored()) std::swap(*mode, call.capture_mode());
    return CUDA_SUCCESS;
}

DRIVER_API cuStreamSynchronize(CUstream handle) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    RETURN_IF_ERROR(call.spare_captures());
    if (!call.ignored()) call->finish(*stream);
    return CUDA_SUCCESS;
}

DRIVER_API cuStreamQuery(CUstream handle) {
    Call call(__func__);
    Stream *stream = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    RETURN_IF_ERROR(call.spare_captures());
    if (call.ignored()) return CUDA_SUCCESS;
    call->scheduler.poll(stream->last());
    if (!call->scheduler.done(stream->last())) return CUDA_ERROR_NOT_READY;
    call->scheduler.host_learns(stream->clock);
    return CUDA_SUCCESS;
}

// Waits for the latest record at the time of this call, whatever is recorded afterwards; an event
// that was never recorded holds up nothing. A graph cannot wait for what is outside of it.
DRIVER_API cuStreamWaitEvent(CUstream handle, CUevent event_handle, unsigned) {
    Call call(__func__);
    Stream *stream = nullptr;
    Event *event = nullptr;
    RETURN_IF_ERROR(call.stream(handle, stream));
    RETURN_IF_ERROR(call.event(event_handle, event));
    if (call.ignored() || !event->record) return CUDA_SUCCESS;
    if (stream->capture) {
        stream->capture->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
    }
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
    int device = 0;
    RETURN_IF_ERROR(call.need_context("the event belongs to that context", device));
    *event = new_handle();
    call->events[*event].device = device;
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
    RETURN_IF_ERROR(call.need_device("an event", event->device, *stream));
    if (call.ignored() || stream->capture) return CUDA_SUCCESS;
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
    RETURN_IF_ERROR(call.spare_captures());
    if (call.ignored() || !event->record) return CUDA_SUCCESS;
    call->scheduler.finish(event->record->moment);
    call->scheduler.host_learns(event->record->clock);
    call->trim(event->device);
    return CUDA_SUCCESS;
}

DRIVER_API cuEventQuery(CUevent handle) {
    Call call(__func__);
    Event *event = nullptr;
    RETURN_IF_ERROR(call.event(handle, event));
    RETURN_IF_ERROR(call.spare_captures());
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
    RETURN_IF_ERROR(call.need_context("the events belong to that context"));
    RETURN_IF_ERROR(call.spare_captures());
    if (from->device != to->device) return CUDA_ERROR_INVALID_HANDLE;
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
