// Modules, functions and the kernels that the host plays.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "control.h"
#include "driver_types.h"
#include "memory.h"
#include "report.h"

namespace sim {

using Sizes = std::vector<std::size_t>;

// A kernel registered by a test. Dropped with the last launch that needs it.
struct Kernel {
    cuda_sim_kernel calls;
    Sizes param_bytes;

    Kernel(const cuda_sim_kernel &calls, Sizes param_bytes)
        : calls(calls), param_bytes(std::move(param_bytes)) {}
    Kernel(const Kernel &) = delete;
    Kernel &operator=(const Kernel &) = delete;
    ~Kernel() { calls.drop(calls.user); }
};

struct Function {
    int device;
    // Interned: it outlives every access that carries it.
    const char *name;
    // Known when the module is PTX text that declares the entry.
    std::optional<Sizes> param_bytes;
};

// One launch: the values of its parameters are copied, because it runs after the call returned.
class Launch {
public:
    Launch(const Sizes &sizes, void **values, const std::uint32_t grid[3],
           const std::uint32_t block[3], std::uint32_t shared_bytes);
    Launch(const Launch &) = delete;
    Launch &operator=(const Launch &) = delete;

    const cuda_sim_launch &view() const { return view_; }

    std::shared_ptr<Kernel> kernel;
    const char *name = nullptr;
    Report *report = nullptr;
    // What the kernel said it uses, as far as that lies in memory.
    std::vector<Span> spans;

private:
    Sizes sizes_;
    std::vector<std::vector<unsigned char>> values_;
    std::vector<const unsigned char *> pointers_;
    cuda_sim_launch view_;
};

class Kernels {
public:
    CUmodule load(std::string text, int device);
    bool unload(CUmodule module);
    // 0 when PTX text declares no such entry and the test registered none.
    CUfunction function(CUmodule module, const std::string &name);
    const Function *find(CUfunction function) const;
    bool loaded(CUmodule module) const { return modules_.count(module) != 0; }

    void register_kernel(const char *name, std::shared_ptr<Kernel> kernel);
    std::shared_ptr<Kernel> registered(const std::string &name) const;

private:
    struct Module {
        std::string text;
        int device = 0;
        std::map<std::string, CUfunction> functions;
    };

    std::map<CUmodule, Module> modules_;
    std::map<CUfunction, Function> functions_;
    std::map<std::string, std::shared_ptr<Kernel>> kernels_;
};

// PTX text behind a pointer that came without a length; empty for binary images, whose functions
// are then known by name alone.
std::string ptx_text(const void *image);
// The sizes of the parameters of an entry that PTX text declares.
std::optional<Sizes> ptx_param_bytes(const std::string &text, const std::string &entry);

} // namespace sim
