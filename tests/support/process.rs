//! Runs real programs for a suite: waits until they answer, shows what they said when a test
//! fails, and leaves none of them behind.

#![expect(
    clippy::disallowed_methods,
    reason = "other programs cannot be waited for in any other way"
)]

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A program that was started for a test.
pub(crate) struct Running {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `command`; what it says goes to a file in `folder`.
    pub(crate) fn start(name: &str, command: &mut Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let said = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(said.try_clone().unwrap()).stderr(said);
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self { name: name.to_owned(), child, log }
    }

    /// Everything it has said so far.
    pub(crate) fn said(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap()).into_owned()
    }

    /// Asks `probe` until it gives something, and fails when the program ends before.
    pub(crate) fn wait_for<T>(
        &mut self,
        what: &str,
        mut probe: impl FnMut(&Self) -> Option<T>,
    ) -> T {
        eventually(&format!("{}: {what}", self.name), || {
            if let Some(found) = probe(self) {
                return Ok(found);
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended ({status}) before {what}:\n{}", self.name, self.said());
            }
            Err("not yet".to_owned())
        })
    }

    /// Waits until something listens on `addr`.
    pub(crate) fn wait_for_port(&mut self, addr: SocketAddr) {
        self.wait_for(&format!("it listens on {addr}"), |_| TcpStream::connect(addr).ok());
    }

    /// Whether it has not ended.
    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// The number that the kernel knows it by.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it has ended by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let name = self.name.clone();
        eventually(&format!("{name} ends"), || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked first, as some programs have children of their own to end.
        let asked = self.child.try_wait().is_ok_and(|status| status.is_none())
            && kill_process(Pid::from_child(&self.child), Signal::TERM).is_ok();
        let deadline = Instant::now() + Duration::from_secs(2);
        while asked && Instant::now() < deadline && self.child.try_wait().is_ok_and(|s| s.is_none())
        {
            std::thread::sleep(PAUSE);
        }
        // What has ended already needs no killing.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let said = self.said();
            let from = said.char_indices().rev().nth(3000).map_or(0, |(index, _)| index);
            println!("--- {} said:\n{}", self.name, &said[from..]);
        }
    }
}

/// Asks `probe` until it gives something; at the deadline, fails with its last complaint.
pub(crate) fn eventually<T>(what: &str, mut probe: impl FnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match probe() {
            Ok(found) => return found,
            Err(why) => assert!(Instant::now() < deadline, "never happened: {what}: {why}"),
        }
        std::thread::sleep(PAUSE);
    }
}

/// A port of 127.0.0.1 that nobody had a moment ago, for programs that cannot pick one themselves.
pub(crate) fn free_port() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Where a program is; Debian keeps servers in a folder that an ordinary user's `PATH` lacks.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// The interpreter that has `prometheus_client`.
pub(crate) fn python() -> Option<PathBuf> {
    std::env::var_os("PODMETER_PYTHON").map(PathBuf::from)
}

/// The folder in which Node finds the packages of npm.
pub(crate) fn node_modules() -> Option<PathBuf> {
    std::env::var_os("PODMETER_NODE_MODULES").map(PathBuf::from)
}

/// The folder of reference data, if it is here.
pub(crate) fn reference_data() -> Option<PathBuf> {
    let named = std::env::var_os("PODMETER_REFERENCE_DATA").map(PathBuf::from);
    let data =
        named.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data"));
    data.is_dir().then_some(data)
}

/// Long, since the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
