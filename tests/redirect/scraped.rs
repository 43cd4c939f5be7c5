//! A real Prometheus, in a namespace of its own, scrapes the pod's address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::Value;

use crate::http::get;
use crate::pod;
use crate::pod::POD;
use crate::process::{Running, eventually, program};
use crate::skip::skip;

#[test]
fn prometheus_sees_the_pods_traffic_and_its_scrapes_are_none_of_it() {
    let Some(pod) = pod("scraped") else { return };
    let Some(prometheus) = program("prometheus") else {
        return skip("scraped", "prometheus is not installed");
    };
    let _app = pod.nginx(&["8080"]);
    pod.redirect("apply");
    let _sidecar = pod.sidecar("--workload shop");
    let folder = pod.folder.path();
    std::fs::write(
        folder.join("prometheus.yml"),
        "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: pod\n    \
         metrics_path: /stats/prometheus\n    static_configs: [{targets: ['10.77.0.2:15090']}]\n",
    )
    .unwrap();
    let mut command = std::process::Command::new("ip");
    command.args(["netns", "exec", &pod.monitor]).arg(prometheus).current_dir(folder);
    command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]);
    command.arg("--web.listen-address=127.0.0.1:9090");
    let _running = Running::start("prometheus", &mut command, folder);

    let client = pod.in_monitor(|| get(SocketAddr::new(POD, 8080), "/404").status);
    assert_eq!(client, 404);
    let api = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
    // Two scrapes later, and still one request.
    let query = "sum%28istio_requests_total%7Bdestination_workload%3D%22shop%22%7D%29%20and%20\
                 on%28%29%20count_over_time%28up%5B1m%5D%29%20%3E%202";
    eventually("prometheus has the number", || {
        let path = format!("/api/v1/query?query={query}");
        let reply = pod.in_monitor(|| crate::http::try_ask(api, "GET", &path, &[]))?;
        let answer: Value = serde_json::from_slice(&reply.body).map_err(|e| e.to_string())?;
        match answer["data"]["result"][0]["value"][1].as_str() {
            Some("1") => Ok(()),
            other => Err(format!("{other:?}")),
        }
    });
}
