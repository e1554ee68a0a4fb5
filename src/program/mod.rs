//! The compiled pact: an unverified image has no reader.
//!
//! A checked pact is lowered to flat tables of rules beside one scanner a stage ([`lower`]), several are linked
//! into one program for each task type ([`link`]), shown to
//! people ([`coverage`]), kept in one file ([`image`]) and put in force behind one pointer ([`live`]).

pub mod beyond;
pub mod bits;
pub mod compile;
pub mod condition;
mod conflict;
pub mod coverage;
pub mod frame;
pub mod image;
pub mod ir;
pub mod lent;
pub mod link;
pub mod live;
pub mod lower;
pub(crate) mod page;
pub mod part;
mod report;
pub mod scratch;
mod tables;

pub use compile::{CompileError, compile};
pub use ir::Program;
pub use live::Live;
