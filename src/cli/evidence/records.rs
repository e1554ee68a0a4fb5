//! `servanda evidence show` and `tail`: records found again, explained, and followed as they are written.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::error;
use crate::base::clock::{Clock as _, SystemClock};
use crate::base::limits::QUERY_RECORDS_MAX;
use crate::cli::render::{Answer, CliError, Outcome, Paint, Screen, safe_lines};
use crate::evidence::explain::brief;
use crate::evidence::follow::Follower;
use crate::evidence::pseudonym_in;
use crate::evidence::query::{Parameter, Query, query};
use crate::evidence::show::show;

/// How often it is looked whether more has been written.
const LOOK: Duration = Duration::from_millis(200);

/// Which records.
#[derive(Debug, clap::Args)]
pub(super) struct Filters {
    /// Written at this time or later: 2026-11-21T10:00:00Z, Unix seconds, or 90s, 15m, 2h, 7d before now.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Written before this time.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Of this kind: exchange, intervention, pact.load, gap, ….
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// With this act: allow, flag, redact, hold, block.
    #[arg(long, value_name = "ACT")]
    act: Option<String>,
    /// In which this predicate fired.
    #[arg(long, value_name = "ID")]
    predicate: Option<String>,
    /// Of this agent.
    #[arg(long, value_name = "DID")]
    agent: Option<String>,
    /// Of this session: as the client sent it, where the folder's key can be read; else as the record has it.
    #[arg(long, value_name = "SESSION")]
    session: Option<String>,
    /// Under this pact, with or without @VERSION.
    #[arg(long, value_name = "PACT")]
    pact: Option<String>,
}

impl Filters {
    fn query(&self, dir: &Path) -> Result<Query, CliError> {
        let now = SystemClock::new().wall_us();
        let session = self.session.as_ref().map(|session| pseudonym_in(dir, "session", session)).transpose();
        let session = session.map_err(|e| {
            CliError::new(format!("--session: {e}"))
                .help("give the session as the records have it, 22 characters; the key that makes them is not in this folder")
        })?;
        let mut query = Query::default();
        for (parameter, value) in [
            (Parameter::Since, &self.since),
            (Parameter::Until, &self.until),
            (Parameter::Kind, &self.kind),
            (Parameter::Act, &self.act),
            (Parameter::Predicate, &self.predicate),
            (Parameter::Agent, &self.agent),
            (Parameter::Session, &session),
            (Parameter::Pact, &self.pact),
        ] {
            set(&mut query, parameter, value.as_deref(), now)?;
        }
        Ok(query)
    }
}

fn set(query: &mut Query, parameter: Parameter, value: Option<&str>, now: i64) -> Result<(), CliError> {
    let Some(value) = value else { return Ok(()) };
    query.set(parameter.as_str(), value, now).map_err(|bad| CliError::new(format!("--{}: {}", bad.parameter, bad.why)))
}

/// Arguments of `servanda evidence show`.
#[derive(Debug, clap::Args)]
pub(super) struct Show {
    /// The folder of the evidence.
    dir: PathBuf,
    /// Id of a record or of an exchange, or an index; without one the newest records are listed.
    #[arg(conflicts_with_all = ["since", "until", "kind", "act", "predicate", "agent", "session", "pact", "limit", "cursor"])]
    record: Option<String>,
    #[command(flatten)]
    filters: Filters,
    /// Most records that are listed.
    #[arg(long, value_name = "COUNT")]
    limit: Option<String>,
    /// List on from where the last list ended.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

impl Show {
    /// One record explained, or a list.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        match &self.record {
            Some(record) => {
                let shown = show(&self.dir, record).map_err(error)?;
                if screen.is_json() {
                    screen.json(&shown)?;
                } else {
                    screen.line(safe_lines(shown.text().trim_end()))?;
                }
            }
            None => self.list(screen)?,
        }
        Ok(Outcome::Fine)
    }

    fn list(&self, screen: &mut Screen) -> Result<(), CliError> {
        let mut wanted = self.filters.query(&self.dir)?;
        set(&mut wanted, Parameter::Limit, self.limit.as_deref(), 0)?;
        set(&mut wanted, Parameter::Cursor, self.cursor.as_deref(), 0)?;
        let wheel = screen.spinner("looking");
        // A folder may come from elsewhere: its summaries are not believed, all of it is read.
        let page = query(&self.dir, &wanted, u64::MAX, false).map_err(error);
        wheel.finish_and_clear();
        let page = page?;
        if screen.is_json() {
            return screen.json(&page);
        }
        for row in &page.records {
            line(screen, &row.record)?;
        }
        if page.records.is_empty() {
            screen.note("no such record");
        }
        if let Some(next) = &page.next {
            screen.note(format_args!("there may be more: --cursor {next}"));
        }
        Ok(())
    }
}

/// Arguments of `servanda evidence tail`.
#[derive(Debug, clap::Args)]
pub(super) struct Tail {
    /// The folder of the evidence.
    dir: PathBuf,
    #[command(flatten)]
    filters: Filters,
    /// Begin with so many records that are there already, of the segment that is written.
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 10)]
    lines: usize,
    /// End with what is there instead of waiting for more.
    #[arg(long)]
    once: bool,
}

impl Tail {
    /// Prints what comes, until nobody reads it.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let wanted = self.filters.query(&self.dir)?;
        let mut follower = Follower::new(&self.dir).map_err(error)?;
        let most = self.lines.min(QUERY_RECORDS_MAX);
        let mut begun = false;
        loop {
            let mut seen = VecDeque::new();
            let polled = follower.poll(&mut |boot, index, bytes| {
                if let Ok(record) = serde_json::from_slice::<Value>(bytes)
                    && wanted.fits(&record)
                {
                    seen.push_back((boot.to_owned(), index, record));
                    while !begun && seen.len() > most {
                        seen.pop_front();
                    }
                }
            });
            polled.map_err(error)?;
            begun = true;
            for (boot, index, record) in seen {
                if screen.is_json() {
                    screen.json_line(&json!({"boot": boot, "index": index, "record": record}))?;
                } else {
                    line(screen, &record)?;
                }
            }
            screen.flush()?;
            if self.once {
                return Ok(Outcome::Fine);
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// A record in one line.
fn line(screen: &mut Screen, record: &Value) -> Result<(), CliError> {
    let paint = match record.get("act").and_then(Value::as_str) {
        Some("block" | "hold") => Paint::Bad,
        Some("redact" | "flag") => Paint::Warn,
        Some(_) => Paint::Good,
        None => Paint::Dim,
    };
    let text = safe_lines(&brief(record)).into_owned();
    screen.line(screen.paint(paint, &text))
}
