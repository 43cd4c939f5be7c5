//! The recording in Open Service Mesh's words.

use super::{asked, exchange, identity, meter, samples, shown, shown_about, values};
use podmeter::dialect::Subject;
use podmeter::exposition::Format;
use podmeter::meter::{Recorder, RouteId};
use podmeter::observe::host::HostId;
use podmeter::observe::{Event, Flags, Sink};

const INBOUND: &str = "source_namespace=\"unknown\",source_kind=\"unknown\",\
     source_name=\"unknown\",source_pod=\"unknown\",destination_namespace=\"test\",\
     destination_kind=\"Deployment\",destination_name=\"podinfo\",destination_pod=\"podinfo-1\"";

#[test]
fn an_idle_pod_has_what_a_release_check_divides_at_zero() {
    let meter = meter();
    let _shard = meter.shard(0);
    let text = shown(&meter, &identity(), &["osm"], Format::TEXT);
    for line in [
        format!("osm_request_total{{response_code=\"200\",{INBOUND}}} 0\n"),
        format!("osm_request_duration_ms_bucket{{{INBOUND},le=\"0.5\"}} 0\n"),
        format!("osm_request_duration_ms_count{{{INBOUND}}} 0\n"),
        "# TYPE osm_request_total counter\n".to_owned(),
        "# TYPE osm_request_duration_ms histogram\n".to_owned(),
    ] {
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
    assert_eq!(samples(&text, "osm_").len(), 1 + 20 + 2);
}

#[test]
fn every_request_counts_by_its_status_whatever_its_host() {
    let meter = meter();
    let shard = meter.shard(0).unwrap();
    let mut recorder = Recorder::new(&shard, RouteId(0));
    for (status, flags, host) in [
        (200, Flags::None, HostId(0)),
        (200, Flags::DownstreamClosed, HostId(1)),
        (503, Flags::UpstreamClosed, HostId::UNKNOWN),
        (0, Flags::DownstreamClosed, HostId(0)),
    ] {
        recorder.event(Event::Began { host });
        recorder.event(exchange(status, flags, 2_500_000, host.0));
    }
    let text = shown(&meter, &identity(), &["osm"], Format::TEXT);
    let series = |code| format!("osm_request_total{{response_code=\"{code}\",{INBOUND}}}");
    assert_eq!(
        values(&text, "osm_request_total{"),
        [(&*series("0"), "1"), (&*series("200"), "2"), (&*series("503"), "1")]
    );
    let durations = values(&text, "osm_request_duration_ms_sum{");
    assert_eq!(durations, [(&*format!("osm_request_duration_ms_sum{{{INBOUND}}}"), "10")]);
}

#[test]
fn of_what_the_pod_asks_it_is_the_source() {
    let (meter, seen) =
        asked(&["stock.till.svc.cluster.local", "stock.till", "api.example.com", "example.org"]);
    let identity = identity();
    let subject = Subject { seen: Some(&seen), ..Subject::new(&identity) };
    let text = shown_about(&meter, &subject, &["osm"], Format::TEXT);
    let us = "source_namespace=\"test\",source_kind=\"Deployment\",source_name=\"podinfo\",\
         source_pod=\"podinfo-1\"";
    for line in [
        format!(
            "osm_request_total{{response_code=\"200\",{us},destination_namespace=\"till\",\
             destination_kind=\"Service\",destination_name=\"stock\",\
             destination_pod=\"unknown\"}} 1\n"
        ),
        format!(
            "osm_request_total{{response_code=\"200\",{us},destination_namespace=\"unknown\",\
             destination_kind=\"unknown\",destination_name=\"unknown\",\
             destination_pod=\"unknown\"}} 3\n"
        ),
    ] {
        assert!(text.contains(&line), "no {line} in\n{text}");
    }
}
