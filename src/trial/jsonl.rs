//! The lines of `servanda judge`: one exchange in, its verdict out.
//!
//! Input: `{"id":…, "session":…, "events":[{"at":…, "text":…, "tool":…, "args":…, "host":…, "facts":{…}}]}`.
//! Output: `{"id":…, "verdict":…, "events":[{"act":…, "violations":[{"predicate":…, "severity":…,
//! "detector":…}], "text":…}]}`. Lines with the same `session` share one. A fact told by one event holds for
//! the events after it; `null` says that its source was silent; one never told has no source. `text` and
//! `args` are given as they would pass, and left out where nothing passes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::case::measures;
use super::play::{Play, Told};
use crate::base::names::{Lane, Stage};
use crate::base::verdict::{Act, Severity, Unjudged};
use crate::engine::facts::{Fact, FactValue, Facts};
use crate::engine::session::{SessionHandle, Sessions};
use crate::pact::decimal::Decimal;
use crate::pact::model::Quantity;
use crate::program::Program;

/// Why a line could not be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineError {
    /// In one sentence.
    pub message: String,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for LineError {}

impl From<serde_json::Error> for LineError {
    fn from(error: serde_json::Error) -> Self {
        Self { message: error.to_string() }
    }
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    session: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    facts: BTreeMap<String, &'a RawValue>,
    #[serde(borrow)]
    events: Vec<LineEvent<'a>>,
}

#[derive(Deserialize)]
struct LineEvent<'a> {
    at: Stage,
    #[serde(default)]
    lane: Option<Lane>,
    #[serde(default)]
    text: Option<Cow<'a, str>>,
    #[serde(default)]
    tool: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(default)]
    host: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    facts: BTreeMap<String, &'a RawValue>,
    #[serde(default)]
    measures: BTreeMap<String, i64>,
}

/// The answer to one line.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict<'a> {
    /// As given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a RawValue>,
    /// The harshest act of the events.
    pub verdict: Act,
    /// By event.
    pub events: Vec<EventVerdict>,
}

/// The answer to one event.
#[derive(Clone, Debug, Serialize)]
pub struct EventVerdict {
    /// What the pact demands.
    pub act: Act,
    /// What was breached.
    pub violations: Vec<Violation>,
    /// The text as it would pass.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The arguments as they would pass, as JSON text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<String>,
    /// Why, beyond violations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What was not inspected.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unjudged: Vec<Unjudged>,
}

/// One breach.
#[derive(Clone, Debug, Serialize)]
pub struct Violation {
    /// Id of the predicate.
    pub predicate: String,
    /// How grave.
    pub severity: Severity,
    /// What found it.
    pub detector: String,
    /// What it demands.
    pub act: Act,
    /// How often.
    pub count: u32,
}

/// Judges lines, one after the other.
#[derive(Debug)]
pub struct LineJudge {
    program: Arc<Program>,
    sessions: Sessions,
}

impl LineJudge {
    /// A judge by this program, without sessions yet.
    pub fn new(program: Arc<Program>) -> Self {
        Self { program, sessions: Sessions::default() }
    }

    /// Judges one line and gives the line to print, without its line feed.
    ///
    /// # Errors
    /// When the line is not what it must be.
    pub fn line(&self, line: &str, now_us: i64) -> Result<String, LineError> {
        self.judge(line, now_us, |verdict| serde_json::to_string(verdict).map_err(LineError::from))
    }

    /// Judges one line and hands the verdict to `see`.
    ///
    /// # Errors
    /// When the line is not what it must be, or `see` fails.
    pub fn judge<T>(
        &self,
        line: &str,
        now_us: i64,
        see: impl FnOnce(&Verdict<'_>) -> Result<T, LineError>,
    ) -> Result<T, LineError> {
        let line: Line<'_> = serde_json::from_str(line)?;
        let session = line.session.as_deref().map_or_else(SessionHandle::alone, |key| self.sessions.open(key));
        let mut facts = Facts::new();
        tell(&mut facts, &line.facts)?;
        if let Some(first) = line.events.first() {
            tell(&mut facts, &first.facts)?;
        }
        let mut play = Play::begin(&self.program, session, &facts, now_us);
        let mut verdict = Verdict { id: line.id, verdict: Act::Allow, events: Vec::with_capacity(line.events.len()) };
        for event in &line.events {
            tell(&mut facts, &event.facts)?;
            let judged = self.event(&mut play, event, &facts)?;
            verdict.verdict = verdict.verdict.join(judged.act);
            verdict.events.push(judged);
        }
        see(&verdict)
    }

    fn event(&self, play: &mut Play, event: &LineEvent<'_>, facts: &Facts) -> Result<EventVerdict, LineError> {
        if event.at == Stage::Window {
            return Err(LineError { message: "`window` is no event: it is measured over many".to_owned() });
        }
        for name in event.measures.keys() {
            if Quantity::parse(name).is_none() {
                return Err(LineError { message: format!("unknown measure `{name}`") });
            }
        }
        // Arguments as an object stand as written, so that numbers stay exact; as a string they are JSON text.
        let args: Option<Cow<'_, str>> = match event.args {
            Some(raw) if raw.get().starts_with('"') => Some(Cow::Owned(serde_json::from_str(raw.get())?)),
            Some(raw) if raw.get() == "null" => None,
            Some(raw) => Some(Cow::Borrowed(raw.get())),
            None => None,
        };
        let told = Told {
            at: event.at,
            lane: event.lane,
            text: event.text.as_deref(),
            tool: event.tool.as_deref(),
            args: args.as_deref(),
            host: event.host.as_deref(),
            measures: measures(|q| event.measures.get(q.as_str()).copied()),
        };
        let played = play.event(&told, facts);
        let violations = played.judgement.hits.iter().map(|hit| Violation {
            predicate: self.program.predicate(hit.predicate).map(|p| p.id.to_string()).unwrap_or_default(),
            severity: hit.severity,
            detector: hit.detector.to_string(),
            act: hit.act,
            count: hit.count,
        });
        Ok(EventVerdict {
            act: played.judgement.act,
            violations: violations.collect(),
            text: played.text,
            args: played.args,
            reason: played.judgement.reason.map(crate::engine::judge::Reason::as_str),
            unjudged: played.judgement.unjudged,
        })
    }
}

fn tell(facts: &mut Facts, told: &BTreeMap<String, &RawValue>) -> Result<(), LineError> {
    for (name, raw) in told {
        let fact = match raw.get() {
            "null" => Fact::Absent,
            "true" => Fact::Present(FactValue::Bool(true)),
            "false" => Fact::Present(FactValue::Bool(false)),
            text if text.starts_with('"') => Fact::Present(FactValue::Text(serde_json::from_str::<String>(text)?.into())),
            text if text.starts_with('[') => {
                let list: Vec<String> = serde_json::from_str(text)?;
                Fact::Present(FactValue::Texts(list.into_iter().map(Arc::from).collect()))
            }
            text => match Decimal::parse(text) {
                Some(number) => Fact::Present(FactValue::Number(number)),
                None => return Err(LineError { message: format!("fact `{name}` is neither text, number nor true or false") }),
            },
        };
        facts.set(name.as_str(), fact);
    }
    Ok(())
}
