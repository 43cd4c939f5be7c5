//! Python as the app: its client library over TLS, and its simplest web server.

use std::process::Command;

use crate::process::{self, Running, free_port};
use crate::{assert_line, certificate, find, health, scrape, sidecar, skip};

#[test]
fn the_python_client_over_tls_is_merged_and_believed_by_its_own_certificate() {
    let test = "the_python_client_over_tls_is_merged_and_believed_by_its_own_certificate";
    let Some(openssl) = find(test, "openssl") else { return };
    let Some(python) = process::python() else {
        skip::skip(test, "it needs PODMETER_PYTHON");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = certificate(&openssl, folder.path());
    let addr = free_port();
    let program = "import sys, threading, prometheus_client as client
host, port, cert, key = sys.argv[1:]
client.Counter('orders', 'Orders.').inc(3)
client.start_http_server(int(port), host, certfile=cert, keyfile=key)
threading.Event().wait()";
    let mut command = Command::new(python);
    command.args(["-c", program, &addr.ip().to_string(), &addr.port().to_string()]);
    command.arg(&cert).arg(&key);
    let mut running = Running::start("python", &mut command, folder.path());
    running.wait_for_port(addr);
    let source = |trust: &str| format!("https://{addr}/metrics,name=shop{trust}");
    for (trust, up) in [
        (format!(",ca={}", cert.display()), 1),
        (",insecure-skip-verify=true".to_owned(), 1),
        (format!(",ca={},server-name=shop.example", cert.display()), 0),
    ] {
        let podmeter = sidecar(folder.path(), &[source(&trust)]);
        let lines = scrape(podmeter.stats);
        assert_line(&lines, &format!("podmeter_app_scrape_up{{source=\"shop\"}} {up}"));
        if up == 1 {
            assert_line(&lines, "orders_total 3.0");
            let seen = health(podmeter.admin)["content_type"].to_string();
            assert!(seen.contains("application/openmetrics-text"), "{seen}");
        }
        let warned = podmeter.process.said().contains("any certificate is believed");
        assert_eq!(warned, trust.contains("insecure"));
    }
}

#[test]
fn a_file_of_pythons_simplest_web_server_is_merged() {
    let test = "a_file_of_pythons_simplest_web_server_is_merged";
    let Some(python) = find(test, "python3") else { return };
    let folder = tempfile::tempdir().unwrap();
    let served = folder.path().join("served");
    std::fs::create_dir(&served).unwrap();
    // It speaks HTTP/1.0, and calls the file `application/octet-stream`.
    std::fs::write(served.join("metrics"), "orders_total 3\n").unwrap();
    let addr = free_port();
    let mut command = Command::new(python);
    command.args(["-m", "http.server", "--bind", &addr.ip().to_string(), &addr.port().to_string()]);
    let mut running = Running::start("python", command.current_dir(&served), folder.path());
    running.wait_for_port(addr);
    let sources = [format!("http://{addr}/metrics,name=a"), format!("http://{addr}/gone,name=b")];
    let podmeter = sidecar(folder.path(), &sources);
    let lines = scrape(podmeter.stats);
    assert_line(&lines, "orders_total 3");
    assert_line(&lines, "podmeter_app_scrape_up{source=\"a\"} 1");
    assert_line(&lines, "podmeter_app_scrape_up{source=\"b\"} 0");
    assert_line(&lines, "podmeter_app_scrape_failures_total{source=\"b\",reason=\"status\"} 1");
}
