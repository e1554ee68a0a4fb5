//! `servanda evidence export`: verified records in the shapes of other systems, and what could not be carried.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::armalo::{self, Exported};
use super::render::{Answer, CliError, Outcome, Screen, count, safe};
use super::source::{self, Source};
use crate::evidence::report::Outcome as Verdict;
use crate::evidence::verified::records;
use crate::evidence::verify::Policy;

/// Whose shapes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Target {
    /// Armalo's endpoints.
    Armalo,
}

/// Which shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    /// One body an exchange, a line each.
    Interaction,
    /// How a pact is kept.
    Fulfillment,
    /// How an agent keeps its pacts.
    Trust,
}

/// Arguments of `servanda evidence export`.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// The folder of the evidence.
    dir: PathBuf,
    /// For whom: armalo.
    #[arg(long, value_name = "SYSTEM")]
    to: Target,
    /// What: interaction (a line an exchange), fulfillment (of the pact), trust (of the agent).
    #[arg(long, value_name = "SHAPE")]
    shape: Form,
    /// The pact: only exchanges under it; with its limits for `fulfillment`, with its tasks for `trust`.
    #[arg(long, value_name = "FILE")]
    pact: Option<PathBuf>,
    /// Where it goes; it is printed when absent.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// What the records of a folder say of its traffic.
#[derive(Debug, Default)]
struct Recorded {
    /// What the verification says.
    outcome: Verdict,
    /// Exchanges, the oldest first.
    exchanges: Vec<Value>,
    /// The last load that succeeded.
    loaded: Option<Value>,
    /// Records that no signed head covers yet.
    uncovered: u64,
}

impl ExportArgs {
    /// Verifies, then exports what is verified.
    pub(super) fn run(&self, screen: &mut Screen, policy: &Policy) -> Answer {
        let pact = match &self.pact {
            Some(path) => match source::read(path, screen)? {
                Some(source) => Some(source),
                None => return Ok(Outcome::Failed),
            },
            None if self.shape == Form::Fulfillment => {
                return Err(CliError::new("`fulfillment` is told of a pact").help("name it with --pact FILE"));
            }
            None => None,
        };
        let wheel = screen.spinner("verifying");
        let recorded = recorded(&self.dir, policy);
        wheel.finish_and_clear();
        let recorded = recorded?;
        // Each record of an incomplete log holds for itself; a rate of what is left of it would be made up.
        let usable = match self.shape {
            Form::Interaction => recorded.outcome != Verdict::Invalid,
            Form::Fulfillment | Form::Trust => recorded.outcome == Verdict::Valid,
        };
        if !usable {
            let help = format!("`servanda evidence verify {}` tells why", self.dir.display());
            screen.note(format_args!("the log is {}, so this is not exported; {help}", recorded.outcome.as_str()));
            return Ok(Outcome::Failed);
        }
        let exported = self.exported(&recorded, pact.as_ref());
        let text = match self.shape {
            Form::Interaction => exported.documents.iter().flat_map(|document| [document.to_string(), "\n".to_owned()]).collect(),
            Form::Fulfillment | Form::Trust => {
                let one = exported.documents.first().cloned().unwrap_or_default();
                serde_json::to_string_pretty(&one).map_err(|e| CliError::new(e.to_string()))? + "\n"
            }
        };
        if let Some(path) = &self.out {
            std::fs::write(path, &text).map_err(|e| CliError::file(path, e))?;
        }
        if screen.is_json() {
            screen.json(&json!({"shape": self.shape, "documents": exported.documents, "left": exported.left}))?;
            return Ok(Outcome::Fine);
        }
        match &self.out {
            Some(path) => {
                screen.note(format_args!("wrote {} to {}", count(exported.documents.len(), "document"), path.display()));
            }
            None => screen.raw(text.as_bytes())?,
        }
        if !exported.left.is_empty() {
            screen.note("not carried as the shape has it:");
            for left in &exported.left {
                screen.note(format_args!("  {}: {}", safe(&left.field), safe(&left.why)));
            }
        }
        Ok(Outcome::Fine)
    }

    fn exported(&self, recorded: &Recorded, pact: Option<&Source>) -> Exported {
        let (exchanges, lanes) = outermost(&recorded.exchanges);
        let pact = pact.map(|source| source.checked.pact());
        let governed = |record: &Value| {
            let pacts = record.get("pacts").and_then(Value::as_array);
            pact.is_none_or(|pact| pacts.into_iter().flatten().any(|p| p.get("id").and_then(Value::as_str) == Some(&pact.id)))
        };
        let mut exported = match (self.to, self.shape, pact) {
            (Target::Armalo, Form::Interaction, _) => {
                armalo::interactions(&exchanges.into_iter().filter(governed).collect::<Vec<_>>())
            }
            (Target::Armalo, Form::Fulfillment, Some(pact)) => armalo::fulfillment(&exchanges, pact),
            (Target::Armalo, Form::Fulfillment | Form::Trust, pact) => {
                armalo::trust(&exchanges, recorded.loaded.as_ref(), pact.as_slice())
            }
        };
        if let Some((kept, others)) = lanes {
            exported.left(
                "",
                format!("only the lane `{kept}`, so that none is counted twice; {} of other lanes", count(others, "exchange")),
            );
        }
        if recorded.outcome != Verdict::Valid {
            exported.left("", "the log is incomplete: records are missing, and only those that hold stand here");
        }
        if recorded.uncovered > 0 {
            let covered = usize::try_from(recorded.uncovered).unwrap_or(usize::MAX);
            exported.left("", format!("{} that no signed head covers yet", count(covered, "record")));
        }
        exported
    }
}

/// The exchanges of the lane nearest to whoever asked; where others are left out, that lane and how many.
fn outermost(exchanges: &[Value]) -> (Vec<Value>, Option<(&'static str, usize)>) {
    let on = |lane: &str| exchanges.iter().filter(|r| r.get("lane").and_then(Value::as_str) == Some(lane)).cloned().collect();
    for lane in ["inbound", "model", "tools", "egress"] {
        let kept: Vec<Value> = on(lane);
        if !kept.is_empty() {
            let others = exchanges.len() - kept.len();
            return (kept, (others > 0).then_some((lane, others)));
        }
    }
    (exchanges.to_vec(), None)
}

/// The records of a folder that signed heads cover.
fn recorded(dir: &Path, policy: &Policy) -> Result<Recorded, CliError> {
    let wrong = |error: crate::evidence::LogError| CliError::new(error.to_string());
    let mut out = Recorded::default();
    let (report, uncovered) = records(dir, policy, &mut |bytes| {
        let Ok(record) = serde_json::from_slice::<Value>(bytes) else { return };
        let is = |key: &str, word: &str| record.get(key).and_then(Value::as_str) == Some(word);
        if is("kind", "exchange") {
            out.exchanges.push(record);
        } else if is("kind", "pact.load") && is("result", "loaded") {
            out.loaded = Some(record);
        }
    })
    .map_err(wrong)?;
    Ok(Recorded { uncovered, outcome: report.outcome, ..out })
}
