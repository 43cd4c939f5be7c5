//! The two programs that speak with the cluster.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::workspace::{command, describe, find_program};

/// `kubectl` and `helm`.
pub(super) struct Tools {
    pub(super) kubectl: PathBuf,
    pub(super) helm: PathBuf,
    /// How long to wait between two looks.
    pub(super) pause: Duration,
}

impl Tools {
    /// Both, where there is a cluster to speak with.
    pub(super) fn find() -> Result<Self> {
        if std::env::var_os("KUBECONFIG").is_none_or(|path| path.is_empty()) {
            bail!(
                "KUBECONFIG is not set; name the kubeconfig of a cluster to try the chart in, which \
                 is then changed"
            );
        }
        let find = |name| {
            find_program(name).with_context(|| {
                format!("there is no {name} in PATH, and the cluster is asked by it")
            })
        };
        Ok(Self { kubectl: find("kubectl")?, helm: find("helm")?, pause: super::PAUSE })
    }

    /// What `kubectl` says, or its complaint.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        said(command(&self.kubectl).args(arguments), "")
    }

    /// What it says of these objects, with its warnings.
    pub(super) fn apply(&self, manifest: &str, flags: &[&str]) -> Result<String> {
        said(command(&self.kubectl).args(["apply", "-f", "-"]).args(flags), manifest)
    }

    pub(super) fn helm(&self, arguments: &[&str]) -> Result<String> {
        said(command(&self.helm).args(arguments), "")
    }

    /// Shows what `kubectl` says, for whoever looks for the cause of a failure.
    pub(super) fn show(&self, arguments: &[&str]) {
        match self.kubectl(arguments) {
            Ok(said) => println!("{said}"),
            Err(error) => println!("{error:#}"),
        }
    }
}

fn said(command: &mut Command, input: &str) -> Result<String> {
    let output =
        ran(command, input).with_context(|| format!("could not run {}", describe(command)))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, complaint) = (text(&output.stdout), text(&output.stderr));
    if !output.status.success() {
        bail!("{} ended with {}: {}", describe(command), output.status, complaint.trim());
    }
    Ok(out + &complaint)
}

fn ran(command: &mut Command, input: &str) -> std::io::Result<Output> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read it says itself what is wrong.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}
