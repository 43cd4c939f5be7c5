//! Keeps our own authority in the cluster: its Secret, the certificate in service, and the bundles in
//! the webhook configuration.
//!
//! Every replica does the same, and none leads. Each write says which version of the object it is
//! meant for, so that of two at once one fails, and reads again what the other has made. The
//! configuration is read before the Secret: whoever knows an old Secret then knows an old configuration
//! too, and cannot put an old bundle over a new one.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::authority::{Authority, CannotIssue, Change, Rules, Unusable};
use super::cluster::{ApiError, Cluster};
use super::measures::Asked;
use super::state::State;
use crate::clock::unix_seconds;

/// Where things are kept.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub(super) namespace: String,
    pub(super) secret: String,
    pub(super) configuration: String,
}

/// What keeps them.
#[derive(Debug)]
pub(super) struct Keeper {
    cluster: Cluster,
    places: Places,
    rules: Rules,
    state: Arc<State>,
    /// The last state that was served, with which a Secret that was deleted is made again.
    known: Option<Authority>,
    /// The bundle that the configuration has, and since when.
    trusted: Option<(String, Instant)>,
    complaint: Option<String>,
}

/// Why a turn did not come to its end.
#[derive(Debug, thiserror::Error)]
enum Setback {
    #[error("{0}")]
    Api(#[from] ApiError),
    #[error("{0}")]
    Issue(#[from] CannotIssue),
    /// The Secret is gone, and the chart's rights are for one that is there.
    #[error(
        "{error}; kubectl -n {namespace} create secret generic {secret} makes it again, empty, and \
         so does helm upgrade"
    )]
    MayNotCreate { error: ApiError, namespace: String, secret: String },
    #[error("the webhook configuration has no webhooks")]
    NoWebhooks,
}

impl Keeper {
    pub(super) fn new(cluster: Cluster, places: Places, rules: Rules, state: &Arc<State>) -> Self {
        state.set_trusted(false);
        state.measures.bundle_in_step(false);
        let state = Arc::clone(state);
        Self { cluster, places, rules, state, known: None, trusted: None, complaint: None }
    }

    /// Looks after everything, again and again.
    pub(super) async fn run(mut self) {
        let (calm, mut setbacks) = (self.look_every(), 0);
        loop {
            let pause = match self.turn().await {
                Ok(()) => {
                    setbacks = 0;
                    if self.complaint.take().is_some() {
                        tracing::info!("certificate and webhook configuration are in order again");
                    }
                    calm
                }
                Err(setback) => {
                    setbacks += 1;
                    let again = FIRST_AGAIN * 2_u32.saturating_pow(setbacks - 1).min(32);
                    let again = again.min(calm.max(FIRST_AGAIN));
                    self.complain(&setback);
                    match setback {
                        // The other one is done.
                        Setback::Api(ApiError::Conflict(_)) if setbacks < 5 => AT_ONCE,
                        _ => again,
                    }
                }
            };
            tokio::time::sleep(about(pause)).await;
        }
    }

    /// Says what is wrong once, and again when it is something else.
    fn complain(&mut self, setback: &Setback) {
        let sentence = setback.to_string();
        if matches!(setback, Setback::Api(ApiError::Conflict(_))) {
            tracing::debug!("{sentence}");
        } else if self.complaint.as_ref() != Some(&sentence) {
            tracing::warn!("the webhook cannot be looked after: {sentence}");
            self.complaint = Some(sentence);
        }
    }

    /// One look at everything, with what has to be done about it.
    async fn turn(&mut self) -> Result<(), Setback> {
        let configuration = self.places.configuration();
        let configuration = self.noted(self.cluster.get(&configuration).await);
        // Without the configuration a certificate is served all the same.
        let found = match configuration {
            Ok(configuration) => {
                self.note_trust(&configuration);
                Ok(configuration)
            }
            Err(error) => {
                self.trusted = None;
                Err(error)
            }
        };
        let authority = self.authority().await?;
        if let Some(pair) = authority.pair() {
            self.state.serve(pair, unix_seconds());
        }
        let bundle = authority.bundle_pem();
        self.known = Some(authority);
        self.spread(&bundle, found?).await
    }

    /// The state that all share, made or changed where that is due.
    async fn authority(&mut self) -> Result<Authority, Setback> {
        let (now, rules) = (unix_seconds(), &self.rules);
        let path = self.places.secret();
        let secret = match self.noted(self.cluster.get(&path).await) {
            Ok(secret) => Some(secret),
            Err(ApiError::NotFound(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let read = secret.as_ref().map(|secret| Authority::from_data(&secret["data"]));
        let (next, what) = if let Some(Ok(authority)) = read {
            match authority.next(rules, now, self.is_settled(&authority))? {
                None => return Ok(authority),
                Some((next, what)) => (next, said(what)),
            }
        } else {
            if let Some(Err(why)) = &read
                && !matches!(why, Unusable::Missing("ca.crt"))
            {
                tracing::warn!("the Secret {} is made anew: {why}", self.places.secret);
            }
            // Who deletes the Secret, or its contents, wants a new authority, and not an outage.
            match &self.known {
                Some(known) => (known.succeeded(rules, now)?, said(Change::NewAuthority)),
                None => (Authority::new(rules, now)?, "made an authority and a certificate"),
            }
        };
        self.write(secret, &next).await?;
        tracing::info!(secret = %self.places.secret, "{what}");
        Ok(next)
    }

    async fn write(&self, secret: Option<Value>, authority: &Authority) -> Result<(), Setback> {
        let is_there = secret.is_some();
        let written = if let Some(mut secret) = secret {
            secret["data"] = json!(authority.to_data());
            self.cluster.replace(&self.places.secret(), &secret).await
        } else {
            let secret = json!({
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": self.places.secret,
                    "namespace": self.places.namespace,
                    "labels": { "app.kubernetes.io/managed-by": "podmeter-injector" },
                },
                "type": "Opaque",
                "data": authority.to_data(),
            });
            self.cluster.create(&self.places.secrets(), &secret).await
        };
        match self.noted(written) {
            Ok(_) => Ok(()),
            Err(error @ ApiError::Status { status: StatusCode::FORBIDDEN, .. }) if !is_there => {
                let Places { namespace, secret, .. } = self.places.clone();
                Err(Setback::MayNotCreate { error, namespace, secret })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts the bundle into every webhook of the configuration that has another.
    async fn spread(&self, bundle: &str, mut configuration: Value) -> Result<(), Setback> {
        let wanted = json!(STANDARD.encode(bundle));
        let webhooks = configuration["webhooks"].as_array_mut().filter(|list| !list.is_empty());
        let mut changed = false;
        for webhook in webhooks.ok_or(Setback::NoWebhooks)? {
            // A `null` cannot be indexed into for writing.
            if !webhook["clientConfig"].is_object() {
                continue;
            }
            let theirs = &mut webhook["clientConfig"]["caBundle"];
            if *theirs != wanted {
                *theirs = wanted.clone();
                changed = true;
            }
        }
        if changed {
            let path = self.places.configuration();
            self.noted(self.cluster.replace(&path, &configuration).await)?;
            let name = &self.places.configuration;
            tracing::info!(configuration = %name, "told the API servers whom to trust");
        }
        self.state.set_trusted(true);
        self.state.measures.bundle_in_step(true);
        Ok(())
    }

    /// Notes which bundle the configuration has.
    fn note_trust(&mut self, configuration: &Value) {
        let webhooks = configuration["webhooks"].as_array();
        let mut bundles = webhooks.into_iter().flatten().map(|webhook| {
            webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default().to_owned()
        });
        let first = bundles.next().unwrap_or_default();
        let bundle = if bundles.all(|bundle| bundle == first) { first } else { String::new() };
        if self.trusted.as_ref().is_none_or(|(known, _)| *known != bundle) {
            self.trusted = Some((bundle, Instant::now()));
        }
        let in_step = self.known.as_ref().zip(self.trusted.as_ref());
        let in_step = in_step.is_some_and(|(known, (bundle, _))| is_trusted(known, bundle));
        self.state.measures.bundle_in_step(in_step);
    }

    /// Whether every API server surely knows all of our authorities.
    fn is_settled(&self, authority: &Authority) -> bool {
        let settle = (self.rules.lifetime / 20).min(SETTLE);
        let known = self.trusted.as_ref();
        known.is_some_and(|(bundle, since)| {
            since.elapsed() >= settle && is_trusted(authority, bundle)
        })
    }

    /// Often enough to act within the third of a life that is left for it.
    fn look_every(&self) -> Duration {
        (self.rules.lifetime / 60).clamp(Duration::from_millis(100), LOOK)
    }

    fn noted<T>(&self, outcome: Result<T, ApiError>) -> Result<T, ApiError> {
        self.state.measures.asked(match &outcome {
            // That there is none yet is an answer, too.
            Ok(_) | Err(ApiError::NotFound(_)) => Asked::Ok,
            Err(ApiError::Conflict(_)) => Asked::Conflict,
            Err(_) => Asked::Failed,
        });
        outcome
    }
}

impl Places {
    fn secrets(&self) -> String {
        format!("/api/v1/namespaces/{}/secrets", self.namespace)
    }

    fn secret(&self) -> String {
        format!("{}/{}", self.secrets(), self.secret)
    }

    fn configuration(&self) -> String {
        let kind = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
        format!("{kind}/{}", self.configuration)
    }
}

fn is_trusted(authority: &Authority, bundle: &str) -> bool {
    STANDARD.decode(bundle).is_ok_and(|pem| authority.is_trusted_by(&pem))
}

fn said(change: Change) -> &'static str {
    match change {
        Change::NewAuthority => "made a new authority, which signs once it is trusted",
        Change::NewCertificate => "made a new certificate",
        Change::ExpiredAuthority => "dropped an authority that has expired",
    }
}

/// Up to a fifth more or less, so that replicas do not keep step.
fn about(pause: Duration) -> Duration {
    let any = RandomState::new().build_hasher().finish() % 401;
    // Below 1.2, so that nothing overflows.
    pause.mul_f64(0.8 + any as f64 / 1000.0)
}

/// How often everything is looked at: so long may a configuration be without its bundle that somebody
/// has made anew.
const LOOK: Duration = Duration::from_secs(10);
/// How long API servers may take to learn of a change of the configuration.
const SETTLE: Duration = Duration::from_secs(60);
const FIRST_AGAIN: Duration = Duration::from_secs(1);
const AT_ONCE: Duration = Duration::from_millis(20);
