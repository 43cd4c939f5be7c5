//! Whatever is set, by flags or annotations, it is refused in one line, or comes out without a trace.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/inject/text_law.rs"]
#[allow(dead_code)]
mod text_law;

fuzz_target!(|input: (Vec<(u8, String)>, bool)| {
    if let Err(broken) = text_law::check_settings(&input.0, input.1) {
        panic!("{broken}");
    }
});
