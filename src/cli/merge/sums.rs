//! Sources with `mode=sum`: processes of one app, added up group by group.

use super::super::Failure;
use super::super::source::Given;
use crate::config::{SourceMode, SumRules};
use crate::exposition::{Counts, Exposition, Member, Summed, sum};
use crate::serve::gauge_rules;

/// Which sources are added up with which.
#[derive(Default)]
pub(super) struct Groups<'a> {
    groups: Vec<Group<'a>>,
}

struct Group<'a> {
    name: Option<String>,
    rules: SumRules,
    /// By the number of the source.
    members: Vec<(usize, Member<'a>)>,
}

/// What one group comes to.
pub(super) struct Total<'a> {
    pub(super) exposition: Exposition<'a>,
    /// By the number of the source, what could not be added.
    pub(super) dropped: Vec<(usize, Counts)>,
}

/// The rules that a source is added up by, if it is: its own, or those of the command line.
pub(super) fn rules(given: &Given, all: Option<&SumRules>) -> Option<SumRules> {
    match (&given.mode, all) {
        (Some(SourceMode::Sum(own)), all) => {
            let mut rules = own.clone();
            // Where it has none of its own. What contradicts it gives way.
            let _ = all.is_some_and(|all| rules.take_over(all));
            Some(rules)
        }
        (None, Some(all)) => Some(all.clone()),
        _ => None,
    }
}

/// Refuses what only a proxy can do, and rules of one group that contradict each other.
pub(super) fn check(sources: &[Given], all: Option<&SumRules>) -> Result<(), Failure> {
    let mut groups = Groups::default();
    for given in sources {
        let Some(rules) = rules(given, all) else { continue };
        let shown = &given.shown;
        if rules.workers > 1 {
            return Err(Failure::Usage(format!(
                "{shown} has workers=, but merge asks each source once; name one source for each \
                 process"
            )));
        }
        let at = groups.group(&rules).0;
        if !groups.groups[at].rules.take_over(&rules) {
            return Err(Failure::Usage(format!(
                "{shown} has other rules for gauges than a source of its group before it; give \
                 both the same, or each its own group="
            )));
        }
    }
    Ok(())
}

impl<'a> Groups<'a> {
    /// Adds a source to its group, and tells the group's number and whether it is new.
    pub(super) fn add(
        &mut self,
        source: usize,
        name: &str,
        exposition: Exposition<'a>,
        rules: &SumRules,
    ) -> (usize, bool) {
        let (at, new) = self.group(rules);
        let group = &mut self.groups[at];
        group.rules.take_over(rules);
        group.members.push((source, Member::new(name.to_owned(), exposition)));
        (at, new)
    }

    /// The sums, in the order of the groups' numbers.
    pub(super) fn finish(self) -> Vec<Total<'a>> {
        let total = |group: Group<'a>| {
            let (sources, members): (Vec<_>, Vec<_>) = group.members.into_iter().unzip();
            let Summed { exposition, dropped } = sum(members, &gauge_rules(&group.rules));
            Total { exposition, dropped: sources.into_iter().zip(dropped).collect() }
        };
        self.groups.into_iter().map(total).collect()
    }

    fn group(&mut self, rules: &SumRules) -> (usize, bool) {
        if let Some(at) = self.groups.iter().position(|known| known.name == rules.group) {
            return (at, false);
        }
        let (name, rules) = (rules.group.clone(), SumRules::default());
        self.groups.push(Group { name, rules, members: Vec::new() });
        (self.groups.len() - 1, true)
    }
}
