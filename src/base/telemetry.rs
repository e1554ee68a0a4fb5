//! The closed list of metric names, and the one place that emits them.
//!
//! The library speaks through the `metrics` facade; without a recorder every call is a no-op. Labels
//! are short closed words, never content, users or sessions.

use super::names::{Lane, Mode, UnjudgedReason};
use super::verdict::{Act, Severity};

/// One exchange ended.
pub fn exchange(lane: Lane, protocol: &'static str, act: Act, mode: Mode) {
    metrics::counter!("servanda_exchanges_total", "lane" => lane.as_str(), "protocol" => protocol,
        "verdict" => act.as_str(), "mode" => mode.as_str())
    .increment(1);
}

/// One predicate was violated.
pub fn violation(predicate: &str, severity: Severity) {
    metrics::counter!("servanda_violations_total", "predicate" => predicate.to_owned(), "severity" => severity.as_str())
        .increment(1);
}

/// Time spent judging one exchange.
pub fn judge_seconds(ns: u64) {
    metrics::histogram!("servanda_judge_seconds").record(ns as f64 / 1e9);
}

/// Something passed unread, or was refused because it could not be read.
pub fn not_inspected(reason: UnjudgedReason) {
    metrics::counter!("servanda_not_inspected_total", "reason" => reason.as_str()).increment(1);
}

/// A message was refused before there was an exchange: `framing` or `gate`.
pub fn refused(by: &'static str) {
    metrics::counter!("servanda_refused_total", "by" => by).increment(1);
}

/// Longest time and most bytes that one stream held back.
pub fn stream_hold(ns: u64, bytes: usize) {
    metrics::histogram!("servanda_stream_hold_seconds").record(ns as f64 / 1e9);
    metrics::histogram!("servanda_stream_held_bytes").record(bytes as f64);
}

/// Time the upstream took to its response head.
pub fn upstream_seconds(ns: u64) {
    metrics::histogram!("servanda_upstream_seconds").record(ns as f64 / 1e9);
}

/// Records made durable.
pub fn evidence_records(count: u64) {
    metrics::counter!("servanda_evidence_records_total").increment(count);
}

/// Bytes of the log on disk.
pub fn evidence_spool_bytes(bytes: u64) {
    metrics::gauge!("servanda_evidence_spool_bytes").set(bytes as f64);
}

/// Records that could not be written.
pub fn evidence_gap(count: u64) {
    metrics::counter!("servanda_evidence_gap_total").increment(count);
}

/// Records that a sink acknowledged.
pub fn sink_records(sink: &str, count: u64) {
    metrics::counter!("servanda_evidence_sink_records_total", "sink" => sink.to_owned()).increment(count);
}

/// Signed records that a sink has not got.
pub fn sink_lag(sink: &str, records: u64) {
    metrics::gauge!("servanda_evidence_sink_lag_records", "sink" => sink.to_owned()).set(records as f64);
}

/// A call of a sink failed: `later`, `settings`, `refused`, `fork` or `local`.
pub fn sink_failure(sink: &str, kind: &'static str) {
    metrics::counter!("servanda_evidence_sink_failures_total", "sink" => sink.to_owned(), "kind" => kind).increment(1);
}

/// Segments that went at the ceiling before every sink had them.
pub fn evidence_unshipped(segments: u64) {
    metrics::counter!("servanda_evidence_unshipped_total").increment(segments);
}

/// A reload ended: `loaded`, `unchanged` or `refused`.
pub fn reload(outcome: &'static str) {
    metrics::counter!("servanda_reload_total", "outcome" => outcome).increment(1);
}

/// Seconds until the first of the pacts in force expires.
pub fn pact_expires_seconds(seconds: f64) {
    metrics::gauge!("servanda_pact_expires_seconds").set(seconds);
}

/// Constant 1, labelled with the version.
pub fn build_info() {
    metrics::gauge!("servanda_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}
