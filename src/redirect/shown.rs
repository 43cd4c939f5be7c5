//! The rules that are in place, for a person and for a program.

use super::Backend;
use serde::Serialize;
use std::fmt;

/// Rules as the kernel has them. As text for a person, as JSON for a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// `nftables` or `iptables`.
    pub backend: &'static str,
    /// The chains, in the order in which they were made.
    pub chains: Vec<ShownChain>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownChain {
    /// Its name in the kernel.
    pub name: String,
    /// Its rules, in the order in which they are tried.
    pub rules: Vec<ShownRule>,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownRule {
    /// In the notation of the backend's own tool.
    pub rule: String,
    /// Packets that it was applied to: of a redirection, connections.
    pub packets: u64,
}

impl Shown {
    pub(super) fn new(backend: Backend) -> Self {
        Self { backend: backend.as_str(), chains: Vec::new() }
    }

    /// Adds a rule to a chain, which is there from its first rule on.
    pub(super) fn push(&mut self, chain: &str, rule: ShownRule) {
        let known = self.chains.iter_mut().find(|known| known.name == chain);
        match known {
            Some(known) => known.rules.push(rule),
            None => {
                self.chains.push(ShownChain { name: chain.to_owned(), rules: vec![rule] });
            }
        }
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.backend)?;
        for chain in &self.chains {
            write!(f, "\n  {}", chain.name)?;
            for ShownRule { rule, packets } in &chain.rules {
                write!(f, "\n    {packets:>8}  {rule}")?;
            }
        }
        Ok(())
    }
}
