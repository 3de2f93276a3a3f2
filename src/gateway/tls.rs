//! Certificates of listeners, reloaded when their files change.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::config::TlsFiles;
use crate::net::{SHORTAGE_REMEDY, is_shortage};

/// A certificate chain and its key are unusable.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read or is not PEM.
    #[error("{file}: {problem}; it must be a PEM file with {expected}")]
    File {
        /// Which file.
        file: String,
        /// What went wrong.
        problem: String,
        /// What should be in it.
        expected: &'static str,
    },
    /// No file descriptor is left to read the file, which itself may be valid.
    #[error("{file}: {problem}; {SHORTAGE_REMEDY}")]
    Shortage {
        /// Which file.
        file: String,
        /// What went wrong.
        problem: std::io::Error,
    },
    /// The key has an unsupported type, or belongs to another certificate.
    #[error("{key} does not belong to {certificate}: {problem}")]
    Pair {
        /// The file of the certificate chain.
        certificate: String,
        /// The file of the key.
        key: String,
        /// What went wrong.
        problem: String,
    },
}

/// The certificate of one listener, replaced as a whole when its files change.
#[derive(Debug)]
pub struct Certificate {
    current: ArcSwap<CertifiedKey>,
    /// The files that it was read from, and their modification times.
    read: parking_lot::Mutex<(TlsFiles, Stamp)>,
    /// It changed, no file descriptor was left to read it, and this has been logged.
    is_short: AtomicBool,
}

type Stamp = (Option<SystemTime>, Option<SystemTime>);

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, or the key does not match the certificate.
    pub fn read(files: &TlsFiles) -> Result<Self, CertificateError> {
        let stamp = stamp(files);
        let current = ArcSwap::from_pointee(load(files)?);
        let read = parking_lot::Mutex::new((files.clone(), stamp));
        Ok(Self { current, read, is_short: AtomicBool::new(false) })
    }

    /// Reloads the files if one has changed. Keeps the previous certificate if the new one is invalid. Blocks on the
    /// disk, but holds no lock meanwhile.
    pub fn reread(&self) {
        let (files, before) = self.read.lock().clone();
        let stamp = stamp(&files);
        if before == stamp {
            return;
        }
        let loaded = load(&files);
        let mut read = self.read.lock();
        if read.0 != files {
            // A reload has changed the files meanwhile.
            return;
        }
        match loaded {
            Ok(fresh) => {
                self.current.store(Arc::new(fresh));
                tracing::info!(certificate = %files.certificate.display(), "certificate reloaded");
            }
            Err(error @ CertificateError::Shortage { .. }) => {
                // The next check reads the change.
                if !self.is_short.swap(true, Relaxed) {
                    tracing::error!(%error, "cannot read the changed certificate; retrying every second");
                }
                return;
            }
            Err(error) => tracing::error!(%error, "new certificate is invalid; keeping the previous one"),
        }
        read.1 = stamp;
        self.is_short.store(false, Relaxed);
    }

    /// Takes over the files and the content of `other`, which has just been read.
    pub fn turn_into(&self, other: &Self) {
        let of_other = other.read.lock().clone();
        let mut read = self.read.lock();
        *read = of_other;
        self.current.store(other.current.load_full());
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load_full())
    }
}

fn stamp(files: &TlsFiles) -> Stamp {
    let changed = |file: &Path| std::fs::metadata(file).and_then(|data| data.modified()).ok();
    (changed(&files.certificate), changed(&files.key))
}

fn load(files: &TlsFiles) -> Result<CertifiedKey, CertificateError> {
    let wrong = |file: &Path, problem: pem::Error, expected| match (file.display().to_string(), problem) {
        (file, pem::Error::Io(problem)) if is_shortage(&problem) => CertificateError::Shortage { file, problem },
        (file, problem) => CertificateError::File { file, problem: problem.to_string(), expected },
    };
    let expected = "the certificate chain, leaf first";
    let chain: Vec<_> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&files.certificate, error, expected))?;
    if chain.is_empty() {
        let (file, problem) = (files.certificate.display().to_string(), "no certificate in it".to_owned());
        return Err(CertificateError::File { file, problem, expected });
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| wrong(&files.key, error, "one private key (PKCS #8, PKCS #1 or SEC 1)"))?;
    let pair = |problem: &dyn std::fmt::Display| CertificateError::Pair {
        certificate: files.certificate.display().to_string(),
        key: files.key.display().to_string(),
        problem: problem.to_string(),
    };
    let key = any_supported_type(&key).map_err(|error| pair(&error))?;
    let certified = CertifiedKey::new(chain, key);
    match certified.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(certified),
        Err(error) => Err(pair(&error)),
    }
}
