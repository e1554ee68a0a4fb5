//! One exchange from its first byte to its last, and the one record it leaves.
//!
//! It pins the program, reads subject and session once, carries every judgement, and writes its record
//! when it ends ([`records`]), whatever ended it: dropping it without an end is the end of an exchange that was cut.

mod records;
mod tools;
mod turns;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::budget::{Entry, Lease};
use super::headers::{self, Stamp};
use super::pending::Durable;
use super::refused::Refused;
use super::route::{Expired, Route, WhenFull};
use super::shared::{Intervened, Shared};
use super::subject::{self, Subject};
use super::tally::{Commits, Tally, trace_id, update};
use crate::base::limits::RECORD_TEXT_MAX;
use crate::base::names::{Lane, Mode, Stage, UnjudgedReason};
use crate::base::telemetry;
use crate::base::verdict::Act;
use crate::engine::event::{Event, HeadText, Measures};
use crate::engine::exchange::{Exchange as Gathered, RuleHit};
use crate::engine::judge::{self, Judgement, KnownTool, Lent};
use crate::engine::placing::{self, MessagePart, Placed};
use crate::engine::session::Session;
use crate::engine::stream::{Gate, Step, StreamJudge};
use crate::evidence::log::Commitment;
use crate::evidence::record::{self, Moment};
use crate::evidence::{LogHandle, Slot};
use crate::program::Program;
use crate::protocol::{Refusal, RequestNotes, Usage, Why};
use records::Noted;

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The last byte was handed on.
    Completed,
    /// The upstream failed.
    UpstreamError,
    /// The client left.
    Cancelled,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    shared: Arc<Shared>,
    gathered: Gathered,
    subject: Subject,
    session: Arc<Session>,
    scratch: Lent,
    slot: Option<Slot>,
    id: String,
    _entry: Option<Entry>,
    lease: Lease,
    protocol: &'static str,
    trace: Option<String>,
    now_us: i64,
    started_ns: u64,
    upstream_at_ns: u64,
    tally: Tally,
    commits: Commits,
    refused: Option<Refused>,
    /// What would have refused it at its head, were verdicts carried out.
    spared: Option<Refused>,
    moment: Option<Moment>,
    end: Option<End>,
}

impl Exchange {
    /// Admits an exchange. The error is an exchange that is refused at its head, and still leaves its record.
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        protocol: &'static str,
        subject: Subject,
        request: &HeaderMap,
    ) -> Result<Box<Self>, (Box<Self>, Refused)> {
        let program = shared.live.pin().for_task(subject.facts.task());
        let now_us = shared.clock.wall_us();
        let term = out_of_term(&program, now_us);
        let entry = shared.budget.enter();
        let slot = shared.log.as_ref().map(LogHandle::reserve);
        let full = matches!(slot, Some(Err(_)));
        let slot = slot.and_then(Result::ok);
        let id = match (&slot, &shared.log) {
            (Some(slot), _) => slot.id().to_string(),
            (None, Some(log)) => log.new_id().to_string(),
            (None, None) => String::new(),
        };
        let gathered = Gathered::new(program, shared.route.lane);
        let scratch = Lent::new(gathered.program());
        let admitted = entry.is_some();
        let session = subject.session.view();
        let mut exchange = Box::new(Self {
            shared: Arc::clone(shared),
            gathered,
            session,
            subject,
            scratch,
            slot,
            id,
            _entry: entry,
            lease: shared.budget.lease(),
            protocol,
            trace: trace_id(request),
            now_us,
            started_ns: shared.clock.steady_ns(),
            upstream_at_ns: 0,
            tally: Tally::default(),
            commits: Commits::default(),
            refused: None,
            spared: None,
            moment: None,
            end: None,
        });
        let refused = |why, note| Refused::unread(Stage::Request, why).note(note);
        if !admitted {
            exchange = exchange.refused_or_spared(refused(Why::Engine, "parallel_max"))?;
        }
        if let (true, Some(log)) = (full, &shared.log) {
            if shared.route.when_full == WhenFull::Block && exchange.acts() {
                log.shed();
                return Err((exchange, refused(Why::Engine, "evidence_full")));
            }
            log.pass_with_gap();
        }
        match term {
            None => Ok(exchange),
            Some(EXPIRED) if shared.route.expired == Expired::Flag => {
                exchange.spare(Refused { act: Act::Flag, ..refused(Why::Permission, EXPIRED) });
                Ok(exchange)
            }
            Some(note) => exchange.refused_or_spared(refused(Why::Permission, note)),
        }
    }

    /// Refuses at the head; where verdicts are not carried out, notes in act and reason what would have been.
    fn refused_or_spared(mut self: Box<Self>, refused: Refused) -> Result<Box<Self>, (Box<Self>, Refused)> {
        if self.acts() {
            return Err((self, refused));
        }
        self.spare(refused);
        Ok(self)
    }

    /// Notes in act and reason what is not refused.
    fn spare(&mut self, refused: Refused) {
        self.gathered.join(refused.act);
        self.spared.get_or_insert(refused);
    }

    // What the guard may do.

    /// Whether verdicts are carried out.
    pub(crate) fn acts(&self) -> bool {
        self.shared.route.mode == Mode::Enforce
    }

    /// Whether headers say what was decided.
    pub(crate) fn marks(&self) -> bool {
        self.shared.route.mode != Mode::Observe
    }

    pub(crate) fn route(&self) -> &Route {
        &self.shared.route
    }

    pub(crate) fn lane(&self) -> Lane {
        self.shared.route.lane
    }

    pub(crate) fn now_us(&self) -> i64 {
        self.now_us
    }

    pub(crate) fn steady_ns(&self) -> u64 {
        self.shared.clock.steady_ns()
    }

    pub(crate) fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    pub(crate) fn place(&self, part: MessagePart) -> Option<Placed> {
        placing::place(self.lane(), part, self.shared.outer)
    }

    /// What can be measured before the end.
    pub(crate) fn measures(&self) -> Measures {
        Measures { open_tasks: Some(self.shared.budget.open() as u64), ..Measures::default() }
    }

    // Judgements.

    /// Judges one event.
    pub(crate) fn judge(&mut self, event: &Event<'_>) -> Judgement {
        let from = self.steady_ns();
        let judgement = judge::judge(&mut self.gathered, &self.session, event, &self.subject.facts, &mut self.scratch);
        self.tally.judge_ns += self.steady_ns().saturating_sub(from);
        judgement
    }

    /// Judges what stands in the head of the request, by the rules of a stage.
    pub(crate) fn judge_head(&mut self, stage: Stage, head: &[HeadText<'_>]) -> Judgement {
        let from = self.steady_ns();
        let event = Event::new(stage, self.lane(), self.now_us);
        let (session, facts) = (&self.session, &self.subject.facts);
        let judgement = judge::judge_head(&mut self.gathered, session, &event, head, facts, &mut self.scratch);
        self.tally.judge_ns += self.steady_ns().saturating_sub(from);
        judgement
    }

    /// Whether the deployment takes a fact from this header: then it is no word of the caller's.
    pub(crate) fn is_fact(&self, header: &HeaderName) -> bool {
        self.lane() == Lane::Inbound && self.shared.facts.iter().any(|source| source.header == header)
    }

    /// Opens the gate of a stage for the channels of a stream.
    pub(crate) fn gate(&mut self, stage: Stage) -> (Gate, Judgement) {
        let event = Event::new(stage, self.lane(), self.now_us).measures(self.measures());
        let through = !self.acts();
        Gate::open(&mut self.gathered, &self.session, &event, &self.subject.facts, &mut self.scratch, through)
    }

    /// Gives a piece of text to the judge of its channel.
    pub(crate) fn push(&mut self, judge: &mut StreamJudge, text: &str) -> Step {
        let from = self.steady_ns();
        self.tally.reply_chars += text.chars().count() as u64;
        let step = judge.push(&mut self.gathered, text);
        self.tally.judge_ns += self.steady_ns().saturating_sub(from);
        step
    }

    /// Tells the judge of a channel that its text has ended.
    pub(crate) fn close(&mut self, judge: &mut StreamJudge) -> Step {
        judge.finish(&mut self.gathered)
    }

    /// The refusal that follows from text found in a stream.
    pub(crate) fn refused_by_text(&self, stage: Stage, act: Act) -> Refused {
        let hit = self.gathered.hits().iter().filter(|hit| hit.act == act).max_by_key(|hit| hit.severity).cloned();
        let note = (act == Act::Hold).then_some(judge::Reason::ApprovalUnavailable.as_str());
        Refused { act, stage, why: Why::Content, hit, note }
    }

    /// Notes that something was not read, and gives the refusal that follows from it: by the route's table,
    /// or by a predicate that does not let it pass unread.
    pub(crate) fn unread(&mut self, stage: Stage, why: Why, what: &str) -> Option<Refused> {
        let reason = match why {
            Why::Unreadable(code) => code.reason(),
            Why::Uninspected(reason) => reason,
            Why::Content | Why::Permission | Why::Engine => UnjudgedReason::DetectorError,
        };
        telemetry::not_inspected(reason);
        let event = Event::new(stage, self.lane(), self.now_us);
        let judgement = judge::unread(&mut self.gathered, &self.session, &event, &self.subject.facts, reason, what);
        if !self.acts() {
            return None;
        }
        if judgement.refuses() {
            return Some(Refused { why, ..Refused::by(stage, &judgement) });
        }
        self.shared.route.uninspected.blocks(reason).then(|| Refused::unread(stage, why))
    }

    /// Notes the refusal, tells it, and writes its record. What is returned must be awaited before the
    /// refusal leaves, where the route makes every act wait.
    pub(crate) fn intervene(&mut self, refused: &Refused, mid_stream: bool) -> Option<Durable> {
        self.gathered.join(refused.act);
        self.moment = Some(refused.moment(mid_stream));
        self.commits.altered = true;
        let moment = refused.moment(mid_stream);
        let noted = Noted { hit: refused.hit.as_ref(), reason: refused.reason(), ..Noted::new(refused.act, moment) };
        let durable = self.intervention(&noted);
        self.tell(refused);
        self.refused = Some(refused.clone());
        durable
    }

    /// Notes calls that are let go. What is returned must be awaited before they leave: a call with an
    /// effect outside, or one that cannot be undone, is on disk before it happens.
    pub(crate) fn release_calls(&mut self, tools: &[KnownTool]) -> Option<Durable> {
        self.subject.session.update(|session| tools.iter().for_each(|tool| tool.release(session)));
        let mut last = None;
        for tool in tools {
            self.saw_call(tool, Act::Allow, false);
            if tool.effect == "external" || !tool.reversible {
                let noted = Noted {
                    tool: Some(&tool.key),
                    released: true,
                    ..Noted::new(Act::Allow, self.moment.unwrap_or(Moment::Call))
                };
                last = self.intervention(&noted).or(last);
            }
        }
        last
    }

    fn saw_call(&mut self, tool: &KnownTool, act: Act, executed: bool) {
        let text = |t: &Arc<str>| Arc::clone(t).into();
        self.tally.calls.push(record::Call {
            act,
            action: tool.action.as_ref().map(text),
            executed,
            target: tool.target.as_ref().map(text),
            tool: text(&tool.key),
        });
    }

    fn tell(&self, refused: &Refused) {
        let predicate = refused.hit.as_ref().and_then(|hit| self.predicate(hit));
        let detector = refused.hit.as_ref().map(|hit| hit.detector.as_ref());
        tracing::info!(act = %refused.act, stage = %refused.stage, predicate, detector, record = %self.id, reason = refused.reason(), "intervention");
        if let Some(notice) = &self.shared.notice {
            notice(&Intervened {
                act: refused.act,
                stage: refused.stage,
                predicate,
                detector: detector.or(refused.reason()),
                record: &self.id,
                mode: self.shared.route.mode,
            });
        }
    }

    fn predicate(&self, hit: &RuleHit) -> Option<&str> {
        self.gathered.program().predicate(hit.predicate).map(|info| info.id.as_ref())
    }

    /// Calls `shape` with the refusal as the protocols know it.
    pub(crate) fn with_refusal<T>(&self, refused: &Refused, shape: impl FnOnce(&Refusal<'_>) -> T) -> T {
        shape(&Refusal {
            why: refused.why,
            stage: refused.stage,
            predicate: refused.hit.as_ref().and_then(|hit| self.predicate(hit)),
            pact: Some(self.gathered.program().header()),
            record: Some(self.id.as_str()).filter(|id| !id.is_empty()),
            note: refused.reason(),
            block_as: self.shared.route.block_as,
        })
    }

    /// Says in headers what was decided: `verdict`, or the act so far.
    pub(crate) fn stamp(&self, headers: &mut HeaderMap, verdict: Option<&str>) {
        let refused = self.refused.as_ref().and_then(|refused| refused.hit.as_ref());
        let decisive = refused.or_else(|| self.gathered.hits().iter().max_by_key(|hit| (hit.act, hit.severity)));
        Stamp {
            verdict: verdict.unwrap_or_else(|| self.gathered.act().as_str()),
            record: &self.id,
            log: self.shared.log.as_ref().map(LogHandle::log_id),
            pact: self.gathered.program().header(),
            mode: self.shared.route.mode,
            predicate: decisive.and_then(|hit| self.predicate(hit)),
            unjudged: self.gathered.unjudged(),
        }
        .put(headers);
    }

    /// What the head of the request tells of it beside its body.
    pub(crate) fn told(&mut self, notes: &RequestNotes) {
        if let Some(model) = &notes.model {
            self.model(model);
        }
        if let Some(conversation) = &notes.conversation {
            self.converse(conversation);
        }
    }

    /// The request's protocol names the conversation it belongs to: that is its session, where no header tells one.
    pub(crate) fn converse(&mut self, conversation: &str) {
        if self.subject.converse(self.lane(), self.protocol, conversation, &self.shared.sessions) {
            self.session = self.subject.session.view();
        }
    }

    /// Hands the session to the agent on the inbound lane, so that its own calls can be told to belong to it.
    pub(crate) fn hand_session(&self, headers: &mut HeaderMap) {
        if self.lane() == Lane::Inbound
            && self.marks()
            && !self.subject.by_header
            && let key = self.subject.session_key.clone().unwrap_or_else(|| format!("{}{}", subject::OF_EXCHANGE, self.id))
            && let Ok(value) = HeaderValue::from_str(&key)
            && key != subject::OF_EXCHANGE
        {
            headers.insert(headers::SESSION, value);
        }
    }

    // What passes by.

    /// The request's body came in whole.
    pub(crate) fn requested(&mut self, body: &Bytes) {
        self.tally.size_in += body.len() as u64;
        self.commits.request = self.commitment("request");
        update(&mut self.commits.request, body);
    }

    /// Another body than the caller's goes to the upstream.
    pub(crate) fn forwarded(&mut self, body: &Bytes) {
        self.commits.forwarded = self.commitment("forwarded");
        update(&mut self.commits.forwarded, body);
    }

    /// The upstream is called now.
    pub(crate) fn upstream_called(&mut self) {
        self.upstream_at_ns = self.steady_ns();
    }

    /// The head of the upstream's answer is here.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        let ns = self.steady_ns().saturating_sub(self.upstream_at_ns);
        telemetry::upstream_seconds(ns);
        self.tally.upstream_ns = Some(ns);
        self.tally.status = Some(status);
        self.commits.response = self.commitment("response");
    }

    /// Bytes of the answer came from the upstream.
    pub(crate) fn received(&mut self, bytes: &Bytes) {
        update(&mut self.commits.response, bytes);
    }

    /// Bytes of the answer went to the client.
    pub(crate) fn delivered(&mut self, bytes: &Bytes) {
        if self.tally.first_byte_ns.is_none() {
            self.tally.first_byte_ns = Some(self.steady_ns().saturating_sub(self.started_ns));
        }
        self.tally.size_out += bytes.len() as u64;
        if self.commits.apart || self.commits.altered {
            self.commit_delivered();
            update(&mut self.commits.delivered, bytes);
        }
    }

    /// A stream begins: only its end tells whether the client got what the upstream sent.
    pub(crate) fn streams(&mut self) {
        self.commits.apart = true;
    }

    /// The client gets other bytes than the upstream sent. Of a whole body, called before the first of them.
    pub(crate) fn altered(&mut self) {
        self.commits.altered = true;
    }

    pub(crate) fn usage(&mut self, usage: Usage) {
        self.tally.usage = Some(usage);
    }

    pub(crate) fn model(&mut self, model: &str) {
        let end = model.floor_char_boundary(RECORD_TEXT_MAX);
        self.tally.model = model.get(..end).map(str::to_owned);
    }

    /// So many bytes are held back now.
    pub(crate) fn note_held(&mut self, bytes: usize) {
        self.tally.held_max = self.tally.held_max.max(bytes);
    }

    /// Something that was held since then goes out now.
    pub(crate) fn note_hold_time(&mut self, since_ns: u64) {
        self.tally.hold_ns_max = self.tally.hold_ns_max.max(self.steady_ns().saturating_sub(since_ns));
    }

    /// Begins the commitment to what the client gets of an answer: only where it can differ from the upstream's.
    fn commit_delivered(&mut self) {
        if self.commits.delivered.is_none() && self.commits.response.is_some() {
            self.commits.delivered = self.commitment("delivered");
        }
    }

    fn commitment(&self, label: &'static str) -> Option<Commitment> {
        self.slot.as_ref().map(|slot| slot.commitment(label))
    }

    // The end.

    /// Fixes how the exchange ends, before it does.
    pub(crate) fn end_as(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    /// Ends the exchange and writes its record.
    pub(crate) fn end(mut self: Box<Self>, end: End) {
        self.end.get_or_insert(end);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close_up();
    }
}

/// The word for a pact whose term is over.
const EXPIRED: &str = "expired";

/// Why a pact binds nobody now: its term is over, or has not begun.
fn out_of_term(program: &Program, now_us: i64) -> Option<&'static str> {
    match program.identity().expires_us {
        _ if program.in_force(now_us) => None,
        Some(to) if now_us >= to => Some(EXPIRED),
        _ => Some("not_in_force"),
    }
}
