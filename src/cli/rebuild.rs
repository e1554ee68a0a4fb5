//! `servanda evidence rebuild`: one store of the evidence made whole from another.

use std::path::PathBuf;

use super::render::{Answer, CliError, Outcome, Screen, count, safe};
use crate::evidence::sink::file::FileSink;
use crate::evidence::sink::rebuild::rebuild;
use crate::evidence::sink::{Sink, Wanted};
use crate::proxy::config::Config;

/// Arguments of `servanda evidence rebuild`.
#[derive(Debug, clap::Args)]
pub(super) struct Rebuild {
    /// The configuration that names the sinks.
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The sink that has what is to be brought over.
    #[arg(long, value_name = "SINK")]
    from: String,
    /// The sink that gets it.
    #[arg(long, value_name = "SINK", required_unless_present = "into", conflicts_with = "into")]
    to: Option<String>,
    /// A folder that gets it instead, made if it is not there: `evidence verify` reads it.
    #[arg(long, value_name = "DIR")]
    into: Option<PathBuf>,
}

impl Rebuild {
    /// Brings everything over, and says what was missing or in the way.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let (config, _) = Config::load(&self.config).map_err(|e| CliError::new(e.to_string()))?;
        let mut from = make(&config.evidence.sinks, &self.from)?;
        let mut to: Box<dyn Sink> = match (&self.to, &self.into) {
            (Some(name), _) => make(&config.evidence.sinks, name)?,
            (None, Some(dir)) => {
                std::fs::create_dir_all(dir).map_err(|e| CliError::file(dir, e))?;
                Box::new(FileSink::new(dir))
            }
            (None, None) => return Err(CliError::new("name a sink with --to, or a folder with --into")),
        };
        let wheel = screen.spinner("rebuilding");
        let told = rebuild(&mut *from, &mut *to, &mut |_| wheel.tick());
        wheel.finish_and_clear();
        let told = told
            .map_err(|fault| CliError::new(fault.to_string()).help("what came over stays; run it again once that is solved"))?;
        if screen.is_json() {
            screen.json(&told)?;
        } else {
            let records = count(usize::try_from(told.records).unwrap_or(usize::MAX), "record");
            screen.line(format_args!("{records} of {} are there", count(told.logs, "log")))?;
            for (origin, first, last) in &told.missing {
                screen.line(format_args!("missing in `{}`: {} from {first} to {last}", safe(&self.from), safe(origin)))?;
            }
            for (origin, first, why) in &told.in_the_way {
                screen.line(format_args!("not brought over: {} at {first}: {}", safe(origin), safe(why)))?;
            }
        }
        Ok(Outcome::of(told.is_whole()))
    }
}

fn make(sinks: &[Wanted], name: &str) -> Result<Box<dyn Sink>, CliError> {
    let Some(wanted) = sinks.iter().find(|wanted| wanted.name == name) else {
        let names: Vec<&str> = sinks.iter().map(|wanted| wanted.name.as_str()).collect();
        return Err(
            CliError::new(format!("the configuration has no sink `{name}`")).help(format!("it has: {}", names.join(", ")))
        );
    };
    wanted.make().map(|made| made.sink).map_err(CliError::new)
}
