//! Envoy's statistics under the names that its admin listener gives them:
//! `cluster.inbound|8080||.upstream_rq_200` for what Prometheus sees as
//! `envoy_cluster_upstream_rq{envoy_cluster_name="inbound|8080||",envoy_response_code="200"}`.

use super::{CLASS, CLUSTER, CODE, MANAGER};
use crate::exposition::{Family, Sample, Suffix};

/// The samples of `families`, each with its dotted name. Of a histogram the number and the sum are
/// shown; a family that is not Envoy's keeps its name and shows its labels.
pub(in crate::dialect) fn dotted(families: &[Family<'_>]) -> Vec<(String, String)> {
    families
        .iter()
        .flat_map(|family| family.samples().iter().map(move |sample| (family, sample)))
        .filter(|(_, sample)| sample.suffix() != Suffix::Bucket)
        .map(|(family, sample)| (name(family, sample), sample.value().to_text()))
        .collect()
}

fn name(family: &Family<'_>, sample: &Sample<'_>) -> String {
    let labels = family.labels(sample);
    let label =
        |name: &str| labels.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    let sample_name = family.sample_name(sample);
    let scopes = [
        ("envoy_cluster_", "cluster", label(CLUSTER)),
        ("envoy_http_", "http", label(MANAGER)),
        ("envoy_server_", "server", None),
    ];
    for (prefix, scope, instance) in scopes {
        let Some(rest) = sample_name.strip_prefix(prefix) else { continue };
        let statistic = match (label(CODE), label(CLASS)) {
            (Some(code), _) => format!("{rest}_{code}"),
            // `upstream_rq_xx` of class 2 is `upstream_rq_2xx`.
            (_, Some(class)) => format!("{}_{class}xx", rest.trim_end_matches("_xx")),
            _ => rest.to_owned(),
        };
        return match instance {
            Some(instance) => format!("{scope}.{instance}.{statistic}"),
            None => format!("{scope}.{statistic}"),
        };
    }
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    match labels.as_slice() {
        [] => sample_name,
        some => format!("{sample_name}{{{}}}", some.join(",")),
    }
}
