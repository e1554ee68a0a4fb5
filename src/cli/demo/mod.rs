//! `servanda demo`: a sample agent, the sidecar in front of it, and a dozen exchanges to look at.

mod agent;
mod client;
mod scene;
mod tell;
mod tour;

pub(super) use tour::Demo;
