//! Verification offline, from files and a public key alone: no network, no clock, no help from us.
//!
//! [`verify`] holds a directory against its root: delegation of every log's key, every frame, checksum,
//! index, canonical byte, leaf and root, every signed head, the chain from log to log, every counter. The
//! answer is VALID, INCOMPLETE with ranges, or INVALID with code, file and index.
//!
//! What it cannot see: a log that ends unsealed can be cut back to its last signed head if that head is
//! replaced by an older one too; only a copy of a head held elsewhere shows that.

use std::path::{Path, PathBuf};

use super::audit::{Claims, Gone, Ground, Heir, audit};
use super::error::LogError;
use super::note::{NoteKey, Revocation};
use super::report::{Finding, PINNED, SELF_CERTIFIED};
pub use super::report::{LogReport, Outcome, Report, State};
use super::revoked;

/// Whom a verifier trusts.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The root; without one that of the directory is taken, and the report says so.
    pub root: Option<NoteKey>,
    /// Notes by which the root took keys back, beside those that lie in the directory.
    pub revocations: Vec<Vec<u8>>,
}

impl Policy {
    /// Trusts one root, given as a note key (`name+id+base64`).
    pub fn pinned(vkey: &str) -> Result<Self, LogError> {
        Ok(Self { root: Some(NoteKey::parse(vkey.trim())?), ..Self::default() })
    }

    /// Reads a C2SP tlog-policy: one `log` line with the root; quorums of witnesses are not built yet and
    /// refused rather than ignored.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let mut policy = Self::default();
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("log"), Some(key)) if policy.root.is_none() => policy.root = Some(NoteKey::parse(key)?),
                (Some("quorum"), Some("none")) => {}
                _ => {
                    return Err(LogError::Malformed(
                        "a policy has one `log` line and `quorum none`; witnesses are not in this build",
                    ));
                }
            }
        }
        if policy.root.is_none() {
            return Err(LogError::Malformed("the policy names no log"));
        }
        Ok(policy)
    }
}

/// The logs below a directory, oldest first, and where the root key lies: `dir` is an evidence directory
/// or the directory of one log in it.
pub(crate) fn logs_of(dir: &Path) -> Result<(Vec<PathBuf>, PathBuf), LogError> {
    let logs = dir.join("logs");
    if !logs.is_dir() {
        if dir.join("origin").is_file() || dir.join("checkpoint").is_file() {
            let beside = dir.parent().and_then(Path::parent).unwrap_or(dir);
            return Ok((vec![dir.to_owned()], beside.join("root.vkey")));
        }
        return Err(LogError::NotFound(format!("an evidence log in {}", dir.display())));
    }
    let mut out = Vec::new();
    for entry in std::fs::read_dir(&logs).map_err(LogError::file(&logs))? {
        let path = entry.map_err(LogError::file(&logs))?.path();
        if path.is_dir() {
            out.push(path);
        }
    }
    out.sort_unstable();
    Ok((out, dir.join("root.vkey")))
}

/// Verifies an evidence directory, or one log of it.
pub fn verify(dir: impl AsRef<Path>, policy: &Policy) -> Result<Report, LogError> {
    let (logs, vkey) = logs_of(dir.as_ref())?;
    let mut report = Report { trust: if policy.root.is_some() { PINNED } else { SELF_CERTIFIED }, ..Report::default() };
    let root = match &policy.root {
        Some(root) => Some(root.clone()),
        None => match std::fs::read_to_string(&vkey).map_err(LogError::file(&vkey)).and_then(|text| {
            let line = text.strip_suffix('\n').ok_or(LogError::Malformed("root.vkey is not one line"))?;
            NoteKey::parse(line)
        }) {
            Ok(root) => Some(root),
            Err(error) => {
                report.outcome = Outcome::Invalid;
                report.findings.push(Finding {
                    code: "unknown_key",
                    outcome: Outcome::Invalid,
                    file: "root.vkey".to_owned(),
                    index: None,
                    detail: error.to_string(),
                });
                None
            }
        },
    };
    report.root = root.as_ref().map(ToString::to_string).unwrap_or_default();
    if logs.is_empty() {
        return Err(LogError::NotFound(format!("an evidence log in {}", dir.as_ref().display())));
    }
    let mut revoked: Vec<Revocation> = Vec::new();
    if let Some(root) = &root {
        let given = policy.revocations.iter().map(|note| ("a revocation that was given".to_owned(), note.clone()));
        let lying = revoked::notes(dir.as_ref()).into_iter().map(|(name, note)| (format!("revocations/{name}"), note));
        for (file, note) in given.chain(lying) {
            match revoked::read(&note, root) {
                Ok(revocation) => revoked.push(revocation),
                Err(error) => {
                    let detail = error.to_string();
                    report.findings.push(Finding { code: "bad_signature", outcome: Outcome::Invalid, file, index: None, detail });
                }
            }
        }
    }
    // Newest first: what a log says of the one before it is needed to judge that one.
    let single = logs.len() == 1 && logs.first().is_some_and(|log| log == dir.as_ref());
    let mut claims: Option<Claims> = None;
    let mut gone = Gone::default();
    let mut chain: Vec<Link> = Vec::new();
    for log in logs.iter().rev() {
        let mine = std::fs::read_to_string(log.join("origin")).unwrap_or_default();
        let heir: Option<Heir> =
            claims.take().and_then(|claims| claims.prev).filter(|(origin, _)| origin == mine.trim_end()).map(|(_, heir)| heir);
        let (found, said) = audit(log, &Ground { root: root.as_ref(), heir: heir.as_ref(), gone: &gone, revoked: &revoked });
        gone.add(&said.pruned);
        chain.push((found.origin.clone(), said.prev.as_ref().map(|(origin, heir)| (origin.clone(), heir.size))));
        claims = Some(said);
        report.logs.push(found);
    }
    report.logs.reverse();
    chain.reverse();
    if !single {
        report.findings.extend(breaks(&chain, &gone));
    }
    for log in &report.logs {
        report.outcome = report.outcome.max(log.outcome);
        report.records += log.records;
        for (act, count) in &log.acts {
            *report.acts.entry(act.clone()).or_default() += count;
        }
    }
    report.outcome = report.findings.iter().map(|f| f.outcome).fold(report.outcome, Outcome::max);
    Ok(report)
}

/// Origin of a log, and origin and size of the one it follows.
type Link = (String, Option<(String, u64)>);

/// Where the chain from log to log is not whole.
fn breaks(chain: &[Link], gone: &Gone) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut before: Option<&str> = None;
    for (origin, prev) in chain {
        let finding = match (before, prev.as_ref()) {
            (Some(before), Some((prev, _))) if before == prev => None,
            // All of it was taken away, not only its front.
            (_, Some((prev, size))) if gone.up_to(prev) >= *size => None,
            (_, Some((prev, _))) => Some((Outcome::Incomplete, format!("{origin} follows {prev}, which is not here"))),
            (Some(before), None) => Some((Outcome::Incomplete, format!("{origin} does not follow {before}"))),
            (None, None) => None,
        };
        if let Some((outcome, detail)) = finding {
            out.push(Finding { code: "missing_log", outcome, file: String::new(), index: None, detail });
        }
        before = Some(origin);
    }
    out
}

#[cfg(test)]
mod tests;
