//! `servanda import`: a draft pact from the document of another system, and what it does not carry.

use std::path::PathBuf;

use serde_json::json;

use super::input;
use super::render::{Answer, Outcome, Screen, count, safe};
use crate::pact::Packs;
use crate::pact::import::{Origin, import};

/// Arguments of `servanda import`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda import contract.json --from nomotic -o draft.pact.yaml")]
pub(super) struct Import {
    /// The foreign document, as JSON or YAML.
    file: PathBuf,
    /// Whose document it is: armalo (a pact, or live conditions), nomotic or eidos.
    #[arg(long, value_name = "KIND", value_parser = parse_origin)]
    from: Origin,
    /// Where the draft goes; it is printed when absent.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite a file that exists.
    #[arg(long)]
    force: bool,
}

fn parse_origin(text: &str) -> Result<Origin, String> {
    let known: Vec<&str> = Origin::ALL.iter().map(|o| o.as_str()).collect();
    Origin::parse(text).ok_or_else(|| format!("one of {}", known.join(", ")))
}

impl Import {
    /// Makes the draft.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let text = input::document(&self.file)?;
        let imported = match import(&text, self.from, Packs::shipped()) {
            Ok(imported) => imported,
            Err(mistakes) => {
                screen.diagnostics(&self.file.display().to_string(), &text, &mistakes);
                return Ok(Outcome::Failed);
            }
        };
        if let Some(path) = &self.out {
            input::write_new(path, imported.draft.as_bytes(), self.force)?;
        }
        if screen.is_json() {
            screen.json(&json!({"file": self.file, "draft": imported.draft, "left": imported.left, "lacks": imported.lacks}))?;
            return Ok(Outcome::Fine);
        }
        if self.out.is_none() {
            screen.raw(imported.draft.as_bytes())?;
        }
        if !imported.left.is_empty() {
            screen.note(format_args!("not carried as it stood ({}):", count(imported.left.len(), "value")));
            for left in &imported.left {
                let path = if left.path.is_empty() { "the draft" } else { &left.path };
                screen.note(format_args!("  {}: {}", safe(path), safe(&left.why)));
            }
        }
        if !imported.lacks.is_empty() {
            screen.note("before it can be signed it needs:");
            for lack in &imported.lacks {
                screen.note(format_args!("  {}", safe(lack)));
            }
        }
        if let Some(path) = &self.out {
            screen.note(format_args!("wrote {0}; next: `servanda check {0}`", path.display()));
        }
        Ok(Outcome::Fine)
    }
}
