//! However sources clash, the answer is valid, by the fast way and by the careful one the same.
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
    if let Err(broken) = law::merged(bytes) {
        panic!("{broken}");
    }
});
