//! When each version ends, where extensions and terminations say another day than the document.

use super::hear::notice;
use super::said::Said;
use crate::pact::history::{History, Version};
use crate::pact::statement::{Notice, NoticeChange};
use crate::pact::term::{Date, SemVer};
use crate::pact::trust::Role;
use crate::seal::Digest;

/// The end of a version, as statements say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Which version.
    pub version: SemVer,
    /// First instant no longer in force.
    pub on: Date,
    /// The statement that says so.
    pub by: Digest,
    /// Whether the pact was terminated; else its term is longer.
    pub terminated: bool,
}

/// The ends that were said, and what that makes of the notices.
pub(super) fn ends(history: &History, said: &mut [Said]) -> Vec<End> {
    let mut ends = Vec::new();
    for version in history.versions() {
        let extended = said.iter().filter_map(|said| extended(history, version, said)).max_by_key(|end| end.on);
        let terminated = said.iter().filter_map(|said| terminated(history, version, said)).min_by_key(|end| end.on);
        let own = version.sealed.checked().pact().renewal.expires;
        let longer = extended.as_ref().map(|end| end.on).max(own);
        ends.extend(match terminated {
            Some(end) if longer.is_none_or(|longer| end.on < longer) => Some(end),
            _ => extended,
        });
    }
    for said in said {
        let Some(Notice { version, change, .. }) = notice(said) else { continue };
        let version = *version;
        let (on, terminates) = match change {
            NoticeChange::Termination { on, .. } => (*on, true),
            NoticeChange::Extension { until } => (*until, false),
            _ => continue,
        };
        if history.version(version).is_none() {
            said.idle("not_counted", format!("version {version} does not count here"));
            continue;
        }
        let which: Vec<String> = ends.iter().filter(|e| e.by == said.id).map(|e| e.version.to_string()).collect();
        let which = which.join(", ");
        match (which.is_empty(), terminates) {
            (true, true) => said.superseded("an earlier end holds, or both have signed anew since".to_owned()),
            (true, false) => said.superseded("a longer extension or an earlier end holds".to_owned()),
            (false, true) => said.acts(on.at, format!("ends {which} on {on}")),
            (false, false) => said.acts(i64::MIN, format!("the term of {which} runs until {on}")),
        }
    }
    ends
}

/// An extension is of the term that it names: that of every version of the same major number whose document states
/// the same end.
fn extended(history: &History, version: &Version, said: &Said) -> Option<End> {
    let Notice { version: named, change: NoticeChange::Extension { until }, .. } = notice(said)? else { return None };
    let expires = |v: &Version| v.sealed.checked().pact().renewal.expires;
    let same = named.major == version.number().major && expires(history.version(*named)?) == expires(version);
    same.then(|| End { version: version.number(), on: *until, by: said.id, terminated: false })
}

/// A termination is of the pact: of every version but those greater ones that both have signed since. A version that
/// one of them brings alone, by a subscription, does not outlive it.
fn terminated(history: &History, version: &Version, said: &Said) -> Option<End> {
    let Notice { version: named, change: NoticeChange::Termination { on, .. }, .. } = notice(said)? else { return None };
    // The triggers are those of a document that counts.
    history.version(*named)?;
    let since = |role: Role| version.sealed.signatures().iter().any(|s| s.role == role && s.at > said.statement.signed_at());
    let anew = version.number() > *named && since(Role::Agent) && since(Role::Counterparty);
    (!anew).then(|| End { version: version.number(), on: *on, by: said.id, terminated: true })
}
