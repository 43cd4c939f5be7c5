//! Connections into the pod: who answers them, whom the app sees, and what is counted.

use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpStream};

use crate::http::{self, get};
use crate::pod::{NODE, NODE_SIX, Nginx, POD, POD_SIX, TestPod};
use crate::process::{Running, program};
use crate::skip::skip;
use crate::{pod, requests, sum};

/// The ways to intercept, with the flags of `podmeter redirect apply`.
const WAYS: [(&str, bool); 4] = [
    ("--backend nftables", false),
    ("--backend iptables", false),
    ("--backend nftables --mode tproxy", true),
    ("--backend iptables --mode tproxy", true),
];

/// A pod whose nginx listens in every way that apps do.
fn pod_with_nginx(test: &str) -> Option<(TestPod, Nginx)> {
    let pod = pod(test)?;
    let nginx =
        pod.nginx(&["8080", "[::]:8080 ipv6only=on", "[::]:8081 ipv6only=off", "127.0.0.1:8082"]);
    Some((pod, nginx))
}

fn sidecar(pod: &TestPod, transparent: bool) -> Running {
    if transparent { pod.transparent_sidecar("") } else { pod.sidecar("") }
}

#[test]
fn what_the_app_answered_is_what_is_counted_in_every_way() {
    for (way, transparent) in WAYS {
        let Some((pod, nginx)) = pod_with_nginx("inbound") else { return };
        pod.redirect(&format!("apply {way}"));
        let _sidecar = sidecar(&pod, transparent);
        let asked = [
            (POD, 8080, "/", 200, 3),
            (POD_SIX, 8080, "/404", 404, 2),
            (POD, 8081, "/500", 500, 4),
            (POD_SIX, 8081, "/", 200, 5),
        ];
        for (ip, port, path, status, times) in asked {
            for _ in 0..times {
                let reply = pod.in_node(|| get(SocketAddr::new(ip, port), path));
                assert_eq!(reply.status, status, "{way}: {ip} {port}");
                if status == 200 {
                    // It came to the port that it was sent to.
                    assert_eq!(reply.text(), format!("port {port}"), "{way}");
                }
            }
        }
        let log = nginx.log();
        assert_eq!(log.len(), 14, "{way}: {log:?}");
        for (status, count) in [("200", 8), ("404", 2), ("500", 4)] {
            let code = format!("response_code=\"{status}\"");
            assert_eq!(requests(&pod, "destination", &[&code]), count, "{way}: {status}");
        }
        for (port, code, count) in [(8080, 200, 3), (8080, 404, 2), (8081, 500, 4)] {
            let cluster = format!("\"inbound|{port}||\",envoy_response_code=\"{code}\"");
            let counted = sum(&pod, &["envoy_cluster_upstream_rq{", &cluster]);
            assert_eq!(counted, count, "{way}: {port} {code}");
        }
        assert_eq!(requests(&pod, "source", &[]), 0, "{way}");
        for line in log {
            let mut words = line.split(' ');
            let (_, client) = (words.next(), words.next().unwrap());
            let client: IpAddr = client.parse().unwrap();
            let seen = if transparent { [NODE, NODE_SIX] } else { [POD, POD_SIX] };
            assert!(seen.contains(&client.to_canonical()), "{way}: the app saw {client}");
        }
    }
}

#[test]
fn where_nobody_listens_clients_are_reset_and_no_series_is_made() {
    for (way, transparent) in WAYS {
        let Some((pod, _nginx)) = pod_with_nginx("nobody") else { return };
        pod.redirect(&format!("apply {way}"));
        let _sidecar = sidecar(&pod, transparent);
        // Port 8082 is one of the app's own, on its loopback: others cannot reach it without us.
        for port in [8082, 9000, 9001, 9002] {
            for ip in [POD, POD_SIX] {
                let addr = SocketAddr::new(ip, port);
                let refused = pod.in_node(|| http::try_ask(addr, "GET", "/", &[]));
                assert!(refused.is_err(), "{way}: {addr} answered");
            }
        }
        let failed = ["response_code=\"503\"", "response_flags=\"UF\""];
        assert_eq!(requests(&pod, "destination", &failed), 8, "{way}");
        assert_eq!(sum(&pod, &["podmeter_connections_refused_total{"]), 8, "{way}");
        assert_eq!(sum(&pod, &[":9000\""]), 0, "{way}: a port that nobody has got a series");
    }
}

#[test]
fn the_proxys_own_ports_are_no_way_in_and_no_loop() {
    for (way, transparent) in WAYS {
        let Some((pod, nginx)) = pod_with_nginx("own ports") else { return };
        pod.redirect(&format!("apply {way}"));
        let _sidecar = sidecar(&pod, transparent);
        for ip in [POD, POD_SIX] {
            // Straight to where intercepted connections come: it would lead there again.
            let addr = SocketAddr::new(ip, 15006);
            let end = pod.in_node(|| TcpStream::connect(addr).and_then(|mut s| s.read(&mut [0])));
            let kind = end.unwrap_err().kind();
            let refused = [ErrorKind::ConnectionReset, ErrorKind::ConnectionRefused];
            assert!(refused.contains(&kind), "{way}: {kind:?}");
            // What listens on the pod's loopback alone stays there.
            let admin = SocketAddr::new(ip, 15000);
            assert!(pod.in_node(|| TcpStream::connect(admin)).is_err(), "{way}");
        }
        assert_eq!(sum(&pod, &["podmeter_loops_refused_total "]), 2, "{way}");
        let health = pod.in_node(|| get(SocketAddr::new(POD, 15021), "/healthz/ready"));
        assert_eq!(health.status, 200, "{way}");
        assert_eq!(sum(&pod, &["podmeter_connections_total{"]), 0, "{way}: metered itself");
        assert!(nginx.log().is_empty());
    }
}

#[test]
fn metrics_on_a_port_that_the_rules_were_not_told_are_carried_but_not_metered() {
    let Some((pod, _nginx)) = pod_with_nginx("bypass") else { return };
    pod.redirect("apply --proxy-ports 15000");
    let _sidecar = pod.sidecar("");
    let before = sum(&pod, &["podmeter_connections_total{"]);
    for _ in 0..3 {
        assert!(sum(&pod, &["podmeter_build_info"]) > 0);
    }
    assert_eq!((before, sum(&pod, &["podmeter_connections_total{"])), (0, 0));
    assert_eq!(requests(&pod, "destination", &[]), 0);
}

#[test]
fn excluded_ports_and_interfaces_and_the_pods_own_connections_are_left_alone() {
    let Some((pod, nginx)) = pod_with_nginx("excluded") else { return };
    pod.redirect("apply --exclude-inbound-ports 8081,9000-9100");
    let _sidecar = pod.sidecar("");
    let ask = |port| pod.in_node(|| get(SocketAddr::new(POD, port), "/"));
    assert_eq!((ask(8080).status, ask(8081).status), (200, 200));
    assert_eq!(requests(&pod, "destination", &[]), 1);
    // The app saw the client of what was not intercepted.
    assert!(nginx.log()[1].contains(" ::ffff:10.77.0.1 "), "{:?}", nginx.log());
    for ip in [POD, [127, 0, 0, 1].into()] {
        assert_eq!(pod.in_pod(|| get(SocketAddr::new(ip, 8080), "/")).status, 200);
    }
    pod.redirect("apply --include-inbound-ports 8081");
    assert_eq!((ask(8080).status, ask(8081).status), (200, 200));
    assert_eq!(sum(&pod, &["envoy_cluster_upstream_rq{", "inbound|8081||"]), 1);
    pod.redirect("apply --exclude-interfaces eth0");
    assert_eq!((ask(8080).status, ask(8081).status), (200, 200));
    assert_eq!(requests(&pod, "destination", &[]), 2);
}

#[test]
fn where_ipv6_is_switched_off_ipv4_is_intercepted_all_the_same() {
    for (way, transparent) in WAYS {
        let Some(pod) = pod("no ipv6") else { return };
        let setting = "/proc/sys/net/ipv6/conf/all/disable_ipv6";
        pod.in_pod(|| std::fs::write(setting, "1").unwrap());
        let _nginx = pod.nginx(&["8080"]);
        pod.redirect(&format!("apply {way}"));
        let _sidecar = sidecar(&pod, transparent);
        assert_eq!(pod.in_node(|| get(SocketAddr::new(POD, 8080), "/")).status, 200, "{way}");
        assert_eq!(requests(&pod, "destination", &[]), 1, "{way}");
        pod.redirect("remove");
        assert_eq!(pod.redirect("show"), "nothing is intercepted\n", "{way}");
    }
}

#[test]
fn where_only_lo_lacks_ipv6_tproxy_says_what_is_in_its_way() {
    let Some(pod) = pod("no ipv6 on lo") else { return };
    let setting = "/proc/sys/net/ipv6/conf/lo/disable_ipv6";
    pod.in_pod(|| std::fs::write(setting, "1").unwrap());
    let output = pod.try_redirect("apply --mode tproxy", "+net_admin");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the route that TPROXY needs") && said.contains("IPv6"), "{said}");
    // Half of it would lead nowhere.
    assert!(!pod.root("ip rule").contains("1337"));
    assert_eq!(pod.redirect("show"), "nothing is intercepted\n");
}

#[test]
fn a_strict_reverse_path_filter_is_in_nobodys_way() {
    for (way, transparent) in WAYS {
        let Some(pod) = pod("strict") else { return };
        let setting = "/proc/sys/net/ipv4/conf/all/rp_filter";
        pod.in_pod(|| std::fs::write(setting, "1").unwrap());
        let _nginx = pod.nginx(&["8080"]);
        pod.redirect(&format!("apply {way}"));
        let _sidecar = sidecar(&pod, transparent);
        let reply = pod.in_monitor(|| get(SocketAddr::new(POD, 8080), "/"));
        assert_eq!(reply.status, 200, "{way}");
        assert_eq!(requests(&pod, "destination", &[]), 1, "{way}");
    }
}

#[test]
fn many_connections_of_one_client_keep_apart_under_tproxy() {
    let Some((pod, nginx)) = pod_with_nginx("apart") else { return };
    pod.redirect("apply --mode tproxy");
    let _sidecar = pod.transparent_sidecar("--workers 2");
    let addr = SocketAddr::new(POD, 8080);
    pod.in_node(|| {
        let open: Vec<_> = (0..300).map(|_| TcpStream::connect(addr).unwrap()).collect();
        for _ in 0..30 {
            assert_eq!(get(addr, "/").status, 200);
        }
        drop(open);
    });
    assert_eq!(nginx.log().len(), 30);
    assert_eq!(requests(&pod, "destination", &["response_code=\"200\""]), 30);
}

#[test]
fn a_python_server_that_listens_on_ipv6_is_an_app_like_any_other() {
    let Some(pod) = pod("python") else { return };
    let Some(python) = program("python3") else {
        return skip("python", "python3 is not installed");
    };
    let python = python.display().to_string();
    let mut app = pod.app("python", &[&python, "-m", "http.server", "--bind", "::", "8000"]);
    pod.redirect("apply");
    let _sidecar = pod.sidecar("");
    for ip in [POD, POD_SIX] {
        let addr = SocketAddr::new(ip, 8000);
        app.wait_for("it listens", |_| pod.in_pod(|| TcpStream::connect(addr).ok()));
        assert_eq!(pod.in_node(|| get(addr, "/no-such-file")).status, 404);
    }
    assert_eq!(requests(&pod, "destination", &["response_code=\"404\""]), 2);
}
