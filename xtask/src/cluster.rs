//! `cargo xtask cluster`: a whole Kubernetes on this machine, and the chart tried in it.
//!
//! Where no registry and no cluster can be reached, Debian's archive still has a Kubernetes to compile, and all
//! that belongs to one: etcd, containerd, the network plugins. It is 1.20, from before native sidecars, and older
//! than what the chart asks for; so the sidecar is an ordinary container here, and a copy of the chart asks for less.
//! The API server, its admission, its RBAC and the kubelet are what they are everywhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Context, Result};

use crate::workspace::{self, command, root, run};
use crate::{image, packages, test};

/// Builds what is not built yet, starts the cluster in namespaces of its own, and runs `cargo xtask e2e` in it.
pub(crate) fn check() -> Result<()> {
    workspace::as_root("a cluster's node mounts, and makes networks")?;
    packages::ensure(packages::FOR_CLUSTER)?;
    let target = workspace::target_dir()?;
    let folder = target.join("cluster");
    fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
    println!("==> Kubernetes, compiled once");
    run(command("sh").args(["-euc", BUILD, "build"]).arg(&folder))?;
    let python = test::python::ensure(&target.join("venv"))?;
    link(&python.with_file_name("helm"), &folder.join("bin/helm"))?;
    let image = image::build()?;
    let chart = older_chart(&folder)?;

    println!("==> the cluster");
    let mut apart = command("unshare");
    apart.args(["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    apart.args(["sh", "-euc", START, "start"]).arg(&folder).arg(&image);
    apart.arg(std::env::current_exe().context("could not tell where this program is")?);
    apart.args(["e2e", "--image", image::NAME, "--chart"]).arg(chart);
    for value in
        ["sidecar.settings.native-sidecar=false", "injector.podDisruptionBudget.enabled=false"]
    {
        apart.args(["--set", value]);
    }
    let outcome = run(&mut apart);
    // The kubelet's are left where its processes were; they are empty now.
    let leftover = ["/sys/fs/cgroup", "-depth", "-type", "d", "-path", "*/podmeter-cluster*"];
    drop(command("find").args(leftover).args(["-exec", "rmdir", "{}", "+"]).output());
    outcome.context("the chart did not do in the cluster what it should, or there was no cluster")
}

fn link(program: &Path, name: &Path) -> Result<()> {
    // The one of last time, if any.
    drop(fs::remove_file(name));
    symlink(program, name).with_context(|| format!("could not link {}", name.display()))
}

/// A copy of the chart that does not ask how old the cluster is.
fn older_chart(folder: &Path) -> Result<std::path::PathBuf> {
    let copy = folder.join("podmeter");
    drop(fs::remove_dir_all(&copy));
    run(command("cp").arg("-r").arg(root().join("charts/podmeter")).arg(&copy))?;
    let about = copy.join("Chart.yaml");
    let text = fs::read_to_string(&about)
        .with_context(|| format!("could not read {}", about.display()))?;
    let asking: String =
        text.split_inclusive('\n').filter(|line| !line.starts_with("kubeVersion:")).collect();
    fs::write(&about, asking).with_context(|| format!("could not write {}", about.display()))?;
    Ok(copy)
}

/// Folder.
const BUILD: &str = include_str!("cluster/build.sh");
/// Folder, image, command.
const START: &str = include_str!("cluster/start.sh");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scripts_are_valid_shell() {
        for script in [BUILD, START] {
            run(command("sh").args(["-nc", script])).unwrap();
        }
    }

    #[test]
    fn a_chart_for_an_older_cluster_is_the_same_but_for_the_version_it_asks_for() {
        let folder = workspace::target_dir().unwrap().join("xtask-cluster");
        fs::create_dir_all(&folder).unwrap();
        let copy = older_chart(&folder).unwrap();
        let chart = fs::read_to_string(root().join("charts/podmeter/Chart.yaml")).unwrap();
        let copied = fs::read_to_string(copy.join("Chart.yaml")).unwrap();
        assert!(chart.contains("\nkubeVersion:"));
        assert!(!copied.contains("kubeVersion:"));
        assert_eq!(copied.lines().count() + 1, chart.lines().count());
        assert!(copy.join("templates/NOTES.txt").exists());
    }
}
