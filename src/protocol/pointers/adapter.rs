//! A table as an adapter.

use bytes::Bytes;

use super::read::{Walk, named};
use super::stream::Events;
use super::table::Table;
use crate::protocol::adapter::{Adapter, Answer, BlockAs, Head, Refusal, StreamReader, Why};
use crate::protocol::error::ReadError;
use crate::protocol::findings::Findings;
use crate::protocol::message::{Message, RequestNotes, Role};
use crate::protocol::value::Values;
use crate::protocol::words::{Wording, wording};
use crate::protocol::{Shape, generic, rpc, sniff};

/// The adapter of a table.
#[derive(Debug)]
pub(crate) struct Tabled(pub &'static Table);

impl Adapter for Tabled {
    fn name(&self) -> &'static str {
        self.0.name
    }

    fn claims(&self, head: &Head<'_>) -> bool {
        match head.configured {
            None | Some("auto") => self.0.paths.iter().any(|pattern| ends_with(head.path, pattern)),
            Some(word) => word == self.0.word,
        }
    }

    fn head_notes(&self, head: &Head<'_>) -> RequestNotes {
        let mut segments = head.path.split('/').skip_while(|segment| *segment != self.0.conversation_behind);
        let behind = if self.0.conversation_behind.is_empty() { None } else { segments.nth(1) };
        RequestNotes { conversation: behind.map(str::to_owned), ..RequestNotes::default() }
    }

    fn read_request<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        let values = Values::of_body(body)?;
        let Some(root) = values.root() else { return generic::read(body, Role::User, 0) };
        let mut f = Findings::new(self.0.words, 0);
        Walk::of_body(&mut f, Role::User).value(root, self.0.request, root)?;
        let conversation = named(&values, self.0.conversation);
        Ok(f.message(&values, Message { choices: 1, conversation, ..Message::default() }))
    }

    fn read_answer<'b>(&self, body: &'b [u8]) -> Result<Message<'b>, ReadError> {
        if sniff(None, body) != Shape::Json {
            return generic::read(body, Role::Assistant, 0);
        }
        let values = Values::of_body(body)?;
        let Some(root) = values.root() else { return generic::read(body, Role::Assistant, 0) };
        let mut f = Findings::new(self.0.words, 0);
        Walk::of_body(&mut f, Role::Assistant).value(root, self.0.answer, root)?;
        Ok(f.message(&values, Message { choices: 1, ..Message::default() }))
    }

    fn stream_reader(&self, _notes: &RequestNotes) -> Box<dyn StreamReader> {
        Box::new(Events::new(self.0))
    }

    fn refuse_request(&self, refusal: &Refusal<'_>, _notes: &RequestNotes) -> Answer {
        let Wording { status, retry_after, message, .. } = wording(refusal);
        let mut problem = generic::problem(refusal);
        // Where these clients look for the reason.
        if let Some(members) = problem.as_object_mut() {
            members.insert("message".to_owned(), message.into());
        }
        Answer { status, content_type: "application/problem+json", body: Bytes::from(problem.to_string()), retry_after }
    }

    fn refuse_answer(&self, refusal: &Refusal<'_>, _body: &[u8], _choices: &[u32], notes: &RequestNotes) -> Answer {
        match self.0.refused {
            Some(shape) if refusal.why != Why::Engine && refusal.block_as != BlockAs::Error => {
                rpc::json_answer(http::StatusCode::OK, &shape(refusal), None)
            }
            _ => self.refuse_request(refusal, notes),
        }
    }
}

/// Whether a path ends in these segments; `*` is any one.
fn ends_with(path: &str, pattern: &str) -> bool {
    let mut path = path.trim_end_matches('/').rsplit('/');
    pattern
        .rsplit('/')
        .filter(|wanted| !wanted.is_empty())
        .all(|wanted| path.next().is_some_and(|it| wanted == "*" || it == wanted))
}
