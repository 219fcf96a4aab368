// The checked form of longjmp takes a jump to another stack for a mistake.
#undef _FORTIFY_SOURCE

#include "whole_blocks.h"

#include <link.h>
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace whole_blocks {

Dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace {

constexpr size_t STACK_BYTES = 128 << 10;

// One launch at a time: its threads know themselves by variables that all share.
std::mutex mutex;

// A line of the source with a barrier.
using Site = std::pair<std::string, int>;

// All that were reached, in the order in which they were; numbered from 1 on.
std::vector<Site> sites;

// A thread of a block. It goes from kernel to kernel, and is started anew after one that it left
// midway. Contexts only start it: their switches ask the system for signals, which takes ten times
// as long as a jump.
struct Fiber {
    std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
    ucontext_t start;
    jmp_buf here;
    bool is_started = false;
    bool is_done;
    // The barrier that it waits at.
    uint32_t at;
};

// As many as any launch needed; none of them ever moves.
std::deque<Fiber> fibers;

// Who runs the fibers.
jmp_buf scheduler;

// Goes on with a fiber until it waits or is done.
void enter(Fiber &fiber) {
    if (_setjmp(scheduler) != 0) return;
    if (fiber.is_started) _longjmp(fiber.here, 1);
    fiber.is_started = true;
    setcontext(&fiber.start);
}

// Back to the scheduler, until the fiber is entered again.
void leave(Fiber &fiber) {
    if (_setjmp(fiber.here) == 0) _longjmp(scheduler, 1);
}

// What was done to a byte. Threads, blocks and phases are numbered from 1 on; phases lie between barriers,
// and no two blocks have one in common.
struct Cell {
    uint32_t written_by, written_in, read_by, read_in;
    // The blocks that read it, the first and the last, and the one that wrote it.
    uint32_t first_reader, last_reader, writer;
};

// More threads than one.
constexpr uint32_t SEVERAL = UINT32_MAX;

// Bytes that are used alike, from an address on.
struct Segment {
    uintptr_t begin, end;
    bool is_read, is_written, is_shared;
    // One a byte, from calloc: what is not touched costs nothing. None where nothing is written: what is
    // only read races with nobody.
    std::unique_ptr<Cell, decltype(&std::free)> cells{nullptr, std::free};

    Segment(uintptr_t begin, uintptr_t end, bool is_read, bool is_written, bool is_shared)
        : begin(begin), end(end), is_read(is_read), is_written(is_written), is_shared(is_shared) {
        if (is_written) cells.reset(static_cast<Cell *>(std::calloc(end - begin, sizeof(Cell))));
    }

    bool contains(uintptr_t at) const { return at >= begin && at < end; }
};

class Block;
Block *running = nullptr;

// A launch under way.
class Block {
  public:
    Block(void (*kernel)(const void *), const void *args, const Watched &launch)
        : kernel(kernel), args(args), launch(launch), random(launch.seed * 2 + 1),
          memory(launch.shared_bytes / 16 + 2) {
        while (fibers.size() < launch.threads) fibers.emplace_back();
        uintptr_t shared = reinterpret_cast<uintptr_t>(shared_base());
        segments.emplace_back(shared, shared + launch.shared_bytes, true, true, true);
        add_uses();
        last = segments.data();
        auto add = [](dl_phdr_info *info, size_t, void *statics) {
            auto &[begin, end] = *static_cast<decltype(Block::statics) *>(statics);
            for (int i = 0; i < info->dlpi_phnum; ++i) {
                const auto &part = info->dlpi_phdr[i];
                if (part.p_type != PT_LOAD) continue;
                begin = std::min<uintptr_t>(begin, info->dlpi_addr + part.p_vaddr);
                end = std::max<uintptr_t>(end, info->dlpi_addr + part.p_vaddr + part.p_memsz);
            }
            // The program is the first; the libraries after it are no kernel's.
            return 1;
        };
        dl_iterate_phdr(add, &statics);
    }

    // What was found, if anything.
    std::string finding;

    void run() {
        gridDim = {launch.grid[0], launch.grid[1], launch.grid[2]};
        blockDim = {launch.threads, 1, 1};
        for (uint32_t y = 0; y < gridDim.y; ++y) {
            for (uint32_t x = 0; x < gridDim.x; ++x) {
                blockIdx = {x, y, 0};
                run_block();
                if (!finding.empty()) return;
            }
        }
    }

    char *shared_base() {
        // Not zeros: each kernel finds there what the last one left, as on the device.
        return reinterpret_cast<char *>((reinterpret_cast<uintptr_t>(memory.data()) + 15) / 16 * 16);
    }

    void wait(const char *file, int line) {
        const char *name = std::strrchr(file, '/');
        Site site = {name ? name + 1 : file, line};
        auto known = std::find(sites.begin(), sites.end(), site);
        uint32_t number = uint32_t(known - sites.begin()) + 1;
        if (known == sites.end()) sites.push_back(site);
        if (number == launch.left_out) return;
        Fiber &fiber = fibers[threadIdx.x];
        fiber.at = number;
        leave(fiber);
    }

    void touch(uintptr_t at, size_t bytes, bool is_write, bool is_atomic) {
        Fiber &fiber = fibers[threadIdx.x];
        uintptr_t stack = reinterpret_cast<uintptr_t>(fiber.stack.get());
        if (at >= stack && at < stack + STACK_BYTES) return;
        if (at >= statics.first && at < statics.second) return;
        for (uintptr_t end = at + bytes; at < end;) {
            Segment *segment = find_segment(at);
            if (!segment || !(is_write ? segment->is_written : segment->is_read)) {
                return find(std::string(is_write ? "writes " : "reads ") + std::to_string(end - at) +
                            " bytes that the launch does not use");
            }
            uintptr_t next = std::min(end, segment->end);
            if (segment->is_written) touch_cells(*segment, at, next - at, is_write, is_atomic);
            at = next;
        }
    }

    // What a fiber does in every block.
    void call() {
        Fiber &fiber = fibers[threadIdx.x];
        kernel(args);
        fiber.is_done = true;
        leave(fiber);
    }

  private:
    void (*kernel)(const void *);
    const void *args;
    const Watched &launch;
    uint64_t random;
    struct alignas(16) Quad {
        uint64_t words[2] = {0x7ff4deadbeef7fa1, 0x7ff4deadbeef7fa1};
    };
    std::vector<Quad> memory;
    std::vector<Segment> segments;
    // Where the last access was.
    Segment *last = nullptr;
    // Constants, and the numbers of threads and blocks.
    std::pair<uintptr_t, uintptr_t> statics{UINTPTR_MAX, 0};
    uint32_t block = 0, phase = 0, last_barrier = 0;

    uint64_t next() {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        return random;
    }

    void run_block() {
        ++block;
        last_barrier = 0;
        std::vector<uint32_t> order(launch.threads);
        for (uint32_t i = 0; i < order.size(); ++i) {
            order[i] = i;
            prepare(fibers[i]);
        }
        for (size_t left = order.size(); left > 0;) {
            ++phase;
            for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next() % i]);
            uint32_t ended = 0;
            std::set<uint32_t> waiting;
            for (uint32_t thread : order) {
                Fiber &fiber = fibers[thread];
                if (fiber.is_done) continue;
                threadIdx = {thread, 0, 0};
                enter(fiber);
                if (!finding.empty()) return;
                if (fiber.is_done) {
                    ++ended;
                } else {
                    waiting.insert(fiber.at);
                }
            }
            left -= ended;
            if (waiting.size() + (ended > 0) > 1) {
                finding = "does not reach " + named(*waiting.begin()) + " in all threads";
                return;
            }
            if (!waiting.empty()) last_barrier = *waiting.begin();
        }
    }

    static void prepare(Fiber &fiber) {
        fiber.is_done = false;
        if (fiber.is_started) return;
        getcontext(&fiber.start);
        fiber.start.uc_stack.ss_sp = fiber.stack.get();
        fiber.start.uc_stack.ss_size = STACK_BYTES;
        auto entry = [] {
            for (;;) running->call();
        };
        makecontext(&fiber.start, entry, 0);
    }

    std::string named(uint32_t barrier) const {
        if (barrier == 0) return "the beginning";
        const Site &site = sites[barrier - 1];
        return site.first + ":" + std::to_string(site.second);
    }

    // The first thing that is found ends the launch: what a kernel does with memory that nothing wrote
    // would end the process.
    void find(const std::string &what) {
        finding = what + ", after " + named(last_barrier);
        _longjmp(scheduler, 1);
    }

    // Cuts what the launch uses where uses begin and end.
    void add_uses() {
        std::vector<Use> uses(launch.uses, launch.uses + launch.uses_len);
        std::set<uintptr_t> cuts;
        for (const Use &use : uses) cuts.insert({use.address, use.address + use.bytes});
        for (auto cut = cuts.begin(); cut != cuts.end() && std::next(cut) != cuts.end(); ++cut) {
            uintptr_t begin = *cut, end = *std::next(cut);
            auto covers = [&](bool is_write) {
                return std::any_of(uses.begin(), uses.end(), [&](const Use &use) {
                    bool covers = use.address <= begin && use.address + use.bytes >= end;
                    return covers && bool(use.is_write) == is_write;
                });
            };
            if (covers(false) || covers(true)) {
                segments.emplace_back(begin, end, covers(false), covers(true), false);
            }
        }
    }

    Segment *find_segment(uintptr_t at) {
        if (last->contains(at)) return last;
        for (Segment &segment : segments) {
            if (segment.contains(at)) return last = &segment;
        }
        return nullptr;
    }

    void touch_cells(Segment &segment, uintptr_t at, size_t bytes, bool is_write, bool is_atomic) {
        bool is_shared = segment.is_shared;
        uint32_t thread = threadIdx.x + 1;
        for (size_t i = 0; i < bytes; ++i) {
            Cell &cell = segment.cells.get()[at + i - segment.begin];
            // What another block wrote there is gone.
            if (is_shared && !is_write && cell.writer != block) find("reads shared memory that nothing wrote");
            if (!is_atomic) {
                bool meets_write = cell.written_in == phase && cell.written_by != thread;
                bool meets_read = is_write && cell.read_in == phase && cell.read_by != thread;
                if (meets_write || meets_read) {
                    find(std::string("races: a thread ") + (is_write ? "writes" : "reads") +
                         (is_shared ? " shared" : " global") + " memory that another one " +
                         (meets_write ? "writes" : "reads"));
                }
                bool meets_block = (cell.writer != 0 && cell.writer != block) ||
                                   (is_write && cell.first_reader != 0 &&
                                    (cell.first_reader != block || cell.last_reader != block));
                if (!is_shared && meets_block) {
                    find(std::string("races: a block ") + (is_write ? "writes" : "reads") +
                         " memory that another one touches");
                }
            }
            if (is_write) {
                cell.written_by = thread;
                cell.written_in = phase;
                cell.writer = block;
            } else {
                bool is_another = cell.read_in == phase && cell.read_by != thread;
                cell.read_by = is_another ? SEVERAL : thread;
                cell.read_in = phase;
                cell.first_reader = cell.first_reader == 0 ? block : cell.first_reader;
                cell.last_reader = block;
            }
        }
    }
};

} // namespace

void barrier(const char *file, int line) { running->wait(file, line); }

uint32_t atomicAdd(uint32_t *at, uint32_t n) {
    running->touch(reinterpret_cast<uintptr_t>(at), sizeof *at, false, true);
    running->touch(reinterpret_cast<uintptr_t>(at), sizeof *at, true, true);
    uint32_t before = *at;
    *at = before + n;
    return before;
}

char *shared_base() { return running->shared_base(); }

uint64_t watch(void (*kernel)(const void *), const void *args, const Watched &launch, char *report,
               uint64_t room) {
    std::lock_guard<std::mutex> lock(mutex);
    Block block(kernel, args, launch);
    running = &block;
    block.run();
    running = nullptr;
    // Where something is found, threads stand in the midst of the kernel.
    if (!block.finding.empty()) fibers.clear();
    uint64_t len = std::min<uint64_t>(block.finding.size(), room);
    std::memcpy(report, block.finding.data(), len);
    return len;
}

} // namespace whole_blocks

extern "C" uint64_t tallow_barriers() {
    std::lock_guard<std::mutex> lock(whole_blocks::mutex);
    return whole_blocks::sites.size();
}

extern "C" uint64_t tallow_barrier_name(uint32_t number, char *name, uint64_t room) {
    std::lock_guard<std::mutex> lock(whole_blocks::mutex);
    const auto &[file, line] = whole_blocks::sites[number - 1];
    std::string text = file + ":" + std::to_string(line);
    uint64_t len = std::min<uint64_t>(text.size(), room);
    std::memcpy(name, text.data(), len);
    return len;
}

// What the compiler calls before each access.

static void touched(const void *at, size_t bytes, bool is_write) {
    if (whole_blocks::running) {
        whole_blocks::running->touch(reinterpret_cast<uintptr_t>(at), bytes, is_write, false);
    }
}

#define ACCESSES(bytes)                                                                                      \
    extern "C" void __tsan_read##bytes(void *at) { touched(at, bytes, false); }                             \
    extern "C" void __tsan_write##bytes(void *at) { touched(at, bytes, true); }                             \
    extern "C" void __tsan_unaligned_read##bytes(void *at) { touched(at, bytes, false); }                   \
    extern "C" void __tsan_unaligned_write##bytes(void *at) { touched(at, bytes, true); }

ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

extern "C" void __tsan_read_range(void *at, size_t bytes) { touched(at, bytes, false); }
extern "C" void __tsan_write_range(void *at, size_t bytes) { touched(at, bytes, true); }
extern "C" void __tsan_init() {}
extern "C" void __tsan_func_entry(void *) {}
extern "C" void __tsan_func_exit() {}
