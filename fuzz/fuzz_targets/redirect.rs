//! Whatever is asked for, it is refused in one line, or the rules for it say nothing else.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/redirect/text_law.rs"]
mod text_law;

fuzz_target!(|texts: [String; 11]| {
    if let Err(broken) = text_law::check(&texts) {
        panic!("{broken}");
    }
});
