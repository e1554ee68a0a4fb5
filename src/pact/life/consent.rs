//! Subscriptions: where a counterparty's word ahead stands for its signature.
//!
//! It does so for a minor or patch version only, held against the version that the counterparty signed itself, and
//! never for a major one: the notice of a major version is counted from the signatures under it, so that whoever has
//! not signed has not been told, and the agent alone would set the day.

use std::sync::Arc;

use super::said::Said;
use crate::pact::change::{Level, compare};
use crate::pact::sealed::SealedPact;
use crate::pact::statement::{Statement, Subscription};
use crate::pact::term::SemVer;
use crate::pact::trust::Role;
use crate::seal::Digest;

/// The subscriptions that speak now: the newest word of the counterparty counts, and of several that were given in
/// one second each must accept.
pub(super) fn speaking(said: &mut [Said]) -> Vec<usize> {
    let subscriptions = said.iter().enumerate().filter(|(_, s)| subscription(s).is_some());
    let newest = subscriptions.clone().map(|(_, s)| s.statement.signed_at()).max();
    let (now, before): (Vec<usize>, Vec<usize>) =
        subscriptions.map(|(at, _)| at).partition(|at| said.get(*at).map(|s| s.statement.signed_at()) == newest);
    for at in before {
        if let Some(said) = said.get_mut(at) {
            said.superseded("a later subscription has taken its place".to_owned());
        }
    }
    now
}

pub(super) fn subscription(said: &Said) -> Option<&Subscription> {
    match said.statement.statement() {
        Statement::Subscription(subscription) if said.counts() => Some(subscription),
        _ => None,
    }
}

/// By which subscription a counterparty accepts a version that it has not signed, or why by none. `signed`: those
/// that it has signed itself and has not gone back from.
pub(super) fn given(sealed: &SealedPact, speaking: &[&Said], signed: &[Arc<SealedPact>]) -> Result<Digest, String> {
    let (checked, pact) = (sealed.checked(), sealed.checked().pact());
    let Some(last) = speaking.last() else { return Err("there is none".to_owned()) };
    if sealed.signatures().iter().any(|s| s.role == Role::Counterparty) {
        return Err("the document bears a signature in its name".to_owned());
    }
    for subscription in speaking.iter().filter_map(|said| subscription(said)) {
        if pact.subject.counterparty.as_deref() != Some(&subscription.counterparty) {
            return Err(format!("it is that of {}", subscription.counterparty));
        }
        if !subscription.accepts.contains(pact.version) {
            return Err(format!("it accepts {}, and this is {}", subscription.accepts, pact.version));
        }
    }
    let number = |sealed: &SealedPact| sealed.checked().pact().version;
    let before = signed.iter().filter(|s| number(s) < pact.version).max_by_key(|s| number(s));
    let Some(before) = before else { return Err("it has signed no version before this one".to_owned()) };
    let SemVer { major, .. } = number(before);
    let comparison = compare(before.checked(), checked);
    if major != pact.version.major || comparison.level() > Level::Minor {
        return Err(format!("from {}, which it signed, to {} is a major step: that it must sign", number(before), pact.version));
    }
    Ok(last.id)
}
