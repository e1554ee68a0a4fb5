//! Refusals as the SDKs of this protocol understand them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use serde_json::json;

use super::answer::Body;
use crate::protocol::adapter::{Answer, BlockAs, Refusal, Why};
use crate::protocol::json::{Reader, Token};
use crate::protocol::message::{NO_CHOICE, RequestNotes, Usage};
use crate::protocol::text::{Edit, escape, patch};
use crate::protocol::words::{Wording, wording};

const JSON: &str = "application/json";

/// The fields that every chunk of a stream repeats.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    pub id: String,
    pub model: String,
    pub created: String,
}

/// The answer to a request that is refused.
pub(super) fn request(refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
    let soft = refusal.block_as == BlockAs::Refusal && matches!(refusal.why, Why::Content | Why::Permission);
    if !soft {
        return error(refusal);
    }
    let envelope = Envelope { model: notes.model.clone().unwrap_or_default(), ..Envelope::default() };
    if notes.streaming {
        let open = (0..notes.choices.clamp(1, 128)).map(|choice| (choice, false)).collect();
        let usage = if notes.include_usage { LastUsage::Known(Usage::default()) } else { LastUsage::No };
        let body = stream_end(refusal, &envelope, &open, usage);
        return Answer { status: StatusCode::OK, content_type: "text/event-stream", body, retry_after: None };
    }
    completion(refusal, &envelope, notes.choices.clamp(1, 128), Usage::default())
}

/// An error in the envelope of the protocol.
fn error(refusal: &Refusal<'_>) -> Answer {
    let Wording { status, kind, code, message, retry_after } = wording(refusal);
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    Answer { status, content_type: JSON, body: Bytes::from(body.to_string()), retry_after }
}

/// A whole completion that refuses every choice.
fn completion(refusal: &Refusal<'_>, envelope: &Envelope, choices: u32, usage: Usage) -> Answer {
    let message = wording(refusal).message;
    let choices: Vec<_> = (0..choices).map(|index| choice_json(index, &message)).collect();
    let body = format!(
        r#"{{"id":"{}","object":"chat.completion","created":{},"model":"{}","choices":[{}],"usage":{}}}"#,
        id(refusal, envelope),
        created(refusal, envelope),
        escape(&envelope.model),
        choices.join(","),
        usage_json(usage),
    );
    Answer { status: StatusCode::OK, content_type: JSON, body: Bytes::from(body), retry_after: None }
}

/// A refused choice.
fn choice_json(index: u32, message: &str) -> String {
    let message = escape(message);
    format!(
        r#"{{"index":{index},"message":{{"role":"assistant","content":null,"refusal":"{message}"}},"logprobs":null,"finish_reason":"content_filter"}}"#
    )
}

/// The answer in place of an upstream's: the refused choices are replaced, all else stays as it came.
pub(super) fn answer(refusal: &Refusal<'_>, bytes: &[u8], choices: &[u32]) -> Answer {
    let engine = refusal.why == Why::Engine;
    if engine || refusal.block_as == BlockAs::Error {
        return error(refusal);
    }
    let body = Reader::new(bytes).ok().and_then(|mut reader| {
        let body = (reader.next().ok()? == Token::Object).then(|| Body::read(&mut reader).ok())??;
        Some((reader, body))
    });
    // What was no completion (an upstream's error, bytes that nobody can read) becomes none.
    let Some((reader, body)) = body.filter(|(_, body)| body.has_choices) else { return error(refusal) };
    if choices.contains(&NO_CHOICE) {
        let count = u32::try_from(body.choices.len()).unwrap_or(1).clamp(1, 128);
        return completion(refusal, &Envelope::default(), count, body.usage.unwrap_or_default());
    }
    let message = wording(refusal).message;
    let refused = body.choices.iter().filter(|choice| choices.contains(&choice.index));
    let edits: Vec<Edit> =
        refused.map(|choice| Edit { at: choice.whole.clone(), with: choice_json(choice.index, &message) }).collect();
    drop(reader);
    Answer { status: StatusCode::OK, content_type: JSON, body: Bytes::from(patch(bytes, &edits)), retry_after: None }
}

/// The usage chunk at the end of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) enum LastUsage {
    /// None was asked for, or it has been given.
    No,
    /// The provider has not counted yet; nothing is invented.
    Unknown,
    Known(Usage),
}

/// The frames that end a stream: for every open choice (true: the client knows it) a refusal and a
/// finish, usage if it was asked for and not yet given, the terminator.
pub(super) fn stream_end(refusal: &Refusal<'_>, envelope: &Envelope, open: &BTreeMap<u32, bool>, usage: LastUsage) -> Bytes {
    let Wording { kind, code, message, .. } = wording(refusal);
    if refusal.block_as == BlockAs::Error || refusal.why == Why::Engine {
        let error = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
        return Bytes::from(format!("data: {error}\n\n"));
    }
    let head = format!(
        r#""id":"{}","object":"chat.completion.chunk","created":{},"model":"{}""#,
        id(refusal, envelope),
        created(refusal, envelope),
        escape(&envelope.model),
    );
    let mut out = String::new();
    // Writing to a String cannot fail.
    let mut chunk = |choices: &str, usage: &str| {
        write!(out, "data: {{{head},\"choices\":[{choices}]{usage}}}\n\n").unwrap_or_default();
    };
    let message = escape(&message);
    for (index, known) in open {
        if !known {
            let delta = r#"{"role":"assistant","content":null}"#;
            chunk(&format!(r#"{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":null}}"#), "");
        }
        let delta = format!(r#"{{"refusal":"{message}"}}"#);
        chunk(&format!(r#"{{"index":{index},"delta":{delta},"logprobs":null,"finish_reason":null}}"#), "");
        chunk(&format!(r#"{{"index":{index},"delta":{{}},"logprobs":null,"finish_reason":"content_filter"}}"#), "");
    }
    match usage {
        LastUsage::No => {}
        LastUsage::Unknown => chunk("", ",\"usage\":null"),
        LastUsage::Known(usage) => chunk("", &format!(",\"usage\":{}", usage_json(usage))),
    }
    out.push_str("data: [DONE]\n\n");
    Bytes::from(out)
}

fn usage_json(Usage { input, output }: Usage) -> String {
    let total = input.saturating_add(output);
    format!(r#"{{"prompt_tokens":{input},"completion_tokens":{output},"total_tokens":{total}}}"#)
}

/// The id of the upstream's answer, or one made of the record's.
fn id(refusal: &Refusal<'_>, envelope: &Envelope) -> String {
    if envelope.id.is_empty() {
        format!("chatcmpl-{}", escape(refusal.record.unwrap_or("refused")))
    } else {
        escape(&envelope.id).into_owned()
    }
}

/// The time of the upstream's answer, or of the record (whose id begins with its milliseconds).
fn created(refusal: &Refusal<'_>, envelope: &Envelope) -> u64 {
    envelope.created.parse().unwrap_or_else(|_| {
        let record = refusal.record.and_then(|record| uuid::Uuid::parse_str(record).ok());
        record.and_then(|record| record.get_timestamp()).map_or(0, |time| time.to_unix().0)
    })
}
