//! What `lint`, the parser and the renderer owe one another, whatever the bodies are.

use podmeter::exposition::{
    Format, InputFormat, Merged, Source, lint, merge, merge_for, parse, render,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::bodies::body;
use crate::oracle::sound;

const FORMATS: [(Format, InputFormat); 2] =
    [(Format::TEXT, InputFormat::Text), (Format::OPENMETRICS, InputFormat::OpenMetrics)];

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_we_write_is_valid(bodies in prop::collection::vec((body(), any::<bool>()), 1..4)) {
        for (format, name) in FORMATS {
            let sources = bodies.iter().enumerate().map(|(at, (body, labelled))| {
                let read = parse(body.as_bytes(), InputFormat::Unknown);
                let source = Source::new(format!("s{at}"), read);
                if *labelled { source.labelled() } else { source }
            });
            let merged = merge_for(format, vec![], sources.collect());
            let out = written(&merged, format);
            let report = lint(out.as_bytes(), name, 20);
            prop_assert_eq!(report.errors(), 0, "{:?}\n{}", report.findings(), out);
            prop_assert_eq!(report.samples, merged.samples() as u64);
        }
    }

    #[test]
    fn of_what_is_valid_no_sample_is_lost(body in prop_oneof![sound(), body()]) {
        for (_, name) in FORMATS {
            // To the parser a body that ends so is OpenMetrics, whatever it was called.
            let eof = name == InputFormat::Text && body.contains("# EOF");
            if eof || lint(body.as_bytes(), name, 0).errors() > 0 {
                continue;
            }
            let read = parse(body.as_bytes(), name);
            prop_assert_eq!(read.problems.first(), &[][..], "{:?}\n{}", name, body);
            let samples: usize = read.families.iter().map(|family| family.samples().len()).sum();
            let said = lint(body.as_bytes(), name, 20);
            prop_assert_eq!(samples as u64, said.samples);
            let merged = merge(vec![], vec![Source::new("app", read)]);
            let repeated = said.findings().iter().any(|f| TWICE.contains(&f.rule.code()));
            let dropped = merged.outcomes()[0].dropped;
            prop_assert!(repeated || dropped.total() == 0, "{:?}\n{}", dropped, body);
        }
    }

    #[test]
    fn any_bytes_are_judged_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in [InputFormat::Unknown, InputFormat::Text, InputFormat::OpenMetrics] {
            let report = lint(&bytes, format, 1000);
            for finding in report.findings() {
                prop_assert!(finding.line >= 1 && finding.column >= 1);
            }
        }
    }
}

/// What merging drops though every reader takes it.
const TWICE: [&str; 2] = ["repeated_time", "duplicate_series"];

fn written(merged: &Merged<'_>, format: Format) -> String {
    let mut out = Vec::new();
    render(merged, format, &mut out);
    String::from_utf8(out).unwrap()
}

/// The same cases every time, unless the environment asks for others or for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(1000);
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(1);
    }
    config
}
