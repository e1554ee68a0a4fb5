//! A second verifier, in Python and from the description alone, agrees on sealed pacts and on what becomes of
//! them when they are changed.
//!
//! Needs `python3` (or `SERVANDA_PYTHON`) with the package `cryptography`; without it the test says so and
//! passes, unless `SERVANDA_REQUIRE_SERVICES=1`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Map, Value, json};
use servanda::pact::{Packs, Role, SealedPact, read, template};
use servanda::seal::SigningKey;

/// Pseudo-random numbers, the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

/// How a value is written: each of these leaves what it says as it is.
#[derive(Clone, Copy, Default)]
struct Spelling {
    shuffled: bool,
    escaped: bool,
    numbers: bool,
    spaced: bool,
}

fn write(value: &Value, spelling: Spelling, dice: &mut Dice, out: &mut String) {
    let gap = if spelling.spaced { ["", " ", "\n", "\n  "][dice.below(4)] } else { "" };
    out.push_str(gap);
    match value {
        Value::String(text) => string(text, spelling, dice, out),
        Value::Number(n) if spelling.numbers && n.is_i64() => {
            let forms = [format!("{n}"), format!("{n}.0"), format!("{n}e0"), format!("{n}.00E+0"), format!("{n}0e-1")];
            out.push_str(&forms[dice.below(forms.len())]);
        }
        Value::Number(n) if spelling.numbers && !n.to_string().contains('e') => {
            let forms = [format!("{n}"), format!("{n}0"), format!("{n}e0"), format!("{n}00E-0")];
            out.push_str(&forms[dice.below(forms.len())]);
        }
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write(item, spelling, dice, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            for at in (1..entries.len()).rev().filter(|_| spelling.shuffled) {
                entries.swap(at, dice.below(at + 1));
            }
            out.push('{');
            for (at, (key, item)) in entries.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                string(key, spelling, dice, out);
                out.push(':');
                // A colon needs a blank behind it only in YAML; JSON is read by the same reader.
                write(item, spelling, dice, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    out.push_str(gap);
}

fn string(text: &str, spelling: Spelling, dice: &mut Dice, out: &mut String) {
    if !spelling.escaped {
        out.push_str(&Value::from(text).to_string());
        return;
    }
    out.push('"');
    for c in text.chars() {
        let plain = Value::from(c.to_string()).to_string();
        match dice.below(3) {
            0 => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&if dice.below(2) == 0 { format!("\\u{unit:04x}") } else { format!("\\u{unit:04X}") });
                }
            }
            1 if c == '/' => out.push_str("\\/"),
            _ => out.push_str(&plain[1..plain.len() - 1]),
        }
    }
    out.push('"');
}

/// The document, plainly written.
fn plain(value: &Value) -> String {
    value.to_string()
}

/// Some map within the document but for its signatures.
fn some_map<'v>(value: &'v mut Value, dice: &mut Dice) -> &'v mut Map<String, Value> {
    let map = value.as_object_mut().unwrap();
    let below: Vec<String> = map.iter().filter(|(k, v)| v.is_object() && *k != "signatures").map(|(k, _)| k.clone()).collect();
    if below.is_empty() || dice.below(3) == 0 {
        return map;
    }
    let key = below[dice.below(below.len())].clone();
    some_map(map.get_mut(&key).unwrap(), dice)
}

/// Some scalar within the document but for its signatures.
fn some_scalar<'v>(value: &'v mut Value, dice: &mut Dice) -> Option<&'v mut Value> {
    match value {
        Value::Array(items) if items.is_empty() => None,
        Value::Array(items) => {
            let at = dice.below(items.len());
            some_scalar(&mut items[at], dice)
        }
        Value::Object(map) => {
            let keys: Vec<String> = map.keys().filter(|k| *k != "signatures").cloned().collect();
            (!keys.is_empty())
                .then(|| keys[dice.below(keys.len())].clone())
                .and_then(|k| some_scalar(map.get_mut(&k).unwrap(), dice))
        }
        scalar => Some(scalar),
    }
}

/// The classes of changes, each with whether the document stays valid.
const CLASSES: &[(&str, bool)] = &[
    ("key order", true),
    ("escapes", true),
    ("number forms", true),
    ("white space", true),
    ("all of these", true),
    ("signatures in another order", true),
    ("added key", false),
    ("dropped key", false),
    ("key twice", false),
    ("changed value", false),
    ("other role", false),
    ("other time", false),
    ("other signer", false),
    ("other key", false),
    ("swapped signatures", false),
    ("one signature twice", false),
    ("one bit of a signature", false),
    ("no signatures", false),
];

/// A changed document of this class.
fn changed(class: &str, sealed: &Value, dice: &mut Dice) -> String {
    let mut value = sealed.clone();
    let spelt = |spelling, dice: &mut Dice| {
        let mut out = String::new();
        write(sealed, spelling, dice, &mut out);
        out
    };
    let none = Spelling::default();
    match class {
        "key order" => return spelt(Spelling { shuffled: true, ..none }, dice),
        "escapes" => return spelt(Spelling { escaped: true, ..none }, dice),
        "number forms" => return spelt(Spelling { numbers: true, ..none }, dice),
        "white space" => return spelt(Spelling { spaced: true, ..none }, dice),
        "all of these" => return spelt(Spelling { shuffled: true, escaped: true, numbers: true, spaced: true }, dice),
        "added key" => {
            let name = ["note", "extra", "role", "x"][dice.below(4)];
            some_map(&mut value, dice).insert(format!("{name}{}", dice.below(9)), json!(dice.below(3)));
        }
        "dropped key" => {
            let map = some_map(&mut value, dice);
            let keys: Vec<String> = map.keys().filter(|k| *k != "signatures").cloned().collect();
            let key = keys.get(dice.below(keys.len().max(1))).cloned();
            if key.and_then(|k| map.remove(&k)).is_none() {
                map.insert("x".to_owned(), json!(1));
            }
        }
        "key twice" => {
            let text = plain(sealed);
            let at = text.find("\"pact\":").unwrap();
            return format!("{}\"pact\":\"another\",{}", &text[..at], &text[at..]);
        }
        "changed value" => match some_scalar(&mut value, dice) {
            Some(Value::String(text)) => text.push('x'),
            Some(Value::Bool(b)) => *b = !*b,
            Some(Value::Number(n)) => {
                let n = n.as_f64().unwrap() + 1.0;
                value["version"] = json!(format!("9.9.{n}"));
            }
            _ => value["version"] = json!("9.9.9"),
        },
        _ => {
            let signatures = value["signatures"].as_array_mut().unwrap();
            let one = dice.below(signatures.len());
            let other = (one + 1) % signatures.len();
            match class {
                "signatures in another order" => signatures.swap(one, other),
                "other role" => {
                    signatures[one]["role"] = json!(["guarantor", "approver", "judge", "agent", "counterparty"][dice.below(3)])
                }
                "other time" => {
                    let at = signatures[one]["at"].as_i64().unwrap();
                    signatures[one]["at"] = json!(at + [-86_400, -1, 1, 3_600][dice.below(4)]);
                }
                "other signer" => signatures[one]["by"] = signatures[other]["by"].clone(),
                "other key" => signatures[one]["key"] = signatures[other]["key"].clone(),
                "swapped signatures" => {
                    let (a, b) = (signatures[one]["signature"].clone(), signatures[other]["signature"].clone());
                    signatures[one]["signature"] = b;
                    signatures[other]["signature"] = a;
                }
                "one signature twice" => {
                    let again = signatures[one].clone();
                    signatures.push(again);
                }
                "one bit of a signature" => {
                    let mut text = signatures[one]["signature"].as_str().unwrap().to_owned().into_bytes();
                    let at = dice.below(text.len() - 1);
                    text[at] = if text[at] == b'A' { b'B' } else { b'A' };
                    signatures[one]["signature"] = json!(String::from_utf8(text).unwrap());
                }
                "no signatures" => signatures.clear(),
                class => panic!("no class {class}"),
            }
        }
    }
    plain(&value)
}

/// Whether the product takes it as signed.
fn ours(text: &str) -> bool {
    let (pact, _) = read(text, Packs::shipped());
    pact.is_some_and(|pact| SealedPact::new(pact).is_ok_and(|sealed| !sealed.signatures().is_empty()))
}

/// What the other verifier says of each document.
fn theirs(python: &str, documents: &[String]) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/verify_pact.py");
    let mut child = Command::new(python).arg(script).arg("--lines").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let lines: String = documents.iter().map(|d| Value::from(d.as_str()).to_string() + "\n").collect();
    let writer = std::thread::spawn(move || pipe.write_all(lines.as_bytes()).unwrap());
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Pacts that both parties have signed.
fn sealed() -> Vec<Value> {
    let minimal = template::template("minimal").unwrap();
    let desk = include_str!("../cases/diff/desk.pact.yaml")
        .replace("facts:\n", "packs: {pii: \"1\", hosts: \"1\"}\n\nfacts:\n")
        .replace("net 30", "net 30 – \u{e9} \u{1F389} \u{FFFD} \\u0007 \\\"quoted\\\"");
    let numbers = minimal
        .replace("score: -100", "forfeit: 0.000001, score: -12.5")
        .replace("cases:", "terms: {tiny: 0.0000012, large: 1234567890123, small: 0.1}\n\ncases:");
    let numbers = numbers.replace("  critical:", "  bond: {amount: 12.50, unit: EUR, hold: false}\n  critical:");
    [minimal, desk.as_str(), numbers.as_str()]
        .into_iter()
        .enumerate()
        .map(|(n, text)| {
            let (pact, out) = read(text, Packs::shipped());
            let pact = pact.unwrap_or_else(|| panic!("{}", out.render("pact", text)));
            let key = |of: u8| SigningKey::from_seed(&[of + n as u8 * 2; 32]);
            let sealed = SealedPact::new(pact).unwrap();
            let sealed = sealed.sign(&key(1), Role::Agent, 1_790_000_000).unwrap();
            let sealed = sealed.sign(&key(2), Role::Counterparty, 1_790_000_777).unwrap();
            serde_json::from_str(&sealed.to_json().unwrap()).unwrap()
        })
        .collect()
}

/// A Python that can verify; without one it is said that the test was skipped.
pub(crate) fn python() -> Option<String> {
    python_with("cryptography")
}

/// A Python that has this module; without one it is said that the test was skipped.
pub(crate) fn python_with(module: &str) -> Option<String> {
    let python = std::env::var("SERVANDA_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let import = format!("import {module}");
    let there = Command::new(&python).args(["-c", &import]).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !there {
        assert_ne!(std::env::var("SERVANDA_REQUIRE_SERVICES").as_deref(), Ok("1"), "no {python} with {module}");
        println!("skipped: no python3 with {module}");
    }
    there.then_some(python)
}

#[test]
fn a_second_verifier_agrees_on_a_thousand_changed_documents() {
    let Some(python) = python() else { return };
    let (mut dice, sealed) = (Dice(20_261_121), sealed());
    let mut wanted: Vec<(&str, bool)> = sealed.iter().map(|_| ("unchanged", true)).collect();
    let mut documents: Vec<String> = sealed.iter().map(plain).collect();
    for n in 0..1_000 {
        let (class, valid) = CLASSES[n % CLASSES.len()];
        documents.push(changed(class, &sealed[dice.below(sealed.len())], &mut dice));
        wanted.push((class, valid));
    }
    let said = theirs(&python, &documents);
    assert_eq!(said.len(), documents.len());
    let mut wrong: Vec<(&str, String)> = Vec::new();
    for ((document, (class, valid)), theirs) in documents.iter().zip(wanted).zip(said) {
        let ours = ours(document);
        if ours != valid || (theirs == "valid") != valid {
            wrong.push((class, format!("{class} should be {valid}: theirs is {theirs}, ours {ours}\n{document}")));
        }
    }
    // One of each class is enough to see why.
    wrong.dedup_by_key(|(class, _)| *class);
    assert!(wrong.is_empty(), "{wrong:#?}");
}
