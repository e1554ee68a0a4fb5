//! The whole config: read from a file or made from the short form, and checked across its sections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::base::diagnostic::Diagnostics;
use crate::base::document::{self, Value};
use crate::base::limits::{CONFIG_ENTRIES_MAX, DOCUMENT_MAX, PREDICATES_MAX};
use crate::base::names::{Lane, Mode};
use crate::proxy::error::ProxyError;

use super::evidence::{self, Evidence};
use super::facts::{self, FactSource, FactsMissing};
use super::listen::{self, Listener, Origin, Protocol, guess_lane};
use super::process::{self, Admin, Limits, Telemetry, Tls};
use super::read::Section;
use super::route::{self, Route};
use super::store::{self, Kept};
use super::trust::{self, Trust};

/// Everything the sidecar is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Whom the pacts must be about.
    pub agent: Option<String>,
    /// Whose signatures count; none: development.
    pub trust: Option<Trust>,
    /// Where the sidecar stands.
    pub listen: Vec<Listener>,
    /// Pact files; none: the built-in pact that only observes.
    pub pacts: Vec<PathBuf>,
    /// What is done with verdicts.
    pub routes: Vec<Route>,
    /// Which headers tell facts.
    pub facts: Vec<FactSource>,
    /// What happens when a fact has no source.
    pub facts_missing: FactsMissing,
    /// Predicates that may stay unenforced.
    pub accept_unenforced: Vec<String>,
    /// Ceilings.
    pub limits: Limits,
    /// The log.
    pub evidence: Evidence,
    /// Where sealed pacts are kept.
    pub store: Kept,
    /// The admin port.
    pub admin: Admin,
    /// TLS towards upstreams.
    pub tls: Tls,
    /// What the process says about itself.
    pub telemetry: Telemetry,
    /// Whether this was written in a file rather than made from the short form: then a fact without a
    /// source is a mistake.
    pub written: bool,
}

const KEYS: &[&str] = &[
    "version",
    "agent",
    "trust",
    "listen",
    "pacts",
    "routes",
    "facts",
    "facts_missing",
    "accept_unenforced",
    "callers",
    "limits",
    "evidence",
    "store",
    "fleet",
    "admin",
    "tls",
    "telemetry",
];

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// The file cannot be read, or has mistakes; then all of them.
    pub fn load(path: &Path) -> Result<(Self, Diagnostics), ProxyError> {
        let unreadable = |why: String| ProxyError::File { path: path.to_owned(), why };
        let size = std::fs::metadata(path).map_err(|e| unreadable(e.to_string()))?.len();
        if size > DOCUMENT_MAX as u64 {
            return Err(unreadable(format!("has {size} bytes; the limit is {DOCUMENT_MAX}")));
        }
        let text = std::fs::read_to_string(path).map_err(|e| unreadable(e.to_string()))?;
        let base = path.parent().unwrap_or(Path::new(""));
        let (config, mistakes) = Self::parse(&text, base);
        config.map(|config| (config, mistakes.clone())).ok_or_else(|| ProxyError::Config {
            name: path.display().to_string(),
            source: text,
            mistakes: Box::new(mistakes),
        })
    }

    /// Reads a text; relative paths are taken from `base`. The config is there unless there are errors;
    /// warnings may stand beside it.
    pub fn parse(text: &str, base: &Path) -> (Option<Self>, Diagnostics) {
        let root = match document::parse(text) {
            Ok(root) => root,
            Err(mistakes) => return (None, mistakes),
        };
        let mut out = Diagnostics::default();
        let config = Self::read(&Section::open(Some(&root), "", KEYS, &mut out), base, &mut out);
        out.sort();
        (config.filter(|_| !out.has_errors()), out)
    }

    /// The config of `run --upstream`: one listener, the pact if one is named, all else by default.
    ///
    /// # Errors
    /// The upstream is no URL, or its lane is not in this build.
    pub fn short(
        upstream: &str,
        pact: Option<&Path>,
        bind: Option<SocketAddr>,
        lane: Option<Lane>,
        evidence_dir: Option<&Path>,
    ) -> Result<Self, ProxyError> {
        let wrong = |why: String| ProxyError::Config {
            name: "command line".to_owned(),
            source: String::new(),
            mistakes: Box::new({
                let mut mistakes = Diagnostics::default();
                mistakes.error("short_form", "", crate::base::diagnostic::Span::default(), why);
                mistakes
            }),
        };
        let origin = Origin::parse(upstream).map_err(|why| wrong(format!("the upstream `{upstream}` {why}")))?;
        let lane = lane.unwrap_or_else(|| guess_lane(&origin));
        if lane == Lane::Egress {
            return Err(wrong(format!("the lane `{lane}` is not in this build; inbound, model and tools are")));
        }
        let evidence = Evidence::at(evidence_dir.map_or_else(|| PathBuf::from(evidence::DEFAULT_DIR), Path::to_owned));
        let bind = bind.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 8080)));
        let name = lane.as_str().to_owned();
        Ok(Self {
            agent: None,
            trust: None,
            listen: vec![Listener { name, bind, lane, upstream: origin, protocol: Protocol::Auto }],
            pacts: pact.map(Path::to_owned).into_iter().collect(),
            routes: Vec::new(),
            facts: Vec::new(),
            facts_missing: FactsMissing::Accept,
            accept_unenforced: Vec::new(),
            limits: Limits::default(),
            store: Kept::within(&evidence.dir),
            admin: Admin::beside(&evidence.dir),
            evidence,
            tls: Tls::default(),
            telemetry: Telemetry::default(),
            written: false,
        })
    }

    /// The config of `mcp -- COMMAND`: one listener that stands for the child.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn of_command(pact: Option<&Path>, evidence_dir: Option<&Path>) -> Result<Self, ProxyError> {
        // A child is reached by pipes: neither address is ever used.
        let mut config = Self::short("http://stdio.invalid/mcp", pact, None, Some(Lane::Tools), evidence_dir)?;
        for listener in &mut config.listen {
            "stdio".clone_into(&mut listener.name);
            listener.protocol = Protocol::Mcp;
        }
        Ok(config)
    }

    /// What holds for a listener: the route that names it, else the one that names none, else the
    /// default: `enforce` with a pact, `observe` without.
    pub fn route(&self, listener: &str) -> Route {
        let named = self.routes.iter().find(|r| r.listener.as_deref() == Some(listener));
        named
            .or_else(|| self.routes.iter().find(|r| r.listener.is_none()))
            .cloned()
            .unwrap_or_else(|| Route::new(if self.pacts.is_empty() { Mode::Observe } else { Mode::Enforce }))
    }

    fn read(root: &Section<'_>, base: &Path, out: &mut Diagnostics) -> Option<Self> {
        if !root.given() {
            out.error("empty", "", root.span(), "the config is empty").help("see the commented examples in `config/`");
            return None;
        }
        match root.node("version") {
            Some(node) if node.value == Value::Int(1) => {}
            Some(node) => {
                out.error("version", "version", node.span, "this build reads version 1 of the config").help("version: 1");
            }
            None => {
                out.error("missing", "version", root.span(), "`version` is missing").help("version: 1");
            }
        }
        root.refuse(
            "callers",
            "caller tokens are not verified in this build",
            "let a gateway verify them and tell facts by header: facts: {caller.id: {header: x-caller, from: [10.0.0.0/8]}}",
            out,
        );
        root.refuse("fleet", "fleets are not in this build", "remove `fleet`: state is kept in the process", out);
        let agent = root.text("agent", out).map(str::to_owned);
        if let (Some(agent), Some(node)) = (&agent, root.node("agent"))
            && !agent.starts_with("did:")
        {
            out.error("bad_name", "agent", node.span, format!("`{agent}` is not a DID"))
                .help("such as did:web:vendor.example:agents:support");
        }
        let listen = listen::read(root, out);
        let evidence = evidence::read(root, base, out);
        let config = Self {
            agent,
            trust: trust::read(root, base, out),
            pacts: root.texts("pacts", CONFIG_ENTRIES_MAX, out).iter().map(|p| base.join(p)).collect(),
            routes: route::read(root, &listen, out),
            facts: facts::read(root, out),
            facts_missing: facts::missing(root, out),
            accept_unenforced: root.texts("accept_unenforced", PREDICATES_MAX, out),
            limits: process::limits(root, out),
            store: store::read(root, base, &evidence.dir, out),
            admin: process::admin(root, base, &evidence.dir, out),
            tls: process::tls(root, base, out),
            telemetry: process::telemetry(root, out),
            listen,
            evidence,
            written: true,
        };
        config.across(root, out);
        Some(config)
    }

    /// Mistakes that only two sections together make.
    fn across(&self, root: &Section<'_>, out: &mut Diagnostics) {
        if self.pacts.is_empty()
            && let Some(index) = self.routes.iter().position(|r| r.mode != Mode::Observe)
        {
            let span = root.node("routes").map_or_else(|| root.span(), |n| n.span);
            out.error("contradiction", format!("routes[{index}].mode"), span, "without a pact the sidecar can only observe")
                .help("name a pact: pacts: [my.pact.yaml], or write mode: observe");
        }
        if self.pacts.len() > 1 {
            let span = root.node("pacts").map_or_else(|| root.span(), |n| n.span);
            out.error("too_many", "pacts", span, format!("{} documents; a sidecar keeps one", self.pacts.len()))
                .help("name the one pact of this agent, or a portfolio that says which tasks stand under which of its pacts");
        }
        if !self.facts.is_empty() && !self.listen.is_empty() && !self.listen.iter().any(|l| l.lane == Lane::Inbound) {
            let span = root.node("facts").map_or_else(|| root.span(), |n| n.span);
            out.warning("no_effect", "facts", span, "facts are taken on the inbound lane only, and no listener is on it");
        }
        for listener in &self.listen {
            if listener.bind == self.admin.bind && listener.bind.port() != 0 {
                out.error(
                    "duplicate",
                    "admin.bind",
                    root.span(),
                    format!("listener `{}` binds the admin address", listener.name),
                );
            }
        }
    }
}
