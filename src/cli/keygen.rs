//! `servanda keygen`: a signing key in a file that only its owner may read.

use std::path::PathBuf;

use serde_json::json;

use super::render::{Answer, CliError, Outcome, Screen};
use crate::seal::key::SigningKey;

/// Arguments of `servanda keygen`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  servanda keygen -o agent.key")]
pub(super) struct Keygen {
    /// Where the secret key goes; a file that exists is never overwritten.
    #[arg(short, long, value_name = "FILE", default_value = "servanda.key")]
    out: PathBuf,
}

impl Keygen {
    /// Makes the key.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        let key = SigningKey::generate().map_err(|e| CliError::new(e.to_string()))?;
        key.to_file(&self.out).map_err(|e| CliError::new(e.to_string()).help("name another file with -o"))?;
        let public = key.verifying();
        if screen.is_json() {
            screen.json(&json!({"file": self.out, "key": public.multibase(), "did": public.did_key()}))?;
        } else {
            screen.line(format_args!("key  {}", public.multibase()))?;
            screen.line(format_args!("did  {}", public.did_key()))?;
            screen.note(format_args!("secret key written to {} (readable by you alone)", self.out.display()));
        }
        Ok(Outcome::Fine)
    }
}
