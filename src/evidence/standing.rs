//! What a caller holds, held against the evidence: the promise `x-servanda-record` and `x-servanda-log`, or a receipt.
//!
//! A promise is kept when its record stands in its log under a signed head, in a folder that holds. It is broken only where
//! the log is here whole and the record is not; where something is missing, nobody can tell, and that is said.
//!
//! A receipt says more, and so less excuses us: a durable one is broken where anything else, or nothing, stands at its index,
//! a signed one where its log has an end and the record is not in it, whatever the end was.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::error::LogError;
use super::find::{find, id_of};
use super::note::NoteKey;
use super::read::frames;
use super::receipt::{Receipt, open};
use super::report::{LogReport, Outcome, Report, State, many};
use super::revoked;
use super::segment::FrameKind;
use super::shape::{LogId, RecordId};
use super::verify::{Policy, logs_of, verify};
use crate::seal::Digest;

/// What became of a promise. Declared from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Standing {
    /// The record is there, under a signed head.
    Kept,
    /// The record is there, and no signed head covers it yet.
    Unsigned,
    /// It cannot be told: the log is not here, or not whole.
    Unknown,
    /// The log is here whole, and the record is not in it; or the folder does not hold.
    Broken,
    /// The receipt does not hold: nobody whom we trust promised this.
    Invalid,
}

impl Standing {
    /// As printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "KEPT",
            Self::Unsigned => "UNSIGNED",
            Self::Unknown => "UNKNOWN",
            Self::Broken => "BROKEN",
            Self::Invalid => "INVALID",
        }
    }
}

/// The answer, and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// What became of the promise.
    pub standing: Standing,
    /// Why, for people.
    pub why: String,
    /// Origin of the log, where it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Index of the record, where it is there or a receipt names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// Holds a promise against a folder: the id of a record and, where the caller kept it, the id of its log.
///
/// # Errors
/// The id is none, or the folder cannot be read.
pub fn promise(dir: impl AsRef<Path>, record: &str, log: Option<&str>, policy: &Policy) -> Result<Held, LogError> {
    let dir = dir.as_ref();
    if RecordId::parse(record).is_none() {
        return Err(LogError::Malformed("a promise is the id of a record, as `x-servanda-record` says it"));
    }
    let report = verify(dir, policy)?;
    let told =
        |standing, why: String, origin: Option<&str>, index| Held { standing, why, origin: origin.map(str::to_owned), index };
    if report.outcome == Outcome::Invalid {
        return Ok(told(
            Standing::Broken,
            "the evidence does not hold: `servanda evidence verify` says why".to_owned(),
            None,
            None,
        ));
    }
    let named = |origin: &str| log.is_none_or(|log| LogId::of(origin).as_str() == log);
    let found = match find(dir, record) {
        Ok(found) => found,
        Err(LogError::NotFound(_)) => return Ok(absent(&report, log, &named)),
        Err(error) => return Err(error),
    };
    let origin = found.origin();
    let Some(here) = report.logs.iter().find(|here| here.origin == origin) else {
        return Ok(told(Standing::Unknown, "its log could not be verified".to_owned(), Some(&origin), Some(found.index)));
    };
    let says = serde_json::from_slice::<Value>(&found.bytes).ok();
    let own = says.as_ref().and_then(|record| record.get("log")).and_then(Value::as_str) == Some(LogId::of(&origin).as_str());
    let (standing, why) = if !named(&origin) || !own {
        (Standing::Broken, "the record stands in another log than was promised".to_owned())
    } else if found.index < here.signed {
        (Standing::Kept, format!("record {} of {origin}, under a head of {} records", found.index, here.signed))
    } else {
        (Standing::Unsigned, format!("record {} of {origin}, which no signed head covers yet", found.index))
    };
    Ok(told(standing, why, Some(&origin), Some(found.index)))
}

/// There is no such record.
fn absent(report: &Report, log: Option<&str>, named: &dyn Fn(&str) -> bool) -> Held {
    let unknown = |why: &str| Held { standing: Standing::Unknown, why: why.to_owned(), origin: None, index: None };
    let Some(here) = report.logs.iter().find(|here| log.is_some() && named(&here.origin)) else {
        return unknown(if log.is_some() {
            "its log is not here"
        } else {
            "there is no such record; give the log too (--log, from `x-servanda-log`) to learn whether it should be"
        });
    };
    if let Some(why) = excuse(here) {
        return Held { origin: Some(here.origin.clone()), ..unknown(&format!("no such record in {}, {why}", here.origin)) };
    }
    let why = format!("{} is here whole, and no such record is in it", here.origin);
    Held { standing: Standing::Broken, why, origin: Some(here.origin.clone()), index: None }
}

/// Why a record may be absent from a log that holds.
fn excuse(log: &LogReport) -> Option<String> {
    if log.outcome != Outcome::Valid || log.pruned > 0 {
        return Some("of which not everything is here".to_owned());
    }
    if log.lost > 0 {
        return Some(format!("which declares {} as not written", log.lost));
    }
    match log.state {
        State::Sealed => None,
        State::Adopted => Some("whose process died: what was in its queue is lost".to_owned()),
        State::Open => Some("which has no end yet: the exchange may be under way".to_owned()),
    }
}

/// Holds a receipt against a folder, under the root of the policy or, without one, that of the folder.
///
/// # Errors
/// The folder cannot be read.
pub fn receipt(dir: impl AsRef<Path>, file: &[u8], policy: &Policy) -> Result<Held, LogError> {
    let dir = dir.as_ref();
    let report = verify(dir, policy)?;
    let opened = NoteKey::parse(&report.root).and_then(|root| {
        let lying = revoked::notes(dir).into_iter().map(|(_, note)| note).filter(|note| revoked::read(note, &root).is_ok());
        let revocations: Vec<Vec<u8>> = policy.revocations.iter().cloned().chain(lying).collect();
        open(file, &root, &revocations)
    });
    let receipt = match opened {
        Ok(receipt) => receipt,
        Err(error) => return Ok(Held { standing: Standing::Invalid, why: error.to_string(), origin: None, index: None }),
    };
    let (standing, why) = stands(dir, &receipt, &report)?;
    Ok(Held { standing, why, origin: Some(receipt.log), index: receipt.index })
}

/// What became of what a receipt says.
fn stands(dir: &Path, receipt: &Receipt, report: &Report) -> Result<(Standing, String), LogError> {
    let said = match receipt.index {
        Some(index) => format!("it was on disk as record {index} of {}", receipt.log),
        None => format!("it was promised to {}", receipt.log),
    };
    let told = |standing, why: &str| Ok((standing, format!("{said}, {why}")));
    if report.outcome == Outcome::Invalid {
        return told(Standing::Broken, "and the evidence does not hold: `servanda evidence verify` says why");
    }
    let (logs, _) = logs_of(dir)?;
    let Some((log, here)) = logs.iter().zip(&report.logs).find(|(_, here)| here.origin == receipt.log) else {
        return told(Standing::Unknown, "which is not here");
    };
    match lying(log, receipt)? {
        Some(Lies { index, leaf, id }) if leaf == receipt.leaf && id.is_none_or(|id| id == receipt.record) => {
            if index < here.signed {
                told(Standing::Kept, &format!("and is there, under a head of {} records", here.signed))
            } else {
                told(Standing::Unsigned, "and is there; no signed head covers it yet")
            }
        }
        Some(Lies { index, .. }) => told(Standing::Broken, &format!("and record {index} is another")),
        None => match receipt.index {
            Some(index) if index < here.pruned => told(Standing::Unknown, "and retention took the front away"),
            Some(index) if here.missing.iter().any(|(first, last)| (first..=last).contains(&&index)) => {
                told(Standing::Unknown, "and is among what is missing here")
            }
            Some(_) => told(
                Standing::Broken,
                &format!(
                    "and the log ends before that: its end was cut, or this copy is older than the receipt, of {}",
                    time(receipt)
                ),
            ),
            None if here.outcome == Outcome::Incomplete || here.pruned > 0 => {
                told(Standing::Unknown, "of which not everything is here")
            }
            None if here.state == State::Open => told(Standing::Unknown, "which has no end yet"),
            None if here.state == State::Adopted => told(Standing::Broken, "whose process died before it was written"),
            None if here.lost > 0 => {
                told(Standing::Broken, &format!("which declares {} as not written", many(here.lost, "record")))
            }
            None => told(Standing::Broken, "which is here whole, and it is not in it"),
        },
    }
}

fn time(receipt: &Receipt) -> String {
    jiff::Timestamp::from_microsecond(receipt.time_us).map_or_else(|_| receipt.time_us.to_string(), |time| time.to_string())
}

/// What lies where a receipt says.
struct Lies {
    index: u64,
    leaf: Digest,
    /// None where the content was erased.
    id: Option<RecordId>,
}

/// The record at the index of a receipt; where it names none, the one with its leaf or else with its id.
fn lying(log: &Path, receipt: &Receipt) -> Result<Option<Lies>, LogError> {
    let mut named = None;
    let mut out = None;
    frames(log, &mut |kind, index, bytes| {
        if !kind.is_leaf() {
            return true;
        }
        let (leaf, id) = (kind.leaf(bytes), if kind == FrameKind::Record { id_of(bytes) } else { None });
        if receipt.index.map_or(leaf == receipt.leaf, |at| at == index) {
            out = Some(Lies { index, leaf, id });
        } else if receipt.index.is_none() && id == Some(receipt.record) {
            named = Some(Lies { index, leaf, id });
        }
        out.is_none()
    })?;
    Ok(out.or(named))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;
    use crate::base::verdict::Act;
    use crate::evidence::log::{Log, LogOptions};
    use crate::evidence::record::Exchange;

    #[test]
    fn a_promise_is_kept_unknown_or_broken() {
        let dir = tempfile::tempdir().unwrap();
        let mut options = LogOptions::new(dir.path());
        options.clock = std::sync::Arc::new(ManualClock::at(1_760_000_000_000_000));
        let log = Log::open_with(&options).unwrap();
        let slot = log.handle().reserve().unwrap();
        let (id, own) = (slot.id().to_string(), log.handle().log_id().to_owned());
        let never = log.handle().new_id().to_string();
        let check = |record: &str, log: Option<&str>| promise(dir.path(), record, log, &Policy::default()).unwrap();
        assert_eq!(check(&id, Some(&own)).standing, Standing::Unknown, "it is under way");
        slot.write_strict(Exchange { act: Act::Allow, ..Exchange::default() }).wait().unwrap();
        assert_eq!(check(&id, Some(&own)).standing, Standing::Unsigned);
        log.close().unwrap();
        let kept = check(&id, Some(&own));
        assert_eq!((kept.standing, check(&id, None).standing), (Standing::Kept, Standing::Kept), "{}", kept.why);
        // The log is whole and sealed: a record that it does not have was promised for nothing.
        let broken = check(&never, Some(&own));
        assert_eq!(broken.standing, Standing::Broken, "{}", broken.why);
        assert_eq!(check(&never, None).standing, Standing::Unknown);
        assert_eq!(check(&never, Some("another")).standing, Standing::Unknown);
        assert_eq!(check(&id, Some("another")).standing, Standing::Broken);
        assert!(promise(dir.path(), "17", None, &Policy::default()).is_err());
    }
}
