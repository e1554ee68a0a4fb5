//! The sidecar at its edges: proxies named by the environment, the ceiling of connections, heads over HTTP/2.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use http::{Request, StatusCode};
use http_body_util::Full;
use servanda::proxy::Config;
use servanda::proxy::serve::PassThrough;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::client::{body, http1, http2, post};
use crate::support::running::Running;
use crate::support::upstream::Upstream;

pub(crate) async fn before(upstream: &Upstream, more: &str) -> (PassThrough, SocketAddr) {
    let listen = format!("{{bind: '127.0.0.1:0', lane: inbound, upstream: '{}'}}", upstream.url());
    let (config, _) = Config::parse(&format!("version: 1\nlisten: [{listen}]\n{more}\n"), Path::new(""));
    let proxy = PassThrough::start(&config.unwrap()).await.unwrap();
    let address = proxy.addresses()[0].1;
    (proxy, address)
}

/// The real binary before an upstream of this URL, with these variables.
fn running(folder: &Path, url: &str, more: &str, variables: &[(&str, &str)]) -> Running {
    let config = format!(
        "version: 1\nlisten: [{{bind: '127.0.0.1:0', lane: inbound, upstream: '{url}'}}]\nadmin: {{bind: '127.0.0.1:0'}}\nevidence: {{dir: log}}\n{more}\n"
    );
    std::fs::write(folder.join("servanda.yaml"), config).unwrap();
    Running::with(folder, &["run", "--config", "servanda.yaml"], variables)
}

#[tokio::test]
async fn a_cleartext_upstream_is_reached_through_the_proxy_of_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Upstream::start().await;
    let named = format!("http://u:p@{}", proxy.address);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let running = running(folder.path(), "http://api.example.test/base", "", &[(variable, &named)]);
        let response = http1().request(post(running.address, "/v1/x", "{}")).await.unwrap();
        assert_eq!((response.status(), body(response).await), (StatusCode::OK, "ok".into()), "{variable}");
        let seen = proxy.next().await;
        assert_eq!(seen.uri.to_string(), "http://api.example.test/base/v1/x", "{variable}");
        assert_eq!(seen.header("proxy-authorization"), Some("Basic dTpw"), "{variable}");
        assert_eq!(seen.header("host"), Some("api.example.test"), "{variable}");
    }
    // What is excepted is dialled directly, and there is nobody.
    let variables = [("HTTP_PROXY", named.as_str()), ("NO_PROXY", "api.example.test")];
    let running = running(folder.path(), "http://api.example.test", "limits: {connect: 200ms}", &variables);
    let response = http1().request(post(running.address, "/v1/x", "{}")).await.unwrap();
    assert!(response.status().is_server_error(), "{}", response.status());
    assert!(proxy.idle());
}

/// A proxy that opens tunnels to one place, whatever is asked for, and notes the heads.
async fn tunnels(to: SocketAddr) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = Arc::clone(&heads);
    tokio::spawn(async move {
        loop {
            let (mut client, _) = socket.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(client.read_u8().await.unwrap());
            }
            noted.lock().unwrap().push(String::from_utf8(head).unwrap());
            client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut upstream = TcpStream::connect(to).await.unwrap();
            tokio::spawn(async move { drop(tokio::io::copy_bidirectional(&mut client, &mut upstream).await) });
        }
    });
    (address, heads)
}

#[tokio::test]
async fn a_tls_upstream_is_reached_through_a_tunnel() {
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["api.example.test".to_owned()]).unwrap();
    std::fs::write(folder.path().join("roots.pem"), made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let tls = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let upstream = Upstream::start_tls(tls).await;
    let (proxy, heads) = tunnels(upstream.address).await;
    let named = format!("http://u:p@{proxy}");
    let running =
        running(folder.path(), "https://api.example.test/base", "tls: {ca_file: roots.pem}", &[("HTTPS_PROXY", &named)]);
    let response = http1().request(post(running.address, "/v1/x", "{}")).await.unwrap();
    assert_eq!((response.status(), body(response).await), (StatusCode::OK, "ok".into()));
    let seen = upstream.next().await;
    assert_eq!(
        (seen.uri.path(), seen.header("proxy-authorization")),
        ("/base/v1/x", None),
        "the tunnel's secret stays at its end"
    );
    let heads = heads.lock().unwrap();
    let head = heads[0].to_ascii_lowercase();
    assert!(head.starts_with("connect api.example.test:443 http/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: basic dtpw\r\n"), "{head}");
    assert_eq!(heads.len(), 1);
}

/// Asks on a connection that stays open, and reads the answer.
async fn ask(stream: &mut TcpStream, path: &str) {
    send(stream, path).await;
    answered(stream).await;
}

async fn send(stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.unwrap();
}

async fn answered(stream: &mut TcpStream) {
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        answer.push(stream.read_u8().await.unwrap());
    }
    assert!(answer.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test]
async fn a_connection_beyond_the_ceiling_waits_for_a_place() {
    let upstream = Upstream::start().await;
    let (_proxy, address) = before(&upstream, "limits: {connections_max: 2}").await;
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    ask(&mut first, "/1").await;
    ask(&mut second, "/2").await;
    let mut third = TcpStream::connect(address).await.unwrap();
    send(&mut third, "/3").await;
    // Those that have a place are served on and on; the third is not.
    for _ in 0..50 {
        ask(&mut first, "/1").await;
        ask(&mut second, "/2").await;
    }
    let mut byte = [0];
    assert_eq!(third.try_read(&mut byte).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    for _ in 0..102 {
        assert_ne!(upstream.next().await.uri.path(), "/3");
    }
    assert!(upstream.idle());
    drop(first);
    answered(&mut third).await;
    assert_eq!(upstream.next().await.uri.path(), "/3");
    ask(&mut second, "/2").await;
}

#[tokio::test]
async fn heads_over_http2_have_the_limits_of_heads_over_http1() {
    let upstream = Upstream::start().await;
    let (_proxy, address) = before(&upstream, "").await;
    let request = |fields: usize, length: usize| {
        let mut request = Request::get(format!("http://{address}/x"));
        for n in 0..fields {
            request = request.header(format!("x-field-{n}"), "v".repeat(length));
        }
        request.body(Full::<bytes::Bytes>::default()).unwrap()
    };
    let fits = http2().request(request(90, 100)).await.unwrap();
    assert_eq!(fits.status(), StatusCode::OK);
    upstream.next().await;
    for version2 in [false, true] {
        let client = || if version2 { http2() } else { http1() };
        let many = client().request(request(150, 1)).await.unwrap();
        assert_eq!(many.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HTTP/2: {version2}");
        // Refused by an answer or by a reset, as the framing layer sees fit.
        if let Ok(large) = client().request(request(20, 8 << 10)).await {
            assert_eq!(large.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "HTTP/2: {version2}");
        }
        assert!(upstream.idle());
    }
}
