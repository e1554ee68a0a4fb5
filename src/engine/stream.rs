//! Judgement of text that arrives in pieces.
//!
//! A [`Gate`] is opened once for all channels of a streamed message: it decides what needs no text and
//! fixes which rules apply. Each channel (choice and field) gets a [`StreamJudge`]. For every text and
//! every cutting the findings, the act and the redacted text are those of the whole text, but for checks
//! that need a whole text: those decide in [`StreamJudge::finish`] with act at most flag.

use std::sync::Arc;

use super::condition::View;
use super::evaluate::{self, Outcome, Rules, Standing};
use super::event::Event;
use super::exchange::{Bits, Categories, Exchange, RuleHit};
use super::facts::Facts;
use super::judge::{Judgement, Reason, Scratch, judge};
use super::region::Region;
use super::session::Session;
use crate::base::limits::TOOL_CALL_MAX;
use crate::base::names::{Stage, UnjudgedReason};
use crate::base::verdict::Act;
use crate::program::Program;
use crate::scan::StreamScanner;
use crate::scan::host::{self, HostRef};
use crate::scan::span::Hit;

/// Text kept for what looks at links; beyond it they are not judged and that is said.
const LINK_TEXT_MAX: usize = TOOL_CALL_MAX;

/// A range of a channel to be replaced, in bytes of its text from the start of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRedaction {
    /// First byte.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
    /// What to write instead; nothing for the further pieces of a match without bound.
    pub replacement: Arc<str>,
}

/// What may be done after a piece.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The harshest act of the breaches found by this piece.
    pub act: Act,
    /// Everything before this byte is decided: it may leave once the redactions given so far are applied.
    pub safe_to: u64,
    /// Redactions that became final, in order; each lies wholly before `safe_to`.
    pub redactions: Vec<StreamRedaction>,
    /// Where the first blocking match (or the region it overlaps) starts. `safe_to` never goes beyond it
    /// unless the gate judges through.
    pub block_at: Option<u64>,
    /// The breaches of this piece.
    pub hits: Vec<RuleHit>,
    /// Why, beyond hits.
    pub reason: Option<Reason>,
}

/// What holds for all channels of one streamed message.
#[derive(Clone, Debug)]
pub struct Gate {
    program: Arc<Program>,
    stage: Stage,
    applies: Arc<Bits>,
    through: bool,
    executed: bool,
}

impl Gate {
    /// Opens a gate: `event` holds stage, lane and time, and no texts. The judgement is of all checks that
    /// need no text; it counts once, whatever the number of channels.
    ///
    /// `through` keeps judging after a block, for modes that only watch; otherwise findings end with the
    /// first blocking match of a channel, wherever the pieces were cut.
    pub fn open(
        exchange: &mut Exchange,
        session: &Session,
        event: &Event<'_>,
        facts: &Facts,
        scratch: &mut Scratch,
        through: bool,
    ) -> (Self, Judgement) {
        let bare = event.texts(&[]);
        let judgement = judge(exchange, session, &bare, facts, scratch);
        let program = Arc::clone(&exchange.program);
        let view = View::new(&program, &bare, facts, session, exchange.topics.as_ref(), &[]);
        let mut applies = Bits::default();
        evaluate::gates(&view, program.stage(event.stage), &mut applies);
        let executed = event.tool.is_some_and(|t| t.executed);
        let gate = Self { stage: event.stage, applies: Arc::new(applies), through, executed, program };
        (gate, judgement)
    }

    /// A judge for one channel. `editable` as in [`EventText`](super::event::EventText).
    pub fn channel(&self, editable: bool) -> StreamJudge {
        StreamJudge {
            scanner: self.program.scan(self.stage).map(|s| StreamScanner::new(&s.scanner)),
            gate: self.clone(),
            editable,
            pushed: 0,
            decided: 0,
            pending: Vec::new(),
            region: None,
            data: Categories::default(),
            ended: None,
            checked: false,
            flood: 0,
            links: self.program.stage(self.stage).links.then(String::new),
        }
    }

    /// Whether no rule that applies looks at text here: pieces need not be held.
    pub fn is_idle(&self) -> bool {
        !evaluate::reads_text(self.rules())
    }

    fn rules(&self) -> Rules<'_> {
        Rules { program: &self.program, stage: self.stage, applies: &self.applies }
    }
}

/// A region that may still grow.
#[derive(Debug)]
struct Open {
    region: Region,
    /// Its bytes up to here were given out for replacement; none yet: its start.
    given_to: usize,
    /// Its label has been written.
    named: bool,
    /// Holds a match of some length, redacted and not blocked, whose later pieces come one by one.
    long: Option<usize>,
}

/// The judge of one channel.
#[derive(Debug)]
pub struct StreamJudge {
    gate: Gate,
    scanner: Option<StreamScanner>,
    editable: bool,
    /// Bytes seen.
    pushed: u64,
    /// Bytes that may leave.
    decided: u64,
    /// Hits that start where the scanner has not decided yet.
    pending: Vec<Hit>,
    region: Option<Open>,
    data: Categories,
    /// The first blocking match was found, at this byte; nothing more is judged.
    ended: Option<u64>,
    checked: bool,
    flood: u64,
    /// The text, where links are looked for.
    links: Option<String>,
}

impl StreamJudge {
    /// Judges the next piece and notes breaches in the exchange.
    pub fn push(&mut self, exchange: &mut Exchange, text: &str) -> Step {
        if let Some(at) = self.ended {
            return Step { act: Act::Block, safe_to: at, block_at: Some(at), ..Step::default() };
        }
        self.pushed += text.len() as u64;
        if !self.checked && !text.is_empty() {
            self.checked = true;
            evaluate::check_text_rules(self.gate.rules(), &mut exchange.checked);
        }
        if let Some(kept) = &mut self.links
            && kept.len() <= LINK_TEXT_MAX
        {
            kept.push_str(text);
        }
        let Some(scanner) = &mut self.scanner else {
            self.decided = self.pushed;
            return Step { safe_to: self.pushed, ..Step::default() };
        };
        let known = scanner.push(text, &mut self.pending);
        self.step(exchange, known, false)
    }

    /// The channel has ended: everything is decided.
    pub fn finish(&mut self, exchange: &mut Exchange) -> Step {
        if let Some(at) = self.ended {
            return Step { act: Act::Block, safe_to: at, block_at: Some(at), ..Step::default() };
        }
        if let Some(scanner) = &mut self.scanner {
            scanner.finish(&mut self.pending);
        }
        self.step(exchange, self.pushed, true)
    }

    /// Bytes that were pushed and may not leave yet.
    pub fn held(&self) -> u64 {
        self.pushed.saturating_sub(self.decided)
    }

    /// Judges the hits that start before `known`, and says what may leave.
    fn step(&mut self, exchange: &mut Exchange, known: u64, last: bool) -> Step {
        let program = Arc::clone(&self.gate.program);
        let mut step = Step { safe_to: self.decided, ..Step::default() };
        let mut outcome = Outcome::default();
        let known_to = usize::try_from(known).unwrap_or(usize::MAX);
        // A further piece of a long match comes before what begins where it begins, which lies within it.
        self.pending.sort_unstable_by_key(|h| (h.start, !h.continues, h.end, h.pattern));
        let ready = if last { self.pending.len() } else { self.pending.partition_point(|h| h.start < known_to) };
        let ready: Vec<Hit> = self.pending.drain(..ready).collect();
        for hit in &ready {
            if self.take(&program, hit, &mut outcome, &mut step) {
                break;
            }
        }
        if self.ended.is_none() {
            self.release(&program, known_to, last, &mut step);
            if last {
                self.whole_text(&program, exchange, &mut outcome);
            }
            self.flood(exchange, &mut outcome, &mut step);
        }
        exchange.data = exchange.data.union(self.data);
        outcome.settle(exchange);
        exchange.join(outcome.act);
        step.act = outcome.act;
        step.hits = outcome.hits;
        step.reason = outcome.reason;
        self.decided = step.safe_to;
        step
    }

    /// Judges one hit. True where it ends the channel.
    fn take(&mut self, program: &Program, hit: &Hit, outcome: &mut Outcome, step: &mut Step) -> bool {
        let Some(scan) = program.scan(self.gate.stage) else { return false };
        let standing = Standing { editable: self.editable, executed: self.gate.executed, late: false };
        let act = if hit.continues {
            // A further piece of a hit that was judged when it began.
            let mut silent = Outcome::default();
            evaluate::judge_hit(self.gate.rules(), scan, hit, standing, &mut silent)
        } else {
            self.data = self.data.union(scan.categories.get(hit.pattern as usize).copied().unwrap_or_default());
            evaluate::judge_hit(self.gate.rules(), scan, hit, standing, outcome)
        };
        if act < Act::Redact {
            return false;
        }
        let blocks = act >= Act::Hold && !self.gate.through;
        // A match that blocks is never given out in pieces; one that is redacted may be.
        let long = (!blocks && is_long(program, self.gate.stage, hit.pattern)).then_some(hit.start);
        let mut cut = hit.start;
        let fits = match &mut self.region {
            Some(open) if hit.continues && hit.start <= open.region.end => {
                open.region.end = open.region.end.max(hit.end);
                true
            }
            Some(open) => open.region.takes(hit),
            None => false,
        };
        if fits {
            if let Some(open) = &mut self.region {
                if blocks {
                    // Behind the opening of a long match its label already stands; before it nothing does.
                    let behind = open.long.is_some_and(|from| from < hit.start) || open.named;
                    cut = if behind { hit.start.max(open.given_to) } else { open.region.start };
                    open.region.end = cut;
                }
                open.long = open.long.or(long);
            }
        } else {
            if let Some(open) = self.region.take() {
                give(program, self.gate.stage, &open, open.region.end, step);
                step.safe_to = step.safe_to.max(open.region.end as u64);
            }
            self.region = Some(Open { region: Region::of(hit), given_to: hit.start, named: hit.continues, long });
        }
        if blocks {
            if let Some(open) = self.region.take()
                && fits
                && cut > open.region.start
            {
                give(program, self.gate.stage, &open, cut, step);
            }
            self.ended = Some(cut as u64);
            step.block_at = Some(cut as u64);
            step.safe_to = cut as u64;
            self.pending.clear();
        }
        blocks
    }

    /// Gives out what is final of the open region and moves `safe_to`.
    fn release(&mut self, program: &Program, known: usize, last: bool, step: &mut Step) {
        let Some(open) = &mut self.region else {
            step.safe_to = step.safe_to.max(known as u64);
            return;
        };
        if !last && open.region.end > known {
            step.safe_to = step.safe_to.max(open.given_to as u64);
            return;
        }
        let end = open.region.end;
        give(program, self.gate.stage, open, end, step);
        open.named = true;
        open.given_to = end;
        step.safe_to = step.safe_to.max(known.max(end) as u64);
        // Only a long match can go on from its end.
        if open.long.is_none() || end < known {
            self.region = None;
        }
    }

    /// Decides what needed the whole text.
    fn whole_text(&mut self, program: &Program, exchange: &mut Exchange, outcome: &mut Outcome) {
        let standing = Standing { editable: false, executed: self.gate.executed, late: true };
        let scan = program.scan(self.gate.stage);
        if let (Some(scanner), Some(scan)) = (&self.scanner, scan) {
            let topics: Bits = scanner.topics().iter().filter_map(|(t, _)| scan.topics.get(*t as usize)).copied().collect();
            let nothing = evaluate::is_public(self.data) && self.pushed > 0;
            evaluate::judge_whole_text(self.gate.rules(), &topics, nothing, standing, outcome);
        }
        if let Some(text) = self.links.take() {
            if text.len() > LINK_TEXT_MAX {
                exchange.note_unjudged(UnjudgedReason::OverLimit, "links");
            }
            let mut hosts: Vec<HostRef> = Vec::new();
            host::find(&text, &program.suffixes, &mut hosts);
            for links in [false, true] {
                evaluate::judge_hosts(self.gate.rules(), &hosts, links, standing, outcome);
            }
            evaluate::check_host_rules(self.gate.rules(), &mut exchange.checked);
        }
    }

    /// More was found than is kept: what is not kept cannot be replaced.
    fn flood(&mut self, exchange: &mut Exchange, outcome: &mut Outcome, step: &mut Step) {
        if self.scanner.as_ref().is_some_and(StreamScanner::starved) {
            exchange.note_unjudged(UnjudgedReason::Timeout, "findings");
        }
        if self.scanner.as_ref().is_some_and(StreamScanner::deep) {
            exchange.note_unjudged(UnjudgedReason::Depth, "encoded");
        }
        let more = self.scanner.as_ref().map_or(0, StreamScanner::more);
        if more == self.flood {
            return;
        }
        self.flood = more;
        exchange.note_unjudged(UnjudgedReason::OverLimit, "findings");
        if exchange.act >= Act::Redact || outcome.act >= Act::Redact {
            outcome.act = Act::Block;
            outcome.reason = Some(Reason::OverLimit);
            if !self.gate.through {
                step.redactions.clear();
                step.safe_to = self.decided;
                step.block_at = Some(self.decided);
                self.ended = Some(self.decided);
            }
        }
    }
}

fn is_long(program: &Program, stage: Stage, pattern: u32) -> bool {
    let pattern = program.scan(stage).and_then(|s| s.scanner.pattern(pattern));
    pattern.is_some_and(|p| matches!(p.kind, crate::scan::pattern::Kind::Long { .. }))
}

/// Gives out the bytes of a region up to `end`: the label once, then nothing.
fn give(program: &Program, stage: Stage, open: &Open, end: usize, step: &mut Step) {
    if end <= open.given_to {
        return;
    }
    let label = program.scan(stage).and_then(|s| s.labels.get(open.region.pattern as usize));
    let replacement = if open.named { Arc::from("") } else { label.map_or_else(|| Arc::from(""), |(_, r)| Arc::clone(r)) };
    step.redactions.push(StreamRedaction { start: open.given_to as u64, end: end as u64, replacement });
}
