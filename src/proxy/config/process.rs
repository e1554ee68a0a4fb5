//! The process itself: limits, admin port, TLS towards upstreams, telemetry.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::diagnostic::Diagnostics;
use crate::base::limits as fixed;

use super::listen;
use super::read::Section;

/// Ceilings an operator may set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// One decoded body.
    pub body_max: usize,
    /// All decoded bodies in flight.
    pub body_total_max: usize,
    /// Text held back per channel of a stream.
    pub stream_hold_max: usize,
    /// One tool call in a stream.
    pub tool_call_max: usize,
    /// Silence after which a stream that holds back sends a comment.
    pub keep_alive: Duration,
    /// Exchanges at once.
    pub parallel_max: usize,
    /// Client connections at once.
    pub connections_max: usize,
    /// Until a connection to the upstream must stand.
    pub connect: Duration,
    /// Without a byte from the upstream. There is no total time-out.
    pub idle: Duration,
    /// For streams to end after a request to stop.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_max: fixed::BODY_MAX,
            body_total_max: fixed::BODY_TOTAL_MAX,
            stream_hold_max: fixed::STREAM_HOLD_MAX,
            tool_call_max: fixed::TOOL_CALL_MAX,
            keep_alive: Duration::from_secs(fixed::KEEP_ALIVE_SECONDS),
            parallel_max: fixed::PARALLEL_MAX,
            connections_max: fixed::CONNECTIONS_MAX,
            connect: Duration::from_secs(fixed::CONNECT_SECONDS),
            idle: Duration::from_secs(fixed::IDLE_SECONDS),
            drain: Duration::from_secs(fixed::DRAIN_SECONDS),
        }
    }
}

/// The admin port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admin {
    /// Its address.
    pub bind: SocketAddr,
    /// The token for what changes state; made on first run with mode 0600.
    pub token_file: PathBuf,
}

impl Admin {
    /// The default address, with the token in `dir`.
    pub fn beside(dir: &Path) -> Self {
        Self { bind: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9901), token_file: dir.join("admin.token") }
    }
}

/// TLS towards upstreams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// Further roots, PEM, beside those of the system.
    pub ca_file: Option<PathBuf>,
}

/// What the process says about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Form of the log.
    pub log: LogFormat,
}

/// Form of the log on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Reads `limits`.
pub(super) fn limits(root: &Section<'_>, out: &mut Diagnostics) -> Limits {
    const KEYS: &[&str] = &[
        "body_max",
        "body_total_max",
        "stream_hold_max",
        "tool_call_max",
        "keep_alive",
        "parallel_max",
        "connections_max",
        "connect",
        "idle",
        "drain",
    ];
    let section = Section::open(root.node("limits"), "limits", KEYS, out);
    let default = Limits::default();
    let size = |key: &str, default: usize, out: &mut Diagnostics| {
        usize::try_from(section.size(key, default as u64, out)).unwrap_or(usize::MAX)
    };
    let count = |key: &str, default: usize, out: &mut Diagnostics| {
        section.count(key, 1..=1_000_000, out).and_then(|n| usize::try_from(n).ok()).unwrap_or(default)
    };
    let limits = Limits {
        body_max: size("body_max", default.body_max, out),
        body_total_max: size("body_total_max", default.body_total_max, out),
        stream_hold_max: size("stream_hold_max", default.stream_hold_max, out),
        tool_call_max: size("tool_call_max", default.tool_call_max, out),
        keep_alive: section.duration("keep_alive", default.keep_alive, out),
        parallel_max: count("parallel_max", default.parallel_max, out),
        connections_max: count("connections_max", default.connections_max, out),
        connect: section.duration("connect", default.connect, out),
        idle: section.duration("idle", default.idle, out),
        drain: section.duration("drain", default.drain, out),
    };
    if limits.body_max > limits.body_total_max {
        out.error("contradiction", "limits.body_max", section.span(), "one body may be larger than all bodies together")
            .help("raise `body_total_max` or lower `body_max`");
    }
    limits
}

/// Reads `admin`; the token lies in the folder of the evidence unless named.
pub(super) fn admin(root: &Section<'_>, base: &Path, dir: &Path, out: &mut Diagnostics) -> Admin {
    let section = Section::open(root.node("admin"), "admin", &["bind", "token_file"], out);
    let default = Admin::beside(dir);
    Admin {
        bind: if section.node("bind").is_some() {
            listen::bind(&section, "bind", out).unwrap_or(default.bind)
        } else {
            default.bind
        },
        token_file: section.path("token_file", base, out).unwrap_or(default.token_file),
    }
}

/// Reads `tls`.
pub(super) fn tls(root: &Section<'_>, base: &Path, out: &mut Diagnostics) -> Tls {
    let section = Section::open(root.node("tls"), "tls", &["ca_file", "cert_file", "key_file", "client_ca_file"], out);
    for key in ["cert_file", "key_file", "client_ca_file"] {
        section.refuse(
            key,
            "TLS on listeners and client certificates are not in this build",
            "ca_file adds roots for the upstream; end TLS from callers before the sidecar",
            out,
        );
    }
    Tls { ca_file: section.path("ca_file", base, out) }
}

/// Reads `telemetry`.
pub(super) fn telemetry(root: &Section<'_>, out: &mut Diagnostics) -> Telemetry {
    let section = Section::open(root.node("telemetry"), "telemetry", &["log", "otlp"], out);
    section.refuse("otlp", "OTLP export is not in this build", "scrape /metrics of the admin port; the log goes to stderr", out);
    Telemetry { log: section.word("log", &[("text", LogFormat::Text), ("json", LogFormat::Json)], LogFormat::Text, out) }
}
