//! Rules by iptables, for kernels without nftables: text for `iptables-restore` and its sibling.
//!
//! Chains of our own hold the rules; a jump leads to each from a chain of the kernel's. What is
//! there of an earlier call is read first (`iptables-save`) and replaced in the same breath, table
//! by table, so that nothing is there twice and nothing of others is touched.

mod saved;
mod text;

use super::rules::Chain;
use super::shown::{Shown, ShownRule};
use super::{Backend, RedirectError, ipv6};
use saved::Saved;
use std::fmt::Write as _;
use std::io::Write;
use std::process::{Command, Stdio};

/// The programs for one family of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Family {
    const BOTH: [Self; 2] = [Self::V4, Self::V6];

    fn restore(self) -> &'static str {
        match self {
            Self::V4 => "iptables-restore",
            Self::V6 => "ip6tables-restore",
        }
    }

    fn save(self) -> &'static str {
        match self {
            Self::V4 => "iptables-save",
            Self::V6 => "ip6tables-save",
        }
    }

    /// Whether this host knows such addresses at all.
    fn is_here(self) -> bool {
        self == Self::V4 || ipv6::is_known()
    }

    /// Whether others can reach it by such an address.
    fn is_used(self) -> bool {
        self == Self::V4 || ipv6::is_used()
    }
}

/// Whether the programs are installed.
pub(super) fn is_here() -> bool {
    // It answers without any right.
    let mut program = Command::new(Family::V4.restore());
    program.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    program.status().is_ok_and(|status| status.success())
}

/// Replaces our chains by these.
pub(super) fn apply(chains: &[Chain]) -> Result<(), RedirectError> {
    // Where there is no address there may be no module for it either (`ip6table_nat`), and then the
    // other family must not suffer.
    for family in Family::BOTH.into_iter().filter(|family| family.is_used()) {
        let replaced =
            save(family).and_then(|saved| restore(family, &text::replace(chains, family, &saved)));
        if let Err(error) = replaced {
            // Half of the rules are worse than none.
            let _ = remove_if_here();
            return Err(error);
        }
    }
    Ok(())
}

/// Removes our chains where the programs are installed and find any.
pub(super) fn remove_if_here() -> Result<(), RedirectError> {
    for family in Family::BOTH.into_iter().filter(|family| family.is_here()) {
        let saved = saved_if_any(family)?;
        if !saved.is_empty() {
            restore(family, &text::replace(&[], family, &saved))?;
        }
    }
    Ok(())
}

/// The rules in our chains, if there are any.
pub(super) fn show() -> Result<Option<Shown>, RedirectError> {
    let mut shown = Shown::new(Backend::Iptables);
    for family in Family::BOTH.into_iter().filter(|family| family.is_here()) {
        let saved = saved_if_any(family)?;
        let prefix = if family == Family::V4 { "" } else { "ip6 " };
        for rule in saved.rules() {
            let chain = format!("{prefix}{} {}", rule.table, rule.chain);
            shown.push(&chain, ShownRule { rule: rule.text.clone(), packets: rule.packets });
        }
    }
    Ok((!shown.chains.is_empty()).then_some(shown))
}

/// What the programs would be given where nothing is there yet.
pub(super) fn script(chains: &[Chain]) -> String {
    let mut script = String::new();
    for family in Family::BOTH {
        let text = text::replace(chains, family, &Saved::default());
        // A string takes whatever is written to it.
        let _ = write!(script, "# {} --noflush\n{text}", family.restore());
    }
    script
}

/// What is there, unless nobody may know.
fn saved_if_any(family: Family) -> Result<Saved, RedirectError> {
    match save(family) {
        Err(RedirectError::NotPermitted) => Err(RedirectError::NotPermitted),
        // Where they cannot be read there are none: their module is not loaded.
        saved => Ok(saved.unwrap_or_default()),
    }
}

fn save(family: Family) -> Result<Saved, RedirectError> {
    let program = family.save();
    let output = Command::new(program)
        .arg("--counters")
        .stdin(Stdio::null())
        .output()
        .map_err(|_| RedirectError::NoProgram { program })?;
    if !output.status.success() {
        return Err(failed(program, &output.stderr));
    }
    Ok(Saved::read(&String::from_utf8_lossy(&output.stdout)))
}

fn restore(family: Family, text: &str) -> Result<(), RedirectError> {
    let program = family.restore();
    let mut child = Command::new(program)
        // Another program may hold the lock for a moment.
        .args(["--noflush", "--wait", "10"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|_| RedirectError::NoProgram { program })?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that ends before it has read everything says why.
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|error| RedirectError::Program { program, said: error.to_string() })?;
    if output.status.success() { Ok(()) } else { Err(failed(program, &output.stderr)) }
}

fn failed(program: &'static str, stderr: &[u8]) -> RedirectError {
    let said = String::from_utf8_lossy(stderr);
    let refusals = ["you must be root", "Operation not permitted", "Permission denied"];
    if refusals.iter().any(|refusal| said.contains(refusal)) {
        return RedirectError::NotPermitted;
    }
    let mut said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    if said.is_empty() {
        "it does not say why".clone_into(&mut said);
    } else if said.contains("unable to initialize table") {
        // It does not tell a table that is not there from one that it may not open.
        said.push_str(RAW);
    }
    RedirectError::Program { program, said }
}

const RAW: &str = " (kernels without nftables want the capability NET_RAW besides NET_ADMIN)";
