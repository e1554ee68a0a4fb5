//! Protocols that are told by a table: which fields of a body or an event hold what, by pointer.
//!
//! AG-UI, `LangGraph` and Google ADK have nothing that [`generic`](super::generic) does not read; what their
//! tables add is what goes on with what, which calls wait for which end, whose turn a text is, the
//! conversation, and an end of a stream that the clients understand. What no row names is judged as generic
//! does it. A protocol of this kind is one file with one [`Table`](table::Table).

pub(super) mod adapter;
pub(super) mod adk;
pub(super) mod ag_ui;
pub(super) mod langgraph;
mod read;
mod stream;
mod table;

#[cfg(test)]
mod tests;
