//! The laws of the scrape, through the real program: what is asked for is what is given, and
//! nothing that the app's sources do makes it invalid, late or wrong.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "support/http.rs"]
mod http;
#[path = "scrape_laws/large.rs"]
mod large;
#[path = "scrape_laws/merged.rs"]
mod merged;
#[path = "scrape_laws/negotiated.rs"]
mod negotiated;
#[path = "scrape_laws/operators.rs"]
mod operators;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "support/scrape.rs"]
mod scrape;
#[path = "scrape_laws/scripted.rs"]
mod scripted;
#[path = "scrape_laws/selected.rs"]
mod selected;
#[path = "support/sidecar.rs"]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;
#[path = "scrape_laws/stopping.rs"]
mod stopping;

use std::time::Duration;

use podmeter::exposition::Format;

const FORMATS: [Format; 2] = [Format::TEXT, Format::OPENMETRICS];
const PATIENCE: Duration = Duration::from_secs(30);

/// Has the reference parser read a text too, where there is one.
#[track_caller]
fn also_valid_for_python(test: &str, answer: &str, format: Format) {
    match process::python() {
        Some(python) => {
            let read = scrape::python_reads(&python, answer, format);
            read.unwrap_or_else(|why| panic!("{format:?}: {why}\n{answer}"));
        }
        None => skip::skip(test, "its comparison with Python needs PODMETER_PYTHON"),
    }
}
