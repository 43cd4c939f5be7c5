//! HTTP/2 under load: as many exchanges are counted as h2load has had answers, per status, over few
//! and over many connections, and the memory for it is bounded and given back.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures for those who ask with --nocapture")]

use std::path::Path;
use std::process::Command;

use counted::Counted;
use peer::run;
use process::{Running, free_port, program};
use sidecar::Sidecar;
use skip::skip;

#[path = "http2_peers/counted.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod counted;
#[path = "support/exposition_checker.rs"]
#[expect(clippy::float_cmp, reason = "readers compare numbers exactly")]
#[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN is not at least zero")]
mod exposition_checker;
#[path = "support/http.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod http;
#[path = "http2_peers/peer.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod peer;
#[path = "support/process.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod process;
#[path = "support/scrape.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod scrape;
#[path = "support/sidecar.rs"]
#[expect(dead_code, reason = "each suite takes what it needs")]
mod sidecar;
#[path = "support/skip.rs"]
mod skip;

#[test]
#[cfg_attr(debug_assertions, ignore = "load: runs with --release")]
fn ten_thousand_streams_are_counted_over_any_number_of_connections() {
    let test = "ten_thousand_streams_are_counted_over_any_number_of_connections";
    let (Some(h2load), Some(nghttpd)) = (program("h2load"), program("nghttpd")) else {
        return skip(test, "h2load or nghttpd is missing");
    };
    let folder = tempfile::tempdir().unwrap();
    let app = free_port();
    std::fs::write(folder.path().join("file"), [b'x'; 1024]).unwrap();
    let mut command = Command::new(nghttpd);
    command.args(["--no-tls", "--address=127.0.0.1", "--max-concurrent-streams=5000", "-d"]);
    command.arg(folder.path()).arg(app.port().to_string());
    let mut server = Running::start("nghttpd", &mut command, folder.path());
    server.wait_for_port(app);
    let sidecar = Sidecar::start("podmeter", folder.path(), app, "--workers 2");
    let mut answered = [0, 0];
    for (connections, streams) in [(1, 1), (1, 2000), (8, 100), (256, 32)] {
        let before = answered;
        let load = Load { h2load: &h2load, sidecar: &sidecar, connections, streams };
        answered = load.run(answered);
        assert_eq!(answered[0] + answered[1] - before[0] - before[1], STREAMS);
        let counted = Counted::when_drained(&sidecar);
        counted.has(&[("http 200 -", answered[0]), ("http 404 -", answered[1])]);
        assert!(counted.unparsed.is_empty(), "{:?}", counted.unparsed);
        let resident = counted.value("podmeter_process_resident_memory_bytes", &[]);
        println!("{connections} connections, {streams} streams each: {resident} bytes resident");
        assert!(resident < MOST_MEMORY, "{resident} bytes after {connections} connections");
    }
}

struct Load<'a> {
    h2load: &'a Path,
    sidecar: &'a Sidecar,
    connections: u64,
    streams: u64,
}

impl Load<'_> {
    /// Runs it, and adds the answers of classes 2 and 4 that it has had.
    fn run(&self, before: [u64; 2]) -> [u64; 2] {
        let mut h2load = Command::new(self.h2load);
        for (flag, number) in [("-n", STREAMS), ("-c", self.connections), ("-m", self.streams)] {
            h2load.args([flag, &number.to_string()]);
        }
        for path in ["file", "none", "file"] {
            h2load.arg(format!("http://{}/{path}", self.sidecar.inbound));
        }
        let said = run(&mut h2load);
        // "status codes: 6667 2xx, 0 3xx, 3333 4xx, 0 5xx"
        let line = said.lines().find(|line| line.starts_with("status codes:")).unwrap();
        let words: Vec<&str> = line.split(' ').collect();
        let of = |class: &str| {
            let place = words.iter().position(|word| word.starts_with(class)).unwrap();
            words[place - 1].parse::<u64>().unwrap()
        };
        [before[0] + of("2xx"), before[1] + of("4xx")]
    }
}

/// For each run.
const STREAMS: u64 = 10_000;
/// Far more than needed, and far less than if the memory of streams were kept.
const MOST_MEMORY: u64 = 40 * 1024 * 1024;
