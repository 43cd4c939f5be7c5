//! Whatever is taken for manifests, it is refused in one line, or what is put in comes out again.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/inject/text_law.rs"]
#[allow(dead_code)]
mod text_law;

fuzz_target!(|text: &str| {
    if let Err(broken) = text_law::check_text(text) {
        panic!("{broken}");
    }
});
