//! The table of sinks: each is one file and one row here.
//!
//! A row says what a sink is called in the config, which keys it has, what its acknowledgements are worth, and how it is
//! made. The config reader, its schema and the documents of the keys are made from these rows. A row without a maker
//! belongs to a feature that this build lacks: its keys are still known, so that the mistake is told for what it is.

use super::file;
use super::settings::{Key, Made, Make, Settings, Shape};
use crate::evidence::shipped::{Hold, Level};

/// One kind of sink.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Its name in the config.
    pub kind: &'static str,
    /// Its own keys, beside those that all have.
    pub keys: &'static [Key],
    /// The level that is asked of it where the config says nothing.
    pub level: Level,
    /// Whether it counts as an archive where the config says nothing: a place to keep, and not only a way.
    pub archive: bool,
    /// What was stored can be read back.
    pub reads: bool,
    /// The feature of the build that brings it.
    pub feature: &'static str,
    /// How it is made; none in a build without the feature.
    pub make: Option<Make>,
}

const fn key(name: &'static str, shape: Shape, needed: bool, means: &'static str) -> Key {
    Key { name, shape, needed, means }
}

/// All kinds.
pub const TABLE: &[Row] = &[Row {
    kind: "file",
    keys: &[key("dir", Shape::Path, true, "the folder, which must be there; better on another disk")],
    level: Level::Durable,
    archive: true,
    reads: true,
    feature: "guard",
    make: Some(file::make),
}];

/// The row of a kind.
pub fn row(kind: &str) -> Option<&'static Row> {
    TABLE.iter().find(|row| row.kind == kind)
}

/// One sink as the config asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name: a file name, and the label of its metrics.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
    /// Nothing goes by age that it has not got.
    pub required: bool,
    /// What it has counts as archived.
    pub archive: bool,
    /// The level that is asked of it.
    pub level: Level,
    /// Its own keys.
    pub settings: Settings,
}

impl Wanted {
    /// As the row of its kind has it, under the name of the kind.
    pub fn of(row: &'static Row, settings: Settings) -> Self {
        let Row { kind, level, archive, .. } = *row;
        Self { name: kind.to_owned(), kind, required: true, archive, level, settings }
    }

    /// What retention must know of it.
    pub fn hold(&self) -> Hold {
        Hold { sink: self.name.clone(), required: self.required, archive: self.archive }
    }

    /// Makes it, and holds what is asked of it against what it gives.
    ///
    /// # Errors
    /// What is wrong with its settings, and what to write instead.
    pub fn make(&self) -> Result<Made, String> {
        let row = row(self.kind).ok_or_else(|| format!("there is no kind of sink `{}`", self.kind))?;
        let maker = row
            .make
            .ok_or_else(|| format!("the sink `{}` is not in this build: build with --features {}", row.kind, row.feature))?;
        let made = maker(&self.settings)?;
        if self.level == Level::Verified && !row.reads {
            return Err(format!(
                "`{}` cannot be read back, so it cannot be `verified`: write level: {}",
                row.kind,
                made.gives.as_str()
            ));
        }
        if self.level != Level::Verified && self.level > made.gives {
            let (asked, gives) = (self.level.as_str(), made.gives.as_str());
            return Err(format!(
                "with these settings `{}` never says more than `{gives}`, and `{asked}` is asked of it: write level: {gives}",
                row.kind
            ));
        }
        if self.archive && self.level < Level::Durable {
            return Err(format!(
                "an archive must have what it has durably: write archive: false, or level: durable where `{}` gives it",
                row.kind
            ));
        }
        Ok(made)
    }
}

/// Whether a text can be the name of a sink.
pub fn is_name(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    !text.is_empty() && text.len() <= 40 && text.bytes().all(fine)
}
