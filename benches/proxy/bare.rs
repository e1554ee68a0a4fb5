//! The floor of our own stack: hyper's server and pooled client with nothing between them.

use std::convert::Infallible;

use hyper::body::Incoming;
use hyper::{Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

/// Passes everything on to the upstream that the environment names, until it is killed.
pub(crate) fn serve() {
    let upstream = std::env::var("SERVANDA_BENCH_UPSTREAM").unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let mut connector = hyper_util::client::legacy::connect::HttpConnector::new();
        connector.set_nodelay(true);
        let client: Client<_, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("listening on http://{}", listener.local_addr().unwrap());
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (client, upstream) = (client.clone(), upstream.clone());
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (client, upstream) = (client.clone(), upstream.clone());
                    async move { Ok::<_, Infallible>(pass(&client, &upstream, request).await) }
                });
                // A connection that breaks is the client's affair.
                drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await);
            });
        }
    });
}

async fn pass(
    client: &Client<hyper_util::client::legacy::connect::HttpConnector, Incoming>,
    upstream: &str,
    mut request: Request<Incoming>,
) -> Response<Incoming> {
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
    *request.uri_mut() = Uri::builder().scheme("http").authority(upstream).path_and_query(path).build().unwrap();
    client.request(request).await.unwrap()
}
