//! Takes Prometheus expositions from any number of sources and gives one valid exposition out.
//!
//! Four steps, each a function of its input alone:
//!
//! ```
//! use podmeter::exposition::{self, FamilyBuilder, Format, InputFormat, Kind, Labels, Source};
//!
//! let mut own = FamilyBuilder::new("proxy_requests_total", Kind::Counter, "Requests seen.");
//! own.counter(&Labels::from_pairs([("code", "200")]), 7);
//! let body = b"# TYPE jobs gauge\njobs{queue=\"a\"} 3\n";
//! let app = exposition::parse(body, InputFormat::from_content_type(Some("text/plain")));
//!
//! let merged = exposition::merge(vec![own.build()], vec![Source::new("app", app)]);
//! let format = exposition::negotiate(["application/openmetrics-text;version=1.0.0"]);
//! let mut answer = Vec::new();
//! exposition::render(&merged, format, &mut answer);
//!
//! assert_eq!(format, Format::OPENMETRICS);
//! assert!(answer.ends_with(b"jobs{queue=\"a\"} 3\n# EOF\n"));
//! ```
//!
//! [`parse()`] reads one body, borrowing from it, and costs a bad line no more than its sample.
//! [`merge()`] gives each family one kind and one place and each series one value.
//! [`render()`] writes what is valid for all of Prometheus's own parser, Go's `expfmt` and the
//! strict parser of Python's `prometheus_client`. [`negotiate()`] reads the `Accept` header.
//! `docs/exposition.md` tells how each kind crosses from one format to the other.

mod block;
mod build;
mod format;
mod keyed;
mod labels;
mod lint;
mod merge;
mod model;
mod names;
mod native;
mod negotiate;
mod parse;
mod problem;
mod render;
mod select;
mod sum;
mod value;

pub use build::{FamilyBuilder, HistogramPoint, NativeBuckets};
pub use format::{Escaping, Format, Syntax};
pub use labels::Labels;
pub use lint::{Finding, Report, Rule, Severity, detect, lint};
pub use merge::{Apart, Merged, Outcome, Source, merge, merge_for};
pub use model::{Exemplar, Exposition, Family, Kind, Sample, Scanned, Suffix, Timestamp};
pub use native::Native;
pub use negotiate::negotiate;
pub(crate) use negotiate::weight;
pub use parse::{InputFormat, Limits, parse, parse_with, scan_for};
pub use problem::{Counts, Problem, Problems, Reason};
pub use render::{Rendering, render};
pub use select::keep_used;
pub(crate) use sum::{Change, Tally, keep, kept_bytes, points_of};
pub use sum::{GaugeRule, GaugeRules, Member, Summed, sum};
pub use value::Number;
