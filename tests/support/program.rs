//! The built program as a process, with what the kernel says of it.

use super::PATIENCE;
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, prlimit};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// A running `podmeter proxy`; dropping it kills it.
pub(crate) struct Program {
    /// Where each `--forward` listens, as the program says.
    pub(crate) forwards: Vec<SocketAddr>,
    pid: Pid,
    log: Receiver<String>,
    ended: Receiver<ExitStatus>,
}

impl Program {
    /// Forwards a port of its own to `target`; `flags` are separated by spaces. Listeners that
    /// are not named are off.
    pub(crate) fn before(target: SocketAddr, flags: &str) -> Self {
        Self::start(&format!("--forward 127.0.0.1:0={target} {flags}"))
    }

    pub(crate) fn start(flags: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
        command.arg("proxy").args(flags.split_whitespace());
        for listener in ["--stats-listen", "--admin-listen", "--health-listen"] {
            if !flags.contains(listener) {
                command.args([listener, "off"]);
            }
        }
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_child(&child);
        let log = follow(child.stderr.take().unwrap());
        let ended = reap(child);
        let mut this = Self { forwards: Vec::new(), pid, log, ended };
        for _ in 0..flags.matches("--forward").count() {
            let line = this.await_log("carrying");
            let listen = line.split("listen=").nth(1).expect(&line);
            let addr = listen.split_whitespace().next().expect(&line);
            this.forwards.push(addr.parse().expect(&line));
        }
        this
    }

    /// Where the only `--forward` listens.
    pub(crate) fn addr(&self) -> SocketAddr {
        self.forwards[0]
    }

    /// Waits for a line of the log with `text` in it.
    pub(crate) fn await_log(&self, text: &str) -> String {
        loop {
            let line = self.log.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("the program does not log {text:?}"));
            if line.contains(text) {
                return line;
            }
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// Waits for its end; gives the exit code.
    pub(crate) fn exit_code(&self) -> Option<i32> {
        self.ended.recv_timeout(PATIENCE).expect("the program ends").code()
    }

    /// Lets it open no more than `count` file descriptors from now on.
    pub(crate) fn limit_fds(&self, count: u64) {
        let maximum = getrlimit(Resource::Nofile).maximum;
        let limit = Rlimit { current: Some(count), maximum };
        prlimit(Some(self.pid), Resource::Nofile, limit).unwrap();
    }

    /// How many file descriptors are open.
    pub(crate) fn fds(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.pid)).unwrap().count()
    }

    /// Resident memory in KiB.
    pub(crate) fn rss_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// The most that was ever resident, in KiB.
    pub(crate) fn peak_rss_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    fn memory(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find(|line| line.starts_with(what)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// CPU time used so far, in clock ticks (a hundredth of a second).
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap();
        let after_name = stat.rsplit(')').next().unwrap();
        // utime and stime (proc(5)).
        after_name.split_whitespace().skip(11).take(2).map(|n| n.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself; then its number may be another's by now.
        if self.ended.try_recv().is_err() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

/// The lines of the log, as they come.
fn follow(stderr: ChildStderr) -> Receiver<String> {
    let (tell, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stderr).lines() {
            // Read on even if nobody listens: the program must not block on its log.
            let _ = tell.send(line.unwrap());
        }
    });
    lines
}

fn reap(mut child: Child) -> Receiver<ExitStatus> {
    let (tell, ended) = channel();
    std::thread::spawn(move || tell.send(child.wait().unwrap()));
    ended
}
