// Vector clocks: which steps of which streams are known to have happened.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace sim {

// A stream's place in every clock. Lanes are dense and never reused within a simulation.
using Lane = std::uint32_t;

// The `tick`-th operation of one lane, counted from 1; tick 0 is "before everything".
struct Moment {
    Lane lane = 0;
    std::uint64_t tick = 0;
};

class Clock {
public:
    bool includes(Moment moment) const { return known(moment.lane) >= moment.tick; }

    void advance(Moment moment) {
        if (ticks_.size() <= moment.lane) ticks_.resize(moment.lane + 1, 0);
        ticks_[moment.lane] = std::max(ticks_[moment.lane], moment.tick);
    }

    void join(const Clock &other) {
        if (ticks_.size() < other.ticks_.size()) ticks_.resize(other.ticks_.size(), 0);
        for (std::size_t lane = 0; lane < other.ticks_.size(); ++lane)
            ticks_[lane] = std::max(ticks_[lane], other.ticks_[lane]);
    }

private:
    std::uint64_t known(Lane lane) const { return lane < ticks_.size() ? ticks_[lane] : 0; }

    std::vector<std::uint64_t> ticks_;
};

} // namespace sim
