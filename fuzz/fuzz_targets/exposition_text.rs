//! Text is read as a simple second reader reads it, and what lint calls valid loses no sample.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/support/exposition_checker.rs"]
mod checker;
#[path = "../../tests/support/exposition_law.rs"]
#[allow(dead_code, reason = "one law of several")]
mod law;
#[path = "../../tests/support/exposition_simple.rs"]
#[allow(dead_code, reason = "not every law needs it")]
mod simple;

fuzz_target!(|bytes: &[u8]| {
    if let Err(broken) = law::text(bytes) {
        panic!("{broken}");
    }
});
