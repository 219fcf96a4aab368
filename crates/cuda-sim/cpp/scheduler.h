// Streams, and the adversary that decides how late their operations run.
//
// The driver promises that operations of one stream run in order, that a wait for an event holds
// up what follows it, that operations of the legacy stream and of blocking streams do not overtake
// each other, and that a synchronisation returns after the work it names. Nothing else is promised,
// so everything else is left to a seed. No thread runs here: operations run inside API calls, on
// the calling thread, which makes a run of a single-threaded client reproducible.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "clock.h"
#include "driver_types.h"

namespace sim {

// An operation that waits in a stream: it runs when all of `after` has run and it is the oldest.
struct Operation {
    std::vector<Moment> after;
    std::function<void()> run;
};

// The simulated devices, each with its memory, its context and its streams.
constexpr int DEVICES = 2;

// A graph that is being captured from a stream. What is issued there meanwhile is not run.
struct Capture {
    CUstreamCaptureMode mode;
    std::thread::id thread;
    // Something made it fail, which its end reports.
    bool invalidated = false;
};

struct Stream {
    enum class Kind { legacy, per_thread, created };

    Lane lane = 0;
    int device = 0;
    Kind kind = Kind::created;
    // Blocking streams and the legacy stream wait for each other; non-blocking ones do not.
    bool blocking = true;
    // What an operation that is issued next is ordered after.
    Clock clock;
    std::uint64_t issued = 0;
    std::uint64_t completed = 0;
    std::deque<Operation> queue;
    std::optional<Capture> capture;

    std::string name() const;
    Moment last() const { return {lane, issued}; }
};

class Scheduler {
public:
    explicit Scheduler(std::uint64_t seed);

    Stream &open(Stream::Kind kind, bool blocking, int device);
    Stream &at(Lane lane) { return *streams_[lane]; }
    // The first streams, by device.
    Stream &legacy(int device) { return *streams_[static_cast<std::size_t>(device)]; }
    std::vector<Stream *> of_device(int device);
    std::vector<Stream *> capturing();

    // Orders the operation that comes next in `stream`; `enqueue` then gives it something to run.
    // Two steps, because what it touches is checked between them.
    Moment issue(Stream &stream);
    void enqueue(Stream &stream, std::function<void()> run, std::vector<Moment> after = {});

    bool done(Moment moment) const { return streams_[moment.lane]->completed >= moment.tick; }
    // Lets the adversary run what it likes: called on entry to and exit from every API call.
    void step();
    // Runs what is needed until `goal` is done, and whatever else the adversary likes.
    void finish(Moment goal);
    // A poll may see progress or not, but polling for ever ends.
    void poll(Moment goal);
    void drain();
    // Runs what was issued to a device, and lets the host know.
    void finish_device(int device);
    // The host has learnt that the work in `clock` is done.
    void host_learns(const Clock &clock) { host_.join(clock); }
    // One clock for all host threads: how they hand over to each other (locks, channels) cannot be
    // seen here, and is taken to be ordered.
    const Clock &host() const { return host_; }
    std::uint64_t executed() const { return executed_; }
    std::uint64_t random();

private:
    // How a seed treats operations that may run but need not.
    enum class Mood { lazy, eager, erratic, lopsided };

    const Moment *blocker(const Stream &stream) const;
    bool favoured(Lane lane) const;
    bool run_one();
    void run_favoured();
    void run_oldest(Stream &stream);
    void disturb();

    std::uint64_t seed_;
    std::uint64_t random_state_;
    Mood mood_;
    std::vector<std::unique_ptr<Stream>> streams_;
    // What every blocking stream must wait for at its next operation, given by the legacy rules.
    std::vector<Moment> legacy_after_;
    Clock host_;
    std::uint64_t pending_ = 0;
    std::uint64_t executed_ = 0;
};

} // namespace sim
