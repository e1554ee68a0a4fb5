//! Checks that look beyond one event: statistics over windows, and the flow of data.

use std::collections::BTreeSet;

use crate::base::names::{DataCategory, Lane, Mode};
use crate::base::verdict::Act;
use crate::pact::model::{
    Attribute, COMPLETIONS, Count, FactType, Figure, FlowCheck, FlowLabel, Label, MeasureCheck, Per, Share, Statistic,
};

use super::confusions;
use super::cursor::{At, Reader};
use super::names::Names;

/// Every key of every statistic, and the limits that belong to the evidence rule.
const KEYS: &[&str] = &["measure", "of", "is", "q", "num", "den", "per", "times_baseline", "anchor"];

pub(super) fn measure(r: &mut Reader<'_>, at: &At<'_>, own: &At<'_>, names: &Names<'_>) -> Option<MeasureCheck> {
    for limit in ["min", "max"].into_iter().filter_map(|k| at.get(k)) {
        let message = "the limit of a statistic is how the promise is measured, not what is promised";
        r.error("C1", &limit, message).help("move it to `evidence.rules` under the id of the predicate");
    }
    let known: Vec<&str> = KEYS.iter().copied().chain(["min", "max"]).collect();
    r.map(at, &known, Some(confusions::in_predicate));
    let statistic = r.word(own, Statistic::ALL, Statistic::as_str)?;
    let takes = statistic.keys();
    for (key, _) in at.node.entries() {
        let foreign = KEYS.contains(&key.text.as_str()) && key.text != "measure" && !takes.iter().any(|(k, _)| *k == key.text);
        if foreign {
            let keys: Vec<&str> = takes.iter().map(|(k, _)| *k).collect();
            let help =
                if keys.is_empty() { "it takes no further key".to_owned() } else { format!("it takes {}", keys.join(", ")) };
            let path = format!("{}.{}", at.path, key.text);
            r.out.error("unknown_key", path, key.span, format!("`{statistic}` takes no `{}`", key.text)).help(help);
        }
    }
    let missing = takes.iter().filter(|(_, needed)| *needed).filter(|(key, _)| at.get(key).is_none());
    let missing: Vec<&str> = missing.map(|(key, _)| *key).collect();
    for key in &missing {
        r.needed(at, key, "the statistic is not defined without it");
    }
    // Every part is read before the first that is missing ends it, so that all mistakes are told.
    match statistic {
        Statistic::Quantile => {
            let (of, q) = (at.get("of").and_then(|v| figure(r, &v, names)), at.get("q").and_then(|v| quantile(r, &v)));
            Some(MeasureCheck::Quantile { of: of?, q: q? })
        }
        Statistic::Share => {
            let of = at.get("of").and_then(|v| label(r, &v, names));
            let is = at.get("is").and_then(|v| value(r, &v, of.as_ref(), names));
            Some(MeasureCheck::Share { of: of?, is: is? })
        }
        Statistic::Ratio => {
            let (num, den) = (at.get("num").and_then(|v| count(r, &v, names)), at.get("den").and_then(|v| count(r, &v, names)));
            Some(MeasureCheck::Ratio { num: num?, den: den? })
        }
        Statistic::TopShare => Some(MeasureCheck::TopShare { of: at.get("of").and_then(|v| label(r, &v, names))? }),
        Statistic::Distinct => {
            let of = at.get("of").and_then(|v| label(r, &v, names));
            let per = at.get("per").and_then(|v| r.word(&v, Per::ALL, Per::as_str));
            Some(MeasureCheck::Distinct { of: of?, per: per? })
        }
        Statistic::Rate => {
            let of = at.get("of").and_then(|v| count(r, &v, names));
            let per = at.get("per").and_then(|v| r.period(&v));
            let times_baseline = at.get("times_baseline").is_some_and(|v| times_baseline(r, &v));
            Some(MeasureCheck::Rate { of: of?, per: per.filter(|p| p.about_seconds() > 0)?, times_baseline })
        }
        Statistic::Drift => Some(MeasureCheck::Drift),
        Statistic::Fidelity => {
            let anchor = at.get("anchor")?;
            Some(MeasureCheck::Fidelity { anchor: r.text(&anchor)?.to_owned() })
        }
    }
}

/// A number here is the limit, which is evidence.
fn times_baseline(r: &mut Reader<'_>, at: &At<'_>) -> bool {
    if at.node.number().is_some() {
        r.error("C1", at, "how many times the baseline is allowed is how the promise is measured")
            .help("write `times_baseline: true` here, and the number as `max` in `evidence.rules` under the id of the predicate");
        return true;
    }
    r.bool(at).unwrap_or(false)
}

fn quantile(r: &mut Reader<'_>, at: &At<'_>) -> Option<Share> {
    let q = r.share(at)?;
    if q == Share(0) || q == Share::ONE {
        r.error("out_of_range", at, "a quantile lies between 0 and 1").help("`q: 0.99` is the value that 99 of 100 stay below");
        return None;
    }
    Some(q)
}

fn figure(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Option<Figure> {
    let text = r.text(at)?;
    let figure = Figure::parse(text, names.facts);
    if figure.is_none() {
        nobody_emits(r, at, text, "a number", &Figure::names(names.facts));
    }
    figure
}

fn label(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Option<Label> {
    let text = r.text(at)?;
    let label = Label::parse(text, names.facts);
    if label.is_none() {
        nobody_emits(r, at, text, "a word", &Label::names(names.facts));
    }
    label
}

fn count(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Option<Count> {
    let text = r.text(at)?;
    let count = Count::parse(text, names.facts);
    match &count {
        None => {
            let mut known = vec!["interactions", "calls"];
            known.extend(Figure::names(names.facts));
            nobody_emits(r, at, text, "something to count", &known);
            if text.contains(':') || Label::parse(text, names.facts).is_some() {
                r.out.help("what has a certain word is counted as `action:write`, `completion:escalated`, `tool:refund_create`");
            }
        }
        Some(Count::With(label, value)) => closed(r, at, label, value, names),
        Some(_) => {}
    }
    count
}

/// The value of a label: of a closed set where it has one.
fn value(r: &mut Reader<'_>, at: &At<'_>, of: Option<&Label>, names: &Names<'_>) -> Option<String> {
    if let (Some(Label::Fact(name)), Some(truth)) = (of, truth(at))
        && matches!(names.facts.get(name), Some(FactType::Bool))
    {
        return Some(truth.to_owned());
    }
    let text = r.text(at)?.to_owned();
    if let Some(of) = of {
        closed(r, at, of, &text, names);
    }
    Some(text)
}

fn truth(at: &At<'_>) -> Option<&'static str> {
    match at.node.value {
        crate::base::document::Value::Bool(true) => Some("true"),
        crate::base::document::Value::Bool(false) => Some("false"),
        _ => None,
    }
}

fn closed(r: &mut Reader<'_>, at: &At<'_>, label: &Label, value: &str, names: &Names<'_>) {
    let Label::Attribute(attribute) = label else { return };
    let tools = names.tools.iter();
    let known: BTreeSet<&str> = match attribute {
        Attribute::Act => Act::ALL.iter().map(|w| w.as_str()).collect(),
        Attribute::Completion => COMPLETIONS.iter().copied().collect(),
        Attribute::Data => DataCategory::ALL.iter().map(|w| w.as_str()).collect(),
        Attribute::Lane => Lane::ALL.iter().map(|w| w.as_str()).collect(),
        Attribute::Mode => Mode::ALL.iter().map(|w| w.as_str()).collect(),
        Attribute::Topics => names.topics.iter().map(String::as_str).collect(),
        Attribute::Tool => tools.map(|t| t.name.as_str()).collect(),
        Attribute::Action => tools.filter_map(|t| t.action.as_deref()).collect(),
        Attribute::Target => tools.filter_map(|t| t.target.as_deref()).collect(),
        _ => return,
    };
    let code = if *attribute == Attribute::Tool { "unknown_tool" } else { "unknown_word" };
    r.known(code, at, value, &format!("value of `{attribute}`"), known.into_iter());
}

fn nobody_emits(r: &mut Reader<'_>, at: &At<'_>, text: &str, what: &str, known: &[&str]) {
    let help = crate::base::diagnostic::nearest(text, known.iter().copied())
        .map_or_else(|| format!("known: {}", known.join(", ")), |near| format!("did you mean `{near}`?"));
    r.error("no_such_evidence", at, format!("no source emits `{text}` as {what}")).help(help);
}

pub(super) fn flow(r: &mut Reader<'_>, at: &At<'_>, own: &At<'_>, names: &Names<'_>) -> Option<FlowCheck> {
    r.map(at, &["flow"], Some(confusions::in_predicate));
    if !r.map(own, &["from", "into", "carried"], Some(confusions::in_predicate)) {
        return None;
    }
    let carried = own.get("carried").and_then(|c| r.bool(&c)).unwrap_or(false);
    let into = own.get("into").map_or_else(Vec::new, |list| r.list(&list, true));
    let into = into.iter().filter_map(|item| argument(r, item)).collect();
    let from = r.needed(own, "from", "labels such as untrusted, tool:<key>, data:<category>")?;
    let items = r.list(&from, true);
    if items.is_empty() && matches!(from.node.value, crate::base::document::Value::List(_)) {
        r.error("missing_key", &from, "a flow from nowhere forbids nothing").help("untrusted, tool:<key> or data:<category>");
    }
    let labels: Vec<FlowLabel> = items.iter().filter_map(|item| flow_label(r, item, names)).collect();
    (!labels.is_empty()).then_some(FlowCheck { from: labels, into, carried })
}

fn flow_label(r: &mut Reader<'_>, at: &At<'_>, names: &Names<'_>) -> Option<FlowLabel> {
    let text = r.text(at)?;
    match text.split_once(':') {
        Some(("tool", tool)) => {
            r.known("unknown_tool", at, tool, "tool", names.tools.iter().map(|t| t.name.as_str()));
            Some(FlowLabel::Tool(tool.to_owned()))
        }
        Some(("data", data)) => {
            r.known("unknown_word", at, data, "data category", DataCategory::ALL.iter().map(|c| c.as_str()));
            DataCategory::parse(data).map(FlowLabel::Data)
        }
        None if text == "untrusted" => Some(FlowLabel::Untrusted),
        _ => {
            r.error("unknown_word", at, format!("`{text}` is no label of data")).help("untrusted, tool:<key> or data:<category>");
            None
        }
    }
}

/// A path below `args.`.
fn argument(r: &mut Reader<'_>, at: &At<'_>) -> Option<String> {
    let text = r.text(at)?;
    let path = text.strip_prefix("args.").filter(|path| path.split('.').all(|part| !part.is_empty()));
    if path.is_none() {
        r.error("bad_name", at, format!("`{text}` is no argument of a call"))
            .help("a path such as `args.to` or `args.body.text`");
    }
    path.map(str::to_owned)
}
