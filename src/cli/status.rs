//! `servanda status`: what a running sidecar says of itself.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::render::{Answer, CliError, Outcome, Screen, safe};
use crate::base::limits::DOCUMENT_MAX;

/// Until the sidecar must have answered.
const PATIENCE: Duration = Duration::from_secs(5);

/// Arguments of `servanda status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda status --admin http://127.0.0.1:9901")]
pub(super) struct Status {
    /// The admin address of the sidecar.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9901")]
    admin: String,
}

impl Status {
    /// Asks and prints; fails when the sidecar is not ready.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let base = self.admin.trim_end_matches('/');
        let (status, ready) = runtime.block_on(async {
            let (_, status) = get(&format!("{base}/v1/status")).await?;
            let (ready, _) = get(&format!("{base}/readyz")).await?;
            Ok::<_, CliError>((status, ready == 200))
        })?;
        let status: Value = serde_json::from_slice(&status).map_err(|e| CliError::new(format!("{base} is no sidecar: {e}")))?;
        if screen.is_json() {
            screen.json(&status)?;
        } else {
            screen.line(if ready { "ready" } else { "not ready" })?;
            print(screen, &status, 0)?;
        }
        Ok(Outcome::of(ready))
    }
}

async fn get(url: &str) -> Result<(u16, Bytes), CliError> {
    let failed =
        |e: &dyn std::fmt::Display| CliError::new(format!("{url}: {e}")).help("is `servanda run` up, with this admin address?");
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let uri = url.parse().map_err(|e| failed(&e))?;
    let ask = async {
        let answer = client.get(uri).await.map_err(|e| failed(&e))?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), DOCUMENT_MAX).collect().await.map_err(|e| failed(&e))?;
        Ok((status, body.to_bytes()))
    };
    tokio::time::timeout(PATIENCE, ask).await.unwrap_or_else(|_| Err(failed(&"no answer in five seconds")))
}

/// A JSON value as lines of `key  value`, indented.
fn print(screen: &mut Screen, value: &Value, depth: usize) -> Result<(), CliError> {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match value {
                    Value::Object(_) => {
                        screen.line(format_args!("{indent}{}", safe(key)))?;
                        print(screen, value, depth + 1)?;
                    }
                    Value::Array(items) if items.iter().any(Value::is_object) => {
                        screen.line(format_args!("{indent}{}", safe(key)))?;
                        print(screen, value, depth + 1)?;
                    }
                    Value::Null => {}
                    _ => screen.line(format_args!("{indent}{:<14}  {}", safe(key), plain(value)))?,
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                print(screen, item, depth)?;
            }
        }
        _ => screen.line(format_args!("{indent}{}", plain(value)))?,
    }
    Ok(())
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => safe(text).into_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        _ => value.to_string(),
    }
}
