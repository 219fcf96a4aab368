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
    Lane stream = 0;
};

Thread &this_thread() {
    static thread_local Thread thread;
    const std::uintptr_t simulation = current()->first_handle;
    if (thread.simulation != simulation) thread = {simulation, 0, 0};
    return thread;
}

Stream &per_thread_stream() {
    Scheduler &scheduler = current()->scheduler;
    Thread &thread = this_thread();
    // Lane 0 is the legacy stream: here it says that the thread has none yet.
    if (thread.stream == 0) thread.stream = scheduler.open(Stream::Kind::per_thread, true).lane;
    return scheduler.at(thread.stream);
}

} // namespace

bool Simulator::submit(Stream &stream, const char *what, const std::vector<Span> &uses,
                       std::function<void()> run, std::vector<Moment> after) {
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

CUresult Call::need_context(const char *why) const {
    if (current_context() == 0) {
        current()->report.violation(
            Fault::no_context,
            text::join(function_, " on a host thread without a current context: ", why));
        return CUDA_ERROR_INVALID_CONTEXT;
    }
    return current()->context_users > 0 ? CUDA_SUCCESS : CUDA_ERROR_CONTEXT_IS_DESTROYED;
}

CUresult Call::stream(CUstream handle, Stream *&stream) const {
    if (handle <= CU_STREAM_PER_THREAD) {
        RETURN_IF_ERROR(need_context("a special stream handle means a stream of that context"));
        stream = handle == CU_STREAM_PER_THREAD ? &per_thread_stream()
                                                : &current()->scheduler.legacy();
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
