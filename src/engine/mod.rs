//! Judgement: same inputs, same answer, on any machine.
//!
//! The engine takes a pinned [`Program`](crate::program::Program), what is known of the exchange and the
//! session, one [`Event`](event::Event) and the [`Facts`](facts::Facts); it gives a
//! [`Judgement`](judge::Judgement). It promises no clock, no lock, no I/O and, where nothing is found, no
//! allocation beyond the reused [`Scratch`](judge::Scratch). It will not read wire formats, hold bytes
//! or write records; the guard does.

mod arguments;
pub mod condition;
mod evaluate;
pub mod event;
pub mod exchange;
pub mod facts;
mod joined;
pub mod judge;
pub mod offer;
pub mod placing;
pub mod reason;
mod region;
pub mod session;
pub mod stream;
#[cfg(test)]
mod tests;
mod tool;
