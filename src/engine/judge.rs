//! The one door of the engine: exchange, session, event and facts in, judgement out.

use std::borrow::Cow;
use std::sync::Arc;

use super::arguments::{self, Arguments};
use super::condition::View;
use super::evaluate::{self, Outcome, Rules, Standing};
use super::event::{Event, HeadText};
use super::exchange::{Bits, Categories, Exchange, RuleHit};
use super::facts::Facts;
use super::joined::{Joined, Looking};
pub use super::reason::Reason;
use super::region::Region;
use super::session::Session;
pub use super::tool::KnownTool;
use crate::base::limits::JOINED_VALUE_MAX;
use crate::base::names::{Stage, UnjudgedReason};
use crate::base::verdict::{Act, Unjudged};
use crate::program::Program;
use crate::program::ir::Scan;
pub use crate::program::lent::Lent;
use crate::program::scratch::Found;
pub use crate::program::scratch::Scratch;
use crate::protocol::text::Text;
use crate::scan::host::{self, HostRef};
use crate::scan::span::Hit;
use crate::scan::{self, Scanner};

/// What an event holds that can be rewritten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The text at this place of the event.
    Text(usize),
    /// The tool's arguments, as JSON text. The range lies inside one string of it.
    Arguments,
}

/// A range to be replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redaction {
    /// Where.
    pub place: Place,
    /// First byte, in the decoded text or the arguments as given.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// What to write instead: `[<label>]`, or nothing for invisible characters. Needs no escape in JSON.
    pub replacement: Arc<str>,
}

/// The answer to one event.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// What the pact demands: the harshest act of all breaches. `Hold` must be done as a block, with
    /// [`Reason::ApprovalUnavailable`].
    pub act: Act,
    /// The breaches, merged by predicate, detector and act.
    pub hits: Vec<RuleHit>,
    /// What to replace, in order of place and start; regions do not overlap. To be done where `act` is
    /// redact; given even where it is harsher.
    pub redactions: Vec<Redaction>,
    /// The texts that refuse by themselves: place in the event, and the predicate.
    pub barred: Vec<(usize, u32)>,
    /// Whether something refuses that is not in one text alone: what needs no text, hosts, values joined, a flood.
    pub apart: bool,
    /// What was not inspected.
    pub unjudged: Vec<Unjudged>,
    /// Why, beyond hits.
    pub reason: Option<Reason>,
    /// The tool, where the event has one.
    pub tool: Option<KnownTool>,
}

impl Judgement {
    /// The breach that speaks for the act: the gravest of its harshest, the first of equals.
    pub fn decisive(&self) -> Option<&RuleHit> {
        self.hits.iter().max_by(|a, b| (a.act, a.severity).cmp(&(b.act, b.severity)).then(b.predicate.cmp(&a.predicate)))
    }

    /// Whether each text's own verdict is the last word on it: nothing else refuses, and all was looked at.
    pub fn is_final(&self) -> bool {
        !self.apart && self.unjudged.is_empty()
    }

    /// Whether the event may not pass: block, or hold without approvals.
    pub fn refuses(&self) -> bool {
        self.act >= Act::Hold
    }
}

/// A text with the redactions of one place applied.
pub fn redacted<'t>(text: &'t str, redactions: &[Redaction], place: Place) -> Cow<'t, str> {
    if !redactions.iter().any(|r| r.place == place) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for redaction in redactions.iter().filter(|r| r.place == place) {
        out.push_str(text.get(done..redaction.start).unwrap_or_default());
        out.push_str(&redaction.replacement);
        done = redaction.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where a text of the event came from.
#[derive(Clone, Copy, Debug)]
struct Source {
    /// None for the name of a tool: it is looked at like any text, and can neither be rewritten nor say where
    /// something goes or what it is about.
    place: Option<Place>,
    standing: Standing,
    history: bool,
    /// A value among others.
    value: bool,
    /// Place among the leaves of the arguments.
    leaf: Option<usize>,
}

/// Judges one event under the program that the exchange has pinned, and notes the outcome in the exchange.
///
/// Pure but for `exchange` and `scratch`. A session is read as it was handed in; released calls and turns
/// are the caller's to add.
pub fn judge(exchange: &mut Exchange, session: &Session, event: &Event<'_>, facts: &Facts, scratch: &mut Scratch) -> Judgement {
    let program = Arc::clone(&exchange.program);
    let rules = program.stage(event.stage);
    let tool = event.tool.map(|t| KnownTool::of(&program, t.name));
    let mut judgement = Judgement { tool, ..Judgement::default() };

    let whole = Text::plain(event.tool.map_or("", |t| t.arguments).as_bytes(), 0..event.tool.map_or(0, |t| t.arguments.len()));
    let arguments = if event.stage == Stage::Call && !rules.rules.is_empty() {
        arguments::read(&whole, &program)
    } else {
        Arguments::default()
    };
    if arguments.plain && whole.as_str().trim_start().starts_with(['{', '[']) {
        note(exchange, &mut judgement, UnjudgedReason::Undecodable, "arguments");
    }

    let mut topics: Vec<(u32, u32)> = Vec::new();
    let shortfall = scan_all(&program, event, &arguments, scratch, &mut topics);
    if event.stage == Stage::Request && rules.task_topics && exchange.topics.is_none() {
        let fresh = topics.iter().filter(|(source, _)| event.texts.get(*source as usize).is_none_or(|t| !t.history));
        exchange.topics = Some(fresh.map(|(_, topic)| *topic).collect());
    }

    let mut outcome = Outcome::default();
    let view = View::new(&program, event, facts, session, exchange.topics.as_ref(), &arguments.values);
    evaluate::gates(&view, rules, &mut scratch.applies);
    evaluate::judge_wordless(&view, &scratch.applies, &mut exchange.checked, &mut outcome);
    judgement.apart = outcome.refusing.take().is_some();
    let texts = sources(event, &arguments).next().is_some();
    if texts {
        let rules = Rules { program: &program, stage: event.stage, applies: &scratch.applies };
        evaluate::check_text_rules(rules, &mut exchange.checked);
        let seen = judge_texts(&program, event, &arguments, scratch, &topics, &mut judgement, &mut outcome);
        exchange.data = exchange.data.union(seen);
        collect_redactions(&program, event, &arguments, scratch, &mut judgement.redactions);
        judge_joined(&program, event, &arguments, scratch, &mut outcome);
    }
    if rules.hosts || rules.links {
        judge_hosts(&program, event, &arguments, scratch, &mut exchange.checked, &mut outcome);
    }
    judgement.apart |= outcome.refusing.is_some();
    settle(exchange, judgement, outcome, shortfall)
}

/// Judges what stands in the head of a request by the rules of `event`'s stage, of which it takes lane and time as well.
/// Patterns alone count: a header is not what a message is about, and no data that it hands over. None of it can be
/// rewritten.
pub fn judge_head(
    exchange: &mut Exchange,
    session: &Session,
    event: &Event<'_>,
    head: &[HeadText<'_>],
    facts: &Facts,
    scratch: &mut Scratch,
) -> Judgement {
    let program = Arc::clone(&exchange.program);
    let stage = program.stage(event.stage);
    let (mut outcome, mut shortfall) = (Outcome::default(), Shortfall::default());
    let view = View::new(&program, event, facts, session, exchange.topics.as_ref(), &[]);
    evaluate::gates(&view, stage, &mut scratch.applies);
    let rules = Rules { program: &program, stage: event.stage, applies: &scratch.applies };
    if let Some(scan) = program.scan(event.stage)
        && let Some(cache) = stage.scanner.and_then(|place| scratch.scans.get_mut(place as usize))
    {
        evaluate::check_text_rules(rules, &mut exchange.checked);
        let standing = Standing::of(event);
        scratch.found.clear();
        // Each behind its name, which says what a number is; alone in a text it would be taken for more than it is.
        let line = &mut scratch.line;
        for (source, text) in (0..).zip(head) {
            line.clear();
            line.push_str(if text.name.is_empty() { text.place } else { text.name });
            line.push(' ');
            line.push_str(text.text);
            scratch.hits.clear();
            shortfall.scan(&scan.scanner, event.stage, line, cache, &mut scratch.hits);
            for hit in &scratch.hits {
                outcome.place = Some(text.place.into());
                let category = scan.categories.get(hit.pattern as usize).copied().unwrap_or_default();
                exchange.data = exchange.data.union(category);
                let act = evaluate::judge_hit(rules, scan, hit, standing, &mut outcome);
                scratch.found.push(Found { source, hit: *hit, act });
            }
        }
        outcome.place = None;
        let found = |at: u32| scratch.found.binary_search_by_key(&at, |f| f.source).is_ok();
        let looking = Looking { rules, scan, cache, hits: &mut scratch.hits, standing, outcome: &mut outcome };
        let mut joined = Joined::new(looking, &mut scratch.pages);
        // The values of headers in a row, those of the query in a row, then each with its name.
        for (at, text) in (0..).zip(head) {
            if text.name.is_empty() {
                joined.end();
            } else {
                joined.add(text.text, found(at));
            }
        }
        for (at, text) in (0..).zip(head).filter(|(_, text)| !text.name.is_empty()) {
            joined.end();
            joined.add(text.name, false);
            joined.add(text.text, found(at));
        }
        joined.finish();
    }
    settle(exchange, Judgement::default(), outcome, shortfall)
}

/// Notes the outcome in the exchange and completes the judgement.
fn settle(exchange: &mut Exchange, mut judgement: Judgement, mut outcome: Outcome, shortfall: Shortfall) -> Judgement {
    if shortfall.starved {
        note(exchange, &mut judgement, UnjudgedReason::Timeout, "findings");
    }
    if shortfall.deep {
        note(exchange, &mut judgement, UnjudgedReason::Depth, "encoded");
    }
    if shortfall.flood > 0 {
        note(exchange, &mut judgement, UnjudgedReason::OverLimit, "findings");
        if outcome.act >= Act::Redact {
            outcome.act = Act::Block;
            outcome.reason = Some(Reason::OverLimit);
            judgement.apart = true;
        }
    }
    outcome.settle(exchange);
    exchange.join(outcome.act);
    judgement.act = outcome.act;
    judgement.hits = outcome.hits;
    judgement.reason = outcome.reason;
    judgement
}

/// Judges something that cannot be inspected: predicates that say `unread: block` at this stage block it.
/// `event` holds stage, lane, time and, where known, the tool. What the route's table says comes on top.
pub fn unread(
    exchange: &mut Exchange,
    session: &Session,
    event: &Event<'_>,
    facts: &Facts,
    reason: UnjudgedReason,
    what: &str,
) -> Judgement {
    let program = Arc::clone(&exchange.program);
    let mut judgement = Judgement::default();
    note(exchange, &mut judgement, reason, what);
    let view = View::new(&program, event, facts, session, exchange.topics.as_ref(), &[]);
    for (at, info) in program.predicates().iter().enumerate() {
        let at = at as u32;
        let blocks =
            program.governs(at) && program.guarded(at).is_some_and(|g| g.unread_block) && info.stages.contains(&event.stage);
        if blocks && evaluate::gate(&view, at) {
            judgement.act = Act::Block;
            judgement.hits.push(RuleHit {
                predicate: at,
                stage: event.stage,
                detector: "unread".into(),
                place: None,
                act: Act::Block,
                severity: info.severity,
                score_bp: 10_000,
                count: 1,
            });
        }
    }
    exchange.absorb(&judgement.hits);
    judgement.tool = event.tool.map(|t| KnownTool::of(&program, t.name));
    judgement
}

fn note(exchange: &mut Exchange, judgement: &mut Judgement, reason: UnjudgedReason, what: &str) {
    exchange.note_unjudged(reason, what);
    judgement.unjudged.push(Unjudged { reason, what: what.chars().take(64).collect() });
}

/// Every text of the event in a fixed order: its texts, then what the arguments hold, then the name of the tool
/// that is called.
fn sources<'e>(event: &'e Event<'_>, arguments: &'e Arguments<'_>) -> impl Iterator<Item = (Source, &'e str)> {
    let executed = event.tool.is_some_and(|t| t.executed);
    let standing = move |editable| Standing { editable, executed, late: false };
    let rewritable = event.tool.is_some_and(|t| t.editable);
    let texts = event.texts.iter().enumerate().map(move |(at, t)| {
        let value = t.value && !t.history;
        (Source { place: Some(Place::Text(at)), standing: standing(t.editable), history: t.history, value, leaf: None }, t.text)
    });
    let inside = move |editable, value, leaf| Source {
        place: Some(Place::Arguments),
        standing: standing(editable),
        history: false,
        value,
        leaf,
    };
    let leaves = arguments.leaves.iter().enumerate();
    // What may be rewritten of arguments are their values; not names and numbers.
    let leaves = leaves.map(move |(at, l)| (inside(rewritable && l.editable, l.editable, Some(at)), l.text.as_str()));
    let plain = event.tool.filter(|_| arguments.plain).map(move |t| (inside(rewritable, false, None), t.arguments));
    let name = event.tool.filter(|t| event.stage == Stage::Call && !t.name.is_empty());
    let name =
        name.map(move |t| (Source { place: None, standing: standing(false), history: false, value: false, leaf: None }, t.name));
    texts.chain(leaves).chain(plain).chain(name)
}

/// What a scan could not do.
#[derive(Clone, Copy, Debug, Default)]
struct Shortfall {
    /// Hits beyond the ceiling.
    flood: u64,
    /// A pattern ran out of steps.
    starved: bool,
    /// Something is encoded more often than is undone.
    deep: bool,
}

impl Shortfall {
    /// Scans one text and takes in what could not be done.
    fn scan(&mut self, scanner: &Scanner, stage: Stage, text: &str, cache: &mut scan::Scratch, hits: &mut Vec<Hit>) {
        // An answer is judged the same whether it streams or not, and a stream is not read loosely.
        self.flood += match stage {
            Stage::Response => scanner.scan(text, cache, hits),
            _ => scanner.scan_loosely(text, cache, hits),
        };
        self.starved |= cache.starved();
        self.deep |= cache.deep();
    }
}

/// Scans every text.
fn scan_all(
    program: &Program,
    event: &Event<'_>,
    arguments: &Arguments<'_>,
    scratch: &mut Scratch,
    topics: &mut Vec<(u32, u32)>,
) -> Shortfall {
    let mut shortfall = Shortfall::default();
    scratch.found.clear();
    let Some(place) = program.stage(event.stage).scanner else { return shortfall };
    let Some(scan) = program.scans.get(place as usize) else { return shortfall };
    let Some(cache) = scratch.scans.get_mut(place as usize) else { return shortfall };
    for (at, (from, text)) in sources(event, arguments).enumerate() {
        scratch.hits.clear();
        shortfall.scan(&scan.scanner, event.stage, text, cache, &mut scratch.hits);
        let source = at as u32;
        scratch.found.extend(scratch.hits.iter().map(|hit| Found { source, hit: *hit, act: Act::Allow }));
        if !scan.topics.is_empty() && from.place.is_some() {
            let over = scan.scanner.topics_of(cache);
            topics.extend(over.iter().filter_map(|(t, _)| scan.topics.get(*t as usize)).map(|t| (source, *t)));
        }
    }
    shortfall
}

/// Judges the hits and topics of every text. Gives the categories of data seen.
fn judge_texts(
    program: &Program,
    event: &Event<'_>,
    arguments: &Arguments<'_>,
    scratch: &mut Scratch,
    topics: &[(u32, u32)],
    judgement: &mut Judgement,
    outcome: &mut Outcome,
) -> Categories {
    let mut seen = Categories::default();
    let rules = Rules { program, stage: event.stage, applies: &scratch.applies };
    let Some(scan) = program.scan(event.stage) else { return seen };
    let (mut found, mut topics) = (scratch.found.as_mut_slice(), topics);
    for (at, (source, text)) in sources(event, arguments).enumerate() {
        let mine = found.iter().take_while(|f| f.source == at as u32).count();
        let (here, rest) = std::mem::take(&mut found).split_at_mut(mine);
        found = rest;
        let mut data = Categories::default();
        for found in here {
            if source.history {
                found.act = evaluate::act_again(rules, event.lane, &found.hit);
                continue;
            }
            data = data.union(scan.categories.get(found.hit.pattern as usize).copied().unwrap_or_default());
            found.act = evaluate::judge_hit(rules, scan, &found.hit, source.standing, outcome);
        }
        let spoken = topics.iter().take_while(|(source, _)| *source == at as u32).count();
        let (here, rest) = topics.split_at_checked(spoken).unwrap_or_default();
        topics = rest;
        if !source.history && source.place.is_some() {
            let names: Bits = here.iter().map(|(_, t)| *t).collect();
            let fixed = Standing { editable: false, ..source.standing };
            let nothing = evaluate::is_public(data) && !text.is_empty();
            evaluate::judge_whole_text(rules, &names, nothing, fixed, outcome);
        }
        match (outcome.refusing.take(), source.place) {
            (Some(predicate), Some(Place::Text(at))) => judgement.barred.push((at, predicate)),
            (refusing, _) => judgement.apart |= refusing.is_some(),
        }
        seen = seen.union(data);
    }
    seen
}

/// Judges short values side by side as one, where the event goes out: what comes in hides nothing from us by being
/// taken apart.
fn judge_joined(program: &Program, event: &Event<'_>, arguments: &Arguments<'_>, scratch: &mut Scratch, outcome: &mut Outcome) {
    let values = || sources(event, arguments).filter(|(source, text)| source.value && text.len() <= JOINED_VALUE_MAX);
    if !matches!(event.stage, Stage::Request | Stage::Call | Stage::Egress) || values().nth(1).is_none() {
        return;
    }
    let Some(scan) = program.scan(event.stage) else { return };
    let place = program.stage(event.stage).scanner;
    let Some(cache) = place.and_then(|place| scratch.scans.get_mut(place as usize)) else { return };
    let rules = Rules { program, stage: event.stage, applies: &scratch.applies };
    let looking = Looking { rules, scan, cache, hits: &mut scratch.hits, standing: Standing::of(event), outcome };
    let mut joined = Joined::new(looking, &mut scratch.pages);
    let mut found = scratch.found.iter().peekable();
    for (at, (source, text)) in sources(event, arguments).enumerate() {
        let mut any = false;
        while found.next_if(|f| f.source == at as u32).is_some() {
            any = true;
        }
        if source.value {
            joined.add(text, any);
        }
    }
    joined.finish();
}

/// Merges what must be replaced into regions, text by text.
fn collect_redactions(
    program: &Program,
    event: &Event<'_>,
    arguments: &Arguments<'_>,
    scratch: &Scratch,
    out: &mut Vec<Redaction>,
) {
    let Some(scan) = program.scan(event.stage) else { return };
    if scratch.found.iter().all(|f| f.act < Act::Redact) {
        return;
    }
    let mut found = scratch.found.iter().peekable();
    for (at, (source, _)) in sources(event, arguments).enumerate() {
        let Some(place) = source.place else { continue };
        let mut region: Option<Region> = None;
        while let Some(next) = found.next_if(|f| f.source == at as u32) {
            if next.act < Act::Redact {
                continue;
            }
            if let Some(open) = &mut region {
                if open.takes(&next.hit) {
                    continue;
                }
                put(scan, arguments, place, source.leaf, open, out);
            }
            region = Some(Region::of(&next.hit));
        }
        if let Some(region) = &region {
            put(scan, arguments, place, source.leaf, region, out);
        }
    }
    // JSON inside strings is read twice: as it stands and opened.
    let first = out.partition_point(|r| r.place != Place::Arguments);
    if out.len() > first + 1 {
        out.sort_by_key(|r| (r.place, r.start, r.end));
        out.dedup_by(|next, kept| {
            let joined = next.place == kept.place && next.start < kept.end;
            if joined {
                kept.end = kept.end.max(next.end);
            }
            joined
        });
    }
}

fn put(scan: &Scan, arguments: &Arguments<'_>, place: Place, leaf: Option<usize>, region: &Region, out: &mut Vec<Redaction>) {
    let Some((_, replacement)) = scan.labels.get(region.pattern as usize) else { return };
    let mut range = region.start..region.end;
    if let Some(leaf) = leaf {
        let Some(raw) = arguments.leaves.get(leaf).and_then(|l| l.text.raw_of(range)) else { return };
        range = raw;
    }
    out.push(Redaction { place, start: range.start, end: range.end, replacement: Arc::clone(replacement) });
}

/// Finds hosts where the rules look for them, and judges them.
fn judge_hosts(
    program: &Program,
    event: &Event<'_>,
    arguments: &Arguments<'_>,
    scratch: &Scratch,
    checked: &mut Bits,
    outcome: &mut Outcome,
) {
    let stage = program.stage(event.stage);
    let rules = Rules { program, stage: event.stage, applies: &scratch.applies };
    let standing = Standing::of(event);
    let mut hosts: Vec<HostRef> = Vec::new();
    if event.stage == Stage::Egress {
        if let Some(to) = event.host {
            hosts.push(destination(to, program));
        }
        evaluate::judge_hosts(rules, &hosts, false, standing, outcome);
        hosts.clear();
    } else if stage.hosts {
        for (source, text) in sources(event, arguments) {
            if !source.history && source.place.is_some() {
                host::find(text, &program.suffixes, &mut hosts);
            }
        }
        evaluate::judge_hosts(rules, &hosts, false, standing, outcome);
        hosts.clear();
    }
    if stage.links {
        for text in event.texts.iter().filter(|t| !t.history) {
            host::find(text.text, &program.suffixes, &mut hosts);
        }
        evaluate::judge_hosts(rules, &hosts, true, standing, outcome);
    }
    evaluate::check_host_rules(rules, checked);
}

/// A connection's destination in the form that host rules know.
fn destination(to: super::event::HostEvent<'_>, program: &Program) -> HostRef {
    let scheme = to.scheme.unwrap_or("http");
    let name = if to.name.contains(':') && !to.name.starts_with('[') { format!("[{}]", to.name) } else { to.name.to_owned() };
    let mut found = Vec::new();
    host::find(&format!("{scheme}://{name}/"), &program.suffixes, &mut found);
    let mut host = found.into_iter().next().unwrap_or_else(|| HostRef {
        start: 0,
        end: 0,
        host: to.name.to_ascii_lowercase(),
        address: false,
        port: None,
        scheme: None,
    });
    host.port = to.port;
    host.scheme = to.scheme.map(str::to_ascii_lowercase);
    host
}
