//! Judgements over the toy pack, by hand and against a naive model.

use super::*;
use crate::base::names::{DataCategory, UnjudgedReason};
use crate::base::verdict::Act;
use crate::engine::event::Measures;
use crate::engine::facts::Fact;
use crate::engine::judge::redacted;
use crate::engine::judge::{Place, Reason, unread};

fn text_fact(text: &str) -> FactValue {
    FactValue::Text(text.into())
}

#[test]
fn a_match_redacts_with_one_label_for_what_overlaps() {
    let program =
        program("  - {id: numbers, dimension: safety, severity: major, at: response, check: {match: [pii]}, act: redact}\n");
    let mut bench = Bench::new(&program);
    let text = "pay 1234-5678 ab and 9999-0000 now";
    let judgement = bench.text(Stage::Response, text);
    assert_eq!(judgement.act, Act::Redact);
    assert_eq!(redacted(text, &judgement.redactions, Place::Text(0)), "pay [pii.number] and [pii.number]");
    assert_eq!(bench.exchange.data().iter().collect::<Vec<_>>(), [DataCategory::PiiSensitive, DataCategory::FinancialPii]);
    assert_eq!(bench.exchange.checked().iter().collect::<Vec<_>>(), [0]);
    assert_eq!(bench.text(Stage::Response, "all fine").act, Act::Allow);
    assert_eq!(bench.exchange.act(), Act::Redact);
}

#[test]
fn what_is_encoded_too_often_is_told() {
    let program =
        program("  - {id: numbers, dimension: safety, severity: major, at: response, check: {match: [pii]}, act: redact}\n");
    let mut bench = Bench::new(&program);
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    let text = (0..4).fold("card 1234-5678".to_owned(), |text, _| hex(&text));
    let judgement = bench.text(Stage::Response, &text);
    assert_eq!((judgement.act, judgement.unjudged.len()), (Act::Redact, 0));
    assert_eq!(redacted(&text, &judgement.redactions, Place::Text(0)), format!("{}[pii.number]", &text[..80]));
    let judgement = bench.text(Stage::Response, &hex(&text));
    assert_eq!((judgement.act, judgement.unjudged[0].reason), (Act::Allow, UnjudgedReason::Depth));
}

#[test]
fn what_cannot_be_rewritten_blocks() {
    let program =
        program("  - {id: numbers, dimension: safety, severity: major, at: response, check: {match: [pii]}, act: redact}\n");
    let mut bench = Bench::new(&program);
    let texts = [EventText::fixed("1234-5678")];
    let judgement = bench.judge(&Event::new(Stage::Response, Lane::Inbound, 0).texts(&texts));
    assert_eq!((judgement.act, judgement.reason), (Act::Block, Some(Reason::NotEditable)));
}

#[test]
fn unknown_applies_in_where_and_does_not_exempt_in_unless() {
    let program = program(
        "  - {id: w, dimension: safety, severity: major, at: response, where: 'caller.known', check: {match: [own.rival]}}\n\
         \x20 - {id: u, dimension: safety, severity: major, at: response, unless: 'caller.known', check: {match: [own.rival]}}\n\
         \x20 - {id: r, dimension: safety, severity: major, at: response, check: {require: 'caller.known'}}\n",
    );
    let judge = |fact: Option<Fact>| {
        let mut bench = Bench::new(&program);
        if let Some(fact) = fact {
            bench.facts.set("caller.known", fact);
        }
        let judgement = bench.text(Stage::Response, "try Globex");
        bench.ids(&judgement)
    };
    assert_eq!(judge(None), ["w", "u", "r"]);
    assert_eq!(judge(Some(Fact::Absent)), ["w", "u", "r"]);
    assert_eq!(judge(Some(Fact::Present(FactValue::Bool(true)))), ["w"]);
    assert_eq!(judge(Some(Fact::Present(FactValue::Bool(false)))), ["u", "r"]);
}

#[test]
fn tasks_come_from_the_fact_and_the_text() {
    let program = program(
        "  - {id: scope, dimension: safety, severity: major, at: request, check: {set: task, allow: [support], deny: [law, sales]}}\n",
    );
    let judge = |fact: Fact, text: &str| {
        let mut bench = Bench::new(&program);
        bench.facts.set("task.type", fact);
        let judgement = bench.text(Stage::Request, text);
        let detectors = judgement.hits.iter().map(|h| h.detector.to_string()).collect::<Vec<_>>();
        (judgement.act, detectors)
    };
    let told = |t: &str| Fact::Present(text_fact(t));
    assert_eq!(judge(told("support"), "hello").0, Act::Allow);
    assert_eq!(judge(told("sales"), "hello"), (Act::Block, vec!["task".into()]));
    assert_eq!(judge(told("other"), "hello").0, Act::Block);
    assert_eq!(judge(Fact::Absent, "hello").0, Act::Block);
    assert_eq!(judge(Fact::NoSource, "hello").0, Act::Allow);
    assert_eq!(judge(told("support"), "the law of the court"), (Act::Block, vec!["topic.law".into()]));
    assert_eq!(judge(Fact::NoSource, "the law alone").0, Act::Allow);
}

#[test]
fn topics_are_fixed_by_the_first_task_text() {
    let program = program(
        "  - {id: bills, dimension: safety, severity: major, at: response, where: '\"money\" in topics && task.amount > 500', check: {require: 'session.called(\"pay\")'}}\n",
    );
    let mut bench = Bench::new(&program).fact("task.amount", FactValue::Number(900.into()));
    assert_eq!(bench.text(Stage::Request, "about my bill").act, Act::Allow);
    assert_eq!(bench.exchange.topics().unwrap(), ["money".into()]);
    assert_eq!(bench.text(Stage::Response, "settled").act, Act::Block);
    bench.session.release("pay");
    assert_eq!(bench.text(Stage::Response, "settled").act, Act::Allow);
    let mut other = Bench::new(&program).fact("task.amount", FactValue::Number(900.into()));
    other.text(Stage::Request, "hello");
    other.text(Stage::Request, "about my bill");
    assert_eq!(other.text(Stage::Response, "settled").act, Act::Allow);
}

#[test]
fn tools_aliases_and_strangers() {
    let program = program(
        "  - {id: tools, dimension: security, severity: major, at: call, check: {set: tool, allow: [look, note]}}\n\
         \x20 - {id: ext, dimension: security, severity: minor, at: call, where: 'tool.effect == \"external\"', check: {require: 'tool.reversible'}}\n",
    );
    let mut bench = Bench::new(&program);
    assert_eq!(bench.call("look", "{}").act, Act::Allow);
    let judgement = bench.call("l/ook", "{}");
    assert_eq!(judgement.act, Act::Allow);
    assert_eq!(&*judgement.tool.unwrap().key, "look");
    let judgement = bench.call("pay", "{}");
    assert_eq!((judgement.act, bench.ids(&judgement)), (Act::Block, vec!["tools".into(), "ext".into()]));
    let judgement = bench.call("drop", "{}");
    assert_eq!((judgement.act, bench.ids(&judgement)), (Act::Block, vec!["tools".into(), "ext".into()]));
    assert!(!judgement.tool.unwrap().listed);
}

#[test]
fn arguments_by_schema_condition_and_content() {
    let program = program(
        "  - {id: size, dimension: safety, severity: critical, at: call, where: 'tool.name == \"pay\"', check: {args: {properties: {amount: {type: number, maximum: 500}}, required: [amount]}}, act: hold}\n\
         \x20 - {id: vip, dimension: safety, severity: minor, at: call, where: 'args.who.level > 3', check: {require: 'args.ok == true'}}\n\
         \x20 - {id: leak, dimension: safety, severity: major, at: call, check: {match: [pii]}, act: redact}\n",
    );
    let mut bench = Bench::new(&program);
    let judgement = bench.call("pay", r#"{"amount": 900}"#);
    assert_eq!((judgement.act, judgement.reason), (Act::Hold, Some(Reason::ApprovalUnavailable)));
    assert!(judgement.refuses());
    // `where` is unknown without the argument, so `vip` applies, and its own is not fulfilled.
    assert_eq!(bench.ids(&judgement), ["size", "vip"]);
    assert_eq!(bench.call("pay", r#"{"amount": 500, "who": {"level": 2}}"#).act, Act::Allow);
    assert_eq!(bench.call("pay", r#"{"amount": "500", "who": {"level": 2}}"#).act, Act::Hold);
    assert_eq!(bench.call("note", r#"{"who": {"level": 4}, "ok": true}"#).act, Act::Allow);
    let arguments = r#"{"who": {"level": 1}, "text": "a\u0020 1234\u002d5678 b"}"#;
    let judgement = bench.call("note", arguments);
    assert_eq!(judgement.act, Act::Redact);
    assert_eq!(
        redacted(arguments, &judgement.redactions, Place::Arguments),
        r#"{"who": {"level": 1}, "text": "a\u0020 [pii.number] b"}"#
    );
    // In a key it cannot be rewritten.
    assert_eq!(bench.call("note", r#"{"who": {"level": 1}, "1234-5678": 1}"#).act, Act::Block);
    let judgement = bench.call("note", r#"{"who": {"level": 1}, "who": {"level": 9}}"#);
    assert!(judgement.unjudged.iter().any(|u| u.reason == UnjudgedReason::Undecodable));
}

#[test]
fn json_inside_arguments_is_opened() {
    let program = program("  - {id: leak, dimension: safety, severity: major, at: call, check: {match: [pii]}, act: redact}\n");
    let mut bench = Bench::new(&program);
    let arguments = r#"{"body": "{\"card\": \"1234\\u002d5678\"}"}"#;
    let judgement = bench.call("note", arguments);
    assert_eq!(judgement.act, Act::Redact);
    assert_eq!(redacted(arguments, &judgement.redactions, Place::Arguments), r#"{"body": "{\"card\": \"[pii.number]\"}"}"#);
}

#[test]
fn executed_calls_are_never_held() {
    let program = program(
        "  - {id: size, dimension: safety, severity: critical, at: call, check: {args: {required: [b]}}, act: hold}\n\
         \x20 - {id: leak, dimension: safety, severity: major, at: call, check: {match: [pii]}}\n",
    );
    let mut bench = Bench::new(&program);
    let tool = ToolEvent { executed: true, ..ToolEvent::new("pay", r#"{"a": 1}"#) };
    assert_eq!(bench.judge(&Event::new(Stage::Call, Lane::Model, 0).tool(tool)).act, Act::Flag);
    let tool = ToolEvent { executed: true, ..ToolEvent::new("pay", r#"{"b": "1234-5678"}"#) };
    assert_eq!(bench.judge(&Event::new(Stage::Call, Lane::Model, 0).tool(tool)).act, Act::Block);
}

#[test]
fn bounds_are_inclusive_and_what_is_not_measured_breaks_none() {
    let program = program(
        "  - {id: open, dimension: reliability, severity: minor, at: request, check: {bound: open_tasks, max: 50}}\n\
         \x20 - {id: slow, dimension: reliability, severity: minor, at: end, check: {bound: latency_ms, max: 90000}}\n\
         \x20 - {id: hour, dimension: reliability, severity: minor, at: request, check: {bound: local_hour, min: 9, max: 20}}\n",
    );
    let mut bench = Bench::new(&program);
    // 2026-05-28 22:26 in Berlin.
    let night = bench.now_us;
    let judge = |bench: &mut Bench, stage, measures| {
        let judgement = bench.judge(&Event::new(stage, Lane::Inbound, 0).measures(measures));
        bench.ids(&judgement)
    };
    assert_eq!(judge(&mut bench, Stage::Request, Measures::default()), ["hour"]);
    bench.now_us = night - 6 * 3_600_000_000;
    let open = |n| Measures { open_tasks: Some(n), ..Measures::default() };
    assert_eq!(judge(&mut bench, Stage::Request, open(50)), Vec::<String>::new());
    assert_eq!(judge(&mut bench, Stage::Request, open(51)), ["open"]);
    let slow = Measures { latency_ms: Some(90_001), ..Measures::default() };
    assert_eq!(judge(&mut bench, Stage::End, slow), ["slow"]);
    assert_eq!(bench.exchange.act(), Act::Flag);
}

#[test]
fn data_of_findings_and_of_the_catalogue() {
    let program = program(
        "  - {id: data, dimension: safety, severity: critical, at: [result, response], check: {set: data, deny: [financial_pii]}, act: redact}\n",
    );
    let mut bench = Bench::new(&program);
    let judgement = bench.text(Stage::Response, "it is 1234-5678.");
    assert_eq!(judgement.act, Act::Redact);
    assert_eq!(redacted("it is 1234-5678.", &judgement.redactions, Place::Text(0)), "it is [pii.number].");
    let texts = [EventText::new("nothing here")];
    let result = |name| Event::new(Stage::Result, Lane::Model, 0).texts(&texts).tool(ToolEvent::new(name, ""));
    // The catalogue says what it holds; there is no place to rewrite.
    assert_eq!(bench.judge(&result("look")).act, Act::Block);
    assert_eq!(bench.judge(&result("note")).act, Act::Allow);
}

#[test]
fn what_was_judged_before_is_rewritten_again_and_counts_for_nothing() {
    let text = "  - {id: pii, dimension: safety, severity: major, at: result, act: redact, check: {match: [pii]}}\n\
         \x20 - {id: none, dimension: safety, severity: major, at: result, act: block, check: {set: data, deny: [public]}}\n";
    let program = program(text);
    let mut bench = Bench::new(&program);
    let said = ["it is 1234-5678.", "nothing here"];
    let texts = said.map(|text| EventText { history: true, ..EventText::new(text) });
    let judgement = bench.judge(&Event::new(Stage::Result, Lane::Model, 0).texts(&texts));
    assert_eq!((judgement.act, judgement.hits.len(), judgement.redactions.len()), (Act::Allow, 0, 1));
    assert_eq!(redacted(said[0], &judgement.redactions, Place::Text(0)), "it is [pii.number].");
    assert!(bench.exchange.data().is_empty() && bench.exchange.hits().is_empty());
    let texts = said.map(EventText::new);
    let judgement = bench.judge(&Event::new(Stage::Result, Lane::Model, 0).texts(&texts));
    assert_eq!((judgement.act, judgement.redactions.len()), (Act::Block, 1));
}

#[test]
fn what_was_rewritten_stays_so_when_the_rule_does_not_apply_any_more() {
    let text = "  - {id: pii, dimension: safety, severity: major, at: request, where: 'time.hour == 5', act: redact, check: {match: [pii]}}\n\
         \x20 - {id: other, dimension: safety, severity: major, at: request, lane: [inbound], act: redact, check: {match: [own.rival]}}\n";
    let program = program(text);
    let mut bench = Bench::new(&program);
    let said = EventText::new("1234-5678, Globex");
    for (history, redactions) in [(false, 0), (true, 1)] {
        let judgement = bench.judge(&Event::new(Stage::Request, Lane::Model, 0).texts(&[EventText { history, ..said }]));
        assert_eq!((judgement.act, judgement.redactions.len()), (Act::Allow, redactions));
    }
}

#[test]
fn what_refuses_is_laid_on_its_text_or_on_none() {
    let text = "  - {id: pii, dimension: safety, severity: major, at: request, check: {match: [pii]}}\n\
         \x20 - {id: task, dimension: scope, severity: major, at: request, check: {set: task, allow: [support]}}\n";
    let program = program(text);
    let said = [EventText::new("nothing here"), EventText::new("it is 1234-5678.")];
    let event = Event::new(Stage::Request, Lane::Model, 0).texts(&said);
    let mut bench = Bench::new(&program);
    let judgement = bench.judge(&event);
    assert_eq!((judgement.act, judgement.barred, judgement.apart), (Act::Block, vec![(1, 0)], false));
    bench.facts.absent("task.type");
    let judgement = bench.judge(&event);
    assert_eq!((judgement.act, judgement.barred, judgement.apart), (Act::Block, vec![(1, 0)], true));
}

#[test]
fn lanes_narrow_and_unread_blocks() {
    let program = program(
        "  - {id: m, dimension: safety, severity: major, at: response, lane: [model], check: {match: [pii]}, unread: block}\n",
    );
    let mut bench = Bench::new(&program);
    assert_eq!(bench.text(Stage::Response, "1234-5678").act, Act::Allow);
    let texts = [EventText::new("1234-5678")];
    assert_eq!(bench.judge(&Event::new(Stage::Response, Lane::Model, 0).texts(&texts)).act, Act::Block);
    let facts = Facts::new();
    let event = |lane| Event::new(Stage::Response, lane, 0);
    let session = Session::default();
    let judgement = unread(&mut bench.exchange, &session, &event(Lane::Model), &facts, UnjudgedReason::Media, "image");
    assert_eq!((judgement.act, judgement.unjudged.len()), (Act::Block, 1));
    let judgement = unread(&mut bench.exchange, &session, &event(Lane::Inbound), &facts, UnjudgedReason::Media, "image");
    assert_eq!(judgement.act, Act::Allow);
}

#[test]
fn what_this_build_cannot_run_is_named() {
    let text = "  - {id: flow, dimension: security, severity: critical, at: call, check: {flow: {from: [untrusted], carried: true}}}\n\
         \x20 - {id: leak, dimension: safety, severity: major, at: call, check: {match: [pii]}}\n";
    let program = program(text);
    assert!(program.predicate(0).unwrap().unenforced.is_some());
    let bench = Bench::new(&program);
    assert_eq!(bench.exchange.unjudged().len(), 1);
    assert_eq!(bench.exchange.unjudged()[0].what, "flow");
    let coverage = program.coverage();
    assert!(!coverage.predicates[0].is_inline() && coverage.predicates[1].is_inline());
}

#[test]
fn the_same_pact_gives_the_same_program() {
    let text = "  - {id: leak, dimension: safety, severity: major, at: call, check: {match: [pii]}}\n";
    assert_eq!(program(text).digest(), program(text).digest());
    let other = text.replace("major", "minor");
    assert_ne!(program(text).digest(), program(&other).digest());
}

#[test]
fn the_name_of_a_tool_is_read_and_never_rewritten() {
    let program = program(
        "  - {id: n, dimension: safety, severity: major, at: call, check: {match: [pii]}, act: redact}\n\
         \x20 - {id: h, dimension: safety, severity: major, at: call, check: {set: host, allow: [api.example]}}\n\
         \x20 - {id: d, dimension: safety, severity: major, at: call, check: {set: data, allow: [financial_pii]}}\n",
    );
    let mut bench = Bench::new(&program);
    for arguments in ["{}", ""] {
        let judgement = bench.call("lookup-1234-5678", arguments);
        assert_eq!((judgement.act, judgement.reason), (Act::Block, Some(Reason::NotEditable)), "{arguments}");
        assert_eq!((bench.ids(&judgement), judgement.redactions.len()), (vec!["n".to_owned()], 0), "{arguments}");
        // A name says where nothing goes, and is no text in which nothing was found.
        let judgement = bench.call("look.evil.com", arguments);
        assert_eq!(bench.ids(&judgement), [""; 0], "{arguments}");
    }
    let both = bench.call("lookup-1234-5678", r#"{"a": "1234-5678"}"#);
    assert_eq!((both.act, both.redactions.len()), (Act::Block, 1));
    assert_eq!(both.redactions[0].place, Place::Arguments);
}

#[test]
fn a_tool_is_known_in_every_normal_form() {
    let text = "  - {id: t, dimension: safety, severity: major, at: call, check: {set: tool, deny: [pay]}}\n";
    let program = program(text);
    assert_eq!(program.tool("l\u{e9}se").index, program.tool("le\u{301}se").index);
    assert!(program.tool("le\u{301}se").entry.is_some_and(|entry| &*entry.key == "look"));
    let mut bench = Bench::new(&program);
    for (name, act) in [("pay\u{e9}", Act::Block), ("paye\u{301}", Act::Block), ("paye", Act::Allow)] {
        assert_eq!(bench.call(name, "{}").act, act, "{name:?}");
    }
}
