//! Keeps a folder with the npm packages that the suites need: peers, and Grafana's types with their compiler.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{command, run};

/// What is installed, pinned; the folder is made anew when this text changes.
const PACKAGES: &str = "ws@8.23.0\n@grafana/schema@13.2.3\n\
                        grafana-schema-10@npm:@grafana/schema@10.4.19\n\
                        typescript@5.9.3\n";

/// Installs the packages in `folder` unless they are there already; gives where Node finds them.
pub(crate) fn ensure(folder: &Path) -> Result<PathBuf> {
    let modules = folder.join("node_modules");
    let installed = folder.join("installed-packages.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == PACKAGES) {
        return Ok(modules);
    }
    if folder.exists() {
        fs::remove_dir_all(folder)
            .with_context(|| format!("could not remove {}", folder.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    // Without the programs that packages may want to run where they are installed.
    run(command("npm")
        .args(["install", "--ignore-scripts", "--no-save", "--no-audit", "--no-fund"])
        .args(["--no-update-notifier", "--loglevel=error", "--prefix"])
        .arg(folder)
        .args(PACKAGES.split_whitespace()))
    .context("could not install packages from npm")?;
    // Last, so that a folder half filled is filled again.
    fs::write(&installed, PACKAGES)
        .with_context(|| format!("could not write {}", installed.display()))?;
    Ok(modules)
}
