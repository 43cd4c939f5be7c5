//! Adds up the app sources that are processes of one app, see [`SourceMode::Sum`].
//!
//! [`SourceMode::Sum`]: crate::config::SourceMode::Sum

use crate::config::{self, SumRules};
use crate::exposition::{self, Counts, Exposition, GaugeRule, GaugeRules, Member, Problems};
use crate::scrape::{Fetched, Words};
use std::sync::Arc;

/// The sums of one scrape, one for each group of sources.
#[derive(Debug, Default)]
pub(super) struct Sums<'a> {
    groups: Vec<Group<'a>>,
}

/// Sources that are added up with each other.
#[derive(Debug)]
struct Group<'a> {
    name: Option<&'a str>,
    rules: SumRules,
    /// Each with the number of its source.
    members: Vec<(usize, Member<'a>)>,
}

/// What this scrape heard from one source.
#[derive(Debug)]
pub(super) struct Heard {
    /// Samples that could be read.
    pub(super) samples: u64,
    /// What could not, of each process.
    pub(super) problems: Vec<Problems>,
}

/// A group, added up.
#[derive(Debug)]
pub(super) struct Summed<'a> {
    /// The exposition of all its processes.
    pub(super) exposition: Exposition<'a>,
    /// By the number of the source, what could not be added.
    pub(super) dropped: Vec<(usize, Counts)>,
}

impl<'a> Sums<'a> {
    /// Adds what the processes of one source said: now, or last if they are silent. Tells the
    /// number of its group, and what was heard.
    pub(super) fn add(
        &mut self,
        index: usize,
        fetched: &'a Fetched,
        rules: &'a SumRules,
        words: &'a Words,
    ) -> (usize, Heard) {
        let at = self.group(rules);
        let mut heard = Heard { samples: 0, problems: Vec::new() };
        let group = &mut self.groups[at];
        let mut add = |member| group.members.push((index, member));
        if !words.carry.families.is_empty() {
            add(Member::new("", (*words.carry).clone()).gone());
        }
        for word in &words.processes {
            let process = match rules.workers {
                1 => fetched.name.clone(),
                _ => format!("{}/{}", fetched.name, word.number),
            };
            if !word.held.families.is_empty() {
                add(Member::new("", (*Arc::clone(&word.held)).clone()).gone());
            }
            let exposition = word.body.read(&fetched.limits());
            if word.fresh {
                let samples = exposition.families.iter().map(|f| f.samples().len() as u64);
                heard.samples += samples.sum::<u64>();
                heard.problems.push(exposition.problems.clone());
            }
            let member = Member::new(process, exposition);
            add(if word.live { member } else { member.gone() });
        }
        (at, heard)
    }

    /// The sums, in the order of the groups' numbers.
    pub(super) fn finish(self) -> Vec<Summed<'a>> {
        let sum = |mut group: Group<'a>| {
            // What a family is, those say that still run.
            group.members.sort_by_key(|(_, member)| !member.is_live());
            let (sources, members): (Vec<_>, Vec<_>) = group.members.into_iter().unzip();
            let exposition::Summed { exposition, dropped } =
                exposition::sum(members, &gauge_rules(&group.rules));
            Summed { exposition, dropped: sources.into_iter().zip(dropped).collect() }
        };
        self.groups.into_iter().map(sum).collect()
    }

    fn group(&mut self, rules: &'a SumRules) -> usize {
        let name = rules.group.as_deref();
        let known = self.groups.iter().position(|known| known.name == name);
        let at = known.unwrap_or_else(|| {
            let rules = SumRules::default();
            self.groups.push(Group { name, rules, members: Vec::new() });
            self.groups.len() - 1
        });
        // The configuration has seen to it that they do not contradict each other.
        self.groups[at].rules.take_over(rules);
        at
    }
}

/// The rules as the exposition takes them.
pub(crate) fn gauge_rules(rules: &SumRules) -> GaugeRules {
    let mut gauges = GaugeRules::new(rule(rules.gauges));
    for (family, of_family) in &rules.gauge {
        gauges.set(family, rule(*of_family));
    }
    gauges
}

fn rule(rule: config::GaugeRule) -> GaugeRule {
    match rule {
        config::GaugeRule::Sum => GaugeRule::Sum,
        config::GaugeRule::Max => GaugeRule::Max,
        config::GaugeRule::Min => GaugeRule::Min,
        config::GaugeRule::Last => GaugeRule::Last,
        config::GaugeRule::Label => GaugeRule::Label,
    }
}
