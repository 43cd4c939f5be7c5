//! Leaves out of an exposition what its reader did not ask for.
//!
//! Families stay whole, and so do the points of histograms: what is left is as valid as before.

use std::collections::HashSet;

use super::merge::Merged;
use super::model::{Family, Kind, Sample, Suffix};

impl Merged<'_> {
    /// Keeps the families of whose names one is wanted: the family's own or that of one of its
    /// samples, each as text 0.0.4 has it.
    pub fn keep_named(&mut self, wanted: impl Fn(&str) -> bool) {
        self.families.retain(|family| {
            wanted(&family.name)
                || Suffix::ALL
                    .into_iter()
                    .filter(|suffix| *suffix != Suffix::Bare && family.has(*suffix))
                    .any(|suffix| wanted(&family.sample_name(suffix)))
        });
    }
}

/// Leaves out the series in which nothing was recorded yet: counters at zero, and histograms and
/// summaries that have observed nothing. Of a gauge nobody knows whether its zero was measured, so
/// gauges stay.
pub fn keep_used(families: &mut Vec<Family<'_>>) {
    for family in &mut *families {
        let kind = family.kind;
        if kind != Kind::Counter && !kind.is_compound() {
            continue;
        }
        let counts = |sample: &Sample<'_>| match sample.suffix {
            // A native histogram's value is its count.
            Suffix::Bare => !kind.is_compound() || sample.native().is_some(),
            Suffix::Count | Suffix::GaugeCount => true,
            _ => false,
        };
        let used: HashSet<Point> = family
            .samples
            .iter()
            .filter(|sample| counts(sample) && sample.value.as_f64() != 0.0)
            .map(|sample| point(family, sample))
            .collect();
        let keep = family.samples.iter().map(|sample| used.contains(&point(family, sample)));
        let mut keep = keep.collect::<Vec<_>>().into_iter();
        family.samples.retain(|_| keep.next().unwrap_or(true));
    }
    families.retain(|family| !family.samples.is_empty());
}

/// The labels that all samples of one point share.
type Point = Vec<(String, String)>;

fn point(family: &Family<'_>, sample: &Sample<'_>) -> Point {
    let mut labels = family.labels(sample);
    if family.kind.is_compound() {
        labels.retain(|(name, _)| name != "le" && name != "quantile");
    }
    labels.sort();
    labels
}

#[cfg(test)]
mod tests {
    use super::super::{Format, InputFormat, Source, merge, parse, render};
    use super::*;

    fn text(merged: &Merged<'_>, format: Format) -> String {
        let mut out = Vec::new();
        render(merged, format, &mut out);
        String::from_utf8(out).unwrap()
    }

    const BODY: &[u8] = b"\
# TYPE idle_total counter
idle_total 0
# TYPE calls_total counter
calls_total{code=\"200\"} 0
calls_total{code=\"503\"} 2
# TYPE open gauge
open 0
# TYPE wait histogram
wait_bucket{port=\"1\",le=\"1\"} 0
wait_bucket{port=\"1\",le=\"+Inf\"} 0
wait_sum{port=\"1\"} 0
wait_count{port=\"1\"} 0
wait_bucket{le=\"1\",port=\"2\"} 0
wait_bucket{le=\"+Inf\",port=\"2\"} 3
wait_sum{port=\"2\"} 12
wait_count{port=\"2\"} 3
# TYPE size summary
size{quantile=\"0.5\"} NaN
size_sum 0
size_count 0
";

    #[test]
    fn a_family_is_kept_whole_by_its_name_or_by_that_of_a_sample() {
        let kept = |wanted: &str| {
            let exposition = parse(BODY, InputFormat::Text);
            let mut merged = merge(Vec::new(), vec![Source::new("app", exposition)]);
            merged.keep_named(|name| name == wanted);
            text(&merged, Format::TEXT)
        };
        for name in ["wait", "wait_bucket", "wait_sum", "wait_count"] {
            let kept = kept(name);
            assert!(kept.starts_with("# TYPE wait histogram\n"), "{name}: {kept}");
            assert_eq!(kept.lines().count(), 9, "{name}: {kept}");
        }
        assert_eq!(kept("open"), "# TYPE open gauge\nopen 0\n");
        assert_eq!(kept("calls"), "", "its name in text is calls_total");
        assert_eq!(kept("wait_created"), "");
    }

    #[test]
    fn what_recorded_nothing_is_left_out_point_by_point() {
        let mut families = parse(BODY, InputFormat::Text).families;
        keep_used(&mut families);
        let merged = merge(families, Vec::new());
        assert_eq!(
            text(&merged, Format::TEXT),
            "# TYPE calls_total counter\n\
             calls_total{code=\"503\"} 2\n\
             # TYPE open gauge\n\
             open 0\n\
             # TYPE wait histogram\n\
             wait_bucket{le=\"1\",port=\"2\"} 0\n\
             wait_bucket{le=\"+Inf\",port=\"2\"} 3\n\
             wait_sum{port=\"2\"} 12\n\
             wait_count{port=\"2\"} 3\n"
        );
    }

    #[test]
    fn a_creation_time_goes_with_its_series() {
        let body =
            b"# TYPE a counter\na_total{b=\"1\"} 0\na_created{b=\"1\"} 5\na_total{b=\"2\"} 7\n\
                     a_created{b=\"2\"} 6\n# EOF\n";
        let mut families = parse(body, InputFormat::OpenMetrics).families;
        keep_used(&mut families);
        let merged = merge(families, Vec::new());
        assert_eq!(
            text(&merged, Format::OPENMETRICS),
            "# TYPE a counter\na_total{b=\"2\"} 7\na_created{b=\"2\"} 6\n# EOF\n"
        );
    }
}
