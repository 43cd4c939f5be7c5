//! Sources that speak TLS, and those that pretend to.

use super::server::{Server, ok};
use super::*;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// A certificate and its key, in PEM.
#[derive(Clone)]
struct Identity {
    certificate: String,
    key: String,
}

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn signed(issuer: &Issuer, params: &CertificateParams) -> Identity {
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    Identity { certificate: certificate.pem(), key: key.serialize_pem() }
}

fn for_names(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
}

/// Answers every request with the name that was asked for in the greeting.
fn serve(identity: &Identity, clients: Option<&Issuer>) -> SocketAddr {
    accept(server_config(identity, clients), |mut stream| {
        while read_head(&mut stream) {
            let name = stream.conn.server_name().unwrap_or("nobody").to_owned();
            if stream.write_all(&ok(&name)).is_err() {
                return;
            }
        }
    })
}

/// Answers one request of each connection so, and then closes it below TLS.
fn serve_once(identity: &Identity, answer: &'static [u8]) -> SocketAddr {
    accept(server_config(identity, None), |mut stream| {
        if read_head(&mut stream) {
            stream.write_all(answer).unwrap();
            stream.flush().unwrap();
        }
    })
}

type Encrypted = StreamOwned<ServerConnection, TcpStream>;

fn accept(config: ServerConfig, answer: impl Fn(Encrypted) + Send + Copy + 'static) -> SocketAddr {
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let stream = StreamOwned::new(connection, stream.unwrap());
            thread::spawn(move || answer(stream));
        }
    });
    address
}

fn server_config(identity: &Identity, clients: Option<&Issuer>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(issuer) => {
            let mut roots = RootCertStore::empty();
            roots.add(issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = CertificateDer::pem_slice_iter(identity.certificate.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    builder.with_single_cert(chain, key).unwrap()
}

fn read_head(stream: &mut impl Read) -> bool {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return false,
        }
    }
    true
}

/// Files for the options, in a directory of their own.
struct Files(tempfile::TempDir);

impl Files {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn show(&self, name: &str, text: &str) -> String {
        self.write(name, text).display().to_string()
    }
}

/// What the source answers, or why there is no answer.
async fn asked(source: &str) -> Result<String, String> {
    let source: AppMetrics = source.parse().unwrap();
    let url = source.url.to_string();
    let body = fetch_once(&source, LIMIT, &Scraper::at(Instant::now() + PLENTY)).await;
    let told = |error: FetchError| error.to_string().replace(&format!("{url}: "), "");
    body.map(|body| String::from_utf8(body.bytes.to_vec()).unwrap()).map_err(told)
}

#[tokio::test]
async fn a_source_is_believed_whom_the_authorities_of_ca_vouch_for() {
    let (good, other, files) = (authority("good"), authority("other"), Files::new());
    let address = serve(&signed(&good, &for_names(&["127.0.0.1", "localhost"])), None);
    let ca = files.show("ca.pem", &format!("a comment\n{}{}", other.pem(), good.pem()));
    assert_eq!(asked(&format!("https://{address},ca={ca}")).await.unwrap(), "nobody");
    let by_name = format!("https://localhost:{}/m,ca={ca}", address.port());
    assert_eq!(asked(&by_name).await.unwrap(), "localhost");
    let ca = files.show("other.pem", &other.pem());
    assert_eq!(
        asked(&format!("https://{address},ca={ca}")).await.unwrap_err(),
        "could not be spoken to in TLS (its certificate is from nobody in the file of ca=)"
    );
    let error = asked(&format!("https://{address}")).await.unwrap_err();
    let told = ["from nobody whom this system trusts", "this system has no list of authorities"];
    assert!(told.iter().any(|told| error.contains(told)), "{error}");
}

#[tokio::test]
async fn a_certificate_that_is_its_own_authority_is_believed_if_it_is_the_one_in_ca() {
    let files = Files::new();
    // As `openssl req -x509` makes them.
    let own = |name: &str, names: &[&str]| {
        let mut params = for_names(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    };
    let (one, other) = (own("one", &["127.0.0.1"]), own("other", &["127.0.0.1"]));
    let address = serve(&one, None);
    let ca = files.show("one.pem", &one.certificate);
    asked(&format!("https://{address},ca={ca}")).await.unwrap();
    let misnamed = asked(&format!("https://{address},ca={ca},server-name=app")).await.unwrap_err();
    assert!(misnamed.contains("is not for app but for 127.0.0.1"), "{misnamed}");
    let ca = files.show("other.pem", &other.certificate);
    asked(&format!("https://{address},ca={ca}")).await.unwrap_err();

    let nameless = own("127.0.0.1", &[]);
    let address = serve(&nameless, None);
    let ca = files.show("nameless.pem", &nameless.certificate);
    asked(&format!("https://{address},ca={ca}")).await.unwrap();
    let ca = files.show("one.pem", &one.certificate);
    asked(&format!("https://{address},ca={ca}")).await.unwrap_err();
}

#[tokio::test]
async fn a_certificate_for_nobody_is_believed_only_if_it_is_the_one_in_ca() {
    let (good, files) = (authority("good"), Files::new());
    let nameless = signed(&good, &for_names(&[]));
    let address = serve(&nameless, None);
    let ca = files.show("ca.pem", &good.pem());
    let error = asked(&format!("https://{address},ca={ca}")).await.unwrap_err();
    assert!(error.contains("for no host at all (it has no subjectAltName)"), "{error}");
    let both = files.show("both.pem", &format!("{}{}", good.pem(), nameless.certificate));
    asked(&format!("https://{address},ca={both}")).await.unwrap();
}

#[tokio::test]
async fn a_body_that_ends_without_the_farewell_of_tls_is_none() {
    let (good, files) = (authority("good"), Files::new());
    let identity = signed(&good, &for_names(&["127.0.0.1"]));
    // Up to the end of the connection, which is closed below TLS.
    let address = serve_once(&identity, b"HTTP/1.0 200 OK\r\n\r\na 1\n");
    let ca = files.show("ca.pem", &good.pem());
    assert_eq!(
        asked(&format!("https://{address},ca={ca}")).await.unwrap_err(),
        "broke off after 4 bytes of its answer, none of which are used (the connection ended \
         without the farewell of TLS)"
    );
}

#[tokio::test]
async fn a_name_that_is_not_in_the_certificate_is_refused_unless_it_is_given() {
    let (good, files) = (authority("good"), Files::new());
    let address = serve(&signed(&good, &for_names(&["shop.example"])), None);
    let source = format!("https://{address},ca={}", files.show("ca.pem", &good.pem()));
    let error = asked(&source).await.unwrap_err();
    assert!(error.contains("is not for 127.0.0.1 but for shop.example; name whom"), "{error}");
    let source = format!("{source},server-name=shop.example");
    assert_eq!(asked(&source).await.unwrap(), "shop.example");
}

#[tokio::test]
async fn a_certificate_out_of_date_is_refused_and_told_so() {
    let (good, files) = (authority("good"), Files::new());
    let ca = files.show("ca.pem", &good.pem());
    for (from, to, told) in [
        (2001, 2002, "its certificate has expired"),
        (2090, 2091, "its certificate is not valid yet"),
    ] {
        let mut params = for_names(&["127.0.0.1"]);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let address = serve(&signed(&good, &params), None);
        let error = asked(&format!("https://{address},ca={ca}")).await.unwrap_err();
        assert_eq!(error, format!("could not be spoken to in TLS ({told})"));
        asked(&format!("https://{address},insecure-skip-verify=true")).await.unwrap();
    }
}

#[tokio::test]
async fn anybody_is_believed_only_where_asked_and_the_log_and_the_sources_say_so() {
    let address = serve(&signed(&authority("nobody"), &for_names(&["elsewhere"])), None);
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.clone());
    let source: AppMetrics =
        format!("https://{address},insecure-skip-verify=true,name=shop").parse().unwrap();
    let sources = tracing::subscriber::with_default(subscriber.finish(), || {
        Sources::new(&[source], LIMIT, &mut Registry::default())
    });
    ask(&sources).await.unwrap();
    let warned = log.text();
    assert!(warned.contains("WARN") && warned.contains("any certificate is believed"), "{warned}");
    let notes = sources.health().remove(0).notes;
    assert!(notes.iter().any(|note| note.contains("any certificate is believed")), "{notes:?}");
    asked(&format!("https://{address}")).await.unwrap_err();
}

#[tokio::test]
async fn our_own_certificate_is_shown_where_one_is_asked_for() {
    let (servers, clients, files) = (authority("servers"), authority("clients"), Files::new());
    let address = serve(&signed(&servers, &for_names(&["127.0.0.1"])), Some(&clients));
    let source = format!("https://{address},ca={}", files.show("ca.pem", &servers.pem()));
    let mut params = CertificateParams::default();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let ours = signed(&clients, &params);
    let cert = files.show("cert.pem", &ours.certificate);
    let key = files.show("key.pem", &ours.key);
    asked(&format!("{source},cert={cert},key={key}")).await.unwrap();

    let error = asked(&source).await.unwrap_err();
    assert!(error.starts_with("could not be spoken to in TLS ("), "{error}");
    let theirs = signed(&servers, &params);
    let wrong = files.show("wrong.pem", &theirs.key);
    let error = asked(&format!("{source},cert={cert},key={wrong}")).await.unwrap_err();
    assert!(error.contains("which does not go with cert="), "{error}");
}

#[tokio::test]
async fn a_connection_is_kept_and_files_that_changed_hold_for_the_next() {
    let (old, new, files) = (authority("old"), authority("new"), Files::new());
    let identity = signed(&new, &for_names(&["127.0.0.1"]));
    let address = serve(&identity, None);
    let ca = files.write("ca.pem", &old.pem());
    let sources = sources(&[&format!("https://{address},ca={}", ca.display())]);
    ask(&sources).await.unwrap_err();
    // As Kubernetes changes a mounted Secret: another file takes the name.
    std::fs::rename(files.write("new.pem", &new.pem()), &ca).unwrap();
    ask(&sources).await.unwrap();
    ask(&sources).await.unwrap();
    std::fs::remove_file(&ca).unwrap();
    ask(&sources).await.unwrap();
}

#[tokio::test]
async fn what_is_not_tls_is_told_so() {
    let plain = Server::start(|_, mut peer| {
        peer.send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        peer.wait_until_gone();
    });
    let error = asked(&format!("https://{}", plain.address())).await;
    // Where the system has no authorities nothing is said to the source.
    if let Err(error) = error {
        assert!(error.contains("not TLS; is it http://?") || error.contains("no list"), "{error}");
    }
    let insecure = |address| format!("https://{address},insecure-skip-verify=true");
    let error = asked(&insecure(plain.address())).await.unwrap_err();
    assert!(error.contains("what answers there is not TLS; is it http://?"), "{error}");
    let silent = Server::start(|_, peer| drop(peer));
    let error = asked(&insecure(silent.address())).await.unwrap_err();
    assert!(error.contains("the connection ended before TLS was agreed on"), "{error}");
    let encrypted = serve(&signed(&authority("a"), &for_names(&["a"])), None);
    let error = asked(&format!("http://{encrypted}")).await.unwrap_err();
    assert!(error.starts_with("did not answer in HTTP/1 (") || error.contains("closed"), "{error}");
}

#[tokio::test]
async fn a_greeting_that_is_never_answered_costs_the_deadline() {
    let server = Server::start(|_, mut peer| peer.wait_until_gone());
    let source = format!("https://{},insecure-skip-verify=true", server.address());
    let error = ask_within(&sources(&[&source]), SHORT).await.unwrap_err();
    assert!(matches!(error.cause, Cause::NoConnection(_)), "{error}");
}

#[test]
fn files_of_no_use_are_refused_before_anything_starts() {
    let (files, good) = (Files::new(), authority("good"));
    let refused = |options: &str| {
        let source: AppMetrics = format!("https://a,{options}").parse().unwrap();
        check(&[source]).unwrap_err().to_string()
    };
    let empty = files.write("empty", "");
    let broken = files.write("broken", "-----BEGIN CERTIFICATE-----\nMIIB\n");
    for path in [&empty, &broken] {
        let told = refused(&format!("ca={}", path.display()));
        assert!(told.contains("its ca= is "), "{told}");
        assert!(told.ends_with("which holds no certificate in PEM, or a broken one"), "{told}");
    }
    let told = refused(&format!("ca={}", files.0.path().join("none").display()));
    assert!(told.ends_with("which could not be read (No such file or directory (os error 2))"));
    assert!(refused(&format!("ca={}", files.0.path().display())).contains("it is no file"));
    assert!(refused("ca=/dev/zero").contains("it is no file"));
    let cert = files.write("cert", &good.pem());
    let told = refused(&format!("cert={},key={}", cert.display(), empty.display()));
    assert!(told.ends_with("which holds no private key in PEM"), "{told}");
    let useful = |path: &Path| format!("https://a,ca={}", path.display()).parse().unwrap();
    check(&[useful(&cert)]).unwrap();
}

/// Collects what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
