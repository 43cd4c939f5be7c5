//! What the API server asks, and what it is answered: the bytes of one AdmissionReview become a
//! [`Review`], and a [`Verdict`] becomes the bytes of the other.
//!
//! Nothing here does anything: whether a sidecar is added is asked of a function.

use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::weight;

/// A request for an opinion, understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    /// What the answer has to repeat.
    pub uid: String,
    /// Where the object is to be.
    pub namespace: String,
    /// What the object is called, for people: `web-7d4f-*` where the cluster has yet to choose.
    pub name: String,
    /// Nothing will come of it, whatever the answer.
    pub dry_run: bool,
    /// What is asked about.
    pub subject: Subject,
}

/// What an AdmissionReview is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Subject {
    /// A pod that is to be made.
    NewPod(Value),
    /// Anything else, which is none of our business; the word says what.
    Other(&'static str),
}

/// What is said to a review.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The operations that make of the pod one with a sidecar, and what its author should know.
    Patch(Value, Vec<String>),
    /// The pod as it is, and what its author should know.
    Untouched(Vec<String>),
    /// Not this pod, and why.
    Denied(String),
}

/// Why a body is no review that can be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadReview {
    /// It is not JSON, or not of the shape of an AdmissionReview.
    #[error("the body is no AdmissionReview: {0}")]
    Shape(String),
    /// It is another version, or another thing altogether.
    #[error(
        "the body is {found}, but this webhook speaks AdmissionReview of admission.k8s.io/v1; set \
         admissionReviewVersions: [v1]"
    )]
    Version {
        /// What it says that it is.
        found: String,
    },
    /// A pod that is to be made, without the pod.
    #[error("the request is to create a Pod, but its object is {found}")]
    NoPod {
        /// What is there instead.
        found: String,
    },
    /// An object of more parts than any pod has.
    #[error("the object has more than {} values, which no pod has", weight::MOST)]
    Heavy,
}

impl BadReview {
    /// The word for it in metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Shape(_) => "shape",
            Self::Version { .. } => "version",
            Self::NoPod { .. } => "no_pod",
            Self::Heavy => "heavy",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    api_version: Option<String>,
    kind: Option<String>,
    #[serde(borrow)]
    request: Option<Request<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    uid: Option<String>,
    kind: Option<Named>,
    resource: Option<Named>,
    sub_resource: Option<String>,
    name: Option<String>,
    namespace: Option<String>,
    operation: Option<String>,
    // Read only once it is known to be wanted.
    #[serde(borrow)]
    object: Option<&'a RawValue>,
    dry_run: Option<bool>,
}

/// A kind or a resource.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    group: Option<String>,
    version: Option<String>,
    kind: Option<String>,
    resource: Option<String>,
}

impl Named {
    /// Whether it is of the core's first version, and has this name.
    fn is(&self, name: Option<&str>, wanted: &str) -> bool {
        self.group.as_deref().unwrap_or_default().is_empty()
            && self.version.as_deref() == Some("v1")
            && name == Some(wanted)
    }
}

impl Review {
    /// Understands the body of a request.
    pub fn read(body: &[u8]) -> Result<Self, BadReview> {
        let envelope: Envelope<'_> = serde_json::from_slice(body).map_err(|error| shape(&error))?;
        let (version, kind) = (envelope.api_version.as_deref(), envelope.kind.as_deref());
        if (version, kind) != (Some("admission.k8s.io/v1"), Some("AdmissionReview")) {
            let shown = |text: Option<&str>| short(text.unwrap_or("nothing"));
            let found = format!("{} of {}", shown(kind), shown(version));
            return Err(BadReview::Version { found });
        }
        let missing = |what| BadReview::Shape(format!("it has no {what}"));
        let request = envelope.request.ok_or_else(|| missing("request"))?;
        let uid = request.uid.as_deref().filter(|uid| !uid.is_empty());
        let uid = uid.ok_or_else(|| missing("request.uid"))?.to_owned();
        if uid.len() > UID_BYTES {
            return Err(BadReview::Shape(format!(
                "its request.uid has more than {UID_BYTES} bytes"
            )));
        }
        let subject = request.subject()?;
        let told = |key| match &subject {
            Subject::NewPod(pod) => pod["metadata"][key].as_str().filter(|text| !text.is_empty()),
            Subject::Other(_) => None,
        };
        let name = match request.name.as_deref().filter(|name| !name.is_empty()) {
            Some(name) => short(name),
            None => match (told("name"), told("generateName")) {
                (Some(name), _) => short(name),
                (None, Some(prefix)) => format!("{}*", short(prefix)),
                (None, None) => "(unnamed)".to_owned(),
            },
        };
        let namespace = request.namespace.as_deref().filter(|name| !name.is_empty());
        let namespace = namespace.or_else(|| told("namespace")).unwrap_or_default();
        Ok(Self {
            uid,
            namespace: short(namespace),
            name,
            dry_run: request.dry_run.unwrap_or(false),
            subject,
        })
    }
}

impl Request<'_> {
    /// Whether it is about a pod that is to be made. Nothing else is looked into, so that nothing
    /// in it can be wrong.
    fn subject(&self) -> Result<Subject, BadReview> {
        let is_pod = match (&self.resource, &self.kind) {
            (Some(resource), _) => resource.is(resource.resource.as_deref(), "pods"),
            (None, Some(kind)) => kind.is(kind.kind.as_deref(), "Pod"),
            (None, None) => false,
        };
        let is_part = self.sub_resource.as_deref().is_some_and(|part| !part.is_empty());
        match self.operation.as_deref() {
            _ if !is_pod => return Ok(Subject::Other("kind")),
            _ if is_part => return Ok(Subject::Other("subresource")),
            Some("CREATE") => {}
            // An UPDATE cannot add containers to a pod that runs.
            _ => return Ok(Subject::Other("operation")),
        }
        let no_pod = |found: &str| BadReview::NoPod { found: found.to_owned() };
        let object = self.object.ok_or_else(|| no_pod("missing"))?.get();
        if weight::is_heavy(object) {
            return Err(BadReview::Heavy);
        }
        let pod: Value = serde_json::from_str(object).map_err(|error| shape(&error))?;
        match (&pod, pod["kind"].as_str()) {
            (Value::Object(_), None | Some("Pod")) => Ok(Subject::NewPod(pod)),
            (Value::Object(_), Some(kind)) => Err(no_pod(&format!("a {}", short(kind)))),
            _ => Err(no_pod("no object")),
        }
    }
}

/// The AdmissionReview that says `verdict` to the request of this `uid`.
pub fn answer(uid: &str, verdict: &Verdict) -> Vec<u8> {
    let mut response = json!({ "uid": uid, "allowed": true });
    match verdict {
        Verdict::Patch(operations, warnings) => {
            response["patchType"] = json!("JSONPatch");
            response["patch"] = json!(STANDARD.encode(operations.to_string()));
            warn(&mut response, warnings);
        }
        Verdict::Untouched(warnings) => warn(&mut response, warnings),
        Verdict::Denied(why) => {
            response["allowed"] = json!(false);
            response["status"] = json!({
                "metadata": {},
                "status": "Failure",
                "message": cut(why, MESSAGE_CHARS),
                "reason": "Forbidden",
                "code": 403,
            });
        }
    }
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    });
    review.to_string().into_bytes()
}

/// A text on one line, whatever a stranger has put into it.
pub(super) fn one_line(sentence: &str) -> String {
    let mut line = String::new();
    for c in sentence.chars() {
        if c.is_control() {
            // Writing to a string cannot fail.
            let _ = write!(line, "{}", c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

fn warn(response: &mut Value, warnings: &[String]) {
    if !warnings.is_empty() {
        let warnings = warnings.iter().take(WARNINGS).map(|sentence| as_warning(sentence));
        response["warnings"] = warnings.collect();
    }
}

/// A warning is a header of the API server's answer, which cuts longer ones short by itself.
fn as_warning(sentence: &str) -> String {
    cut(sentence, WARNING_CHARS)
}

/// A text on one line, and no longer than it may be.
fn cut(sentence: &str, most: usize) -> String {
    let start = sentence.char_indices().nth(most + 1).map_or(sentence, |(end, _)| &sentence[..end]);
    let line = one_line(start);
    match line.char_indices().nth(most) {
        None => line,
        Some((end, _)) => format!("{}...", &line[..end]),
    }
}

fn shape(error: &serde_json::Error) -> BadReview {
    BadReview::Shape(error.to_string())
}

/// A name as a sentence or a line of the log shows it.
fn short(text: &str) -> String {
    one_line(&text.chars().take(NAME_CHARS).collect::<String>())
}

/// The longest name of a Kubernetes object (RFC 1123).
const NAME_CHARS: usize = 253;
/// The answer repeats it; a UUID has 36.
const UID_BYTES: usize = 1024;
/// A sentence for a person, which may quote a pod.
const MESSAGE_CHARS: usize = 4096;
/// The API server may cut what has more than 256 bytes.
const WARNING_CHARS: usize = 250;
/// It passes on 4 KiB of them.
const WARNINGS: usize = 16;

#[cfg(test)]
mod tests;
