//! The real podmeter binary in front of an app, on ports that the kernel picked.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use crate::process::Running;

/// A running `podmeter proxy` with one `--forward`.
pub(crate) struct Sidecar {
    pub(crate) process: Running,
    /// Where clients connect.
    pub(crate) inbound: SocketAddr,
    pub(crate) stats: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) health: SocketAddr,
}

impl Sidecar {
    /// Starts one in front of `app`; `flags` are parted by white space.
    pub(crate) fn start(name: &str, folder: &Path, app: SocketAddr, flags: &str) -> Self {
        let any = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        Self::start_at(name, folder, app, any, flags)
    }

    /// The same, with its stats where they are expected.
    pub(crate) fn start_at(
        name: &str,
        folder: &Path,
        app: SocketAddr,
        stats: SocketAddr,
        flags: &str,
    ) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
        command.env_clear().args(["proxy", "--forward", &format!("127.0.0.1:0={app}")]);
        command.arg(format!("--stats-listen={stats}"));
        for listener in ["admin", "health"] {
            command.args([format!("--{listener}-listen"), "127.0.0.1:0".to_owned()]);
        }
        command.args(["--log-format", "json"]).args(flags.split_whitespace());
        let mut process = Running::start(name, &mut command, folder);
        let mut listens = |what: &str| {
            process
                .wait_for(&format!("{what} is announced"), |process| listen(&process.said(), what))
        };
        Self {
            inbound: listens("carrying"),
            stats: listens("serving stats"),
            admin: listens("serving admin"),
            health: listens("serving health"),
            process,
        }
    }
}

/// The address in the line of the log that says `what`.
fn listen(log: &str, what: &str) -> Option<SocketAddr> {
    let mut lines =
        log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let line = lines.find(|line| line["message"] == what)?;
    line["listen"].as_str()?.parse().ok()
}
