//! Certificates of listeners, read again when their files change.

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

/// A certificate chain and its key could not be used.
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
    /// There is no file descriptor left to read a file with: nothing is wrong with it.
    #[error("{file}: {problem}; {SHORTAGE_REMEDY}")]
    Shortage {
        /// Which file.
        file: String,
        /// What went wrong.
        problem: std::io::Error,
    },
    /// The key is of a kind that is not supported, or belongs to another certificate.
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

/// The certificate of one listener, swapped whole when its files change.
#[derive(Debug)]
pub struct Certificate {
    current: ArcSwap<CertifiedKey>,
    /// What it was read from, and of when that was.
    read: parking_lot::Mutex<(TlsFiles, Stamp)>,
    /// It changed and there was no file descriptor to read it with, which has been told.
    is_short: AtomicBool,
}

type Stamp = (Option<SystemTime>, Option<SystemTime>);

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// A file cannot be read, or the two do not belong together.
    pub fn read(files: &TlsFiles) -> Result<Self, CertificateError> {
        let stamp = stamp(files);
        let current = ArcSwap::from_pointee(load(files)?);
        let read = parking_lot::Mutex::new((files.clone(), stamp));
        Ok(Self { current, read, is_short: AtomicBool::new(false) })
    }

    /// Reads the files again if one has changed. The old certificate serves on when the new one cannot be used. Blocks on the
    /// disk, and keeps nobody else waiting meanwhile.
    pub fn reread(&self) {
        let (files, before) = self.read.lock().clone();
        let stamp = stamp(&files);
        if before == stamp {
            return;
        }
        let loaded = load(&files);
        let mut read = self.read.lock();
        if read.0 != files {
            // A reload has come first, and has read other files.
            return;
        }
        match loaded {
            Ok(fresh) => {
                self.current.store(Arc::new(fresh));
                tracing::info!(certificate = %files.certificate.display(), "certificate read again");
            }
            Err(error @ CertificateError::Shortage { .. }) => {
                // What changed is not known yet: the next look reads it.
                if !self.is_short.swap(true, Relaxed) {
                    tracing::error!(%error, "the certificate changed and cannot be read now; this is tried every second");
                }
                return;
            }
            Err(error) => tracing::error!(%error, "the certificate changed and cannot be used; the old one serves on"),
        }
        read.1 = stamp;
        self.is_short.store(false, Relaxed);
    }

    /// Goes on as the other one, whose files have just been read.
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
