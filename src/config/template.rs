//! A name with places for what is known of the pod: `{namespace}_{service}_{port}`.

use std::fmt;

/// What may stand in braces: a closed list of names.
pub trait Named: Copy + 'static {
    /// All there are, in the order of the documentation.
    const EVERY: &'static [Self];
    /// Whether no text at all is a template, too.
    const MAY_BE_EMPTY: bool = false;

    /// As it stands in braces.
    fn name(self) -> &'static str;

    /// The one that is called `name`.
    fn named(name: &str) -> Option<Self> {
        Self::EVERY.iter().copied().find(|known| known.name() == name)
    }
}

/// Text with placeholders, known to be readable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template<P = Placeholder>(Vec<Part<P>>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part<P> {
    Text(String),
    Place(P),
}

/// What a placeholder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placeholder {
    /// The port that the app listens on.
    Port,
    /// Who the pod is.
    Pod(PodName),
}

/// One of the names that a pod goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PodName {
    /// The first name in `--service`, without the namespace.
    Service,
    /// `--workload`
    Workload,
    /// `--workload-kind`
    WorkloadKind,
    /// `--namespace`
    Namespace,
    /// `--pod`
    Pod,
    /// `--app`
    App,
    /// `--version-label`
    Version,
    /// `--revision`
    Revision,
    /// `--cluster`
    Cluster,
}

impl Named for Placeholder {
    const EVERY: &'static [Self] = &[
        Self::Port,
        Self::Pod(PodName::Service),
        Self::Pod(PodName::Workload),
        Self::Pod(PodName::Namespace),
        Self::Pod(PodName::Pod),
        Self::Pod(PodName::App),
        Self::Pod(PodName::Version),
        Self::Pod(PodName::Revision),
        Self::Pod(PodName::Cluster),
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Pod(name) => name.word(),
        }
    }
}

impl PodName {
    /// As it stands in braces.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Workload => "workload",
            Self::WorkloadKind => "workload_kind",
            Self::Namespace => "namespace",
            Self::Pod => "pod",
            Self::App => "app",
            Self::Version => "version",
            Self::Revision => "revision",
            Self::Cluster => "cluster",
        }
    }
}

impl<P: Named> Template<P> {
    /// Reads a template; gives what it would have to be where it is none.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let expected = || {
            let names = P::EVERY.iter().map(|place| format!("{{{}}}", place.name()));
            let names = names.collect::<Vec<_>>().join(" ");
            format!("at most {LONGEST} bytes of text with any of {names} in it")
        };
        let is_missing = text.is_empty() && !P::MAY_BE_EMPTY;
        if is_missing || text.len() > LONGEST || text.contains(char::is_control) {
            return Err(expected());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(brace) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(brace);
            let place = from.strip_prefix('{').and_then(|from| from.split_once('}'));
            let (name, after) = place.ok_or_else(expected)?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Place(P::named(name).ok_or_else(expected)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// The placeholders in it.
    pub(crate) fn places(&self) -> impl Iterator<Item = P> {
        self.0.iter().filter_map(|part| match part {
            Part::Place(place) => Some(*place),
            Part::Text(_) => None,
        })
    }

    /// The text, with what `value` says of each placeholder in its place.
    pub(crate) fn fill(&self, value: impl Fn(P) -> String) -> String {
        let part = |part: &Part<P>| match part {
            Part::Text(text) => text.clone(),
            Part::Place(place) => value(*place),
        };
        self.0.iter().map(part).collect()
    }
}

/// As it was written.
impl<P: Named> fmt::Display for Template<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Place(place) => write!(f, "{{{}}}", place.name()),
        })
    }
}

/// As long as the longest name of a Kubernetes object.
const LONGEST: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_placeholder_gives_way_to_what_it_stands_for() {
        let template = Template::read("{namespace}_{service}_{port}|x").unwrap();
        assert_eq!(
            template.fill(|place: Placeholder| place.name().to_uppercase()),
            "NAMESPACE_SERVICE_PORT|x"
        );
    }

    #[test]
    fn braces_that_name_nothing_are_refused_with_what_there_is() {
        for text in ["{", "}", "{}", "{Port}", "{port", "port}", "a{port}}", "{ port}", "", "a\n"] {
            let expected = Template::<Placeholder>::read(text).unwrap_err();
            assert!(expected.contains("{port} {service} {workload}"), "{text}: {expected}");
        }
        assert!(Template::<Placeholder>::read(&"x".repeat(254)).is_err());
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_as_it_was(text in "([a-z|_/.]{0,3}|\\{port\\}|\\{pod\\}|[{}]){0,6}") {
            if let Ok(template) = Template::<Placeholder>::read(&text) {
                prop_assert_eq!(template.to_string(), text);
            }
        }
    }
}
