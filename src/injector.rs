//! The admission webhook: adds the sidecar to the pods of a cluster as they are made.
//!
//! A review is [read](review::Review), [decided on](decision::decide) and [answered](review::answer)
//! without anything happening besides; `webhook` does so over TLS. The certificate for that is read from
//! files, again and again, or is our own: `keeper` then has the API server keep an `authority`, and tells
//! it whom to trust. `status` answers the kubelet and Prometheus.

mod authority;
mod body;
mod cluster;
pub mod decision;
mod files;
mod guests;
mod keeper;
mod measures;
mod pair;
pub mod review;
mod room;
mod served;
mod state;
mod status;
mod validity;
mod webhook;
mod weight;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use crate::clock::unix_seconds;
use crate::config::{Certificates, ClusterAt, InjectorConfig};
use crate::drain::Drain;
use crate::listen::{BindError, bind};
use crate::serve::serve;
use authority::Rules;
use cluster::{Access, Cluster, KubeconfigError};
use files::{Files, LOOK};
use keeper::{Keeper, Places};
use state::State;
use status::Status;
use webhook::Webhook;

pub use files::FilesError;

/// Why the webhook did not start.
#[derive(Debug, thiserror::Error)]
pub enum InjectorError {
    /// An address that could not be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Files that hold no certificate with its key.
    #[error(transparent)]
    Files(#[from] FilesError),
    /// A kubeconfig that cannot be used.
    #[error("{0}")]
    Kubeconfig(String),
    /// The kernel did not give what every program needs.
    #[error("cannot start: {0}")]
    Start(#[from] io::Error),
}

impl InjectorError {
    /// Whether it was told something that cannot be, rather than that something failed.
    pub fn is_mistake(&self) -> bool {
        matches!(self, Self::Files(_) | Self::Kubeconfig(_))
    }
}

impl From<KubeconfigError> for InjectorError {
    fn from(error: KubeconfigError) -> Self {
        Self::Kubeconfig(error.to_string())
    }
}

/// A webhook that has its addresses and answers nobody yet.
#[derive(Debug)]
pub struct Injector {
    config: InjectorConfig,
    webhook: TcpListener,
    status: Option<TcpListener>,
    state: Arc<State>,
    source: Source,
}

/// Where certificates come from.
#[derive(Debug)]
enum Source {
    Files(Files),
    Keeper(Box<Keeper>),
}

impl Injector {
    /// Reads the files that the configuration names, and binds its addresses.
    pub fn bind(config: InjectorConfig) -> Result<Self, InjectorError> {
        let state = Arc::new(State::default());
        let source = match &config.certificates {
            Certificates::Files { certificate, key } => {
                let mut files = Files::new(certificate, key);
                if let Some(pair) = files.read()? {
                    state.serve(pair, unix_seconds());
                }
                Source::Files(files)
            }
            Certificates::OwnAuthority(own) => {
                let access = match &own.cluster {
                    ClusterAt::Pod { host, port, account } => Access::of_pod(host, *port, account),
                    ClusterAt::Kubeconfig(path) => Access::of_kubeconfig(path)?,
                };
                let places = Places {
                    namespace: own.namespace.clone(),
                    secret: own.secret.clone(),
                    configuration: own.webhook_config.clone(),
                };
                let rules = Rules {
                    names: own.names(),
                    lifetime: own.lifetime,
                    authority_lifetime: own.authority_lifetime,
                };
                let keeper = Keeper::new(Cluster::new(access), places, rules, &state);
                Source::Keeper(Box::new(keeper))
            }
        };
        let webhook = bind("--listen", config.listen)?;
        let status = config.stats_listen.map(|addr| bind("--stats-listen", addr));
        let status = match status.transpose() {
            Err(error) if !config.stats_listen_is_asked_for => {
                tracing::warn!("nobody can ask how the webhook is: {error}");
                None
            }
            outcome => outcome?,
        };
        Ok(Self { config, webhook, status, state, source })
    }

    /// Where reviews are answered.
    pub fn webhook_addr(&self) -> Option<SocketAddr> {
        self.webhook.local_addr().ok()
    }

    /// Where the kubelet and Prometheus are answered, unless that is off.
    pub fn status_addr(&self) -> Option<SocketAddr> {
        self.status.as_ref()?.local_addr().ok()
    }

    /// Answers reviews until told to stop. `stop` gives what to wait for once more when it has been
    /// waited for once: at first to become unready, then to end at once.
    pub async fn run<S: Future<Output = ()>>(
        self,
        stop: impl Fn() -> S,
    ) -> Result<(), InjectorError> {
        if let Some(listen) = self.webhook_addr() {
            tracing::info!(%listen, "answering reviews");
        }
        if let Some(listen) = self.status_addr() {
            tracing::info!(%listen, "serving status");
        }
        let (drain, state) = (Drain::default(), self.state);
        Webhook::new(self.config.policy, &state).serve(self.webhook, &drain)?;
        if let Some(listener) = self.status {
            serve(listener, Arc::new(Status { state: Arc::clone(&state) }), &drain)?;
        }
        let (own, watched) = (drain.clone(), Arc::clone(&state));
        drain.spawn(async move {
            let certificates = async {
                match self.source {
                    Source::Files(files) => watch(files, &watched).await,
                    Source::Keeper(keeper) => keeper.run().await,
                }
            };
            tokio::select! {
                () = certificates => {}
                () = own.stopped() => {}
            }
        });
        stop().await;
        // Who asks is told to go elsewhere before the door is closed: word of it takes a while.
        state.stop();
        tracing::info!("stopping");
        tokio::select! {
            () = tokio::time::sleep(self.config.shutdown_delay) => {}
            () = stop() => {}
        }
        drain.stop().await;
        Ok(())
    }
}

/// Serves what is in the files, whenever that is new.
async fn watch(mut files: Files, state: &State) {
    loop {
        tokio::time::sleep(LOOK).await;
        match files.read() {
            Ok(None) => {}
            Ok(Some(pair)) => state.serve(pair, unix_seconds()),
            Err(error) => {
                state.measures.loaded(false);
                tracing::warn!("the certificate in service stays: {error}");
            }
        }
    }
}
