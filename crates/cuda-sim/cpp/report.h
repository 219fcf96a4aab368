// What a simulation found: violations of the rules of the driver, and how often what was called.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sim {

// The order is that of `ViolationKind` in src/lib.rs.
enum class Fault : int {
    unordered_read,
    unordered_write,
    unordered_free,
    use_before_allocation,
    use_after_free,
    out_of_bounds,
    invalid_free,
    host_access_in_flight,
    no_context,
    invalid_handle,
    undeclared_access,
    kernel_failed,
    wrong_device,
    capture_broken,
    unsupported,
};

struct Violation {
    Fault fault;
    std::string message;
};

class Report {
public:
    void violation(Fault fault, std::string message) {
        counters["violations"] += 1;
        if (violations.size() < MAX_VIOLATIONS) violations.push_back({fault, std::move(message)});
    }

    std::vector<Violation> violations;
    // Calls by name of the driver function; launches as "launch:" and the name of the kernel.
    std::map<std::string, std::uint64_t> counters;

private:
    // A client without any ordering makes one a step; the first ones tell the story.
    static constexpr std::size_t MAX_VIOLATIONS = 1000;
};

} // namespace sim
