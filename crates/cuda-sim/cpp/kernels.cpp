#include "kernels.h"

#include <cctype>
#include <cstring>
#include <sstream>

#include "handles.h"

namespace sim {

namespace {

// No kernel's declaration is longer: parameters are at most 4 KiB, a line each.
constexpr std::size_t MAX_DECLARATION = 64 << 10;

// The bytes that one `.param` of PTX takes: `.param .align 8 .b8 name[24]` or `.param .u64 name`.
std::size_t declared_bytes(const std::string &param) {
    std::istringstream words(param);
    std::string word;
    std::size_t bytes = 0;
    while (words >> word) {
        const bool typed = word.size() > 2 && std::strchr("busf", word[1]) && isdigit(word[2]);
        if (word[0] == '.' && typed) bytes = std::stoul(word.substr(2)) / 8;
        const auto bracket = word.find('[');
        if (bracket != std::string::npos) bytes *= std::stoul(word.substr(bracket + 1));
    }
    return bytes;
}

const char *interned(const std::string &name) {
    // For the whole process: names are few and recur in every simulation.
    static std::set<std::string> names;
    return names.insert(name).first->c_str();
}

} // namespace

std::string ptx_text(const void *image) {
    const auto *bytes = static_cast<const char *>(image);
    // Magic numbers of a fatbin, of its wrapper, and of ELF begin with bytes that no PTX begins with.
    const bool text = isspace(bytes[0]) || bytes[0] == '/' || bytes[0] == '.';
    return text ? std::string(bytes) : std::string();
}

std::optional<Sizes> ptx_param_bytes(const std::string &text, const std::string &entry) {
    const std::string head = ".entry " + entry;
    std::size_t at = text.find(head);
    while (at != std::string::npos && !std::strchr("( \t\r\n{", text[at + head.size()]))
        at = text.find(head, at + 1);
    if (at == std::string::npos) return std::nullopt;
    const std::string rest = text.substr(at + head.size(), MAX_DECLARATION);
    const std::size_t open = rest.find_first_of("({"), close = rest.find(')');
    Sizes sizes;
    if (open == std::string::npos || rest[open] == '{') return sizes;
    std::istringstream params(rest.substr(open + 1, close - open - 1));
    for (std::string param; std::getline(params, param, ',');)
        if (param.find(".param") != std::string::npos) sizes.push_back(declared_bytes(param));
    return sizes;
}

Launch::Launch(const Sizes &sizes, void **values, const std::uint32_t grid[3],
               const std::uint32_t block[3], std::uint32_t shared_bytes)
    : sizes_(sizes) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const auto *value = static_cast<const unsigned char *>(values[i]);
        values_.emplace_back(value, value + sizes[i]);
    }
    for (const auto &value : values_) pointers_.push_back(value.data());
    view_ = {pointers_.data(), sizes_.data(), sizes_.size(),        {grid[0], grid[1], grid[2]},
             {block[0], block[1], block[2]},  shared_bytes};
}

CUmodule Kernels::load(std::string text, int device) {
    const CUmodule handle = new_handle();
    modules_[handle] = {std::move(text), device, {}};
    return handle;
}

bool Kernels::unload(CUmodule module) {
    auto found = modules_.find(module);
    if (found == modules_.end()) return false;
    for (auto &[name, function] : found->second.functions) functions_.erase(function);
    modules_.erase(found);
    return true;
}

CUfunction Kernels::function(CUmodule handle, const std::string &name) {
    Module &module = modules_.at(handle);
    auto known = module.functions.find(name);
    if (known != module.functions.end()) return known->second;
    auto sizes = ptx_param_bytes(module.text, name);
    if (!module.text.empty() && !sizes && !registered(name)) return 0;
    const CUfunction function = new_handle();
    module.functions[name] = function;
    functions_[function] = {module.device, interned(name), std::move(sizes)};
    return function;
}

const Function *Kernels::find(CUfunction function) const {
    auto found = functions_.find(function);
    return found == functions_.end() ? nullptr : &found->second;
}

void Kernels::register_kernel(const char *name, std::shared_ptr<Kernel> kernel) {
    kernels_[name] = std::move(kernel);
}

std::shared_ptr<Kernel> Kernels::registered(const std::string &name) const {
    auto found = kernels_.find(name);
    return found == kernels_.end() ? nullptr : found->second;
}

} // namespace sim
