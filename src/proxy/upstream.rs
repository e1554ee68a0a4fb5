//! Connections to upstreams: dialled under one time-out, through a proxy where the environment names
//! one, with TLS where the URL says so, pooled by authority.
//!
//! `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` are honoured as curl does, except that
//! loopback is always reached directly: the agent beside the sidecar is never behind a proxy.

use std::fmt;
use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderValue, Uri};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::base::limits::UPSTREAM_IDLE_MAX;

use super::body::{BoxError, Outgoing};
use super::config::Config;
use super::error::ProxyError;
use super::tls;

/// A client of one listener's upstream.
pub(super) type UpstreamClient<B> = Client<Within<HttpsConnector<Dial>>, Outgoing<B>>;

/// How upstreams are reached: the same for every listener.
#[derive(Clone)]
pub struct Upstreams {
    connector: Within<HttpsConnector<Dial>>,
    proxies: Arc<Matcher>,
}

impl fmt::Debug for Upstreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstreams").field("connect", &self.connector.limit).finish_non_exhaustive()
    }
}

impl Upstreams {
    /// Prepares TLS and reads the proxy variables of the environment.
    ///
    /// # Errors
    /// The roots cannot be read.
    pub fn new(config: &Config) -> Result<Self, ProxyError> {
        Self::with_proxies(config, Matcher::from_env())
    }

    /// The same with proxies named by the caller.
    ///
    /// # Errors
    /// As for [`Self::new`].
    pub fn with_proxies(config: &Config, proxies: Matcher) -> Result<Self, ProxyError> {
        let secure = config.listen.iter().any(|l| *l.upstream.scheme() == http::uri::Scheme::HTTPS);
        let client = tls::client(config.tls.ca_file.as_deref(), secure)?;
        let proxies = Arc::new(proxies);
        let dial = Dial { http: http_connector(), proxies: Arc::clone(&proxies) };
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(client)
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .wrap_connector(dial);
        Ok(Self { connector: Within { inner: https, limit: config.limits.connect }, proxies })
    }

    /// A pool of connections for request bodies of one type.
    pub(super) fn client<B>(&self) -> UpstreamClient<B>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + Unpin + 'static,
        B::Error: Into<BoxError>,
    {
        Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(90))
            .pool_max_idle_per_host(UPSTREAM_IDLE_MAX)
            .http2_adaptive_window(true)
            .http2_keep_alive_interval(Duration::from_secs(30))
            .build(self.connector.clone())
    }

    /// What a cleartext request to this upstream must show the proxy in between.
    pub(super) fn proxy_authorization(&self, upstream: &Uri) -> Option<HeaderValue> {
        if upstream.scheme_str() != Some("http") {
            return None;
        }
        intercept(&self.proxies, upstream).and_then(|proxy| proxy.basic_auth().cloned())
    }
}

fn http_connector() -> HttpConnector {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    http.set_keepalive(Some(Duration::from_mins(1)));
    http
}

fn intercept(proxies: &Matcher, target: &Uri) -> Option<hyper_util::client::proxy::matcher::Intercept> {
    let host = target.host()?.trim_start_matches('[').trim_end_matches(']');
    let loopback = host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if loopback { None } else { proxies.intercept(target) }
}

/// Opens a TCP connection to the target, or to the proxy that stands before it.
#[derive(Clone)]
pub struct Dial {
    http: HttpConnector,
    proxies: Arc<Matcher>,
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").finish_non_exhaustive()
    }
}

impl Dial {
    /// Dials directly, or through the proxy that the environment names.
    pub fn from_env() -> Self {
        Self { http: http_connector(), proxies: Arc::new(Matcher::from_env()) }
    }
}

type Connecting<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl Service<Uri> for Dial {
    type Response = Dialled;
    type Error = BoxError;
    type Future = Connecting<Dialled>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let mut http = self.http.clone();
        let Some(proxy) = intercept(&self.proxies, &target) else {
            let connecting = http.call(target);
            return Box::pin(async move { Ok(Dialled { io: connecting.await?, to_proxy: false }) });
        };
        let to = proxy.uri().clone();
        if to.scheme_str() != Some("http") {
            let why = format!("the proxy scheme `{}` is not supported; http is", to.scheme_str().unwrap_or_default());
            return Box::pin(async move { Err(why.into()) });
        }
        if target.scheme_str() == Some("https") {
            let mut tunnel = Tunnel::new(to, http);
            if let Some(auth) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(auth.clone());
            }
            let connecting = tunnel.call(target);
            return Box::pin(async move { Ok(Dialled { io: connecting.await?, to_proxy: false }) });
        }
        let connecting = http.call(to);
        Box::pin(async move { Ok(Dialled { io: connecting.await?, to_proxy: true }) })
    }
}

/// A connection, and whether cleartext requests on it go to a proxy and so name their target whole.
#[derive(Debug)]
pub struct Dialled {
    io: TokioIo<TcpStream>,
    to_proxy: bool,
}

impl Connection for Dialled {
    fn connected(&self) -> Connected {
        self.io.inner().connected().proxy(self.to_proxy)
    }
}

impl Read for Dialled {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buf)
    }
}

impl Write for Dialled {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bufs)
    }
}

/// A connector under one time-out for name, TCP, proxy and TLS together.
#[derive(Clone, Debug)]
pub struct Within<C> {
    inner: C,
    limit: Duration,
}

/// The connection did not stand in time.
#[derive(Debug)]
pub(super) struct ConnectTimeout(pub(super) Duration);

impl fmt::Display for ConnectTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no connection within {:?}", self.0)
    }
}

impl std::error::Error for ConnectTimeout {}

impl<C> Service<Uri> for Within<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
    C::Response: 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Connecting<C::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.inner.call(target);
        let limit = self.limit;
        Box::pin(async move {
            match tokio::time::timeout(limit, connecting).await {
                Ok(outcome) => outcome.map_err(Into::into),
                Err(_) => Err(ConnectTimeout(limit).into()),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_does_not_stand_in_time_is_given_up() {
        let never = tower::service_fn(|_: Uri| std::future::pending::<Result<(), BoxError>>());
        let mut within = Within { inner: never, limit: Duration::from_millis(1) };
        let error = within.call(Uri::from_static("http://h/")).await.unwrap_err();
        assert!(error.downcast_ref::<ConnectTimeout>().is_some());
    }

    #[tokio::test]
    async fn loopback_is_never_reached_through_a_proxy() {
        let proxies = Matcher::builder().all("http://u:p@proxy.example:3128").no("inside.example").build();
        let through = |uri| intercept(&proxies, &Uri::from_static(uri)).map(|p| p.uri().to_string());
        for direct in ["http://127.0.0.1:9000/", "http://localhost/", "http://[::1]:1/", "https://inside.example/"] {
            assert_eq!(through(direct), None, "{direct}");
        }
        assert_eq!(through("https://api.example.com/").as_deref(), Some("http://proxy.example:3128/"));
    }
}
