//! Behaviour of the whole through the facade, as one binary.

#[path = "suite/augmentation.rs"]
mod augmentation;
#[path = "suite/auto.rs"]
mod auto;
#[path = "suite/batch.rs"]
mod batch;
#[path = "suite/delivery.rs"]
mod delivery;
#[path = "suite/errors.rs"]
mod errors;
#[path = "suite/fields.rs"]
mod fields;
#[path = "suite/files.rs"]
mod files;
#[path = "suite/image_folder.rs"]
mod image_folder;
#[path = "suite/image_folders.rs"]
mod image_folders;
#[path = "suite/iteration.rs"]
mod iteration;
#[path = "suite/lengths.rs"]
mod lengths;
#[path = "suite/map_batch.rs"]
mod map_batch;
#[path = "suite/map_drawn.rs"]
mod map_drawn;
#[path = "suite/messages.rs"]
mod messages;
#[path = "suite/misbehaviour.rs"]
mod misbehaviour;
#[path = "suite/mixing.rs"]
mod mixing;
#[path = "suite/mixtures.rs"]
mod mixtures;
#[path = "suite/packing.rs"]
mod packing;
#[path = "suite/painter.rs"]
mod painter;
#[path = "suite/pictures.rs"]
mod pictures;
#[path = "suite/read_ahead.rs"]
mod read_ahead;
#[path = "suite/samples.rs"]
mod samples;
#[path = "suite/scaled_decode.rs"]
mod scaled_decode;
#[path = "suite/sources.rs"]
mod sources;
#[path = "suite/stalls.rs"]
mod stalls;
#[path = "suite/state.rs"]
mod state;
#[path = "suite/steps.rs"]
mod steps;
#[path = "suite/stopping.rs"]
mod stopping;
#[cfg(feature = "remote")]
#[path = "suite/stores.rs"]
mod stores;
#[path = "suite/stress.rs"]
mod stress;
#[path = "suite/tester.rs"]
mod tester;
