//! The service beneath the guard: makes a request the next hop's own, forwards it, hands the answer on.
//!
//! Promises: it always answers; bodies stream both ways under back-pressure and are never collected;
//! dropping the answer (a client that left) drops the upstream exchange at once; there is no total
//! time-out. Usable alone as a plain reverse proxy, which is what the guard's cost is measured against.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::PROXY_AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

use crate::base::names::Lane;
use crate::guard::Peer;

use super::body::{Answer, BoxError, Outgoing, Paced, Progress};
use super::config::Origin;
use super::headers;
use super::problem::Problem;
use super::upstream::{ConnectTimeout, UpstreamClient, Upstreams};

/// What the service is to do beside forwarding.
#[derive(Clone, Debug)]
pub struct Forward {
    /// Where requests go.
    pub origin: Origin,
    /// Which way the guard faces: decides what is told about the caller.
    pub lane: Lane,
    /// Longest time without a byte.
    pub idle: Duration,
}

/// The reverse proxy for request bodies of type `B`.
pub struct Reverse<B> {
    shared: Arc<Shared>,
    // Every layer above is cloned once an exchange; a client has a dozen parts to clone.
    client: Arc<UpstreamClient<B>>,
}

struct Shared {
    forward: Forward,
    proxy_authorization: Option<HeaderValue>,
}

impl<B> Clone for Reverse<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), client: Arc::clone(&self.client) }
    }
}

impl<B> std::fmt::Debug for Reverse<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reverse").field("forward", &self.shared.forward).finish_non_exhaustive()
    }
}

impl<B> Reverse<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    /// A proxy to one upstream with a connection pool of its own.
    pub fn new(upstreams: &Upstreams, forward: Forward) -> Self {
        let root = Uri::builder()
            .scheme(forward.origin.scheme().clone())
            .authority(forward.origin.authority().clone())
            .path_and_query("/")
            .build()
            .unwrap_or_default();
        let proxy_authorization = upstreams.proxy_authorization(&root);
        Self { shared: Arc::new(Shared { forward, proxy_authorization }), client: Arc::new(upstreams.client()) }
    }
}

impl<B> Service<Request<B>> for Reverse<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Answer>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { shared, client } = self.clone();
        Box::pin(async move {
            let outcome = match shared.outgoing(request) {
                Ok((request, progress)) => shared.exchange(&client, request, &progress).await,
                Err(problem) => Err(problem),
            };
            Ok(match outcome {
                Ok(response) => shared.incoming(response),
                Err(problem) => {
                    tracing::warn!(upstream = %shared.forward.origin, code = problem.code, "{}", problem.detail);
                    problem.answer()
                }
            })
        })
    }
}

impl Shared {
    /// The request as the next hop gets it.
    fn outgoing<B: Body>(&self, request: Request<B>) -> Result<(Request<Outgoing<B>>, Arc<Progress>), Problem> {
        let (mut parts, body) = request.into_parts();
        let peer: Option<IpAddr> = parts.extensions.get::<Peer>().map(|p| p.0.ip());
        let authority = parts.uri.authority().and_then(|a| HeaderValue::from_str(a.as_str()).ok());
        parts.uri = target(&self.forward.origin, &parts.uri)?;
        let host = headers::request(&mut parts.headers).or(authority);
        if self.forward.lane == Lane::Inbound {
            headers::forwarded(&mut parts.headers, peer, host);
        }
        if let Some(value) = &self.proxy_authorization {
            parts.headers.insert(PROXY_AUTHORIZATION, value.clone());
        }
        parts.version = Version::HTTP_11;
        parts.extensions = http::Extensions::new();
        let (body, progress) = Outgoing::new(body);
        Ok((Request::from_parts(parts, body), progress))
    }

    /// Sends it and waits for the head of the answer: as long as bytes of the request still move, and
    /// for one idle time after.
    async fn exchange<B>(
        &self,
        client: &UpstreamClient<B>,
        request: Request<Outgoing<B>>,
        progress: &Progress,
    ) -> Result<Response<Incoming>, Problem>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        let answer = client.request(request);
        tokio::pin!(answer);
        let mut seen = progress.mark();
        let response = loop {
            if let Ok(outcome) = tokio::time::timeout(self.forward.idle, &mut answer).await {
                break outcome.map_err(|error| {
                    if progress.is_broken() {
                        Problem::bad_request("request_broken", "the request body broke off or its framing is wrong")
                    } else {
                        failure(&self.forward.origin, &error)
                    }
                })?;
            }
            let now = progress.mark();
            if now == seen {
                return Err(hung(now.1, self.forward.idle));
            }
            seen = now;
        };
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Problem::new(StatusCode::BAD_GATEWAY, "upstream_protocol", "the upstream switched protocols unasked"));
        }
        Ok(response)
    }

    /// The answer as the client gets it.
    fn incoming(&self, response: Response<Incoming>) -> Response<Answer> {
        let (mut parts, body) = response.into_parts();
        headers::strip_hop_by_hop(&mut parts.headers);
        parts.version = Version::HTTP_11;
        parts.extensions = http::Extensions::new();
        Response::from_parts(parts, Answer::Upstream(Paced::new(body, self.forward.idle)))
    }
}

/// The request's target at the upstream: the base path, then the path as it came. The root of a
/// listener is the base itself.
fn target(origin: &Origin, uri: &Uri) -> Result<Uri, Problem> {
    let asked = uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let unfit = || Problem::bad_request("bad_target", "the request target cannot be joined to the upstream's path");
    let path = match (origin.base(), asked.path()) {
        ("", _) => asked,
        (base, path) => {
            let mut joined = BytesMut::with_capacity(base.len() + asked.as_str().len());
            joined.extend_from_slice(base.as_bytes());
            if path != "/" {
                joined.extend_from_slice(path.as_bytes());
            }
            if let Some(query) = asked.query() {
                joined.extend_from_slice(b"?");
                joined.extend_from_slice(query.as_bytes());
            }
            PathAndQuery::from_maybe_shared(joined.freeze()).map_err(|_| unfit())?
        }
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(origin.scheme().clone());
    parts.authority = Some(origin.authority().clone());
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| unfit())
}

/// What a failed exchange means for the client. The cause goes to the log; the client learns the kind.
fn failure(origin: &Origin, error: &hyper_util::client::legacy::Error) -> Problem {
    let mut causes: Vec<String> = Vec::new();
    let mut timeout = None;
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        timeout = timeout.or_else(|| error.downcast_ref::<ConnectTimeout>().map(|t| t.0));
        causes.push(error.to_string());
        cause = error.source();
    }
    tracing::debug!(upstream = %origin, "{}", causes.join(": "));
    if let Some(limit) = timeout {
        return Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            "connect_timeout",
            format!("the upstream {}://{} did not accept a connection within {limit:?}", origin.scheme(), origin.authority()),
        );
    }
    if error.is_connect() {
        let last = causes.pop().unwrap_or_default();
        return Problem::new(
            StatusCode::BAD_GATEWAY,
            "upstream_unreachable",
            format!("no connection to the upstream {}://{}: {last}", origin.scheme(), origin.authority()),
        );
    }
    Problem::new(StatusCode::BAD_GATEWAY, "upstream_failed", "the upstream broke off before its answer began")
}

fn hung(body_sent: bool, limit: Duration) -> Problem {
    if body_sent {
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "upstream_timeout", format!("the upstream sent nothing for {limit:?}"))
    } else {
        Problem::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", format!("the request body stood still for {limit:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_paths_are_joined() {
        let joined =
            |origin, path: &'static str| target(&Origin::parse(origin).unwrap(), &Uri::from_static(path)).unwrap().to_string();
        assert_eq!(joined("https://api.example.com", "/v1/x?a=b"), "https://api.example.com/v1/x?a=b");
        assert_eq!(joined("https://api.example.com/v1/", "/chat"), "https://api.example.com/v1/chat");
        assert_eq!(joined("http://h:7000/mcp", "/"), "http://h:7000/mcp");
        assert_eq!(joined("http://h:7000/mcp", "/?q=1"), "http://h:7000/mcp?q=1");
        assert_eq!(joined("http://h/a", "http://other/b%2Fc"), "http://h/a/b%2Fc");
    }
}
