//! Chains in the notation of `iptables-restore`.

use super::Family;
use super::saved::Saved;
use crate::redirect::rules::{Action, Chain, Hook, MARK, Match, Rule};
use std::fmt::Write;

/// What replaces our chains, as `saved`, by these.
pub(super) fn replace(chains: &[Chain], family: Family, saved: &Saved) -> String {
    let mut text = String::new();
    for table in ["mangle", "nat"] {
        let new: Vec<_> = chains
            .iter()
            .map(|chain| (Place::of(chain.hook), chain))
            .filter(|(place, _)| place.table == table)
            .collect();
        let is_new = |name: &str| new.iter().any(|(place, _)| place.name == name);
        let old = saved.chains(table).collect::<Vec<_>>();
        if new.is_empty() && old.is_empty() {
            continue;
        }
        // A string takes whatever is written to it.
        let _ = writeln!(text, "*{table}");
        for (place, _) in &new {
            // Made, or emptied if it is there.
            let _ = writeln!(text, ":{} - [0:0]", place.name);
        }
        for jump in saved.jumps(table) {
            let _ = writeln!(text, "-D {jump}");
        }
        for name in old.into_iter().filter(|name| !is_new(name)) {
            let _ = writeln!(text, "-F {name}\n-X {name}");
        }
        for (place, chain) in &new {
            for one in chain.rules.iter().filter_map(|one| rule(one, family)) {
                let _ = writeln!(text, "-A {} {one}", place.name);
            }
            let _ = writeln!(text, "-A {} -p tcp -j {}", place.from, place.name);
        }
        text += "COMMIT\n";
    }
    text
}

/// Where a chain is hooked in.
struct Place {
    table: &'static str,
    name: &'static str,
    from: &'static str,
}

impl Place {
    fn of(hook: Hook) -> Self {
        let (table, name, from) = match hook {
            Hook::Inbound => ("nat", "PODMETER_INBOUND", "PREROUTING"),
            Hook::Outbound => ("nat", "PODMETER_OUTBOUND", "OUTPUT"),
            Hook::Divert => ("mangle", "PODMETER_DIVERT", "PREROUTING"),
            Hook::Replies => ("mangle", "PODMETER_REPLIES", "OUTPUT"),
        };
        Self { table, name, from }
    }
}

/// One rule; `None` if it is about the other family's addresses. All of them see TCP alone.
fn rule(rule: &Rule, family: Family) -> Option<String> {
    let mut text = String::from("-p tcp");
    for when in &rule.when {
        let _ = match when {
            Match::Tcp => Ok(()),
            Match::Port(range) if range.start() == range.end() => {
                write!(text, " -m tcp --dport {}", range.start())
            }
            Match::Port(range) => {
                write!(text, " -m tcp --dport {}:{}", range.start(), range.end())
            }
            Match::FromInterface(interface) => write!(text, " -i {}", interface.as_str()),
            Match::ToInterface(interface) => write!(text, " -o {}", interface.as_str()),
            Match::ToHere => write!(text, " -m addrtype --dst-type LOCAL"),
            Match::Awaited => write!(text, " -m socket --nowildcard"),
            Match::ToNetwork(cidr) if cidr.address().is_ipv4() == (family == Family::V4) => {
                write!(text, " -d {cidr}")
            }
            Match::ToNetwork(_) => return None,
            Match::Uid(uid) => write!(text, " -m owner --uid-owner {uid}"),
            Match::Gid(gid) => write!(text, " -m owner --gid-owner {gid}"),
            Match::Marked => write!(text, " -m mark --mark {MARK:#x}"),
            Match::ConnectionMarked => write!(text, " -m connmark --mark {MARK:#x}"),
        };
    }
    let _ = match rule.then {
        Action::Return => write!(text, " -j RETURN"),
        Action::Redirect(port) => write!(text, " -j REDIRECT --to-ports {port}"),
        Action::Tproxy(port) => write!(text, " -j TPROXY --on-port {port} --tproxy-mark 0x0/0x0"),
        Action::MarkConnection => write!(text, " -j CONNMARK --save-mark"),
        Action::MarkPacket => write!(text, " -j CONNMARK --restore-mark"),
    };
    Some(text)
}
