//! What a client needs to trust a server: rustls with one provider, the system's roots and the operator's own.
//!
//! Promises: certificates are verified, always. What it will not do: speak, or show a certificate of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Why no server could be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// The file that is at fault, if one is.
    pub path: Option<PathBuf>,
    /// Why, for people.
    pub why: String,
}

impl std::fmt::Display for Untrusted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// Trust in the system's roots and in those of a file; `key` is what names such a file in the config.
///
/// # Errors
/// The file with further roots cannot be read or holds no certificate; or, where `required`, there is no root at all.
pub fn client(ca_file: Option<&Path>, required: bool, key: &str) -> Result<ClientConfig, Untrusted> {
    let untrusted = |why: String| Untrusted { path: None, why };
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (found, _) = roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    } else if found == 0 && required {
        let why = native.errors.first().map_or_else(String::new, |e| format!(" ({e})"));
        return Err(untrusted(format!(
            "the system has no root certificates{why}; install ca-certificates or name a file: {key}"
        )));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| untrusted(format!("TLS cannot be prepared: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), Untrusted> {
    let wrong = |why: String| Untrusted { path: Some(path.to_owned()), why };
    let mut count = 0usize;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(format!("holds a certificate that is no root: {e}")))?;
        count += 1;
    }
    if count == 0 { Err(wrong("holds no certificate".to_owned())) } else { Ok(()) }
}
