//! The table of sinks: each is one file and one row here.
//!
//! A row says what a sink is called in the config, which keys it has, what its acknowledgements are worth, and how it is
//! made. The config reader, its schema and the documents of the keys are made from these rows. A row without a maker
//! belongs to a feature that this build lacks: its keys are still known, so that the mistake is told for what it is.

use super::file;
#[cfg(feature = "proxy")]
use super::http;
#[cfg(feature = "sink-nats")]
use super::nats;
#[cfg(feature = "sink-postgres")]
use super::postgres;
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

/// How a sink of a feature is made, where the feature is built.
macro_rules! made_by {
    ($feature:literal, $make:path) => {{
        #[cfg(feature = $feature)]
        let make: Option<Make> = Some($make);
        #[cfg(not(feature = $feature))]
        let make: Option<Make> = None;
        make
    }};
}

const CA_FILE: Key = key("ca_file", Shape::Path, false, "certificates to trust beside those of the system");

/// All kinds.
pub const TABLE: &[Row] = &[
    Row {
        kind: "file",
        keys: &[key("dir", Shape::Path, true, "the folder, which must be there; better on another disk")],
        level: Level::Durable,
        archive: true,
        reads: true,
        feature: "guard",
        make: Some(file::make),
    },
    Row {
        kind: "nats",
        keys: &[
            key("url", Shape::Text, true, "nats://host:4222, or tls:// to insist on TLS; several with commas between"),
            key("stream", Shape::Text, false, "the stream, made if it is not there; servanda-evidence"),
            key("subject", Shape::Text, false, "what subjects begin with, before a word for each log; servanda.evidence.v1"),
            key("replicas", Shape::Count(5), false, "copies that the stream must have, and is made with"),
            key("synced", Shape::Switch, false, "true: the servers run with sync_interval: always"),
            key("user", Shape::Text, false, "who we are there, with a password"),
            key("password_file", Shape::Path, false, "a file with the password"),
            key("password_env", Shape::Text, false, "or the variable of the environment that holds it"),
            key("token_file", Shape::Path, false, "a file with a token, in place of user and password"),
            key("token_env", Shape::Text, false, "or the variable of the environment that holds it"),
            CA_FILE,
        ],
        level: Level::Accepted,
        archive: false,
        reads: true,
        feature: "sink-nats",
        make: made_by!("sink-nats", nats::make),
    },
    Row {
        kind: "postgres",
        keys: &[
            key(
                "url",
                Shape::Text,
                true,
                "postgres://user@host:5432/name, without the password; several hosts with commas between",
            ),
            key("password_file", Shape::Path, false, "a file with the password"),
            key("password_env", Shape::Text, false, "or the variable of the environment that holds it"),
            key("tls", Shape::Word(&["required", "off"]), false, "off: the connection is not encrypted"),
            key("records", Shape::Switch, false, "false: only batches are stored, and nothing can be asked in SQL"),
            CA_FILE,
        ],
        level: Level::Durable,
        archive: true,
        reads: true,
        feature: "sink-postgres",
        make: made_by!("sink-postgres", postgres::make),
    },
    Row {
        kind: "http",
        keys: &[
            key("url", Shape::Text, true, "where each batch is posted as a CloudEvent"),
            key(
                "mode",
                Shape::Word(&["binary", "structured"]),
                false,
                "how a CloudEvent is written: attributes as headers, or all as JSON",
            ),
            key("confirms", Shape::Switch, false, "true: the receiver answers size and root of what it has durably"),
            key("token_file", Shape::Path, false, "a file with a bearer token"),
            key("token_env", Shape::Text, false, "or the variable of the environment that holds it"),
            CA_FILE,
        ],
        level: Level::Accepted,
        archive: false,
        reads: false,
        feature: "proxy",
        make: made_by!("proxy", http::make),
    },
];

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
        let maker = row.make.ok_or_else(|| {
            format!("the sink `{}` is not in this build: build with `cargo build --release --features {}`", row.kind, row.feature)
        })?;
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
