//! App sources as they are in pods: real servers over TLS and Unix sockets, with passwords that
//! change, and apps that hang or do not fit their limits, through the real program.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "what other programs said, where a test fails")]

#[path = "support/http.rs"]
mod http;
#[path = "app_sources/merged.rs"]
mod merged;
#[path = "support/nginx.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod nginx;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "app_sources/python.rs"]
mod python;
#[path = "app_sources/secrets.rs"]
mod secrets;
#[path = "support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A sidecar before no app, with these sources; what it says goes to `folder`.
fn sidecar(folder: &Path, sources: &[String]) -> sidecar::Sidecar {
    let config = serde_json::json!({ "app-metrics": sources });
    let path = folder.join("podmeter.yaml");
    std::fs::write(&path, config.to_string()).unwrap();
    let flags = format!("--config {}", path.display());
    sidecar::Sidecar::start("podmeter", folder, process::free_port(), &flags)
}

/// The lines of a scrape.
fn scrape(stats: SocketAddr) -> Vec<String> {
    scrape_as(stats, &[])
}

fn scrape_as(stats: SocketAddr, headers: &[(&str, &str)]) -> Vec<String> {
    let reply = http::ask(stats, "GET", "/stats/prometheus", headers);
    assert_eq!(reply.status, 200);
    reply.text().lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_line(lines: &[String], line: &str) {
    assert!(lines.iter().any(|other| other == line), "{line} is not in\n{}", lines.join("\n"));
}

/// What `/sources` says of the only source.
fn health(admin: SocketAddr) -> Value {
    let all: Value = serde_json::from_slice(&http::get(admin, "/sources").body).unwrap();
    all[0].clone()
}

/// A certificate that is its own authority, for 127.0.0.1, and its key.
fn certificate(openssl: &Path, folder: &Path) -> (PathBuf, PathBuf) {
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    let made = Command::new(openssl)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=podmeter test"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

/// The program, or a word on its absence.
fn find(test: &str, name: &str) -> Option<PathBuf> {
    let found = process::program(name);
    if found.is_none() {
        skip::skip(test, &format!("{name} is not installed"));
    }
    found
}
