//! Each example, run.

use std::path::Path;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::ServiceExt;

#[path = "../../examples/axum_layer.rs"]
mod axum_layer;
#[path = "../../examples/hyper_layer.rs"]
mod hyper_layer;

fn template() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config/templates/customer-support.pact.yaml").to_str().unwrap().to_owned()
}

#[tokio::test]
async fn axum_agent_behind_its_pact() {
    let dir = tempfile::tempdir().unwrap();
    let log = servanda::evidence::Log::open(dir.path()).unwrap();
    let app = axum_layer::app(&template(), &log).unwrap();
    let ask = |text: &str| {
        let body = serde_json::json!({"text": text}).to_string();
        Request::post("/chat").header("content-type", "application/json").body(axum::body::Body::from(body)).unwrap()
    };
    let fine = app.clone().oneshot(ask("Where is my kettle?")).await.unwrap();
    assert_eq!(fine.status(), StatusCode::OK);
    assert_eq!(fine.into_body().collect().await.unwrap().to_bytes(), r#"{"answer":"Where is my kettle?"}"#);
    let refused = app.oneshot(ask("My SSN is 536-22-8731")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refused.headers()["x-servanda-verdict"], "block");
    drop(refused);
    log.close().unwrap();
}

#[tokio::test]
async fn hyper_agent_behind_its_pact() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { hyper_layer::serve(listener, &template()).await });
    let client = hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let ask = |text: &'static str| Request::post(format!("http://{address}/")).body(Full::new(Bytes::from(text))).unwrap();
    let fine = client.request(ask("Where is my kettle?")).await.unwrap();
    assert_eq!(fine.into_body().collect().await.unwrap().to_bytes(), "Where is my kettle?");
    let refused = client.request(ask("My SSN is 536-22-8731")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    server.abort();
}
