//! Whatever the templates and the path, the most exact template is found, and what is folded is clean.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/dimensions/path_law.rs"]
mod path_law;

fuzz_target!(|asked: (Vec<String>, Vec<u8>)| {
    if let Err(broken) = path_law::check(&asked.0, &asked.1) {
        panic!("{broken}");
    }
});
