//! `servanda init`: a pact that compiles, to begin with.

use std::path::PathBuf;

use super::input;
use super::render::{Answer, CliError, Outcome, Screen};
use crate::pact::template::{TEMPLATES, template};

/// Arguments of `servanda init`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda init --template customer-support -o support.pact.yaml")]
pub(super) struct Init {
    /// Which template: customer-support, transactional (or trading), research, code-generation, minimal.
    #[arg(long, value_name = "NAME", default_value = "customer-support")]
    template: String,
    /// The kind of agent, which says what normal behaviour is; one without figures gives an empty baseline.
    #[arg(long, value_name = "NAME")]
    archetype: Option<String>,
    /// Where the pact goes; it is printed when absent.
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Overwrite a file that exists.
    #[arg(long)]
    force: bool,
}

/// What is normal for a kind of agent: name, shares of actions, of targets, of outcomes, office hours or all day.
type Archetype = (&'static str, &'static str, &'static str, [&'static str; 4], bool);

/// Kinds of agents and what is normal for them; outcomes are allow, redact, hold, block.
const ARCHETYPES: &[Archetype] = &[
    (
        "customer-experience",
        "read: 0.55, write: 0.20, send: 0.12, query: 0.08, escalate: 0.05",
        "customer: 0.50, order: 0.25, product: 0.15, communication: 0.10",
        ["0.92", "0.04", "0.03", "0.01"],
        true,
    ),
    (
        "operations-coordinator",
        "query: 0.30, write: 0.25, send: 0.20, read: 0.15, create: 0.10",
        "workflow: 0.30, agent: 0.25, status: 0.20, report: 0.15, config: 0.10",
        ["0.95", "0.03", "0.01", "0.01"],
        true,
    ),
    (
        "financial-analyst",
        "read: 0.45, query: 0.30, write: 0.15, escalate: 0.07, send: 0.03",
        "financial: 0.40, market: 0.25, report: 0.20, compliance: 0.10, client: 0.05",
        ["0.88", "0.05", "0.05", "0.02"],
        true,
    ),
    (
        "data-processor",
        "read: 0.40, write: 0.35, query: 0.15, create: 0.08, delete: 0.02",
        "data: 0.50, storage: 0.25, pipeline: 0.15, cache: 0.10",
        ["0.97", "0.01", "0.01", "0.01"],
        false,
    ),
    (
        "content-creator",
        "create: 0.35, write: 0.25, read: 0.20, query: 0.15, send: 0.05",
        "content: 0.40, media: 0.20, template: 0.15, brand: 0.15, publish: 0.10",
        ["0.90", "0.06", "0.02", "0.02"],
        true,
    ),
    (
        "security-monitor",
        "read: 0.50, query: 0.30, escalate: 0.10, write: 0.08, send: 0.02",
        "logs: 0.35, network: 0.25, auth: 0.20, incident: 0.15, config: 0.05",
        ["0.96", "0.01", "0.02", "0.01"],
        false,
    ),
    (
        "research-analyst",
        "read: 0.40, query: 0.35, write: 0.12, create: 0.08, send: 0.05",
        "research: 0.30, external: 0.25, data: 0.20, document: 0.15, reference: 0.10",
        ["0.93", "0.03", "0.02", "0.02"],
        true,
    ),
    (
        "sales-agent",
        "read: 0.30, send: 0.25, write: 0.20, query: 0.15, create: 0.10",
        "prospect: 0.30, client: 0.25, product: 0.20, communication: 0.15, crm: 0.10",
        ["0.93", "0.03", "0.02", "0.02"],
        true,
    ),
    (
        "executive-assistant",
        "read: 0.30, write: 0.25, send: 0.20, create: 0.15, query: 0.10",
        "calendar: 0.30, communication: 0.25, document: 0.20, travel: 0.15, contact: 0.10",
        ["0.95", "0.02", "0.02", "0.01"],
        true,
    ),
    (
        "healthcare-agent",
        "read: 0.40, query: 0.25, write: 0.15, escalate: 0.12, send: 0.08",
        "patient: 0.35, clinical: 0.25, schedule: 0.20, pharmacy: 0.10, insurance: 0.10",
        ["0.87", "0.05", "0.06", "0.02"],
        false,
    ),
];

impl Init {
    /// Writes the pact.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let Some(text) = template(&self.template) else {
            let known: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
            let error = CliError::new(format!("no template `{}`", self.template));
            return Err(error.help(format!("there are: {}", known.join(", "))));
        };
        let text = self.archetype.as_deref().map_or_else(|| text.to_owned(), |archetype| with_archetype(text, archetype));
        if let Some(archetype) = self.archetype.as_deref().filter(|a| figures(a).is_none()) {
            let known: Vec<&str> = ARCHETYPES.iter().map(|a| a.0).collect();
            screen.note(format_args!("no figures for `{archetype}`, the baseline is empty; there are: {}", known.join(", ")));
        }
        match &self.out {
            None => screen.raw(text.as_bytes())?,
            Some(path) => {
                input::write_new(path, text.as_bytes(), self.force)?;
                let name = path.display();
                screen.note(format_args!("wrote {name}; next: `servanda check {name}` and `servanda test {name}`"));
            }
        }
        Ok(Outcome::Fine)
    }
}

fn figures(archetype: &str) -> Option<&'static Archetype> {
    ARCHETYPES.iter().find(|a| a.0 == archetype)
}

/// The template with the kind of agent in its subject and what is normal for it in its evidence.
fn with_archetype(text: &str, archetype: &str) -> String {
    let mut out = String::with_capacity(text.len() + 400);
    for line in text.lines() {
        if line.starts_with("  archetype:") {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if line == "subject:" {
            out.push_str("  archetype: ");
            out.push_str(archetype);
            out.push('\n');
        }
        if line == "evidence:" {
            out.push_str(&baseline(archetype));
        }
    }
    out
}

fn baseline(archetype: &str) -> String {
    let Some((_, actions, targets, [allow, redact, hold, block], office)) = figures(archetype) else {
        return "  baseline: {action: {}, target: {}, outcome: {}}\n".to_owned();
    };
    let hours = if *office { "\n    hours:   {from: 8, to: 18}" } else { "" };
    format!(
        "  baseline:\n    action:  {{{actions}}}\n    target:  {{{targets}}}\n    outcome: {{allow: {allow}, redact: {redact}, hold: {hold}, block: {block}}}{hours}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pact::{Packs, read};

    #[test]
    fn every_template_with_every_archetype_reads() {
        for (name, text) in TEMPLATES {
            for archetype in ARCHETYPES.iter().map(|a| a.0).chain(["something-else"]) {
                let text = with_archetype(text, archetype);
                let (checked, mistakes) = read(&text, Packs::shipped());
                assert!(checked.is_some(), "{name} as {archetype}: {}", mistakes.render(name, &text));
            }
        }
    }
}
