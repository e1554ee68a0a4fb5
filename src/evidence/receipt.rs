//! The promise that a caller holds, `x-servanda-record` and `x-servanda-log`, held against the evidence.
//!
//! A promise is kept when its record stands in its log under a signed head, in a folder that holds. It is broken only where
//! the log is here whole and the record is not; where something is missing, nobody can tell, and that is said.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::error::LogError;
use super::find::find;
use super::report::{LogReport, Outcome, Report};
use super::shape::{LogId, RecordId};
use super::verify::{Policy, verify};

/// What became of a promise. Declared from good to bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
}

impl Standing {
    /// As printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "KEPT",
            Self::Unsigned => "UNSIGNED",
            Self::Unknown => "UNKNOWN",
            Self::Broken => "BROKEN",
        }
    }
}

/// The answer, and what it rests on.
#[derive(Clone, Debug, Serialize)]
pub struct Receipt {
    /// What became of the promise.
    pub standing: Standing,
    /// Why, for people.
    pub why: String,
    /// Origin of the log, where it is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Index of the record, where it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
}

/// Holds a promise against a folder: the id of a record and, where the caller kept it, the id of its log.
///
/// # Errors
/// The id is none, or the folder cannot be read.
pub fn receipt(dir: impl AsRef<Path>, record: &str, log: Option<&str>, policy: &Policy) -> Result<Receipt, LogError> {
    let dir = dir.as_ref();
    if RecordId::parse(record).is_none() {
        return Err(LogError::Malformed("a promise is the id of a record, as `x-servanda-record` says it"));
    }
    let report = verify(dir, policy)?;
    let told =
        |standing, why: String, origin: Option<&str>, index| Receipt { standing, why, origin: origin.map(str::to_owned), index };
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
fn absent(report: &Report, log: Option<&str>, named: &dyn Fn(&str) -> bool) -> Receipt {
    let unknown = |why: &str| Receipt { standing: Standing::Unknown, why: why.to_owned(), origin: None, index: None };
    let Some(here) = report.logs.iter().find(|here| log.is_some() && named(&here.origin)) else {
        return unknown(if log.is_some() {
            "its log is not here"
        } else {
            "there is no such record; give the log too (--log, from `x-servanda-log`) to learn whether it should be"
        });
    };
    if let Some(why) = excuse(here) {
        return Receipt { origin: Some(here.origin.clone()), ..unknown(&format!("no such record in {}, {why}", here.origin)) };
    }
    let why = format!("{} is here whole, and no such record is in it", here.origin);
    Receipt { standing: Standing::Broken, why, origin: Some(here.origin.clone()), index: None }
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
        super::report::State::Sealed => None,
        super::report::State::Adopted => Some("whose process died: what was in its queue is lost".to_owned()),
        super::report::State::Open => Some("which has no end yet: the exchange may be under way".to_owned()),
    }
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
        let check = |record: &str, log: Option<&str>| receipt(dir.path(), record, log, &Policy::default()).unwrap();
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
        assert!(receipt(dir.path(), "17", None, &Policy::default()).is_err());
    }
}
