//! What came of an injection.

use serde_json::Value;

/// What came of an injection.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The sidecar is in the pod now.
    Injected(Injected),
    /// The pod is left as it is.
    Skipped(Skip),
    /// The pod asks for something that cannot be; it is left as it is.
    Refused(Refusal),
}

/// A pod with its sidecar.
#[derive(Clone, Debug, PartialEq)]
pub struct Injected {
    /// The pod.
    pub pod: Value,
    /// What the person who wrote it may want to know, each a sentence.
    pub warnings: Vec<String>,
}

/// Why a pod is left as it is, as a sentence without its full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Skip {
    /// Neither the pod nor its surroundings ask for a sidecar.
    #[error("nothing asks for a sidecar")]
    NotAsked,
    /// Somebody says no.
    #[error("disabled by {0}")]
    Disabled(&'static str),
    /// One of ours is there.
    #[error("already injected{0}")]
    AlreadyInjected(String),
    /// It has the network of its node.
    #[error("hostNetwork: its network is the whole node's")]
    HostNetwork,
    /// It runs elsewhere than on Linux.
    #[error("Windows: the sidecar runs on Linux")]
    Windows,
    /// The kubelet made it, and nobody can change it.
    #[error("static pod: the kubelet made it from a file of its node")]
    StaticPod,
    /// Another mesh intercepts its traffic.
    #[error("another mesh's sidecar is present: {0}")]
    OtherMesh(String),
    /// One of its containers would be taken for the proxy, or could meddle with it.
    #[error("{0}")]
    SameUser(String),
    /// One of its containers has a port of ours.
    #[error("{0}")]
    PortTaken(String),
    /// A sidecar that is an ordinary container would keep it from ending.
    #[error("native-sidecar is false, and an ordinary container would keep a Job from finishing")]
    WouldNotFinish,
    /// It has no containers to speak of.
    #[error("it has no containers")]
    NoContainers,
}

impl Skip {
    /// The reason in one word, for a label.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::NotAsked => "not_asked",
            Self::Disabled(_) => "disabled",
            Self::AlreadyInjected(_) => "already_injected",
            Self::HostNetwork => "host_network",
            Self::Windows => "windows",
            Self::StaticPod => "static_pod",
            Self::OtherMesh(_) => "other_mesh",
            Self::SameUser(_) => "same_user",
            Self::PortTaken(_) => "port_taken",
            Self::WouldNotFinish => "would_not_finish",
            Self::NoContainers => "no_containers",
        }
    }
}

/// Why a pod cannot have what it asks for, as a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub(super) String);
