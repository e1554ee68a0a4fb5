//! What the config may say of a sink, and what is made of it.
//!
//! A sink reads its settings by the names of its keys; the config reader has held them against their shapes before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::contract::Sink;
use crate::evidence::shipped::Level;

/// What the value of a key looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text.
    Text,
    /// A path, taken from the folder of the config.
    Path,
    /// One of these words; the first is the default.
    Word(&'static [&'static str]),
    /// True or false.
    Switch,
    /// A number from one to this.
    Count(u64),
}

/// One key of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value looks like.
    pub shape: Shape,
    /// It has no default.
    pub needed: bool,
    /// What it is for.
    pub means: &'static str,
}

/// The values of one sink's keys, as they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    values: BTreeMap<&'static str, String>,
    paths: BTreeMap<&'static str, PathBuf>,
}

impl Settings {
    /// Sets text, a word, a switch or a number, as it is written.
    pub fn set(&mut self, key: &'static str, value: impl Into<String>) {
        self.values.insert(key, value.into());
    }

    /// Sets a path.
    pub fn set_path(&mut self, key: &'static str, path: impl Into<PathBuf>) {
        self.paths.insert(key, path.into());
    }

    /// Text, a word, a switch or a number, as it was written.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// A switch, and what it is where nothing is written.
    pub fn switch(&self, key: &str, default: bool) -> bool {
        self.text(key).map_or(default, |text| text == "true")
    }

    /// A path.
    pub fn path(&self, key: &str) -> Option<&Path> {
        self.paths.get(key).map(PathBuf::as_path)
    }
}

/// A sink that was made, and what its acknowledgements are worth at best with these settings.
pub struct Made {
    /// The sink, not yet connected.
    pub sink: Box<dyn Sink>,
    /// What it gives.
    pub gives: Level,
}

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Made").field("gives", &self.gives).finish_non_exhaustive()
    }
}

/// Makes a sink by its settings; the text of a mistake says what to write instead. Nothing is connected here.
pub type Make = fn(&Settings) -> Result<Made, String>;
