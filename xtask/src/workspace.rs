//! Where things are, and how other programs are called from here.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context, Result, bail};

/// The directory of the workspace's `Cargo.toml`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// The directory that cargo builds into, which is wherever it has built this program:
/// that respects `CARGO_TARGET_DIR` and its kin without reading any of them.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let program = std::env::current_exe().context("could not tell where this program is")?;
    match program.parent().and_then(Path::parent) {
        Some(target) => Ok(target.to_owned()),
        None => bail!("{} is not in a target directory", program.display()),
    }
}

/// Fails for whoever is not root, with the reason why that is needed.
pub(crate) fn as_root(why: &str) -> Result<()> {
    let id = command("id").arg("-u").output().context("could not start id")?;
    if id.stdout.trim_ascii() != b"0" {
        bail!("{why}; run this with sudo");
    }
    Ok(())
}

/// Whether this is continuous integration, where nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// A command that starts in the workspace and finds what Debian keeps in `/usr/sbin`, where
/// nginx and HAProxy are and where an ordinary user's `PATH` does not lead.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root()).env("PATH", &*SEARCH_PATH);
    command
}

/// The cargo that runs this task.
pub(crate) fn cargo() -> Command {
    command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The full path of a program, if it is installed.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&*SEARCH_PATH).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Runs a command to its end; a failure names the command and how it ended.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status =
        command.status().with_context(|| format!("could not start {}", describe(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", describe(command));
    }
    Ok(())
}

/// A command as a person would type it.
pub(crate) fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

static SEARCH_PATH: LazyLock<OsString> = LazyLock::new(|| {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    std::env::join_paths(folders).unwrap_or(path)
});
