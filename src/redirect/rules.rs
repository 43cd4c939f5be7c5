//! What a plan means, as chains of rules that know no tool.

use super::plan::{Cidr, Inbound, Interface, Mode, Outbound, Plan};
use std::ops::RangeInclusive;

/// Rules for one place on a packet's way, tried in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) hook: Hook,
    pub(super) rules: Vec<Rule>,
}

/// A place on a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    /// The first packet of a connection that comes in.
    Inbound,
    /// The first packet of a connection that a process here opens.
    Outbound,
    /// Every packet that comes in, before its destination is looked up.
    Divert,
    /// Every packet of processes here, before its way out is chosen for good.
    Replies,
}

/// All of `when` must hold for `then` to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) when: Vec<Match>,
    pub(super) then: Action,
}

/// What can be asked of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Match {
    Tcp,
    /// TCP to one of these ports.
    Port(RangeInclusive<u16>),
    FromInterface(Interface),
    ToInterface(Interface),
    /// To an address of this network namespace.
    ToHere,
    /// There is a socket that takes it: open already, or listening.
    Awaited,
    ToNetwork(Cidr),
    /// Sent by a process of this user.
    Uid(u32),
    Gid(u32),
    /// The packet carries our mark.
    Marked,
    /// Its connection does.
    ConnectionMarked,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Left alone, by this chain.
    Return,
    /// Rewritten to this port of the pod.
    Redirect(u16),
    /// Given to the listener on this port as it is.
    Tproxy(u16),
    /// The packet's mark becomes its connection's; the next rules are tried.
    MarkConnection,
    /// The connection's mark becomes the packet's; the next rules are tried.
    MarkPacket,
}

/// Marks the proxy's connections to the app under TPROXY, and so the app's answers, which must
/// come back to the proxy though they are addressed to the client.
pub(crate) const MARK: u32 = 0x539;

/// The chains of a plan.
pub(super) fn chains(plan: &Plan) -> Vec<Chain> {
    let mut chains = Vec::new();
    if let Some(inbound) = &plan.inbound {
        match inbound.mode {
            Mode::Redirect => {
                chains.push(Chain { hook: Hook::Inbound, rules: redirect(inbound, plan) });
            }
            Mode::Tproxy => {
                chains.push(Chain { hook: Hook::Divert, rules: divert(inbound, plan) });
                let rule = Rule::new([Match::Tcp, Match::ConnectionMarked], Action::MarkPacket);
                chains.push(Chain { hook: Hook::Replies, rules: vec![rule] });
            }
        }
    }
    if let Some(outbound) = &plan.outbound {
        chains.push(Chain { hook: Hook::Outbound, rules: send_out(outbound, plan) });
    }
    chains
}

fn redirect(inbound: &Inbound, plan: &Plan) -> Vec<Rule> {
    let mut rules = left_alone(inbound, plan);
    rules.push(Rule::new(taken(inbound), Action::Redirect(inbound.to)));
    rules
}

fn divert(inbound: &Inbound, plan: &Plan) -> Vec<Rule> {
    let mut rules = vec![Rule::new([Match::Tcp, Match::Marked], Action::MarkConnection)];
    rules.extend(left_alone(inbound, plan));
    rules.push(Rule::new(taken(inbound), Action::Tproxy(inbound.to)));
    rules
}

/// What is intercepted of the rest: only what is addressed to the pod, as a pod may itself pass
/// packets on (Docker in a pod).
fn taken(inbound: &Inbound) -> Vec<Match> {
    let awaited = inbound.only_listening.then_some(Match::Awaited);
    [Match::Tcp, Match::ToHere].into_iter().chain(awaited).collect()
}

/// What comes in and is none of our business.
fn left_alone(inbound: &Inbound, plan: &Plan) -> Vec<Rule> {
    let mut rules: Vec<Rule> = loopback()
        .iter()
        .chain(&plan.exclude_interfaces)
        .map(|interface| Rule::returning(Match::FromInterface(interface.clone())))
        .collect();
    let others = inbound.ports.others();
    rules.extend(others.ranges().iter().map(|range| Rule::returning(Match::Port(range.clone()))));
    rules
}

fn send_out(outbound: &Outbound, plan: &Plan) -> Vec<Rule> {
    // The proxy's own first: it goes the way of every connection a second time.
    let mut rules: Vec<Rule> =
        outbound.uids.iter().map(|uid| Rule::returning(Match::Uid(*uid))).collect();
    rules.extend(outbound.gids.iter().map(|gid| Rule::returning(Match::Gid(*gid))));
    let interfaces = loopback().into_iter().chain(plan.exclude_interfaces.iter().cloned());
    rules.extend(interfaces.map(|interface| Rule::returning(Match::ToInterface(interface))));
    rules.push(Rule::returning(Match::ToHere));
    let others = outbound.ports.others();
    rules.extend(others.ranges().iter().map(|range| Rule::returning(Match::Port(range.clone()))));
    rules.extend(outbound.exclude.iter().map(|cidr| Rule::returning(Match::ToNetwork(*cidr))));
    let to = Action::Redirect(outbound.to);
    if outbound.include.is_empty() {
        rules.push(Rule::new([Match::Tcp], to));
    }
    let networks = outbound.include.iter();
    rules.extend(networks.map(|cidr| Rule::new([Match::Tcp, Match::ToNetwork(*cidr)], to)));
    rules
}

fn loopback() -> Option<Interface> {
    Interface::new("lo")
}

impl Rule {
    fn new(when: impl Into<Vec<Match>>, then: Action) -> Self {
        Self { when: when.into(), then }
    }

    fn returning(when: Match) -> Self {
        Self { when: vec![when], then: Action::Return }
    }
}
