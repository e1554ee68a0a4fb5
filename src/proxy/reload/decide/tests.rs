//! The table of decisions, walked through with really signed pacts.

use super::*;
use crate::pact::sealed::REQUIRED;
use crate::pact::template::template;
use crate::pact::term::SemVer;
use crate::pact::{Beside, Packs, Role, TrustFile, read, read_trust};
use crate::seal::SigningKey;

const NOW: i64 = 1_790_000_000;
const AGENT: &str = "did:web:vendor.example:agents:first";

fn keys() -> (SigningKey, SigningKey) {
    (SigningKey::from_seed(&[1; 32]), SigningKey::from_seed(&[2; 32]))
}

/// The smallest pact at a version, with a word that tells two contents apart.
fn draft(version: &str, word: &str) -> SealedPact {
    let text = template("minimal").unwrap().replace("1.0.0", version);
    let text = format!("{text}\nterms: {{word: {word}}}\n");
    let (pact, out) = read(&text, Packs::shipped());
    SealedPact::new(pact.unwrap_or_else(|| panic!("{}", out.render("pact", &text)))).unwrap()
}

fn signed(version: &str, word: &str) -> SealedPact {
    let (agent, counterparty) = keys();
    draft(version, word).sign(&agent, Role::Agent, NOW).unwrap().sign(&counterparty, Role::Counterparty, NOW).unwrap()
}

fn trust() -> TrustFile {
    let (agent, counterparty) = keys();
    let text = format!(
        "identities:\n  - {{did: '{AGENT}', keys: [{{key: {}}}], roles: [agent]}}\n  \
         - {{did: 'did:web:customer.example', keys: [{{key: {}}}], roles: [counterparty]}}\n",
        agent.verifying().multibase(),
        counterparty.verifying().multibase()
    );
    read_trust(&text).0.unwrap()
}

fn trusted(trust: &TrustFile) -> Demands<'_> {
    Demands { trust: Some(trust), require: REQUIRED, agent: Some(AGENT), now: NOW, beside: Beside::default() }
}

fn running(version: &str, word: &str) -> InForce {
    decide(None, signed(version, word), &trusted(&trust()), &Memory::default()).unwrap().in_force
}

/// What becomes of a pact that comes while 2.1.0 (a) is in force and 2.1.0 is the highest seen.
fn outcome(sealed: SealedPact, demands: &Demands<'_>) -> &'static str {
    let current = running("2.1.0", "a");
    let mut memory = Memory::default();
    memory.note(&current);
    match decide(Some(&current), sealed, demands, &memory) {
        Ok(accept) if accept.unchanged => "unchanged",
        Ok(accept) if accept.in_force.signed => "loaded",
        Ok(_) => "loaded unsigned",
        Err(error) => error.code(),
    }
}

#[test]
fn trusted_mode() {
    let trust = trust();
    let demands = trusted(&trust);
    let (agent, _) = keys();
    let stranger = SigningKey::from_seed(&[9; 32]);
    let half = draft("2.2.0", "a").sign(&agent, Role::Agent, NOW).unwrap();
    let strange = draft("2.2.0", "a").sign(&agent, Role::Agent, NOW).unwrap().sign(&stranger, Role::Counterparty, NOW).unwrap();
    for (name, sealed, wanted) in [
        ("greater", signed("2.2.0", "b"), "loaded"),
        ("the same", signed("2.1.0", "a"), "unchanged"),
        ("same version, other content", signed("2.1.0", "b"), "same_version"),
        ("older", signed("2.0.9", "a"), "rolled_back"),
        ("unsigned", draft("2.2.0", "a"), "unsigned"),
        ("half signed", half, "unsigned"),
        ("signed by a stranger", strange, "untrusted"),
    ] {
        assert_eq!(outcome(sealed, &demands), wanted, "{name}");
    }
    assert_eq!(outcome(signed("2.2.0", "a"), &Demands { agent: Some("did:web:other.example"), ..demands }), "wrong_audience");
    assert_eq!(outcome(signed("2.2.0", "a"), &Demands { now: NOW + 100 * 366 * 86_400, ..demands }), "expired");
    assert_eq!(outcome(signed("2.2.0", "a"), &Demands { now: 0, ..demands }), "not_yet_effective");
}

#[test]
fn memory_outlives_the_process() {
    let trust = trust();
    let mut memory = Memory::default();
    memory.note(&running("2.1.0", "a"));
    let after_restart = |sealed| decide(None, sealed, &trusted(&trust), &memory).map_or_else(|e| e.code(), |_| "loaded");
    assert_eq!(after_restart(signed("2.1.0", "a")), "loaded");
    assert_eq!(after_restart(signed("2.1.0", "b")), "same_version");
    assert_eq!(after_restart(signed("2.0.0", "a")), "rolled_back");
    assert_eq!(after_restart(signed("3.0.0", "a")), "loaded");
}

#[test]
fn development_mode() {
    let demands = Demands { trust: None, require: REQUIRED, agent: None, now: NOW, beside: Beside::default() };
    assert_eq!(outcome(draft("2.1.0", "b"), &demands), "loaded unsigned", "an edited file reloads at the same version");
    assert_eq!(outcome(draft("1.0.0", "a"), &demands), "loaded unsigned");
    let current = decide(None, draft("1.0.0", "a"), &demands, &Memory::default()).unwrap().in_force;
    assert!(decide(Some(&current), draft("1.0.0", "a"), &demands, &Memory::default()).unwrap().unchanged);
    assert_eq!(outcome(draft("2.1.0", "b"), &Demands { now: NOW + 100 * 366 * 86_400, ..demands }), "expired");
    assert_eq!(outcome(draft("2.1.0", "b"), &Demands { agent: Some("did:web:other.example"), ..demands }), "wrong_audience");
}

#[test]
fn what_ran_unsigned_binds_no_signed_pact() {
    let trust = trust();
    let mut current = running("2.1.0", "a");
    current.signed = false;
    let memory = Memory::default();
    let accept = decide(Some(&current), signed("1.0.0", "a"), &trusted(&trust), &memory).unwrap();
    assert!(accept.in_force.signed && !accept.unchanged);
    let accept = decide(Some(&current), signed("2.1.0", "a"), &trusted(&trust), &memory).unwrap();
    assert!(!accept.unchanged, "the same document, now signed, is another state");
}

#[test]
fn what_both_have_gone_back_from_stands_in_nobodys_way() {
    let trust = trust();
    let seen = |version: &str| SemVer::parse(version);
    let back = |from: &str| Demands { beside: Beside { back_from: seen(from), ..Beside::default() }, ..trusted(&trust) };
    assert_eq!(outcome(signed("2.0.0", "a"), &trusted(&trust)), "rolled_back");
    assert_eq!(outcome(signed("2.0.0", "a"), &back("2.1.0")), "loaded");
    assert_eq!(outcome(signed("2.0.0", "a"), &back("2.0.5")), "rolled_back", "more was seen than was gone back from");
    assert_eq!(outcome(signed("2.1.0", "b"), &back("2.1.0")), "same_version");
    assert_eq!(outcome(draft("2.0.0", "a"), &back("2.1.0")), "unsigned");
}

#[test]
fn what_runs_learns_of_its_end_even_if_that_has_passed() {
    let trust = trust();
    let current = running("2.1.0", "a");
    let on = |at: i64| Date { at, day: (2026, 1, 1) };
    let until = |at: i64| Demands { beside: Beside { until: Some(on(at)), ..Beside::default() }, ..trusted(&trust) };
    let memory = Memory::default();
    let decided = |current: &InForce, sealed, at| decide(Some(current), sealed, &until(at), &memory);
    let accept = decided(&current, signed("2.1.0", "a"), NOW - 5).unwrap();
    assert_eq!((accept.in_force.expires, accept.until, accept.unchanged), (Some(NOW - 5), Some(on(NOW - 5)), false));
    // Once it knows, it is over like any other; and what does not run yet does not begin.
    assert_eq!(decided(&accept.in_force, signed("2.1.0", "a"), NOW - 5).unwrap_err().code(), "expired");
    assert_eq!(decided(&current, signed("2.2.0", "a"), NOW - 5).unwrap_err().code(), "expired");
    assert_eq!(decided(&current, draft("2.1.0", "a"), NOW - 5).unwrap_err().code(), "unsigned");
    let later = decided(&current, signed("2.1.0", "a"), NOW + 5).unwrap();
    assert_eq!((later.in_force.expires, later.unchanged), (Some(NOW + 5), false));
}
