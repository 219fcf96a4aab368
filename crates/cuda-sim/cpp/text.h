// Pieces of messages.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

namespace sim::text {

template <typename... Parts> std::string join(const Parts &...parts) {
    std::ostringstream out;
    (out << ... << parts);
    return out.str();
}

inline std::string hex(std::uintptr_t value) {
    std::ostringstream out;
    out << "0x" << std::hex << value;
    return out.str();
}

} // namespace sim::text
