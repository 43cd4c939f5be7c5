//! The bucket bounds of each dialect: as they are counted and as they are written.

use crate::config::Bound;
use crate::exposition::{Exemplar, FamilyBuilder, HistogramPoint, Labels, NativeBuckets};
use crate::meter::{Bounds, Example, Totals};
use std::borrow::Cow;

/// Bounds of a histogram family.
#[derive(Debug)]
pub(super) struct Buckets {
    /// Upper bounds in nanoseconds or bytes, ascending.
    bounds: Cow<'static, [u64]>,
    /// The same as `le` says them, in the family's unit.
    texts: Texts,
    /// Nanoseconds or bytes in one of the family's unit.
    unit: f64,
}

/// What bounds are written as.
#[derive(Debug)]
enum Texts {
    BuiltIn(&'static [&'static str]),
    /// As the configuration has them.
    Read(Vec<String>),
}

impl Buckets {
    /// Istio's and Envoy's bounds over milliseconds.
    pub(super) const MILLISECONDS: Self = Self {
        bounds: Cow::Borrowed(&[
            500_000,
            1_000_000,
            5_000_000,
            10_000_000,
            25_000_000,
            50_000_000,
            100_000_000,
            250_000_000,
            500_000_000,
            1_000_000_000,
            2_500_000_000,
            5_000_000_000,
            10_000_000_000,
            30_000_000_000,
            60_000_000_000,
            300_000_000_000,
            600_000_000_000,
            1_800_000_000_000,
            3_600_000_000_000,
        ]),
        texts: Texts::BuiltIn(STANDARD),
        unit: 1e6,
    };

    /// Some of the same bounds, over seconds, for what may last.
    pub(super) const SECONDS: Self = Self {
        bounds: Cow::Borrowed(&[
            100_000_000,
            1_000_000_000,
            10_000_000_000,
            60_000_000_000,
            600_000_000_000,
            3_600_000_000_000,
        ]),
        texts: Texts::BuiltIn(&["0.1", "1", "10", "60", "600", "3600"]),
        unit: 1e9,
    };

    /// The finer ones of them over seconds, for when an answer begins.
    pub(super) const FIRST_BYTE_SECONDS: Self = Self {
        bounds: Cow::Borrowed(&[
            500_000,
            1_000_000,
            5_000_000,
            10_000_000,
            25_000_000,
            50_000_000,
            100_000_000,
            250_000_000,
            500_000_000,
            1_000_000_000,
            2_500_000_000,
            5_000_000_000,
            10_000_000_000,
            30_000_000_000,
            60_000_000_000,
        ]),
        texts: Texts::BuiltIn(&[
            "0.0005", "0.001", "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5",
            "5", "10", "30", "60",
        ]),
        unit: 1e9,
    };

    /// Linkerd's bounds over milliseconds.
    pub(super) const LINKERD_MILLISECONDS: Self = Self {
        bounds: Cow::Borrowed(&[
            1_000_000,
            2_000_000,
            3_000_000,
            4_000_000,
            5_000_000,
            10_000_000,
            20_000_000,
            30_000_000,
            40_000_000,
            50_000_000,
            100_000_000,
            200_000_000,
            300_000_000,
            400_000_000,
            500_000_000,
            1_000_000_000,
            2_000_000_000,
            3_000_000_000,
            4_000_000_000,
            5_000_000_000,
            10_000_000_000,
            20_000_000_000,
            30_000_000_000,
            40_000_000_000,
            50_000_000_000,
        ]),
        texts: Texts::BuiltIn(&[
            "1", "2", "3", "4", "5", "10", "20", "30", "40", "50", "100", "200", "300", "400",
            "500", "1000", "2000", "3000", "4000", "5000", "10000", "20000", "30000", "40000",
            "50000",
        ]),
        unit: 1e6,
    };

    /// The default bounds of the Prometheus clients, over seconds.
    pub(super) const CLIENT_SECONDS: Self = Self {
        bounds: Cow::Borrowed(&[
            5_000_000,
            10_000_000,
            25_000_000,
            50_000_000,
            100_000_000,
            250_000_000,
            500_000_000,
            1_000_000_000,
            2_500_000_000,
            5_000_000_000,
            10_000_000_000,
        ]),
        texts: Texts::BuiltIn(&[
            "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10",
        ]),
        unit: 1e9,
    };

    /// The bounds that OpenTelemetry advises for HTTP, over seconds.
    pub(super) const OTEL_SECONDS: Self = Self {
        bounds: Cow::Borrowed(&[
            5_000_000,
            10_000_000,
            25_000_000,
            50_000_000,
            75_000_000,
            100_000_000,
            250_000_000,
            500_000_000,
            750_000_000,
            1_000_000_000,
            2_500_000_000,
            5_000_000_000,
            7_500_000_000,
            10_000_000_000,
        ]),
        texts: Texts::BuiltIn(&[
            "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5",
            "5", "7.5", "10",
        ]),
        unit: 1e9,
    };

    /// The same bounds as Istio's over bytes. Half a byte is never sent, so at most half a byte is none.
    pub(super) const BYTES: Self = Self {
        bounds: Cow::Borrowed(&[
            0, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000,
            600_000, 1_800_000, 3_600_000,
        ]),
        texts: Texts::BuiltIn(STANDARD),
        unit: 1.0,
    };

    /// Bounds over seconds for the little time that bytes spend inside podmeter.
    pub(super) const HELD_SECONDS: Self = Self {
        bounds: Cow::Borrowed(&[
            5_000,
            10_000,
            25_000,
            50_000,
            100_000,
            250_000,
            500_000,
            1_000_000,
            2_500_000,
            5_000_000,
            10_000_000,
            100_000_000,
            1_000_000_000,
        ]),
        texts: Texts::BuiltIn(&[
            "0.000005", "0.00001", "0.000025", "0.00005", "0.0001", "0.00025", "0.0005", "0.001",
            "0.0025", "0.005", "0.01", "0.1", "1",
        ]),
        unit: 1e9,
    };

    /// Bounds of the configuration.
    pub(super) fn of(bounds: &[Bound], unit: u64) -> Self {
        let (bounds, texts): (Vec<u64>, Vec<String>) =
            bounds.iter().map(|bound| (bound.value, bound.text.clone())).unzip();
        Self { bounds: Cow::Owned(bounds), texts: Texts::Read(texts), unit: unit as f64 }
    }

    /// Upper bounds in nanoseconds or bytes, ascending.
    pub(super) fn bounds(&self) -> &[u64] {
        &self.bounds
    }

    /// Adds `totals`, which were counted over `counted`, to a family as one histogram.
    pub(super) fn show(
        &self,
        family: &mut FamilyBuilder<'static>,
        labels: &Labels,
        counted: &Bounds,
        totals: &Totals,
    ) {
        let native = counted.natives(self.unit).map(|(scale, natives)| {
            (totals.exponential(scale, natives.max_buckets), natives.beside)
        });
        let is_beside = native.as_ref().is_none_or(|(_, beside)| *beside);
        let buckets: Option<Vec<_>> = is_beside.then(|| {
            family.bounds(|| self.texts.all());
            let cumulative = totals.cumulative(counted, &self.bounds);
            self.texts.iter().zip(cumulative).collect()
        });
        let point = HistogramPoint {
            buckets: buckets.as_deref(),
            exemplars: self.exemplars(counted, totals),
            native: native.as_ref().map(|(native, _)| NativeBuckets {
                schema: native.schema,
                zero: native.zero,
                buckets: &native.buckets,
            }),
            sum: totals.sum() as f64 / self.unit,
            count: totals.count(),
        };
        let created = totals.created().and_then(|created| counted.extras().time(created));
        family.since(created).point(labels, point);
    }

    /// Requests that stand for buckets, to who may see them.
    fn exemplars(&self, counted: &Bounds, totals: &Totals) -> Vec<(usize, Exemplar<'static>)> {
        let extras = counted.extras();
        if !extras.exemplars {
            return Vec::new();
        }
        let examples = totals.examples(&self.bounds).into_iter();
        let shown = examples.filter_map(|(bucket, example)| {
            let Example { value, at, trace } = example;
            let span = format!("{:016x}", trace.span());
            let id = trace.id.to_text();
            let labels = Labels::from_pairs([("trace_id", id), ("span_id", span)]);
            Some((bucket, Exemplar::new(&labels, value as f64 / self.unit, extras.time(at)?)))
        });
        shown.collect()
    }
}

impl Texts {
    fn iter(&self) -> impl Iterator<Item = &str> {
        let (built_in, read) = match self {
            Self::BuiltIn(texts) => (*texts, [].as_slice()),
            Self::Read(texts) => ([].as_slice(), texts.as_slice()),
        };
        built_in.iter().copied().chain(read.iter().map(String::as_str))
    }

    fn all(&self) -> Vec<Cow<'static, str>> {
        match self {
            Self::BuiltIn(texts) => texts.iter().map(|text| Cow::Borrowed(*text)).collect(),
            Self::Read(texts) => texts.iter().cloned().map(Cow::Owned).collect(),
        }
    }
}

const STANDARD: &[&str] = &[
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000",
    "30000", "60000", "300000", "600000", "1800000", "3600000",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_counted_at_the_value_that_is_written() {
        for buckets in [
            Buckets::MILLISECONDS,
            Buckets::SECONDS,
            Buckets::FIRST_BYTE_SECONDS,
            Buckets::LINKERD_MILLISECONDS,
            Buckets::CLIENT_SECONDS,
            Buckets::OTEL_SECONDS,
            Buckets::BYTES,
            Buckets::HELD_SECONDS,
        ] {
            assert_eq!(buckets.bounds.len(), buckets.texts.iter().count());
            for (&bound, text) in buckets.bounds.iter().zip(buckets.texts.iter()) {
                let written: f64 = text.parse().unwrap();
                let counted = (written * buckets.unit + 1e-6).floor();
                assert!((bound as f64 - counted).abs() < 0.5, "{text} is counted at {bound}");
            }
            assert!(buckets.bounds.is_sorted());
        }
    }
}
