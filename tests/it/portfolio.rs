//! Portfolios: the program of several pacts against the program of each, with events made of what stands in either;
//! mistakes that only two pacts together make; and the commands that read one.

use std::sync::Arc;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use servanda::base::verdict::Act;
use servanda::guard::GuardLayer;
use servanda::guard::subject::{FactKind, FactSource, Peer};
use servanda::pact::{CheckedPact, Packs, read_portfolio};
use servanda::program::link::{Member, Mistakes, link, together};
use servanda::program::{Live, Program};
use servanda::trial::case::run_within;

use crate::support::alphabet::{Alphabet, acts};
use crate::support::command::{servanda, servanda_with};
use crate::support::guarded::{Script, behind, chat, completion, enforce, send};
use crate::versions::{checked, pairs, program};

const AGENT: &str = "did:web:vendor.example:agents:desk";

/// A portfolio of these entries, without braces, linked.
fn linked(entries: &[&str], pacts: &[&CheckedPact]) -> Result<Arc<Program>, Mistakes> {
    let entries: String = entries.iter().map(|entry| format!("  - {{{entry}}}\n")).collect();
    let text = format!("agent: {AGENT}\npacts:\n{entries}");
    let (portfolio, mistakes) = read_portfolio(&text);
    let portfolio = portfolio.unwrap_or_else(|| panic!("{}", mistakes.render("portfolio", &text)));
    let members: Vec<Member<'_>> = pacts.iter().map(|pact| Member { pact, signed: false, until: None }).collect();
    link(&portfolio, &members, Packs::shipped()).map(Arc::new)
}

/// A pact of this agent: its name, and what stands below.
fn pact(name: &str, rest: &str) -> CheckedPact {
    checked(&format!("format: 1\npact: {name}\nversion: \"1.0.0\"\nsubject: {{agent: \"{AGENT}\"}}\n{rest}"), name)
}

/// Codes and messages of the portfolio's mistakes.
fn told(mistakes: &Mistakes) -> Vec<(&'static str, String)> {
    mistakes.portfolio.iter().map(|d| (d.code, d.message.clone())).collect()
}

/// Holds every `step`th pair of versions, as two pacts of one agent, against each of them alone.
fn against_each_alone(first: usize, step: usize) {
    let pairs = pairs();
    let count = pairs.len();
    let (mut linked_pairs, mut refused) = (0, 0);
    for at in (first..count).step_by(step) {
        // Neighbours mostly edit the same part; those far apart meet in different parts.
        let (a, b) = (&pairs[at], &pairs[(at * 7 + 31) % count]);
        let one = checked(&a.text, &a.name);
        let other = checked(&b.text.replace("pact: desk", "pact: other"), &b.name);
        let both = match linked(&["pact: a, weight: 0.5", "pact: b, weight: 0.5"], &[&one, &other]) {
            Ok(program) => program,
            Err(mistakes) => {
                assert!(
                    told(&mistakes)
                        .iter()
                        .all(|(code, _)| ["nothing_left", "other_agent", "fact_type", "duplicate"].contains(code)),
                    "{mistakes:?}"
                );
                continue;
            }
        };
        linked_pairs += 1;
        let (one, other, alphabet) = (program(&one), program(&other), Alphabet::of([&one, &other]));
        let exchange = prop::collection::vec(alphabet.event(), 1..7);
        let mut runner = TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&prop::collection::vec(exchange, 1..3), |exchanges| {
            for ((a, b), both) in acts(&one, &exchanges).into_iter().zip(acts(&other, &exchanges)).zip(acts(&both, &exchanges)) {
                prop_assert!(both == a.max(b), "{a} and {b} became {both}");
                if both >= Act::Hold && a.min(b) < Act::Hold {
                    // What only one refuses did not happen under both: from here on the histories differ.
                    return Ok(());
                }
            }
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{} with {}: {e}", a.name, b.name));
        refused += 1;
    }
    assert!(linked_pairs >= 10, "{linked_pairs} pairs can be kept together");
    assert!(refused > 0);
}

#[test]
fn what_one_pact_forbids_no_other_allows() {
    against_each_alone(0, 9);
}

#[test]
fn what_one_pact_forbids_no_other_allows_and_so_on() {
    against_each_alone(4, 9);
}

pub(crate) const SUPPORT: &str = "facts: {task.type: string, gold: bool}
tools:
  look: {action: read, target: order, effect: read, aliases: [\"order/look\"]}
  mail: {action: send, target: customer, effect: external}
detectors: {rivals: {phrases: [\"Globex\"]}}
evidence: {context: {timezone: UTC, business_hours: \"09-21\"}}
predicates:
  - {id: tasks, dimension: scope, severity: major, at: request, check: {set: task, allow: [support, billing]}}
  - {id: rivals, dimension: scope, severity: major, at: response, check: {match: [own.rivals]}}
  - {id: tools, dimension: security, severity: major, at: call, check: {set: tool, allow: [look, mail]}}
cases: [{at: response, text: \"Ask Globex.\", expect: block, predicate: rivals}]
";

pub(crate) const BILLING: &str = "facts: {task.type: string}
tools:
  find: {action: read, target: order, effect: read, aliases: [look]}
  pay: {action: write, target: order, effect: external}
detectors: {rivals: {phrases: [\"Initech\"]}}
evidence: {context: {timezone: Asia/Tokyo, business_hours: \"09-21\"}}
predicates:
  - {id: tasks, dimension: scope, severity: major, at: request, check: {set: task, allow: [billing]}}
  - {id: rivals, dimension: scope, severity: minor, at: response, check: {match: [own.rivals]}}
  - {id: outside, dimension: safety, severity: critical, at: call, where: 'tool.effect == \"external\"', check: {require: 'session.called(\"find\")'}}
";

#[test]
fn a_task_is_judged_by_the_pacts_it_stands_under_and_an_unknown_one_by_all() {
    let (support, billing) = (pact("support", SUPPORT), pact("billing", BILLING));
    let whole = linked(
        &["pact: a, tasks: [support, billing], weight: 0.5", "pact: b, tasks: [billing], weight: 0.5"],
        &[&support, &billing],
    )
    .unwrap();
    assert_eq!(&**whole.header(), "support@1.0.0;unsigned, billing@1.0.0;unsigned");
    let names = |task| whole.for_task(task).pacts().map(|frame| frame.pact.to_string()).collect::<Vec<_>>();
    assert_eq!(names(Some("support")), ["support"]);
    assert_eq!(names(Some("billing")), ["support", "billing"]);
    assert_eq!(names(Some("gossip")), ["support", "billing"]);
    assert_eq!(names(None), ["support", "billing"]);
    let narrow = whole.for_task(Some("support"));
    assert_eq!((narrow.digest(), narrow.predicates()), (whole.digest(), whole.predicates()), "records name both alike");
    assert_eq!(&*whole.predicates()[3].id, "billing/tasks");

    let say =
        |task: &str, text: &str| acts(&whole, &[vec![json!({"at": "response", "text": text, "facts": {"task.type": task}})]])[0];
    assert_eq!(
        (say("support", "Initech"), say("billing", "Initech"), say("gossip", "Initech")),
        (Act::Allow, Act::Flag, Act::Flag)
    );
    assert_eq!((say("support", "Globex"), say("billing", "Globex and Initech")), (Act::Block, Act::Block));
    // A word of one pact's own is no word of the other's, though both call it `own.rivals`.
    assert_eq!(acts(&program(&billing), &[vec![json!({"at": "response", "text": "Globex"})]]), [Act::Allow]);
}

#[test]
fn each_pact_knows_tools_and_calls_by_its_own_names() {
    let (support, billing) = (pact("support", SUPPORT), pact("billing", BILLING));
    let whole = linked(&["pact: a, weight: 0.5", "pact: b, weight: 0.5"], &[&support, &billing]).unwrap();
    let call = |tool: &str| json!({"at": "call", "tool": tool, "args": {}, "facts": {"task.type": "billing"}});
    // `mail` is a tool of the one; to the other it is a stranger, so external, and `find` was not called.
    assert_eq!(acts(&whole, &[vec![call("mail")]]), [Act::Block]);
    // `look` is `find` to the other, which has then been called; `order/look` is not.
    assert_eq!(acts(&whole, &[vec![call("look"), call("mail")]]), [Act::Allow, Act::Allow]);
    assert_eq!(acts(&whole, &[vec![call("order/look"), call("mail")]]), [Act::Block, Act::Block]);
    assert_eq!(acts(&whole, &[vec![call("pay")]]), [Act::Block]);
}

#[test]
fn pacts_that_cannot_be_kept_together_are_told_with_both_names() {
    let tools = |name: &str, allow: &str| {
        pact(
            name,
            &format!(
                "tools: {{a: {{action: read, target: x, effect: read, aliases: [c]}}, b: {{action: read, target: x, effect: read}}}}
facts: {{task.type: string, n: {}}}
predicates:
  - {{id: tools, dimension: d, severity: major, at: call, check: {{set: tool, allow: [{allow}]}}}}
  - {{id: hosts, dimension: d, severity: major, at: call, check: {{set: host, allow: [\"{allow}.example\", \"*.shared.example\"]}}}}
",
                if allow == "a" { "string" } else { "number" }
            ),
        )
    };
    let mistakes = linked(
        &["pact: a, tasks: [t], weight: 0.5", "pact: b, tasks: [t], weight: 0.5"],
        &[&tools("left", "a"), &tools("right", "b")],
    );
    let told_both = told(&mistakes.unwrap_err());
    assert_eq!(told_both.len(), 2, "{told_both:?}");
    assert!(
        told_both.contains(&("fact_type", "the fact `n` is a string in `left` and a number in `right`".into())),
        "{told_both:?}"
    );
    let wanted = "`left` and `right` both govern `t`, and no tool is allowed by both: nothing could ever pass";
    assert!(told_both.contains(&("nothing_left", wanted.into())), "{told_both:?}");

    // Under different tasks they never meet, but for the task that nobody knows.
    let left = pact("left", &SUPPORT.replace("look, mail", "look"));
    let right = pact("right", &SUPPORT.replace("look, mail", "mail"));
    assert!(
        linked(&["pact: a, tasks: [support], weight: 0.5", "pact: b, tasks: [billing], weight: 0.5"], &[&left, &right]).is_ok()
    );
    let mistakes = linked(&["pact: a, weight: 0.5", "pact: b, weight: 0.5"], &[&left, &right]).unwrap_err();
    assert_eq!(told(&mistakes)[0].0, "nothing_left");

    let (support, billing) = (pact("support", SUPPORT), pact("billing", BILLING));
    let mistakes = linked(
        &["pact: a, tasks: [support], weight: 0.5", "pact: b, tasks: [support, billing], weight: 0.5"],
        &[&support, &billing],
    );
    let wanted = "`support` stands under `billing` beside `support`, and `billing/tasks` refuses it: it could never be allowed";
    assert_eq!(told(&mistakes.unwrap_err()), [("no_task_left", wanted.to_owned())]);
    let disjoint = pact("disjoint", &BILLING.replace("allow: [billing]", "allow: [routing]"));
    let mistakes = linked(&["pact: a, weight: 0.5", "pact: b, weight: 0.5"], &[&billing, &disjoint]).unwrap_err();
    let wanted = "`billing` and `disjoint` both govern every task, and no task is allowed by both: nothing could ever pass";
    assert_eq!(told(&mistakes), [("nothing_left", wanted.to_owned())]);

    let few = linked(&["pact: a, weight: 0.5", "pact: b, weight: 0.5"], &[&support]).unwrap_err();
    assert_eq!(told(&few), [("members", "the portfolio names 2 pacts, and 1 are there".to_owned())]);
    let members = [&support, &billing].map(|pact| Member { pact, signed: false, until: None });
    let alone = together(None, &members, Packs::shipped()).unwrap_err();
    assert_eq!(told(&alone), [("portfolio", "2 pacts without a portfolio".to_owned())]);
    assert_eq!(together(None, &members[..1], Packs::shipped()).unwrap().digest(), program(&support).digest());

    let twice = linked(&["pact: a, weight: 0.5", "pact: b, weight: 0.5"], &[&support, &support]).unwrap_err();
    assert_eq!(told(&twice)[0].0, "duplicate");
    let stranger = checked(
        "format: 1\npact: stranger\nsubject: {agent: \"did:web:other.example\"}\npredicates: [{id: p, dimension: d, severity: minor, at: response, check: {match: [pii]}}]\n",
        "stranger",
    );
    assert_eq!(told(&linked(&["pact: a, weight: 1"], &[&stranger]).unwrap_err())[0].0, "other_agent");
}

#[test]
fn check_judge_and_test_read_a_portfolio() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let head = |name: &str| format!("format: 1\npact: {name}\nversion: \"1.0.0\"\nsubject: {{agent: \"{AGENT}\"}}\n");
    write("support.pact.yaml", &(head("support") + SUPPORT));
    write("billing.pact.yaml", &(head("billing") + BILLING));
    let portfolio = format!(
        "agent: {AGENT}
pacts:
  - {{pact: support.pact.yaml, tasks: [support, billing], weight: 0.6}}
  - {{pact: billing.pact.yaml, tasks: [billing], weight: 0.4}}
"
    );
    write("desk.portfolio.yaml", &portfolio);
    let run = servanda(folder.path(), &["check", "desk.portfolio.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("billing/outside") && run.out.contains("any other"), "{}", run.out);
    let said = servanda(folder.path(), &["check", "desk.portfolio.yaml", "--json"]).json();
    assert_eq!(said["portfolio"]["governed"][1]["task"], "support");
    assert_eq!(said["portfolio"]["governed"][1]["pacts"], json!(["support"]));
    assert_eq!((&said["ok"], &said["portfolio"]["pacts"][0]["weight"]), (&json!(true), &json!(0.6)));

    let line = r#"{"events": [{"at": "response", "text": "Initech", "facts": {"task.type": "billing"}}]}"#;
    let run = servanda_with(folder.path(), &["judge", "--pact", "desk.portfolio.yaml", "--json", "-"], line);
    assert_eq!(run.json()["events"][0]["violations"][0]["predicate"], "billing/rivals", "{}{}", run.out, run.err);
    let run = servanda(folder.path(), &["test", "desk.portfolio.yaml"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    assert!(run.out.contains("1 case within the portfolio, 0 failed"), "{}", run.out);

    // An image of it is as good as the documents that it was made from, which it no longer needs.
    let run = servanda(folder.path(), &["compile", "desk.portfolio.yaml", "-o", "desk.pactc", "--json"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let pacts: Vec<Value> = run.json()["pacts"].as_array().unwrap().iter().map(|pact| pact["pact"].clone()).collect();
    assert_eq!(pacts, [json!("support"), json!("billing")]);
    let bytes = std::fs::read(folder.path().join("desk.pactc")).unwrap();
    assert_eq!(servanda(folder.path(), &["compile", "desk.portfolio.yaml", "-o", "desk.pactc"]).code, 0);
    assert_eq!(std::fs::read(folder.path().join("desk.pactc")).unwrap(), bytes, "the same documents, the same bytes");
    let image = tempfile::tempdir().unwrap();
    std::fs::write(image.path().join("desk.pactc"), &bytes).unwrap();
    let said = |arguments: &[&str]| {
        let run = servanda_with(image.path(), arguments, line);
        assert_eq!(run.code, 0, "{arguments:?}: {}{}", run.out, run.err);
        run
    };
    let judged = said(&["judge", "--pact", "desk.pactc", "--json", "-"]).json();
    assert_eq!(judged["events"][0]["violations"][0]["predicate"], "billing/rivals");
    assert!(said(&["test", "desk.pactc"]).out.contains("desk.pactc: support.pact.yaml: 1 case within the portfolio, 0 failed"));
    assert_eq!(said(&["check", "desk.pactc", "--json"]).json()["portfolio"]["governed"][1]["pacts"], json!(["support"]));
    assert!(said(&["check", "desk.pactc"]).out.contains("any other"));
    let run = servanda(image.path(), &["compile", "desk.pactc", "-o", "again.pactc"]);
    assert!(run.code == 2 && run.err.contains("is an image already"), "{}", run.err);
    let run = servanda_with(image.path(), &["scan", "--pact", "desk.pactc", "-"], "Initech");
    assert!(run.code == 2 && run.err.contains("holds 2 pacts"), "{}", run.err);
    let run = servanda(image.path(), &["verify", "desk.pactc", "--json"]);
    assert_eq!((run.code, &run.json()["code"]), (1, &json!("unsigned")), "{}", run.out);
    assert!(run.json()["why"].as_str().unwrap().contains("`support`"), "{}", run.out);
    let run = servanda(folder.path(), &["verify", "desk.portfolio.yaml", "--json"]);
    assert_eq!((run.code, &run.json()["code"]), (1, &json!("unsigned")), "{}", run.out);

    write("broken.yaml", &portfolio.replace("tasks: [billing]", "tasks: [support]"));
    let run = servanda(folder.path(), &["check", "broken.yaml"]);
    assert_eq!(run.code, 1, "{}{}", run.out, run.err);
    assert!(run.err.contains("broken.yaml:4") && run.err.contains("billing/tasks"), "{}", run.err);
    assert_eq!(servanda(folder.path(), &["compile", "broken.yaml", "-o", "broken.pactc"]).code, 1);
    assert!(!folder.path().join("broken.pactc").exists());
    write("lost.yaml", &portfolio.replace("support.pact.yaml", "lost.pact.yaml"));
    assert_eq!(servanda(folder.path(), &["check", "lost.yaml"]).code, 2);
}

#[test]
fn a_guard_takes_the_task_from_the_head_and_keeps_to_the_pacts_it_stands_under() {
    let (support, billing) = (pact("support", SUPPORT), pact("billing", BILLING));
    let whole = linked(
        &["pact: a, tasks: [support, billing], weight: 0.5", "pact: b, tasks: [billing], weight: 0.5"],
        &[&support, &billing],
    )
    .unwrap();
    let task = FactSource {
        fact: "task.type".into(),
        kind: FactKind::Text,
        header: "x-task-type".parse().unwrap(),
        from: vec!["127.0.0.1/32".parse().unwrap()],
    };
    let layer = GuardLayer::builder(Live::new(whole)).without_evidence().route(enforce()).facts(vec![task]).build();
    let (guard, _) = behind(&layer, Script::json(completion(&["Initech does."])));
    let ask = |task: Option<&str>| {
        let mut request = chat("Who does?", false);
        if let Some(task) = task {
            request.headers_mut().insert("x-task-type", task.parse().unwrap());
        }
        request.extensions_mut().insert(Peer("127.0.0.1:9".parse().unwrap()));
        let (head, _) = send(&guard, request);
        let header = |name: &str| head.headers.get(name).map(|v| v.to_str().unwrap().to_owned());
        (header("x-servanda-verdict"), header("x-servanda-pact"))
    };
    let both = "support@1.0.0;unsigned, billing@1.0.0;unsigned";
    assert_eq!(ask(Some("support")), (Some("allow".into()), Some("support@1.0.0;unsigned".into())));
    assert_eq!(ask(Some("billing")), (Some("flag".into()), Some(both.into())));
    // A task that nobody names is one that neither allows, and a silent source is the stricter case.
    assert_eq!(ask(Some("gossip")), (Some("block".into()), Some(both.into())));
    assert_eq!(ask(None), (Some("block".into()), Some(both.into())));
}

#[test]
fn a_case_of_a_portfolio_may_end_harsher_by_others_and_not_by_its_own_pact() {
    let rival = |act: &str, expect: &str| {
        format!(
            "detectors:
  rivals: {{phrases: [Initech]}}
predicates:
  - {{id: rivals, dimension: safety, severity: minor, at: response, check: {{match: [own.rivals]}}, act: {act}}}
cases:
  - {{at: response, text: Initech, expect: {expect}}}
  - {{events: [{{at: response, text: Initech}}, {{at: response, text: fine}}], expect: allow}}
"
        )
    };
    let pacts = |soft: (&str, &str)| [pact("soft", &rival(soft.0, soft.1)), pact("hard", &rival("block", "block"))];
    let run = |[soft, hard]: &[CheckedPact; 2]| {
        let program = linked(&["pact: a, weight: 0.5", "pact: b, weight: 0.5"], &[soft, hard]).unwrap();
        [soft, hard].map(|pact| {
            let outcomes = run_within(&program, pact.pact(), 1_790_000_000_000_000).cases;
            outcomes.iter().map(|case| case.why.clone().unwrap_or_else(|| "ok".to_owned())).collect::<Vec<_>>()
        })
    };
    let refused = "event 1 at response is refused (block) by the pact itself; only the last may be";
    assert_eq!(run(&pacts(("flag", "flag"))), [vec!["ok", "ok"], vec!["ok", refused]], "the other blocks");
    let [soft, _] = run(&pacts(("flag", "allow")));
    assert_eq!(soft, ["expected allow, and the pact itself asks for flag (soft/rivals, hard/rivals)", "ok"]);
}
