//! What operators and the kubelet are told.

use std::io::{Read, Write};
use std::net::TcpStream;

use podmeter::exposition::Format;
use serde_json::Value;

use crate::PATIENCE;
use crate::http::{ask, get};
use crate::scrape::Scrape;
use crate::scripted::{Held, nobody, says};
use crate::sidecar::Sidecar;

#[test]
fn operators_see_what_was_recorded_and_what_was_set() {
    let folder = tempfile::tempdir().unwrap();
    let app = says("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let flags = "--workload shop --namespace sales --pod shop-1 --drain-timeout 3s";
    let sidecar = Sidecar::start("podmeter", folder.path(), app, flags);
    assert_eq!(get(sidecar.inbound, "/").status, 404);
    let json = |path: &str| -> Value {
        let reply = get(sidecar.admin, path);
        assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
        serde_json::from_slice(&reply.body).unwrap()
    };
    let stats = get(sidecar.admin, "/stats");
    assert_eq!(stats.status, 200);
    let in_json = json("/stats?format=json");
    let in_json = in_json["stats"].as_array().unwrap();
    assert_eq!(in_json.len(), stats.text().lines().count());
    for line in stats.text().lines() {
        let (name, _) = line.rsplit_once(": ").unwrap();
        assert!(in_json.iter().any(|stat| stat["name"] == name), "{name}");
    }
    let total = format!("cluster.inbound|{}||.upstream_rq_total", app.port());
    assert!(stats.text().contains(&format!("{total}: 1\n")), "{}", stats.text());
    assert!(in_json.iter().any(|stat| stat["name"] == *total && stat["value"] == 1));

    let some = get(sidecar.admin, "/stats?filter=^cluster%5C..*rq_total$&usedonly");
    assert_eq!(some.text(), format!("{total}: 1\n"));
    assert!(!get(sidecar.admin, "/stats?usedonly").text().contains(": 0\n"));
    assert_eq!(get(sidecar.admin, "/stats?filter=(").status, 400);

    let info = json("/server_info");
    assert_eq!(info["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(info["state"], "LIVE");
    assert_eq!(info["node"]["id"], "shop-1");
    let config = json("/config_dump");
    assert_eq!((&config["workload"], &config["drain-timeout"]), (&"shop".into(), &"3s".into()));
    let sources = json("/sources");
    let names: Vec<_> = sources.as_array().unwrap().iter().map(|source| &source["name"]).collect();
    assert_eq!(names, ["app process"]);
    assert!(get(sidecar.admin, "/").text().contains("/config_dump"));
    for path in ["/nothing", "/statsx", "/stats/"] {
        assert_eq!(get(sidecar.admin, path).status, 404, "{path}");
    }
    let scrape = Scrape::read(get(sidecar.admin, "/stats/prometheus").text(), Format::TEXT);
    let answered = [("response_code", "404")];
    assert_eq!(scrape.value("istio_requests_total", &answered).to_bits(), 1f64.to_bits());
}

#[test]
fn ready_is_said_on_every_listener_in_its_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let sidecar = Sidecar::start("podmeter", folder.path(), nobody(), "");
    for (addr, path) in
        [(sidecar.stats, "/ready"), (sidecar.admin, "/ready"), (sidecar.health, "/healthz/ready")]
    {
        let reply = get(addr, path);
        assert_eq!((reply.status, reply.text()), (200, "LIVE\n"));
        assert_eq!(ask(addr, "POST", path, &[]).status, 405);
    }
    assert_eq!(get(sidecar.health, "/ready").status, 404);
    assert_eq!(get(sidecar.health, "/stats/prometheus").status, 404);
}

#[test]
fn only_a_post_ends_the_proxy() {
    let folder = tempfile::tempdir().unwrap();
    let mut sidecar = Sidecar::start("podmeter", folder.path(), nobody(), "");
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let reply = ask(sidecar.admin, method, "/quitquitquit", &[]);
        assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(get(sidecar.health, "/healthz/ready").status, 200);
    assert!(sidecar.process.is_running());
    assert_eq!(ask(sidecar.admin, "POST", "/quitquitquit", &[]).status, 200);
    assert!(sidecar.process.ended().success());
}

#[test]
fn a_request_whose_fate_nobody_knows_takes_no_count_back() {
    let folder = tempfile::tempdir().unwrap();
    let app = Held::start();
    let sidecar = Sidecar::start("podmeter", folder.path(), app.addr, "");
    let mut client = TcpStream::connect(sidecar.inbound).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    app.arrivals.recv_timeout(PATIENCE).unwrap();
    let counted = || {
        let scrape = Scrape::of(sidecar.stats, Format::TEXT);
        ["envoy_cluster_upstream_rq_total", "envoy_http_downstream_rq_total"]
            .map(|name| scrape.value(name, &[]).to_bits())
    };
    assert_eq!(counted(), [1f64.to_bits(); 2]);
    // Not HTTP, so nobody can say what became of the request; but it was made.
    app.answer.send("+OK redis it is\r\n").unwrap();
    client.read_exact(&mut [0; 17]).unwrap();
    assert_eq!(counted(), [1f64.to_bits(); 2]);
}
