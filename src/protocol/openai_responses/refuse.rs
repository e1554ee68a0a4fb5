//! Refusals as the SDKs of this protocol understand them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value as Json, json};

use super::read;
use crate::base::limits::STREAM_KEPT_MAX;
use crate::protocol::adapter::{Answer, BlockAs, Refusal, Why};
use crate::protocol::message::{RequestNotes, Usage};
use crate::protocol::value::{Value, Values};
use crate::protocol::words::{Wording, wording};

/// What the client has got of a stream, as it got it: a proper end says it again.
#[derive(Debug, Default)]
pub(super) struct Given {
    /// The number of the next event.
    pub next_number: u64,
    id: Option<String>,
    model: Option<String>,
    created: u64,
    items: BTreeMap<u32, Item>,
    /// Bytes kept in `items`.
    kept: usize,
}

/// An item that the client knows.
#[derive(Debug)]
struct Item {
    id: String,
    /// The item as it was told last.
    told: Json,
    done: bool,
    /// The parts of a message that is not done, and whether each is.
    parts: BTreeMap<u32, (Part, bool)>,
}

#[derive(Debug)]
struct Part {
    refusal: bool,
    text: String,
}

impl Part {
    fn json(&self) -> Json {
        if self.refusal {
            json!({"type": "refusal", "refusal": self.text})
        } else {
            json!({"type": "output_text", "annotations": [], "logprobs": [], "text": self.text})
        }
    }
}

impl Given {
    /// Takes in an event as the client got it.
    pub(super) fn note(&mut self, root: Value<'_, '_>) {
        if let Some(response) = root.get("response") {
            self.id.get_or_insert_with(|| response.word_of("id").into_owned());
            self.model.get_or_insert_with(|| response.word_of("model").into_owned());
            self.created = response.get("created_at").and_then(Value::number).unwrap_or(self.created);
        }
        let number = |name: &str| root.get(name).and_then(Value::small).unwrap_or(0);
        let (index, place) = (number("output_index"), number("content_index"));
        let kind = root.word_of("type");
        match kind.as_ref() {
            "response.output_item.added" | "response.output_item.done" => {
                let Some(item) = root.get("item") else { return };
                let told = self.keep(item);
                let done = kind.ends_with("done");
                let id = item.word_of("id").into_owned();
                self.items.insert(index, Item { id, told, done, parts: BTreeMap::new() });
            }
            "response.content_part.added" => {
                let refusal = root.get("part").is_some_and(|part| part.word_of("type") == "refusal");
                if let Some(item) = self.items.get_mut(&index) {
                    item.parts.insert(place, (Part { refusal, text: String::new() }, false));
                }
            }
            "response.content_part.done" => {
                if let Some((_, done)) = self.items.get_mut(&index).and_then(|item| item.parts.get_mut(&place)) {
                    *done = true;
                }
            }
            "response.output_text.delta" | "response.refusal.delta" => {
                let delta = root.word_of("delta");
                let fits = self.kept + delta.len() <= STREAM_KEPT_MAX;
                let part = self.items.get_mut(&index).and_then(|item| item.parts.get_mut(&place));
                if let Some((part, _)) = part.filter(|_| fits) {
                    part.text.push_str(&delta);
                    self.kept += delta.len();
                }
            }
            _ => {}
        }
    }

    /// A copy of an item, or only its type where there is no room.
    fn keep(&mut self, item: Value<'_, '_>) -> Json {
        let raw = item.raw(&item.whole());
        if self.kept + raw.len() > STREAM_KEPT_MAX {
            return json!({"type": item.word_of("type"), "id": item.word_of("id")});
        }
        self.kept += raw.len();
        serde_json::from_str(raw).unwrap_or_default()
    }
}

/// The answer to a request that is refused.
pub(super) fn request(refusal: &Refusal<'_>, notes: &RequestNotes) -> Answer {
    let soft = refusal.block_as == BlockAs::Refusal && matches!(refusal.why, Why::Content | Why::Permission);
    if !soft {
        return error(refusal);
    }
    if notes.streaming {
        let body = Bytes::from(stream_end(refusal, notes, &mut Given::default()));
        return Answer { status: StatusCode::OK, content_type: "text/event-stream", body, retry_after: None };
    }
    let given = Given { model: notes.model.clone(), ..Given::default() };
    whole(refusal, &given, Some(Usage::default()))
}

fn error(refusal: &Refusal<'_>) -> Answer {
    let Wording { status, kind, code, message, retry_after } = wording(refusal);
    let body = json!({"error": {"message": message, "type": kind, "param": null, "code": code}});
    Answer { status, content_type: "application/json", body: Bytes::from(body.to_string()), retry_after }
}

/// The answer in place of an upstream's.
pub(super) fn answer(refusal: &Refusal<'_>, bytes: &[u8]) -> Answer {
    if refusal.why == Why::Engine || refusal.block_as == BlockAs::Error {
        return error(refusal);
    }
    let values = Values::of_body(bytes).ok();
    let root = values.as_ref().and_then(Values::root).filter(|root| root.word_of("object") == "response");
    // What was no response (a list of items, an upstream's error, bytes that nobody can read) becomes none.
    let Some(root) = root else { return error(refusal) };
    let given = Given {
        id: Some(root.word_of("id").into_owned()),
        model: Some(root.word_of("model").into_owned()),
        created: root.get("created_at").and_then(Value::number).unwrap_or(0),
        ..Given::default()
    };
    whole(refusal, &given, root.get("usage").filter(|usage| usage.is_object()).map(read::usage))
}

fn whole(refusal: &Refusal<'_>, given: &Given, usage: Option<Usage>) -> Answer {
    let message = wording(refusal).message;
    let item = message_item(&item_id(refusal), "completed", &[refused_part(&message)]);
    let body = response(refusal, given, "completed", &[item], usage);
    Answer { status: StatusCode::OK, content_type: "application/json", body: Bytes::from(body.to_string()), retry_after: None }
}

fn refused_part(message: &str) -> Json {
    json!({"type": "refusal", "refusal": message})
}

fn item_id(refusal: &Refusal<'_>) -> String {
    format!("msg_{}", refusal.record.unwrap_or("refused"))
}

fn message_item(id: &str, status: &str, content: &[Json]) -> Json {
    json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content})
}

fn response(refusal: &Refusal<'_>, given: &Given, status: &str, output: &[Json], usage: Option<Usage>) -> Json {
    let id = given.id.clone().filter(|id| !id.is_empty());
    let usage = usage.map(|Usage { input, output }| {
        json!({
            "input_tokens": input,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": input.saturating_add(output),
        })
    });
    json!({
        "id": id.unwrap_or_else(|| format!("resp_{}", refusal.record.unwrap_or("refused"))),
        "object": "response",
        "created_at": if given.created > 0 { given.created } else { time_of(refusal) },
        "status": status,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "metadata": {},
        "model": given.model.as_deref().unwrap_or_default(),
        "output": output,
        "parallel_tool_calls": true,
        "temperature": null,
        "tool_choice": "auto",
        "tools": [],
        "top_p": null,
        "usage": usage,
    })
}

/// The time of the record, whose id begins with its milliseconds.
fn time_of(refusal: &Refusal<'_>) -> u64 {
    let record = refusal.record.and_then(|record| uuid::Uuid::parse_str(record).ok());
    record.and_then(|record| record.get_timestamp()).map_or(0, |time| time.to_unix().0)
}

/// Writes numbered frames.
struct Frames {
    out: String,
    number: u64,
}

impl Frames {
    fn push(&mut self, name: &str, mut data: Json) {
        if let Some(members) = data.as_object_mut() {
            members.insert("type".to_owned(), name.into());
            members.insert("sequence_number".to_owned(), self.number.into());
        }
        self.number += 1;
        // Writing to a String cannot fail.
        write!(self.out, "event: {name}\ndata: {data}\n\n").unwrap_or_default();
    }
}

/// The frames that end a stream for a client that has got `given`. The last says again all that it got.
pub(super) fn stream_end(refusal: &Refusal<'_>, notes: &RequestNotes, given: &mut Given) -> String {
    let mut frames = Frames { out: String::new(), number: given.next_number };
    let Wording { kind, code, message, .. } = wording(refusal);
    if refusal.block_as == BlockAs::Error || refusal.why == Why::Engine {
        frames.push("error", json!({"error": {"message": message, "type": kind, "param": null, "code": code}}));
        return frames.out;
    }
    if given.id.is_none() {
        given.model.clone_from(&notes.model);
        frames.push("response.created", json!({"response": response(refusal, given, "in_progress", &[], None)}));
    }
    let mut output: Vec<Json> = Vec::new();
    let mut refused = false;
    let next = given.items.keys().next_back().map_or(0, |last| last + 1);
    for (index, item) in &mut given.items {
        if !item.done {
            let speaks = item.told.get("type").is_some_and(|kind| kind == "message");
            if speaks {
                item.told = message_item(&item.id, "completed", &end_message(&mut frames, *index, item, &message));
                refused = true;
            }
            frames.push("response.output_item.done", json!({"output_index": index, "item": item.told}));
        }
        output.push(item.told.take());
    }
    if !refused {
        let id = item_id(refusal);
        let begun = message_item(&id, "in_progress", &[]);
        frames.push("response.output_item.added", json!({"output_index": next, "item": begun}));
        refuse_part(&mut frames, next, &id, 0, &message);
        let item = message_item(&id, "completed", &[refused_part(&message)]);
        frames.push("response.output_item.done", json!({"output_index": next, "item": item}));
        output.push(item);
    }
    frames.push("response.completed", json!({"response": response(refusal, given, "completed", &output, None)}));
    frames.out
}

/// Ends the open parts of a message, adds the refusal, and gives its content.
fn end_message(frames: &mut Frames, index: u32, item: &Item, message: &str) -> Vec<Json> {
    let mut content = Vec::new();
    for (place, (part, done)) in &item.parts {
        if !done {
            let at = |mut data: Json| {
                if let Some(members) = data.as_object_mut() {
                    members.extend([
                        ("item_id".to_owned(), item.id.as_str().into()),
                        ("output_index".to_owned(), index.into()),
                        ("content_index".to_owned(), (*place).into()),
                    ]);
                }
                data
            };
            if part.refusal {
                frames.push("response.refusal.done", at(json!({"refusal": part.text})));
            } else {
                frames.push("response.output_text.done", at(json!({"text": part.text, "logprobs": []})));
            }
            frames.push("response.content_part.done", at(json!({"part": part.json()})));
        }
        content.push(part.json());
    }
    let place = item.parts.keys().next_back().map_or(0, |last| last + 1);
    refuse_part(frames, index, &item.id, place, message);
    content.push(refused_part(message));
    content
}

/// A part that refuses, from its beginning to its end.
fn refuse_part(frames: &mut Frames, index: u32, id: &str, place: u32, message: &str) {
    let at = |name: &str, value: Json| json!({"item_id": id, "output_index": index, "content_index": place, (name): value});
    frames.push("response.content_part.added", at("part", refused_part("")));
    frames.push("response.refusal.delta", at("delta", message.into()));
    frames.push("response.refusal.done", at("refusal", message.into()));
    frames.push("response.content_part.done", at("part", refused_part(message)));
}
