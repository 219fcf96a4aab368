//! A chain tied to a schema: the engine that workers run, for the image and the fields that follow it.

mod deliver;
mod engine;
mod follow;
mod pixels;
mod points;
mod scaling;
mod second_image;
mod select;
mod targets;
mod theirs;

pub(crate) use self::engine::{AugmentEngine, PlanHeader, StageNeeds};
pub(crate) use self::select::Select;
