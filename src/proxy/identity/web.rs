//! Documents over HTTPS: one request, no redirect, a ceiling for the bytes and for the time.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, USER_AGENT};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use crate::base::limits::{DID_DOCUMENT_MAX, DID_FETCH_SECONDS};
use crate::proxy::tls;
use crate::proxy::upstream::Dial;

use super::resolve::Fetch;

/// Fetches documents. Not to be asked on a thread that serves: it waits.
#[derive(Debug)]
pub(crate) struct Web {
    ca_file: Option<PathBuf>,
}

impl Web {
    /// Fetching with the roots of the system, and those of a file.
    pub(crate) fn new(ca_file: Option<&Path>) -> Self {
        Self { ca_file: ca_file.map(Path::to_owned) }
    }

    async fn get(&self, url: &str) -> Result<Vec<u8>, String> {
        let client = tls::client(self.ca_file.as_deref(), true).map_err(|e| e.to_string())?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(client).https_only().enable_http1().enable_http2();
        let client: Client<_, Empty<Bytes>> =
            Client::builder(TokioExecutor::new()).build(connector.wrap_connector(Dial::from_env()));
        let request = http::Request::get(url)
            .header(ACCEPT, "application/did+json, application/did+ld+json, application/json")
            .header(USER_AGENT, concat!("servanda/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|e| e.to_string())?;
        let answer = client.request(request).await.map_err(|e| told(&e))?;
        match answer.status() {
            StatusCode::OK => {}
            status if status.is_redirection() => return Err(format!("it answers {status}; redirects are not followed")),
            status => return Err(format!("it answers {status}")),
        }
        let body = Limited::new(answer.into_body(), DID_DOCUMENT_MAX).collect().await;
        body.map(|body| body.to_bytes().to_vec()).map_err(|e| format!("its answer cannot be read: {e}"))
    }
}

impl Fetch for Web {
    fn fetch(&self, url: &str) -> Result<Vec<u8>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
        runtime.block_on(async {
            let limit = Duration::from_secs(DID_FETCH_SECONDS);
            tokio::time::timeout(limit, self.get(url)).await.unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
        })
    }
}

/// An error with what it comes from: the outer one alone says little.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

    use super::*;

    /// A server with a certificate for `localhost` that gives one answer again and again. Its port.
    async fn server(made: &rcgen::CertifiedKey<rcgen::KeyPair>, answer: String) -> u16 {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let (acceptor, socket) = (TlsAcceptor::from(Arc::new(tls)), tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap());
        let port = socket.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (acceptor, answer) = (acceptor.clone(), answer.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut head = [0u8; 4096];
                    let read = stream.read(&mut head).await.unwrap();
                    assert!(head[..read].starts_with(b"GET /agents/support/did.json HTTP/1.1\r\n"));
                    // Whoever has read enough hangs up.
                    stream.write_all(answer.as_bytes()).await.ok();
                    stream.shutdown().await.ok();
                });
            }
        });
        port
    }

    #[tokio::test]
    async fn over_https_alone_without_redirects_and_never_too_much() {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let roots = dir.path().join("roots.pem");
        std::fs::write(&roots, made.cert.pem()).unwrap();
        let whole = |status: &str, more: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\n{more}content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        };
        for (answer, wanted) in [
            (whole("200 OK", "", "{}"), Ok("{}")),
            (whole("302 Found", "location: https://other.example/did.json\r\n", ""), Err("redirects are not followed")),
            (whole("404 Not Found", "", "{}"), Err("404")),
            (whole("200 OK", "", &"x".repeat(DID_DOCUMENT_MAX + 1)), Err("cannot be read")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}".to_owned(), Err("cannot be read")),
            ("nonsense\r\n\r\n".to_owned(), Err("")),
        ] {
            let port = server(&made, answer).await;
            let url = crate::seal::document::place(&format!("did:web:localhost%3A{port}:agents:support")).unwrap();
            let ask = |roots: Option<PathBuf>| {
                let url = url.clone();
                tokio::task::spawn_blocking(move || Web::new(roots.as_deref()).fetch(&url))
            };
            match (ask(Some(roots.clone())).await.unwrap(), wanted) {
                (Ok(got), Ok(wanted)) => assert_eq!(got, wanted.as_bytes()),
                (Err(got), Err(wanted)) => assert!(got.contains(wanted), "{got}"),
                (got, wanted) => panic!("{got:?} instead of {wanted:?}"),
            }
            assert!(ask(None).await.unwrap().is_err(), "a certificate that nobody vouches for was believed");
        }
        let plain = Web::new(Some(&roots));
        let told = tokio::task::spawn_blocking(move || plain.fetch("http://localhost/did.json")).await.unwrap();
        assert!(told.is_err(), "asked in the clear");
    }
}
