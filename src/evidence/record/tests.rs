//! Every kind of record is canonical, fits its own shape, and is refused once it does not.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::base::names::{DataCategory, Lane, Mode, Stage, UnjudgedReason};
use crate::base::verdict::{Act, Severity};
use crate::evidence::check::check;
use crate::evidence::handle::canonical;
use crate::evidence::shape::Shape;
use crate::seal::digest;

fn text(seed: &str) -> Option<Text> {
    Some(Text::from(seed))
}

fn exchange(s: &str, n: u32) -> Exchange {
    let hit = Hit {
        act: Act::Redact,
        breach: n % 2 == 0,
        count: Int::from(n),
        detector: text(s),
        place: text(s),
        predicate: Text::from(s),
        score_bp: Some(Int::from(9_900u32)),
        severity: Severity::Major,
        stage: Stage::Response,
    };
    Exchange {
        act: Act::Block,
        agent: text(s),
        caller: text(s),
        calls: vec![
            Call { act: Act::Allow, action: text(s), executed: true, target: text(s), tool: Text::from(s) };
            n as usize % 40
        ],
        calls_more: None,
        capability: text(s),
        checked: Some(Bitmap::new(vec![1, 2, 3, 0])),
        commit: Some(Commit {
            args: text(s),
            delivered: text(s),
            epoch: Some(Int::from(n)),
            forwarded: text(s),
            request: text(s),
            response: text(s),
        }),
        completion: Some(Completion::Completed),
        counterparty: text(s),
        data: vec![DataCategory::PiiBasic, DataCategory::Credentials, DataCategory::PiiBasic],
        data_more: None,
        hits: vec![hit; n as usize % 50],
        hits_more: None,
        id: RecordId::from_parts(u64::from(n), &[n as u8; 10]),
        image: Some(digest(b"image")),
        interaction: text(s),
        interventions: Some(Int::from(n)),
        kind: Tag,
        lane: Some(Lane::Model),
        log: LogId::of("a/b"),
        measures: vec![Measure { name: Text::from(s), predicate: Text::from(s), value: Int::saturating(i64::MIN) }],
        measures_more: None,
        mode: Some(Mode::Enforce),
        model: text(s),
        moment: Some(Moment::MidStream),
        mono_us: Int::MAX,
        pacts: vec![PactRef { id: Text::from(s), version: Text::from("1.0.0") }],
        pacts_more: None,
        principal: text(s),
        protocol: text(s),
        reason: text(s),
        route: text(s),
        runtime: text(s),
        session: text(s),
        size: Some(Size { held_max: Some(Int::from(n)), r#in: Int::from(n), out: Int::from(n) }),
        spec: Spec,
        status: Some(Int::from(200u32)),
        task: text(s),
        tenant: text(s),
        time: Some(Timing {
            first_byte_us: Some(Int::from(n)),
            judge_ns: Some(Int::from(n)),
            total_us: Int::from(n),
            upstream_us: None,
        }),
        time_us: Int::from(n),
        tool: text(s),
        topics: vec![Text::from("b"), Text::from("a")],
        topics_more: None,
        trace: text(s),
        turns: Some(Turns { redacted: None, skipped: Some(Int::from(n)), withheld: None }),
        unjudged: vec![NotJudged { reason: UnjudgedReason::Media, what: Text::from(s) }],
        unjudged_more: None,
        usage: Some(Tokens {
            cost: Some(Int::from(n)),
            currency: text("EUR"),
            r#in: Some(Int::from(n)),
            out: Some(Int::from(n)),
            table: text(s),
        }),
        waiting: vec![Text::from(s)],
        waiting_more: None,
    }
}

/// One record of every kind that this build writes, made from the table of its keys with every key there.
fn full(kind: Kind) -> Option<Value> {
    fn value(shape: &Shape, kind: Kind) -> Value {
        match shape {
            Shape::Int => json!(-9_007_199_254_740_991i64),
            Shape::Bool => json!(true),
            Shape::Text(_) => json!("a \"text\" \u{1f600}\n"),
            Shape::Word => json!("word_1.x"),
            Shape::Digest => json!(digest(b"d").base64url()),
            Shape::Id => json!(RecordId::from_parts(7, &[7; 10]).to_string()),
            Shape::List(item, _) => json!([value(item, kind)]),
            Shape::Object(keys) => keys.iter().map(|key| (key.name.to_owned(), value(&key.shape, kind))).collect(),
        }
    }
    let mut record = value(&Shape::Object(keys_of(kind)?), kind);
    record["kind"] = json!(kind.as_str());
    record["spec"] = json!(SPEC);
    Some(record)
}

#[test]
fn every_table_is_sorted_all_the_way_down() {
    fn sorted(shape: &Shape) -> bool {
        match shape {
            Shape::Object(keys) => keys.is_sorted_by(|a, b| a.name < b.name) && keys.iter().all(|key| sorted(&key.shape)),
            Shape::List(item, _) => sorted(item),
            _ => true,
        }
    }
    let written: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| keys_of(*kind).is_some()).collect();
    assert_eq!(written.len(), 13);
    for kind in written {
        let keys = keys_of(kind).unwrap();
        assert!(sorted(&Shape::Object(keys)), "{kind}");
        for common in ["id", "kind", "log", "mono_us", "spec", "time_us"] {
            assert!(keys.iter().any(|key| key.name == common && key.required), "{kind} has no {common}");
        }
    }
}

#[test]
fn every_kind_is_taken_whole_and_refused_otherwise() {
    for kind in Kind::ALL {
        let Some(record) = full(*kind) else {
            let reserved = json!({"id": "x", "kind": kind.as_str(), "log": "l", "spec": SPEC});
            assert!(check(&crate::seal::canon::to_canonical(&reserved).unwrap()).unwrap().kind.is_none());
            continue;
        };
        let bytes = |value: &Value| crate::seal::canon::to_canonical(value).unwrap();
        assert_eq!(check(&bytes(&record)).unwrap().kind, Some(*kind), "{record}");
        for key in keys_of(*kind).unwrap().iter().filter(|key| !matches!(key.name, "kind" | "spec")) {
            let mut without = record.clone();
            without.as_object_mut().unwrap().remove(key.name);
            assert_eq!(check(&bytes(&without)).is_err(), key.required, "{kind} without {}", key.name);
            let mut null = record.clone();
            null[key.name] = Value::Null;
            assert!(check(&bytes(&null)).is_err());
            let mut float = record.clone();
            float[key.name] = json!(0.5);
            assert!(check(&bytes(&float)).is_err());
        }
        let mut more = record.clone();
        more["zz"] = json!(1);
        assert_eq!(check(&bytes(&more)).unwrap_err().code, "bad_record");
        let mut newer = more;
        newer["spec"] = json!("evidence/2");
        assert_eq!(check(&bytes(&newer)).unwrap().kind, None);
        assert_eq!(check(&[&bytes(&record)[..], b"\n"].concat()).unwrap_err().code, "not_canonical");
    }
}

#[test]
fn long_lists_are_cut_and_counted() {
    let mut record = exchange("x", 39);
    record.bound();
    assert_eq!((record.calls.len(), record.calls_more), (32, Some(Int::from(7u32))));
    assert_eq!((record.hits.len(), record.hits_more), (32, Some(Int::from(7u32))));
    assert_eq!(record.topics, [Text::from("a"), Text::from("b")]);
    assert_eq!(record.data.len(), 2);
    let minimal = exchange(&"\u{1}".repeat(300), 39).minimal();
    let bytes = canonical(&minimal);
    assert!(bytes.len() < 2048, "{}", bytes.len());
    check(&bytes).unwrap();
    assert_eq!(minimal.hits_more, Some(Int::from(39u32)));
}

proptest! {
    /// Plain serialisation is RFC 8785, by the reference and by our own writer.
    #[test]
    fn records_are_canonical_by_construction(s in "\\PC{0,40}", control in any::<Vec<char>>(), n in any::<u32>()) {
        let mut exchange = exchange(&s, n);
        exchange.bound();
        exchange.trace = Some(Text::from(control.iter().collect::<String>()));
        let intervention = Intervention {
            exchange: exchange.id, id: exchange.id, log: exchange.log.clone(), hits: exchange.hits.clone(), model: exchange.trace.clone(),
            ..Intervention::default()
        };
        let load = PactLoad {
            id: exchange.id, log: exchange.log.clone(), result: Text::from(s.as_str()), predicates: LongList(vec![Text::from(s.as_str()); 50]),
            packs: vec![LoadedPack { digest: digest(s.as_bytes()), pack: Text::from(s.as_str()), version: Text::from("1") }],
            ..PactLoad::default()
        };
        for record in [Record::from(exchange), Record::from(intervention), Record::from(load)] {
            let bytes = canonical(&record);
            prop_assert_eq!(&bytes, &serde_json_canonicalizer::to_vec(&record).unwrap());
            let value: Value = serde_json::from_slice(&bytes).unwrap();
            prop_assert_eq!(&bytes, &crate::seal::canon::to_canonical(&value).unwrap());
            prop_assert_eq!(check(&bytes).unwrap().kind, Some(record.kind()));
        }
    }
}
