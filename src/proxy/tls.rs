//! TLS towards upstreams, by the keys of the config.

use std::path::Path;

use rustls::ClientConfig;

use super::error::ProxyError;
use crate::base::trust;

/// What a client needs to trust its upstream.
///
/// # Errors
/// As for [`trust::client`].
pub fn client(ca_file: Option<&Path>, required: bool) -> Result<ClientConfig, ProxyError> {
    trust::client(ca_file, required, "tls: {ca_file: roots.pem}").map_err(|untrusted| match untrusted.path {
        Some(path) => ProxyError::File { path, why: untrusted.why },
        None => ProxyError::Tls(untrusted.why),
    })
}
