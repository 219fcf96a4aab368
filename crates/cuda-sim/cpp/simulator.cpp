#include "simulator.h"

namespace sim {

namespace {

// Never destroyed: threads of the client may call the driver while the process ends.
std::mutex &driver_lock() {
    static auto *lock = new std::mutex;
    return *lock;
}

std::unique_ptr<Simulator> &current() {
    static auto *simulator = new std::unique_ptr<Simulator>(new Simulator(0));
    return *simulator;
}

// What a host thread has of its own; stale once another simulation has begun.
struct Thread {
    std::uintptr_t simulation = 0;
    CUcontext context = 0;
    CUstreamCaptureMode capture_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;
    // By device. Lane 0 is a legacy stream: here it says that the thread has none yet.
    Lane streams[DEVICES] = {};
};

Thread &this_thread() {
    static thread_local Thread thread;
    const std::uintptr_t simulation = current()->first_handle;
    if (thread.simulation != simulation) {
        thread = {};
        thread.simulation = simulation;
    }
    return thread;
}

Stream &per_thread_stream(int device) {
    Scheduler &scheduler = current()->scheduler;
    Lane &lane = this_thread().streams[device];
    if (lane == 0) lane = scheduler.open(Stream::Kind::per_thread, true, device).lane;
    return scheduler.at(lane);
}

bool forbids(const Capture &capture, CUstreamCaptureMode mode) {
    if (mode == CU_STREAM_CAPTURE_MODE_RELAXED || capture.mode == CU_STREAM_CAPTURE_MODE_RELAXED)
        return false;
    if (capture.thread == std::this_thread::get_id()) return true;
    return mode == CU_STREAM_CAPTURE_MODE_GLOBAL && capture.mode == CU_STREAM_CAPTURE_MODE_GLOBAL;
}

} // namespace

bool Simulator::submit(Stream &stream, const char *what, const std::vector<Span> &uses,
                       std::function<void()> run, std::vector<Moment> after) {
    // It becomes part of the graph, which nobody runs.
    if (stream.capture) return true;
    scheduler.issue(stream);
    bool sound = true;
    for (const Span &span : uses) sound &= ordering.use(stream, span, what);
    if (!sound) run = [] {};
    scheduler.enqueue(stream, std::move(run), std::move(after));
    return sound;
}

void Simulator::finish(Stream &stream) {
    scheduler.finish(stream.last());
    scheduler.host_learns(stream.clock);
    trim(stream.device);
}

void Simulator::trim(int device) {
    memory.trim(device, devices[static_cast<std::size_t>(device)].release_threshold, scheduler);
}

Call::Call(const char *function) : lock_(driver_lock()), function_(function) {
    Simulator &simulator = *current();
    simulator.scheduler.step();
    if (!function) return;
    const std::uint64_t number = simulator.report.counters[function]++;
    auto chosen = simulator.ignored.find(function);
    ignored_ = simulator.ignored_always.count(function) != 0 ||
               (chosen != simulator.ignored.end() && chosen->second.count(number) != 0);
}

Call::~Call() { current()->scheduler.step(); }

Simulator *Call::operator->() const { return current().get(); }

Simulator &Call::operator*() const { return *current(); }

CUcontext &Call::current_context() const { return this_thread().context; }

CUstreamCaptureMode &Call::capture_mode() const { return this_thread().capture_mode; }

CUresult Call::need_context(const char *why) const {
    int device = 0;
    return need_context(why, device);
}

CUresult Call::need_context(const char *why, int &device) const {
    const CUcontext context = current_context();
    if (context == 0) {
        current()->report.violation(
            Fault::no_context,
            text::join(function_, " on a host thread without a current context: ", why));
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    for (device = 0; device < DEVICES; ++device) {
        const Device &one = current()->devices[static_cast<std::size_t>(device)];
        if (one.context == context && one.context_users > 0) return CUDA_SUCCESS;
    }
    device = 0;
    return CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult Call::spare_captures() const {
    CUresult result = CUDA_SUCCESS;
    for (Stream *stream : current()->scheduler.capturing()) {
        if (!forbids(*stream->capture, capture_mode())) continue;
        stream->capture->invalidated = true;
        current()->report.violation(
            Fault::capture_broken,
            text::join(function_, " while a graph is captured from ", stream->name()));
        result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return result;
}

CUresult Call::need_device(const char *what, int found, const Stream &stream) const {
    if (found == stream.device) return CUDA_SUCCESS;
    current()->report.violation(
        Fault::wrong_device,
        text::join(function_, " with ", what, " of device ", found, " and ", stream.name()));
    return CUDA_ERROR_INVALID_HANDLE;
}

CUresult Call::stream(CUstream handle, Stream *&stream) const {
    if (handle <= CU_STREAM_PER_THREAD) {
        int device = 0;
        RETURN_IF_ERROR(need_context("a special stream handle means a stream of that context", device));
        stream = handle == CU_STREAM_PER_THREAD ? &per_thread_stream(device)
                                                : &current()->scheduler.legacy(device);
        return CUDA_SUCCESS;
    }
    auto found = current()->streams.find(handle);
    if (found == current()->streams.end()) return invalid("stream", handle);
    stream = &current()->scheduler.at(found->second);
    return CUDA_SUCCESS;
}

CUresult Call::event(CUevent handle, Event *&event) const {
    auto found = current()->events.find(handle);
    if (found == current()->events.end()) return invalid("event", handle);
    event = &found->second;
    return CUDA_SUCCESS;
}

CUresult Call::invalid(const char *kind, std::uintptr_t handle) const {
    if (handle < current()->first_handle && handle != 0) return CUDA_ERROR_INVALID_HANDLE;
    current()->report.violation(
        Fault::invalid_handle,
        text::join(function_, " with a handle that names no ", kind, ": ", text::hex(handle)));
    return CUDA_ERROR_INVALID_HANDLE;
}

void begin(std::uint64_t seed) {
    std::unique_ptr<Simulator> &simulator = current();
    simulator->scheduler.drain();
    auto next = std::make_unique<Simulator>(seed);
    simulator->memory.survive_into(next->memory);
    simulator = std::move(next);
}

} // namespace sim
