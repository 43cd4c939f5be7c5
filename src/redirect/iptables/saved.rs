//! What `iptables-save` says of our chains.

/// Our chains, the jumps to them, and their rules.
#[derive(Debug, Default)]
pub(super) struct Saved {
    /// Table and name.
    chains: Vec<(String, String)>,
    /// Table, and the rule that jumps to one of our chains from one that is not.
    jumps: Vec<(String, String)>,
    rules: Vec<SavedRule>,
}

/// A rule in one of our chains.
#[derive(Debug)]
pub(super) struct SavedRule {
    pub(super) table: String,
    pub(super) chain: String,
    pub(super) text: String,
    pub(super) packets: u64,
}

/// How the names of our chains begin.
pub(super) const PREFIX: &str = "PODMETER_";

impl Saved {
    /// Reads the output of `iptables-save --counters`.
    pub(super) fn read(text: &str) -> Self {
        let mut this = Self::default();
        let mut table = "";
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = name;
            } else if let Some(chain) = line.strip_prefix(':') {
                let name = chain.split_whitespace().next().unwrap_or_default();
                if name.starts_with(PREFIX) {
                    this.chains.push((table.to_owned(), name.to_owned()));
                }
            } else if let Some((counters, rule)) = line.split_once("] -A ") {
                let (chain, what) = rule.split_once(' ').unwrap_or((rule, ""));
                if chain.starts_with(PREFIX) {
                    let packets = counters.trim_start_matches('[').split(':').next();
                    this.rules.push(SavedRule {
                        table: table.to_owned(),
                        chain: chain.to_owned(),
                        text: what.to_owned(),
                        packets: packets.and_then(|n| n.parse().ok()).unwrap_or(0),
                    });
                } else if what.rsplit(' ').next().is_some_and(|target| target.starts_with(PREFIX)) {
                    this.jumps.push((table.to_owned(), rule.to_owned()));
                }
            }
        }
        this
    }

    /// Whether there is nothing of ours.
    pub(super) fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// The names of our chains in `table`.
    pub(super) fn chains(&self, table: &str) -> impl Iterator<Item = &str> {
        self.chains.iter().filter(move |(t, _)| t == table).map(|(_, name)| name.as_str())
    }

    /// The jumps to them.
    pub(super) fn jumps(&self, table: &str) -> impl Iterator<Item = &str> {
        self.jumps.iter().filter(move |(t, _)| t == table).map(|(_, rule)| rule.as_str())
    }

    /// All rules in our chains.
    pub(super) fn rules(&self) -> &[SavedRule] {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_seen() {
        let saved = Saved::read(
            "# Generated\n*nat\n:PREROUTING ACCEPT [3:180]\n:KUBE-SERVICES - [0:0]\n\
             :PODMETER_INBOUND - [0:0]\n[1:60] -A PREROUTING -p tcp -j PODMETER_INBOUND\n\
             [0:0] -A PREROUTING -j KUBE-SERVICES\n\
             [7:420] -A PODMETER_INBOUND -i lo -j RETURN\nCOMMIT\n*filter\n:INPUT ACCEPT [0:0]\n",
        );
        assert_eq!(saved.chains("nat").collect::<Vec<_>>(), ["PODMETER_INBOUND"]);
        assert_eq!(
            saved.jumps("nat").collect::<Vec<_>>(),
            ["PREROUTING -p tcp -j PODMETER_INBOUND"]
        );
        assert_eq!(saved.chains("filter").count(), 0);
        let [rule] = saved.rules() else { panic!("{:?}", saved.rules()) };
        assert_eq!((rule.text.as_str(), rule.packets), ("-i lo -j RETURN", 7));
        assert!(Saved::read("*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n").is_empty());
    }
}
