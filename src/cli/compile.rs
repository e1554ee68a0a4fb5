//! `servanda compile`: a pact, or a portfolio with its pacts, as an image, which the sidecar loads.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::folio::{self, Folio};
use super::render::{Answer, CliError, Outcome, Screen, Table, bytes, safe};
use super::source::Source;
use crate::pact::Packs;
use crate::program::image;
use crate::seal::SigningKey;
use crate::seal::digest;

/// Arguments of `servanda compile`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda compile support.pact.json -o support.pactc")]
pub(super) struct Compile {
    /// The pact, as written or sealed; or a portfolio, whose pacts are put into the image with it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the image goes; an image that is there is replaced.
    #[arg(short, long, value_name = "OUT.pactc")]
    out: PathBuf,
    /// Sign the image with this key.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
}

impl Compile {
    /// Compiles and writes.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let (path, packs) = (&self.file, Packs::shipped());
        let key = self.key.as_deref().map(SigningKey::from_file).transpose().map_err(|e| CliError::new(e.to_string()))?;
        let Some(folio) = folio::read(path, packs, screen)? else { return Ok(Outcome::Failed) };
        if folio.image.is_some() {
            return Err(CliError::file(path, "is an image already").help("compile the documents that it was made from"));
        }
        let Some(program) = folio.compile(packs, screen)? else { return Ok(Outcome::Failed) };
        let texts: Vec<&str> = folio.pacts.iter().map(|source| source.text.as_str()).collect();
        let image = image::write(&program, folio.text.as_deref(), &texts, key.as_ref()).map_err(|e| CliError::file(path, e))?;
        std::fs::write(&self.out, &image).map_err(|e| CliError::file(&self.out, e))?;
        let read = image::Image::read(&image).map_err(|e| CliError::file(&self.out, e))?;
        let (size, coverage) = (image.len(), program.coverage());
        let signer = key.as_ref().map(|k| k.verifying().did_key());
        if screen.is_json() {
            screen.json(&json!({
                "image": self.out, "digest": read.digest().hex(), "bytes": size, "compiler": read.compiler(), "signer": signer,
                "pacts": pacts(&folio),
                "file_digest": digest(&image).hex(), "hold_back_max": coverage.hold_back_max, "stages": coverage.stages,
            }))?;
            return Ok(Outcome::Fine);
        }
        screen.line(format_args!("{}  {}", self.out.display(), bytes(size as u64)))?;
        screen.line(format_args!("image     sha256:{}", read.digest().hex()))?;
        for Source { checked, .. } in &folio.pacts {
            let (pact, digest) = (checked.pact(), checked.digest().hex());
            screen.line(format_args!("pact      {} {}  sha256:{digest}", safe(&pact.id), pact.version))?;
        }
        screen.line(format_args!(
            "compiler  {}{}",
            read.compiler(),
            signer.map_or_else(String::new, |s| format!(", signed by {s}"))
        ))?;
        let mut table = Table::new(["stage", "patterns", "topics", "hold-back", "most held by"]);
        for s in &coverage.stages {
            let worst = s.worst.clone().unwrap_or_default();
            table.row([s.stage.to_string(), s.patterns.to_string(), s.topics.to_string(), format!("{} B", s.hold_back), worst]);
        }
        table.print(screen)?;
        screen.line(format_args!("a stream holds back at most {} bytes", coverage.hold_back_max))?;
        Ok(Outcome::Fine)
    }
}

/// What is in the image, for other programs.
fn pacts(folio: &Folio) -> Vec<Value> {
    let one = |Source { checked, .. }: &Source| json!({"pact": checked.pact().id, "version": checked.pact().version.to_string(), "digest": checked.digest().hex()});
    folio.pacts.iter().map(one).collect()
}
