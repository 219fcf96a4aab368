// The simulated driver as a whole, and the frame around each of its functions.
#pragma once

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
    bool timed = true;
    std::optional<Record> record;
};

// Everything that begins anew with a simulation.
struct Simulator {
    explicit Simulator(std::uint64_t seed)
        : scheduler(seed), ordering(memory, scheduler, report), first_handle(new_handle()) {}

    // Issues an operation: checks what it uses against what it is ordered after, then queues it.
    // An operation that would leave its memory is queued as one that does nothing; false then.
    bool submit(Stream &stream, const char *what, const std::vector<Span> &uses,
                std::function<void()> run, std::vector<Moment> after = {});
    void finish(Stream &stream);

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
    unsigned context_users = 0;
    std::uint64_t release_threshold = 0;
    // Handles below it are of an earlier simulation.
    std::uintptr_t first_handle;
};

// The one context of the one device: its primary context.
constexpr CUcontext PRIMARY_CONTEXT = 0x100;

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
    // CUDA_SUCCESS, or the error of a thread without a context, which is a violation.
    CUresult need_context(const char *why) const;
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
