//! podmeter shows what a pod does without touching its code.

pub mod exposition;
