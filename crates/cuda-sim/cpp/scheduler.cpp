#include "scheduler.h"

namespace sim {

namespace {

// One operation in this many calls is left alone by an erratic seed.
constexpr std::uint64_t ERRATIC_REST = 2;
// An erratic seed runs fewer operations than this at one call.
constexpr std::uint64_t ERRATIC_BURST = 4;
constexpr std::uint64_t MOODS = 4;

// splitmix64 (Steele, Lea, Flood 2014): one word of state, any seed is good.
std::uint64_t mix(std::uint64_t x) {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

constexpr std::uint64_t GOLDEN = 0x9e3779b97f4a7c15ull;

} // namespace

std::string Stream::name() const {
    const char *kinds[] = {"the legacy stream", "per-thread stream ", "created stream "};
    std::string name = kinds[static_cast<int>(kind)];
    if (kind != Kind::legacy) name += std::to_string(lane);
    return name + " of device " + std::to_string(device);
}

// The mood is the seed modulo four, so that any four seeds in a row see all of them.
Scheduler::Scheduler(std::uint64_t seed)
    : seed_(seed), random_state_(seed), mood_(static_cast<Mood>(seed % MOODS)) {
    for (int device = 0; device < DEVICES; ++device) open(Stream::Kind::legacy, true, device);
}

std::uint64_t Scheduler::random() { return mix(random_state_ += GOLDEN); }

Stream &Scheduler::open(Stream::Kind kind, bool blocking, int device) {
    auto stream = std::make_unique<Stream>();
    stream->lane = static_cast<Lane>(streams_.size());
    stream->device = device;
    stream->kind = kind;
    stream->blocking = blocking;
    streams_.push_back(std::move(stream));
    return *streams_.back();
}

Moment Scheduler::issue(Stream &stream) {
    legacy_after_.clear();
    if (stream.kind == Stream::Kind::legacy) {
        for (auto &other : streams_) {
            if (other->device != stream.device || other.get() == &stream || !other->blocking)
                continue;
            stream.clock.join(other->clock);
            legacy_after_.push_back(other->last());
        }
    } else if (stream.blocking) {
        stream.clock.join(legacy(stream.device).clock);
        legacy_after_.push_back(legacy(stream.device).last());
    }
    stream.clock.join(host_);
    stream.issued += 1;
    stream.clock.advance(stream.last());
    return stream.last();
}

void Scheduler::enqueue(Stream &stream, std::function<void()> run, std::vector<Moment> after) {
    after.insert(after.end(), legacy_after_.begin(), legacy_after_.end());
    stream.queue.push_back({std::move(after), std::move(run)});
    pending_ += 1;
}

const Moment *Scheduler::blocker(const Stream &stream) const {
    for (const Moment &moment : stream.queue.front().after)
        if (!done(moment)) return &moment;
    return nullptr;
}

bool Scheduler::favoured(Lane lane) const { return mix(seed_ + GOLDEN * (lane + 1)) & 1; }

void Scheduler::run_oldest(Stream &stream) {
    Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    operation.run();
    stream.completed += 1;
    pending_ -= 1;
    executed_ += 1;
}

bool Scheduler::run_one() {
    if (pending_ == 0) return false;
    const std::size_t first = random() % streams_.size();
    for (std::size_t i = 0; i < streams_.size(); ++i) {
        Stream &stream = *streams_[(first + i) % streams_.size()];
        if (stream.queue.empty() || blocker(stream)) continue;
        run_oldest(stream);
        return true;
    }
    return false;
}

void Scheduler::run_favoured() {
    for (auto &stream : streams_)
        while (favoured(stream->lane) && !stream->queue.empty() && !blocker(*stream))
            run_oldest(*stream);
}

void Scheduler::step() {
    if (pending_ == 0) return;
    switch (mood_) {
    case Mood::lazy: break;
    case Mood::eager: drain(); break;
    case Mood::erratic: disturb(); break;
    case Mood::lopsided: run_favoured(); break;
    }
}

void Scheduler::disturb() {
    if (mood_ == Mood::lopsided) run_favoured();
    if (mood_ != Mood::erratic || random() % ERRATIC_REST == 0) return;
    for (auto left = random() % ERRATIC_BURST; left > 0 && run_one(); --left) {
    }
}

// Ends: a wait only ever names an operation that was issued earlier.
void Scheduler::finish(Moment goal) {
    Stream &stream = *streams_[goal.lane];
    while (stream.completed < goal.tick) {
        if (const Moment *need = blocker(stream))
            finish(Moment(*need));
        else
            run_oldest(stream);
        disturb();
    }
}

void Scheduler::poll(Moment goal) {
    if (!done(goal) && random() % 2 == 0) finish({goal.lane, at(goal.lane).completed + 1});
}

void Scheduler::drain() {
    while (run_one()) {
    }
}

std::vector<Stream *> Scheduler::of_device(int device) {
    std::vector<Stream *> found;
    for (auto &stream : streams_)
        if (stream->device == device) found.push_back(stream.get());
    return found;
}

std::vector<Stream *> Scheduler::capturing() {
    std::vector<Stream *> found;
    for (auto &stream : streams_)
        if (stream->capture) found.push_back(stream.get());
    return found;
}

void Scheduler::finish_device(int device) {
    for (Stream *stream : of_device(device)) {
        finish(stream->last());
        host_learns(stream->clock);
    }
}

} // namespace sim
