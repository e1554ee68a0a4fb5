//! Which statements count: whose signatures hold, by keys that were announced too, and of what they speak.

use std::sync::Arc;

use super::said::Said;
use crate::pact::sealed::SealedPact;
use crate::pact::statement::{KeyChange, Notice, NoticeChange, SignedStatement, Statement};
use crate::pact::term::Date;
use crate::pact::trust::TrustFile;

/// Hears statements in the order in which they were signed. Keys that were announced are entered into `trust` on
/// the way, since the next announcement may be signed with one.
pub(super) fn hear(
    mut statements: Vec<Arc<SignedStatement>>,
    documents: &[&Arc<SealedPact>],
    mut trust: Option<&mut TrustFile>,
    now: i64,
) -> Vec<Said> {
    statements.sort_by_cached_key(|s| (s.signed_at(), s.id()));
    statements.dedup_by_key(|s| s.id());
    let mut all: Vec<Said> = statements.into_iter().map(Said::new).collect();
    let mut replaced = Vec::new();
    for said in &mut all {
        let statement = Arc::clone(&said.statement);
        let Some(change) = statement.statement().key_change() else { continue };
        match (counts(&statement, documents, trust.as_deref(), now), &mut trust) {
            (Ok(()), None) => {}
            (Err((code, why)), _) => said.refused(code, why),
            (Ok(()), _) if replaced.contains(&(change.of.clone(), change.replaces)) => {
                said.refused("replaced_already", "another notice has taken this key out of use already".to_owned());
            }
            (Ok(()), Some(trust)) => {
                // Never for the time before it was signed: nobody takes back what was signed by announcing a key.
                let from = Date { at: change.from.at.max(statement.signed_at().saturating_add(1)), ..change.from };
                let KeyChange { of, key, replaces, .. } = change;
                trust.replace_key(of, replaces, *key, from);
                replaced.push((of.clone(), *replaces));
                let (new, old) = (key.multibase(), replaces.multibase());
                said.acts(from.at, format!("for this pact {of} signs with {new} from {from} on, and with {old} no longer"));
            }
        }
    }
    for said in &mut all {
        if said.statement.statement().key_change().is_some() {
            continue;
        }
        if let Err((code, why)) = counts(&Arc::clone(&said.statement), documents, trust.as_deref(), now) {
            said.refused(code, why);
        }
    }
    all
}

/// Whether a statement is signed by who may, and speaks of one of these documents.
fn counts(
    statement: &SignedStatement,
    documents: &[&Arc<SealedPact>],
    trust: Option<&TrustFile>,
    now: i64,
) -> Result<(), (&'static str, String)> {
    statement.verify(trust, now).map_err(|error| (error.code(), error.to_string()))?;
    let pacts = documents.iter().map(|sealed| sealed.checked().pact());
    let why = match statement.statement() {
        Statement::Notice(notice) => {
            let Some(pact) = pacts.into_iter().find(|pact| pact.version == notice.version) else {
                let version = notice.version;
                return Err(("no_version", format!("it speaks of version {version}, which is not known here: send that first")));
            };
            statement.statement().mismatch(pact).or_else(|| not_longer(notice, pact.renewal.expires))
        }
        Statement::Subscription(_) => {
            let mut why = None;
            for pact in pacts {
                why = statement.statement().mismatch(pact);
                if why.is_none() {
                    break;
                }
            }
            why
        }
        Statement::Approval(_) | Statement::Reinstatement(_) => {
            return Err(("no_use", "this build holds no call and pauses no agent, so there is nothing to release".to_owned()));
        }
    };
    why.map_or(Ok(()), |why| Err(("other_pact", why)))
}

/// An extension that extends nothing.
fn not_longer(notice: &Notice, expires: Option<Date>) -> Option<String> {
    let NoticeChange::Extension { until } = notice.change else { return None };
    match expires {
        Some(expires) if until.at <= expires.at => Some(format!("the term runs until {expires} anyway; name a later day")),
        None => Some("the term of that version has no end that could be later".to_owned()),
        Some(_) => None,
    }
}

/// The notice that a statement is, where it counts.
pub(super) fn notice(said: &Said) -> Option<&Notice> {
    match said.statement.statement() {
        Statement::Notice(notice) if said.counts() => Some(notice),
        _ => None,
    }
}
