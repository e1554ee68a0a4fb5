//! No fetching: this build was made without the feature `did-web`.

use std::path::Path;

use super::resolve::Fetch;

/// Fetches nothing.
#[derive(Debug)]
pub(crate) struct Web;

impl Web {
    /// Fetching as this build can do it.
    pub(crate) fn new(_ca_file: Option<&Path>) -> Self {
        Self
    }
}

impl Fetch for Web {
    fn fetch(&self, _url: &str) -> Result<Vec<u8>, String> {
        Err("this build fetches nothing (feature `did-web`); write the document down and pin it: document: FILE".to_owned())
    }
}
