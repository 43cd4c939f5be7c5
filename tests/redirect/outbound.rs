//! The pod's own connections to others.

use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::Command;
use std::time::Duration;

use crate::pod::{NODE, NODE_SIX, POD, POD_SIX, TestPod};
use crate::process::{eventually, program};
use crate::skip::skip;
use crate::{pod, requests, sum};

/// Has the app's user ask for something, as the app would; gives the answer's body.
#[track_caller]
fn app_asks(pod: &TestPod, url: &str, host: &str) -> String {
    let output = pod.app_says(&format!("curl -sS -g -m 20 {url} -H Host:{host}"));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{url}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn what_the_app_asks_of_others_is_counted_under_the_names_it_asks_for() {
    for backend in ["nftables", "iptables"] {
        let Some(pod) = pod("outbound") else { return };
        let other = pod.nginx_on_node(&["9000", "[::]:9000 ipv6only=on"]);
        pod.redirect(&format!("apply --backend {backend} --redirect-outbound"));
        let _sidecar = pod.sidecar("--outbound-listen 15001 --namespace shop --workload cart");
        for (url, host) in [
            ("http://10.77.0.1:9000/", "reviews.default.svc.cluster.local:9000"),
            ("http://[fd77::1]:9000/404", "Reviews.default.svc.cluster.local"),
            ("http://10.77.0.1:9000/500", "api.example.com"),
            ("http://10.77.0.1:9000/", "10.77.0.1:9000"),
        ] {
            app_asks(&pod, url, host);
        }
        assert_eq!(other.log().len(), 4);
        let us = ["source_workload=\"cart\"", "source_workload_namespace=\"shop\""];
        assert_eq!(requests(&pod, "source", &us), 4, "{backend}");
        for (service, name, namespace, code) in [
            ("reviews.default.svc.cluster.local", "reviews", "default", 200),
            ("reviews.default.svc.cluster.local", "reviews", "default", 404),
            ("api.example.com", "api.example.com", "unknown", 500),
            ("10.77.0.1", "10.77.0.1", "unknown", 200),
        ] {
            let labels = [
                format!("destination_service=\"{service}\""),
                format!("destination_service_name=\"{name}\""),
                format!("destination_service_namespace=\"{namespace}\""),
                format!("response_code=\"{code}\""),
            ];
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            assert_eq!(requests(&pod, "source", &labels), 1, "{backend}: {labels:?}");
        }
        assert_eq!(requests(&pod, "destination", &[]), 0, "{backend}");
        assert_eq!(sum(&pod, &["envoy_cluster_upstream_rq_completed{", "\"outbound|9000||\""]), 4);
    }
}

#[test]
fn what_stays_in_the_pod_or_is_excluded_or_is_no_tcp_is_left_alone() {
    let Some(pod) = pod("left alone") else { return };
    let _other = pod.nginx_on_node(&["9000", "9001", "[::]:9000 ipv6only=on"]);
    let _app = pod.nginx(&["8080"]);
    pod.redirect(
        "apply --redirect-outbound --exclude-outbound-ports 9001 --exclude-outbound-cidrs fd77::/64",
    );
    let _sidecar = pod.sidecar("--outbound-listen 15001");
    for url in [
        "http://127.0.0.1:8080/",
        "http://10.77.0.2:8080/",
        "http://10.77.0.1:9001/",
        "http://[fd77::1]:9000/",
    ] {
        app_asks(&pod, url, "a");
    }
    // A name server's question and answer.
    let server = pod.in_node(|| UdpSocket::bind((NODE, 53)).unwrap());
    let client = pod.in_pod(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    for socket in [&server, &client] {
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    }
    client.send_to(b"?", (NODE, 53)).unwrap();
    let (_, from) = server.recv_from(&mut [0]).unwrap();
    server.send_to(b"!", from).unwrap();
    client.recv_from(&mut [0]).unwrap();
    assert_eq!(sum(&pod, &["podmeter_connections_total{"]), 0);
    app_asks(&pod, "http://10.77.0.1:9000/", "a");
    assert_eq!(sum(&pod, &["podmeter_connections_total{", "direction=\"outbound\""]), 1);

    pod.redirect("apply --redirect-outbound --include-outbound-cidrs 10.77.0.0/16 --include-outbound-ports 9001");
    for url in ["http://10.77.0.1:9000/", "http://10.77.0.1:9001/", "http://[fd77::1]:9000/"] {
        app_asks(&pod, url, "a");
    }
    assert_eq!(sum(&pod, &["podmeter_connections_total{", "direction=\"outbound\""]), 2);
}

#[test]
fn what_leaves_by_an_excluded_interface_is_left_alone() {
    for backend in ["nftables", "iptables"] {
        let Some(pod) = pod("excluded interface") else { return };
        for line in [
            &format!("ip link add net1 type veth peer name second netns {}", pod.node),
            "ip addr add 10.79.0.2/24 dev net1",
            "ip link set net1 up",
            &format!("ip -n {} addr add 10.79.0.1/24 dev second", pod.node),
            &format!("ip -n {} link set second up", pod.node),
        ] {
            pod.root(line);
        }
        let other = pod.nginx_on_node(&["9000"]);
        let flags = format!("apply --backend {backend} --redirect-outbound");
        pod.redirect(&format!("{flags} --exclude-interfaces net1"));
        let _sidecar = pod.sidecar("--outbound-listen 15001");
        let outbound = ["podmeter_connections_total{", "direction=\"outbound\""];
        app_asks(&pod, "http://10.79.0.1:9000/", "a");
        assert_eq!(sum(&pod, &outbound), 0, "{backend}");
        app_asks(&pod, "http://10.77.0.1:9000/", "a");
        assert_eq!(sum(&pod, &outbound), 1, "{backend}");
        // Named no more, it is one like the other.
        pod.redirect(&flags);
        app_asks(&pod, "http://10.79.0.1:9000/", "a");
        assert_eq!(sum(&pod, &outbound), 2, "{backend}");
        assert_eq!(other.log().len(), 3);
    }
}

#[test]
fn a_connection_to_nobody_is_reset_and_one_that_is_no_http_is_metered_by_its_address() {
    let Some(pod) = pod("no http") else { return };
    pod.redirect("apply --redirect-outbound");
    let _sidecar = pod.sidecar("--outbound-listen 15001");
    let output = pod.app_says("curl -sS -m 20 http://10.77.0.1:9/");
    assert!(!output.status.success());
    assert_eq!(requests(&pod, "source", &["response_code=\"503\"", "\"UF\""]), 1);
    let server = pod.in_node(|| std::net::TcpListener::bind((NODE_SIX, 5432)).unwrap());
    // As root in the pod, who is not the proxy either.
    let mut app = pod.in_pod(|| TcpStream::connect((NODE_SIX, 5432)).unwrap());
    let (mut theirs, from) = server.accept().unwrap();
    assert_eq!(from.ip(), POD_SIX);
    std::io::Write::write_all(&mut theirs, b"\0hello").unwrap();
    std::io::Read::read_exact(&mut app, &mut [0; 6]).unwrap();
    drop((theirs, app));
    eventually("the connection is counted as closed", || {
        let parts = ["istio_tcp_connections_closed_total{", "reporter=\"source\"", "\"fd77::1\""];
        if sum(&pod, &parts) == 1 { Ok(()) } else { Err("not yet".to_owned()) }
    });
    let sent = ["istio_tcp_sent_bytes_total{", "reporter=\"source\"", "\"fd77::1\""];
    assert_eq!(sum(&pod, &sent), 6);
}

#[test]
fn both_sides_at_once_are_kept_apart() {
    let Some(pod) = pod("both") else { return };
    let _other = pod.nginx_on_node(&["9000"]);
    let _app = pod.nginx(&["8080"]);
    pod.redirect("apply --mode tproxy --redirect-outbound");
    let _sidecar = pod.transparent_sidecar("--outbound-listen 15001 --workers 2");
    for _ in 0..5 {
        app_asks(&pod, "http://10.77.0.1:9000/", "other");
        let addr = SocketAddr::new(POD, 8080);
        assert_eq!(pod.in_node(|| crate::http::get(addr, "/404")).status, 404);
    }
    assert_eq!(requests(&pod, "source", &["response_code=\"200\""]), 5);
    assert_eq!(requests(&pod, "destination", &["response_code=\"404\""]), 5);
}

#[test]
fn a_proxy_whose_own_connections_are_intercepted_refuses_them_instead_of_going_in_circles() {
    let Some(pod) = pod("circle") else { return };
    let _other = pod.nginx_on_node(&["9000"]);
    // The rules leave another user alone than the one that the proxy is.
    pod.redirect("apply --redirect-outbound --proxy-uid 4242 --proxy-gid 4242");
    for workers in ["1", "3"] {
        let mut sidecar = pod.sidecar(&format!("--outbound-listen 15001 --workers {workers}"));
        let output = pod.app_says("curl -sS -m 20 http://10.77.0.1:9000/");
        assert!(!output.status.success());
        let loops = sum(&pod, &["podmeter_loops_refused_total "]);
        assert!(loops >= 1, "{loops}");
        let connections = sum(&pod, &["podmeter_connections_total{", "outbound"]);
        // Another worker may accept it before the one that made it has noted that.
        let most = if workers == "1" { 1 } else { 200 };
        assert!(connections <= most, "{connections} connections for one, {workers} workers");
        // Nothing of it is left.
        eventually("all are closed", || {
            let open = sum(&pod, &["podmeter_connections_active{", "outbound"]);
            if open == 0 { Ok(()) } else { Err(format!("{open} are open")) }
        });
        assert!(sidecar.is_running());
    }
}

#[test]
fn what_is_encrypted_is_counted_under_the_name_that_the_app_asks_for() {
    let Some(pod) = pod("encrypted") else { return };
    let Some(openssl) = program("openssl") else {
        return skip("encrypted", "openssl is not installed");
    };
    let openssl = openssl.display().to_string();
    let request =
        [&openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let files = ["-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=other"];
    let made = Command::new(request[0])
        .args(&request[1..])
        .args(files)
        .current_dir(pod.folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let serve = ["s_server", "-accept", "9443", "-key", "key.pem", "-cert", "cert.pem", "-www"];
    let line: Vec<&str> = std::iter::once(openssl.as_str()).chain(serve).collect();
    let mut server = pod.on_node("server", &line);
    server.wait_for("it listens", |_| pod.in_node(|| TcpStream::connect((NODE, 9443)).ok()));
    pod.redirect("apply --redirect-outbound");
    let _sidecar = pod.sidecar("--outbound-listen 15001");
    let to = "--connect-to pay.example.com:443:10.77.0.1:9443";
    let output = pod.app_says(&format!("curl -ksS -m 20 {to} https://pay.example.com/"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    eventually("the connection is counted", || {
        let parts = [
            "istio_tcp_connections_opened_total{",
            "reporter=\"source\"",
            "destination_service=\"pay.example.com\"",
        ];
        if sum(&pod, &parts) == 1 { Ok(()) } else { Err("not yet".to_owned()) }
    });
}
