//! Installs the Debian packages that the suites and the benchmark call on.

use anyhow::{Context, Result, bail};

use crate::workspace::{command, find_program, run};

/// A Debian package, and how to tell that what it gives is here.
pub(crate) struct Package {
    name: &'static str,
    gives: Gives,
}

/// Where a package is not from Debian, the programs themselves still count.
enum Gives {
    Programs(&'static [&'static str]),
    PythonModule(&'static str),
}

/// What `cargo xtask test` needs.
pub(crate) const FOR_TESTS: &[Package] = &[
    programs("prometheus", &["prometheus", "promtool"]),
    programs("prometheus-alertmanager", &["amtool"]),
    NGINX,
    WRK,
    HAPROXY,
    programs("curl", &["curl"]),
    H2LOAD,
    programs("nghttp2-server", &["nghttpd"]),
    programs("nghttp2-proxy", &["nghttpx"]),
    programs("nodejs", &["node"]),
    programs("npm", &["npm"]),
    // Pods made of network namespaces, and what their rules are compared with.
    IPROUTE,
    programs("util-linux", &["setpriv", "unshare"]),
    programs("uidmap", &["newuidmap", "newgidmap"]),
    programs("nftables", &["nft"]),
    programs("iptables", &["iptables-restore", "iptables-legacy-save"]),
    programs("conntrack", &["conntrack"]),
    programs("procps", &["sysctl"]),
    programs("openssl", &["openssl"]),
    programs("valgrind", &["valgrind"]),
    // Debian splits the half of Python's venv that installs pip into this package.
    Package { name: "python3-venv", gives: Gives::PythonModule("ensurepip") },
];

/// What `cargo xtask bench` needs.
pub(crate) const FOR_BENCH: &[Package] = &[
    NGINX,
    WRK,
    HAPROXY,
    H2LOAD,
    IPROUTE,
    programs("util-linux", &["setpriv", "taskset", "prlimit"]),
];

/// What `cargo xtask image` needs.
pub(crate) const FOR_IMAGE: &[Package] = &[
    programs("musl-tools", &["musl-gcc"]),
    programs("buildah", &["buildah"]),
    programs("curl", &["curl"]),
    programs("util-linux", &["unshare"]),
    IPROUTE,
];

/// What `cargo xtask cluster` needs besides.
pub(crate) const FOR_CLUSTER: &[Package] = &[
    programs("golang-1.19-go", &["../lib/go-1.19/bin/go"]),
    programs(
        "golang-github-modern-go-reflect2-dev",
        &["../share/gocode/src/github.com/modern-go/reflect2/reflect2.go"],
    ),
    programs("gcc", &["gcc"]),
    programs("etcd-server", &["etcd"]),
    programs("containerd", &["containerd", "ctr"]),
    programs("runc", &["runc"]),
    programs("containernetworking-plugins", &["../lib/cni/bridge"]),
    programs("buildah", &["buildah"]),
    programs("busybox-static", &["busybox"]),
    programs("dnsmasq-base", &["dnsmasq"]),
    programs("jq", &["jq"]),
    programs("curl", &["curl"]),
    programs("openssl", &["openssl"]),
    programs("iptables", &["iptables"]),
    programs("conntrack", &["conntrack"]),
    programs("procps", &["sysctl"]),
    IPROUTE,
];

const IPROUTE: Package = programs("iproute2", &["ip"]);
const NGINX: Package = programs("nginx-light", &["nginx"]);
const H2LOAD: Package = programs("nghttp2-client", &["nghttp", "h2load"]);
const WRK: Package = programs("wrk", &["wrk"]);
const HAPROXY: Package = programs("haproxy", &["haproxy"]);

const fn programs(name: &'static str, programs: &'static [&'static str]) -> Package {
    Package { name, gives: Gives::Programs(programs) }
}

/// Installs those of `packages` that are missing, or says in one sentence what a person with
/// more rights must install.
pub(crate) fn ensure(packages: &[Package]) -> Result<()> {
    let missing = missing(packages);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if find_program("apt-get").is_none() {
        bail!("install what these Debian packages hold, by this system's own means: {list}");
    }
    let Some(prefix) = becoming_root() else {
        bail!("install what is missing: sudo apt-get install --no-install-recommends {list}");
    };
    println!("    installing {list}");
    let mut shell = command(prefix.first().copied().unwrap_or("sh"));
    shell.args(prefix.iter().skip(1)).args(["-c", INSTALL, "install"]).args(&missing);
    // The script is long and says little; its exit code and apt's own words say the rest.
    let status = shell.status().context("could not start a shell to install packages")?;
    if !status.success() {
        bail!("apt-get could not install {list} ({status})");
    }
    let still = self::missing(packages);
    if !still.is_empty() {
        bail!("{} did not bring the programs expected of it; is PATH right?", still.join(" "));
    }
    Ok(())
}

fn missing(packages: &[Package]) -> Vec<&'static str> {
    packages.iter().filter(|package| !package.is_here()).map(|package| package.name).collect()
}

impl Package {
    fn is_here(&self) -> bool {
        match self.gives {
            Gives::Programs(programs) => {
                programs.iter().all(|program| find_program(program).is_some())
            }
            Gives::PythonModule(module) => {
                let mut python = command("python3");
                python.args(["-c", &format!("import {module}")]);
                python.stderr(std::process::Stdio::null());
                run(&mut python).is_ok()
            }
        }
    }
}

/// The words before `-c` of a shell that runs as root, if we may have one without a password.
fn becoming_root() -> Option<&'static [&'static str]> {
    let id = command("id").arg("-u").output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&["sh"]);
    }
    let mut sudo = command("sudo");
    sudo.args(["-n", "true"]).stderr(std::process::Stdio::null());
    run(&mut sudo).is_ok().then_some(&["sudo", "-n", "sh"])
}

/// Installs the packages given as arguments without starting or enabling the services in them:
/// nobody who runs a test suite asked for a web server on port 80. Recommended packages are left
/// out for the same reason (Prometheus recommends its node exporter, another service).
const INSTALL: &str = r#"
set -eu
export DEBIAN_FRONTEND=noninteractive
guard=/usr/sbin/policy-rc.d
if [ ! -e "$guard" ]; then
    trap 'rm -f "$guard"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$guard"
    chmod 755 "$guard"
fi
apt-get -qq update
apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@" < /dev/null
if [ -d /run/systemd/system ]; then
    for package in "$@"; do
        systemctl disable --quiet "${package%-light}.service" 2> /dev/null || true
    done
fi
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_debian_has_is_not_missing() {
        assert_eq!(missing(&[programs("dash", &["sh"])]), Vec::<&str>::new());
    }

    #[test]
    fn a_package_that_lacks_one_of_its_programs_is_missing() {
        assert_eq!(missing(&[programs("half", &["sh", "no-such-program"])]), ["half"]);
    }

    #[test]
    fn a_python_module_that_cannot_be_imported_is_missing() {
        let absent = Package { name: "absent", gives: Gives::PythonModule("no_such_module") };
        assert_eq!(missing(&[absent]), ["absent"]);
    }

    #[test]
    fn the_installing_script_is_valid_shell() {
        let mut shell = command("sh");
        run(shell.args(["-n", "-c", INSTALL])).unwrap();
    }
}
