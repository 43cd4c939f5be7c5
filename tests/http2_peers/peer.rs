//! Peers in other languages: scripts that serve or call, and say what they did as JSON in their last
//! line.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

/// A running script. It ends when its input does.
pub(crate) struct Peer {
    /// Where it listens, if it serves.
    pub(crate) addr: SocketAddr,
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Peer {
    /// Starts a server and waits until it listens.
    pub(crate) fn serve(interpreter: &Path, script: &str, folder: &Path) -> Self {
        let mut this = Self::start(interpreter, script, &["serve"], folder);
        let line = this.wait_for("listen");
        this.addr = line["listen"].as_str().unwrap().parse().unwrap();
        this
    }

    /// Runs a client to its end; gives what it said.
    pub(crate) fn call(interpreter: &Path, script: &str, arguments: &[&str]) -> Value {
        let said = run(Command::new(interpreter).arg(path(script)).args(arguments));
        last_line(&said)
    }

    pub(crate) fn start(
        interpreter: &Path,
        script: &str,
        arguments: &[&str],
        folder: &Path,
    ) -> Self {
        let mut command = Command::new(interpreter);
        command.arg(path(script)).args(arguments).current_dir(folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { addr: ([127, 0, 0, 1], 0).into(), child, input, output }
    }

    /// Waits for a line that has a value of this name.
    pub(crate) fn wait_for(&mut self, name: &str) -> Value {
        let mut line = String::new();
        while self.output.read_line(&mut line).unwrap() > 0 {
            let said: Value = serde_json::from_str(&line).unwrap_or_default();
            if said.get(name).is_some() {
                return said;
            }
            line.clear();
        }
        panic!("it has ended without a word of {name}")
    }

    /// Lets it end, and gives what it says then.
    pub(crate) fn said_at_the_end(mut self) -> Value {
        self.input = None;
        let mut said = String::new();
        while self.output.read_line(&mut said).unwrap() > 0 {}
        assert!(self.child.wait().unwrap().success(), "{said}");
        last_line(&said)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // What has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(script: &str) -> String {
    format!("{}/tests/http2_peers/{script}", env!("CARGO_MANIFEST_DIR"))
}

fn last_line(said: &str) -> Value {
    let said = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
    said.unwrap_or_default()
}

/// Runs a program to its end, which must be a good one; gives what it said.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let [said, complained] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(output.status.success(), "{command:?}: {}\n{said}\n{complained}", output.status);
    said
}
