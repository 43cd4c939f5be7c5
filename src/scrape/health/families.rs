//! Our own families on sources, `podmeter_app_*`.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use std::sync::atomic::AtomicU64;

/// Our own families on sources.
#[derive(Debug)]
pub(in crate::scrape) struct Families {
    pub(super) up: Family<OfSource, Gauge>,
    pub(super) duration: Family<OfSource, Gauge<f64, AtomicU64>>,
    pub(super) samples: Family<OfSource, Gauge>,
    pub(super) bytes: Family<OfSource, Gauge>,
    pub(super) wire_bytes: Family<OfSource, Gauge>,
    pub(super) failures: Family<OfReason, Counter>,
    pub(super) dropped: Family<OfReason, Counter>,
    pub(super) apart: Family<OfSource, Gauge>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfSource {
    pub(super) source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct OfReason {
    pub(super) source: String,
    pub(super) reason: &'static str,
}

impl Families {
    pub(in crate::scrape) fn register(registry: &mut Registry) -> Self {
        let families = Self {
            up: Family::default(),
            duration: Family::default(),
            samples: Family::default(),
            bytes: Family::default(),
            wire_bytes: Family::default(),
            failures: Family::default(),
            dropped: Family::default(),
            apart: Family::default(),
        };
        registry.register(
            "podmeter_app_scrape_up",
            "Whether the app's exposition could be had at the last scrape",
            families.up.clone(),
        );
        registry.register(
            "podmeter_app_scrape_duration_seconds",
            "How long the app's exposition took at the last scrape",
            families.duration.clone(),
        );
        registry.register(
            "podmeter_app_scrape_samples",
            "Samples in the app's exposition at the last scrape",
            families.samples.clone(),
        );
        registry.register(
            "podmeter_app_scrape_bytes",
            "Bytes of the app's exposition at the last scrape, after decompression",
            families.bytes.clone(),
        );
        registry.register(
            "podmeter_app_scrape_wire_bytes",
            "Bytes of the app's exposition at the last scrape, as they were sent",
            families.wire_bytes.clone(),
        );
        // The encoder writes `_total` behind the name of a counter.
        registry.register(
            "podmeter_app_scrape_failures",
            "Scrapes at which the app's exposition could not be had, by reason",
            families.failures.clone(),
        );
        registry.register(
            "podmeter_app_dropped_samples",
            "Samples of the app's exposition that could not be passed on",
            families.dropped.clone(),
        );
        registry.register(
            "podmeter_app_scrape_families_taken_apart",
            "The app's histograms and summaries that the last scrape shows as their parts, untyped",
            families.apart.clone(),
        );
        families
    }
}
