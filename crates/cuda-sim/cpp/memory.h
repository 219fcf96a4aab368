// Device and page-locked memory: which addresses exist, who may get a freed one, what they hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "clock.h"
#include "scheduler.h"

namespace sim {

using Address = std::uintptr_t;

// What memory holds before anything was written to it, and after it was given back. Distinct from
// each other and from zero, so that a test that meets one in its data knows what it read.
constexpr unsigned char POISON_FRESH = 0xac;
constexpr unsigned char POISON_FREED = 0xde;

// How an operation uses memory. Allocation and release are writes of the whole allocation: what
// touches it must be ordered after the one and before the other.
enum class Use { read, write, allocate, release };

struct Span {
    Address base = 0;
    std::size_t bytes = 0;
    Use use = Use::read;

    Address end() const { return base + bytes; }
};

// A use that later ones must be ordered after.
struct Access {
    Span span;
    Moment moment;
    // Name of the driver function or of the kernel; both outlive the simulation's memory.
    const char *what;
};

struct Allocation {
    enum class Kind { device, page_locked, registered };

    Address base = 0;
    std::size_t bytes = 0;
    std::size_t capacity = 0;
    Kind kind = Kind::device;
    // The device whose memory it is; of no meaning for memory of the host.
    int device = 0;
    // Taken from the memory pool of the device.
    bool pooled = false;
    bool freed = false;
    // Tick 0 for a free that the host has seen complete.
    Moment freed_at;
    // What a simulation before this one left alive is kept, so that its late free harms nobody.
    bool from_earlier = false;
    std::vector<Access> history;

    Address end() const { return base + bytes; }
    bool host_visible() const { return kind != Kind::device; }
    std::string name() const;
};

class Memory {
public:
    ~Memory();

    // A block for `stream`, which may be one whose free it is ordered after or that has run; null
    // when the limit of its kind does not allow it. `stream` is null for allocation by the host.
    Allocation *allocate(Allocation::Kind kind, int device, std::size_t bytes, const Stream *stream,
                         const Scheduler &scheduler);
    // Notes memory of the client as page-locked.
    Allocation &adopt(Address base, std::size_t bytes);
    void release(Allocation &allocation, Moment freed_at);
    // Forgets memory of the client; the pages stay its own.
    void disown(Address base);
    // The allocation whose block holds the address, freed ones included.
    Allocation *find(Address address);
    bool page_locked(Address address, std::size_t bytes);
    // Hands on what is still alive to the memory of the next simulation.
    void survive_into(Memory &next);

    // Gives what a pool holds beyond `keep` bytes back to the system, of what was freed and is done.
    void trim(int device, std::uint64_t keep, const Scheduler &scheduler);
    // What a pool holds: what it has given out, and what it keeps for the next time.
    std::uint64_t pool_bytes(int device) const { return pool_bytes_[device]; }
    // What pools have taken from the system, and given back to it.
    std::uint64_t pool_taken() const { return pool_taken_; }
    std::uint64_t pool_released() const { return pool_released_; }

    std::vector<const Allocation *> live() const;
    std::uint64_t live_bytes(Allocation::Kind kind) const { return live_bytes_[index(kind)]; }
    std::uint64_t device_bytes(int device) const { return device_bytes_[device]; }
    std::uint64_t peak_bytes(Allocation::Kind kind) const { return peak_bytes_[index(kind)]; }
    void limit(Allocation::Kind kind, std::uint64_t bytes) { limits_[index(kind)] = bytes; }
    std::uint64_t limit(Allocation::Kind kind) const { return limits_[index(kind)]; }

    // The memory of a simulated device.
    static constexpr std::uint64_t DEVICE_BYTES = 80ull << 30;

private:
    static std::size_t index(Allocation::Kind kind) { return static_cast<std::size_t>(kind); }
    Allocation *recycled(Allocation::Kind kind, int device, std::size_t bytes, const Stream *stream,
                         const Scheduler &scheduler);
    Allocation &fresh(std::size_t bytes);

    std::map<Address, Allocation> blocks_;
    // Freed blocks, the latest last: it is the first to be handed out again.
    std::vector<Address> free_list_;
    std::uint64_t live_bytes_[3] = {};
    std::uint64_t device_bytes_[DEVICES] = {};
    std::uint64_t pool_bytes_[DEVICES] = {};
    std::uint64_t pool_taken_ = 0;
    std::uint64_t pool_released_ = 0;
    std::uint64_t peak_bytes_[3] = {};
    std::uint64_t limits_[3] = {DEVICE_BYTES, DEVICE_BYTES, UINT64_MAX};
};

void poison(Address base, std::size_t bytes, unsigned char pattern);

} // namespace sim
