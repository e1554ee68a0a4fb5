//! TLS towards upstreams: rustls with one provider, the system's roots and the operator's own.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::error::ProxyError;

/// What a client needs to trust its upstream.
///
/// # Errors
/// The file with further roots cannot be read or holds no certificate; or, where `required`, there is no
/// root at all.
pub fn client(ca_file: Option<&Path>, required: bool) -> Result<ClientConfig, ProxyError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    let (found, _) = roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    } else if found == 0 && required {
        let why = native.errors.first().map_or_else(String::new, |e| format!(" ({e})"));
        return Err(ProxyError::Tls(format!(
            "the system has no root certificates{why}; install ca-certificates or name a file: tls: {{ca_file: roots.pem}}"
        )));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| ProxyError::Tls(format!("TLS cannot be prepared: {error}")))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), ProxyError> {
    let wrong = |why: String| ProxyError::File { path: path.to_owned(), why };
    let mut count = 0usize;
    for certificate in CertificateDer::pem_file_iter(path).map_err(|e| wrong(e.to_string()))? {
        let certificate = certificate.map_err(|e| wrong(e.to_string()))?;
        roots.add(certificate).map_err(|e| wrong(format!("holds a certificate that is no root: {e}")))?;
        count += 1;
    }
    if count == 0 { Err(wrong("holds no certificate".to_owned())) } else { Ok(()) }
}
