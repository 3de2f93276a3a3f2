//! The HTTP client of this room and those above.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use reqwest::{Client, Response, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::resources::{SHORTAGE_REMEDY, is_shortage};

/// Something in the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// Not a URL, or not of HTTP.
    #[error("{name}: the URL cannot be used ({why}): write `https://HOST/PATH`, or `http://` where the way is trusted")]
    Url {
        /// Whose URL.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The file of certification authorities.
    #[error("{file}: {why}; it must be a PEM file of certificates")]
    Authorities {
        /// Which file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// There is no file descriptor left to set it up with: nothing is wrong with the configuration.
    #[error("the HTTP client cannot be set up ({0}): {SHORTAGE_REMEDY}")]
    Shortage(std::io::Error),
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// A client that follows no redirects and knows no proxies. It trusts the system's authorities and those of the file.
///
/// # Errors
/// The file cannot be used, or TLS cannot be set up.
pub fn http_client(ca_file: Option<&Path>) -> Result<Client, HttpClientError> {
    let extra = ca_file.map(authorities).transpose()?.unwrap_or_default();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let wrong = |error: &dyn std::fmt::Display| HttpClientError::Client(error.to_string());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&error))?;
    let mut tls = match Verifier::new_with_extra_roots(extra, provider) {
        Ok(verifier) => builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth(),
        Err(error) => {
            // Plain HTTP works all the same, and may be all that is configured.
            tracing::warn!(%error, "no certification authorities are known; no https URL can be fetched");
            builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    };
    // It leaves out what it cannot read, and would do so until the next reload.
    let probe = [(); 2].map(|()| File::open("/dev/null"));
    if let Some(error) = probe.into_iter().filter_map(Result::err).find(is_shortage) {
        return Err(HttpClientError::Shortage(error));
    }
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .http1_only()
        .user_agent(concat!("streamgate/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| wrong(&error))
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, HttpClientError> {
    let wrong = |why: String| HttpClientError::Authorities { file: file.display().to_string(), why };
    let certificates = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = certificates.map_err(|error| match error {
        pem::Error::Io(error) if is_shortage(&error) => HttpClientError::Shortage(error),
        error => wrong(error.to_string()),
    })?;
    if certificates.is_empty() { Err(wrong("no certificate in it".to_owned())) } else { Ok(certificates) }
}

/// A URL that the client can fetch.
///
/// # Errors
/// It is none, or not of HTTP.
pub fn url_of(name: &str, text: &str) -> Result<Url, HttpClientError> {
    let wrong = |why: String| HttpClientError::Url { name: name.to_owned(), why };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("the scheme is `{other}`"))),
    }
}

/// The body, unless it is longer than `most` bytes. A longer one is not read to its end.
///
/// # Errors
/// It is longer, or the connection broke.
pub async fn body(mut response: Response, most: usize) -> Result<Vec<u8>, String> {
    let too_long = || format!("the body is longer than {most} bytes");
    if response.content_length().is_some_and(|length| length > most as u64) {
        return Err(too_long());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(error_chain)? {
        if body.len() + chunk.len() > most {
            return Err(too_long());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What went wrong, with its causes and without the URL, which may contain a token or a password.
pub fn error_chain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
