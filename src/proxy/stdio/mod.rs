//! An MCP server over standard input and output, as a child of the guard.
//!
//! Each line is a message and one exchange of its own: judged by the same adapter and engine, and recorded in the same
//! log, as if it had come over HTTP. What is refused is answered to the side that waits: a call to the client, a
//! question of the server to the server. The two directions wait for nothing but their own reader. It will not start
//! a server again, and the pacts in force are those of its start.

mod lines;
mod pass;
mod run;
mod server;

pub use run::{Setup, run};
