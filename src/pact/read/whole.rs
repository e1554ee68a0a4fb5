//! The whole document, section by section, in the order in which names are needed.

use std::collections::BTreeSet;

use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::document::{self, Node, Value};
use crate::base::names::is_id;
use crate::pact::checked::CheckedPact;
use crate::pact::decimal::Decimal;
use crate::pact::model::Pact;
use crate::pact::pack::Packs;
use crate::pact::term::SemVer;
use crate::seal::canon::NUMBER_MAX;

use super::cursor::{At, Reader};
use super::names::Names;
use super::places::Places;
use super::{cases, catalogue, consequences, couplings, evidence, penalty, predicate, renewal, subject, trust, uses};

/// Keys of a pact, in the order of a document; `signatures` belongs to the sealed form.
pub(in crate::pact) const KEYS: &[&str] = &[
    "format",
    "pact",
    "version",
    "subject",
    "packs",
    "facts",
    "tools",
    "detectors",
    "predicates",
    "evidence",
    "penalty",
    "renewal",
    "terms",
    "cases",
    "signatures",
];

/// Reads a pact. Every mistake is told at once; a pact comes back only if none of them is an error.
///
/// A draft may lack sections: it is read and checked as far as it goes, and
/// [`CheckedPact::lacks`] says what is missing before it can be signed.
pub fn read(text: &str, packs: &Packs) -> (Option<CheckedPact>, Diagnostics) {
    let root = match document::parse(text) {
        Ok(root) => root,
        Err(mistakes) => return (None, mistakes),
    };
    let mut r = Reader { source: text, out: Diagnostics::default() };
    let checked = whole(&mut r, &root, packs);
    r.out.sort();
    if r.out.has_errors() { (None, r.out) } else { (checked, r.out) }
}

fn whole(r: &mut Reader<'_>, node: &Node, packs: &Packs) -> Option<CheckedPact> {
    let root = At { node, path: String::new() };
    if !r.map(&root, KEYS, None) {
        return None;
    }
    numbers(r, &root);
    if let Some(format) = r.needed(&root, "format", "`format: 1` is the grammar that this build reads")
        && r.count(&format).is_some_and(|f| f != 1)
    {
        r.error("bad_format", &format, "this build reads format 1").help("write `format: 1`");
    }
    let id = root.get("pact").and_then(|p| {
        let text = r.text(&p)?;
        if !is_id(text) {
            r.error("bad_id", &p, format!("`{text}` is no id"))
                .help("a lower-case letter, then letters, digits and `-`, 63 at most");
        }
        Some(text.to_owned())
    });
    let version = root.get("version").and_then(|v| {
        let text = r.text(&v)?;
        let version = SemVer::parse(text);
        if version.is_none() {
            r.error("bad_version", &v, format!("`{text}` is no version")).help("major, minor and patch: `\"1.0.0\"`");
        }
        version
    });
    let subject = root.get("subject").map(|s| subject::subject(r, &s)).unwrap_or_default();
    let pact_packs = root.get("packs").map(|p| catalogue::packs(r, &p, packs)).unwrap_or_default();
    let facts = root.get("facts").map(|f| catalogue::facts(r, &f)).unwrap_or_default();
    let tools = root.get("tools").map(|t| catalogue::tools(r, &t)).unwrap_or_default();
    let detectors = root.get("detectors").map(|d| catalogue::detectors(r, &d)).unwrap_or_default();
    let topics: BTreeSet<String> =
        packs.topics().filter_map(|(_, t)| t.topic.label.strip_prefix("topic.").map(str::to_owned)).collect();
    let names = Names { packs, facts: &facts, tools: &tools, detectors: &detectors, topics };
    let predicates = root.get("predicates").map(|p| predicate::predicates(r, &p, &names)).unwrap_or_default();
    let zone = evidence::zone(&root);
    let evidence = evidence::evidence(r, root.get("evidence").as_ref(), zone.clone());
    let penalty = root.get("penalty").and_then(|p| penalty::penalty(r, &p));
    let renewal = root.get("renewal").map(|n| renewal::renewal(r, &n, &zone)).unwrap_or_default();
    let terms = root.get("terms").filter(|t| r.is_map(t)).map(|t| {
        let entries = t.entries();
        let json = |node: &Node| {
            let mut out = String::new();
            cases::json(node, &mut out);
            out
        };
        entries.iter().map(|(key, value)| (key.text.clone(), json(value.node))).collect()
    });
    let cases = root.get("cases").map(|c| cases::cases(r, &c, &facts, &predicates)).unwrap_or_default();
    let pact = Pact {
        format: 1,
        id: id.unwrap_or_else(|| "draft".to_owned()),
        version: version.unwrap_or_default(),
        subject,
        packs: pact_packs,
        facts,
        tools,
        detectors,
        predicates,
        evidence,
        penalty,
        renewal,
        terms: terms.unwrap_or_default(),
        cases,
    };
    let places = Places::new(&root);
    couplings::couplings(r, places, &pact, packs);
    consequences::consequences(r, places, &pact);
    uses::blind_spots(r, places, &pact, packs);
    uses::impossible(r, places, &pact);
    let used = uses::used_packs(&pact, packs);
    let lacks = uses::lacks(&root, &pact, &used, packs);
    let signatures = root.get("signatures").map(|s| trust::signatures(r, &s)).unwrap_or_default();
    if r.out.has_errors() {
        return None;
    }
    let mut document = node.to_json();
    if let Some(map) = document.as_object_mut() {
        map.remove("signatures");
    }
    match CheckedPact::new(pact, &document, lacks, used, signatures) {
        Ok(checked) => Some(checked),
        Err(error) => {
            r.out.error("not_canonical", "", Span::default(), format!("the document has no canonical form: {error}"));
            None
        }
    }
}

/// What is signed is the canonical form, and its numbers are floating point: one that would change by it
/// is refused, so that nobody signs another number than the one that is enforced.
pub(super) fn numbers(r: &mut Reader<'_>, at: &At<'_>) {
    match &at.node.value {
        Value::Int(n) if n.unsigned_abs() > NUMBER_MAX => {
            r.error("number_range", at, "a number above 2^53-1 has no canonical form").help("write it as text");
        }
        Value::Float(f, text) if Decimal::parse(text) != Decimal::parse(&f.to_string()) => {
            r.error("number_range", at, "this number has more digits than its canonical form can keep")
                .help("write fewer digits, 15 at most");
        }
        Value::List(items) => {
            for (n, node) in items.iter().enumerate() {
                numbers(r, &At { node, path: format!("{}[{n}]", at.path) });
            }
        }
        Value::Map(_) => {
            for (_, value) in at.entries() {
                numbers(r, &value);
            }
        }
        _ => {}
    }
}
