//! The names of what can be set, and the values that a pod ends up with: its own annotations over
//! what holds for every pod.

use super::Refusal;
use crate::config::{ProxyArgs, RedirectArgs};
use clap::Args;
use clap::error::{ContextKind, ContextValue};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Where a pod's annotations begin that are ours.
pub(crate) const PREFIX: &str = "podmeter.io/";

/// One thing that can be set, as a flag or as an annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its name: `dialect` is `--dialect` and `podmeter.io/dialect`.
    pub name: &'static str,
    /// What its value is called in the help.
    pub value: &'static str,
    /// What it means.
    pub about: String,
}

/// Everything that can be set, in the order of the help: what is injected, what is intercepted, and
/// all that the proxy takes.
pub fn settings() -> Vec<Setting> {
    let own = OWN.iter().map(|&(name, value, about)| Setting { name, value, about: about.into() });
    let redirect = RedirectArgs::augment_args(clap::Command::new("podmeter"));
    let proxy = ProxyArgs::augment_args(clap::Command::new("podmeter"));
    let described = |command: &clap::Command, name: &'static str| {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(name));
        let about = arg.and_then(|arg| arg.get_help()).map(ToString::to_string);
        Setting { name, value: "VALUE", about: about.unwrap_or_default() }
    };
    let intercepted = REDIRECT.iter().map(|name| described(&redirect, name));
    own.chain(intercepted).chain(proxy_names().map(|name| described(&proxy, name))).collect()
}

/// The names of what is given to the proxy as it is. Its probes of the app are of our making, and
/// the pod's name and hash are the pod's.
fn proxy_names() -> impl Iterator<Item = &'static str> {
    ProxyArgs::names().into_iter().filter(|name| *name != "app-probes")
}

/// Values by name, each with where it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values(BTreeMap<&'static str, (String, From)>);

/// Who says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// A flag: what holds for every pod.
    Flag,
    /// The pod itself.
    Pod,
}

impl From {
    fn prefix(self) -> &'static str {
        match self {
            Self::Flag => "--",
            Self::Pod => PREFIX,
        }
    }
}

impl Values {
    /// Takes a value in; an empty one lets the default hold.
    pub(super) fn set(&mut self, name: &str, value: &str, from: From) -> Result<(), Refusal> {
        let Some(known) = all_names().find(|known| *known == name) else {
            return Err(unknown(name, from));
        };
        match value.trim() {
            "" => self.0.remove(known),
            value => self.0.insert(known, (value.to_owned(), from)),
        };
        Ok(())
    }

    /// Takes in what a pod's annotations say.
    pub(super) fn set_all(&mut self, annotations: &Map<String, Value>) -> Result<(), Refusal> {
        let ours = annotations.iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(PREFIX)?;
            (!RESERVED.contains(&name)).then_some((name, value))
        });
        for (name, value) in ours {
            let Value::String(text) = value else {
                let problem = "an annotation is a text; put it into quotes";
                return Err(Refusal(format!("{PREFIX}{name} is {value}, but {problem}")));
            };
            self.set(name, text, From::Pod)?;
        }
        Ok(())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|(value, _)| value.as_str())
    }

    /// What the proxy is told as it is.
    pub(super) fn proxy(&self) -> impl Iterator<Item = (&'static str, &str)> {
        proxy_names().filter_map(|name| Some((name, self.get(name)?)))
    }

    /// What `podmeter redirect apply` is told as it is.
    pub(super) fn redirect(&self) -> impl Iterator<Item = (&'static str, &str)> {
        REDIRECT.iter().filter_map(|name| Some((*name, self.get(name)?)))
    }

    /// How a setting is called by whoever set it.
    pub(super) fn called(&self, name: &str) -> String {
        let from = self.0.get(name).map_or(From::Pod, |(_, from)| *from);
        format!("{}{name}", from.prefix())
    }

    /// Yes or no.
    pub(super) fn is(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(_) => Err(self.refused(name, "true or false")),
        }
    }

    /// The sentence for a value that a setting does not take.
    pub(super) fn refused(&self, name: &str, expected: &str) -> Refusal {
        let value: String = self.get(name).unwrap_or_default().chars().take(SHOWN_CHARS).collect();
        Refusal(format!("{} is {value:?}, but it takes {expected}", self.called(name)))
    }

    /// The sentence of an error that speaks of flags, in the words of whoever set them.
    pub(super) fn in_its_words(&self, error: &crate::config::ConfigError) -> Refusal {
        let of_pod = |name: &&str| matches!(self.0.get(*name), Some((_, From::Pod)));
        let usual = if error.settings().iter().any(of_pod) { From::Pod } else { From::Flag };
        let sentence = error.to_string();
        let mut parts = sentence.split("--");
        let mut told = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(|c: char| !(c.is_ascii_lowercase() || c == '-'));
            let name = &part[..end.unwrap_or(part.len())];
            let known = all_names().any(|known| known == name);
            let from = self.0.get(name).map_or(usual, |(_, from)| *from);
            told += if known { from.prefix() } else { From::Flag.prefix() };
            told += part;
        }
        Refusal(told)
    }
}

fn all_names() -> impl Iterator<Item = &'static str> {
    OWN.iter().map(|(name, ..)| *name).chain(REDIRECT.iter().copied()).chain(proxy_names())
}

fn unknown(name: &str, from: From) -> Refusal {
    let shown: String = name.chars().take(SHOWN_CHARS).collect();
    let called = format!("{}{}", from.prefix(), shown.escape_debug());
    if let Some((_, instead)) = DERIVED.iter().find(|(derived, _)| *derived == name) {
        return Refusal(format!("{called} cannot be set; {instead}"));
    }
    let hint = nearest(name).map_or_else(
        || "podmeter inject --help names what is".to_owned(),
        |near| format!("did you mean {}{near}?", from.prefix()),
    );
    Refusal(format!("{called} is not known; {hint}"))
}

/// The name that comes nearest, as the command line would suggest it.
fn nearest(name: &str) -> Option<String> {
    let plain = name.to_ascii_lowercase().replace('_', "-");
    if let Some(same) = all_names().find(|known| *known == plain) {
        return Some(same.to_owned());
    }
    let args = all_names().map(|name| clap::Arg::new(name).long(name).num_args(0..=1));
    let command = clap::Command::new("podmeter").args(args);
    let mistake = command.try_get_matches_from(["podmeter", &format!("--{plain}")]).err()?;
    match mistake.get(ContextKind::SuggestedArg)? {
        ContextValue::String(flag) => Some(flag.trim_start_matches('-').to_owned()),
        _ => None,
    }
}

/// What concerns neither the rules nor the proxy, with the name of its value and its help.
const OWN: [(&str, &str, &str); 12] = [
    ("image", "IMAGE", "The image of the sidecar [default: podmeter:VERSION, this version]"),
    ("image-pull-policy", "POLICY", "When it is pulled: `Always`, `IfNotPresent` or `Never`"),
    (
        "native-sidecar",
        "BOOL",
        "Whether the proxy is an init container that keeps running, which starts before the app's \
         own and ends after the app (Kubernetes 1.29), or an ordinary container [default: true]",
    ),
    (
        "redirect",
        "BOOL",
        "Whether an init container brings the pod's traffic to the proxy, which takes NET_ADMIN; \
         without it, name ports with `forward`, or have something else run `podmeter redirect` \
         [default: true, false where `forward` is set]",
    ),
    (
        "backend",
        "BACKEND",
        "Which part of the kernel holds the rules: `nftables`, `iptables` (by programs that the image \
         must have), or `auto` [default: auto]",
    ),
    ("cpu-request", "QUANTITY", "CPU to reserve, or `none` [default: 10m]"),
    ("cpu-limit", "QUANTITY", "The most CPU, or `none` [default: none]"),
    ("memory-request", "QUANTITY", "Memory to reserve, or `none` [default: 32Mi]"),
    ("memory-limit", "QUANTITY", "The most memory, or `none` [default: 256Mi]"),
    (
        "share-process-namespace",
        "BOOL",
        "Whether the pod's containers see each other's processes, so that the proxy can measure \
         the app's [default: as the pod says]",
    ),
    (
        "prometheus-annotations",
        "HOW",
        "What becomes of `prometheus.io/scrape` and kin: `rewrite` has them point at the proxy, \
         which merges what they pointed at; `add` does so for pods that have none, too; `keep` \
         leaves them [default: rewrite]",
    ),
    (
        "rewrite-probes",
        "BOOL",
        "Whether the proxy answers tcpSocket and HTTPS probes in the app's place, by asking the \
         app [default: true]",
    ),
];

/// The flags of `podmeter redirect apply` that are taken over.
const REDIRECT: [&str; 11] = [
    "include-inbound-ports",
    "exclude-inbound-ports",
    "only-listening",
    "redirect-outbound",
    "include-outbound-ports",
    "exclude-outbound-ports",
    "include-outbound-cidrs",
    "exclude-outbound-cidrs",
    "exclude-interfaces",
    "proxy-uid",
    "proxy-gid",
];

/// Flags that follow from others, and from which.
const DERIVED: [(&str, &str); 5] = [
    ("mode", "set inbound-mode"),
    ("inbound-port", "set inbound-listen"),
    ("outbound-port", "set outbound-listen"),
    ("proxy-ports", "set stats-listen, admin-listen or health-listen"),
    ("config", "set what the file would say"),
];

/// Annotations of ours that set nothing.
const RESERVED: [&str; 2] = ["inject", "status"];

const SHOWN_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_name_of_its_own_and_says_what_it_means() {
        let settings = settings();
        let mut names: Vec<_> = settings.iter().map(|setting| setting.name).collect();
        assert!(settings.iter().all(|setting| !setting.about.is_empty()), "{settings:?}");
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), settings.len());
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_may_have_been_meant() {
        let mut values = Values::default();
        let mut sentence = |name| values.set(name, "x", From::Pod).unwrap_err().to_string();
        assert_eq!(
            sentence("dialects"),
            "podmeter.io/dialects is not known; did you mean podmeter.io/dialect?"
        );
        assert!(sentence("CPU_limit").contains("did you mean podmeter.io/cpu-limit?"));
        assert!(sentence("proxy-ports").contains("set stats-listen"));
        assert!(sentence("qqqq").contains("--help names what is"));
    }
}
