//! Rules by nftables: one table of our own, made and removed in one transaction.
//!
//! The table is made anew with each call, so that applying twice is applying once, and whatever
//! else is in the kernel is never named. Each rule carries its own text as a comment, which
//! [`show`] reads back, and a counter.

mod encode;
mod text;

pub(super) use text::script;

use super::netlink::{APPEND, CREATE, DUMP, Message, Messages, NetlinkError};
use super::rules::{Chain, Hook};
use super::shown::{Shown, ShownRule};
use super::{Backend, RedirectError};
use rustix::io::Errno;
use rustix::net::netlink::NETFILTER;

/// The name of our table.
pub(super) const TABLE: &str = "podmeter";

/// Replaces our table by one with these chains.
pub(super) fn apply(chains: &[Chain]) -> Result<(), RedirectError> {
    let mut batch = Batch::new();
    // Made first, as only what is there can be removed.
    batch.table("the table", NEW_TABLE);
    batch.table("the table", DELETE_TABLE);
    batch.table("the table", NEW_TABLE);
    for chain in chains {
        batch.chain(chain);
    }
    batch.transact()
}

/// Removes our table, if there is one and if the kernel has any.
pub(super) fn remove_if_supported() -> Result<(), RedirectError> {
    let mut batch = Batch::new();
    batch.table("the table", NEW_TABLE);
    batch.table("the table", DELETE_TABLE);
    match batch.transact() {
        Err(RedirectError::Unsupported { .. }) => Ok(()),
        outcome => outcome,
    }
}

/// The rules in our table, if there is one.
pub(super) fn show() -> Result<Option<Shown>, RedirectError> {
    let mut question = Messages::default();
    question.push(message(GET_RULE), DUMP, &generic(INET), |a| a.text(RULE_TABLE, TABLE));
    let answers = match question.dump(Some(NETFILTER)) {
        Ok(answers) => answers,
        // Kernels differ on whether a table that is not there is an error.
        Err(NetlinkError {
            errno: Errno::NOENT | Errno::OPNOTSUPP | Errno::PROTONOSUPPORT | Errno::AFNOSUPPORT,
            ..
        }) => {
            return Ok(None);
        }
        Err(error) => return Err(RedirectError::of_kernel("to list rules".to_owned(), error)),
    };
    let mut shown = Shown::new(Backend::Nftables);
    for answer in answers.iter().filter(|answer| answer.kind == message(NEW_RULE)) {
        if let Some((chain, rule)) = read_rule(answer) {
            shown.push(&chain, rule);
        }
    }
    Ok((!shown.chains.is_empty()).then_some(shown))
}

/// A transaction, and what each of its messages is for.
struct Batch {
    messages: Messages,
    purposes: Vec<String>,
}

impl Batch {
    fn new() -> Self {
        let mut this = Self { messages: Messages::default(), purposes: Vec::new() };
        this.bracket(BATCH_BEGIN);
        this
    }

    fn bracket(&mut self, kind: u16) {
        // Its fixed part names the subsystem that the transaction is for.
        let [high, low] = SUBSYSTEM.to_be_bytes();
        self.messages.push_unanswered(kind, 0, &[0, 0, high, low], |_| {});
        self.purposes.push("the rules".to_owned());
    }

    fn table(&mut self, purpose: &str, kind: u16) {
        let flags = if kind == NEW_TABLE { CREATE } else { 0 };
        self.messages.push(message(kind), flags, &generic(INET), |a| a.text(TABLE_NAME, TABLE));
        self.purposes.push(purpose.to_owned());
    }

    fn chain(&mut self, chain: &Chain) {
        let place = Place::of(chain.hook);
        self.messages.push(message(NEW_CHAIN), CREATE, &generic(INET), |a| {
            a.text(CHAIN_TABLE, TABLE);
            a.text(CHAIN_NAME, place.name);
            a.nest(CHAIN_HOOK, |a| {
                a.big_endian(HOOK_NUMBER, place.hook);
                a.put(HOOK_PRIORITY, &place.priority.to_be_bytes());
            });
            a.big_endian(CHAIN_POLICY, ACCEPT);
            a.text(CHAIN_TYPE, place.kind);
        });
        self.purposes.push(format!("a chain of type {}", place.kind));
        for rule in &chain.rules {
            let text = text::rule(rule);
            self.messages.push(message(NEW_RULE), CREATE | APPEND, &generic(INET), |a| {
                a.text(RULE_TABLE, TABLE);
                a.text(RULE_CHAIN, place.name);
                a.nest(RULE_EXPRESSIONS, |a| encode::rule(rule, a));
                a.put(RULE_USERDATA, &comment(&text));
            });
            self.purposes.push(format!("the rule {text}"));
        }
    }

    fn transact(mut self) -> Result<(), RedirectError> {
        self.bracket(BATCH_END);
        self.messages.transact(Some(NETFILTER)).map_err(|error| {
            let index = error.message.and_then(|message| usize::try_from(message).ok());
            let purpose = index.and_then(|index| self.purposes.get(index));
            let what = purpose.cloned().unwrap_or_else(|| "nftables".to_owned());
            RedirectError::of_kernel(what, error)
        })
    }
}

/// Where a chain is hooked in.
pub(super) struct Place {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    hook: u32,
    pub(super) hook_name: &'static str,
    pub(super) priority: i32,
}

impl Place {
    pub(super) fn of(hook: Hook) -> Self {
        let (prerouting, output) = ((0, "prerouting"), (3, "output"));
        let place = |name, kind, (hook, hook_name), priority| Self {
            name,
            kind,
            hook,
            hook_name,
            priority,
        };
        match hook {
            Hook::Inbound => place("inbound", "nat", prerouting, NAT),
            Hook::Outbound => place("outbound", "nat", output, NAT),
            Hook::Divert => place("divert", "filter", prerouting, MANGLE),
            Hook::Replies => place("replies", "route", output, MANGLE),
        }
    }
}

/// A comment as `nft` shows it: an entry of a type, a length and a text that ends in a zero.
fn comment(text: &str) -> Vec<u8> {
    // Quotes would end the comment when somebody saves and restores the ruleset.
    let text: String = text.chars().filter(|c| *c != '"').take(COMMENT_BYTES - 1).collect();
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    let mut bytes = vec![COMMENT, length];
    bytes.extend_from_slice(text.as_bytes());
    bytes.push(0);
    bytes
}

/// The chain of a rule, and what is to be shown of it.
fn read_rule(answer: &Message) -> Option<(String, ShownRule)> {
    let text = |bytes: &[u8]| {
        let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
        String::from_utf8_lossy(&bytes[..end]).into_owned()
    };
    let (mut table, mut chain, mut rule, mut packets) = (None, None, None, 0);
    for (kind, value) in answer.attributes(GENERIC) {
        match kind {
            RULE_TABLE => table = Some(text(value)),
            RULE_CHAIN => chain = Some(text(value)),
            RULE_USERDATA if value.first() == Some(&COMMENT) => {
                rule = value.get(2..).map(text);
            }
            RULE_EXPRESSIONS => packets = encode::packets(value),
            _ => {}
        }
    }
    // Kernels before 5.13 list the rules of every table.
    table.filter(|table| table == TABLE)?;
    Some((chain?, ShownRule { rule: rule?, packets }))
}

fn message(kind: u16) -> u16 {
    (SUBSYSTEM << 8) | kind
}

/// The fixed part of a message of netfilter: family, version 0, and nothing.
fn generic(family: u8) -> [u8; GENERIC] {
    [family, 0, 0, 0]
}

// From `include/uapi/linux/netfilter/nfnetlink.h` and `nf_tables.h`.
const GENERIC: usize = 4;
const SUBSYSTEM: u16 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const INET: u8 = 1;
const NEW_TABLE: u16 = 0;
const DELETE_TABLE: u16 = 2;
const NEW_CHAIN: u16 = 3;
const NEW_RULE: u16 = 6;
const GET_RULE: u16 = 7;
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const ACCEPT: u32 = 1;
/// Priorities that every user of netfilter calls `dstnat` and `mangle`.
const NAT: i32 = -100;
const MANGLE: i32 = -150;
/// What `nft` takes an entry of this type for, and how long it may be.
const COMMENT: u8 = 0;
const COMMENT_BYTES: usize = 128;
