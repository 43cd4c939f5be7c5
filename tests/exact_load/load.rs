//! wrk with 256 connections and requests for answers of mixed status.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// wrk and its script.
pub(crate) struct Wrk {
    program: PathBuf,
    script: PathBuf,
}

impl Wrk {
    pub(crate) fn new(program: &Path, folder: &Path) -> Self {
        let mut text = "local requests, last = {}, 0\ninit = function()\n".to_owned();
        for status in MIX {
            writeln!(text, "  table.insert(requests, wrk.format(\"GET\", \"/{status}\"))").unwrap();
        }
        text += "end
request = function()
  last = last % #requests + 1
  return requests[last]
end
";
        let script = folder.join("mix.lua");
        std::fs::write(&script, text).unwrap();
        Self { program: program.to_owned(), script }
    }

    /// One run, at whose end every connection has a request in flight.
    pub(crate) fn run(&self, addr: SocketAddr) {
        let mut wrk = Command::new(&self.program);
        wrk.args(["-t1", "-c256", "-d2s", "-s"]).arg(&self.script).arg(format!("http://{addr}/"));
        let output = wrk.output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "wrk: {said}");
        // Slow is not wrong; everything else would be.
        if let Some(errors) = said.lines().find(|line| line.contains("Socket errors")) {
            assert!(errors.contains("connect 0, read 0, write 0"), "wrk: {said}");
        }
    }
}

/// Connections that a run of wrk opens and closes to see whether anybody is there.
pub(crate) const PROBES: u64 = 1;
/// The statuses that the app gives at `/STATUS`.
const MIX: [u16; 12] = [200, 200, 200, 201, 204, 200, 302, 404, 200, 500, 503, 200];
