// The simulated driver as a whole, and the frame around each of its functions.
#pragma once

#include <array>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>

#include "control.h"
#include "driver_types.h"
#include "handles.h"
#include "kernels.h"
#include "memory.h"
#include "ordering.h"
#include "report.h"
#include "scheduler.h"
#include "text.h"

namespace sim {

// The latest record of an event. Waits take what it was when they were issued.
struct Record {
    Moment moment;
    Clock clock;
    // Operations executed before it: the time that elapsed-time queries see.
    std::shared_ptr<std::uint64_t> executed_before;
};

struct Event {
    int device = 0;
    bool timed = true;
    std::optional<Record> record;
};

// What a device has besides memory and streams: its primary context and the default pool.
struct Device {
    CUcontext context = new_handle();
    unsigned context_users = 0;
    std::uint64_t release_threshold = 0;
};

// Everything that begins anew with a simulation.
struct Simulator {
    explicit Simulator(std::uint64_t seed)
        : first_handle(new_handle()), scheduler(seed), ordering(memory, scheduler, report) {}

    // Issues an operation: checks what it uses against what it is ordered after, then queues it.
    // An operation that would leave its memory is queued as one that does nothing; false then.
    bool submit(Stream &stream, const char *what, const std::vector<Span> &uses,
                std::function<void()> run, std::vector<Moment> after = {});
    void finish(Stream &stream);

    // Gives a pool back what it holds too much, as each synchronisation does.
    void trim(int device);

    // Handles below it are of an earlier simulation.
    std::uintptr_t first_handle;
    std::array<Device, DEVICES> devices;
    Report report;
    Memory memory;
    Scheduler scheduler;
    Ordering ordering;
    Kernels kernels;
    std::unordered_map<CUstream, Lane> streams;
    std::unordered_map<CUevent, Event> events;
    // Calls to ignore, by function: numbers of calls from the first one of the simulation.
    std::map<std::string, std::set<std::uint64_t>> ignored;
    std::set<std::string> ignored_always;
    // Launches to refuse, by their number likewise.
    std::set<std::uint64_t> refused_launches;
    // What the loads of modules that come next return instead of loading.
    std::deque<CUresult> refused_modules;
};

// One call of a driver function: holds the lock, counts, and lets the adversary run before it.
class Call {
public:
    // Without a name it is a request of the test: counted nowhere, never ignored.
    explicit Call(const char *function = nullptr);
    ~Call();
    Call(const Call &) = delete;
    Call &operator=(const Call &) = delete;

    Simulator *operator->() const;
    Simulator &operator*() const;
    // The test asked for this call to do nothing.
    bool ignored() const { return ignored_; }
    const char *function() const { return function_; }

    // The current context of this host thread, 0 for none.
    CUcontext &current_context() const;
    CUstreamCaptureMode &capture_mode() const;
    // CUDA_SUCCESS and the device of the current context; or the error of a thread without a context,
    // which is a violation.
    CUresult need_context(const char *why, int &device) const;
    CUresult need_context(const char *why) const;
    // CUDA_SUCCESS, or the error of a call that may not be made while a graph is captured, which makes
    // the capture fail and is a violation. The rules are those of cuThreadExchangeStreamCaptureMode.
    CUresult spare_captures() const;
    // CUDA_SUCCESS, or the error of using what belongs to one device with another; a violation.
    CUresult need_device(const char *what, int found, const Stream &stream) const;
    // The stream of a handle. Special handles mean the context of the calling thread, and need one.
    CUresult stream(CUstream handle, Stream *&stream) const;
    CUresult event(CUevent handle, Event *&event) const;
    // The error of a handle that names nothing; a violation unless an earlier simulation made it.
    CUresult invalid(const char *kind, std::uintptr_t handle) const;

private:
    std::unique_lock<std::mutex> lock_;
    const char *function_;
    bool ignored_ = false;
};

// Replaces the simulator; what is pending runs before.
void begin(std::uint64_t seed);

} // namespace sim

#define DRIVER_API extern "C" __attribute__((visibility("default"))) CUresult
#define RETURN_IF_ERROR(expression)                                                                \
    if (const CUresult result = (expression); result != CUDA_SUCCESS) return result
