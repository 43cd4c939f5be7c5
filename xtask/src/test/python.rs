//! Keeps a Python environment with what the suites compare with: reference parsers, Helm, Kubernetes' schemas.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::workspace::{command, run};

/// What is installed, pinned; the environment is made anew when this text changes.
const REQUIREMENTS: &str = "prometheus_client==0.26.0\nprotobuf==7.36.2\ngunicorn==27.0.1\n\
                            grpcio==1.85.3\nwebsockets==17.4\nsonora==0.2.3\n\
                            helm-python-sdk==0.2.2\nhelm-binary==3.17.3.post1\n\
                            kubernetes-validate==1.37.0\n\
                            jsonschema==4.26.0\nPyYAML==6.0.4\n";

/// Makes the environment in `folder` unless it is there already; gives its interpreter.
pub(crate) fn ensure(folder: &Path) -> Result<PathBuf> {
    let interpreter = folder.join("bin/python");
    let installed = folder.join("installed-requirements.txt");
    let is_current = fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS)
        && answers(&interpreter);
    if is_current {
        return Ok(interpreter);
    }
    run(command("python3").args(["-m", "venv", "--clear"]).arg(folder))
        .context("could not make a Python environment")?;
    run(command(&interpreter)
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
        .args(REQUIREMENTS.split_whitespace()))
    .context("could not install the reference parsers from PyPI")?;
    // Last, so that an environment half made is made again.
    fs::write(&installed, REQUIREMENTS)
        .with_context(|| format!("could not write {}", installed.display()))?;
    Ok(interpreter)
}

/// Whether an interpreter still starts: the Python that it belongs to may have gone.
fn answers(interpreter: &Path) -> bool {
    command(interpreter)
        .args(["-c", "import prometheus_client, gunicorn, helm_python"])
        .output()
        .is_ok_and(|output| output.status.success())
}
