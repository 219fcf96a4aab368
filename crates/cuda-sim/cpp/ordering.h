// The rules of ordering: every use of memory is checked against the uses before it.
//
// All that orders two operations (stream order, event waits, synchronisation) is known when the
// later one is issued, so the check is made then. What it finds depends on what the client asked
// for and not on when the adversary ran it: an error is found under every seed.
#pragma once

#include <map>

#include "memory.h"
#include "report.h"
#include "scheduler.h"

namespace sim {

class Ordering {
public:
    Ordering(Memory &memory, Scheduler &scheduler, Report &report)
        : memory_(memory), scheduler_(scheduler), report_(report) {}

    // Checks a use by the operation that `stream` has just issued, and remembers it. False when the
    // bytes are not all in one allocation; then the operation must not touch them.
    bool use(const Stream &stream, const Span &span, const char *what);
    // Checks a use by the host, now.
    bool host_use(const Span &span, const char *what);
    // The host goes on using memory until the window closes: no operation that conflicts may be
    // issued meanwhile. Returns a name for the window.
    std::uint64_t open_window(const Span &span);
    void close_window(std::uint64_t window) { windows_.erase(window); }

private:
    // Who uses the memory: an operation of a stream, or the host when `stream` is null.
    struct Actor {
        const Stream *stream;
        const Clock &clock;
        const char *what;
    };

    Allocation *allocation_of(const Actor &actor, const Span &span);
    void check_windows(const Allocation &allocation, const Actor &actor, const Span &span);
    void check_device(const Allocation &allocation, const Actor &actor, const Span &span);
    void check(const Allocation &allocation, const Actor &actor, const Span &span);
    void forget_settled(Allocation &allocation, const Actor &actor, const Span &span);
    Fault fault(const Actor &actor, Use earlier, Use now) const;
    std::string describe(const Actor &actor) const;
    std::string describe(const Access &access) const;

    Memory &memory_;
    Scheduler &scheduler_;
    Report &report_;
    std::map<std::uint64_t, Span> windows_;
    std::uint64_t windows_opened_ = 0;
};

} // namespace sim
