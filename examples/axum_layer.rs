//! The layer around an axum agent. Run it, then ask:
//!
//! ```sh
//! curl -i localhost:8080/chat -H 'content-type: application/json' -d '{"text": "My SSN is 536-22-8731"}'
//! ```

use axum::{Json, Router, routing::post};
use serde_json::{Value, json};
use servanda::evidence::Log;
use servanda::guard::GuardLayer;
use servanda::program::{Live, Program};

type Error = Box<dyn std::error::Error>;

/// The agent: says what it was told.
async fn chat(Json(question): Json<Value>) -> Json<Value> {
    Json(json!({"answer": question.get("text")}))
}

/// The agent behind its pact.
pub fn app(pact: &str, log: &Log) -> Result<Router, Error> {
    let program = Program::compile_file(pact)?;
    let guard = GuardLayer::builder(Live::new(program)).evidence(log.handle()).build();
    Ok(Router::new().route("/chat", post(chat)).layer(guard))
}

#[tokio::main]
#[allow(dead_code, reason = "a test runs `app` alone")]
async fn main() -> Result<(), Error> {
    let log = Log::open("evidence")?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    axum::serve(listener, app("config/templates/customer-support.pact.yaml", &log)?).await?;
    log.close()?;
    Ok(())
}
