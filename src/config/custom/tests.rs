//! Dialects that are defined in the file: what is read, and what is refused in which words.

use super::*;
use crate::config::{Config, ProxyArgs};

/// The families of one dialect, written as YAML.
fn read(families: &str) -> Result<Vec<CustomFamily>, String> {
    let mut all = all(&format!("mine:\n{families}")).map_err(|error| error.to_string())?;
    Ok(all.remove(0).families)
}

fn all(text: &str) -> Result<Vec<CustomDialect>, ConfigError> {
    let written: Value = serde_saphyr::from_str(text).unwrap();
    CustomDialects::read(Some(&written))
}

#[test]
fn a_family_is_read_with_everything_that_it_may_say() {
    let families = read(
        "
  - family: app_latency_ms
    kind: histogram
    measures: first_byte
    unit: milliseconds
    buckets: [0.5, 1, '2.5e1']
    help: Time to first byte.
    direction: both
    labels: {route: '{path}', code: '{status_class}', env: prod, who: '{namespace}/{pod}'}
    only: {method: [GET, HEAD], status: [2xx, 404]}
    without: {path: /healthz}
  - {family: app_bytes_total, kind: counter, measures: response_bytes}
",
    )
    .unwrap();
    let [latency, bytes] = &families[..] else { panic!("{families:?}") };
    assert_eq!(latency.measure, Measure::FirstByte);
    let bounds: Vec<_> = latency.buckets().iter().map(|b| (b.text.as_str(), b.value)).collect();
    assert_eq!(bounds, [("0.5", 500_000), ("1", 1_000_000), ("25", 25_000_000)]);
    let labels: Vec<_> = latency.labels.iter().map(|(n, t)| format!("{n}={t}")).collect();
    assert_eq!(
        labels,
        ["route={path}", "code={status_class}", "env=prod", "who={namespace}/{pod}"]
    );
    let all = Detail { method: true, path: true, version: false };
    assert_eq!([Side::Inbound, Side::Outbound].map(|side| latency.detail(side)), [all, all]);
    assert_eq!(
        (bytes.detail(Side::Inbound), bytes.kind.clone()),
        (Detail::NONE, CustomKind::Counter)
    );
    assert_eq!(bytes.help, "Size of answers on the wire, heads included.");
}

#[test]
fn without_buckets_a_histogram_has_usual_ones_in_its_unit() {
    let bounds = |unit: &str| {
        let families = read(&format!("  - {{family: a, kind: histogram{unit}}}")).unwrap();
        let bounds = families[0].buckets();
        (bounds[0].text.clone(), bounds[10].text.clone(), bounds[10].value)
    };
    assert_eq!(bounds(""), ("0.005".into(), "10".into(), 10_000_000_000));
    let milliseconds = bounds(", unit: milliseconds");
    assert_eq!(milliseconds, ("5".into(), "10000".into(), 10_000_000_000));
    assert_eq!(read("  - {family: a, kind: histogram, measures: request_bytes}").unwrap().len(), 1);
}

#[test]
#[expect(clippy::too_many_lines, reason = "it is a table")]
fn what_cannot_be_is_refused_with_its_place_and_what_to_do() {
    for (families, sentence) in [
        ("  x: y", ".mine cannot be used: a list of families belongs here"),
        ("  - x", ".mine cannot be used: a mapping belongs here, written as KEY: VALUE"),
        ("  []", ".mine cannot be used: 1 to 50 families belong here"),
        ("  - kind: counter", ".mine cannot be used: a family has no name; say family: NAME"),
        (
            "  - {family: 1a, kind: counter}",
            ".mine.1a cannot be used: a family's name is letters, digits, _ and :",
        ),
        (
            "  - {family: podmeter_a, kind: counter}",
            ".mine.podmeter_a cannot be used: names beginning with podmeter_ are podmeter's own",
        ),
        (
            "  - {family: process_cpu_seconds_total, kind: counter}",
            ".mine.process_cpu_seconds_total cannot be used: up, target_info, process_* and scrape_* \
             have a meaning of their own",
        ),
        (
            "  - {family: a, kind: counter, lables: {}}",
            ".mine.a cannot be used: \"lables\" is no key here; there are family, kind, measures, \
             unit, buckets, help, labels, direction, only, without",
        ),
        ("  - {family: a}", ".mine.a cannot be used: say kind: counter or histogram"),
        (
            "  - {family: a, kind: gauge}",
            ".mine.a.kind cannot be used: it is \"gauge\", but takes counter, histogram",
        ),
        (
            "  - {family: a, kind: histogram, measures: requests}",
            ".mine.a cannot be used: requests are counted, so say kind: counter",
        ),
        (
            "  - {family: a_count, kind: histogram}",
            ".mine.a_count cannot be used: a histogram's name does not end in _bucket, _sum, \
             _count, _total, _created",
        ),
        (
            "  - {family: a, kind: counter, buckets: [1]}",
            ".mine.a cannot be used: a counter has no buckets; leave them out",
        ),
        (
            "  - {family: a, kind: counter, unit: seconds}",
            ".mine.a cannot be used: requests have no unit; leave it out",
        ),
        (
            "  - {family: a, kind: histogram, unit: hours}",
            ".mine.a.unit cannot be used: it is \"hours\", but takes seconds, milliseconds",
        ),
        (
            "  - {family: a, kind: histogram, buckets: [1, 0.5]}",
            ".mine.a.buckets cannot be used: 0.5 does not come after the bound before it; sort them",
        ),
        (
            "  - {family: a, kind: histogram, buckets: [1, Inf]}",
            ".mine.a.buckets cannot be used: the bucket without a bound is always there; leave it \
             out",
        ),
        (
            "  - {family: a, kind: histogram, buckets: [-1]}",
            ".mine.a.buckets cannot be used: \"-1\" is no bound",
        ),
        (
            "  - {family: a, kind: histogram, buckets: []}",
            ".mine.a.buckets cannot be used: 1 to 100 bounds belong here",
        ),
        (
            "  - {family: a, kind: histogram, labels: {le: x}}",
            ".mine.a.labels.le cannot be used: a label's name is letters, digits and _, and not one \
             of Prometheus",
        ),
        (
            "  - {family: a, kind: counter, labels: {m: method}}",
            ".mine.a.labels.m cannot be used: method alone is a constant; write {method} for what \
             it names",
        ),
        (
            "  - {family: a, kind: counter, labels: {m: '{verb}'}}",
            ".mine.a.labels.m cannot be used: it is \"{verb}\", but takes at most 253 bytes of text \
             with any of {method} {path} {status} {status_class} {protocol} {http_version} {host} \
             {grpc_status} {flags} {direction} {port} {service} {workload} {workload_kind} \
             {namespace} {pod} {app} {version} {revision} {cluster} in it",
        ),
        (
            "  - {family: a, kind: counter, only: {status: ok}}",
            ".mine.a.only.status cannot be used: \"ok\" is no status such as 404 or 5xx",
        ),
        (
            "  - {family: a, kind: counter, without: {status: [404, '042']}}",
            ".mine.a.without.status cannot be used: \"042\" is no status such as 404 or 5xx",
        ),
        (
            "  - {family: a, kind: counter, only: {method: [GET, post]}}",
            ".mine.a.only.method cannot be used: it is never \"post\"; there are GET, HEAD, POST, \
             PUT, DELETE, CONNECT, OPTIONS, TRACE, PATCH, OTHER",
        ),
        (
            "  - {family: a, kind: counter, only: {protocol: h2}}",
            ".mine.a.only.protocol cannot be used: it is never \"h2\"; there are http, grpc",
        ),
        (
            "  - {family: a, kind: counter, only: {http_version: 2.0}}",
            ".mine.a.only.http_version cannot be used: it is never \"2.0\"; there are 1.0, 1.1, 2",
        ),
        (
            "  - {family: a, kind: counter, only: {grpc_status: OK}}",
            ".mine.a.only.grpc_status cannot be used: it is never \"OK\"; there are 0, 1, 2, 3, 4, \
             5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16",
        ),
        (
            "  - {family: a, kind: counter, only: {flags: none}}",
            ".mine.a.only.flags cannot be used: it is never \"none\"; there are -, UF, UO, UC, UPE, \
             UR, DC, DPE",
        ),
        (
            "  - {family: a, kind: counter, only: {port: http}}",
            ".mine.a.only.port cannot be used: \"http\" is no port such as 8080",
        ),
        (
            "  - {family: a, kind: counter, without: {pod: x}}",
            ".mine.a.without cannot be used: \"pod\" is nothing to choose by; there are method, \
             path, status, protocol, http_version, host, grpc_status, flags, port",
        ),
        (
            "  - {family: a, kind: counter, direction: sideways}",
            ".mine.a.direction cannot be used: it is \"sideways\", but takes inbound, outbound, both",
        ),
    ] {
        let refused = read(families).unwrap_err();
        let expected = format!("the key custom-dialects{sentence}");
        assert!(refused.starts_with(&expected), "{refused}\nis not\n{expected}");
    }
    let taken = all("istio: [{family: a, kind: counter}]").unwrap_err().to_string();
    assert!(taken.contains(".istio cannot be used: podmeter has a dialect"), "{taken}");
    let named = all("'a b': []").unwrap_err().to_string();
    assert!(named.contains(".a b cannot be used: a dialect's name is"), "{named}");
}

#[test]
fn every_value_that_a_fact_may_have_can_be_chosen_by() {
    let families = read(
        "
  - family: a
    kind: counter
    only:
      method: [GET, OTHER]
      path: /any/thing
      status: [0, 0xx, 404, 5xx]
      protocol: [http, grpc]
      http_version: ['1.0', '1.1', 2, '']
      host: any.body
      grpc_status: [0, '16', '']
      flags: ['-', UPE]
      port: [0, 8080]
",
    );
    assert_eq!(families.unwrap()[0].only.len(), 9);
}

#[test]
fn without_dialects_in_it_the_key_is_as_if_it_were_not_there() {
    for nothing in ["null", "~", "", "{}"] {
        let args: ProxyArgs =
            serde_saphyr::from_str(&format!("forward: 1=2\ncustom-dialects: {nothing}")).unwrap();
        let config = Config::try_from(args).unwrap();
        assert_eq!(config.custom_dialects.asked, []);
    }
}

fn config(dialects: &str, custom: &str) -> Result<Config, ConfigError> {
    Config::try_from(ProxyArgs {
        forward: vec!["1=2".to_owned()],
        dialect: vec![dialects.to_owned()],
        custom_dialects: serde_saphyr::from_str(custom).unwrap(),
        ..ProxyArgs::default()
    })
}

#[test]
fn families_get_on_with_each_other_and_with_the_dialects_that_are_asked_for_too() {
    let two = "{a: [{family: x, kind: histogram}], b: [{family: x_sum, kind: counter}], \
               c: [{family: request_total, kind: counter}], d: [{family: istio_x, kind: counter}]}";
    let refused = |dialects| config(dialects, two).unwrap_err().to_string();
    assert!(config("a", two).is_ok() && config("c,istio", two).is_ok());
    assert_eq!(
        refused("a,b"),
        "the key custom-dialects.b.x_sum cannot be used: another family has samples called x_sum, \
         too; rename one"
    );
    assert_eq!(
        refused("linkerd,c"),
        "the key custom-dialects.c.request_total cannot be used: families of this name are those \
         of the dialect linkerd; give yours another"
    );
    assert!(refused("istio,d").contains("those of the dialect istio"));
    assert!(refused("e").ends_with("http, otel, a, b, c, d"));
}

#[test]
fn a_dialect_of_ones_own_survives_being_dumped() {
    let mine = "{mine: [{family: x, kind: histogram, buckets: [0.1, 1], labels: {a: '{path}'}}]}";
    let config = config("mine,istio", mine).unwrap();
    let dumped = serde_json::to_string(&config).unwrap();
    assert!(dumped.contains(r#""dialect":["istio","mine"]"#), "{dumped}");
    let again: ProxyArgs = serde_saphyr::from_str(&dumped).unwrap();
    assert_eq!(Config::try_from(again).unwrap(), config);
}

#[test]
fn the_examples_can_be_used() {
    for (name, text) in [
        ("flask", include_str!("../../../examples/dialects/flask.yaml")),
        ("django", include_str!("../../../examples/dialects/django.yaml")),
    ] {
        let mut args: ProxyArgs = serde_saphyr::from_str(text).unwrap();
        args.forward = vec!["1=2".to_owned()];
        let config = Config::try_from(args).unwrap();
        assert_eq!(config.custom_dialects.asked[0].name, name);
        assert_eq!(config.dialects.len(), 2);
    }
}
