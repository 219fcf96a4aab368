// Handles given to clients.
#pragma once

#include <cstdint>

namespace sim {

// Never the same twice in a process: a handle that outlived its simulation or its object is known
// to be stale. Begins above the special stream handles. Called under the lock of the driver.
inline std::uintptr_t new_handle() {
    static std::uintptr_t next = 0x1000;
    return next += 0x10;
}

} // namespace sim
