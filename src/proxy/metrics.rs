//! The exporter: the recorder behind the `metrics` facade, rendered for Prometheus on demand.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::base::telemetry;

use super::error::ProxyError;

/// Judging takes microseconds: buckets from 1 µs to a tenth of a second.
const JUDGE_SECONDS: &[f64] = &[1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 1e-1];

/// What a stream waits for is mostly the next token.
const HOLD_SECONDS: &[f64] = &[1e-5, 1e-4, 1e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// From one open match to the ceiling of a channel.
const HELD_BYTES: &[f64] = &[1.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0];

/// From a cache hit beside us to a model that thinks.
const UPSTREAM_SECONDS: &[f64] = &[1e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// The exporter of the process. The first call installs its recorder; later ones share it.
///
/// # Errors
/// Another recorder was installed before.
pub fn exporter() -> Result<PrometheusHandle, ProxyError> {
    static EXPORTER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    let installed = EXPORTER.get_or_init(|| match install() {
        Ok(handle) => Some(handle),
        Err(error) => {
            tracing::warn!(%error, "metrics cannot be exported");
            None
        }
    });
    installed.clone().ok_or_else(|| ProxyError::Process("the metrics of this process go elsewhere already".to_owned()))
}

fn install() -> Result<PrometheusHandle, String> {
    let mut builder = PrometheusBuilder::new();
    for (name, buckets) in [
        ("servanda_judge_seconds", JUDGE_SECONDS),
        ("servanda_stream_hold_seconds", HOLD_SECONDS),
        ("servanda_stream_held_bytes", HELD_BYTES),
        ("servanda_upstream_seconds", UPSTREAM_SECONDS),
    ] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), buckets).map_err(|e| e.to_string())?;
    }
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|e| e.to_string())?;
    telemetry::build_info();
    Ok(handle)
}
