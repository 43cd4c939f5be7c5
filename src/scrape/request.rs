//! What a request to a source says: its head, with secrets as the files have them now.

use super::deadline::TIMEOUT;
use super::error::Cause;
use super::intake::CODINGS;
use super::{Scraper, file};
use crate::config::{AppMetrics, Authorization, HeaderText, SourceHeader};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Uri};
use http_body_util::Empty;
use std::path::Path;
use tokio::time::Instant;

/// Writes the requests to one source.
#[derive(Debug)]
pub(super) struct Requests {
    /// Path and query.
    path: Uri,
    /// What every request says, unless a header of the source's own says otherwise.
    usual: HeaderMap,
    authorization: Authorization,
    headers: Vec<SourceHeader>,
}

impl Requests {
    pub(super) fn new(source: &AppMetrics) -> Self {
        let mut usual = HeaderMap::new();
        if let Ok(host) = HeaderValue::try_from(source.url.authority()) {
            usual.insert(HOST, host);
        }
        usual.insert(USER_AGENT, HeaderValue::from_static(OURSELVES));
        usual.insert(ACCEPT_ENCODING, HeaderValue::from_static(CODINGS));
        Self {
            path: source.url.path_and_query().clone().into(),
            usual,
            authorization: source.authorization.clone(),
            headers: source.headers.clone(),
        }
    }

    /// The head of the requests for one scrape; reads the files that it takes.
    pub(super) fn head(&self, scraper: &Scraper<'_>) -> Result<HeaderMap, Cause> {
        let mut head = self.usual.clone();
        head.insert(ACCEPT, HeaderValue::from_static(scraper.wants.accept()));
        for header in &self.headers {
            let value = match &header.value {
                HeaderText::Given(value) => value.clone(),
                HeaderText::File(path) => {
                    let option = "header-file";
                    secret_value(option, path, file::secret(option, path)?)?
                }
            };
            head.insert(header.name.clone(), value);
        }
        if let Some(authorization) = self.authorization(scraper)? {
            head.insert(AUTHORIZATION, authorization);
        }
        Ok(head)
    }

    /// A request with this head, which says how long is waited for the answer.
    pub(super) fn request(&self, head: &HeaderMap, deadline: Instant) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.path.clone();
        *request.headers_mut() = head.clone();
        let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
        if let Ok(left) = HeaderValue::try_from(format!("{left:.3}")) {
            request.headers_mut().insert(TIMEOUT, left);
        }
        request
    }

    /// What to try where a source refuses us for who we are.
    pub(super) fn advice(&self, scraper: &Scraper<'_>) -> &'static str {
        let written = self.headers.iter().any(|header| header.name == AUTHORIZATION);
        match self.authorization {
            Authorization::Forwarded if scraper.authorization.is_none() => {
                "; the scraper sent no Authorization to pass on"
            }
            Authorization::Forwarded => "; it was asked with the scraper's Authorization",
            Authorization::None if !written => {
                "; it was asked without a password or token (basic-auth-file=, bearer-token-file=)"
            }
            Authorization::None => "; it was asked with the Authorization of header=",
            Authorization::Basic(_) | Authorization::BasicPassword { .. } => {
                "; it was asked with the user and password of the file"
            }
            Authorization::Bearer(_) => "; it was asked with the token of bearer-token-file=",
        }
    }

    fn authorization(&self, scraper: &Scraper<'_>) -> Result<Option<HeaderValue>, Cause> {
        let value = match &self.authorization {
            Authorization::None => return Ok(None),
            Authorization::Forwarded => return Ok(scraper.authorization.cloned()),
            Authorization::Basic(path) => {
                let option = "basic-auth-file";
                let both = file::secret(option, path)?;
                if !both.contains(&b':') {
                    let why = "does not hold USER:PASSWORD".to_owned();
                    return Err(file::wrong(option, path, why));
                }
                secret_value(option, path, basic(&both))
            }
            Authorization::BasicPassword { user, file: path } => {
                let option = "basic-auth-password-file";
                let password = file::secret(option, path)?;
                let both = [user.as_bytes(), b":", &password].concat();
                secret_value(option, path, basic(&both))
            }
            Authorization::Bearer(path) => {
                let option = "bearer-token-file";
                let token = file::secret(option, path)?;
                secret_value(option, path, [b"Bearer ", token.trim_ascii()].concat())
            }
        };
        value.map(Some)
    }
}

/// The credentials of the basic scheme (RFC 7617, 2).
fn basic(both: &[u8]) -> Vec<u8> {
    format!("Basic {}", BASE64_STANDARD.encode(both)).into_bytes()
}

fn secret_value(option: &'static str, path: &Path, value: Vec<u8>) -> Result<HeaderValue, Cause> {
    let mut value = HeaderValue::try_from(value).map_err(|_| {
        file::wrong(option, path, "holds what no header can, such as a second line".to_owned())
    })?;
    value.set_sensitive(true);
    Ok(value)
}

const OURSELVES: &str = concat!("podmeter/", env!("CARGO_PKG_VERSION"));
