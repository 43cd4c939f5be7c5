//! Whatever two sides say to each other after their SETTINGS, the laws of the HTTP/2 observer hold.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/http2_observer/fuzzed.rs"]
mod fuzzed;
#[path = "../../tests/http1_observer/law.rs"]
#[expect(dead_code, reason = "the other target uses the rest")]
mod law;

fuzz_target!(|bytes: &[u8]| {
    // A small limit, so that the fuzzer meets it.
    let script = fuzzed::script(bytes, 256);
    let outcome =
        if bytes.len() < 100 { law::check_each_split(&script) } else { law::check(&script) };
    if let Err(broken) = outcome {
        panic!("{broken}");
    }
});
