// What a kernel knows of all its stages when it is compiled: the rest of the code is written once, and
// what a kind rules out the compiler leaves out of its kernel.
#pragma once

// Any stage.
struct AnyStage {
    // Channels, or 0 where they are read from the arguments.
    static constexpr int CHANNELS_KNOWN = 0;
    // The logarithm of a tile's side, or 0 where it is read from the arguments.
    static constexpr int LOG2_KNOWN = 0;
    // Whether pixels may be sampled at places of their own, or looked at with their neighbours.
    static constexpr bool WARPS = true;
};

// Photos in three colours, of one slice, that are moved and resized: `launches.rs` sees to it.
struct PhotoStage {
    static constexpr int CHANNELS_KNOWN = 3;
    static constexpr int LOG2_KNOWN = 5;
    static constexpr bool WARPS = false;
};
