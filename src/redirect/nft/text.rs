//! A rule in the notation of the `nft` program.

use super::{Place, TABLE};
use crate::redirect::rules::{Action, Chain, MARK, Match, Rule};
use std::fmt::Write;
use std::net::IpAddr;

/// What `nft -f` would be given to do what [`apply`](super::apply) does.
pub(crate) fn script(chains: &[Chain]) -> String {
    // The first two lines make room, as in the transaction.
    let mut text =
        format!("table inet {TABLE}\ndelete table inet {TABLE}\ntable inet {TABLE} {{\n");
    for chain in chains {
        let Place { name, kind, hook_name, priority, .. } = Place::of(chain.hook);
        // A string takes whatever is written to it, here and below.
        let _ = writeln!(text, "\tchain {name} {{");
        let _ =
            writeln!(text, "\t\ttype {kind} hook {hook_name} priority {priority}; policy accept;");
        for one in &chain.rules {
            let _ = writeln!(text, "\t\t{}", rule(one));
        }
        text += "\t}\n";
    }
    text + "}\n"
}

/// One rule.
pub(super) fn rule(rule: &Rule) -> String {
    let mut text = String::new();
    let has_port = rule.when.iter().any(|when| matches!(when, Match::Port(_)));
    for when in rule.when.iter().filter(|when| !has_port || **when != Match::Tcp) {
        let _ = match when {
            Match::Tcp => write!(text, "meta l4proto tcp "),
            Match::Port(range) if range.start() == range.end() => {
                write!(text, "tcp dport {} ", range.start())
            }
            Match::Port(range) => write!(text, "tcp dport {}-{} ", range.start(), range.end()),
            Match::FromInterface(interface) => write!(text, "iifname \"{}\" ", interface.as_str()),
            Match::ToInterface(interface) => write!(text, "oifname \"{}\" ", interface.as_str()),
            Match::ToHere => write!(text, "fib daddr type local "),
            // Either value will do: without a socket there is none.
            Match::Awaited => write!(text, "socket transparent <= 1 "),
            Match::ToNetwork(cidr) => match (cidr.address(), cidr.prefix()) {
                (IpAddr::V4(_), 0) => write!(text, "meta nfproto ipv4 "),
                (IpAddr::V6(_), 0) => write!(text, "meta nfproto ipv6 "),
                (address @ IpAddr::V4(_), 32) => write!(text, "ip daddr {address} "),
                (address @ IpAddr::V6(_), 128) => write!(text, "ip6 daddr {address} "),
                (IpAddr::V4(_), _) => write!(text, "ip daddr {cidr} "),
                (IpAddr::V6(_), _) => write!(text, "ip6 daddr {cidr} "),
            },
            Match::Uid(uid) => write!(text, "meta skuid {uid} "),
            Match::Gid(gid) => write!(text, "meta skgid {gid} "),
            Match::Marked => write!(text, "meta mark {MARK:#010x} "),
            Match::ConnectionMarked => write!(text, "ct mark {MARK:#010x} "),
        };
    }
    let _ = match rule.then {
        Action::Return => write!(text, "return"),
        Action::Redirect(port) => write!(text, "redirect to :{port}"),
        Action::Tproxy(port) => write!(text, "tproxy to :{port} accept"),
        Action::MarkConnection => write!(text, "ct mark set meta mark"),
        Action::MarkPacket => write!(text, "meta mark set ct mark"),
    };
    text
}
