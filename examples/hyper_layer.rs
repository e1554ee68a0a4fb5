//! The layer around a bare hyper service, without evidence.

use std::convert::Infallible;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use servanda::guard::{GuardLayer, GuardedBody};
use servanda::program::{Live, Program};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The agent: gives back what it was sent.
async fn echo(request: Request<GuardedBody<Incoming>>) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let body = request.into_body().collect().await?.to_bytes();
    Ok(Response::new(Full::new(body)))
}

/// Serves the guarded agent until the listener fails.
pub async fn serve(listener: TcpListener, pact: &str) -> Result<Infallible, Error> {
    let program = Program::compile_file(pact).map_err(|e| e.to_string())?;
    let guard = GuardLayer::builder(Live::new(program)).without_evidence().build();
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(guard.layer(service_fn(echo)));
        tokio::spawn(async move {
            if let Err(error) = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}

#[tokio::main]
#[allow(dead_code, reason = "a test runs `serve` alone")]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    eprintln!("listening on http://{}", listener.local_addr()?);
    serve(listener, "config/templates/customer-support.pact.yaml").await?;
    Ok(())
}
