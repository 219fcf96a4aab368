#include "ordering.h"

#include <algorithm>

#include "text.h"

namespace sim {

namespace {

bool overlap(const Span &a, const Span &b) { return a.base < b.end() && b.base < a.end(); }

bool covers(const Span &outer, const Span &inner) {
    return outer.base <= inner.base && inner.end() <= outer.end();
}

bool writes(Use use) { return use != Use::read; }

const char *verb(Use use) {
    const char *verbs[] = {"reads", "writes", "allocates", "frees"};
    return verbs[static_cast<int>(use)];
}

std::string range(const Span &span, const Allocation &allocation) {
    const Address from = span.base - allocation.base;
    return text::join("bytes ", from, "..", from + span.bytes, " of ", allocation.name());
}

} // namespace

bool Ordering::use(const Stream &stream, const Span &span, const char *what) {
    if (span.bytes == 0) return true;
    const Actor actor{&stream, stream.clock, what};
    Allocation *allocation = allocation_of(actor, span);
    if (!allocation) return false;
    check_device(*allocation, actor, span);
    check(*allocation, actor, span);
    check_windows(*allocation, actor, span);
    forget_settled(*allocation, actor, span);
    allocation->history.push_back({span, stream.last(), what});
    return true;
}

// Not remembered: what is issued after it is ordered after it, since one clock serves the host.
bool Ordering::host_use(const Span &span, const char *what) {
    if (span.bytes == 0) return true;
    const Actor actor{nullptr, scheduler_.host(), what};
    const Allocation *allocation = allocation_of(actor, span);
    if (!allocation) return false;
    check(*allocation, actor, span);
    return true;
}

Allocation *Ordering::allocation_of(const Actor &actor, const Span &span) {
    Allocation *allocation = memory_.find(span.base);
    if (!allocation || span.end() > allocation->end()) {
        report_.violation(Fault::out_of_bounds,
                          text::join(describe(actor), " ", verb(span.use), " ", span.bytes,
                                     " bytes at ", text::hex(span.base), ", ",
                                     allocation ? "beyond the end of " + allocation->name()
                                                : "which is in no allocation"));
        return nullptr;
    }
    if (allocation->freed)
        report_.violation(Fault::use_after_free,
                          text::join(describe(actor), " ", verb(span.use), " ",
                                     range(span, *allocation), ", which was freed before"));
    return allocation;
}

// There is no peer access.
void Ordering::check_device(const Allocation &allocation, const Actor &actor, const Span &span) {
    if (allocation.host_visible() || allocation.device == actor.stream->device) return;
    report_.violation(Fault::wrong_device, text::join(describe(actor), " ", verb(span.use), " ",
                                                      range(span, allocation)));
}

void Ordering::check(const Allocation &allocation, const Actor &actor, const Span &span) {
    for (const Access &earlier : allocation.history) {
        if (!overlap(earlier.span, span) || actor.clock.includes(earlier.moment)) continue;
        if (!writes(earlier.span.use) && !writes(span.use)) continue;
        report_.violation(fault(actor, earlier.span.use, span.use),
                          text::join(describe(actor), " ", verb(span.use), " ",
                                     range(span, allocation), " and is not ordered after ",
                                     describe(earlier), ", which ", verb(earlier.span.use), " ",
                                     range(earlier.span, allocation)));
    }
}

std::uint64_t Ordering::open_window(const Span &span) {
    host_use(span, "access");
    windows_[++windows_opened_] = span;
    return windows_opened_;
}

void Ordering::check_windows(const Allocation &allocation, const Actor &actor, const Span &span) {
    for (const auto &[window, host] : windows_) {
        if (!overlap(host, span) || (!writes(host.use) && !writes(span.use))) continue;
        report_.violation(Fault::host_access_in_flight,
                          text::join(describe(actor), " ", verb(span.use), " ",
                                     range(span, allocation), " and is issued while the host ",
                                     verb(host.use), " ", range(host, allocation)));
    }
}

// A use is settled when the host knows that it is done, for all that follows is ordered after
// that; or when this one covers it, is ordered after it and conflicts with no less.
void Ordering::forget_settled(Allocation &allocation, const Actor &actor, const Span &span) {
    auto settled = [&](const Access &earlier) {
        if (scheduler_.host().includes(earlier.moment)) return true;
        const bool stands_in = writes(span.use) || !writes(earlier.span.use);
        return stands_in && covers(span, earlier.span) && actor.clock.includes(earlier.moment);
    };
    auto &history = allocation.history;
    history.erase(std::remove_if(history.begin(), history.end(), settled), history.end());
}

Fault Ordering::fault(const Actor &actor, Use earlier, Use now) const {
    if (now == Use::release) return Fault::unordered_free;
    if (!actor.stream) return Fault::host_access_in_flight;
    if (earlier == Use::allocate) return Fault::use_before_allocation;
    return now == Use::read ? Fault::unordered_read : Fault::unordered_write;
}

std::string Ordering::describe(const Actor &actor) const {
    if (!actor.stream) return text::join(actor.what, " (by the host)");
    return text::join(actor.what, " (operation ", actor.stream->issued, " of ",
                      actor.stream->name(), ")");
}

std::string Ordering::describe(const Access &access) const {
    return text::join(access.what, " (operation ", access.moment.tick, " of ",
                      scheduler_.at(access.moment.lane).name(), ")");
}

} // namespace sim
