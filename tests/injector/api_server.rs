//! An API server that knows what the webhook needs of one: objects with versions, over TLS, with
//! tokens; and that fails when told to.

#![expect(clippy::disallowed_methods, reason = "a slow server sleeps")]

use super::hook::TestAuthority;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// Where the configuration and the Secret are.
pub(crate) const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/hook";
pub(crate) const SECRET: &str = "/api/v1/namespaces/mesh/secrets/certs";

/// A cluster's API server, as far as it matters.
pub(crate) struct ApiServer {
    state: Arc<Mutex<State>>,
    pub(crate) folder: TempDir,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    /// What goes wrong: for requests whose `METHOD path` begins so.
    fault: Option<(String, Fault)>,
    /// What was asked, and the status of the answer.
    log: Vec<(String, u16)>,
    /// What is done once before the next `METHOD path` that begins so.
    before: Option<(String, Change)>,
}

type Change = Box<dyn FnOnce(&mut Objects<'_>) + Send>;

/// Objects that somebody else changes.
pub(crate) struct Objects<'a>(&'a mut State);

/// How a request goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// With an answer of this status.
    Status(u16),
    /// The connection ends before the answer.
    Cut,
    /// The answer takes as long as this.
    Slow(Duration),
    /// The answer is no JSON.
    Garbage,
}

impl ApiServer {
    /// With the configuration of two webhooks, and no Secret.
    pub(crate) fn start() -> Self {
        let authority = TestAuthority::new();
        let (cert, key) = authority.issue(&["127.0.0.1", "kubernetes.default.svc"]);
        let chain = vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let this = Self { state: Arc::default(), folder: TempDir::new().unwrap() };
        this.change(|objects| objects.put(CONFIGURATION, configuration()));
        this.write_kubeconfig(addr, &authority.pem);
        let (state, config) = (Arc::clone(&this.state), Arc::new(config));
        thread::spawn(move || {
            for socket in listener.incoming() {
                let (state, config) = (Arc::clone(&state), Arc::clone(&config));
                // How a connection ends is nothing to this one.
                thread::spawn(move || drop(serve(socket.unwrap(), config, &state)));
            }
        });
        this
    }

    fn write_kubeconfig(&self, addr: SocketAddr, authority: &str) {
        fs::write(self.token(), "s3cr3t-t0ken\n").unwrap();
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{ "name": "test", "context": { "cluster": "test", "user": "test" } }],
            "clusters": [{ "name": "test", "cluster": {
                "server": format!("https://{addr}"),
                "certificate-authority-data": STANDARD.encode(authority),
            } }],
            "users": [{ "name": "test", "user": { "tokenFile": "token" } }],
        });
        fs::write(self.kubeconfig(), config.to_string()).unwrap();
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    /// The file with the token.
    pub(crate) fn token(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What is at a path now.
    pub(crate) fn object(&self, path: &str) -> Option<Value> {
        self.state().objects.get(path).cloned()
    }

    /// Changes objects, as somebody else would.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Objects<'_>)) {
        change(&mut Objects(&mut self.state()));
    }

    /// From now on requests that begin so go wrong.
    pub(crate) fn fail(&self, request: &str, fault: Fault) {
        self.state().fault = Some((request.to_owned(), fault));
    }

    /// Nothing goes wrong any more.
    pub(crate) fn heal(&self) {
        self.state().fault = None;
    }

    /// Just before the next request that begins so is answered, somebody else changes something.
    pub(crate) fn before(
        &self,
        request: &str,
        change: impl FnOnce(&mut Objects<'_>) + Send + 'static,
    ) {
        self.state().before = Some((request.to_owned(), Box::new(change)));
    }

    /// How many requests that begin so were answered with this status.
    pub(crate) fn answered(&self, request: &str, status: u16) -> usize {
        let state = self.state();
        let log = state.log.iter();
        log.filter(|(asked, answer)| asked.starts_with(request) && *answer == status).count()
    }

    /// The bundle of the first webhook, in PEM; both have the same.
    pub(crate) fn bundle(&self) -> String {
        let configuration = self.object(CONFIGURATION).unwrap();
        let bundles: Vec<&str> = (0..2)
            .map(|at| &configuration["webhooks"][at]["clientConfig"]["caBundle"])
            .map(|bundle| bundle.as_str().unwrap_or_default())
            .collect();
        assert_eq!(bundles[0], bundles[1]);
        String::from_utf8(STANDARD.decode(bundles[0]).unwrap()).unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

impl Objects<'_> {
    /// Puts an object in its place, with a new version.
    pub(crate) fn put(&mut self, path: &str, mut object: Value) {
        self.0.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.0.version.to_string());
        self.0.objects.insert(path.to_owned(), object);
    }

    pub(crate) fn remove(&mut self, path: &str) {
        self.0.objects.remove(path);
    }

    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.0.objects.get(path).cloned()
    }
}

fn configuration() -> Value {
    let webhook = |name: &str| {
        json!({
            "name": name,
            "clientConfig": {
                "service": { "namespace": "mesh", "name": "podmeter-injector", "path": "/mutate", "port": 443 }
            },
            "failurePolicy": "Ignore",
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "aFieldOfTheFuture": { "kept": [1, 2.50, null] }
        })
    };
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": { "name": "hook", "generation": 1, "managedFields": [{ "manager": "helm" }] },
        "webhooks": [webhook("namespace.podmeter.io"), webhook("pod.podmeter.io")]
    })
}

fn serve(socket: TcpStream, config: Arc<ServerConfig>, state: &Mutex<State>) -> io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let tls = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(tls, socket));
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
    }
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let request = head.split(" HTTP/1.1").next().unwrap().to_owned();
    let fault = {
        let state = state.lock().unwrap();
        state.fault.as_ref().filter(|(begins, _)| request.starts_with(begins)).map(|(_, f)| *f)
    };
    let answer = match fault {
        Some(Fault::Cut) => return Ok(()),
        Some(Fault::Garbage) => (200, "<html>not what you think</html>".to_owned()),
        Some(Fault::Status(code)) => (code, failure(code, "told to fail").to_string()),
        other => {
            if let Some(Fault::Slow(wait)) = other {
                thread::sleep(wait);
            }
            let is_known = header("authorization") == Some("Bearer s3cr3t-t0ken");
            let mut state = state.lock().unwrap();
            let (code, object) = if is_known {
                answered(&mut state, &request, &body)
            } else {
                (401, failure(401, "Unauthorized"))
            };
            (code, object.to_string())
        }
    };
    state.lock().unwrap().log.push((request, answer.0));
    let (code, body) = answer;
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {code} Status\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.get_mut().write_all(answer.as_bytes())?;
    stream.get_mut().flush()
}

fn answered(state: &mut State, request: &str, body: &[u8]) -> (u16, Value) {
    if state.before.as_ref().is_some_and(|(begins, _)| request.starts_with(begins)) {
        let (_, change) = state.before.take().unwrap();
        change(&mut Objects(state));
    }
    let (method, path) = request.split_once(' ').unwrap();
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    if method != "GET"
        && let Err(why) = valid(&sent)
    {
        return (422, failure(422, why));
    }
    let found = state.objects.get(path).cloned();
    match (method, found) {
        ("GET", Some(object)) => (200, object),
        ("POST", None) => {
            let name = sent["metadata"]["name"].as_str().unwrap();
            let path = format!("{path}/{name}");
            if state.objects.contains_key(&path) {
                return (409, failure(409, "already exists"));
            }
            Objects(state).put(&path, sent);
            (201, state.objects[&path].clone())
        }
        ("PUT", Some(object)) => {
            let version = &sent["metadata"]["resourceVersion"];
            if *version != object["metadata"]["resourceVersion"] {
                return (409, failure(409, "the object has been modified"));
            }
            Objects(state).put(path, sent);
            (200, state.objects[path].clone())
        }
        ("GET" | "PUT", None) => (404, failure(404, "not found")),
        _ => (405, failure(405, "not allowed")),
    }
}

/// What an API server checks of these objects.
fn valid(object: &Value) -> Result<(), &'static str> {
    let decoded = |value: &Value| STANDARD.decode(value.as_str().unwrap_or("%")).ok();
    match object["kind"].as_str() {
        Some("Secret") => {
            let data = object["data"].as_object().into_iter().flatten();
            data.map(|(_, value)| decoded(value))
                .try_for_each(|value| value.map(|_| ()).ok_or("illegal base64 data"))
        }
        Some("MutatingWebhookConfiguration") => {
            let webhooks = object["webhooks"].as_array().into_iter().flatten();
            webhooks.map(|webhook| &webhook["clientConfig"]["caBundle"]).try_for_each(|bundle| {
                let pem = decoded(bundle).ok_or("illegal base64 data")?;
                let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
                let is_bundle = all.is_ok_and(|all| !all.is_empty());
                if is_bundle { Ok(()) } else { Err("unable to load root certificates") }
            })
        }
        _ => Err("no kind"),
    }
}

fn failure(code: u16, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code })
}
