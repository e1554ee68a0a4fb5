//! Statements: who must sign which, what breaks a signature, and what a statement does not speak of.

use super::*;
use crate::pact::{Packs, read, read_statement, read_trust, statement_kind};

const NOW: i64 = 1_790_000_100;
const AGENT: &str = "did:web:vendor.example:agents:support";
const SHOP: &str = "did:web:acme.example";

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn statement(text: &str) -> SignedStatement {
    let (read, out) = read_statement(text);
    read.unwrap_or_else(|| panic!("{}", out.render("statement", text)))
}

fn notice(change: &str) -> SignedStatement {
    statement(&format!("notice: 1\npact: acme-support\nversion: \"1.0.0\"\nagent: {AGENT}\ncounterparty: {SHOP}\n{change}\n"))
}

fn code(signed: &SignedStatement, trust: Option<&TrustFile>) -> &'static str {
    signed.verify(trust, NOW).map_or_else(|e| e.code(), |()| "fits")
}

fn by(signed: SignedStatement, roles: &[(u8, Role)]) -> SignedStatement {
    roles.iter().fold(signed, |signed, (seed, role)| signed.sign(&key(*seed), *role, NOW - 100).unwrap())
}

const BOTH: &[(u8, Role)] = &[(1, Role::Agent), (2, Role::Counterparty)];

#[test]
fn each_kind_of_notice_has_its_signers() {
    let (agent, shop, both) = (&BOTH[..1], &BOTH[1..], BOTH);
    let fits = |change: &str, who: &[(u8, Role)]| code(&by(notice(change), who), None);
    let runtime = "runtime: {model: example-llm, model_version: '5.0'}";
    assert_eq!((fits(runtime, agent), fits(runtime, shop), fits(runtime, &[])), ("fits", "unsigned", "unsigned"));
    for together in ["rollback: {to: '0.9.0'}", "extension: {until: 2037-01-01}", "termination: {on: 2027-01-01}"] {
        assert_eq!((fits(together, agent), fits(together, shop), fits(together, both)), ("unsigned", "unsigned", "fits"));
    }
    let alone = "termination: {on: 2027-01-01, because: counterparty_insolvent}";
    assert_eq!((fits(alone, agent), fits(alone, shop)), ("fits", "fits"));
}

#[test]
fn a_new_key_is_announced_by_the_old_one() {
    let change = |of: &str, old: u8| {
        let (new, old) = (key(9).verifying(), key(old).verifying());
        format!("key: {{of: '{of}', key: {new}, replaces: {old}, from: 2026-12-01}}")
    };
    assert_eq!(code(&by(notice(&change(AGENT, 1)), &BOTH[..1]), None), "fits");
    assert_eq!(code(&by(notice(&change(AGENT, 3)), &BOTH[..1]), None), "wrong_key");
    assert_eq!(code(&by(notice(&change(SHOP, 2)), &BOTH[1..]), None), "fits");
    assert_eq!(code(&by(notice(&change(SHOP, 2)), &BOTH[..1]), None), "unsigned");
    let text = format!(
        "notice: 1\npact: a\nversion: \"1.0.0\"\nagent: {AGENT}\ncounterparty: {SHOP}\n{}\n",
        change("did:web:other.example", 1)
    );
    assert!(read_statement(&text).1.iter().any(|d| d.code == "wrong_party"));
}

#[test]
fn signed_sealed_and_read_again_it_is_the_same_and_any_change_breaks_it() {
    let signed = by(notice("rollback: {to: '0.9.0'}\nreason: 'the new one refuses too much'"), BOTH);
    let text = signed.to_json().unwrap();
    assert_eq!(statement(&text), signed);
    for (from, to) in [
        ("0.9.0", "0.8.0"),
        ("refuses", "accepts"),
        ("\"role\": \"agent\"", "\"role\": \"counterparty\""),
        ("1790000000", "1790000001"),
        ("acme-support", "acme-other"),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = text.replacen(from, to, 1);
        let told = read_statement(&changed).0.map_or("unreadable", |s| code(&s, None));
        assert!(["bad_signature", "signed_already", "wrong_party"].contains(&told), "{from}: {told}");
    }
}

#[test]
fn a_signature_of_one_kind_is_none_of_another() {
    let subscription = format!("subscription: 1\npact: a\nagent: {AGENT}\ncounterparty: {SHOP}\naccepts: \"^1.0.0\"\n");
    let signed = by(statement(&subscription), &BOTH[1..]);
    assert_eq!(code(&signed, None), "fits");
    // The same document under the first line of a pact.
    let digest = signed.digest();
    let mut forged = signed.signatures()[0].clone();
    forged.signature = key(2).sign(&forged.message("servanda pact v1\n", &digest).unwrap());
    let forged = SignedStatement { signatures: vec![forged], ..signed };
    assert_eq!(code(&forged, None), "bad_signature");
}

#[test]
fn the_trust_file_says_who_counts() {
    let text = format!(
        "identities:\n  - {{did: '{AGENT}', keys: [{{key: {}}}], roles: [agent]}}\n  - {{did: '{SHOP}', keys: [{{key: {}}}], roles: [counterparty]}}\n",
        key(1).verifying(),
        key(2).verifying()
    );
    let trust = read_trust(&text).0.unwrap();
    let rollback = || notice("rollback: {to: '0.9.0'}");
    assert_eq!(code(&by(rollback(), BOTH), Some(&trust)), "fits");
    assert_eq!(code(&by(rollback(), &[(1, Role::Agent), (3, Role::Counterparty)]), Some(&trust)), "untrusted");
    assert_eq!(by(rollback(), BOTH).verify(None, NOW - 1000).unwrap_err().code(), "bad_signature");
    assert_eq!(by(rollback(), BOTH).sign(&key(1), Role::Agent, NOW).unwrap_err().code(), "signed_already");
    assert_eq!(rollback().sign(&key(1), Role::Approver, NOW).unwrap_err().code(), "wrong_party");
}

#[test]
fn versions_that_a_counterparty_accepts() {
    let versions = ["2.0.9", "2.1.0", "2.1.3", "2.9.0", "3.0.0"].map(|v| SemVer::parse(v).unwrap());
    let accepted = |text: &str| {
        let accepts = Accepts::parse(text).unwrap();
        assert_eq!(accepts.to_string(), text);
        versions.map(|v| accepts.contains(v))
    };
    assert_eq!(accepted("2.1.0"), [false, true, false, false, false]);
    assert_eq!(accepted("^2.1.0"), [false, true, true, true, false]);
    assert_eq!(accepted(">=2.1.0"), [false, true, true, true, true]);
    for bad in ["", "^2.1", "~2.1.0", "2.x", "*", ">2.0.0"] {
        assert_eq!(Accepts::parse(bad), None, "{bad}");
    }
}

#[test]
fn what_a_statement_does_not_speak_of() {
    let text = crate::pact::template::template("customer-support").unwrap();
    let pact = read(text, Packs::shipped()).0.unwrap();
    let pact = pact.pact();
    let told = |signed: &SignedStatement| signed.statement().mismatch(pact);
    assert_eq!(told(&notice("rollback: {to: '0.9.0'}")), None);
    assert_eq!(told(&notice("termination: {on: 2027-01-01, because: counterparty_insolvent}")), None);
    let why = told(&notice("termination: {on: 2027-01-01, because: model_major}")).unwrap();
    assert!(why.contains("terminate_on"), "{why}");
    let approval = |predicate: &str, who: &str| {
        statement(&format!(
            "approval: 1\npact: acme-support\nversion: \"1.0.0\"\npredicate: {predicate}\nrecord: r\ncall: c\ndecision: approve\napprover: '{who}'\n"
        ))
    };
    assert_eq!(told(&approval("refund-size", "did:web:vendor.example:people:ops")), None);
    assert!(told(&approval("refund-size", "did:web:vendor.example:people:other")).is_some());
    assert!(told(&approval("pii", "did:web:vendor.example:people:ops")).is_some());
    let other = statement(&format!(
        "subscription: 1\npact: acme-support\nagent: {AGENT}\ncounterparty: 'did:web:x.example'\naccepts: \"^1.0.0\"\n"
    ));
    assert!(told(&other).unwrap().contains("counterparty"));
}

#[test]
fn a_pact_is_no_statement() {
    for (text, kind) in [
        ("format: 1\nnotice: 1\n", None),
        ("notice: 1\n", Some(StatementKind::Notice)),
        ("approval: 1\n", Some(StatementKind::Approval)),
        ("pact: x\n", None),
    ] {
        assert_eq!(statement_kind(&crate::base::document::parse(text).unwrap()), kind, "{text}");
    }
}
