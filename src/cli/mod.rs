//! The `servanda` command: one file a command, each over the public doors of the floors below.
//!
//! The command line prints; the library does not. Results go to standard output, remarks to standard
//! error, and nothing that comes from outside can act on the terminal.

pub mod args;
mod armalo;
mod check;
mod compile;
mod demo;
mod diff;
mod evidence;
mod explain;
mod export;
mod folio;
mod import;
mod init;
mod input;
mod judge;
mod keygen;
mod mcp;
mod packs;
mod rebuild;
mod render;
mod run;
mod scan;
mod schema;
mod shell;
mod sign;
mod source;
mod statement;
mod status;
mod test;
mod train;
