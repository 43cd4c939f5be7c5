//! What the kernel says of this process: CPU time, memory, file descriptors.

use std::fs;
use std::time::Duration;

/// One reading of `/proc/self`. What could not be read is 0.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// CPU time used, in user and in kernel mode, by all threads.
    pub cpu: Duration,
    /// Memory that is resident, in bytes.
    pub resident_bytes: u64,
    /// The part of it that is not backed by files or shared, in bytes.
    pub private_bytes: u64,
    /// File descriptors that are open.
    pub open_fds: u64,
    /// File descriptors that may be open.
    pub max_fds: u64,
    /// When the process started, since 1970.
    pub started: Duration,
}

impl Process {
    /// Reads everything anew.
    pub fn read() -> Self {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let ticks = |field| stat_field(&stat, field).unwrap_or(0);
        let tick = ticks_per_second();
        let seconds = |ticks: u64| Duration::from_millis(ticks * 1000 / tick);
        Self {
            cpu: seconds(ticks(UTIME) + ticks(STIME)),
            resident_bytes: kibibytes(&status, "VmRSS:").unwrap_or(0) * 1024,
            private_bytes: kibibytes(&status, "RssAnon:").unwrap_or(0) * 1024,
            open_fds: fs::read_dir("/proc/self/fd").map_or(0, |fds| fds.count() as u64),
            max_fds: max_fds(),
            started: boot_time().unwrap_or_default() + seconds(ticks(STARTTIME)),
        }
    }
}

/// Allows this process as many file descriptors as it may have: a carried connection needs two.
/// Says how many connections they suffice for.
pub(crate) fn raise_fd_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: now.maximum, maximum: now.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%error, "the limit on file descriptors stays as it is");
    }
    carried_by(max_fds())
}

/// How many connections can be carried with so many descriptors, when some are left for listeners,
/// readers and sources.
fn carried_by(fds: u64) -> usize {
    let for_others = RESERVED_FDS.min(fds / 2);
    usize::try_from((fds - for_others) / 2).unwrap_or(usize::MAX).max(1)
}

fn max_fds() -> u64 {
    use rustix::process::{Resource, getrlimit};
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// A field of `/proc/PID/stat`, counted as proc(5) does; the second one may hold spaces.
fn stat_field(stat: &str, field: usize) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_whitespace().nth(field.checked_sub(3)?)?.parse().ok()
}

fn kibibytes(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The unit in which the kernel tells of CPU time.
pub(crate) fn ticks_per_second() -> u64 {
    rustix::param::clock_ticks_per_second().max(1)
}

/// When the machine started, since 1970.
pub(crate) fn boot_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

const UTIME: usize = 14;
const STIME: usize = 15;
const STARTTIME: usize = 22;

/// What is left for everything but carried connections.
const RESERVED_FDS: u64 = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_for_those_who_ask() {
        assert_eq!(carried_by(u64::MAX), (usize::MAX - 128) / 2);
        assert_eq!(carried_by(20_128), 10_000);
        assert_eq!(carried_by(1_024), 448);
        assert_eq!(carried_by(200), 50);
        assert_eq!(carried_by(0), 1);
    }

    #[test]
    fn this_process_has_memory_files_and_a_start() {
        let process = Process::read();
        assert!(process.resident_bytes > 100_000, "{process:?}");
        assert!(process.private_bytes <= process.resident_bytes, "{process:?}");
        assert!(process.open_fds > 0 && process.open_fds <= process.max_fds, "{process:?}");
        assert!(process.started.as_secs() > 1_500_000_000, "{process:?}");
    }

    #[test]
    fn a_name_with_spaces_and_brackets_does_not_shift_the_fields() {
        let stat = "12 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13";
        assert_eq!(stat_field(stat, 4), Some(1));
        assert_eq!(stat_field(stat, UTIME), Some(11));
    }
}
