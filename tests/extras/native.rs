//! Each format shows what it can carry, and the same numbers.

use std::collections::{BTreeMap, BTreeSet};

use podmeter::exposition::{self, Family, Format, InputFormat, Kind, Sample, Suffix};
use podmeter::meter::Natives;
use proptest::prelude::*;

use crate::known::{Asked, Known};

const BESIDE: Option<Natives> = Some(Natives { max_buckets: 160, beside: true });
const INSTEAD: Option<Natives> = Some(Natives { max_buckets: 160, beside: false });

fn some() -> impl Strategy<Value = Vec<Asked>> {
    let one = (0u64..1 << 45, 0u32..40, 0u64..1 << 30, prop_oneof![Just(200u16), Just(503)]);
    let one = one.prop_map(|(nanos, shift, bytes, status)| Asked {
        nanos: nanos >> shift,
        bytes: bytes >> shift.min(30),
        status,
        ..Asked::default()
    });
    proptest::collection::vec(one, 0..60)
}

fn known(schema: u8, natives: Option<Natives>, asked: &[Asked]) -> Known {
    let mut known = Known::new(schema, natives);
    for asked in asked {
        known.record(*asked);
    }
    known
}

/// Points of the family, each by its labels.
fn points<'f>(family: &'f Family<'_>) -> BTreeMap<Vec<(String, String)>, Vec<&'f Sample<'f>>> {
    let mut points = BTreeMap::<_, Vec<_>>::new();
    for sample in family.samples() {
        let mut labels = family.labels(sample);
        labels.retain(|(name, _)| name != "le");
        points.entry(labels).or_default().push(sample);
    }
    points
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]

    #[test]
    fn a_native_histogram_has_the_sum_and_the_count_of_the_classic_one_beside_it(
        asked in some(),
        schema in 0u8..=5,
    ) {
        let body = known(schema, BESIDE, &asked).shown(Format::PROTOBUF);
        let read = exposition::parse(&body, InputFormat::Protobuf);
        prop_assert!(read.problems.first().is_empty());
        let histograms = read.families.iter().filter(|f| f.kind().as_str() == "histogram");
        let mut seen = 0;
        for family in histograms {
            for (labels, point) in points(family) {
                let value = |suffix| point.iter().find(|s| s.suffix() == suffix).unwrap().value();
                let native = point.iter().find_map(|sample| sample.native()).unwrap();
                let count = value(Suffix::Count).as_f64();
                prop_assert_eq!(native.count().to_bits(), count.to_bits(), "{:?}", labels);
                prop_assert_eq!(native.sum().to_bits(), value(Suffix::Sum).as_f64().to_bits());
                let found: f64 = native.positive().iter().map(|(_, count)| count).sum();
                prop_assert_eq!((found + native.zero_count()).to_bits(), count.to_bits());
                // So far as a native bound is a classic one: at every power of two of those.
                let buckets = point.iter().filter(|s| s.suffix() == Suffix::Bucket);
                for bucket in buckets {
                    let le = family.labels(bucket).pop().unwrap().1.parse::<f64>().unwrap();
                    let number = le.log2() * f64::from(native.schema()).exp2();
                    if number.is_finite() && (number - number.round()).abs() < 1e-12 {
                        let below = native.positive().into_iter();
                        let below = below.filter(|(at, _)| f64::from(*at) <= number.round());
                        let below: f64 = below.map(|(_, count)| count).sum();
                        let below = below + native.zero_count();
                        prop_assert_eq!(below.to_bits(), bucket.value().as_f64().to_bits());
                    }
                }
                seen += 1;
            }
        }
        prop_assert!(seen >= 8, "{seen}");
    }

    #[test]
    fn text_does_not_change_with_what_only_protobuf_can_say(asked in some()) {
        let text = known(3, None, &asked).shown(Format::TEXT);
        for natives in [BESIDE, INSTEAD] {
            prop_assert!(known(3, natives, &asked).shown(Format::TEXT) == text);
            prop_assert!(known(5, natives, &asked).shown(Format::TEXT) == text);
        }
        let openmetrics = known(3, None, &asked).shown(Format::OPENMETRICS);
        prop_assert!(known(3, INSTEAD, &asked).shown(Format::OPENMETRICS) == openmetrics);
    }
}

#[test]
fn instead_leaves_classic_buckets_out_of_protobuf_alone() {
    let known = known(3, INSTEAD, &[Asked { nanos: 5_000_000, bytes: 7, ..Asked::default() }]);
    let body = known.shown(Format::PROTOBUF);
    let read = exposition::parse(&body, InputFormat::Protobuf);
    let family = read.families.iter().find(|f| f.name() == "istio_request_bytes").unwrap();
    let suffixes: Vec<_> = family.samples().iter().map(Sample::suffix).collect();
    assert_eq!(suffixes, [Suffix::Bare, Suffix::Created]);
    let native = family.samples()[0].native().unwrap();
    // 7 is above 2^(22/8) and at most 2^(23/8).
    assert_eq!((native.positive(), native.sum(), native.schema()), (vec![(23, 1.0)], 7.0, 3));
    assert!(native.zero_threshold() > 0.0 && native.zero_threshold() < 1e-38);
    let text = String::from_utf8(known.shown(Format::TEXT)).unwrap();
    assert!(text.contains("istio_request_bytes_bucket"));
}

#[test]
fn more_buckets_than_allowed_halve_the_resolution_and_it_stays_so() {
    let natives = Some(Natives { max_buckets: 10, beside: true });
    let mut known = Known::new(5, natives);
    let mut last = 5;
    for step in 0..300 {
        known.record(Asked { nanos: 1 << (step % 40), bytes: 1, ..Asked::default() });
        let body = known.shown(Format::PROTOBUF);
        let read = exposition::parse(&body, InputFormat::Protobuf);
        let name = "istio_request_duration_milliseconds";
        let family = read.families.iter().find(|family| family.name() == name).unwrap();
        let native = family.samples().iter().find_map(Sample::native).unwrap();
        assert!(native.positive().iter().filter(|(_, n)| *n > 0.0).count() <= 10);
        assert!(native.schema() <= last);
        last = native.schema();
    }
    assert_eq!(last, -2, "40 powers of two in 10 buckets");
}

#[test]
fn a_series_has_counted_since_its_first_exchange_and_the_others_since_the_start() {
    let mut known = Known::new(3, BESIDE);
    known.record(Asked { status: 503, at: 2_000_000_000, ..Asked::default() });
    known.record(Asked { status: 503, at: 9_000_000_000, ..Asked::default() });
    let text = String::from_utf8(known.shown(Format::OPENMETRICS)).unwrap();
    let created = |name: &str, label: &str| {
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        let lines: Vec<_> = lines.map(|line| line.rsplit(' ').next().unwrap()).collect();
        lines.join(" ")
    };
    let of = |code| format!("response_code=\"{code}\"");
    assert_eq!(created("istio_requests_created{", &of(200)), "1700000000.25");
    assert_eq!(created("istio_requests_created{", &of(503)), "1700000002.25");
    assert_eq!(created("istio_request_bytes_created{", &of(503)), "1700000002.25");
    assert_eq!(created("podmeter_loops_refused_created ", ""), "1700000000.25");
    // A counter without `_total` is none in OpenMetrics, and so has none.
    assert_eq!(created("envoy_cluster_upstream_rq_created", ""), "");
    let text = String::from_utf8(known.shown(Format::TEXT)).unwrap();
    assert!(!text.contains("_created"));
}

#[test]
fn everything_that_counts_says_since_when_wherever_that_can_be_said() {
    let mut known = Known::new(3, BESIDE);
    known.record(Asked { status: 503, at: 2_000_000_000, ..Asked::default() });
    for (format, input) in
        [(Format::PROTOBUF, InputFormat::Protobuf), (Format::OPENMETRICS, InputFormat::OpenMetrics)]
    {
        let body = known.shown(format);
        let read = exposition::parse(&body, input);
        let counts =
            |family: &&Family<'_>| matches!(family.kind(), Kind::Counter | Kind::Histogram);
        for family in read.families.iter().filter(counts) {
            let of = |is: fn(Suffix) -> bool| -> BTreeSet<String> {
                let samples = family.samples().iter().filter(|sample| is(sample.suffix()));
                samples.map(|sample| format!("{:?}", family.labels(sample))).collect()
            };
            let points = of(|suffix| matches!(suffix, Suffix::Bare | Suffix::Count));
            let dated = of(|suffix| suffix == Suffix::Created);
            assert!(!points.is_empty());
            assert_eq!(dated, points, "{} in {format:?}", family.name());
        }
        let has = |name: &str| read.families.iter().find(|family| family.name() == name).unwrap();
        // OpenMetrics has no counters whose names differ in `_total` alone.
        let is_told = has("envoy_cluster_upstream_rq_total").kind() == Kind::Counter;
        assert_eq!(is_told, format == Format::PROTOBUF);
    }
}
