//! Whatever comes to the webhook, it is refused in one line, or answered as the law says.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/injector/review_law.rs"]
mod review_law;

fuzz_target!(|body: &[u8]| {
    if let Err(broken) = review_law::check(body) {
        panic!("{broken}");
    }
});
