//! The route that TPROXY takes besides rules: the app's answers, addressed to the client, come
//! back to the proxy.
//!
//! Packets with our mark are looked up in a table of our own, which says that every address is
//! this host's (`include/uapi/linux/fib_rules.h`, `rtnetlink.h`).

use super::netlink::{CREATE, EXCLUSIVE, Messages, NetlinkError};
use super::rules::MARK;
use super::{RedirectError, ipv6};
use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol};

/// Makes the route, unless it is there.
pub(super) fn add() -> Result<(), RedirectError> {
    for family in FAMILIES {
        tolerate(Errno::EXIST, rule(family, NEW_RULE, CREATE | EXCLUSIVE), family)?;
        tolerate(Errno::EXIST, route(family, NEW_ROUTE, CREATE | EXCLUSIVE), family)?;
    }
    Ok(())
}

/// Removes it, if it is there.
pub(super) fn remove() -> Result<(), RedirectError> {
    for family in FAMILIES {
        tolerate(Errno::NOENT, rule(family, DELETE_RULE, 0), family)?;
        tolerate(Errno::SRCH, route(family, DELETE_ROUTE, 0), family)?;
    }
    Ok(())
}

/// The same as commands of `ip`.
pub(super) fn script() -> [String; 4] {
    [
        format!("ip rule add fwmark {MARK:#x} lookup {TABLE} priority {PRIORITY}"),
        format!("ip route add local default dev lo table {TABLE}"),
        format!("ip -6 rule add fwmark {MARK:#x} lookup {TABLE} priority {PRIORITY}"),
        format!("ip -6 route add local default dev lo table {TABLE}"),
    ]
}

fn rule(family: AddressFamily, kind: u16, flags: u16) -> Messages {
    let mut messages = Messages::default();
    // `fib_rule_hdr`: family, lengths, type of service, table, reserved, action, flags.
    let fixed = [family_byte(family), 0, 0, 0, 0, 0, 0, TO_TABLE, 0, 0, 0, 0];
    messages.push(kind, flags, &fixed, |a| {
        a.put(RULE_PRIORITY, &PRIORITY.to_ne_bytes());
        a.put(RULE_MARK, &MARK.to_ne_bytes());
        a.put(RULE_MASK, &u32::MAX.to_ne_bytes());
        a.put(RULE_TABLE, &TABLE.to_ne_bytes());
    });
    messages
}

fn route(family: AddressFamily, kind: u16, flags: u16) -> Messages {
    let mut messages = Messages::default();
    // `rtmsg`: family, lengths, type of service, table, protocol, scope, type, flags.
    let fixed = [family_byte(family), 0, 0, 0, 0, STATIC, HOST, LOCAL, 0, 0, 0, 0];
    messages.push(kind, flags, &fixed, |a| {
        a.put(ROUTE_TABLE, &TABLE.to_ne_bytes());
        a.put(ROUTE_INTERFACE, &LOOPBACK.to_ne_bytes());
    });
    messages
}

/// Does it, unless it is done already or the host has no such addresses at all.
fn tolerate(
    done_already: Errno,
    messages: Messages,
    family: AddressFamily,
) -> Result<(), RedirectError> {
    let Err(error) = messages.transact(ROUTING) else { return Ok(()) };
    let is_absent = family == AddressFamily::INET6
        && match error.errno {
            Errno::OPNOTSUPP | Errno::AFNOSUPPORT => true,
            // IPv6 is switched off on the interface lo, which is no harm where it is nowhere on.
            Errno::ACCESS => !ipv6::is_used(),
            _ => false,
        };
    if is_absent || is_done(done_already, error) {
        return Ok(());
    }
    let what = "the route that TPROXY needs (is the interface lo up, and IPv6 on it?)".to_owned();
    Err(match error.errno {
        Errno::ACCESS => RedirectError::Kernel { what, source: error.errno.into() },
        _ => RedirectError::of_kernel(what, error),
    })
}

/// Kernels say in more than one way that what is to be removed is not there.
fn is_done(already: Errno, error: NetlinkError) -> bool {
    error.errno == already
        || (already != Errno::EXIST && matches!(error.errno, Errno::NOENT | Errno::SRCH))
}

fn family_byte(family: AddressFamily) -> u8 {
    u8::try_from(family.as_raw()).unwrap_or_default()
}

const FAMILIES: [AddressFamily; 2] = [AddressFamily::INET, AddressFamily::INET6];
/// `NETLINK_ROUTE` is the protocol 0, which is said by saying none.
const ROUTING: Option<Protocol> = None;
/// Ours alone: the numbers below 253 are used by others by habit.
const TABLE: u32 = 1337;
/// Before the tables that everything else is looked up in (32766), after that of local addresses.
const PRIORITY: u32 = 1337;
const LOOPBACK: u32 = 1;
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
const NEW_RULE: u16 = 32;
const DELETE_RULE: u16 = 33;
const TO_TABLE: u8 = 1;
const STATIC: u8 = 4;
const HOST: u8 = 254;
const LOCAL: u8 = 2;
const RULE_PRIORITY: u16 = 6;
const RULE_MARK: u16 = 10;
const RULE_TABLE: u16 = 15;
const RULE_MASK: u16 = 16;
const ROUTE_INTERFACE: u16 = 4;
const ROUTE_TABLE: u16 = 15;
