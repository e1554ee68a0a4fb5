//! The reverse proxy without a guard: what passes untouched, what ends at this hop, who is cancelled.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use servanda::proxy::Config;
use servanda::proxy::serve::PassThrough;
use tokio::sync::oneshot;

use crate::support::client::{self, body, get, http1, http2, next, post};
use crate::support::upstream::{Script, Upstream, paced};

/// A pass-through before `url`, on the inbound lane.
async fn before(url: &str, more: &str) -> (PassThrough, std::net::SocketAddr) {
    let text = format!("version: 1\nlisten: [{{name: a, bind: \"127.0.0.1:0\", lane: inbound, upstream: \"{url}\"}}]\n{more}\n");
    let (config, mistakes) = Config::parse(&text, Path::new(""));
    let config = config.unwrap_or_else(|| panic!("{}", mistakes.render("test", &text)));
    let proxy = PassThrough::start(&config).await.unwrap();
    let address = proxy.addresses()[0].1;
    (proxy, address)
}

async fn pair() -> (Upstream, PassThrough, std::net::SocketAddr) {
    let upstream = Upstream::start().await;
    let (proxy, address) = before(&upstream.url(), "").await;
    (upstream, proxy, address)
}

fn every_byte() -> Bytes {
    (0..70_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect::<Vec<_>>().into()
}

#[tokio::test]
async fn bodies_pass_byte_for_byte() {
    let (upstream, _proxy, address) = pair().await;
    for version2 in [false, true] {
        let sent = every_byte();
        upstream.will(Script::Whole(
            Response::builder().status(201).header("x-own", "ü=\u{e9}").body(Full::new(sent.clone())).unwrap(),
        ));
        let client = if version2 { http2() } else { http1() };
        let response = client.request(post(address, "/v1/x%2Fy?a=b&c=%20", sent.clone())).await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        assert_eq!(response.headers()["x-own"], "ü=\u{e9}");
        assert_eq!(response.headers()["content-length"], "70000");
        assert_eq!(body(response).await, sent);
        let seen = upstream.next().await;
        assert_eq!((seen.method, seen.uri.to_string()), (Method::POST, "/v1/x%2Fy?a=b&c=%20".to_owned()));
        assert_eq!((seen.version, seen.body), (Version::HTTP_11, sent));
        assert_eq!(seen.headers["content-length"], "70000");
    }
}

#[tokio::test]
async fn a_stream_passes_piece_by_piece() {
    let (upstream, _proxy, address) = pair().await;
    for version2 in [false, true] {
        let pace = upstream.will_pace("text/event-stream");
        let client = if version2 { http2() } else { http1() };
        let mut response = client.request(post(address, "/", "{}")).await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        for piece in ["data: a\n\n", "data: \u{1f600}", "\r\n\r\n: x\n\n", "data: [DONE]"] {
            // Each piece is read before the next is sent: nothing is held back.
            pace.send(piece).await;
            assert_eq!(next(&mut response).await.unwrap(), piece);
        }
        drop(pace);
        assert_eq!(next(&mut response).await, None);
        upstream.next().await;
    }
}

#[tokio::test]
async fn a_request_streams_while_its_answer_does() {
    let (upstream, _proxy, address) = pair().await;
    upstream.will(Script::Echo);
    let (pace, pieces) = paced();
    let request = Request::post(format!("http://{address}/")).body(pieces).unwrap();
    let mut response = http2().request(request).await.unwrap();
    for piece in ["one", "two"] {
        pace.send(piece).await;
        assert_eq!(next(&mut response).await.unwrap(), piece);
    }
    drop(pace);
    assert_eq!(next(&mut response).await, None);
}

#[tokio::test]
async fn secrets_pass_and_hop_by_hop_fields_end_here() {
    let (upstream, _proxy, address) = pair().await;
    upstream.will(Script::Whole(
        Response::builder()
            .header("connection", "x-hop")
            .header("x-hop", "1")
            .header("keep-alive", "timeout=5")
            .header("set-cookie", "a=b")
            .header("set-cookie", "c=d")
            .body(Full::from("ok"))
            .unwrap(),
    ));
    let mut request = post(address, "/", "x");
    for (name, value) in [
        ("authorization", "Bearer sk-test"),
        ("x-api-key", "k"),
        ("cookie", "s=1"),
        ("connection", "x-mine, close"),
        ("x-mine", "1"),
        ("proxy-authorization", "Basic eDp5"),
        ("te", "trailers, deflate"),
        ("accept-encoding", "gzip, compress"),
        ("user-agent", "test/1"),
        ("x-forwarded-for", "203.0.113.7"),
    ] {
        request.headers_mut().append(name, value.parse().unwrap());
    }
    let response = http1().request(request).await.unwrap();
    assert_eq!(response.headers().get("x-hop"), None);
    assert_eq!(response.headers().get("keep-alive"), None);
    assert_eq!(response.headers().get_all("set-cookie").iter().collect::<Vec<_>>(), ["a=b", "c=d"]);
    let seen = upstream.next().await;
    assert_eq!(seen.header("authorization"), Some("Bearer sk-test"));
    assert_eq!(seen.header("x-api-key"), Some("k"));
    assert_eq!(seen.header("cookie"), Some("s=1"));
    assert_eq!(seen.header("te"), Some("trailers"));
    assert_eq!(seen.header("accept-encoding"), Some("gzip, compress"));
    assert_eq!(seen.header("user-agent"), Some("test/1"));
    assert_eq!(seen.header("host"), Some(upstream.address.to_string().as_str()));
    assert_eq!(seen.header("x-forwarded-for"), Some("203.0.113.7, 127.0.0.1"));
    assert_eq!(seen.header("x-forwarded-host"), Some(address.to_string().as_str()));
    assert_eq!((seen.header("x-mine"), seen.header("proxy-authorization"), seen.header("keep-alive")), (None, None, None));
}

#[tokio::test]
async fn head_options_and_empty_answers() {
    let (upstream, _proxy, address) = pair().await;
    let plain = |method: &str| {
        Request::builder().method(method).uri(format!("http://{address}/x")).body(Full::<Bytes>::default()).unwrap()
    };
    upstream.will(Script::Whole(Response::builder().header("content-length", "1234").body(Full::default()).unwrap()));
    let head = http1().request(plain("HEAD")).await.unwrap();
    assert_eq!(head.headers()["content-length"], "1234");
    assert_eq!(body(head).await, "");
    for (method, status) in [("OPTIONS", 204), ("DELETE", 304), ("GET", 204)] {
        upstream.will(Script::Whole(Response::builder().status(status).header("x-own", "1").body(Full::default()).unwrap()));
        let response = http1().request(plain(method)).await.unwrap();
        assert_eq!((response.status().as_u16(), response.headers().contains_key("transfer-encoding")), (status, false));
        assert_eq!(body(response).await, "");
    }
    upstream.next().await;
    let seen = upstream.next().await;
    assert_eq!(
        (seen.method.clone(), seen.header("content-length"), seen.header("transfer-encoding")),
        (Method::OPTIONS, None, None)
    );
}

#[tokio::test]
async fn trailers_pass_cleaned() {
    let (upstream, _proxy, address) = pair().await;
    let (pace, pieces) = paced();
    upstream.will(Script::Paced(Response::builder().header("trailer", "x-sum, set-cookie").body(pieces).unwrap()));
    let (out, sent) = paced();
    let mut request = Request::post(format!("http://{address}/")).body(sent).unwrap();
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    request.headers_mut().insert("trailer", "x-sum, authorization".parse().unwrap());
    let trailers: HeaderMap = [("x-sum", "1"), ("authorization", "Bearer late"), ("set-cookie", "a=b")]
        .into_iter()
        .map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap()))
        .collect();
    let waiting = tokio::spawn(http1().request(request));
    out.send("a").await;
    out.trailers(trailers.clone()).await;
    drop(out);
    let response = waiting.await.unwrap().unwrap();
    pace.send("b").await;
    pace.trailers(trailers).await;
    drop(pace);
    let collected = response.into_body().collect().await.unwrap();
    let back = collected.trailers().unwrap().clone();
    assert_eq!(back.iter().map(|(n, v)| (n.as_str(), v.to_str().unwrap())).collect::<Vec<_>>(), [("x-sum", "1")]);
    let seen = upstream.next().await;
    assert_eq!(seen.trailers.unwrap().keys().map(http::HeaderName::as_str).collect::<Vec<_>>(), ["x-sum"]);
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_upstream_with_it() {
    let (upstream, _proxy, address) = pair().await;
    // In mid-answer, over both versions.
    for version2 in [false, true] {
        let pace = upstream.will_pace("text/event-stream");
        let client = if version2 { http2() } else { http1() };
        let mut response = client.request(post(address, "/", "{}")).await.unwrap();
        pace.send("data: a\n\n").await;
        next(&mut response).await.unwrap();
        drop((response, client));
        pace.gone().await;
    }
    // Before the answer began.
    let (mut late, answer) = oneshot::channel();
    upstream.will(Script::Late(answer));
    let waiting = tokio::spawn(http1().request(post(address, "/late", "{}")));
    while upstream.next().await.uri.path() != "/late" {}
    waiting.abort();
    late.closed().await;
}

#[tokio::test]
async fn connections_are_pooled() {
    let (upstream, _proxy, address) = pair().await;
    for _ in 0..5 {
        let response = http1().request(get(address, "/")).await.unwrap();
        assert_eq!(body(response).await, "ok");
    }
    assert_eq!(upstream.connections(), 1);
}

#[tokio::test]
async fn an_upstream_that_fails_is_a_problem_not_a_hang() {
    // Nobody listens.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_proxy, address) = before(&format!("http://{free}"), "").await;
    let response = http1().request(post(address, "/", "x")).await.unwrap();
    assert_eq!(
        (response.status(), &response.headers()["content-type"]),
        (StatusCode::BAD_GATEWAY, &"application/problem+json".parse().unwrap())
    );
    let problem: serde_json::Value = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!((problem["status"].as_u64(), problem["code"].as_str()), (Some(502), Some("upstream_unreachable")));

    // It takes the request and says nothing.
    let upstream = Upstream::start().await;
    let (_proxy, address) = before(&upstream.url(), "limits: {idle: 50ms}").await;
    let (_late, answer) = oneshot::channel();
    upstream.will(Script::Late(answer));
    let response = http1().request(post(address, "/", "x")).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);

    // It falls silent in mid-answer: the client sees a broken body, never a whole one.
    let pace = upstream.will_pace("text/plain");
    let response = http1().request(post(address, "/", "x")).await.unwrap();
    pace.send("half").await;
    assert!(response.into_body().collect().await.is_err());
    pace.gone().await;
}

#[tokio::test]
async fn an_upstream_that_closes_early_is_a_bad_gateway() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (_proxy, address) = before(&format!("http://{}", socket.local_addr().unwrap()), "").await;
    let upstream = tokio::spawn(async move {
        for answer in ["", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", "nonsense\r\n\r\n"] {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut head = [0u8; 1024];
            assert!(stream.read(&mut head).await.unwrap() > 0);
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    for _ in 0..3 {
        let response = http1().request(post(address, "/", "x")).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert!(String::from_utf8_lossy(&body(response).await).contains("upstream_failed"));
    }
    upstream.await.unwrap();
}

#[tokio::test]
async fn draining_lets_streams_end_and_takes_no_more() {
    let (upstream, proxy, address) = pair().await;
    let pace = upstream.will_pace("text/event-stream");
    let mut response = http1().request(post(address, "/", "{}")).await.unwrap();
    pace.send("a").await;
    next(&mut response).await.unwrap();
    let stopping = tokio::spawn(proxy.stop());
    // The stream goes on while the listener is gone.
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    pace.send("b").await;
    assert_eq!(next(&mut response).await.unwrap(), "b");
    drop(pace);
    assert_eq!(next(&mut response).await, None);
    assert_eq!(stopping.await.unwrap(), 0);
}

#[tokio::test]
async fn draining_gives_up_after_its_time() {
    let upstream = Upstream::start().await;
    let (proxy, address) = before(&upstream.url(), "limits: {drain: 1ms}").await;
    let pace = upstream.will_pace("text/event-stream");
    let mut response = http1().request(post(address, "/", "{}")).await.unwrap();
    pace.send("a").await;
    next(&mut response).await.unwrap();
    assert_eq!(proxy.stop().await, 1);
    assert!(response.into_body().collect().await.is_err());
    pace.gone().await;
}

#[tokio::test]
async fn tls_to_the_upstream_by_a_root_of_ones_own() {
    use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let roots = dir.path().join("roots.pem");
    std::fs::write(&roots, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    for (alpn, version) in [(&b"h2"[..], Version::HTTP_2), (b"http/1.1", Version::HTTP_11)] {
        let provider = std::sync::Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
        let mut tls = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.clone_key())
            .unwrap();
        tls.alpn_protocols = vec![alpn.to_vec()];
        let upstream = Upstream::start_tls(tls).await;
        let url = format!("https://localhost:{}/base", upstream.address.port());
        let (_proxy, address) = before(&url, &format!("tls: {{ca_file: \"{}\"}}", roots.display())).await;
        let response = http1().request(post(address, "/x", "body")).await.unwrap();
        assert_eq!(body(response).await, "ok");
        let seen = upstream.next().await;
        assert_eq!((seen.version, seen.uri.path(), seen.body), (version, "/base/x", Bytes::from("body")));
        // Without that root the upstream is not believed.
        let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let strange = dir.path().join("other.pem");
        std::fs::write(&strange, other.cert.pem()).unwrap();
        let (_proxy, address) = before(&url, &format!("tls: {{ca_file: \"{}\"}}", strange.display())).await;
        let response = http1().request(post(address, "/x", "body")).await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
        assert!(upstream.idle());
    }
}

#[tokio::test]
async fn interim_answers_are_our_own() {
    let (upstream, _proxy, address) = pair().await;
    let sent =
        format!("POST / HTTP/1.1\r\nHost: {address}\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    let answer = client::raw(address, sent.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{answer}");
    let seen = upstream.next().await;
    assert_eq!((seen.header("expect"), seen.body.clone()), (None, Bytes::from("hi")));
}
