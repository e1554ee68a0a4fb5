//! Gemini `generateContent`, whole and streamed with `alt=sse`.
//!
//! Fresh in a request: the system instruction, tools and all that stands outside `contents`; of the contents
//! those after the last of the model that another follows. A candidate is a choice. Not read: media and
//! signatures of thoughts. Names are taken in both spellings, `functionCall` and `function_call`.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::adapter::{Adapter, Answer, BlockAs, Head, Piece, Refusal, StreamReader, Why};
use super::error::ReadError;
use super::events::{data_as_text, line_pieces};
use super::findings::{Arguments, CallAt, Findings, Turns};
use super::generic;
use super::message::{CallKind, Finish, Message, NO_CHOICE, RequestNotes, Role, Usage};
use super::sniff::{Shape, sniff};
use super::sse::{Change, Event};
use super::text::{Edit, patch};
use super::tree::join;
use super::value::{Value, Values};
use super::words::{Wording, wording};

/// The adapter.
#[derive(Clone, Copy, Debug)]
pub struct Gemini;

impl Adapter for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        const OWN: &[&str] = &[":generateContent", ":streamGenerateContent", ":countTokens"];
        matches!(head.configured, None | Some("auto" | "gemini"))
            && head.method == http::Method::POST
            && OWN.iter().any(|own| head.path.ends_with(own))
    }

    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        let values = Values::of_body(body)?;
        let Some(root) = values.root().filter(|root| root.is_object()) else { return generic::read(body, Role::User, 0) };
        let mut f = Findings::new(WORDS, 0);
        for member in root.children() {
            match member.name().as_ref() {
                "systemInstruction" | "system_instruction" => content(member, Role::System, None, &mut Calls::default(), &mut f)?,
                "contents" if member.is_array() => contents(member, &mut f)?,
                "tools" => f.tree(Role::ToolDefinition, member)?,
                _ => {
                    f.name(member)?;
                    f.tree(Role::Other, member)?;
                }
            }
        }
        Ok(f.message(&values, Message { choices: 1, ..Message::default() }))
    }

    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        if sniff(None, body) != Shape::Json {
            return generic::read(body, Role::Assistant, NO_CHOICE);
        }
        let values = Values::of_body(body)?;
        let Some(root) = values.root().filter(|root| root.is_object()) else {
            return generic::read(body, Role::Assistant, NO_CHOICE);
        };
        let mut f = Findings::new(WORDS, NO_CHOICE);
        let mut message = Message { choices: 1, ..Message::default() };
        answer(root, None, &mut Calls::default(), &mut f, &mut message)?;
        Ok(f.message(&values, message))
    }

    fn stream_reader(&self, _notes: &RequestNotes) -> Box<dyn StreamReader> {
        Box::new(Events { calls: Calls::default(), candidates: BTreeMap::new(), done: false })
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, _notes: &RequestNotes) -> Answer {
        // The head alone tells whether a stream is waited for; an error is read in both cases.
        let Wording { status, retry_after, .. } = wording(refusal);
        Answer { status, content_type: "application/json", body: Bytes::from(error(refusal).to_string()), retry_after }
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, body: &[u8], choices: &[u32], notes: &RequestNotes) -> Answer {
        let values = Values::of_body(body).ok();
        let candidates = values.as_ref().and_then(Values::root).and_then(|root| root.get("candidates"));
        let engine = refusal.why == Why::Engine || refusal.block_as == BlockAs::Error;
        let Some(candidates) = candidates.filter(|list| list.is_array() && !engine) else {
            return self.refuse_request(refusal, notes);
        };
        let message = wording(refusal).message;
        let body = if choices.contains(&NO_CHOICE) || choices.is_empty() {
            json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": message}}).to_string().into()
        } else {
            let refused = numbered(candidates).filter(|(number, _)| choices.contains(number));
            let edits: Vec<Edit> =
                refused.map(|(number, at)| Edit { at: at.whole(), with: candidate(number, &message).to_string() }).collect();
            Bytes::from(patch(body, &edits))
        };
        Answer { status: StatusCode::OK, content_type: "application/json", body, retry_after: None }
    }
}

/// The calls that each candidate has made so far.
type Calls = BTreeMap<u32, u32>;

/// The candidates of an answer with their numbers.
fn numbered<'v, 'b>(list: Value<'v, 'b>) -> impl Iterator<Item = (u32, Value<'v, 'b>)> {
    let number = |(place, each): (u32, Value<'v, 'b>)| (each.get("index").and_then(Value::small).unwrap_or(place), each);
    (0_u32..).zip(list.children()).map(number)
}

fn error(refusal: &Refusal<'_>) -> Json {
    let Wording { status, code, message, .. } = wording(refusal);
    let word = match refusal.why {
        Why::Permission => "PERMISSION_DENIED",
        Why::Engine => "UNAVAILABLE",
        Why::Content | Why::Unreadable(_) | Why::Uninspected(_) => "INVALID_ARGUMENT",
    };
    let details = json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": code, "domain": "servanda", "metadata": {"record": refusal.record}}]);
    json!({"error": {"code": status.as_u16(), "message": message, "status": word, "details": details}})
}

/// A refused candidate.
fn candidate(number: u32, message: &str) -> Json {
    json!({"content": {"role": "model", "parts": []}, "finishReason": "SAFETY", "finishMessage": message, "index": number})
}

fn contents(list: Value<'_, '_>, f: &mut Findings) -> Result<(), ReadError> {
    let mut turns = Turns::default();
    for turn in list.children() {
        let from = f.count();
        let model = turn.word_of("role") == "model";
        content(turn, if model { Role::Assistant } else { Role::User }, None, &mut Calls::default(), f)?;
        turns.turn(from, f.count(), model);
    }
    turns.age(f);
    Ok(())
}

/// One speaker's content. `stream` is the number of the texts that go on in a stream.
fn content(value: Value<'_, '_>, role: Role, stream: Option<u32>, calls: &mut Calls, f: &mut Findings) -> Result<(), ReadError> {
    let Some(parts) = value.get("parts").filter(|parts| parts.is_array()) else { return f.tree(role, value) };
    for each in parts.children() {
        part(each, role, stream, calls, f)?;
    }
    f.rest(Role::Other, value, &["parts"])
}

fn part(part: Value<'_, '_>, role: Role, stream: Option<u32>, calls: &mut Calls, f: &mut Findings) -> Result<(), ReadError> {
    if !part.is_object() {
        return f.say(role, part);
    }
    let thought = part.get("thought").is_some_and(|thought| thought.kind() == super::value::Kind::Bool(true));
    let role = if thought { Role::Reasoning } else { role };
    for member in part.children() {
        match member.name().as_ref() {
            "text" => match stream {
                Some(number) => f.go_on(role, number, member, true)?,
                None => f.say(role, member)?,
            },
            "thought" if matches!(member.kind(), super::value::Kind::Bool(_)) => {}
            "thoughtSignature" | "thought_signature" => f.sealed(None, Role::Other, member)?,
            "inlineData" | "inline_data" => f.media("media", role, member)?,
            "functionCall" | "function_call" if member.is_object() => call(member, calls, f)?,
            "functionResponse" | "function_response" | "codeExecutionResult" | "code_execution_result" | "toolResponse" => {
                f.named(Role::ToolResult, member)?;
            }
            "executableCode" | "executable_code" if member.is_object() => {
                let index = next(calls, f.choice);
                let arguments = Arguments::of(member.get("code"));
                let call = CallAt::new(index, member.get("id"), member.get("language"), arguments);
                f.call(CallAt { kind: CallKind::Custom, executed: true, copy: true, ..call }, member.get("code"))?;
                f.strange(Role::Assistant, member.get("id"))?;
                f.call_name(true, member.get("language"))?;
                f.rest(Role::Other, member, &["code", "language", "id"])?;
            }
            _ => {
                f.name(member)?;
                f.tree(role, member)?;
            }
        }
    }
    Ok(())
}

/// The place of the next call of a candidate.
fn next(calls: &mut Calls, choice: u32) -> u32 {
    let count = calls.entry(choice).or_default();
    *count += 1;
    *count - 1
}

fn call(value: Value<'_, '_>, calls: &mut Calls, f: &mut Findings) -> Result<(), ReadError> {
    let index = next(calls, f.choice);
    f.call(CallAt::new(index, value.get("id"), value.get("name"), Arguments::of(value.get("args"))), None)?;
    f.strange(Role::Assistant, value.get("id"))?;
    f.call_name(false, value.get("name"))?;
    f.rest(Role::Assistant, value, &["id", "name", "args"])
}

/// An answer, or an event's piece of one.
fn answer(
    root: Value<'_, '_>,
    stream: Option<u32>,
    calls: &mut Calls,
    f: &mut Findings,
    out: &mut Message<'_>,
) -> Result<(), ReadError> {
    for member in root.children() {
        match member.name().as_ref() {
            "candidates" if member.is_array() => {
                for (number, each) in numbered(member) {
                    f.choice = number;
                    if let Some(said) = each.get("content") {
                        content(said, Role::Assistant, stream, calls, f)?;
                    }
                    if let Some(reason) = each.get("finishReason").filter(|reason| reason.string().is_some()) {
                        out.finish.push(Finish { choice: number, reason: reason.word().into_owned() });
                    }
                    f.rest(Role::Other, each, &["content"])?;
                    if !each.is_object() {
                        f.tree(Role::Assistant, each)?;
                    }
                }
                f.choice = NO_CHOICE;
            }
            "usageMetadata" => {
                let count = |name: &str| member.get(name).and_then(Value::number).unwrap_or(0);
                out.usage = Some(Usage { input: count("promptTokenCount"), output: count("candidatesTokenCount") });
                f.tree(Role::Other, member)?;
            }
            "modelVersion" => {
                out.model = Some(member.word().into_owned());
                f.tree(Role::Other, member)?;
            }
            _ => {
                f.name(member)?;
                f.tree(Role::Other, member)?;
            }
        }
    }
    Ok(())
}

/// Reads the events of a stream.
#[derive(Debug)]
struct Events {
    calls: Calls,
    /// The candidates that any event has named, and whether the client has their end.
    candidates: BTreeMap<u32, bool>,
    done: bool,
}

impl StreamReader for Events {
    fn read(&mut self, event: &Event, out: &mut Vec<Piece>) -> Result<(), ReadError> {
        line_pieces(event, out)?;
        if event.data().is_empty() {
            return Ok(());
        }
        let values = Values::of_piece(event.data())?;
        let Some(root) = values.root().filter(|root| root.is_object()) else { return data_as_text(event, out) };
        let mut f = Findings::new(WORDS, NO_CHOICE);
        let mut message = Message::default();
        answer(root, Some(join(0, "text")), &mut self.calls, &mut f, &mut message)?;
        f.pieces(out);
        let named: Vec<u32> =
            root.get("candidates").map(|list| numbered(list).map(|(number, _)| number).collect()).unwrap_or_default();
        for number in named.into_iter().take(128) {
            self.candidates.entry(number).or_default();
        }
        out.extend(message.usage.map(Piece::Usage));
        out.extend(message.finish.into_iter().map(|Finish { choice, reason }| Piece::Finish { choice, reason }));
        out.push(Piece::InOrder(0));
        Ok(())
    }

    fn released(&mut self, _event: &Event, pieces: &[Piece], _changes: &[Change<'_>]) {
        for piece in pieces {
            if let Piece::Finish { choice, .. } = piece {
                self.candidates.insert(*choice, true);
            }
        }
    }

    fn refuse(&mut self, refusal: &Refusal<'_>) -> Bytes {
        if std::mem::replace(&mut self.done, true) {
            return Bytes::new();
        }
        if refusal.block_as == BlockAs::Error || refusal.why == Why::Engine {
            return Bytes::from(format!("data: {}\r\n\r\n", error(refusal)));
        }
        let message = wording(refusal).message;
        if self.candidates.is_empty() {
            self.candidates.insert(0, false);
        }
        let open = self.candidates.iter().filter(|(_, ended)| !**ended);
        let candidates: Vec<Json> = open.map(|(number, _)| candidate(*number, &message)).collect();
        if candidates.is_empty() {
            return Bytes::new();
        }
        Bytes::from(format!("data: {}\r\n\r\n", json!({"candidates": candidates})))
    }
}

/// The words of the protocol.
const WORDS: &[&str] = &[
    "STOP",
    "TEXT",
    "args",
    "avgLogprobs",
    "blockReason",
    "candidates",
    "candidatesTokenCount",
    "citationMetadata",
    "content",
    "contents",
    "fileData",
    "fileUri",
    "finishMessage",
    "finishReason",
    "functionCall",
    "functionCallingConfig",
    "functionDeclarations",
    "functionResponse",
    "generationConfig",
    "groundingMetadata",
    "id",
    "includeThoughts",
    "index",
    "inlineData",
    "maxOutputTokens",
    "mimeType",
    "modality",
    "mode",
    "model",
    "modelVersion",
    "name",
    "parameters",
    "parts",
    "promptFeedback",
    "promptTokenCount",
    "promptTokensDetails",
    "response",
    "responseId",
    "responseModalities",
    "role",
    "safetyRatings",
    "systemInstruction",
    "temperature",
    "text",
    "thinkingBudget",
    "thinkingConfig",
    "thinkingLevel",
    "thought",
    "thoughtSignature",
    "thoughtsTokenCount",
    "tokenCount",
    "toolConfig",
    "tools",
    "topP",
    "totalTokenCount",
    "type",
    "usageMetadata",
    "user",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::names::Stage;
    use crate::protocol::claim;

    fn refusal<'a>(why: Why) -> Refusal<'a> {
        Refusal {
            why,
            stage: Stage::Response,
            predicate: Some("pii"),
            pact: Some("acme-support@2.1.0"),
            record: Some("0193a5e2-7c00-7000-8000-000000000001"),
            note: None,
            block_as: BlockAs::Auto,
        }
    }

    fn json(bytes: &[u8]) -> Json {
        serde_json::from_slice(bytes).unwrap()
    }

    #[test]
    fn words_are_sorted() {
        assert!(WORDS.is_sorted());
    }

    #[test]
    fn claims_by_path() {
        let headers = http::HeaderMap::new();
        let name =
            |path: &str, configured| claim(&Head { method: &http::Method::POST, path, headers: &headers, configured }).name();
        assert_eq!(name("/v1beta/models/m:generateContent", None), "gemini");
        assert_eq!(name("/v1/projects/p/models/m:streamGenerateContent", Some("gemini")), "gemini");
        assert_eq!(name("/v1beta/models/m:embedContent", None), "generic");
        assert_eq!(name("/v1beta/models/m:generateContent", Some("generic")), "generic");
    }

    #[test]
    fn candidates_are_refused_one_by_one() {
        let body = br#"{"candidates":[{"content":{"parts":[{"text":"fine"}],"role":"model"},"finishReason":"STOP"},{"content":{"parts":[{"text":"bad"}]},"index":1}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":4}}"#;
        let message = Gemini.read_answer(body).unwrap();
        assert_eq!(message.usage.unwrap().output, 4);
        let bad = message.parts.iter().find(|part| part.text.as_str() == "bad").unwrap();
        let out = json(&Gemini.refuse_answer(&refusal(Why::Content), body, &[bad.choice], &RequestNotes::default()).body);
        assert_eq!(out["candidates"][0]["content"]["parts"][0]["text"], "fine");
        assert_eq!(
            (out["candidates"][1]["finishReason"].as_str(), out["candidates"][1]["index"].as_u64()),
            (Some("SAFETY"), Some(1))
        );
        let all = json(&Gemini.refuse_answer(&refusal(Why::Content), body, &[NO_CHOICE], &RequestNotes::default()).body);
        assert_eq!(all["promptFeedback"]["blockReason"], "PROHIBITED_CONTENT");
    }

    #[test]
    fn requests_are_refused_as_errors() {
        for (why, status, word) in [
            (Why::Content, 400, "INVALID_ARGUMENT"),
            (Why::Permission, 403, "PERMISSION_DENIED"),
            (Why::Engine, 503, "UNAVAILABLE"),
        ] {
            let out = Gemini.refuse_request(&refusal(why), &RequestNotes::default());
            let body = json(&out.body);
            assert_eq!((out.status.as_u16(), body["error"]["status"].as_str()), (status, Some(word)));
            assert_eq!(body["error"]["code"], status);
        }
    }
}
