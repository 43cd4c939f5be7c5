//! Families that stay as they stand must come out as if each sample had been looked at.

#[path = "support/exposition_bodies.rs"]
mod bodies;
#[path = "support/exposition_orderly.rs"]
mod orderly;

use std::fmt::Write as _;

use bodies::body;
use orderly::orderly;
use podmeter::exposition::{
    Escaping, Exposition, Family, FamilyBuilder, Format, InputFormat, Kind, Labels, Limits,
    Rendering, Source, Syntax, merge_for, parse_with, scan_for,
};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

const FORMATS: [Format; 4] = [
    Format::TEXT,
    Format::OPENMETRICS,
    Format::new(Syntax::OpenMetrics, Escaping::AllowUtf8),
    Format::PROTOBUF,
];

type Body = (String, InputFormat, bool);

fn sources() -> impl Strategy<Value = Vec<Body>> {
    let declared = prop_oneof![
        Just(InputFormat::Unknown),
        Just(InputFormat::Text),
        Just(InputFormat::OpenMetrics)
    ];
    let body = prop_oneof![4 => orderly(), 1 => body()];
    prop::collection::vec((body, declared, prop::bool::weighted(0.2)), 1..4)
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_stays_as_it_stands_comes_out_as_if_it_had_been_looked_at(
        sources in sources(),
        with_own in prop::bool::weighted(0.3),
        limits in prop_oneof![8 => Just(Limits::default()), 1 => tight()],
    ) {
        for format in FORMATS {
            let careful = told(&sources, with_own, format, |body, input| {
                parse_with(body.as_bytes(), input, &limits).into()
            });
            for to in [format, Format::TEXT] {
                let scanned = told(&sources, with_own, format, |body, input| {
                    scan_for(to, body.as_bytes(), input, &limits)
                });
                prop_assert_eq!(&scanned, &careful, "{:?}\n{:#?}", format, sources);
            }
        }
    }

    #[test]
    fn a_scanned_exposition_has_the_samples_that_a_parsed_one_has(body in orderly()) {
        for input in [InputFormat::Text, InputFormat::OpenMetrics] {
            let limits = Limits::default();
            let parsed = parse_with(body.as_bytes(), input, &limits);
            let scanned = scan_for(Format::TEXT, body.as_bytes(), input, &limits);
            prop_assert_eq!(
                scanned.samples(),
                parsed.families.iter().map(|family| family.samples().len()).sum::<usize>()
            );
            let scanned = Exposition::from(scanned);
            prop_assert_eq!(scanned.problems.first(), parsed.problems.first());
            prop_assert_eq!(format!("{:?}", scanned.families), format!("{:?}", parsed.families));
        }
    }
}

/// Without this the laws above could hold for want of blocks.
#[test]
fn what_common_libraries_write_stays_as_it_stands() {
    let text = [
        "# HELP a_total Help.\n# TYPE a_total counter\na_total{x=\"1\"} 1.6e+09\na_total{x=\"2\"} 2\n",
        "# TYPE b gauge\nb 1.5\nc{pool=\"G1 Eden\",} 1.0E7\nc{pool=\"G1 Old\",} NaN\n",
        "# TYPE d histogram\nd_bucket{p=\"/\",le=\"0.1\"} 1\nd_bucket{p=\"/\",le=\"+Inf\"} 3\n",
        "d_sum{p=\"/\"} 0.5\nd_count{p=\"/\"} 3\n",
        "# TYPE e summary\ne{quantile=\"0.5\"} NaN\ne_sum 0\ne_count 0\nf{a=\"\"} 1 1520879607789\n",
    ]
    .concat();
    let openmetrics = concat!(
        "# TYPE g counter\ng_total{a=\"1\"} 1 # {t=\"x\"} 1 1.5\ng_created{a=\"1\"} 1520430000.1\n",
        "# TYPE h histogram\nh_count 2\nh_sum 1.0\nh_bucket{le=\"1.0\"} 2 # {t=\"x\"} 0.5\n",
        "h_bucket{le=\"+Inf\"} 2\n# TYPE i gauge\ni 1 12.5\n# TYPE j info\nj_info{v=\"1\"} 1\n# EOF\n",
    );
    for (body, input) in
        [(text.as_str(), InputFormat::Text), (openmetrics, InputFormat::OpenMetrics)]
    {
        let scanned = scan_for(Format::TEXT, body.as_bytes(), input, &Limits::default());
        assert!(scanned.problems.is_empty());
        let lines = body.lines().filter(|line| !line.starts_with('#')).count();
        assert_eq!((scanned.samples(), scanned.kept_as_they_stand()), (lines, lines));
    }
}

/// Everything that comes of merging: the answer, and what became of the sources.
fn told<'b>(
    sources: &'b [Body],
    with_own: bool,
    format: Format,
    read: impl Fn(&'b str, InputFormat) -> podmeter::exposition::Scanned<'b>,
) -> (String, String) {
    let mut problems = String::new();
    let sources: Vec<Source<'_>> = sources
        .iter()
        .enumerate()
        .map(|(at, (body, input, labelled))| {
            let read = read(body, *input);
            let _ = writeln!(problems, "{:?} {}", read.problems, read.samples());
            let source = Source::new(format!("s{at}"), read);
            if *labelled { source.labelled() } else { source }
        })
        .collect();
    let own = if with_own { own() } else { vec![] };
    let merged = merge_for(format, own, sources);
    let _ = write!(problems, "{:?} {}", merged.outcomes(), merged.samples());
    let (mut out, mut rendering) = (Vec::new(), Rendering::new(format));
    while rendering.advance(&merged, &mut out) {}
    (String::from_utf8_lossy(&out).into_owned(), problems)
}

fn own() -> Vec<Family<'static>> {
    let labels = Labels::from_pairs([("a", "1")]);
    let mut counter = FamilyBuilder::new("bar_total", Kind::Counter, "A counter of our own.");
    counter.counter(&labels, 7);
    let mut histogram = FamilyBuilder::new("own", Kind::Histogram, "A histogram of our own.");
    histogram.histogram(&labels, &[("1", 1), ("2.5", 2)], 3.5, 3);
    vec![counter.build(), histogram.build()]
}

fn tight() -> impl Strategy<Value = Limits> {
    (10..60_usize, 0..20_usize, 0..5_usize).prop_map(|(line_bytes, samples, families)| Limits {
        native_below_zero: true,
        line_bytes,
        samples,
        families,
        ..Limits::default()
    })
}

/// The same cases every time, unless the environment asks for others or for more.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    config.cases = config.cases.max(700);
    if matches!(config.rng_seed, RngSeed::Random) {
        config.rng_seed = RngSeed::Fixed(3);
    }
    config
}
