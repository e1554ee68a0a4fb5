//! The compiled pact: an unverified image has no reader.

pub mod ir;
pub mod live;

pub use ir::Program;
pub use live::Live;
