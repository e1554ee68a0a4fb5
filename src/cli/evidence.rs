//! `servanda evidence`: the log, verified and explained from its files alone.

mod page;
mod records;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;

use super::export::ExportArgs;
use super::input;
use super::rebuild::Rebuild;
use super::render::{Answer, CliError, Outcome, Paint, Screen, safe, safe_lines};
use crate::base::clock::{Clock as _, SystemClock};
use crate::base::limits::DOCUMENT_MAX;
use crate::evidence::erase::{Grounds, erase};
use crate::evidence::fsck::fsck;
use crate::evidence::note::NoteKey;
use crate::evidence::prove;
use crate::evidence::receipt::{self, RECEIPT};
use crate::evidence::report::{Outcome as Verdict, Report};
use crate::evidence::revoke::revoke;
use crate::evidence::standing::{self, Standing};
use crate::evidence::verify::{Policy, verify};
use crate::evidence::{LogError, LogOptions};
use crate::seal::SigningKey;

/// Arguments of `servanda evidence`.
#[derive(Debug, clap::Args)]
pub(super) struct Evidence {
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Verify a log, a proof made by `prove`, or a receipt: no network, no clock, no help from who wrote it.
    #[command(after_help = "Example:\n  servanda evidence verify servanda-evidence")]
    Verify {
        /// The folder of the evidence, a proof, or a receipt.
        path: PathBuf,
        #[command(flatten)]
        root: Root,
        /// Also write what was found as one page for people, which needs nothing else.
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Show one record and what it belongs to, in words: this explains a block. Without a record, list those that fit.
    #[command(
        after_help = "Example:\n  servanda evidence show servanda-evidence 0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11\n  servanda evidence show servanda-evidence --act block --since 2h"
    )]
    Show(records::Show),
    /// Follow a log while it is written, into the logs that come after it.
    #[command(after_help = "Example:\n  servanda evidence tail servanda-evidence --act block")]
    Tail(records::Tail),
    /// Prove that a record is in the log, or that the log of today extends the log of then.
    #[command(
        after_help = "Example:\n  servanda evidence prove servanda-evidence 0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11 -o block.proof"
    )]
    Prove {
        /// The folder of the evidence.
        dir: PathBuf,
        /// Id of a record, or an index.
        #[arg(required_unless_present = "since")]
        record: Option<String>,
        /// Prove that the head of today extends the head of this size.
        #[arg(long, value_name = "SIZE", conflicts_with = "record")]
        since: Option<u64>,
        /// Where the proof goes; it is printed when absent.
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Hold what a caller was given against the evidence: the promise `x-servanda-record` and `x-servanda-log`, or a receipt.
    #[command(
        after_help = "Example:\n  servanda evidence receipt servanda-evidence 0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11 --log \"$LOG\"\n  servanda evidence receipt servanda-evidence --file block.receipt"
    )]
    Receipt {
        /// The folder of the evidence.
        dir: PathBuf,
        /// What `x-servanda-record` said.
        #[arg(required_unless_present = "file")]
        record: Option<String>,
        /// What `x-servanda-log` said: without it a record that is not there cannot be told from one that never was.
        #[arg(long, value_name = "LOG")]
        log: Option<String>,
        /// A receipt, signed or durable, in a file: it names record and log itself.
        #[arg(long, value_name = "FILE", conflicts_with_all = ["record", "log"])]
        file: Option<PathBuf>,
        #[command(flatten)]
        root: Root,
    },
    /// Give verified records in the shape that another system takes, and say what could not be carried.
    #[command(after_help = "Example:\n  servanda evidence export servanda-evidence --to armalo --shape interaction")]
    Export {
        #[command(flatten)]
        export: ExportArgs,
        #[command(flatten)]
        root: Root,
    },
    /// Make one store of the evidence whole from another.
    #[command(after_help = "Example:\n  servanda evidence rebuild -c servanda.yaml --from file --into restored")]
    Rebuild(Rebuild),
    /// Take back the key of a log: what it signed after a head is no longer trusted.
    #[command(after_help = "Example:\n  servanda evidence revoke servanda-evidence 00000003-5be4a1f29c77 --size 1042")]
    Revoke {
        /// The folder of the evidence.
        dir: PathBuf,
        /// The log: the name of its folder below `logs`.
        log: String,
        /// Records of it that are still trusted.
        #[arg(long, value_name = "RECORDS")]
        size: u64,
        /// The root key; by default that of the folder.
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
    /// Erase the content of one record; its place in the tree, and all other records, stay provable.
    #[command(
        after_help = "Example:\n  servanda evidence erase servanda-evidence 0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11 --basis 'GDPR Art. 17' --requester case-12"
    )]
    Erase {
        /// The folder of the evidence; no process may have it open.
        dir: PathBuf,
        /// Id of a record of the traffic, or an index.
        record: String,
        /// The legal basis, for the record of it.
        #[arg(long, value_name = "TEXT")]
        basis: String,
        /// Reference of the request, for the record of it.
        #[arg(long, value_name = "TEXT")]
        requester: String,
        /// The root key; by default that of the folder.
        #[arg(long, value_name = "FILE")]
        root_key: Option<PathBuf>,
    },
    /// Look through the files under a log: segments, torn tails, room left.
    #[command(after_help = "Example:\n  servanda evidence fsck servanda-evidence")]
    Fsck {
        /// The folder of the evidence.
        dir: PathBuf,
        #[command(flatten)]
        root: Root,
    },
}

/// Whom a verification trusts.
#[derive(Debug, clap::Args)]
struct Root {
    /// The root key that the log must stand under, as `name+id+base64`; without it that of the folder is taken.
    #[arg(long, value_name = "VKEY", conflicts_with = "policy")]
    key: Option<String>,
    /// The same from a policy file.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// A note by which the root took a key back; those in the folder are read as well.
    #[arg(long, value_name = "FILE")]
    revocation: Vec<PathBuf>,
}

impl Root {
    fn policy(&self) -> Result<Policy, CliError> {
        let mut policy = match (&self.key, &self.policy) {
            (Some(key), _) => Policy::pinned(key).map_err(error)?,
            (None, Some(path)) => Policy::parse(&input::document(path)?).map_err(error)?,
            (None, None) => Policy::default(),
        };
        for path in &self.revocation {
            policy.revocations.push(input::bytes(path, DOCUMENT_MAX)?);
        }
        Ok(policy)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err asks for")]
fn error(error: LogError) -> CliError {
    CliError::new(error.to_string())
}

impl Evidence {
    /// Answers.
    pub(super) fn run(&self, screen: &mut Screen) -> Answer {
        match &self.command {
            Verb::Verify { path, root, html: None } if path.is_file() => verify_file(screen, path, root),
            Verb::Verify { path, root, html } => {
                let wheel = screen.spinner("verifying");
                let report = verify(path, &root.policy()?).map_err(error);
                wheel.finish_and_clear();
                let report = report?;
                if let Some(file) = html {
                    let now = jiff::Timestamp::from_microsecond(SystemClock::new().wall_us());
                    let now = now.map(|now| now.to_string()).unwrap_or_default();
                    let page = page::page(&report, &path.display().to_string(), &now);
                    std::fs::write(file, page).map_err(|e| CliError::file(file, e))?;
                }
                print(screen, &report)?;
                Ok(Outcome::of(report.outcome <= Verdict::Erased))
            }
            Verb::Show(show) => show.run(screen),
            Verb::Tail(tail) => tail.run(screen),
            Verb::Prove { dir, record, since, out } => {
                let text = match (record, since) {
                    (Some(record), _) => {
                        let proof = prove::prove(dir, record).map_err(error)?;
                        screen.note(format_args!(
                            "record {} of {}; check it with --key '{}'",
                            proof.index,
                            safe(&proof.origin),
                            safe(&proof.key)
                        ));
                        proof.text
                    }
                    (None, Some(size)) => prove::prove_consistency(dir, *size).map_err(error)?,
                    (None, None) => return Err(CliError::new("name a record, or a size with --since")),
                };
                match out {
                    Some(path) => std::fs::write(path, text).map_err(|e| CliError::file(path, e))?,
                    None => screen.raw(text.as_bytes())?,
                }
                Ok(Outcome::Fine)
            }
            Verb::Receipt { dir, record, log, file, root } => {
                let policy = root.policy()?;
                let held = match (record, file) {
                    (_, Some(file)) => standing::receipt(dir, &input::bytes(file, DOCUMENT_MAX)?, &policy),
                    (Some(record), None) => standing::promise(dir, record, log.as_deref(), &policy),
                    (None, None) => return Err(CliError::new("name a record, or a receipt with --file")),
                };
                let held = held.map_err(error)?;
                if screen.is_json() {
                    screen.json(&held)?;
                } else {
                    let paint = match held.standing {
                        Standing::Kept => Paint::Good,
                        Standing::Unsigned | Standing::Unknown => Paint::Warn,
                        Standing::Broken | Standing::Invalid => Paint::Bad,
                    };
                    let word = screen.paint(paint, held.standing.as_str());
                    screen.line(format!("{word}  {}", safe(&held.why)))?;
                }
                Ok(Outcome::of(held.standing == Standing::Kept))
            }
            Verb::Export { export, root } => export.run(screen, &root.policy()?),
            Verb::Rebuild(rebuild) => rebuild.run(screen),
            Verb::Revoke { dir, log, size, root_key } => {
                let path = root_key.clone().unwrap_or_else(|| dir.join("root.key"));
                let root = SigningKey::from_file(&path).map_err(|e| CliError::new(e.to_string()))?;
                let note = revoke(dir, log, *size, &root).map_err(error)?;
                if screen.is_json() {
                    screen.json(&json!({"ok": true, "note": note}))?;
                } else {
                    screen.line(format!("{}: give a copy of it to whoever verifies", note.display()))?;
                }
                Ok(Outcome::Fine)
            }
            Verb::Erase { dir, record, basis, requester, root_key } => {
                let options = LogOptions { root_key: root_key.clone(), ..LogOptions::new(dir) };
                let grounds = Grounds { basis: basis.clone(), requester: requester.clone() };
                let erased = erase(&options, record, &grounds).map_err(error)?;
                if screen.is_json() {
                    screen.json(&erased)?;
                } else {
                    screen.line(format!(
                        "record {} of {} is erased; copies elsewhere are not",
                        erased.index,
                        safe(&erased.origin)
                    ))?;
                }
                Ok(Outcome::Fine)
            }
            Verb::Fsck { dir, root } => {
                let report = fsck(dir, &root.policy()?).map_err(error)?;
                if screen.is_json() {
                    screen.json(&report)?;
                } else {
                    screen.line(safe_lines(report.text().trim_end()))?;
                }
                Ok(Outcome::of(report.is_sound()))
            }
        }
    }
}

/// What a verification says, its answer first.
pub(in crate::cli) fn print(screen: &mut Screen, report: &Report) -> Result<(), CliError> {
    if screen.is_json() {
        return screen.json(report);
    }
    let text = report.text();
    let text = safe_lines(text.trim_end());
    let (first, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let paint = match report.outcome {
        Verdict::Valid => Paint::Good,
        Verdict::Erased | Verdict::Incomplete => Paint::Warn,
        Verdict::Invalid => Paint::Bad,
    };
    screen.line(screen.paint(paint, first))?;
    if rest.is_empty() { Ok(()) } else { screen.line(rest) }
}

/// A proof or a receipt in a file, held against a key.
fn verify_file(screen: &mut Screen, path: &Path, root: &Root) -> Answer {
    let text = String::from_utf8(input::bytes(path, DOCUMENT_MAX)?).map_err(|_| CliError::file(path, "not UTF-8"))?;
    let missing = |what: &str, help: &str| CliError::file(path, format!("{what} is held against a key")).help(help.to_owned());
    let policy = root.policy()?;
    if text.starts_with(RECEIPT) {
        let missing = || missing("a receipt", "give the root key of the evidence, or the note key of its log, with --key");
        return verify_receipt(screen, &text, &policy.root.clone().ok_or_else(missing)?, &policy.revocations);
    }
    let key = policy.root.ok_or_else(|| missing("a proof", "give the note key that `prove` named, with --key"))?;
    verify_proof(screen, &text, &key)
}

/// A receipt by itself: whether it was given. Whether it was kept only the evidence tells.
fn verify_receipt(screen: &mut Screen, text: &str, key: &NoteKey, revocations: &[Vec<u8>]) -> Answer {
    match receipt::open(text.as_bytes(), key, revocations) {
        Ok(said) => {
            let level = said.level().as_str();
            if screen.is_json() {
                screen.json(&json!({
                    "ok": true, "level": level, "record": said.record, "log": said.log, "leaf": said.leaf, "index": said.index,
                    "time_us": said.time_us,
                }))?;
                return Ok(Outcome::Fine);
            }
            let place = said.index.map_or_else(String::new, |index| format!(", on disk as record {index}"));
            let verdict = format!("VALID: a {level} receipt of {} in {}{place}", said.record, safe(&said.log));
            screen.line(screen.paint(Paint::Good, &verdict))?;
            Ok(Outcome::Fine)
        }
        Err(why) => invalid(screen, &why),
    }
}

fn invalid(screen: &mut Screen, why: &LogError) -> Answer {
    if screen.is_json() {
        screen.json(&json!({"ok": false, "why": why.to_string()}))?;
    } else {
        let why = format!("INVALID: {}", safe(&why.to_string()));
        screen.line(screen.paint(Paint::Bad, &why))?;
    }
    Ok(Outcome::Failed)
}

/// A proof, held against the key that signed its head.
fn verify_proof(screen: &mut Screen, text: &str, key: &NoteKey) -> Answer {
    let checked = prove::check(text, key);
    let record = checked.as_ref().ok().and_then(|p| serde_json::from_slice::<serde_json::Value>(&p.record).ok());
    match checked {
        Ok(proven) if screen.is_json() => {
            screen.json(&json!({"ok": true, "index": proven.index, "size": proven.head.size, "record": record}))?;
            Ok(Outcome::Fine)
        }
        Ok(proven) => {
            screen.line(safe(&String::from_utf8_lossy(&proven.record)))?;
            let verdict = format!("VALID: record {} of {} under a head of this key", proven.index, proven.head.size);
            screen.line(screen.paint(Paint::Good, &verdict))?;
            Ok(Outcome::Fine)
        }
        Err(why) => invalid(screen, &why),
    }
}
