//! podmeter shows what a pod does without touching its code.

pub mod clock;
pub mod meter;
pub mod observe;
