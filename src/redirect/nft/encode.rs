//! A rule as the expressions of nftables: small steps on registers, in order.
//!
//! The steps are those that the `nft` program makes of the same rule's text, so that it can list
//! them as that text.

use crate::redirect::netlink::{Attributes, attributes};
use crate::redirect::plan::Cidr;
use crate::redirect::rules::{Action, MARK, Match, Rule};
use std::net::IpAddr;

/// Writes the expressions of a rule: what it asks, a counter, what it does.
pub(super) fn rule(rule: &Rule, list: &mut Attributes<'_>) {
    let mut list = Expressions(list);
    // The protocol need not be asked for twice.
    let has_port = rule.when.iter().any(|when| matches!(when, Match::Port(_)));
    for when in rule.when.iter().filter(|when| !has_port || **when != Match::Tcp) {
        list.ask(when);
    }
    list.push("counter", |_| {});
    list.act(rule.then);
}

/// The packets that the counter among the expressions has seen.
pub(super) fn packets(expressions: &[u8]) -> u64 {
    for (_, expression) in attributes(expressions) {
        let find = |wanted| attributes(expression).find(|(kind, _)| *kind == wanted);
        if find(EXPRESSION_NAME).is_some_and(|(_, name)| name.starts_with(b"counter\0"))
            && let Some((_, data)) = find(EXPRESSION_DATA)
            && let Some((_, packets)) = attributes(data).find(|(kind, _)| *kind == COUNTER_PACKETS)
        {
            return packets.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        }
    }
    0
}

struct Expressions<'a, 'b>(&'a mut Attributes<'b>);

impl Expressions<'_, '_> {
    fn ask(&mut self, when: &Match) {
        match when {
            Match::Tcp => {
                self.load_meta(META_PROTOCOL);
                self.compare(EQUAL, &[TCP]);
            }
            Match::Port(range) => {
                self.ask(&Match::Tcp);
                self.load_payload(TRANSPORT, 2, 2);
                if range.start() == range.end() {
                    self.compare(EQUAL, &range.start().to_be_bytes());
                } else {
                    self.compare(AT_LEAST, &range.start().to_be_bytes());
                    self.compare(AT_MOST, &range.end().to_be_bytes());
                }
            }
            Match::FromInterface(interface) => {
                self.load_meta(META_FROM_INTERFACE);
                self.compare(EQUAL, &interface_name(interface.as_str()));
            }
            Match::ToInterface(interface) => {
                self.load_meta(META_TO_INTERFACE);
                self.compare(EQUAL, &interface_name(interface.as_str()));
            }
            Match::ToHere => {
                self.push("fib", |a| {
                    a.big_endian(FIB_REGISTER, REGISTER);
                    a.big_endian(FIB_RESULT, FIB_ADDRESS_TYPE);
                    a.big_endian(FIB_FLAGS, FIB_DESTINATION);
                });
                self.compare(EQUAL, &TYPE_LOCAL.to_ne_bytes());
            }
            Match::Awaited => {
                self.push("socket", |a| {
                    a.big_endian(SOCKET_KEY, SOCKET_TRANSPARENT);
                    a.big_endian(SOCKET_REGISTER, REGISTER);
                });
                self.compare(AT_MOST, &[1]);
            }
            Match::ToNetwork(cidr) => self.ask_network(cidr),
            Match::Uid(uid) => {
                self.load_meta(META_UID);
                self.compare(EQUAL, &uid.to_ne_bytes());
            }
            Match::Gid(gid) => {
                self.load_meta(META_GID);
                self.compare(EQUAL, &gid.to_ne_bytes());
            }
            Match::Marked => {
                self.load_meta(META_MARK);
                self.compare(EQUAL, &MARK.to_ne_bytes());
            }
            Match::ConnectionMarked => {
                self.load_connection_mark();
                self.compare(EQUAL, &MARK.to_ne_bytes());
            }
        }
    }

    fn act(&mut self, then: Action) {
        match then {
            Action::Return => self.verdict(RETURN),
            Action::Redirect(port) => {
                self.load_port(port);
                self.push("redir", |a| a.big_endian(REDIR_PORT, REGISTER));
            }
            Action::Tproxy(port) => {
                self.load_port(port);
                self.push("tproxy", |a| {
                    a.big_endian(TPROXY_FAMILY, ANY_FAMILY);
                    a.big_endian(TPROXY_PORT, REGISTER);
                });
                self.verdict(ACCEPT);
            }
            Action::MarkConnection => {
                self.load_meta(META_MARK);
                self.push("ct", |a| {
                    a.big_endian(CT_KEY, CT_MARK);
                    a.big_endian(CT_FROM_REGISTER, REGISTER);
                });
            }
            Action::MarkPacket => {
                self.load_connection_mark();
                self.push("meta", |a| {
                    a.big_endian(META_KEY, META_MARK);
                    a.big_endian(META_FROM_REGISTER, REGISTER);
                });
            }
        }
    }

    fn ask_network(&mut self, cidr: &Cidr) {
        let (family, offset, address) = match cidr.address() {
            IpAddr::V4(address) => (2, 16, address.octets().to_vec()),
            IpAddr::V6(address) => (10, 24, address.octets().to_vec()),
        };
        self.load_meta(META_FAMILY);
        self.compare(EQUAL, &[family]);
        // Whole bytes are compared as they are; a mask is for a part of one.
        let whole = usize::from(cidr.prefix()) / 8;
        let length = if cidr.prefix().is_multiple_of(8) { whole } else { address.len() };
        if length == 0 {
            return;
        }
        self.load_payload(NETWORK, offset, length);
        if length != whole {
            let mut mask = vec![0xff; whole];
            mask.push(!(0xff_u8 >> (cidr.prefix() % 8)));
            mask.resize(length, 0);
            self.push("bitwise", |a| {
                a.big_endian(BITWISE_FROM_REGISTER, REGISTER);
                a.big_endian(BITWISE_REGISTER, REGISTER);
                a.big_endian(BITWISE_LENGTH, u32::try_from(length).unwrap_or_default());
                a.nest(BITWISE_MASK, |a| a.put(DATA_VALUE, &mask));
                a.nest(BITWISE_XOR, |a| a.put(DATA_VALUE, &vec![0; length]));
            });
        }
        self.compare(EQUAL, &address[..length]);
    }

    fn load_meta(&mut self, key: u32) {
        self.push("meta", |a| {
            a.big_endian(META_REGISTER, REGISTER);
            a.big_endian(META_KEY, key);
        });
    }

    fn load_connection_mark(&mut self) {
        self.push("ct", |a| {
            a.big_endian(CT_REGISTER, REGISTER);
            a.big_endian(CT_KEY, CT_MARK);
        });
    }

    fn load_payload(&mut self, base: u32, offset: u32, length: usize) {
        self.push("payload", |a| {
            a.big_endian(PAYLOAD_REGISTER, REGISTER);
            a.big_endian(PAYLOAD_BASE, base);
            a.big_endian(PAYLOAD_OFFSET, offset);
            a.big_endian(PAYLOAD_LENGTH, u32::try_from(length).unwrap_or_default());
        });
    }

    fn load_port(&mut self, port: u16) {
        self.push("immediate", |a| {
            a.big_endian(IMMEDIATE_REGISTER, REGISTER);
            a.nest(IMMEDIATE_DATA, |a| a.put(DATA_VALUE, &port.to_be_bytes()));
        });
    }

    fn compare(&mut self, how: u32, value: &[u8]) {
        self.push("cmp", |a| {
            a.big_endian(COMPARE_REGISTER, REGISTER);
            a.big_endian(COMPARE_HOW, how);
            a.nest(COMPARE_DATA, |a| a.put(DATA_VALUE, value));
        });
    }

    fn verdict(&mut self, code: i32) {
        self.push("immediate", |a| {
            a.big_endian(IMMEDIATE_REGISTER, REGISTER_VERDICT);
            a.nest(IMMEDIATE_DATA, |a| {
                a.nest(DATA_VERDICT, |a| a.put(VERDICT_CODE, &code.to_be_bytes()));
            });
        });
    }

    fn push(&mut self, name: &str, data: impl FnOnce(&mut Attributes<'_>)) {
        self.0.nest(LIST_ELEMENT, |a| {
            a.text(EXPRESSION_NAME, name);
            a.nest(EXPRESSION_DATA, data);
        });
    }
}

/// A name as the kernel compares it: all 16 bytes, zeros behind it.
fn interface_name(name: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    let length = name.len().min(15);
    bytes[..length].copy_from_slice(&name.as_bytes()[..length]);
    bytes
}

// From `include/uapi/linux/netfilter/nf_tables.h`.
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
const RETURN: i32 = -5;
const ACCEPT: i32 = 1;
const REGISTER_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const META_REGISTER: u16 = 1;
const META_KEY: u16 = 2;
const META_FROM_REGISTER: u16 = 3;
const META_MARK: u32 = 3;
const META_FROM_INTERFACE: u32 = 6;
const META_TO_INTERFACE: u32 = 7;
const META_UID: u32 = 10;
const META_GID: u32 = 11;
const META_FAMILY: u32 = 15;
const META_PROTOCOL: u32 = 16;
const TCP: u8 = 6;
const COMPARE_REGISTER: u16 = 1;
const COMPARE_HOW: u16 = 2;
const COMPARE_DATA: u16 = 3;
const EQUAL: u32 = 0;
const AT_MOST: u32 = 3;
const AT_LEAST: u32 = 5;
const PAYLOAD_REGISTER: u16 = 1;
const PAYLOAD_BASE: u16 = 2;
const PAYLOAD_OFFSET: u16 = 3;
const PAYLOAD_LENGTH: u16 = 4;
const NETWORK: u32 = 1;
const TRANSPORT: u32 = 2;
const BITWISE_FROM_REGISTER: u16 = 1;
const BITWISE_REGISTER: u16 = 2;
const BITWISE_LENGTH: u16 = 3;
const BITWISE_MASK: u16 = 4;
const BITWISE_XOR: u16 = 5;
const IMMEDIATE_REGISTER: u16 = 1;
const IMMEDIATE_DATA: u16 = 2;
const FIB_REGISTER: u16 = 1;
const FIB_RESULT: u16 = 2;
const FIB_FLAGS: u16 = 3;
const FIB_ADDRESS_TYPE: u32 = 3;
const FIB_DESTINATION: u32 = 2;
const TYPE_LOCAL: u32 = 2;
const SOCKET_KEY: u16 = 1;
const SOCKET_REGISTER: u16 = 2;
const SOCKET_TRANSPARENT: u32 = 0;
const REDIR_PORT: u16 = 1;
const TPROXY_FAMILY: u16 = 1;
const TPROXY_PORT: u16 = 3;
const ANY_FAMILY: u32 = 0;
const CT_REGISTER: u16 = 1;
const CT_KEY: u16 = 2;
const CT_FROM_REGISTER: u16 = 4;
const CT_MARK: u32 = 3;
const COUNTER_PACKETS: u16 = 2;
