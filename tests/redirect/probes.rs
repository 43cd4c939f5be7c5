//! The kubelet's probes: a canary without traffic must not look busy.

use std::net::SocketAddr;

use crate::http::ask;
use crate::pod::POD;
use crate::{pod, requests, sum};

#[test]
fn the_kubelets_probes_are_counted_apart_unless_asked_otherwise() {
    let Some(pod) = pod("probes") else { return };
    let nginx = pod.nginx(&["8080"]);
    pod.redirect("apply");
    let app = SocketAddr::new(POD, 8080);
    let probe =
        |path, agent| pod.in_node(|| ask(app, "GET", path, &[("User-Agent", agent)]).status);
    {
        let _sidecar = pod.sidecar("");
        assert_eq!((probe("/", "kube-probe/1.31"), probe("/500", "kube-probe/1.31")), (200, 500));
        assert_eq!(probe("/", "curl/8 kube-probe/1.31"), 200);
        let probes = |code: &str| {
            let labels = format!("port=\"8080\",response_code=\"{code}\",response_flags=\"-\"");
            sum(&pod, &["podmeter_probe_requests_total{", &labels])
        };
        assert_eq!((probes("200"), probes("500")), (1, 1));
        assert_eq!(requests(&pod, "destination", &[]), 1);
        // Whatever counts requests counts the one that was no probe.
        for family in [
            "envoy_cluster_upstream_rq{",
            "envoy_cluster_upstream_rq_total{",
            "envoy_cluster_upstream_rq_completed{",
            "envoy_http_downstream_rq_total{",
            "istio_request_duration_milliseconds_count{",
            "podmeter_proxy_duration_seconds_count{",
        ] {
            assert_eq!(sum(&pod, &[family]), 1, "{family}");
        }
        assert_eq!(sum(&pod, &["envoy_cluster_upstream_rq_active{"]), 0);
    }
    assert_eq!(nginx.log().len(), 3);
    let _sidecar = pod.sidecar("--probes requests");
    assert_eq!(probe("/", "kube-probe/1.31"), 200);
    assert_eq!(requests(&pod, "destination", &["response_code=\"200\""]), 1);
    assert_eq!(sum(&pod, &["podmeter_probe_requests_total"]), 0);
}
