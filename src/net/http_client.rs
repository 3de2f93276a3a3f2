//! The HTTP client for outgoing requests.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use reqwest::{Client, Response, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::resources::{SHORTAGE_REMEDY, is_shortage};

/// The configuration of the client is invalid.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// Not an HTTP URL.
    #[error("{name}: invalid URL ({why}): write `https://HOST/PATH`, or `http://` in a trusted network")]
    Url {
        /// Owner of the URL.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// Invalid file of certification authorities.
    #[error("{file}: {why}; it must be a PEM file of certificates")]
    Authorities {
        /// The file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// No file descriptor is left. The configuration is fine.
    #[error("the HTTP client cannot be set up ({0}): {SHORTAGE_REMEDY}")]
    Shortage(std::io::Error),
    /// TLS cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}

/// A client that follows no redirects and uses no proxies. It trusts the system's authorities and those of the file.
///
/// # Errors
/// The file is invalid, or TLS cannot be set up.
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
            // Plain HTTP still works, and may be all that is configured.
            tracing::warn!(%error, "no certification authorities are known; no https URL can be fetched");
            builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth()
        }
    };
    // The client skips certificates that it cannot read, until the next reload.
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
/// It is not an HTTP URL.
pub fn url_of(name: &str, text: &str) -> Result<Url, HttpClientError> {
    let wrong = |why: String| HttpClientError::Url { name: name.to_owned(), why };
    let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(wrong(format!("the scheme is `{other}`"))),
    }
}

/// The body, up to `most` bytes. Stops reading a longer one.
///
/// # Errors
/// It is longer, or the connection failed.
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

/// The error with its causes, but without the URL, which may contain a token or password.
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
