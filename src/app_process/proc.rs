//! Reads `/proc`: who listens, which processes there are, and what each has used. All bounded, as
//! other containers' processes are strangers.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A socket that somebody listens on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listener {
    pub(super) addr: SocketAddr,
    /// Whose it is.
    pub(super) uid: u32,
    pub(super) inode: u64,
}

/// A process as everybody may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// What it calls itself.
    pub(super) name: String,
    /// When it started, in ticks since the machine did. With the number it is unique.
    pub(super) started: u64,
    /// CPU time in ticks, its own and that of children that it has waited for.
    pub(super) ticks: u64,
    pub(super) waited_ticks: u64,
    pub(super) resident_bytes: u64,
    pub(super) virtual_bytes: u64,
}

/// Which of some sockets a process has open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Has {
    One,
    None,
    /// We may not look.
    Unknown,
}

/// The files of one `/proc`.
#[derive(Clone, Debug)]
pub(super) struct Proc {
    root: PathBuf,
    page: u64,
}

impl Proc {
    /// The one of this machine, or what a test has made to look like it.
    pub(super) fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), page: rustix::param::page_size() as u64 }
    }

    /// Where it is.
    pub(super) fn root(&self) -> String {
        self.root.display().to_string()
    }

    /// Every socket that is listened on in our network namespace.
    pub(super) fn listeners(&self) -> Vec<Listener> {
        let files = ["net/tcp", "net/tcp6"].map(|name| self.root.join(name));
        files.iter().filter_map(|path| File::open(path).ok()).flat_map(listening).collect()
    }

    /// Every process that can be seen, by its number.
    pub(super) fn tasks(&self) -> Vec<Task> {
        let Ok(entries) = fs::read_dir(&self.root) else { return Vec::new() };
        let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let mut tasks: Vec<_> =
            pids.take(MOST_PROCESSES).filter_map(|pid| self.task(pid)).collect();
        tasks.sort_by_key(|task| task.pid);
        tasks
    }

    fn task(&self, pid: u32) -> Option<Task> {
        let stat = read(&self.of(pid).join("stat"))?;
        parse_stat(&stat, self.page)
    }

    /// Whether a process has one of these sockets open.
    pub(super) fn has(&self, pid: u32, inodes: &[u64]) -> Has {
        let Ok(fds) = fs::read_dir(self.of(pid).join("fd")) else { return Has::Unknown };
        let mut links = fds.take(MOST_FDS).filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        let is_one = |link: PathBuf| {
            let text = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            text.parse().ok().filter(|inode| inodes.contains(inode))
        };
        if links.any(|link| is_one(link).is_some()) { Has::One } else { Has::None }
    }

    /// Whose a process is, by the user that it acts as.
    pub(super) fn uid(&self, pid: u32) -> Option<u32> {
        let status = read(&self.of(pid).join("status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        // Real, effective, saved, and that of the file system, which sockets are made as.
        line.split_whitespace().nth(3)?.parse().ok()
    }

    /// What tells containers apart.
    pub(super) fn container(&self, pid: u32) -> Option<String> {
        read(&self.of(pid).join("cgroup"))
    }

    /// How many file descriptors a process has open, if that can be known.
    pub(super) fn open_fds(&self, pid: u32) -> Option<u64> {
        let fds = self.of(pid).join("fd");
        if let Ok(fds) = fs::read_dir(&fds) {
            return Some(fds.take(MOST_FDS).count() as u64);
        }
        // Linux 6.2 and later tell the number to who may not see which.
        Some(fs::metadata(&fds).ok()?.size()).filter(|fds| *fds > 0)
    }

    /// How many it may have open.
    pub(super) fn max_fds(&self, pid: u32) -> Option<u64> {
        let limits = read(&self.of(pid).join("limits"))?;
        let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
        match line.split_whitespace().next()? {
            "unlimited" => Some(u64::MAX),
            number => number.parse().ok(),
        }
    }

    fn of(&self, pid: u32) -> PathBuf {
        self.root.join(pid.to_string())
    }
}

/// The beginning of a file, as text.
fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    File::open(path).ok()?.take(MOST_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The listeners of a table of sockets, which stand before all connections: a busy pod has
/// thousands of these.
fn listening(table: File) -> Vec<Listener> {
    let mut lines = BufReader::new(table).lines().skip(1).map_while(io::Result::ok);
    let listeners = std::iter::from_fn(|| listener(&lines.next()?));
    listeners.take(MOST_LISTENERS).collect()
}

/// One line of the table; `None` if it is no listener's.
fn listener(line: &str) -> Option<Listener> {
    let fields: Vec<&str> = line.split_whitespace().take(10).collect();
    let &[_, local, _, "0A", .., uid, _, inode] = &fields[..] else { return None };
    let (ip, port) = local.split_once(':')?;
    let words = Some(ip.as_bytes()).filter(|ip| matches!(ip.len(), 8 | 32))?.chunks(8);
    // Each word stands as the machine has it in memory.
    let words = words.map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok());
    let bytes: Vec<u8> =
        words.collect::<Option<Vec<u32>>>()?.into_iter().flat_map(u32::to_ne_bytes).collect();
    let ip = match <[u8; 4]>::try_from(&bytes[..]) {
        Ok(v4) => IpAddr::V4(Ipv4Addr::from(v4)),
        Err(_) => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[..]).ok()?)),
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    let addr = SocketAddr::new(ip, port);
    Some(Listener { addr, uid: uid.parse().ok()?, inode: inode.parse().ok()? })
}

/// `/proc/PID/stat`, whose fields are counted as proc(5) does. The name stands in brackets and may
/// have any in it.
fn parse_stat(stat: &str, page: u64) -> Option<Task> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    Some(Task {
        pid: pid.parse().ok()?,
        parent: u32::try_from(field(4)?).ok()?,
        name: name.to_owned(),
        started: field(22)?,
        ticks: field(14)?.saturating_add(field(15)?),
        waited_ticks: field(16)?.saturating_add(field(17)?),
        virtual_bytes: field(23)?,
        resident_bytes: field(24)?.saturating_mul(page),
    })
}

/// More than any pod has; beyond them nobody is looked at.
const MOST_PROCESSES: usize = 8192;
const MOST_LISTENERS: usize = 4096;
const MOST_FDS: usize = 65_536;
/// No file that is read here is longer.
const MOST_BYTES: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_a_listener_or_ends_the_listeners() {
        let line = "   0: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000  \
                    1000        0 31337 1 0000000000000000 100 0 0 10 0";
        let addr = SocketAddr::from(([127, 0, 0, 1], 8081));
        assert_eq!(listener(line), Some(Listener { addr, uid: 1000, inode: 31337 }));
        let v6 = line.replace("0100007F", "00000000000000000000000001000000");
        let addr = SocketAddr::from((Ipv6Addr::LOCALHOST, 8081));
        assert_eq!(listener(&v6).map(|listener| listener.addr), Some(addr));
        for other in [&line.replace(" 0A ", " 01 "), "", "sl", &line.replace("0100007F", "7F")] {
            assert_eq!(listener(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_may_call_itself_what_it_likes() {
        let numbers = (4..=30).map(|n| n.to_string()).collect::<Vec<_>>().join(" ");
        for name in ["python3", "a) R 1 (b", ") (", "", "\u{1b}[2J\"\\"] {
            let task = parse_stat(&format!("77 ({name}) S {numbers}"), 4096).unwrap();
            assert_eq!((task.pid, task.parent, task.name.as_str()), (77, 4, name));
            assert_eq!((task.ticks, task.waited_ticks, task.started), (29, 33, 22));
            assert_eq!((task.virtual_bytes, task.resident_bytes), (23, 24 * 4096));
        }
        assert_eq!(parse_stat("77 (x) S 1 2", 4096), None);
        assert_eq!(parse_stat("", 4096), None);
    }

    #[test]
    fn this_process_is_seen_as_it_is() {
        let proc = Proc::at("/proc");
        let (pid, listener) = (std::process::id(), std::net::TcpListener::bind("127.0.0.1:0"));
        let addr = listener.as_ref().unwrap().local_addr().unwrap();
        let tasks = proc.tasks();
        let own = tasks.iter().find(|task| task.pid == pid).unwrap();
        assert!(own.resident_bytes > 100_000 && own.virtual_bytes >= own.resident_bytes);
        let found = proc.listeners().into_iter().find(|found| found.addr == addr).unwrap();
        assert_eq!(proc.has(pid, &[found.inode]), Has::One);
        assert_eq!(proc.has(pid, &[1]), Has::None);
        assert_eq!(proc.has(u32::MAX, &[1]), Has::Unknown);
        assert_eq!(proc.uid(pid), Some(found.uid));
        assert!(proc.open_fds(pid) > Some(3) && proc.max_fds(pid) >= proc.open_fds(pid));
        drop(listener);
    }
}
