//! The suite itself, as an ordinary user's.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::skip::skip;
use crate::{own_namespaces, pod};

/// A test with an app, a sidecar and an init container, each another user.
const PART: &str = "probes::the_kubelets_probes_are_counted_apart_unless_asked_otherwise";

#[test]
#[expect(clippy::disallowed_methods, reason = "a test's surroundings are told by variables")]
fn pods_take_no_root_where_user_namespaces_are_allowed() {
    if let Some(why) = pod::impossible() {
        return skip("unprivileged", why);
    }
    if std::env::var_os(own_namespaces::MARK).is_some() {
        // The user is an ordinary one already, so that all other tests are this one.
        return;
    }
    let subordinate = ["/etc/subuid", "/etc/subgid"];
    if !subordinate.iter().all(|file| Path::new(file).exists()) {
        return skip("unprivileged", "there is no /etc/subuid or no /etc/subgid");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
    std::fs::write(folder.path().join("subordinate"), "65534:100000:65536\n").unwrap();
    let suite = pod::reachable(&std::env::current_exe().unwrap(), folder.path());
    let podmeter = pod::reachable(&pod::podmeter(), folder.path());
    let output = Command::new("unshare")
        .args(["--mount", "sh", "-euc", AS_NOBODY, "sh"])
        .arg(suite)
        .args(["--exact", PART])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", pod::PATH)
        .env("TMPDIR", folder.path())
        .env("CARGO_BIN_EXE_podmeter", podmeter)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if let Some((_, why)) = said.split_once("SKIPPED: probes: ") {
        return skip("unprivileged", why.trim());
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}: {stdout}{said}", output.status);
    assert!(stdout.contains(&format!("test {PART} ... ok")), "{stdout}{said}");
    // Nobody is not root, and so it had to start over.
    assert_eq!(stdout.matches("running 1 test").count(), 2, "{stdout}");
}

/// Gives nobody subordinate users where no one else sees it, and becomes nobody.
const AS_NOBODY: &str = r#"
mount --bind subordinate /etc/subuid
mount --bind subordinate /etc/subgid
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"#;
