//! Kernels without nftables: `auto` goes on to iptables, and nobody says that nothing is there.
//!
//! A filter of system calls refuses the socket that nftables is told by, as a kernel that was
//! built without it does; everything else is this kernel's.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::pod::{self, POD, TestPod};
use crate::process::program;
use crate::skip::skip;

/// A pod on such a kernel, with the programs that work there; the second is where they are.
fn old_pod(test: &str) -> Option<(TestPod, PathBuf)> {
    let Some(legacy) = program("xtables-legacy-multi") else {
        skip(test, "there is no xtables-legacy-multi");
        return None;
    };
    if program("python3").is_none() {
        skip(test, "there is no python3");
        return None;
    }
    let pod = crate::pod(test)?;
    let programs = pod.folder.path().join("programs");
    std::fs::create_dir(&programs).unwrap();
    for name in ["iptables", "ip6tables"] {
        for action in ["save", "restore"] {
            let link = programs.join(format!("{name}-{action}"));
            std::os::unix::fs::symlink(&legacy, link).unwrap();
        }
    }
    std::fs::write(pod.folder.path().join("old.py"), OLD_KERNEL).unwrap();
    Some((pod, programs))
}

/// `podmeter redirect` there, with capabilities as `setpriv` writes them.
fn redirect(pod: &TestPod, programs: &Path, capabilities: &str, flags: &str) -> Output {
    let bounding = format!("--bounding-set=-all{capabilities}");
    let path = format!("PATH={}:{}", programs.display(), pod::PATH);
    let podmeter = pod.podmeter.display();
    pod.try_root(&format!(
        "setpriv --no-new-privs {bounding} env {path} python3 old.py {podmeter} redirect {flags}"
    ))
}

#[track_caller]
fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", output.status);
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn without_nftables_iptables_is_used_and_named() {
    let Some((pod, programs)) = old_pod("old kernel") else { return };
    let redirect = |flags: &str| redirect(&pod, &programs, BOTH, flags);
    for mode in ["redirect", "tproxy"] {
        let applied = said(&redirect(&format!("apply --mode {mode}")));
        assert!(applied.ends_with(", with iptables\n"), "{applied}");
        let shown = said(&redirect("show"));
        assert!(shown.starts_with("iptables\n") && shown.contains("15006"), "{shown}");
        assert!(pod.root("iptables-legacy-save").contains("15006"));
        assert!(!pod.root("nft list ruleset").contains("inet podmeter"));
        if mode == "redirect" {
            let refused = pod.in_node(|| std::net::TcpStream::connect((POD, 8080)));
            assert_eq!(refused.unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
            assert!(said(&redirect("show")).contains(" 1  -p tcp"), "a rule was used");
        }
        said(&redirect("remove"));
        assert!(!pod.root("iptables-legacy-save").contains("15006"));
        assert_eq!(said(&redirect("show")), "nothing is intercepted\n");
    }
    let told = redirect("apply --backend nftables");
    let error = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(1));
    assert!(error.contains("this kernel cannot do it with nftables"), "{error}");
    assert!(error.contains("--backend iptables may do"), "{error}");
}

#[test]
fn the_capability_that_iptables_takes_besides_is_named() {
    let Some((pod, programs)) = old_pod("old kernel without raw sockets") else { return };
    let output = redirect(&pod, &programs, ",+net_admin", "apply");
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("NET_RAW") && error.lines().count() == 1, "{error}");
}

#[test]
fn without_nftables_and_without_rights_nobody_says_that_nothing_is_there() {
    let Some((pod, programs)) = old_pod("old kernel without rights") else { return };
    said(&redirect(&pod, &programs, BOTH, "apply"));
    for flags in ["show", "show --json", "apply", "remove"] {
        let output = redirect(&pod, &programs, "", flags);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{flags}: {error}");
        assert!(error.starts_with("podmeter: not permitted: "), "{flags}: {error}");
        assert!(output.stdout.is_empty());
    }
    assert!(pod.root("iptables-legacy-save").contains("15006"), "and all is there still");
}

/// What iptables takes there: it asks the kernel by a raw socket.
const BOTH: &str = ",+net_admin,+net_raw";

/// Refuses `socket(AF_NETLINK, ..., NETLINK_NETFILTER)` with `EPROTONOSUPPORT` from here on
/// (seccomp(2)), and becomes the program that is named.
const OLD_KERNEL: &str = r#"
import ctypes, os, platform, struct, sys

MACHINES = {"x86_64": (0xC000003E, 41), "aarch64": (0xC00000B7, 198)}
arch, socket = MACHINES[platform.machine()]
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
# Where the filter finds what it looks at, and what that has to be.
wanted = [(4, arch), (0, socket), (16, 16), (32, 12)]
code = b""
for number, (place, value) in enumerate(wanted):
    otherwise = 2 * (len(wanted) - number) - 1
    code += struct.pack("HBBI", LOAD, 0, 0, place)
    code += struct.pack("HBBI", EQUAL, 0, otherwise, value)
code += struct.pack("HBBI", RETURN, 0, 0, 0x00050000 | 93)
code += struct.pack("HBBI", RETURN, 0, 0, 0x7FFF0000)
text = ctypes.create_string_buffer(code)
program = struct.pack("HP", len(code) // 8, ctypes.addressof(text))
libc = ctypes.CDLL(None, use_errno=True)
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, program, 0, 0):
    sys.exit(f"no filter: {os.strerror(ctypes.get_errno())}")
os.execvp(sys.argv[1], sys.argv[1:])
"#;
