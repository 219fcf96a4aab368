#include "whole_blocks.h"

#include <link.h>
#include <ucontext.h>

#include <algorithm>
#include <cstring>
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

// A thread of a block.
struct Fiber {
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK_BYTES]};
    bool is_done;
    // The barrier that it waits at.
    uint32_t at;
};

// What was done to a byte. Threads and blocks are numbered from 1 on; phases lie between barriers.
struct Cell {
    uint32_t written_by, written_in, read_by, read_in;
    // The blocks that read it, the first and the last, and the one that wrote it.
    uint32_t first_reader, last_reader, writer;
};

// More threads than one.
constexpr uint32_t SEVERAL = UINT32_MAX;

// Bytes that are watched together.
struct Range {
    uintptr_t begin, end;
    // From calloc: what is not touched costs nothing.
    std::unique_ptr<Cell, decltype(&std::free)> cells{nullptr, std::free};

    Range(uintptr_t begin, uintptr_t end) : begin(begin), end(end) {}

    bool contains(uintptr_t at, size_t bytes) const { return at >= begin && at + bytes <= end; }

    void forget() { cells.reset(static_cast<Cell *>(std::calloc(end - begin, sizeof(Cell)))); }
};

class Block;
Block *running = nullptr;

// A launch under way.
class Block {
  public:
    Block(void (*kernel)(const void *), const void *args, const Watched &launch)
        : kernel(kernel), args(args), launch(launch), random(launch.seed * 2 + 1),
          memory(launch.shared_bytes / 16 + 2), shared(0, 0), fibers(launch.threads) {
        shared.begin = reinterpret_cast<uintptr_t>(shared_base());
        shared.end = shared.begin + launch.shared_bytes;
        std::vector<std::pair<uintptr_t, uintptr_t>> spans;
        for (uint64_t i = 0; i < launch.uses_len; ++i) {
            spans.push_back({launch.uses[i].address, launch.uses[i].address + launch.uses[i].bytes});
        }
        std::sort(spans.begin(), spans.end());
        for (auto [begin, end] : spans) {
            if (!ranges.empty() && begin <= ranges.back().end) {
                ranges.back().end = std::max(ranges.back().end, end);
            } else {
                ranges.emplace_back(begin, end);
            }
        }
        for (Range &range : ranges) range.forget();
        auto add = [](dl_phdr_info *info, size_t, void *statics) {
            for (int i = 0; i < info->dlpi_phnum; ++i) {
                const auto &part = info->dlpi_phdr[i];
                uintptr_t begin = info->dlpi_addr + part.p_vaddr;
                if (part.p_type != PT_LOAD) continue;
                static_cast<decltype(Block::statics) *>(statics)->push_back({begin, begin + part.p_memsz});
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
        swapcontext(&fiber.context, &scheduler);
    }

    void touch(uintptr_t at, size_t bytes, bool is_write, bool is_atomic) {
        Fiber &fiber = fibers[threadIdx.x];
        uintptr_t stack = reinterpret_cast<uintptr_t>(fiber.stack.get());
        if (at >= stack && at < stack + STACK_BYTES) return;
        if (shared.contains(at, bytes)) return touch_cells(shared, at, bytes, is_write, is_atomic);
        for (Range &range : ranges) {
            if (!range.contains(at, bytes)) continue;
            if (!is_used(at, bytes, is_write)) break;
            return touch_cells(range, at, bytes, is_write, is_atomic);
        }
        if (!is_static(at)) {
            find(std::string(is_write ? "writes " : "reads ") + std::to_string(bytes) +
                 " bytes that the launch does not use");
        }
    }

    void call() {
        kernel(args);
        fibers[threadIdx.x].is_done = true;
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
    Range shared;
    std::vector<Range> ranges;
    std::vector<Fiber> fibers;
    // Constants, and the numbers of threads and blocks.
    std::vector<std::pair<uintptr_t, uintptr_t>> statics;
    ucontext_t scheduler;
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
        shared.forget();
        for (Fiber &fiber : fibers) {
            getcontext(&fiber.context);
            fiber.context.uc_stack.ss_sp = fiber.stack.get();
            fiber.context.uc_stack.ss_size = STACK_BYTES;
            fiber.context.uc_link = &scheduler;
            fiber.is_done = false;
            makecontext(&fiber.context, [] { running->call(); }, 0);
        }
        std::vector<uint32_t> order(fibers.size());
        for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
        for (size_t left = fibers.size(); left > 0;) {
            ++phase;
            for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[next() % i]);
            uint32_t ended = 0;
            std::set<uint32_t> waiting;
            for (uint32_t thread : order) {
                Fiber &fiber = fibers[thread];
                if (fiber.is_done) continue;
                threadIdx = {thread, 0, 0};
                swapcontext(&scheduler, &fiber.context);
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

    std::string named(uint32_t barrier) const {
        if (barrier == 0) return "the beginning";
        const Site &site = sites[barrier - 1];
        return site.first + ":" + std::to_string(site.second);
    }

    // The first thing that is found ends the launch: what a kernel does with memory that nothing wrote
    // would end the process.
    void find(const std::string &what) {
        finding = what + ", after " + named(last_barrier);
        swapcontext(&fibers[threadIdx.x].context, &scheduler);
    }

    bool is_used(uintptr_t at, size_t bytes, bool is_write) const {
        for (uint64_t i = 0; i < launch.uses_len; ++i) {
            const Use &use = launch.uses[i];
            bool covers = at >= use.address && at + bytes <= use.address + use.bytes;
            if (covers && bool(use.is_write) == is_write) return true;
        }
        return false;
    }

    bool is_static(uintptr_t at) const {
        auto holds = [&](auto part) { return at >= part.first && at < part.second; };
        return std::any_of(statics.begin(), statics.end(), holds);
    }

    void touch_cells(Range &range, uintptr_t at, size_t bytes, bool is_write, bool is_atomic) {
        bool is_shared = &range == &shared;
        uint32_t thread = threadIdx.x + 1;
        for (size_t i = 0; i < bytes; ++i) {
            Cell &cell = range.cells.get()[at + i - range.begin];
            if (is_shared && !is_write && cell.written_by == 0) find("reads shared memory that nothing wrote");
            if (!is_atomic) {
                bool meets_write = cell.written_by != 0 && cell.writer == block && cell.written_in == phase &&
                                   cell.written_by != thread;
                bool meets_read = is_write && cell.read_by != 0 && cell.last_reader == block &&
                                  cell.read_in == phase && cell.read_by != thread;
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
                bool again = cell.read_in == phase && cell.last_reader == block && cell.read_by != 0;
                cell.read_by = again && cell.read_by != thread ? SEVERAL : thread;
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
