//! What can be wrong with a setting, each case one sentence that a person can act on.

use std::net::SocketAddr;

/// Why settings are not a [`Config`](super::Config). Values are shown quoted and cut short.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No port to meter.
    #[error(
        "--inbound-listen is off, and neither --forward nor --outbound-listen is given; turn one of \
         them on, such as --forward 8080=8081"
    )]
    NothingToCarry,
    /// Nothing to intercept.
    #[error(
        "--include-inbound-ports and the rest leave nothing to redirect; name a port of the app, \
         or add --redirect-outbound"
    )]
    NothingToRedirect,
    /// What would only matter with another setting.
    #[error(
        "--{setting} is given without --redirect-outbound, so it does nothing; add that, or drop it"
    )]
    OutboundIsOff {
        /// The flag's name.
        setting: &'static str,
    },
    /// One port for two listeners of the proxy.
    #[error(
        "--inbound-port and --outbound-port are both {port}, but the proxy listens on one for each; \
         give each its own"
    )]
    SamePort {
        /// The port.
        port: u16,
    },
    /// A list that is longer than anyone needs.
    #[error("--{setting} has more than {most} items; join them into ranges or networks")]
    TooMany {
        /// The flag's name.
        setting: &'static str,
        /// The most items that it takes.
        most: usize,
    },
    /// A value that the setting does not take.
    #[error("--{setting} is {value}, but it takes {expected}")]
    Invalid {
        /// The flag's name.
        setting: &'static str,
        /// What it was given.
        value: String,
        /// What it takes.
        expected: String,
    },
    /// Something in the dialects that the file defines.
    #[error("the key custom-dialects{place} cannot be used: {problem}")]
    CustomDialects {
        /// Where in them, beginning with a dot unless it is all of them.
        place: String,
        /// What is wrong there, and what to do.
        problem: String,
    },
    /// A host name without an address.
    #[error("--{setting} is {value}, but the host {host} could not be resolved: {reason}")]
    Unresolved {
        /// The flag's name.
        setting: &'static str,
        /// What it was given.
        value: String,
        /// The host name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// A target that nothing can listen on.
    #[error("--forward is {value}, but no app listens on port 0; name the port of the app")]
    TargetPortZero {
        /// What it was given.
        value: String,
    },
    /// Forwards that lead back to where they began.
    #[error("--forward {forwards} would go round in a loop; name the port of the app as TARGET")]
    Loop {
        /// The forwards of the loop.
        forwards: String,
    },
    /// A forward that leads to a listener of podmeter itself.
    #[error(
        "--forward {forward} leads to --{setting} on {address}, which is podmeter itself; name \
         the port of the app as TARGET"
    )]
    ForwardToItself {
        /// The forward.
        forward: String,
        /// The flag of the listener.
        setting: &'static str,
        /// Its address.
        address: SocketAddr,
    },
    /// Two listeners that want one address.
    #[error(
        "--{first} on {first_address} and --{second} on {second_address} want the same port; \
         give each its own"
    )]
    Clash {
        /// The flag of one listener.
        first: &'static str,
        /// Its address.
        first_address: SocketAddr,
        /// The flag of the other listener.
        second: &'static str,
        /// Its address.
        second_address: SocketAddr,
    },
    /// An admin listener that others could reach.
    #[error(
        "--admin-listen is {value}, which others can reach; it takes a loopback address such as \
         127.0.0.1:15000, or off"
    )]
    AdminNotLoopback {
        /// What it was given.
        value: String,
    },
    /// A user or password in a URL, which is not repeated here.
    #[error(
        "--app-metrics has a user or password in its URL, where others can read it; put \
         USER:PASSWORD into a file, and name that with basic-auth-file=FILE behind the URL"
    )]
    Credentials,
    /// An option of a source that does not exist.
    #[error(
        "--app-metrics is {value}, but {option} is no option of a source; podmeter proxy --help \
         names them, a comma within the URL is written %2C, and a value with one goes into double \
         quotes"
    )]
    SourceOption {
        /// What it was given.
        value: String,
        /// What is no option.
        option: String,
    },
    /// An option of a source that is there twice.
    #[error("--app-metrics is {value}, but has {option}= twice; give it once")]
    SourceOptionTwice {
        /// What it was given.
        value: String,
        /// The option.
        option: String,
    },
    /// Options of a source that cannot be, or not together.
    #[error("--app-metrics is {value}, but {problem}")]
    SourceOptions {
        /// What it was given.
        value: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// Two sources of one name.
    #[error("--app-metrics gives the name {name} to two sources; give each its own")]
    SourceNameTwice {
        /// The name.
        name: String,
    },
    /// No certificate to serve.
    #[error(
        "neither --tls-cert with --tls-key nor --cert-secret is given, so there is no certificate to \
         serve; name the files, or a Secret for one of its own"
    )]
    NoCertificate,
    /// A setting that needs another.
    #[error("--{setting} is given without --{other}, and takes both; add that")]
    Together {
        /// The flag that is there.
        setting: &'static str,
        /// The flag that is missing.
        other: &'static str,
    },
    /// Two settings that contradict each other.
    #[error("--{first} and --{second} are both given, and only one can hold; drop one of them")]
    Either {
        /// One flag.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// No API server is known.
    #[error(
        "--cert-secret is given, but this is no pod of a cluster; name the file that says where the \
         cluster is with --kubeconfig"
    )]
    NoCluster,
    /// No namespace is known.
    #[error(
        "--namespace is not given, and this is no pod of a cluster that would have one; name that \
         of the Service"
    )]
    NoNamespace,
    /// Something that no sidecar can have.
    #[error("--set or --image: {sentence}")]
    Sidecar {
        /// What is wrong.
        sentence: String,
    },
    /// A source that is this very process.
    #[error(
        "--app-metrics is {value}, which is --{setting} on {address}, so that each scrape would \
         start another; name the port of the app's own metrics"
    )]
    ScrapeLoop {
        /// What it was given.
        value: String,
        /// The flag of the listener.
        setting: &'static str,
        /// Its address.
        address: SocketAddr,
    },
}

impl ConfigError {
    /// The flags that the sentence is about.
    pub fn settings(&self) -> Vec<&'static str> {
        match self {
            Self::Invalid { setting, .. }
            | Self::OutboundIsOff { setting }
            | Self::Together { setting, .. }
            | Self::TooMany { setting, .. }
            | Self::Unresolved { setting, .. } => vec![setting],
            Self::TargetPortZero { .. } | Self::Loop { .. } => vec!["forward"],
            Self::ForwardToItself { setting, .. } => vec!["forward", setting],
            Self::CustomDialects { .. } => Vec::new(),
            Self::NothingToCarry => vec!["inbound-listen"],
            Self::NothingToRedirect => vec!["include-inbound-ports"],
            Self::SamePort { .. } => vec!["inbound-port", "outbound-port"],
            Self::Clash { first, second, .. } if first == second => vec![first],
            Self::Clash { first, second, .. } | Self::Either { first, second } => {
                vec![first, second]
            }
            Self::AdminNotLoopback { .. } => vec!["admin-listen"],
            Self::Credentials
            | Self::SourceOption { .. }
            | Self::SourceOptionTwice { .. }
            | Self::SourceOptions { .. }
            | Self::SourceNameTwice { .. } => vec!["app-metrics"],
            Self::NoCertificate => vec!["tls-cert", "cert-secret"],
            Self::NoCluster => vec!["cert-secret"],
            Self::NoNamespace => vec!["namespace"],
            Self::Sidecar { .. } => vec!["set", "image"],
            Self::ScrapeLoop { setting, .. } => vec!["app-metrics", setting],
        }
    }
}

/// A value as a sentence shows it: quoted, on one line, and cut short.
pub(super) fn shown(value: &str) -> String {
    match value.char_indices().nth(SHOWN_CHARS) {
        None => format!("{value:?}"),
        Some((end, _)) => format!("{:?}...", &value[..end]),
    }
}

/// A sentence stays readable with this much of a value; nobody needs more to find it.
const SHOWN_CHARS: usize = 120;
