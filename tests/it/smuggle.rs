//! Requests whose end or target two readers could take differently: refused, and never forwarded.

use std::path::Path;

use servanda::proxy::Config;
use servanda::proxy::serve::PassThrough;

use crate::support::client::{raw, status};
use crate::support::upstream::Upstream;

async fn start(upstream: &Upstream) -> (PassThrough, std::net::SocketAddr) {
    let text = format!("version: 1\nlisten: [{{bind: \"127.0.0.1:0\", lane: inbound, upstream: \"{}\"}}]", upstream.url());
    let (config, _) = Config::parse(&text, Path::new(""));
    let proxy = PassThrough::start(&config.unwrap()).await.unwrap();
    let address = proxy.addresses()[0].1;
    (proxy, address)
}

const HEAD: &str = "POST /a HTTP/1.1\r\nHost: h\r\n";
const HIDDEN: &str = "GET /admin HTTP/1.1\r\nHost: h\r\n\r\n";

#[tokio::test]
async fn every_variant_is_refused_before_the_upstream() {
    let upstream = Upstream::start().await;
    let (_proxy, address) = start(&upstream).await;
    let cases: &[(&str, String)] = &[
        ("CL.TE", format!("{HEAD}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{HIDDEN}")),
        ("TE.CL", format!("{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{HIDDEN}")),
        ("two lengths", format!("{HEAD}Content-Length: 0\r\nContent-Length: 44\r\n\r\n{HIDDEN}")),
        ("two equal lengths", format!("{HEAD}Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi{HIDDEN}")),
        ("list of lengths", format!("{HEAD}Content-Length: 2, 2\r\n\r\nhi{HIDDEN}")),
        ("signed length", format!("{HEAD}Content-Length: +2\r\n\r\nhi")),
        ("coding with a tab", format!("{HEAD}Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n{HIDDEN}")),
        ("coding with a vertical tab", format!("{HEAD}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{HIDDEN}")),
        ("coding before chunked", format!("{HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")),
        ("chunked not last", format!("{HEAD}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n")),
        ("two codings", format!("{HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n")),
        ("coding twice", format!("{HEAD}Transfer-Encoding: chunked\r\nTransfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("space before the colon", format!("{HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n")),
        ("folded coding", format!("{HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n")),
        ("folded field", format!("{HEAD}X-A: b\r\n\tContent-Length: 2\r\n\r\nhi")),
        ("bare line feeds", "POST / HTTP/1.1\nHost: h\n\n".to_owned()),
        ("one bare line feed", format!("{HEAD}X-A: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")),
        ("bare CR", format!("{HEAD}X-A: b\rContent-Length: 2\r\n\r\nhi")),
        ("NUL", format!("{HEAD}X-A: b\0\r\n\r\n")),
        ("coding on HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned()),
        ("two hosts", format!("{HEAD}Host: i\r\nConnection: close\r\n\r\n")),
        ("no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned()),
        ("target and host differ", "GET http://other/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned()),
        ("other scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned()),
        ("dot segments", "GET /public/%2e%2E/admin HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned()),
        ("asterisk", "OPTIONS * HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned()),
        ("no version", "GET /\r\n\r\n".to_owned()),
    ];
    for (name, bytes) in cases {
        let answer = raw(address, bytes.as_bytes()).await;
        assert_eq!(status(&answer), Some(400), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.").count(), 1, "{name}: {answer}");
        assert!(upstream.idle(), "{name} reached the upstream");
    }
}

#[tokio::test]
async fn a_body_that_lies_about_its_end_is_never_whole() {
    let upstream = Upstream::start().await;
    let (_proxy, address) = start(&upstream).await;
    let chunked = format!("{HEAD}Transfer-Encoding: chunked\r\n\r\n");
    for body in [
        "3\r\nabcd\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "-1\r\n\r\n",
        "ffffffffffffffff\r\nabc",
        "3;a\rb\r\nabc\r\n0\r\n\r\n",
        "0\r\nX: a\r\n b\r\n\r\n",
    ] {
        let answer = raw(address, format!("{chunked}{body}{HIDDEN}").as_bytes()).await;
        assert!(matches!(status(&answer), Some(400) | None), "{body:?}: {answer}");
        assert!(answer.matches("HTTP/1.").count() <= 1, "{body:?}: {answer}");
        assert!(upstream.idle(), "{body:?} reached the upstream whole");
    }
}

#[tokio::test]
async fn tunnels_and_switches_are_refused() {
    let upstream = Upstream::start().await;
    let (_proxy, address) = start(&upstream).await;
    let answer = raw(address, b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&answer), Some(405), "{answer}");
    let answer = raw(
        address,
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n",
    )
    .await;
    assert_eq!(status(&answer), Some(426), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("\r\nupgrade: "), "{answer}");
    assert!(upstream.idle());
    // A client that merely offers HTTP/2 is served without it.
    let answer = raw(
        address,
        b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
    )
    .await;
    assert_eq!(status(&answer), Some(200), "{answer}");
    let seen = upstream.next().await;
    assert_eq!((seen.header("upgrade"), seen.header("http2-settings"), seen.header("connection")), (None, None, None));
}

#[tokio::test]
async fn heads_have_limits() {
    let upstream = Upstream::start().await;
    let (_proxy, address) = start(&upstream).await;
    let many: String = (0..200).map(|i| format!("X-{i}: a\r\n")).collect();
    let answer = raw(address, format!("{HEAD}{many}\r\n").as_bytes()).await;
    assert_eq!(status(&answer), Some(431), "{answer}");
    let long = "a".repeat(80 << 10);
    let answer = raw(address, format!("{HEAD}X-Long: {long}\r\n\r\n").as_bytes()).await;
    assert!(matches!(status(&answer), Some(431 | 400) | None), "{answer}");
    assert!(upstream.idle());
}

#[tokio::test]
async fn pipelined_requests_are_answered_one_by_one() {
    let upstream = Upstream::start().await;
    let (_proxy, address) = start(&upstream).await;
    let bytes = format!("{HEAD}Content-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    let answer = raw(address, bytes.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
    assert_eq!((upstream.next().await.uri.path(), upstream.next().await.uri.path()), ("/a", "/b"));
}
