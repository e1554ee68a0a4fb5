//! Notices, approvals, reinstatements and subscriptions on the command line: the same two commands that
//! sign and verify pacts.

use std::path::Path;

use serde_json::{Value, json};

use super::input;
use super::render::{CliError, Outcome, Paint, Screen, safe};
use crate::base::document;
use crate::pact::{CheckedPact, SignedStatement, read_statement, statement_kind};

/// What a file holds.
pub(super) enum Found {
    /// No statement.
    None,
    /// One with errors, which have been told.
    Broken,
    /// A statement.
    Statement(Box<SignedStatement>),
}

/// The statement in a file, if it is one.
pub(super) fn read(path: &Path, screen: &mut Screen) -> Found {
    let Ok(text) = input::document(path) else { return Found::None };
    if !document::parse(&text).is_ok_and(|root| statement_kind(&root).is_some()) {
        return Found::None;
    }
    let (statement, mistakes) = read_statement(&text);
    screen.diagnostics(&safe(&path.display().to_string()), &text, &mistakes);
    statement.map_or(Found::Broken, |statement| Found::Statement(Box::new(statement)))
}

/// Verifies a statement by itself and, where one is given, against the pact that it speaks of.
pub(super) fn verified(
    signed: &SignedStatement,
    trust: Option<&crate::pact::TrustFile>,
    pact: Option<&CheckedPact>,
    now: i64,
) -> Result<(), (String, &'static str)> {
    signed.verify(trust, now).map_err(|e| (e.to_string(), e.code()))?;
    match pact.and_then(|pact| signed.statement().mismatch(pact.pact())) {
        Some(why) => Err((why, "other_pact")),
        None => Ok(()),
    }
}

/// The answer to `verify` for a statement that holds.
pub(super) fn report(
    screen: &mut Screen,
    path: &Path,
    signed: &SignedStatement,
    trusted: bool,
    signatures: &[Value],
) -> Result<Outcome, CliError> {
    let (kind, said, digest) = (signed.statement().kind(), signed.statement().to_string(), signed.digest().hex());
    if screen.is_json() {
        screen.json(
            &json!({"file": path, "ok": true, "trusted": trusted, "kind": kind.as_str(), "pact": signed.statement().pact(),
            "says": said, "digest": digest, "signatures": signatures}),
        )?;
        return Ok(Outcome::Fine);
    }
    screen.line(safe(&said))?;
    let verdict = if trusted {
        screen.paint(Paint::Good, "the signatures fit, and the trust file vouches for them")
    } else {
        screen.paint(Paint::Warn, "the signatures fit; nobody vouches for their keys (give --trust FILE)")
    };
    screen.line(verdict)?;
    Ok(Outcome::Fine)
}
