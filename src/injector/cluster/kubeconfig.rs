//! Reads what is needed of a kubeconfig: the current context's server, and who we are there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::access::{Access, Identity, Server, Text};

/// Why a kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("--kubeconfig is {}, {problem}", path.display())]
pub(in crate::injector) struct KubeconfigError {
    path: PathBuf,
    problem: Problem,
}

#[derive(Debug, thiserror::Error)]
enum Problem {
    #[error("which could not be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("but that is no kubeconfig: {0}")]
    Shape(String),
    #[error("but it has no {0}")]
    Missing(String),
    #[error("but its {0} is not in base64")]
    Base64(&'static str),
    #[error("but its server is {0:?}, which is no URL such as https://10.0.0.1:6443")]
    Server(String),
    #[error(
        "but its user asks another program for a token (exec or auth-provider), which is not done \
         here; give it a token or a client certificate"
    )]
    Program,
    #[error(
        "but its cluster has insecure-skip-tls-verify, which is not done here; name the cluster's \
         authority in certificate-authority"
    )]
    Insecure,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Kubeconfig {
    current_context: Option<String>,
    contexts: Vec<Named>,
    clusters: Vec<Named>,
    users: Vec<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: String,
    context: Context,
    cluster: Cluster,
    user: User,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct Cluster {
    server: String,
    certificate_authority: Option<PathBuf>,
    certificate_authority_data: Option<String>,
    tls_server_name: Option<String>,
    insecure_skip_tls_verify: bool,
}

#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct User {
    token: Option<String>,
    #[serde(rename = "tokenFile")]
    token_file: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_certificate_data: Option<String>,
    client_key: Option<PathBuf>,
    client_key_data: Option<String>,
    exec: Option<serde_json::Value>,
    auth_provider: Option<serde_json::Value>,
}

impl Access {
    /// As a kubeconfig says. Files that it names are beside it, unless their paths are whole.
    pub(in crate::injector) fn of_kubeconfig(path: &Path) -> Result<Self, KubeconfigError> {
        let read = || {
            let text = fs::read_to_string(path)?;
            of_text(&text, path.parent().unwrap_or(Path::new(".")))
        };
        read().map_err(|problem| KubeconfigError { path: path.to_owned(), problem })
    }
}

fn of_text(text: &str, folder: &Path) -> Result<Access, Problem> {
    let options = serde_saphyr::options! { with_snippet: false };
    let config: Kubeconfig =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| {
            // Only where: what is there may be secret.
            let line = error.without_snippet().location().map_or(1, |location| location.line());
            Problem::Shape(format!("line {line} is not as expected"))
        })?;
    let missing = |what: &str, name: &str| Problem::Missing(format!("{what} {name:?}"));
    let current = config.current_context.filter(|name| !name.is_empty());
    let current = current.ok_or_else(|| Problem::Missing("current-context".to_owned()))?;
    let named = |list: &'_ [Named], name: &str| list.iter().position(|item| item.name == name);
    let at = named(&config.contexts, &current).ok_or_else(|| missing("context", &current))?;
    let context = config.contexts[at].context.clone();
    let at = named(&config.clusters, &context.cluster);
    let cluster = &config.clusters[at.ok_or_else(|| missing("cluster", &context.cluster))?].cluster;
    let at = named(&config.users, &context.user);
    let user = &config.users[at.ok_or_else(|| missing("user", &context.user))?].user;

    let text = |data: &Option<String>, file: &Option<PathBuf>, name| match (data, file) {
        (Some(data), _) => {
            STANDARD.decode(data.trim()).map(|bytes| Some(Text::Here(bytes))).map_err(|_| name)
        }
        (None, Some(file)) => Ok(Some(Text::File(folder.join(file)))),
        (None, None) => Ok(None),
    };
    if cluster.insecure_skip_tls_verify {
        return Err(Problem::Insecure);
    }
    let roots = text(
        &cluster.certificate_authority_data,
        &cluster.certificate_authority,
        "certificate-authority-data",
    );
    let chain =
        text(&user.client_certificate_data, &user.client_certificate, "client-certificate-data");
    let key = text(&user.client_key_data, &user.client_key, "client-key-data");
    let identity = match (&user.token, &user.token_file, chain, key) {
        // The file beats the text (as kubectl has it).
        (_, Some(file), ..) => Identity::Token(Text::File(folder.join(file))),
        (Some(token), None, ..) => Identity::Token(Text::Here(token.clone().into_bytes())),
        (None, None, chain, key) => {
            match (chain.map_err(Problem::Base64)?, key.map_err(Problem::Base64)?) {
                (Some(chain), Some(key)) => Identity::Certificate { chain, key },
                _ if user.exec.is_some() || user.auth_provider.is_some() => {
                    return Err(Problem::Program);
                }
                _ => Identity::Nobody,
            }
        }
    };
    Ok(Access {
        server: server(&cluster.server).ok_or_else(|| Problem::Server(cluster.server.clone()))?,
        roots: roots.map_err(Problem::Base64)?.unwrap_or(Text::System),
        server_name: cluster.tls_server_name.clone(),
        identity,
    })
}

fn server(url: &str) -> Option<Server> {
    let uri: http::Uri = url.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let prefix = uri.path().trim_end_matches('/').to_owned();
    Some(Server { tls, host, port, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: &str = "\
apiVersion: v1
kind: Config
current-context: kind-a
preferences: {}
contexts:
- name: kind-a
  context: { cluster: kind-a, user: me, namespace: shop }
clusters:
- name: kind-a
  cluster:
    certificate-authority-data: YWJj
    server: https://[::1]:6443/prefix/
users:
- name: me
  user:
    tokenFile: token
    as-user-extra: {}
";

    fn problem(from: &str, to: &str) -> String {
        assert!(KIND.contains(from), "{from}");
        let text = KIND.replace(from, to);
        of_text(&text, Path::new("/k")).map(|_| ()).unwrap_err().to_string()
    }

    #[test]
    fn the_current_context_says_where_and_who() {
        let access = of_text(KIND, Path::new("/k")).unwrap();
        let server =
            Server { tls: true, host: "::1".to_owned(), port: 6443, prefix: "/prefix".to_owned() };
        assert_eq!(access.server, server);
        assert_eq!(access.server.authority(), "[::1]:6443");
        assert!(matches!(&access.roots, Text::Here(bytes) if bytes == b"abc"));
        let Identity::Token(Text::File(token)) = &access.identity else { panic!("no token") };
        assert_eq!(token, Path::new("/k/token"));
    }

    #[test]
    fn what_cannot_be_used_is_said() {
        assert_eq!(problem("current-context: kind-a", ""), "but it has no current-context");
        assert_eq!(
            problem("current-context: kind-a", "current-context: b"),
            "but it has no context \"b\""
        );
        assert_eq!(problem("cluster: kind-a, ", "cluster: b, "), "but it has no cluster \"b\"");
        assert_eq!(problem("user: me,", "user: you,"), "but it has no user \"you\"");
        assert!(problem("YWJj", "'%'").starts_with("but its certificate-authority-data is not"));
        assert!(problem("https:", "ftp:").starts_with("but its server is \"ftp:"));
        assert!(problem("tokenFile: token", "exec: {command: aws}").contains("another program"));
        let insecure = "insecure-skip-tls-verify: true";
        assert!(problem("certificate-authority-data: YWJj", insecure).contains("not done here"));
        assert!(problem("contexts:", "contexts: {").starts_with("but that is no kubeconfig: line"));
    }
}
