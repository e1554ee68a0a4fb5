//! Packs, facts, tools and own detectors: the names that the rest of a pact uses.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::document::Value;
use crate::base::limits::PATTERN_MAX;
use crate::base::names::DataCategory;
use crate::base::normal;
use crate::pact::condition::{Field, Type};
use crate::pact::constraint;
use crate::pact::model::{Detector, DetectorKind, Effect, FactType, Results, Tool};
use crate::pact::pack::Packs;
use crate::pact::term::SemVer;
use crate::scan::Scanner;

use super::cursor::{At, Reader};

/// Longest name of a tool on the wire.
const NAME_MAX: usize = 128;

const TOOL_KEYS: &[&str] = &["action", "target", "effect", "results", "data", "reversible", "aliases", "server"];

pub(super) fn packs(r: &mut Reader<'_>, at: &At<'_>, packs: &Packs) -> BTreeMap<String, u32> {
    let mut out = BTreeMap::new();
    if !r.is_map(at) {
        return out;
    }
    for (key, value) in at.entries() {
        let version = if key.text == constraint::PACK {
            Some(constraint::version())
        } else if let Some(pack) = packs.get(&key.text) {
            SemVer::parse(&pack.version)
        } else {
            let known = packs.iter().map(|p| p.name.as_str()).chain([constraint::PACK]);
            r.known("unknown_pack", &value, &key.text, "pack", known);
            continue;
        };
        let Some(text) = r.text(&value) else { continue };
        let Ok(major) = text.parse::<u32>() else {
            r.error("bad_version", &value, "a pack is listed by its major version").help("for instance `pii: \"1\"`");
            continue;
        };
        if version.is_some_and(|v| v.major != major) {
            let have = version.map_or(0, |v| v.major);
            r.error("unknown_pack", &value, format!("this build has version {have} of the pack `{}`", key.text))
                .help(format!("write `\"{have}\"`, or use a build that has the other"));
        }
        out.insert(key.text.clone(), major);
    }
    out
}

pub(super) fn facts(r: &mut Reader<'_>, at: &At<'_>) -> BTreeMap<String, FactType> {
    let mut out = BTreeMap::new();
    if !r.is_map(at) {
        return out;
    }
    for (key, value) in at.entries() {
        let name = key.text.as_str();
        let Some(ty) = fact_type(r, &value) else { continue };
        let plain = |part: &str| {
            part.bytes().next().is_some_and(|b| b.is_ascii_lowercase())
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !name.split('.').all(plain) || name.len() > 63 {
            r.out
                .error("bad_name", value.path.clone(), key.span, format!("`{name}` is no name of a fact"))
                .help("lower-case words with dots, such as `task.amount`");
            continue;
        }
        let taken = match Field::fixed(name) {
            Some((Field::Fact(_), fixed)) => {
                let same = matches!(
                    (&ty, fixed),
                    (FactType::Text, Type::Text) | (FactType::Bool, Type::Bool) | (FactType::Number { .. }, Type::Number)
                );
                (!same).then(|| (format!("`{name}` is always {}", fixed.as_str()), "give it that type, or choose another name"))
            }
            Some(_) => {
                Some((format!("`{name}` is seen in the traffic; nobody can tell it"), "use it as it is; it needs no declaration"))
            }
            None if matches!(name.split('.').next(), Some("args" | "topics" | "session" | "time" | "host" | "tool")) => {
                let family = name.split('.').next().unwrap_or_default();
                Some((
                    format!("names under `{family}` are seen in the traffic"),
                    "choose a name of your own, such as `task.region`",
                ))
            }
            None => None,
        };
        if let Some((message, help)) = taken {
            r.out.error("bad_name", value.path.clone(), key.span, message).help(help);
            continue;
        }
        out.insert(name.to_owned(), ty);
    }
    out
}

fn fact_type(r: &mut Reader<'_>, at: &At<'_>) -> Option<FactType> {
    let (word, unit) = if matches!(at.node.value, Value::Map(_)) {
        r.map(at, &["type", "unit"], None);
        let unit = at.get("unit").and_then(|u| r.text(&u).map(str::to_owned));
        (r.needed(at, "type", "string, bool or number")?, unit)
    } else {
        (at.clone(), None)
    };
    let ty = r.word(&word, &["string", "bool", "number"], |w| w)?;
    if let Some(place) = at.get("unit").filter(|_| unit.is_some() && ty != "number") {
        r.error("wrong_type", &place, "only numbers have a unit").help("drop it, or make the fact a number");
    }
    Some(match ty {
        "string" => FactType::Text,
        "bool" => FactType::Bool,
        _ => FactType::Number { unit },
    })
}

pub(super) fn tools(r: &mut Reader<'_>, at: &At<'_>) -> Vec<Tool> {
    let mut out = Vec::new();
    if !r.is_map(at) {
        return out;
    }
    let mut names = BTreeSet::new();
    for (key, value) in at.entries() {
        let name = key.text.as_str();
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'/' | b':');
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(plain) {
            r.out
                .error("bad_name", value.path.clone(), key.span, format!("`{name}` is no key of a tool"))
                .help("letters, digits and `_ - . / :`; another name on the wire stands under `aliases`");
            continue;
        }
        if !r.map(&value, TOOL_KEYS, None) {
            continue;
        }
        let mut text = |key: &str| value.get(key).and_then(|v| r.text(&v).map(str::to_owned));
        let (action, target, server) = (text("action"), text("target"), text("server"));
        let effect = value.get("effect").and_then(|v| r.word(&v, Effect::ALL, Effect::as_str)).unwrap_or(Effect::External);
        let results = value.get("results").and_then(|v| r.word(&v, Results::ALL, Results::as_str)).unwrap_or(Results::Untrusted);
        let data = value.get("data").map_or_else(Vec::new, |v| r.words(&v, false, DataCategory::ALL, DataCategory::as_str));
        let reversible = value.get("reversible").and_then(|v| r.bool(&v)).unwrap_or(effect == Effect::Read);
        let mut aliases = Vec::new();
        for alias in value.get("aliases").map_or_else(Vec::new, |v| r.list(&v, false)) {
            let Some(text) = r.text(&alias) else { continue };
            if text.len() > NAME_MAX || text.chars().any(char::is_control) {
                r.error("bad_name", &alias, "no name of a tool on the wire").help("printable, 128 bytes at most");
            } else if !names.insert(normal::name(text).into_owned()) {
                r.error("duplicate_name", &alias, format!("`{text}` already names a tool"))
                    .help("a name on the wire is one tool's");
            } else {
                aliases.push(text.to_owned());
            }
        }
        if !names.insert(name.to_owned()) {
            r.out
                .error("duplicate_name", value.path.clone(), key.span, format!("`{name}` already names a tool"))
                .help("a name on the wire is one tool's");
        }
        out.push(Tool {
            name: name.to_owned(),
            action,
            target,
            effect,
            results,
            data,
            reversible,
            aliases,
            server,
            span: key.span,
        });
    }
    out
}

pub(super) fn detectors(r: &mut Reader<'_>, at: &At<'_>) -> Vec<Detector> {
    let mut out = Vec::new();
    if !r.is_map(at) {
        return out;
    }
    for (key, value) in at.entries() {
        let name = key.text.as_str();
        let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        if !plain || !name.starts_with(|c: char| c.is_ascii_lowercase()) || name.len() > 63 {
            r.out
                .error("bad_name", value.path.clone(), key.span, format!("`{name}` is no name of a detector"))
                .help("lower-case letters, digits and `_`; it is used as `own.<name>`");
            continue;
        }
        if !r.map(&value, &["phrases", "regex", "bytes_max", "category"], None) {
            continue;
        }
        let category = value.get("category").and_then(|v| r.word(&v, DataCategory::ALL, DataCategory::as_str));
        let category = category.unwrap_or(DataCategory::Public);
        let kind = match (value.get("phrases"), value.get("regex")) {
            (Some(phrases), None) => {
                if let Some(bytes) = value.get("bytes_max") {
                    r.error("unknown_key", &bytes, "the longest match of phrases is known").help("drop it");
                }
                let texts = r.texts(&phrases, true);
                if texts.is_empty() {
                    r.error("missing_key", &phrases, "a detector without phrases finds nothing").help("add what it is to find");
                    continue;
                }
                DetectorKind::Phrases(texts)
            }
            (None, Some(regex)) => {
                let bytes = r.needed(&value, "bytes_max", "how long a match can be decides what a stream holds back");
                let (Some(text), Some(bytes)) = (r.text(&regex), bytes.and_then(|b| r.small(&b))) else { continue };
                if text.len() > PATTERN_MAX || bytes == 0 {
                    r.error("bad_regex", &regex, format!("a pattern has at most {PATTERN_MAX} bytes and matches at least one"))
                        .help("make several detectors of it");
                    continue;
                }
                DetectorKind::Regex { regex: text.to_owned(), bytes_max: bytes as usize }
            }
            _ => {
                r.error("missing_key", &value, "a detector has either `phrases` or `regex`")
                    .help("keep one; make two detectors of it for both");
                continue;
            }
        };
        let detector = Detector { name: name.to_owned(), kind, category, span: key.span };
        if let Err(error) = Scanner::check(&detector.pattern()) {
            let place = value.get("regex").or_else(|| value.get("phrases")).unwrap_or(value);
            r.error("bad_regex", &place, format!("the detector cannot be built: {error}"))
                .help("patterns run in linear time: no look-around, no back references, every bracket closed");
            continue;
        }
        out.push(detector);
    }
    out
}
