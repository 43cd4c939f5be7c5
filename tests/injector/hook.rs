//! The built program, answering reviews.

use super::http;
use super::process::{Running, eventually};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The name that API servers call.
pub(crate) const NAME: &str = "podmeter-injector.mesh.svc";

/// A running `podmeter injector`; dropping it ends it.
pub(crate) struct Hook {
    pub(crate) program: Running,
    pub(crate) addr: SocketAddr,
    pub(crate) status: SocketAddr,
}

impl Hook {
    /// Starts with these flags; `name` is for its log, in `folder`.
    pub(crate) fn start(name: &str, folder: &Path, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_podmeter"));
        command.args(["injector", "--listen", "127.0.0.1:0", "--stats-listen", "127.0.0.1:0"]);
        command.args(["--log-level", "info,podmeter=debug"]).args(flags);
        // A flag beats it.
        command.env("PODMETER_INJECTOR_SHUTDOWN_DELAY", "0s");
        for variable in ["KUBERNETES_SERVICE_HOST", "KUBECONFIG"] {
            command.env_remove(variable);
        }
        let mut program = Running::start(name, &mut command, folder);
        let addr = announced(&mut program, "answering reviews listen=");
        let status = announced(&mut program, "serving status listen=");
        Self { program, addr, status }
    }

    /// With the certificate in `files`.
    pub(crate) fn with_files(files: &Files, flags: &[&str]) -> Self {
        let folder = files.folder.path();
        let (cert, key) = (files.cert(), files.key());
        let mut all =
            vec!["--tls-cert", cert.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
        all.extend(flags);
        Self::start("hook", folder, &all)
    }

    /// What `/readyz` says: the status and the text.
    pub(crate) fn ready(&self) -> (u16, String) {
        let reply = http::get(self.status, "/readyz");
        (reply.status, reply.text().trim().to_owned())
    }

    pub(crate) fn await_ready(&self) {
        eventually("it is ready", || match self.ready() {
            (200, _) => Ok(()),
            (_, why) => Err(why + "\n" + &self.program.said()),
        });
    }

    /// The sum of the samples whose line has all of `parts`.
    pub(crate) fn metric(&self, parts: &[&str]) -> f64 {
        let text = http::get(self.status, "/metrics").text().to_owned();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let lines = samples.filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    }

    /// Waits for a line of the log with `text` in it.
    pub(crate) fn await_log(&mut self, text: &str) {
        self.program.wait_for(text, |program| program.said().contains(text).then_some(()));
    }
}

fn announced(program: &mut Running, before: &str) -> SocketAddr {
    program.wait_for(before, |program| {
        let said = program.said();
        let (_, rest) = said.split_once(before)?;
        // Half a line may have been written.
        let (line, _) = rest.split_once('\n')?;
        Some(line.split_whitespace().next()?.parse().unwrap())
    })
}

/// An authority that is not the program's own, as cert-manager would be.
pub(crate) struct TestAuthority {
    params: CertificateParams,
    key: KeyPair,
    pub(crate) pem: String,
}

impl TestAuthority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    /// A certificate for `names`, and its key.
    pub(crate) fn issue(&self, names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        (params.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem())
    }
}

/// A folder with a certificate and its key.
pub(crate) struct Files {
    pub(crate) folder: TempDir,
    pub(crate) authority: TestAuthority,
}

impl Files {
    pub(crate) fn new() -> Self {
        let this = Self { folder: TempDir::new().unwrap(), authority: TestAuthority::new() };
        let (cert, key) = this.authority.issue(&[NAME]);
        std::fs::write(this.cert(), cert).unwrap();
        std::fs::write(this.key(), key).unwrap();
        this
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.folder.path().join("tls.crt")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("tls.key")
    }
}
