//! `servanda compile`: a pact as an image, which the sidecar loads.

use std::path::PathBuf;

use serde_json::json;

use super::render::{Answer, CliError, Outcome, Screen, Table, bytes};
use super::source;
use crate::program::image;
use crate::seal::SigningKey;
use crate::seal::digest;

/// Arguments of `servanda compile`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda compile support.pact.json -o support.pactc")]
pub(super) struct Compile {
    /// The pact, as written or sealed. This build compiles one.
    #[arg(value_name = "FILE", required = true, num_args = 1..)]
    files: Vec<PathBuf>,
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
        let [path] = self.files.as_slice() else {
            return Err(CliError::new("this build compiles one pact into an image").help("compile each on its own"));
        };
        let key = self.key.as_deref().map(SigningKey::from_file).transpose().map_err(|e| CliError::new(e.to_string()))?;
        let Some(source) = source::read(path, screen)? else { return Ok(Outcome::Failed) };
        let Some(program) = source.compile(screen) else { return Ok(Outcome::Failed) };
        let image = image::write(&program, &[&source.text], key.as_ref()).map_err(|e| CliError::file(path, e))?;
        std::fs::write(&self.out, &image).map_err(|e| CliError::file(&self.out, e))?;
        let read = image::Image::read(&image).map_err(|e| CliError::file(&self.out, e))?;
        let (size, coverage) = (image.len(), program.coverage());
        let signer = key.as_ref().map(|k| k.verifying().did_key());
        if screen.is_json() {
            screen.json(&json!({
                "image": self.out, "digest": read.digest().hex(), "bytes": size, "compiler": read.compiler(), "signer": signer,
                "pact": coverage.pact, "version": coverage.version, "pact_digest": source.checked.digest().hex(),
                "file_digest": digest(&image).hex(), "hold_back_max": coverage.hold_back_max, "stages": coverage.stages,
            }))?;
            return Ok(Outcome::Fine);
        }
        screen.line(format_args!("{}  {}", self.out.display(), bytes(size as u64)))?;
        screen.line(format_args!("image     sha256:{}", read.digest().hex()))?;
        screen.line(format_args!(
            "pact      {} {}  sha256:{}",
            coverage.pact,
            coverage.version,
            source.checked.digest().hex()
        ))?;
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
