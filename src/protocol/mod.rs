//! Wire protocols: bytes in, texts with their places out, and the way back.
//!
//! The path of a body: [`encoding`] undoes its coding, [`charset`] makes it UTF-8, [`claim`] has chosen
//! an [`Adapter`] from the head, which reads it into a [`Message`]; edits of its texts are put into
//! the original bytes with [`patch`]. A stream goes through [`sse::Framer`] event by event, a
//! [`StreamReader`] tells what each says, and [`sse::Event::rewrite`] changes one. A refusal is put
//! in the asker's own shape by the adapter.
//!
//! Invariant of the folder: no byte is lost that was not understood. What is forwarded unchanged is
//! the original, and what no adapter understands is given as text or named as unread.

pub mod a2a;
pub mod adapter;
pub mod anthropic;
pub mod bedrock;
pub mod charset;
#[cfg(feature = "guard")]
pub mod encoding;
pub mod error;
mod events;
mod findings;
pub mod form;
pub mod frames;
pub mod gemini;
pub mod generic;
pub mod json;
pub mod leaves;
pub mod lines;
pub mod listing;
pub mod mcp;
pub mod message;
pub mod multipart;
pub mod openai_chat;
pub mod openai_responses;
mod pointers;
mod rpc;
pub mod sniff;
pub mod sse;
pub mod text;
mod tree;
mod value;
mod words;

pub use adapter::{Adapter, Answer, BlockAs, CallKey, Channel, Head, Piece, Refusal, StreamReader, Why};
pub use error::{Code, ReadError};
pub use leaves::leaves;
pub use listing::{Listed, Listing};
pub use message::{Call, CallKind, Finish, Message, NO_CHOICE, Part, RequestNotes, Role, Rpc, Shadow, Unread, Usage};
pub use sniff::{Shape, sniff};
pub use text::{Edit, Text, patch};

/// The adapters in the order in which they are asked. The last one claims everything.
static ADAPTERS: &[&dyn Adapter] = &[
    &openai_chat::OpenAiChat,
    &openai_responses::OpenAiResponses,
    &anthropic::AnthropicMessages,
    &gemini::Gemini,
    &bedrock::Bedrock,
    &mcp::Mcp,
    &a2a::A2a,
    &pointers::ag_ui::AG_UI,
    &pointers::langgraph::LANGGRAPH,
    &pointers::adk::ADK,
    &generic::Generic,
];

/// The adapter for a request with this head.
pub fn claim(head: &Head<'_>) -> &'static dyn Adapter {
    ADAPTERS.iter().copied().find(|adapter| adapter.claims(head)).unwrap_or(&generic::Generic)
}

#[cfg(test)]
mod tests;
