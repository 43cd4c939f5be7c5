//! Brings a pod's traffic to the proxy: what `podmeter redirect` does to a network namespace.
//!
//! A [`Plan`] says what to intercept. `rules` turns it into chains of rules, which are data and
//! know no tool. A backend writes them: `nft` tells the kernel by netlink, in one transaction and
//! in a table of its own; `iptables` has `iptables-restore` do it, for kernels without nftables.
//! TPROXY mode needs a route besides (`route`).
//!
//! Only connections that are opened from now on are intercepted; whatever is open stays as it is.

mod iptables;
mod ipv6;
mod netlink;
mod nft;
mod plan;
mod route;
mod rules;
mod shown;

pub use plan::{Cidr, Inbound, Interface, Mode, Outbound, Plan, Ports};
pub use shown::{Shown, ShownChain, ShownRule};

pub(crate) use rules::MARK;

use netlink::NetlinkError;
use rules::Chain;
use std::fmt::Write;
use std::io;

/// Which part of the kernel holds the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// nftables, told by netlink.
    Nftables,
    /// iptables and ip6tables, told by their own programs.
    Iptables,
}

impl Backend {
    /// As `--backend` takes it, and as `show` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nftables => "nftables",
            Self::Iptables => "iptables",
        }
    }
}

/// Why rules could not be made, removed or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectError {
    /// The capability is missing.
    #[error(
        "not permitted: this needs the capability NET_ADMIN in the pod's network namespace; in \
         Kubernetes, run it in an init container as uid 0 with capabilities.add: [NET_ADMIN]"
    )]
    NotPermitted,
    /// The kernel lacks something, and so says which message it failed on.
    #[error("this kernel cannot do it with nftables ({what}: {source}); {instead}")]
    Unsupported {
        /// What was asked of it.
        what: String,
        /// What it said.
        source: io::Error,
        /// What to try.
        instead: &'static str,
    },
    /// The kernel refused for another reason.
    #[error("the kernel refused {what}: {source}")]
    Kernel {
        /// What was asked of it.
        what: String,
        /// What it said.
        source: io::Error,
    },
    /// A program of iptables is not installed.
    #[error("{program} is not installed; install iptables, or use --backend nftables")]
    NoProgram {
        /// Its name.
        program: &'static str,
    },
    /// A program of iptables failed.
    #[error("{program} failed: {said}")]
    Program {
        /// Its name.
        program: &'static str,
        /// Its last words, on one line.
        said: String,
    },
}

/// Puts the rules of `plan` in place, in place of any that an earlier call made. `None` chooses
/// nftables where the kernel has it. Says which was used.
pub fn apply(plan: &Plan, backend: Option<Backend>) -> Result<Backend, RedirectError> {
    let chains = rules::chains(plan);
    let transparent = plan.inbound.as_ref().is_some_and(|inbound| inbound.mode == Mode::Tproxy);
    let outcome = if transparent { route::add() } else { Ok(()) };
    // After the route: marked packets without one would leave the pod.
    let outcome = outcome.and_then(|()| write(&chains, backend));
    if outcome.is_err() && transparent && show().is_ok_and(|shown| shown.is_none()) {
        // Nothing was put in place, so nothing may stay.
        let _ = route::remove();
    }
    let used = outcome?;
    // The other backend may hold rules of an earlier call, and one set of rules is enough.
    match used {
        Backend::Nftables => iptables::remove_if_here()?,
        Backend::Iptables => nft::remove_if_supported()?,
    }
    if !transparent {
        route::remove()?;
    }
    Ok(used)
}

fn write(chains: &[Chain], backend: Option<Backend>) -> Result<Backend, RedirectError> {
    let by = |backend| match backend {
        Backend::Nftables => nft::apply(chains),
        Backend::Iptables => iptables::apply(chains),
    };
    choose(backend, by, iptables::is_here)
}

/// Has one backend write the rules, and says which: nftables where nothing else is asked for, and
/// iptables in its place where the kernel has none and the programs are there.
fn choose(
    backend: Option<Backend>,
    by: impl Fn(Backend) -> Result<(), RedirectError>,
    has_iptables: impl FnOnce() -> bool,
) -> Result<Backend, RedirectError> {
    let first = backend.unwrap_or(Backend::Nftables);
    match by(first) {
        Err(RedirectError::Unsupported { .. }) if backend.is_none() && has_iptables() => {
            by(Backend::Iptables).map(|()| Backend::Iptables)
        }
        outcome => outcome.map(|()| first),
    }
}

/// Whether this is the network namespace of the machine itself, as far as can be seen: that of the
/// first process, on a system that shows its kernel's threads, as no pod does.
pub fn is_host() -> bool {
    let namespace = |process: &str| std::fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let kernel = std::fs::read_to_string("/proc/2/comm").is_ok_and(|name| name == "kthreadd\n");
    kernel && namespace("1").is_some_and(|first| namespace("self") == Some(first))
}

/// Takes away whatever [`apply`] has put in place, by any backend. Nothing there is no error.
pub fn remove() -> Result<(), RedirectError> {
    nft::remove_if_supported()?;
    iptables::remove_if_here()?;
    route::remove()
}

/// The rules that are in place, as the kernel has them now.
pub fn show() -> Result<Option<Shown>, RedirectError> {
    match nft::show()? {
        None => iptables::show(),
        shown => Ok(shown),
    }
}

/// What [`apply`] would do, in the notation of the backend's own tool.
pub fn describe(plan: &Plan, backend: Backend) -> String {
    let chains = rules::chains(plan);
    let mut text = match backend {
        Backend::Nftables => nft::script(&chains),
        Backend::Iptables => iptables::script(&chains),
    };
    if plan.inbound.as_ref().is_some_and(|inbound| inbound.mode == Mode::Tproxy) {
        for line in route::script() {
            // A string takes whatever is written to it.
            let _ = writeln!(text, "# {line}");
        }
    }
    text
}

impl RedirectError {
    /// What the kernel's answer to `what` means.
    fn of_kernel(what: String, error: NetlinkError) -> Self {
        use rustix::io::Errno;
        let errno = error.errno;
        let source = io::Error::from(errno);
        match errno {
            Errno::PERM | Errno::ACCESS => Self::NotPermitted,
            // A module that is not there is looked for and not found.
            Errno::NOENT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT => {
                Self::Unsupported {
                    what,
                    source,
                    instead: "with iptables installed, --backend iptables may do",
                }
            }
            _ => Self::Kernel { what, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;
    use std::cell::RefCell;

    /// What comes of a choice where nftables is refused with this, and who was asked.
    fn chosen(
        backend: Option<Backend>,
        refusal: Option<Errno>,
        has_iptables: bool,
    ) -> (Result<Backend, RedirectError>, Vec<Backend>) {
        let asked = RefCell::new(Vec::new());
        let by = |backend| {
            asked.borrow_mut().push(backend);
            let refused = refusal.filter(|_| backend == Backend::Nftables);
            refused.map_or(Ok(()), |errno| {
                let error = NetlinkError { errno, message: Some(1) };
                Err(RedirectError::of_kernel("the table".to_owned(), error))
            })
        };
        let chosen = choose(backend, by, || has_iptables);
        (chosen, asked.into_inner())
    }

    #[test]
    fn a_kernel_without_nftables_is_told_by_iptables() {
        use Backend::{Iptables, Nftables};
        // No netfilter by netlink at all, no nftables, no chains for both families of addresses
        // (as without IPv6), and no expression that a rule takes.
        for refusal in [Errno::PROTONOSUPPORT, Errno::OPNOTSUPP, Errno::AFNOSUPPORT, Errno::NOENT] {
            let (used, asked) = chosen(None, Some(refusal), true);
            assert_eq!((used.unwrap(), asked), (Iptables, vec![Nftables, Iptables]), "{refusal}");
            for (backend, here) in [(None, false), (Some(Nftables), true)] {
                let (used, asked) = chosen(backend, Some(refusal), here);
                let said = used.unwrap_err().to_string();
                assert!(said.starts_with("this kernel cannot do it with nftables (the table: "));
                assert_eq!(asked, [Nftables]);
            }
            let (used, asked) = chosen(Some(Iptables), Some(refusal), true);
            assert_eq!((used.unwrap(), asked), (Iptables, vec![Iptables]));
        }
        let (used, asked) = chosen(None, None, true);
        assert_eq!((used.unwrap(), asked), (Nftables, vec![Nftables]));
    }

    #[test]
    fn what_is_not_permitted_or_not_understood_is_not_tried_again_otherwise() {
        for refusal in [Errno::PERM, Errno::ACCESS, Errno::INVAL, Errno::BUSY, Errno::NOBUFS] {
            let (used, asked) = chosen(None, Some(refusal), true);
            let denied = matches!(refusal, Errno::PERM | Errno::ACCESS);
            assert_eq!(matches!(used, Err(RedirectError::NotPermitted)), denied);
            assert_eq!((used.is_err(), asked), (true, vec![Backend::Nftables]), "{refusal}");
        }
    }
}
