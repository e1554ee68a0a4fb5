//! `listen`: where the sidecar stands in the traffic, and what stands behind it.

use std::net::SocketAddr;

use http::Uri;
use http::uri::{Authority, Scheme};

use crate::base::diagnostic::Diagnostics;
use crate::base::document::Node;
use crate::base::limits::CONFIG_ENTRIES_MAX;
use crate::base::names::Lane;

use super::read::Section;

/// One address the sidecar accepts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Its name, unique, used by routes and in metrics.
    pub name: String,
    /// The address; port 0 picks a free one.
    pub bind: SocketAddr,
    /// Which way the guard faces.
    pub lane: Lane,
    /// Where requests go.
    pub upstream: Origin,
    /// What is spoken.
    pub protocol: Protocol,
}

/// Which wire protocol a listener expects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Told by each request.
    #[default]
    Auto,
    /// OpenAI's, with generic JSON and text beside it.
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// Gemini's `generateContent`.
    Gemini,
    /// MCP over Streamable HTTP.
    Mcp,
    /// Bedrock's `Converse` and `ConverseStream`.
    Bedrock,
    /// A2A, both versions and both bindings.
    A2a,
    /// AG-UI.
    AgUi,
    /// The `LangGraph` server.
    LangGraph,
    /// Google ADK's server.
    Adk,
    /// Any JSON or text.
    Generic,
}

impl Protocol {
    /// Its word in the config, which the adapters know too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Mcp => "mcp",
            Self::Bedrock => "bedrock",
            Self::A2a => "a2a",
            Self::AgUi => "ag-ui",
            Self::LangGraph => "langgraph",
            Self::Adk => "adk",
            Self::Generic => "generic",
        }
    }
}

/// Where an upstream stands: scheme, authority and base path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    scheme: Scheme,
    authority: Authority,
    /// Begins with a slash and does not end with one; empty for the root.
    base: String,
}

impl Origin {
    /// Reads `http://host[:port][/base]` or the same with `https`.
    ///
    /// # Errors
    /// What is wrong with it, as half a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: Uri = text.parse().map_err(|_| "is not a URL")?;
        let parts = uri.into_parts();
        let scheme = parts.scheme.ok_or("has no scheme: write http:// or https:// before it")?;
        if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
            return Err("has another scheme than http or https");
        }
        let authority = parts.authority.ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("carries a password: credentials travel in the requests");
        }
        if authority.host().is_empty() {
            return Err("names no host");
        }
        let path = parts.path_and_query;
        if path.as_ref().is_some_and(|p| p.query().is_some()) || text.contains('#') {
            return Err("has a query or fragment, which no request could keep");
        }
        let base = path.as_ref().map_or("", |p| p.path()).trim_end_matches('/').to_owned();
        Ok(Self { scheme, authority, base })
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Host and port as written.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The path put before that of every request; empty for none.
    pub fn base(&self) -> &str {
        &self.base
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}{}", self.scheme, self.authority, self.base)
    }
}

/// Host names of model providers, for the lane of the short form. `*.` stands for one or more labels.
const PROVIDERS: &[&str] = &[
    "api.openai.com",
    "*.openai.azure.com",
    "*.services.ai.azure.com",
    "api.anthropic.com",
    "generativelanguage.googleapis.com",
    "*.aiplatform.googleapis.com",
    "api.mistral.ai",
    "api.cohere.com",
    "api.deepseek.com",
    "api.groq.com",
    "api.x.ai",
    "api.together.xyz",
    "api.fireworks.ai",
    "openrouter.ai",
    "api.perplexity.ai",
    "router.huggingface.co",
];

/// The lane of an upstream that nobody named one for: `model` where its host is a known provider's or
/// its port is Ollama's, else `inbound`.
pub fn guess_lane(upstream: &Origin) -> Lane {
    let host = upstream.authority.host().to_ascii_lowercase();
    let provider = PROVIDERS.iter().any(|known| match known.strip_prefix('*') {
        Some(suffix) => host.ends_with(suffix),
        None => host == *known,
    });
    let bedrock = host.starts_with("bedrock-runtime.") && host.ends_with(".amazonaws.com");
    if provider || bedrock || upstream.authority.port_u16() == Some(11_434) { Lane::Model } else { Lane::Inbound }
}

/// Reads the list.
pub(super) fn read(root: &Section<'_>, out: &mut Diagnostics) -> Vec<Listener> {
    let items = root.list("listen", CONFIG_ENTRIES_MAX, out);
    let mut listeners: Vec<Listener> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let Some(listener) = one(item, &format!("listen[{index}]"), out) else { continue };
        if listeners.iter().any(|l| l.name == listener.name) {
            out.error(
                "duplicate",
                format!("listen[{index}].name"),
                item.span,
                format!("two listeners are named `{}`", listener.name),
            );
        }
        if listener.bind.port() != 0 && listeners.iter().any(|l| l.bind == listener.bind) {
            out.error("duplicate", format!("listen[{index}].bind"), item.span, format!("two listeners bind {}", listener.bind));
        }
        let target = listener.upstream.authority();
        if target.host().parse() == Ok(listener.bind.ip()) && target.port_u16() == Some(listener.bind.port()) {
            out.error(
                "loop",
                format!("listen[{index}].upstream"),
                item.span,
                format!("listener `{}` is its own upstream", listener.name),
            );
        }
        listeners.push(listener);
    }
    if items.is_empty() {
        out.error("missing", "listen", root.span(), "no listener")
            .help("listen: [{name: inbound, bind: 127.0.0.1:8080, lane: inbound, upstream: \"http://127.0.0.1:9000\"}]");
    }
    listeners
}

fn one(node: &Node, path: &str, out: &mut Diagnostics) -> Option<Listener> {
    let section = Section::open(Some(node), path, &["name", "bind", "lane", "upstream", "protocol", "tls"], out);
    if !section.given() {
        return None;
    }
    section.refuse(
        "tls",
        "a listener speaks cleartext in this build",
        "end TLS before the sidecar: bind it to loopback or the pod, or stand behind the mesh",
        out,
    );
    let lane = lane(&section, out);
    let name = section.text("name", out).map_or_else(|| lane.map_or("", Lane::as_str).to_owned(), str::to_owned);
    let bind = bind(&section, "bind", out);
    let upstream = upstream(&section, lane, out);
    let protocol = protocol(&section, out);
    Some(Listener { name, bind: bind?, lane: lane?, upstream: upstream?, protocol })
}

fn lane(section: &Section<'_>, out: &mut Diagnostics) -> Option<Lane> {
    let words: Vec<_> = Lane::ALL.iter().map(|l| (l.as_str(), Some(*l))).collect();
    let Some(node) = section.node("lane") else {
        out.error("missing", section.at("lane"), section.span(), "a listener needs its lane")
            .help("inbound: callers reach the agent through it; model: the agent reaches its model through it");
        return None;
    };
    let errors = out.errors();
    let lane = section.word("lane", &words, None, out);
    if out.errors() > errors {
        return None;
    }
    if matches!(lane, Some(Lane::Egress)) {
        out.error("not_in_this_build", section.at("lane"), node.span, "the lane `egress` is not in this build")
            .help("inbound, model and tools are; hosts in calls are judged on those");
        return None;
    }
    lane
}

/// An address to bind, which is required.
pub(super) fn bind(section: &Section<'_>, key: &str, out: &mut Diagnostics) -> Option<SocketAddr> {
    let Some(text) = section.text(key, out) else {
        if section.node(key).is_none() {
            out.error("missing", section.at(key), section.span(), format!("`{}` is missing", section.at(key)))
                .help("such as 127.0.0.1:8080");
        }
        return None;
    };
    let address = text.parse().ok();
    if address.is_none() {
        let span = section.node(key).map_or_else(|| section.span(), |n| n.span);
        out.error("bad_address", section.at(key), span, format!("`{text}` is not an address with a port"))
            .help("such as 127.0.0.1:8080, 0.0.0.0:8080 or [::]:8080");
    }
    address
}

fn upstream(section: &Section<'_>, lane: Option<Lane>, out: &mut Diagnostics) -> Option<Origin> {
    let Some(text) = section.text("upstream", out) else {
        if section.node("upstream").is_none() && lane.is_some() {
            out.error("missing", section.at("upstream"), section.span(), "a listener needs its upstream")
                .help("such as http://127.0.0.1:9000 or https://api.openai.com");
        }
        return None;
    };
    match Origin::parse(text) {
        Ok(origin) => Some(origin),
        Err(why) => {
            let span = section.node("upstream").map_or_else(|| section.span(), |n| n.span);
            out.error("bad_url", section.at("upstream"), span, format!("the upstream {why}"))
                .help("such as http://127.0.0.1:9000 or https://api.openai.com");
            None
        }
    }
}

fn protocol(section: &Section<'_>, out: &mut Diagnostics) -> Protocol {
    const ALL: [Protocol; 11] = [
        Protocol::Auto,
        Protocol::OpenAi,
        Protocol::Anthropic,
        Protocol::Gemini,
        Protocol::Bedrock,
        Protocol::Mcp,
        Protocol::A2a,
        Protocol::AgUi,
        Protocol::LangGraph,
        Protocol::Adk,
        Protocol::Generic,
    ];
    let built = ALL.map(|protocol| (protocol.as_str(), protocol));
    section.word("protocol", &built, Protocol::Auto, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        let origin = Origin::parse("https://api.example.com:8443/v1/").unwrap();
        assert_eq!(
            (origin.scheme().as_str(), origin.authority().as_str(), origin.base()),
            ("https", "api.example.com:8443", "/v1")
        );
        assert_eq!(origin.to_string(), "https://api.example.com:8443/v1");
        assert_eq!(Origin::parse("http://[::1]:9000").unwrap().base(), "");
        for bad in ["", "example.com", "/x", "ftp://x", "http://", "http://u:p@x", "http://x/?a=1", "http://x/#a", "http://a b"] {
            assert!(Origin::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn providers_are_the_model_lane() {
        let lane = |url| guess_lane(&Origin::parse(url).unwrap());
        assert_eq!(lane("https://API.OpenAI.com/v1"), Lane::Model);
        assert_eq!(lane("https://acme.openai.azure.com"), Lane::Model);
        assert_eq!(lane("http://127.0.0.1:11434"), Lane::Model);
        assert_eq!(lane("http://127.0.0.1:9000"), Lane::Inbound);
        assert_eq!(lane("https://evil-api.openai.com.example"), Lane::Inbound);
    }
}
