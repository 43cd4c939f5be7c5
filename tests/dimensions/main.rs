//! What tells requests apart, through the built program: dialects of the configuration before a real
//! Prometheus, and a client that asks for ever new paths, methods and hosts.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

mod attack;
mod exporters;
mod path_law;

#[path = "../support/http.rs"]
mod http;
#[path = "../support/nginx.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod nginx;
#[path = "../support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "../support/prom.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod prom;
#[path = "../support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "../support/skip.rs"]
mod skip;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_most_exact_template_is_found_and_what_is_folded_is_clean(
        texts in prop::collection::vec("(/([ab]|\\{x\\}|)){1,4}(/\\{y\\.\\.\\.\\})?", 0..6),
        path in prop_oneof!["(/[abc]?){0,5}", "[ -~]{0,40}", "(/[0-9a-f-]{1,20}){1,4}"],
    ) {
        let law = path_law::check(&texts, path.as_bytes());
        prop_assert!(law.is_ok(), "{:?}", law);
    }

    #[test]
    fn the_laws_of_templates_hold_for_any_bytes(
        texts in prop::collection::vec(any::<String>(), 0..3),
        path in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let law = path_law::check(&texts, &path);
        prop_assert!(law.is_ok(), "{:?}", law);
    }
}
