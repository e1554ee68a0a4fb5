//! Batches as CloudEvents 1.0, posted to whoever takes them: one request for each batch.
//!
//! In binary mode the body is the batch and the attributes are headers; in structured mode both are one JSON object. The id
//! follows from the batch alone, so the receiver can tell a repetition by it, and must answer it as it did the first time.
//!
//! What it gives: `accepted`; `durable` only from a receiver that `confirms` by answering size and root. What it will not
//! do: ask what the other end holds (it cannot), follow a redirection, or send a token in clear over a network.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, DATE, RETRY_AFTER};
use http::{HeaderMap, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde_json::json;
use zeroize::Zeroizing;

use super::batch::Batch;
use super::contract::{Fault, Held, Sink};
use super::remote::{Caller, Secret, fault, trusted};
use super::settings::{Made, Settings};
use crate::base::limits::SINK_ANSWER_BYTES_MAX;
use crate::evidence::shipped::Level;
use crate::seal::encode;

/// The `type` of our events.
const TYPE: &str = "servanda.evidence.batch.v1";
/// The `datacontenttype` of our events.
const CONTENT: &str = "application/vnd.servanda.evidence.batch";
/// Letters of an answer that are told to people.
const TOLD_MAX: usize = 200;

/// By its settings.
pub(crate) fn make(settings: &Settings) -> Result<Made, String> {
    let url: Uri = settings
        .text("url")
        .and_then(|url| url.parse().ok())
        .filter(|url: &Uri| url.host().is_some() && matches!(url.scheme_str(), Some("http" | "https")))
        .ok_or("`url` is written https://host/path")?;
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err("`url` carries a password: write `token_file` or `token_env` instead".to_owned());
    }
    let token = Secret::of(settings, "token_file", "token_env")?;
    let secure = url.scheme_str() == Some("https");
    if token != Secret::None && !secure && !is_here(url.host().unwrap_or_default()) {
        return Err("a token would travel in clear: write https://".to_owned());
    }
    let confirms = settings.switch("confirms", false);
    let structured = settings.text("mode") == Some("structured");
    let gives = if confirms { Level::Durable } else { Level::Accepted };
    let ca_file = settings.path("ca_file").map(PathBuf::from);
    let place = Place { url, token, secure, ca_file, structured, confirms };
    Ok(Made { sink: Box::new(HttpSink { caller: Caller::default(), place, link: None }), gives })
}

/// On this machine, where nobody listens in between.
fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

/// Where to, and how.
#[derive(Clone, Debug)]
struct Place {
    url: Uri,
    token: Secret,
    secure: bool,
    ca_file: Option<PathBuf>,
    structured: bool,
    confirms: bool,
}

/// A receiver of events.
#[derive(Debug)]
struct HttpSink {
    caller: Caller,
    place: Place,
    link: Option<Link>,
}

struct Link {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    token: Option<Zeroizing<String>>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// What a receiver says that it has.
#[derive(serde::Deserialize)]
struct Confirmed {
    size: u64,
    root: String,
}

/// The event of a batch, as a request.
fn event(place: &Place, token: Option<&str>, batch: &Batch) -> Result<Request<Full<Bytes>>, Fault> {
    // Sorted as text it is sorted as a number.
    let (sequence, subject) = (format!("{:020}", batch.first()), format!("{}-{}", batch.first(), batch.last()));
    let mut request = Request::post(place.url.clone());
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = if place.structured {
        let event = json!({
            "specversion": "1.0", "id": batch.id(), "source": batch.origin(), "type": TYPE, "subject": subject,
            "sequence": sequence, "datacontenttype": CONTENT, "data_base64": encode::base64(batch.wire()),
        });
        request.header(CONTENT_TYPE, "application/cloudevents+json").body(Full::from(event.to_string()))
    } else {
        let request = request.header(CONTENT_TYPE, CONTENT).header("ce-specversion", "1.0").header("ce-id", batch.id());
        let request = request.header("ce-source", batch.origin()).header("ce-type", TYPE);
        request
            .header("ce-subject", subject)
            .header("ce-sequence", sequence)
            .body(Full::new(Bytes::copy_from_slice(batch.wire())))
    };
    request.map_err(|_| Fault::Settings("the token cannot stand in a header".to_owned()))
}

/// How long the other end wants to be left alone. A date is held against its own clock.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok()).map(str::trim);
    let after = text(RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text).ok().map(|date| date.timestamp());
    let (then, now) = (date(after)?, date(text(DATE)?)?);
    Duration::try_from(then.duration_since(now)).ok()
}

/// The beginning of an answer in words, for people.
fn said(answer: &[u8], token: Option<&str>) -> String {
    let text = String::from_utf8_lossy(answer);
    if token.is_some_and(|token| text.contains(token)) {
        return String::new();
    }
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(TOLD_MAX).collect();
    if text.trim().is_empty() { String::new() } else { format!(": {}", text.trim()) }
}

impl Link {
    async fn deliver(&self, place: &Place, batch: &Batch) -> Result<(), Fault> {
        let token = self.token.as_ref().map(|token| token.as_str());
        let answer = self.client.request(event(place, token, batch)?).await;
        let (head, body) = answer.map_err(|error| fault("posting", &error)).map(Response::<Incoming>::into_parts)?;
        let body = Limited::new(body, SINK_ANSWER_BYTES_MAX).collect().await.map(Collected::to_bytes);
        let status = head.status;
        let why = |body: &[u8]| format!("the receiver answers {status}{}", said(body, token));
        if status.is_success() {
            return if place.confirms { confirmed(batch, &body.unwrap_or_default()) } else { Ok(()) };
        }
        let why = why(&body.unwrap_or_default());
        Err(match status {
            StatusCode::CONFLICT => Fault::Fork(why),
            StatusCode::PAYLOAD_TOO_LARGE => Fault::Refused { why, too_large: true },
            StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY => {
                Fault::Refused { why, too_large: false }
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
                Fault::Later { why, after: asked(&head.headers) }
            }
            status if status.is_server_error() => Fault::Later { why, after: asked(&head.headers) },
            // Who we are, where we are, what we may: and a redirection, which somebody should write into the config.
            _ => Fault::Settings(why),
        })
    }
}

/// Whether the receiver has what we sent, by its own words.
fn confirmed(batch: &Batch, answer: &[u8]) -> Result<(), Fault> {
    let Ok(confirmed) = serde_json::from_slice::<Confirmed>(answer) else {
        let why =
            "the receiver takes a batch and does not answer {\"size\": …, \"root\": …}: it should, or write confirms: false";
        return Err(Fault::Settings(why.to_owned()));
    };
    if (confirmed.size, confirmed.root) == (batch.size(), encode::base64(&batch.root().0)) {
        return Ok(());
    }
    Err(Fault::Fork(format!("the receiver confirms another end than {} of {}", batch.size(), batch.origin())))
}

/// It cannot be asked.
fn unread<T>() -> Result<T, Fault> {
    Err(Fault::Settings("what was posted over HTTP cannot be read back: name another sink".to_owned()))
}

impl Sink for HttpSink {
    fn open(&mut self) -> Result<(), Fault> {
        let place = &self.place;
        let trust = trusted(place.ca_file.as_ref(), place.secure)?;
        let connector = HttpsConnectorBuilder::new().with_tls_config(trust).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        self.link = Some(Link { client, token: place.token.read()? });
        Ok(())
    }

    fn deliver(&mut self, batch: &Batch) -> Result<Level, Fault> {
        let link = self.link.as_ref().ok_or_else(|| Fault::later("HTTP is not prepared"))?;
        self.caller.call(link.deliver(&self.place, batch))?;
        Ok(if self.place.confirms { Level::Durable } else { Level::Accepted })
    }

    fn head(&mut self, _: &str) -> Result<Held, Fault> {
        Ok(Held::Unknown)
    }

    fn read(&mut self, _: &str, _: u64) -> Result<Option<Vec<u8>>, Fault> {
        unread()
    }

    fn logs(&mut self) -> Result<Vec<String>, Fault> {
        unread()
    }
}

#[cfg(test)]
mod tests;
