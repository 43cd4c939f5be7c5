//! A process on one core that ends with us, and what it has used of time and memory.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::client;
use crate::workspace::{command, run};

/// How long a process may take to answer its first request.
const START_LIMIT: Duration = Duration::from_secs(15);

/// A running process; dropping it kills it.
pub(crate) struct Running {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `program` on one core, with what it prints going to `log`.
    pub(crate) fn start(
        name: &'static str,
        core: usize,
        program: &Command,
        log: &Path,
    ) -> Result<Self> {
        let output =
            File::create(log).with_context(|| format!("could not write {}", log.display()))?;
        let errors =
            output.try_clone().with_context(|| format!("could not open {}", log.display()))?;
        let child = pinned(core, program)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// Waits until `path` is answered with 200, or the process ends, or too long.
    pub(crate) fn wait_until_answering(&mut self, address: SocketAddr, path: &str) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let status = client::get(address, path).map(|answer| answer.status);
            if matches!(status, Ok(200)) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("could not wait for a process")? {
                bail!("{} ended with {status} before it answered{}", self.name, self.last_words());
            }
            if Instant::now() > deadline {
                let got = match status {
                    Ok(status) => format!("answered {status}"),
                    Err(error) => format!("gave no answer ({error:#})"),
                };
                bail!("{} {got} on http://{address}{path}{}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until it takes connections.
    pub(crate) fn wait_until_listening(&mut self, address: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while let Err(error) = TcpStream::connect(address) {
            if let Some(status) = self.child.try_wait().context("could not look at a child")? {
                bail!("{} ended with {status} before it listened{}", self.name, self.last_words());
            }
            if Instant::now() > deadline {
                bail!("{} does not listen on {address}: {error}{}", self.name, self.last_words());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// CPU time so far, user and system, of all threads.
    ///
    /// The scheduler tells it of each living thread in nanoseconds. Of the whole process it is
    /// told in ticks of 10 ms, which count only where threads have ended and took theirs along.
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        let process = PathBuf::from(format!("/proc/{}", self.child.id()));
        let mut living = Duration::ZERO;
        for thread in fs::read_dir(process.join("task")).with_context(|| self.has_gone())? {
            let file = thread.with_context(|| self.has_gone())?.path().join("schedstat");
            // A thread may end in between.
            if let Ok(text) = fs::read_to_string(file) {
                living += scheduled(&text).with_context(|| format!("schedstat reads {text:?}"))?;
            }
        }
        let stat = fs::read_to_string(process.join("stat")).with_context(|| self.has_gone())?;
        let all = ticked(&stat).with_context(|| format!("/proc/PID/stat reads {stat:?}"))?;
        Ok(living.max(all))
    }

    /// CPU time so far of the program itself and of the kernel on its behalf, in steps of 10 ms.
    pub(crate) fn cpu_split(&self) -> Result<(Duration, Duration)> {
        let file = format!("/proc/{}/stat", self.child.id());
        let stat = fs::read_to_string(file).with_context(|| self.has_gone())?;
        split(&stat).with_context(|| format!("/proc/PID/stat reads {stat:?}"))
    }

    /// Memory of the process that is in RAM (`VmRSS`), in bytes.
    pub(crate) fn resident_bytes(&self) -> Result<u64> {
        let file = format!("/proc/{}/status", self.child.id());
        let status = fs::read_to_string(file).with_context(|| self.has_gone())?;
        vm_rss(&status).with_context(|| self.has_gone())
    }

    fn has_gone(&self) -> String {
        format!("{} has ended too soon{}", self.name, self.last_words())
    }

    /// The end of its log, to follow an error.
    fn last_words(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        if lines.is_empty() {
            return ", without a word".into();
        }
        lines.iter().rev().fold(":".into(), |text, line| format!("{text}\n  {line}"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Either fails only where the process has ended, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `program` on one core, killed by the kernel should this process end first, be it by Ctrl-C.
pub(crate) fn pinned(core: usize, program: &Command) -> Command {
    let mut wrapper = command("setpriv");
    wrapper
        .args(["--pdeathsig", "KILL", "--", "taskset", "--cpu-list", &core.to_string()])
        .arg(program.get_program())
        .args(program.get_args());
    for (variable, value) in program.get_envs() {
        match value {
            Some(value) => wrapper.env(variable, value),
            None => wrapper.env_remove(variable),
        };
    }
    wrapper
}

/// Raises this process's limit of open files to the most it may be, for the idle connections;
/// the proxies inherit it, and need two files for each connection.
pub(crate) fn raise_file_limit() -> Result<()> {
    let limits = fs::read_to_string("/proc/self/limits").context("could not read the limits")?;
    let hard = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))
        .and_then(|line| line.split_whitespace().nth(1))
        .context("/proc/self/limits has no line of open files")?;
    let process = std::process::id().to_string();
    run(command("prlimit").args(["--pid", &process, &format!("--nofile={hard}:{hard}")]))
        .context("could not raise the limit of open files")
}

/// The time on a CPU in `/proc/PID/task/TID/schedstat`.
fn scheduled(schedstat: &str) -> Option<Duration> {
    let nanoseconds = schedstat.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

/// utime and stime in `/proc/PID/stat`, the 14th and 15th fields; the second is a name in
/// parentheses, which may hold anything.
fn ticked(stat: &str) -> Option<Duration> {
    split(stat).map(|(user, system)| user + system)
}

fn split(stat: &str) -> Option<(Duration, Duration)> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut times = after_name.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut time = || Some(Duration::from_millis(times.next()?.ok()? * 10));
    Some((time()?, time()?))
}

fn vm_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::machine::allowed_cores;

    #[test]
    fn resident_memory_is_read_from_the_status_file() {
        let status = "Name:\tnginx\nVmHWM:\t    9000 kB\nVmRSS:\t    8192 kB\nThreads:\t1\n";
        assert_eq!(vm_rss(status), Some(8 * 1024 * 1024));
        assert_eq!(vm_rss("Name:\tkthreadd\n"), None);
    }

    #[test]
    fn cpu_time_is_read_from_what_the_kernel_says() {
        assert_eq!(scheduled("44967 12 1\n"), Some(Duration::from_nanos(44967)));
        assert_eq!(scheduled(""), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194560 900 0 0 0 12 30 0 0 20 0 1 0 500 1 2\n";
        assert_eq!(ticked(stat), Some(Duration::from_millis(420)));
        assert_eq!(ticked("7 (a"), None);
    }

    #[test]
    fn a_pinned_program_keeps_its_arguments_and_its_cleared_variables() {
        let mut program = command("podmeter");
        program.arg("proxy").env_remove("PODMETER_DIALECT");
        let pinned = pinned(1, &program);
        let line = crate::workspace::describe(&pinned);
        assert_eq!(line, "setpriv --pdeathsig KILL -- taskset --cpu-list 1 podmeter proxy");
        assert!(
            pinned.get_envs().any(|(name, value)| name == "PODMETER_DIALECT" && value.is_none())
        );
    }

    #[test]
    fn a_process_that_ends_at_once_is_reported_with_its_last_words() {
        let log = crate::workspace::target_dir().unwrap().join("xtask-last-words.log");
        let mut program = command("sh");
        program.args(["-c", "echo no such flag >&2; exit 2"]);
        let core = allowed_cores(&fs::read_to_string("/proc/self/status").unwrap())[0];
        let mut child = Running::start("fake", core, &program, &log).unwrap();
        let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
        let error = child.wait_until_answering(nobody, "/").unwrap_err();
        let expected = "fake ended with exit status: 2 before it answered:\n  no such flag";
        assert_eq!(error.to_string(), expected);
    }
}
