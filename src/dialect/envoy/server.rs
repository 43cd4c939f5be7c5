//! How the proxy itself does, as Envoy's server statistics say it.

use crate::dialect::Vitals;
use crate::exposition::{Family, FamilyBuilder, Kind, Labels};
use crate::meter::Snapshot;

pub(super) fn show(snapshot: &Snapshot, vitals: &Vitals, families: &mut Vec<Family<'static>>) {
    let mut gauge = |name, help, value: f64| {
        let mut family = FamilyBuilder::new(name, Kind::Gauge, help);
        family.gauge(&Labels::from_pairs::<&str, &str>([]), value);
        families.push(family.build());
    };
    gauge("envoy_server_live", "1 unless the proxy is draining.", f64::from(!vitals.draining));
    gauge("envoy_server_state", "0 is live, 1 draining.", f64::from(vitals.draining));
    gauge("envoy_server_uptime", "Seconds since the start.", vitals.uptime.as_secs() as f64);
    gauge("envoy_server_version", "The version as one number.", version_number());
    gauge("envoy_server_concurrency", "Threads that carry traffic.", vitals.workers as f64);
    gauge(
        "envoy_server_memory_allocated",
        "Bytes of memory that are the process's own.",
        vitals.process.private_bytes as f64,
    );
    gauge(
        "envoy_server_memory_physical_size",
        "Bytes of memory resident, shared ones too.",
        vitals.process.resident_bytes as f64,
    );
    gauge(
        "envoy_server_total_connections",
        "Connections open now.",
        snapshot.connections_active() as f64,
    );
    gauge(
        "envoy_server_days_until_first_cert_expiring",
        "The largest 32-bit number while there is no certificate.",
        f64::from(u32::MAX),
    );
}

/// 1.2.3 is 10203, so that a later version is a larger number.
fn version_number() -> f64 {
    let parts = env!("CARGO_PKG_VERSION").split(['.', '-']).take(3);
    parts.fold(0.0, |number, part| number * 100.0 + part.parse().unwrap_or(0.0))
}
