//! A client as an API server is one: TLS with a given authority and name, HTTP/1.1.

use super::hook::NAME;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// A connection on which reviews can be sent one after the other.
pub(crate) struct Client {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Client {
    /// Connects, believing only `authorities`, in PEM, and only a certificate for the Service.
    pub(crate) fn connect(addr: SocketAddr, authorities: &str) -> io::Result<Self> {
        Self::connect_as(addr, authorities, NAME)
    }

    pub(crate) fn connect_as(addr: SocketAddr, authorities: &str, name: &str) -> io::Result<Self> {
        Self::over(TcpStream::connect(addr)?, authorities, name)
    }

    /// The same from an address of this machine.
    pub(crate) fn connect_from(
        from: IpAddr,
        addr: SocketAddr,
        authorities: &str,
    ) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.connect(&addr.into())?;
        Self::over(socket.into(), authorities, NAME)
    }

    fn over(socket: TcpStream, authorities: &str, name: &str) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            roots.add(root.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut stream = StreamOwned::new(tls, socket);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream: BufReader::new(stream) })
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes)?;
        stream.flush()
    }

    /// Sends one request and reads its answer; the connection stays.
    pub(crate) fn ask(&mut self, line: &str, headers: &str, body: &[u8]) -> io::Result<Answer> {
        let length = body.len();
        let head =
            format!("{line} HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {length}\r\n{headers}\r\n");
        self.send(&[head.as_bytes(), body].concat())?;
        self.answer()
    }

    /// Sends a review.
    pub(crate) fn post(&mut self, body: &[u8]) -> io::Result<Answer> {
        self.ask("POST /mutate?timeout=5s", "Content-Type: application/json\r\n", body)
    }

    /// Reads one answer.
    pub(crate) fn answer(&mut self) -> io::Result<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.stream.read_line(&mut head)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
        });
        let mut body = vec![0; length.expect("answers tell their length")];
        self.stream.read_exact(&mut body)?;
        Ok(Answer { status, head, body })
    }

    /// Whether the other side closes before it says anything.
    pub(crate) fn is_closed(&mut self) -> bool {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(count) => count == 0,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// The response of an AdmissionReview.
    pub(crate) fn response(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert!(self.head.to_lowercase().contains("content-type: application/json\r\n"));
        let review: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(review["apiVersion"], "admission.k8s.io/v1");
        assert_eq!(review["kind"], "AdmissionReview");
        review["response"].clone()
    }
}

/// The operations of a response's patch.
pub(crate) fn operations(response: &Value) -> Value {
    assert_eq!(response["patchType"], "JSONPatch", "{response}");
    let patch = STANDARD.decode(response["patch"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&patch).unwrap()
}

/// The review of a pod that is to be made, as an API server sends it for a Deployment.
pub(crate) fn creation(pod: &Value) -> Value {
    json!({
        "kind": "AdmissionReview",
        "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": "9f0a4b5a-6f0f-4d9c-8f0e-9a5d7c7a2f11",
            "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" },
            "requestKind": { "group": "", "version": "v1", "kind": "Pod" },
            "requestResource": { "group": "", "version": "v1", "resource": "pods" },
            "namespace": "shop",
            "operation": "CREATE",
            "userInfo": {
                "username": "system:serviceaccount:kube-system:replicaset-controller",
                "uid": "6e6f1f0e-0a2e-4b0a-a0d3-3a1b8b2b6f6b",
                "groups": ["system:serviceaccounts", "system:authenticated"]
            },
            "object": pod,
            "oldObject": null,
            "dryRun": false,
            "options": { "kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1" }
        }
    })
}

/// The pod of a Deployment, as it comes to admission.
pub(crate) fn pod() -> Value {
    json!({
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "generateName": "web-7d4f9c8b5-",
            "creationTimestamp": null,
            "labels": { "app": "web", "version": "v2", "pod-template-hash": "7d4f9c8b5" },
            "annotations": { "team": "shop/checkout~1" },
            "ownerReferences": [{
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web-7d4f9c8b5",
                "uid": "1f3b8c7e-93f5-4e1c-8f4f-6f6e3c1d2a10",
                "controller": true,
                "blockOwnerDeletion": true
            }]
        },
        "spec": {
            "volumes": [{
                "name": "kube-api-access-x7k2p",
                "projected": {
                    "sources": [{
                        "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" }
                    }],
                    "defaultMode": 420
                }
            }],
            "containers": [{
                "name": "web",
                "image": "registry.example/web:2",
                "ports": [{ "name": "http", "containerPort": 8080, "protocol": "TCP" }],
                "resources": {},
                "readinessProbe": {
                    "httpGet": { "path": "/healthz", "port": "http", "scheme": "HTTP" },
                    "periodSeconds": 10
                },
                "volumeMounts": [{
                    "name": "kube-api-access-x7k2p",
                    "readOnly": true,
                    "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"
                }],
                "imagePullPolicy": "IfNotPresent",
                "aFieldOfTheFuture": { "kept": true }
            }],
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "enableServiceLinks": true
        },
        "status": {}
    })
}

const PATIENCE: Duration = Duration::from_secs(30);
