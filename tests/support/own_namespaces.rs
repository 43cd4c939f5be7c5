//! The right to make network namespaces: root has it, and so has an ordinary user within a user
//! namespace, where the kernel allows those.
//!
//! A process of several threads cannot enter one, so the suite is executed anew by `unshare`. There
//! the user is root, and the subordinate users of `/etc/subuid` are all others: the app's, the
//! sidecar's.

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::OnceLock;

/// Set where the suite has been executed anew.
pub(crate) const MARK: &str = "PODMETER_TEST_OWN_NAMESPACES";

/// Why there can be no network namespaces here, even with a user namespace around them. For an
/// ordinary user who can have one, the suite starts over in it, and this does not return.
pub(crate) fn impossible() -> Option<&'static str> {
    static WHY: OnceLock<Option<String>> = OnceLock::new();
    WHY.get_or_init(find_out).as_deref()
}

fn find_out() -> Option<String> {
    if rustix::process::geteuid().is_root() {
        // In a container root need not have this right either.
        return refusal(&["--mount", "--net"]).map(|said| {
            format!("pods take network namespaces, and this root may not make them ({said})")
        });
    }
    // Tried first by another process, as there is no way back.
    if let Some(said) = refusal(&OWN) {
        return Some(format!(
            "pods take network namespaces, and those take root or a user namespace with the users \
             of /etc/subuid ({said})"
        ));
    }
    let suite = std::env::current_exe().unwrap();
    let mut again = unshare(&OWN);
    again.arg(suite).args(std::env::args_os().skip(1)).env(MARK, "1");
    Some(format!("the suite could not start over in a user namespace ({})", again.exec()))
}

/// What is said where such namespaces cannot be had.
fn refusal(flags: &[&str]) -> Option<String> {
    match unshare(flags).arg("true").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Some(said.split_whitespace().collect::<Vec<_>>().join(" "))
        }
        Err(error) => Some(format!("unshare: {error}")),
    }
}

/// Runs what is added to it in new namespaces.
fn unshare(flags: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(flags).args([
        "sh",
        "-euc",
        if flags == OWN { SETUP } else { r#"exec "$@""# },
        "sh",
    ]);
    command
}

const OWN: [&str; 5] = ["--user", "--map-root-user", "--map-auto", "--mount", "--net"];

/// `ip netns` keeps its names in `/run`, which is another's.
const SETUP: &str = r#"
PATH=$PATH:/usr/sbin:/sbin
mount -t tmpfs tmpfs /run
mkdir /run/netns
ip link set lo up
exec "$@"
"#;
