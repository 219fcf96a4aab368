#include "memory.h"

#include <cstdlib>
#include <cstring>
#include <new>

#include "text.h"

namespace sim {

namespace {

// The driver aligns allocations to 512 bytes in practice; clients rely on 256.
constexpr std::size_t ALIGNMENT = 512;

std::size_t round_up(std::size_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

} // namespace

void poison(Address base, std::size_t bytes, unsigned char pattern) {
    std::memset(reinterpret_cast<void *>(base), pattern, bytes);
}

std::string Allocation::name() const {
    const char *kinds[] = {"device", "page-locked", "registered"};
    const std::string where = host_visible() ? "" : " on device " + std::to_string(device);
    return text::join(kinds[static_cast<int>(kind)], " allocation ", text::hex(base), " of ", bytes,
                      " bytes", where);
}

Memory::~Memory() {
    for (auto &[base, block] : blocks_)
        if (block.kind != Allocation::Kind::registered) std::free(reinterpret_cast<void *>(base));
}

// Device memory that a stream asks for comes from the pool of its device.
Allocation *Memory::allocate(Allocation::Kind kind, int device, std::size_t bytes,
                             const Stream *stream, const Scheduler &scheduler) {
    const bool on_device = kind == Allocation::Kind::device;
    const std::uint64_t used = on_device ? device_bytes(device) : live_bytes(kind);
    if (bytes > limit(kind) || used > limit(kind) - bytes) return nullptr;
    Allocation *block = recycled(kind, device, bytes, stream, scheduler);
    if (!block) {
        block = &fresh(bytes);
        block->pooled = on_device && stream;
        if (block->pooled) {
            pool_bytes_[device] += block->capacity;
            pool_taken_ += block->capacity;
        }
    }
    block->kind = kind;
    block->device = device;
    block->bytes = bytes;
    block->freed = false;
    block->history.clear();
    live_bytes_[index(kind)] += bytes;
    if (on_device) device_bytes_[device] += bytes;
    peak_bytes_[index(kind)] = std::max(peak_bytes(kind), live_bytes(kind));
    return block;
}

Allocation *Memory::recycled(Allocation::Kind kind, int device, std::size_t bytes,
                             const Stream *stream, const Scheduler &scheduler) {
    const bool pooled = kind == Allocation::Kind::device && stream;
    for (auto at = free_list_.rbegin(); at != free_list_.rend(); ++at) {
        Allocation &block = blocks_.at(*at);
        const bool safe = scheduler.done(block.freed_at) ||
                          (stream && (stream->lane == block.freed_at.lane ||
                                      stream->clock.includes(block.freed_at)));
        if (block.kind != kind || block.pooled != pooled || block.capacity < bytes || !safe) continue;
        if (kind == Allocation::Kind::device && block.device != device) continue;
        free_list_.erase(std::next(at).base());
        return &block;
    }
    return nullptr;
}

// The block stays known and poisoned, so that who uses it all the same is found out; but nobody gets
// it again.
void Memory::trim(int device, std::uint64_t keep, const Scheduler &scheduler) {
    for (auto at = free_list_.begin(); at != free_list_.end() && pool_bytes_[device] > keep;) {
        const Allocation &block = blocks_.at(*at);
        if (!block.pooled || block.device != device || !scheduler.done(block.freed_at)) {
            ++at;
            continue;
        }
        pool_bytes_[device] -= block.capacity;
        pool_released_ += block.capacity;
        at = free_list_.erase(at);
    }
}

Allocation &Memory::fresh(std::size_t bytes) {
    const std::size_t capacity = round_up(bytes);
    void *block = std::aligned_alloc(ALIGNMENT, capacity);
    if (!block) throw std::bad_alloc();
    // As if freed before: a read that overtakes the allocation must not show what malloc left there.
    poison(reinterpret_cast<Address>(block), capacity, POISON_FREED);
    Allocation allocation;
    allocation.base = reinterpret_cast<Address>(block);
    allocation.capacity = capacity;
    return blocks_[allocation.base] = allocation;
}

Allocation &Memory::adopt(Address base, std::size_t bytes) {
    Allocation allocation;
    allocation.base = base;
    allocation.bytes = allocation.capacity = bytes;
    allocation.kind = Allocation::Kind::registered;
    return blocks_[base] = allocation;
}

void Memory::disown(Address base) { blocks_.erase(base); }

void Memory::release(Allocation &allocation, Moment freed_at) {
    allocation.freed = true;
    allocation.freed_at = freed_at;
    allocation.history.clear();
    if (!allocation.from_earlier) {
        live_bytes_[index(allocation.kind)] -= allocation.bytes;
        if (!allocation.host_visible()) device_bytes_[allocation.device] -= allocation.bytes;
    }
    // This pool never held it.
    if (allocation.from_earlier) allocation.pooled = false;
    allocation.from_earlier = false;
    free_list_.push_back(allocation.base);
}

Allocation *Memory::find(Address address) {
    auto above = blocks_.upper_bound(address);
    if (above == blocks_.begin()) return nullptr;
    Allocation &block = std::prev(above)->second;
    return address < block.base + block.capacity ? &block : nullptr;
}

bool Memory::page_locked(Address address, std::size_t bytes) {
    const Allocation *block = find(address);
    return block && block->host_visible() && address + bytes <= block->end();
}

void Memory::survive_into(Memory &next) {
    for (auto at = blocks_.begin(); at != blocks_.end();) {
        // Memory of the client is its own, and may be anything by then.
        if (at->second.freed || at->second.kind == Allocation::Kind::registered) {
            ++at;
            continue;
        }
        at->second.from_earlier = true;
        at->second.history.clear();
        next.blocks_.insert(std::move(*at));
        at = blocks_.erase(at);
    }
}

std::vector<const Allocation *> Memory::live() const {
    std::vector<const Allocation *> live;
    for (auto &[base, block] : blocks_)
        if (!block.freed && !block.from_earlier) live.push_back(&block);
    return live;
}

} // namespace sim
