//! A pod as Kubernetes makes one: network namespaces, an init container, a sidecar without any
//! capability, an unmodified app of another user, and a node beside it.
//!
//! It takes `ip`, `setpriv`, and the right to make network namespaces (`own_namespaces`). Addresses are
//! the same in every pod, as none can see another.

use std::fs::{File, Permissions};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::own_namespaces;
use crate::process::{Running, program};

/// The pod's own address.
pub(crate) const POD: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));
/// The same for IPv6.
pub(crate) const POD_SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2));
/// The node's, from where clients come and where others are.
pub(crate) const NODE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
/// The same for IPv6.
pub(crate) const NODE_SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1));
/// Where the sidecar is scraped.
pub(crate) const STATS: SocketAddr = SocketAddr::new(POD, 15090);

/// Who runs the app.
const APP_USER: u32 = 65534;
/// Who runs the sidecar.
const PROXY_USER: u32 = 1337;

/// A pod and its node. Dropping it removes both; what runs in it must be dropped before.
pub(crate) struct TestPod {
    pub(crate) name: String,
    pub(crate) node: String,
    pub(crate) monitor: String,
    pub(crate) folder: tempfile::TempDir,
    /// The program where every user in the pod can reach it.
    pub(crate) podmeter: PathBuf,
}

/// Why there can be no pods here, in a few words.
pub(crate) fn impossible() -> Option<&'static str> {
    let missing = |name: &&str| program(name).is_none();
    let programs =
        ["ip", "unshare", "setpriv", "nft", "iptables-save", "conntrack", "nginx", "curl"];
    if programs.iter().any(missing) {
        return Some("pods take ip, unshare, setpriv, nft, iptables, conntrack, nginx and curl");
    }
    own_namespaces::impossible()
}

/// The program under test; whoever has moved it says where to, as cargo would.
#[expect(clippy::disallowed_methods, reason = "a test's surroundings are told by variables")]
pub(crate) fn podmeter() -> PathBuf {
    let moved = std::env::var_os("CARGO_BIN_EXE_podmeter");
    moved.unwrap_or_else(|| env!("CARGO_BIN_EXE_podmeter").into()).into()
}

impl TestPod {
    /// A pod with nothing in it.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = |what| format!("podmeter-{}-{number}-{what}", std::process::id());
        let (name, node, monitor) = (name("pod"), name("node"), name("monitor"));
        let folder = tempfile::tempdir().unwrap();
        // The app's user writes here.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        let podmeter = reachable(&podmeter(), folder.path());
        let this = Self { name, node, monitor, folder, podmeter };
        let script = SETUP
            .replace("POD", &this.name)
            .replace("NODE", &this.node)
            .replace("MONITOR", &this.monitor);
        run(Command::new("sh").args(["-euc", &script]));
        this
    }

    /// Runs a command in the pod as root, which must succeed; gives what it says.
    #[track_caller]
    pub(crate) fn root(&self, line: &str) -> String {
        said(line, &self.try_root(line))
    }

    /// The same for one that may fail.
    pub(crate) fn try_root(&self, line: &str) -> Output {
        self.command(&self.name).args(line.split_whitespace()).output().unwrap()
    }

    /// The init container: `podmeter redirect`, as root with `NET_ADMIN` and nothing else.
    #[track_caller]
    pub(crate) fn redirect(&self, flags: &str) -> String {
        let line = format!("redirect {flags}");
        said(&line, &self.try_redirect(flags, "+net_admin"))
    }

    /// The same with capabilities as `setpriv` writes them.
    pub(crate) fn try_redirect(&self, flags: &str, capabilities: &str) -> Output {
        let bounding = format!("--bounding-set=-all,{capabilities}");
        let bounding = bounding.trim_end_matches(',');
        let mut command = self.command(&self.name);
        command.args(["setpriv", "--no-new-privs", bounding]).arg(&self.podmeter);
        command.arg("redirect").args(flags.split_whitespace()).output().unwrap()
    }

    /// The sidecar: its own user, no capability, nothing to gain.
    pub(crate) fn sidecar(&self, flags: &str) -> Running {
        self.sidecar_as(PROXY_USER, "-all", flags)
    }

    /// The same with the one capability that TPROXY takes.
    pub(crate) fn transparent_sidecar(&self, flags: &str) -> Running {
        let flags = format!("--inbound-mode tproxy {flags}");
        self.sidecar_as(PROXY_USER, "-all,+net_admin", &flags)
    }

    /// The same as any user.
    pub(crate) fn sidecar_as(&self, user: u32, capabilities: &str, flags: &str) -> Running {
        let mut command = self.as_user(&self.name, user, capabilities);
        command.arg(&self.podmeter).arg("proxy").args(["--log-format", "json"]);
        command.args(flags.split_whitespace());
        let mut running = Running::start("podmeter", &mut command, self.folder.path());
        running.wait_for("it serves metrics", |_| self.in_node(|| TcpStream::connect(STATS).ok()));
        running
    }

    /// What a container is to the kernel: a user and group, and no capabilities but those that are
    /// added, written `+net_admin`. Those an ordinary user does not get, as in Kubernetes.
    pub(crate) fn container(&self, user: u32, group: u32, added: &[String]) -> Command {
        let capabilities = ["-all".to_owned()].iter().chain(added).cloned().collect::<Vec<_>>();
        let capabilities = capabilities.join(",");
        let mut command = self.command(&self.name);
        let (user, group) = (user.to_string(), group.to_string());
        command.args(["setpriv", "--reuid", &user, "--regid", &group, "--clear-groups"]);
        command.args(["--no-new-privs", &format!("--bounding-set={capabilities}")]);
        command.arg("--inh-caps=-all");
        command
    }

    /// Any other app in the pod, as root: some are installed where nobody else may look.
    pub(crate) fn app(&self, name: &str, line: &[&str]) -> Running {
        let mut command = self.command(&self.name);
        Running::start(name, command.args(line), self.folder.path())
    }

    /// The output of a short program of the app's user in the pod.
    pub(crate) fn app_says(&self, line: &str) -> Output {
        let mut command = self.as_user(&self.name, APP_USER, "-all");
        command.args(line.split_whitespace()).output().unwrap()
    }

    /// A program on the node.
    pub(crate) fn on_node(&self, name: &str, line: &[&str]) -> Running {
        let mut command = self.command(&self.node);
        Running::start(name, command.args(line), self.folder.path())
    }

    /// A real nginx as the app, on each of the addresses in `listens`. Each answer says the port
    /// that it came to, and `/STATUS` answers with that status.
    pub(crate) fn nginx(&self, listens: &[&str]) -> Nginx {
        let command = self.as_user(&self.name, APP_USER, "-all");
        Nginx::start("app", self.folder.path(), command, listens)
    }

    /// The same on the node, as somebody else's app.
    pub(crate) fn nginx_on_node(&self, listens: &[&str]) -> Nginx {
        Nginx::start("other", self.folder.path(), self.command(&self.node), listens)
    }

    /// Does something on the node: what it connects to, it does as a client.
    pub(crate) fn in_node<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        within(&self.node, act)
    }

    /// The same in the pod, as root.
    pub(crate) fn in_pod<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        within(&self.name, act)
    }

    /// The same in a third namespace, from where one reaches the pod by way of the node.
    pub(crate) fn in_monitor<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        within(&self.monitor, act)
    }

    fn as_user(&self, namespace: &str, user: u32, capabilities: &str) -> Command {
        let mut command = self.command(namespace);
        let user = user.to_string();
        command.args(["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"]);
        command.args(["--no-new-privs", &format!("--bounding-set={capabilities}")]);
        command.arg(format!("--inh-caps={capabilities}"));
        if capabilities != "-all" {
            command.arg(format!("--ambient-caps={capabilities}"));
        }
        command
    }

    fn command(&self, namespace: &str) -> Command {
        let mut command = Command::new("ip");
        command.env_clear().env("PATH", PATH).current_dir(self.folder.path());
        command.args(["netns", "exec", namespace]);
        command
    }
}

impl Drop for TestPod {
    fn drop(&mut self) {
        for name in [&self.name, &self.node, &self.monitor] {
            // What is still running in it keeps it until that ends.
            let _ = Command::new("ip").args(["netns", "delete", name]).output();
        }
    }
}

/// A running nginx.
pub(crate) struct Nginx {
    #[expect(dead_code, reason = "it runs until this is dropped")]
    process: Running,
    log: PathBuf,
}

impl Nginx {
    fn start(name: &str, folder: &Path, mut command: Command, listens: &[&str]) -> Self {
        let own = folder.join(name);
        std::fs::create_dir_all(&own).unwrap();
        std::fs::set_permissions(&own, Permissions::from_mode(0o777)).unwrap();
        let listens: Vec<String> =
            listens.iter().map(|listen| format!("    listen {listen};")).collect();
        let config = CONFIG.replace("FOLDER", &own.display().to_string());
        let config = config.replace("LISTENS", &listens.join("\n"));
        std::fs::write(own.join("nginx.conf"), config).unwrap();
        let nginx = program("nginx").expect("nginx is installed");
        command.arg(nginx).arg("-p").arg(&own).args(["-c", "nginx.conf", "-e", "stderr"]);
        let mut process = Running::start(name, &mut command, folder);
        // It writes this once it listens.
        process.wait_for("it has started", |_| {
            std::fs::read_to_string(own.join("nginx.pid")).ok().filter(|pid| !pid.is_empty())
        });
        Self { process, log: own.join("access.log") }
    }

    /// One entry for each request that it has answered: status, client, port, user agent.
    pub(crate) fn log(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Does something in another network namespace, on a thread of its own.
fn within<T: Send>(namespace: &str, act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let file = File::open(Path::new("/run/netns").join(namespace)).unwrap();
            let kind = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(std::os::fd::AsFd::as_fd(&file), kind).unwrap();
            act()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// A program where every user can reach it: where it is, or a copy.
pub(crate) fn reachable(program: &Path, folder: &Path) -> PathBuf {
    let is_open = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o001 != 0)
    };
    if program.ancestors().all(is_open) {
        return program.to_owned();
    }
    let copy = folder.join(program.file_name().unwrap());
    std::fs::copy(program, &copy).unwrap();
    copy
}

#[track_caller]
fn run(command: &mut Command) {
    let output = command.output().unwrap();
    said("making a pod", &output);
}

#[track_caller]
fn said(what: &str, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{what}: {}: {stderr}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub(crate) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The node is a router between the pod and a third namespace, as a node is.
const SETUP: &str = "
ip netns add POD; ip netns add NODE; ip netns add MONITOR
ip -n NODE link set lo up
ip netns exec NODE sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
ip -n POD link set lo up
ip -n POD link add eth0 type veth peer name pod netns NODE
ip -n POD addr add 10.77.0.2/24 dev eth0
ip -n POD addr add fd77::2/64 dev eth0 nodad
ip -n NODE addr add 10.77.0.1/24 dev pod
ip -n NODE addr add fd77::1/64 dev pod nodad
ip -n POD link set eth0 up
ip -n NODE link set pod up
ip -n POD route add default via 10.77.0.1
ip -n POD route add default via fd77::1
ip -n MONITOR link set lo up
ip -n MONITOR link add eth0 type veth peer name monitor netns NODE
ip -n MONITOR addr add 10.78.0.2/24 dev eth0
ip -n NODE addr add 10.78.0.1/24 dev monitor
ip -n MONITOR link set eth0 up
ip -n NODE link set monitor up
ip -n MONITOR route add default via 10.78.0.1
";

const CONFIG: &str = "
daemon off;
master_process off;
pid FOLDER/nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  keepalive_requests 1000000;
  log_format seen '$status $remote_addr $server_port $http_user_agent';
  access_log FOLDER/access.log seen;
  server {
LISTENS
    location / { return 200 \"port $server_port\"; }
    location /404 { return 404; }
    location /500 { return 500; }
  }
}
";
