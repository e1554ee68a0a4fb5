//! Lives of pacts, with really signed documents: who consents, when it ends, which way back stands, what retires.

use super::*;
use crate::pact::sealed::REQUIRED;
use crate::pact::template::template;
use crate::pact::{Packs, activate, read, read_statement, read_trust};
use crate::seal::SigningKey;

const AGENT: &str = "did:web:vendor.example:agents:first";
const OTHER: &str = "did:web:customer.example";
const TOLD: i64 = 1_790_000_000; // 2026-09-21
const DAY: i64 = 86_400;
const BOTH: &[(u8, Role)] = &[(1, Role::Agent), (2, Role::Counterparty)];
const ALONE: &[(u8, Role)] = &[(1, Role::Agent)];
const SHOP: &[(u8, Role)] = &[(2, Role::Counterparty)];
const MAJOR: (&str, &str) = ("score: -100", "score: -200");

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn version(text: &str) -> SemVer {
    SemVer::parse(text).unwrap()
}

/// The smallest pact at a version, edited, signed by these at a time.
fn pact(number: &str, edit: &[(&str, &str)], signers: &[(u8, Role)], at: i64) -> Arc<SealedPact> {
    let change = "  change: {notice: 30d, maintenance_after: 10d, retire_after: 20d}\n  terminate_on: [counterparty_insolvent]";
    let mut text = template("minimal").unwrap().replace("1.0.0", number);
    text = text.replace("  counters_on_extension: reset", &format!("  counters_on_extension: reset\n{change}"));
    for (from, to) in edit {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    let (pact, out) = read(&text, Packs::shipped());
    let sealed = SealedPact::new(pact.unwrap_or_else(|| panic!("{}", out.render("pact", &text)))).unwrap();
    Arc::new(signers.iter().fold(sealed, |sealed, (seed, role)| sealed.sign(&key(*seed), *role, at).unwrap()))
}

fn both(number: &str, at: i64) -> Arc<SealedPact> {
    pact(number, &[], BOTH, at)
}

fn alone(number: &str, edit: &[(&str, &str)]) -> Arc<SealedPact> {
    pact(number, edit, ALONE, TOLD)
}

fn statement(text: &str, signers: &[(u8, Role)], at: i64) -> Arc<SignedStatement> {
    let (read, out) = read_statement(text);
    let read = read.unwrap_or_else(|| panic!("{}", out.render("statement", text)));
    Arc::new(signers.iter().fold(read, |signed, (seed, role)| signed.sign(&key(*seed), *role, at).unwrap()))
}

fn notice(number: &str, change: &str, signers: &[(u8, Role)], at: i64) -> Arc<SignedStatement> {
    let text = format!("notice: 1\npact: first-pact\nversion: \"{number}\"\nagent: {AGENT}\ncounterparty: {OTHER}\n{change}\n");
    statement(&text, signers, at)
}

fn subscription(accepts: &str, at: i64) -> Arc<SignedStatement> {
    let text = format!("subscription: 1\npact: first-pact\nagent: {AGENT}\ncounterparty: {OTHER}\naccepts: \"{accepts}\"\n");
    statement(&text, SHOP, at)
}

fn trust() -> TrustFile {
    let text = format!(
        "identities:\n  - {{did: '{AGENT}', keys: [{{key: {}}}], roles: [agent]}}\n  - {{did: '{OTHER}', keys: [{{key: {}}}], roles: [counterparty]}}\n",
        key(1).verifying(),
        key(2).verifying()
    );
    read_trust(&text).0.unwrap()
}

fn demands(trust: &TrustFile, now: i64) -> Demands<'_> {
    Demands { trust: Some(trust), require: REQUIRED, agent: Some(AGENT), now, beside: Beside::default() }
}

fn life(kept: &[Arc<SealedPact>], statements: &[Arc<SignedStatement>], reached: &str, now: i64) -> Life {
    let reached = Some(version(reached));
    Life::of(&Papers { base: None, kept: kept.to_vec(), statements: statements.to_vec(), reached }, &demands(&trust(), now))
}

/// What each statement does, in the order in which they were signed: its word, or why not.
fn told(life: &Life, now: i64) -> Vec<&'static str> {
    life.said().iter().map(|said| said.code.unwrap_or_else(|| said.effect(now).as_str())).collect()
}

fn numbers(life: &Life) -> Vec<String> {
    life.history().versions().iter().map(|v| v.number().to_string()).collect()
}

/// Whether a document may come into force: `ok`, or the word for why not.
fn may(life: &Life, sealed: &Arc<SealedPact>, now: i64) -> &'static str {
    let trust = trust();
    activate(SealedPact::clone(sealed), &life.demands(sealed, &demands(&trust, now))).map_or_else(|e| e.code(), |_| "ok")
}

#[test]
fn a_subscription_stands_for_the_signature_on_small_steps_from_a_version_that_was_signed() {
    let wider = ("score: -100", "score: -100 ");
    let signed = both("2.0.0", TOLD);
    for (what, number, edit, accepts, wanted) in [
        ("a patch", "2.0.1", &[][..], "^2.0.0", "ok"),
        ("a patch that says so", "2.1.0", &[wider][..], "^2.0.0", "ok"),
        ("this one", "2.0.1", &[][..], "2.0.1", "ok"),
        ("all greater ones", "2.0.1", &[][..], ">=1.0.0", "ok"),
        ("another one", "2.0.1", &[][..], "2.0.2", "unsigned"),
        ("one above it", "2.0.1", &[][..], "^2.1.0", "unsigned"),
        ("a major change under a small number", "2.1.0", &[MAJOR][..], "^2.0.0", "unsigned"),
        ("a major number", "3.0.0", &[][..], ">=2.0.0", "unsigned"),
        ("a major change", "3.0.0", &[MAJOR][..], "3.0.0", "unsigned"),
        ("an older one", "1.9.0", &[][..], ">=1.0.0", "unsigned"),
    ] {
        let step = alone(number, edit);
        let life = life(&[Arc::clone(&signed), Arc::clone(&step)], &[subscription(accepts, TOLD)], "2.0.0", TOLD);
        assert_eq!(may(&life, &step, TOLD), wanted, "{what}");
        assert_eq!(life.consent(&step).is_some(), wanted == "ok", "{what}");
        assert_eq!(numbers(&life).len(), 1 + usize::from(wanted == "ok"), "{what}");
        assert_eq!(told(&life, TOLD), ["acts"], "{what}");
        let trust = trust();
        let why = life.vouch(&step, &demands(&trust, TOLD)).map_or_else(|e| e.to_string(), |_| String::new());
        assert_eq!(why.is_empty(), wanted == "ok", "{what}: {why}");
    }
}

#[test]
fn nothing_but_the_counterpartys_own_word_about_this_pact_consents() {
    let (signed, step) = (both("2.0.0", TOLD), alone("2.0.1", &[]));
    let text = |agent: &str, other: &str| {
        format!("subscription: 1\npact: first-pact\nagent: {agent}\ncounterparty: {other}\naccepts: \"^2.0.0\"\n")
    };
    let stranger = "did:web:stranger.example";
    for (what, said, wanted) in [
        ("a stranger's key", statement(&text(AGENT, OTHER), &[(9, Role::Counterparty)], TOLD), "untrusted"),
        ("nobody's", statement(&text(AGENT, OTHER), &[], TOLD), "unsigned"),
        ("another counterparty", statement(&text(AGENT, stranger), SHOP, TOLD), "untrusted"),
        ("another agent", statement(&text(stranger, OTHER), SHOP, TOLD), "other_pact"),
        ("from the future", subscription("^2.0.0", TOLD + DAY), "bad_signature"),
    ] {
        let life = life(&[Arc::clone(&signed), Arc::clone(&step)], &[said], "2.0.0", TOLD);
        assert_eq!((told(&life, TOLD), may(&life, &step, TOLD)), (vec![wanted], "unsigned"), "{what}");
    }
    // A signature that does not count is no missing one.
    let strange = pact("2.0.1", &[], &[(1, Role::Agent), (9, Role::Counterparty)], TOLD);
    let with = life(&[Arc::clone(&signed), Arc::clone(&strange)], &[subscription("^2.0.0", TOLD)], "2.0.0", TOLD);
    assert_eq!(may(&with, &strange, TOLD), "untrusted");
    // Nor is a word on top of a version that only a subscription carries enough for a first one.
    let with = life(&[step.clone(), alone("2.0.2", &[])], &[subscription("^2.0.0", TOLD)], "2.0.0", TOLD);
    assert_eq!((may(&with, &step, TOLD), numbers(&with)), ("unsigned", vec![]));
    // Another role that must sign is not stood for.
    let trust = trust();
    let all = &[Role::Agent, Role::Counterparty, Role::Guarantor];
    let papers = Papers { kept: vec![signed, step.clone()], statements: vec![subscription("^2.0.0", TOLD)], ..Papers::default() };
    let with = Life::of(&papers, &Demands { require: all, ..demands(&trust, TOLD) });
    assert!(with.consent(&step).is_none());
    let pledge = Demands { require: &[Role::Agent], ..demands(&trust, TOLD) };
    let with = Life::of(&papers, &pledge);
    assert_eq!((told(&with, TOLD), with.vouch(&step, &pledge).is_ok()), (vec!["not_asked"], true));
}

#[test]
fn the_newest_word_of_the_counterparty_counts() {
    let (signed, step) = (both("2.0.0", TOLD), alone("2.0.1", &[]));
    let kept = [signed, step.clone()];
    let (wide, narrow, again) =
        (subscription("^2.0.0", TOLD - 9), subscription("2.0.0", TOLD - 8), subscription("^2.0.0", TOLD - 7));
    let with = |said: &[&Arc<SignedStatement>]| {
        let said: Vec<_> = said.iter().copied().cloned().collect();
        let life = life(&kept, &said, "2.0.0", TOLD);
        (may(&life, &step, TOLD), told(&life, TOLD))
    };
    assert_eq!(with(&[&narrow, &wide]), ("unsigned", vec!["superseded", "acts"]));
    assert_eq!(with(&[&wide, &again, &narrow]), ("ok", vec!["superseded", "superseded", "acts"]));
    assert_ne!(wide.id(), again.id(), "the same words, signed anew");
    assert_eq!(with(&[&wide, &wide]).1, ["acts"], "sent twice it is one");
    // Two of one second: each must accept.
    assert_eq!(with(&[&wide, &subscription("2.0.0", TOLD - 9)]), ("unsigned", vec!["acts", "acts"]));
}

#[test]
fn both_go_back_to_exactly_one_version_until_a_greater_one_comes() {
    let kept = [both("1.0.0", TOLD), both("1.1.0", TOLD), both("1.2.0", TOLD)];
    let back = notice("1.2.0", "rollback: {to: '1.0.0'}", BOTH, TOLD + 1);
    let with = life(&kept, std::slice::from_ref(&back), "1.2.0", TOLD + 2);
    assert_eq!((told(&with, TOLD), with.wanted()), (vec!["acts"], None));
    let stands = with.rollback().unwrap();
    assert_eq!((stands.to, stands.from, stands.by), (version("1.0.0"), version("1.2.0"), back.id()));
    let order = |life: &Life, base: &str| -> Vec<String> {
        life.due(version(base), TOLD + 2).iter().map(|s| s.checked().pact().version.to_string()).collect()
    };
    assert_eq!(order(&with, "1.0.0"), ["1.0.0", "1.2.0"]);
    assert_eq!(order(&with, "1.2.0"), ["1.0.0"]);
    let trust = trust();
    let own = demands(&trust, TOLD + 2);
    assert_eq!(with.demands(&kept[0], &own).beside.back_from, Some(version("1.2.0")));
    assert_eq!(with.demands(&kept[1], &own).beside.back_from, None, "nothing else old comes in");
    assert_eq!(with.demands(&pact("1.0.0", &[MAJOR], BOTH, TOLD), &own).beside.back_from, None, "nor another content");
    // One party alone opens no way back.
    for signers in [ALONE, SHOP] {
        let with = life(&kept, &[notice("1.2.0", "rollback: {to: '1.0.0'}", signers, TOLD + 1)], "1.2.0", TOLD + 2);
        assert_eq!((told(&with, TOLD), with.rollback()), (vec!["unsigned"], None));
    }
    // A version that is greater ends it, once it is due or was in force.
    let next = pact("1.2.1", &[("effective: 2026-01-01", "effective: 2026-10-01")], BOTH, TOLD);
    let all = [&kept[..], &[next]].concat();
    let with = life(&all, std::slice::from_ref(&back), "1.2.0", TOLD + 2);
    assert_eq!((told(&with, TOLD), with.rollback().is_some()), (vec!["acts"], true));
    let with = life(&all, std::slice::from_ref(&back), "1.2.0", TOLD + 20 * DAY);
    assert_eq!((told(&with, TOLD), with.rollback()), (vec!["superseded"], None));
    let with = life(&kept, std::slice::from_ref(&back), "1.3.0", TOLD + 2);
    assert_eq!((told(&with, TOLD), with.rollback()), (vec!["superseded"], None));
    // A later notice takes its place; they came from the first one's version.
    let other = notice("1.2.0", "rollback: {to: '1.1.0'}", BOTH, TOLD + 3);
    let with = life(&kept, &[other, back.clone()], "1.2.0", TOLD + 4);
    assert_eq!((told(&with, TOLD), with.rollback().unwrap().to), (vec!["superseded", "acts"], version("1.1.0")));
    let further =
        [notice("1.2.0", "rollback: {to: '1.1.0'}", BOTH, TOLD + 1), notice("1.1.0", "rollback: {to: '1.0.0'}", BOTH, TOLD + 2)];
    let with = life(&kept, &further, "1.2.0", TOLD + 4);
    assert_eq!(with.rollback().map(|back| (back.to, back.from)), Some((version("1.0.0"), version("1.2.0"))));
    // What is not known cannot come back, and is asked for.
    let with = life(&kept[1..], std::slice::from_ref(&back), "1.2.0", TOLD + 2);
    assert_eq!((told(&with, TOLD), with.rollback(), with.wanted()), (vec!["no_version"], None, Some(version("1.0.0"))));
    let short = pact("1.0.0", &[("expires: 2036-01-01", "expires: 2026-09-22")], BOTH, TOLD);
    let with = life(&[short, kept[2].clone()], &[back], "1.2.0", TOLD + 2 * DAY);
    assert_eq!((told(&with, TOLD), with.rollback()), (vec!["expired"], None));
}

#[test]
fn what_both_went_back_from_carries_no_consent() {
    let kept = [both("2.0.0", TOLD), both("2.1.0", TOLD), alone("2.1.1", &[])];
    let said = |back: bool| {
        let back = back.then(|| notice("2.1.0", "rollback: {to: '2.0.0'}", BOTH, TOLD));
        back.into_iter().chain([subscription("^2.0.0", TOLD)]).collect::<Vec<_>>()
    };
    let anchor = |life: &Life| life.consent(&kept[2]).is_some();
    assert!(anchor(&life(&kept, &said(false), "2.1.0", TOLD)));
    // From 2.0.0 it is a small step too; from nothing it is none.
    assert!(anchor(&life(&kept, &said(true), "2.1.0", TOLD)));
    assert!(anchor(&life(&kept[1..], &said(false), "2.1.0", TOLD)));
    assert!(!anchor(&life(&kept[1..], &said(true), "2.1.0", TOLD)));
}

#[test]
fn a_term_ends_as_both_or_a_trigger_say() {
    let kept = [both("1.0.0", TOLD), alone("1.0.1", &[]), pact("2.0.0", &[MAJOR], BOTH, TOLD)];
    let end = |life: &Life, number: &str| life.end(life.history().version(version(number)).unwrap()).unwrap().to_string();
    let with = |said: &[Arc<SignedStatement>]| {
        let said = [&[subscription("^1.0.0", TOLD - 99)], said].concat();
        let life = life(&kept, &said, "1.0.1", TOLD + 9);
        let ends = ["1.0.0", "1.0.1", "2.0.0"].map(|number| end(&life, number));
        (told(&life, TOLD + 9)[1..].to_vec(), ends)
    };
    let dates = |a: &str, b: &str| [a, a, b].map(str::to_owned);
    let longer = |day: &str, at| notice("1.0.0", &format!("extension: {{until: {day}}}"), BOTH, at);
    assert_eq!(with(&[longer("2037-01-01", TOLD)]), (vec!["acts"], dates("2037-01-01", "2036-01-01")));
    assert_eq!(
        with(&[longer("2037-01-01", TOLD), longer("2038-01-01", TOLD + 1)]),
        (vec!["superseded", "acts"], dates("2038-01-01", "2036-01-01"))
    );
    assert_eq!(with(&[longer("2036-01-01", TOLD)]), (vec!["other_pact"], dates("2036-01-01", "2036-01-01")), "no longer");
    let alone = notice("1.0.0", "extension: {until: 2037-01-01}", ALONE, TOLD);
    assert_eq!(with(&[alone]), (vec!["unsigned"], dates("2036-01-01", "2036-01-01")));
    // The end of the pact is the end of every version of it.
    let ends = |day: &str, at| notice("1.0.0", &format!("termination: {{on: {day}}}"), BOTH, at);
    assert_eq!(with(&[ends("2026-12-01", TOLD + 1)]), (vec!["waits"], dates("2026-12-01", "2026-12-01")));
    assert_eq!(
        with(&[ends("2026-12-01", TOLD + 1), ends("2026-11-01", TOLD + 2)]),
        (vec!["superseded", "waits"], dates("2026-11-01", "2026-11-01"))
    );
    assert_eq!(
        with(&[ends("2026-12-01", TOLD + 1), longer("2037-01-01", TOLD + 2)]),
        (vec!["waits", "superseded"], dates("2026-12-01", "2026-12-01")),
        "what has been ended is not extended"
    );
    assert_eq!(with(&[ends("2036-06-01", TOLD)]).1, dates("2036-01-01", "2036-01-01"), "an end beyond the end");
    // Unless both have signed a later version since; one that a subscription carries does not escape.
    assert_eq!(with(&[ends("2026-09-01", TOLD - 1)]), (vec!["acts"], dates("2026-09-01", "2036-01-01")));
    // One party alone, for a trigger of the pact.
    let alone = |why: &str, who| notice("1.0.0", &format!("termination: {{on: 2026-12-01{why}}}"), who, TOLD);
    assert_eq!(with(&[alone("", ALONE)]).0, ["unsigned"]);
    assert_eq!(with(&[alone(", because: counterparty_insolvent", ALONE)]).0, ["waits"]);
    assert_eq!(with(&[alone(", because: model_major", SHOP)]).0, ["other_pact"]);
    // A trigger that stands in a document which does not count is none.
    let forged = pact("1.5.0", &[MAJOR], ALONE, TOLD);
    let said = notice("1.5.0", "termination: {on: 2026-12-01, because: counterparty_insolvent}", ALONE, TOLD);
    let life = life(&[kept[0].clone(), forged], &[said], "1.0.0", TOLD);
    assert_eq!((told(&life, TOLD), end(&life, "1.0.0").as_str()), (vec!["not_counted"], "2036-01-01"));
}

#[test]
fn the_end_that_was_said_is_the_end() {
    let kept = [both("1.0.0", TOLD)];
    let ended = life(&kept, &[notice("1.0.0", "termination: {on: 2026-09-22}", BOTH, TOLD)], "1.0.0", TOLD);
    let on = Date::parse("2026-09-22", "UTC").unwrap().at;
    assert_eq!((may(&ended, &kept[0], on - 1), may(&ended, &kept[0], on)), ("ok", "expired"));
    let old = Date::parse("2036-01-01", "UTC").unwrap().at;
    let longer = life(&kept, &[notice("1.0.0", "extension: {until: 2037-01-01}", BOTH, TOLD)], "1.0.0", TOLD);
    assert_eq!((may(&longer, &kept[0], old), may(&longer, &kept[0], old + 366 * DAY)), ("ok", "expired"));
}

#[test]
fn a_key_that_was_announced_counts_from_its_date_on() {
    let rotation = |of: &str, old: u8, new: u8, from: &str, signer: (u8, Role), at| {
        let (old, new) = (key(old).verifying(), key(new).verifying());
        notice("1.0.0", &format!("key: {{of: '{of}', key: {new}, replaces: {old}, from: {from}}}"), &[signer], at)
    };
    let from = Date::parse("2026-10-01", "UTC").unwrap().at;
    let now = from + 30 * DAY;
    let by = |number: &str, seed: u8, at| pact(number, &[], &[(seed, Role::Agent), (2, Role::Counterparty)], at);
    let first = both("1.0.0", TOLD);
    let kept = [first.clone(), by("1.0.1", 1, from - 1), by("1.0.2", 1, from), by("1.0.3", 3, from - 1), by("1.0.4", 3, from)];
    let announced = rotation(AGENT, 1, 3, "2026-10-01", (1, Role::Agent), TOLD);
    let with = life(&kept, std::slice::from_ref(&announced), "1.0.0", now);
    assert_eq!((told(&with, TOLD), told(&with, now)), (vec!["waits"], vec!["acts"]));
    assert_eq!(numbers(&with), ["1.0.0", "1.0.1", "1.0.4"]);
    assert_eq!(numbers(&life(&kept, &[], "1.0.0", now)), ["1.0.0", "1.0.1", "1.0.2"]);
    // The new one announces the next; and what it signs beside the pact counts.
    let next = rotation(AGENT, 3, 4, "2026-10-05", (3, Role::Agent), from + DAY);
    let runtime = |seed, at| notice("1.0.0", "runtime: {model: other-llm}", &[(seed, Role::Agent)], at);
    let said = [announced.clone(), next.clone(), runtime(1, from + 2), runtime(4, now - 1)];
    let with = life(&[first.clone(), by("1.0.5", 4, now)], &said, "1.0.0", now);
    assert_eq!((told(&with, now), numbers(&with).len()), (vec!["acts", "untrusted", "acts", "not_looked_at"], 2));
    // Without the first the second is a stranger's, and so is one whose old key the trust file does not know.
    assert_eq!(told(&life(&kept, &[next], "1.0.0", now), now), ["untrusted"]);
    assert_eq!(
        told(&life(&kept, &[rotation(AGENT, 8, 9, "2026-10-01", (8, Role::Agent), TOLD)], "1.0.0", now), now),
        ["untrusted"]
    );
    // A key is taken out of use once, and never for the time before that was said.
    let thief = rotation(AGENT, 1, 9, "2026-10-01", (1, Role::Agent), TOLD + 1);
    assert_eq!(told(&life(&kept, &[thief, announced], "1.0.0", now), now), ["acts", "replaced_already"]);
    let late = rotation(OTHER, 2, 5, "2026-01-01", (2, Role::Counterparty), from);
    let with = life(&kept, &[late], "1.0.0", now);
    assert_eq!(
        (told(&with, now), numbers(&with)),
        (vec!["acts"], vec!["1.0.0".to_owned(), "1.0.1".to_owned(), "1.0.2".to_owned()])
    );
    let after = pact("1.0.6", &[], BOTH, from + 1);
    let with_after = life(&[first, after], &[rotation(OTHER, 2, 5, "2026-01-01", (2, Role::Counterparty), from)], "1.0.0", now);
    assert_eq!(numbers(&with_after), ["1.0.0"]);
}

#[test]
fn what_the_trust_file_says_of_a_new_key_stands() {
    let mut trust = trust();
    let day = |text: &str| Date::parse(text, "UTC").unwrap();
    let (old, new) = (key(1).verifying(), key(3).verifying());
    if let Some(agent) = trust.identities.get_mut(AGENT) {
        agent.keys[0].until = Some(day("2026-09-30"));
        agent.keys.push(crate::pact::trust::TrustedKey { key: new, from: Some(day("2026-12-01")), until: None });
    }
    trust.replace_key(AGENT, &old, new, day("2026-10-01"));
    let allows = |key, on: &str| trust.allows(AGENT, key, Role::Agent, day(on).at);
    assert!(
        allows(&old, "2026-09-29") && !allows(&old, "2026-09-30") && !allows(&new, "2026-11-01") && allows(&new, "2026-12-01")
    );
    let before = trust.clone();
    trust.replace_key("did:web:nobody.example", &old, new, day("2026-10-01"));
    assert_eq!(trust, before);
}

#[test]
fn a_major_version_retires_those_before_it_once_it_was_in_force() {
    let kept = [both("1.0.0", TOLD), both("1.1.0", TOLD), pact("2.0.0", &[MAJOR], BOTH, TOLD), pact("3.0.0", &[], BOTH, TOLD)];
    let came = TOLD + 30 * DAY;
    let at = |reached: &str, now, said: &[Arc<SignedStatement>]| {
        let life = life(&kept, said, reached, now);
        let age = life.age(life.history().version(version("1.1.0")).unwrap());
        (age.map(|a| (a.by.to_string(), a.maintained.unwrap().at, a.retired.unwrap().at)), may(&life, &kept[1], now))
    };
    let aged = Some(("2.0.0".to_owned(), came + 10 * DAY, came + 20 * DAY));
    assert_eq!(at("1.1.0", came + 99 * DAY, &[]), (None, "ok"), "it never came into force");
    assert_eq!(at("2.0.0", came + 20 * DAY - 1, &[]), (aged.clone(), "ok"));
    assert_eq!(at("2.0.0", came + 20 * DAY, &[]), (aged.clone(), "retired"));
    assert_eq!(at("3.0.0", came + 20 * DAY, &[]), (aged.clone(), "retired"), "the first one counts");
    // A way back that was opened in time keeps it; one that was opened later does not.
    let back = |at| notice("2.0.0", "rollback: {to: '1.1.0'}", BOTH, at);
    let with = life(&kept[..3], &[back(came + DAY)], "2.0.0", came + 99 * DAY);
    assert_eq!((told(&with, TOLD), may(&with, &kept[1], came + 99 * DAY)), (vec!["acts"], "ok"));
    assert_eq!(may(&with, &kept[0], came + 99 * DAY), "ok", "2.0.0 was taken back");
    let with = life(&kept[..3], &[back(came + 21 * DAY)], "2.0.0", came + 99 * DAY);
    assert_eq!((told(&with, TOLD), may(&with, &kept[1], came + 99 * DAY)), (vec!["retired"], "retired"));
}

#[test]
fn in_development_nothing_acts() {
    let kept = [both("1.0.0", TOLD), both("1.1.0", TOLD), alone("1.1.1", &[])];
    let said = vec![
        subscription("^1.0.0", TOLD),
        notice("1.1.0", "rollback: {to: '1.0.0'}", BOTH, TOLD),
        notice("1.1.0", "termination: {on: 2026-01-01}", BOTH, TOLD),
    ];
    let papers = Papers { kept: kept.to_vec(), statements: said, ..Papers::default() };
    let demands = Demands { trust: None, require: REQUIRED, agent: None, now: TOLD, beside: Beside::default() };
    let life = Life::of(&papers, &demands);
    assert_eq!(told(&life, TOLD), ["development"; 3]);
    assert_eq!((life.rollback(), life.ends.len(), numbers(&life).len()), (None, 0, 3));
    // What ran in trusted mode once retires nothing.
    let kept = vec![both("1.0.0", TOLD), pact("2.0.0", &[MAJOR], BOTH, TOLD)];
    let papers = Papers { kept, reached: Some(version("2.0.0")), ..Papers::default() };
    let later = Demands { now: TOLD + 999 * DAY, ..demands };
    let life = Life::of(&papers, &later);
    assert_eq!(life.age(&life.history().versions()[0]), None);
    assert_eq!(life.demands(&papers.kept[0], &later).beside, Beside::default());
}

#[test]
fn what_this_build_has_no_use_for_is_not_counted() {
    let approval = "approval: 1\npact: first-pact\nversion: \"1.0.0\"\npredicate: pii\nrecord: r\ncall: c\ndecision: approve\napprover: did:web:customer.example\n";
    let mut trust = trust();
    if let Some(other) = trust.identities.get_mut(OTHER) {
        other.roles.push(Role::Approver);
    }
    let papers = Papers {
        kept: vec![both("1.0.0", TOLD)],
        statements: vec![statement(approval, &[(2, Role::Approver)], TOLD), notice("7.0.0", "runtime: {model: m}", ALONE, TOLD)],
        ..Papers::default()
    };
    let life = Life::of(&papers, &demands(&trust, TOLD));
    let mut codes = told(&life, TOLD);
    codes.sort_unstable();
    assert_eq!(codes, ["no_use", "no_version"]);
}
