//! An answer that arrives event by event, judged while it passes.
//!
//! Promises: an event leaves as it came, byte for byte, or with nothing changed but the redacted text; it
//! leaves as soon as its text is decided and what must precede it has left; events of tool calls wait for
//! the end of their choice and are decided together; after a block the client holds a prefix that contains
//! no byte of any match, then the protocol's own ending. The unit of release is the event.
//!
//! In modes that only watch, bytes pass at once and the same judgement runs beside them.

use std::collections::BTreeSet;

use bytes::{Bytes, BytesMut};

use super::exchange::Exchange;
use super::held::{Flow, Held, HeldCall, Part, Span};
use super::line::Line;
use super::message::{kind_of_role, wire_arguments};
use super::pending::Durable;
use super::refused::Refused;
use crate::base::limits::{SSE_EVENT_MAX, STREAM_CHANNELS_MAX, STREAM_HELD_EVENTS_MAX, STREAM_HELD_MAX};
use crate::base::names::{Stage, UnjudgedReason};
use crate::base::verdict::Act;
use crate::engine::event::{Event, ToolEvent};
use crate::engine::judge::{Place, redacted};
use crate::engine::placing::MessagePart;
use crate::engine::stream::{Gate, Step};
use crate::protocol::frames::Frames;
use crate::protocol::lines::{Cutter, Lines};
use crate::protocol::message::CallKind;
use crate::protocol::sse::{self, Change, Framer};
use crate::protocol::{CallKey, Channel, Code, Piece, ReadError, StreamReader, Why, bedrock, generic};

/// The judging half of a streamed answer: bytes in, bytes out, no I/O.
#[derive(Debug)]
pub(crate) struct Stream {
    framer: Cutter,
    reader: Box<dyn StreamReader>,
    /// Holds and changes; otherwise only watches.
    acts: bool,
    /// Its units carry sums: they leave whole or not at all, and what would be redacted refuses.
    fixed: bool,
    gates: Vec<(Stage, Gate)>,
    channels: Vec<(Channel, Flow)>,
    calls: Vec<(CallKey, HeldCall)>,
    line: Line,
    /// Short texts that stand alone and were found clean: ids and names that every event repeats.
    envelope: Vec<(Channel, String)>,
    state: State,
}

/// Texts kept as known to be clean, and the longest of them in bytes.
const ENVELOPE_MAX: usize = 16;
const ENVELOPE_TEXT_MAX: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// The protocol's ending has been written.
    Ended,
    /// The rest cannot be judged, and the route lets it pass.
    Blind,
}

/// Why judging stops before the end.
#[derive(Debug)]
enum Halt {
    Refuse(Refused),
    /// What cannot be read passes here, and the record says so.
    PassOn,
}

impl From<Refused> for Halt {
    fn from(refused: Refused) -> Self {
        Self::Refuse(refused)
    }
}

/// What became of some bytes.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// Bytes for the client.
    pub(crate) out: BytesMut,
    /// What the calls let go with these bytes must wait for.
    pub(crate) wait: Option<Durable>,
    /// Nothing more is to be read from the upstream.
    pub(crate) over: bool,
}

impl Stream {
    /// A stream of events at its first byte.
    pub(crate) fn events(reader: Box<dyn StreamReader>, exchange: &Exchange) -> Self {
        Self::new(Cutter::Events(Framer::new(SSE_EVENT_MAX)), reader, exchange)
    }

    /// A stream of lines of JSON at its first byte.
    pub(crate) fn lines(exchange: &Exchange) -> Self {
        Self::new(Cutter::Lines(Lines::new(SSE_EVENT_MAX)), generic::line_reader(), exchange)
    }

    /// A stream of frames at its first byte.
    pub(crate) fn frames(exchange: &Exchange) -> Self {
        Self::new(Cutter::Frames(Frames::new(SSE_EVENT_MAX)), bedrock::frame_reader(), exchange)
    }

    fn new(framer: Cutter, reader: Box<dyn StreamReader>, exchange: &Exchange) -> Self {
        Self {
            fixed: matches!(framer, Cutter::Frames(_)),
            framer,
            reader,
            acts: exchange.acts(),
            gates: Vec::new(),
            channels: Vec::new(),
            calls: Vec::new(),
            line: Line::default(),
            envelope: Vec::new(),
            state: State::Running,
        }
    }

    /// Takes the next bytes of the upstream, which came uncoded.
    pub(crate) fn push(&mut self, exchange: &mut Exchange, chunk: &Bytes) -> Moved {
        self.push_decoded(exchange, chunk, chunk)
    }

    /// Takes the next bytes of the upstream: as they came, and decoded. A stream that is acted on goes on
    /// decoded; one that is only watched goes on as it came.
    pub(crate) fn push_decoded(&mut self, exchange: &mut Exchange, raw: &Bytes, decoded: &Bytes) -> Moved {
        let mut moved = Moved::default();
        if !self.acts {
            moved.out.extend_from_slice(raw);
        } else if self.state == State::Blind {
            moved.out.extend_from_slice(decoded);
        }
        if self.state == State::Running {
            self.framer.push(decoded);
            if let Err(halt) = self.drain(exchange, &mut moved, false) {
                self.halt(exchange, &halt, &mut moved);
            }
        }
        moved.over = self.state == State::Ended;
        moved
    }

    /// The upstream has ended, whole or by an error.
    pub(crate) fn finish(&mut self, exchange: &mut Exchange, whole: bool) -> Moved {
        let mut moved = Moved::default();
        if self.state == State::Running
            && let Err(halt) = self.drain(exchange, &mut moved, true).and_then(|()| self.close(exchange, whole, &mut moved))
        {
            self.halt(exchange, &halt, &mut moved);
        }
        moved.over = true;
        moved
    }

    /// The coding of the stream is broken from `raw` on.
    pub(crate) fn broken(&mut self, exchange: &mut Exchange, error: ReadError, raw: &Bytes) -> Moved {
        let mut moved = Moved::default();
        let why = Why::Unreadable(error.code);
        exchange.unread(Stage::Response, why, error.code.as_str());
        if self.acts {
            // There are no decoded bytes that could be passed on.
            self.refuse(exchange, &Refused::unread(Stage::Response, why), &mut moved);
        } else {
            moved.out.extend_from_slice(raw);
            self.state = State::Blind;
        }
        moved.over = self.state == State::Ended;
        moved
    }

    /// Ends the stream for a reason from outside, such as a log without room.
    pub(crate) fn abort(&mut self, exchange: &mut Exchange, refused: Refused) -> Moved {
        let mut moved = Moved::default();
        self.halt(exchange, &Halt::Refuse(refused), &mut moved);
        moved.over = true;
        moved
    }

    /// Whether a comment may stand between its units.
    pub(crate) fn has_comments(&self) -> bool {
        matches!(self.framer, Cutter::Events(_))
    }

    /// Whether bytes have come that the client does not have yet. It has none of an event that was begun.
    pub(crate) fn holds(&self) -> bool {
        self.acts && self.state == State::Running && (!self.line.is_empty() || self.framer.pending() > 0)
    }

    /// Takes every whole event out of the framer.
    fn drain(&mut self, exchange: &mut Exchange, moved: &mut Moved, last: bool) -> Result<(), Halt> {
        loop {
            let next = match self.framer.next() {
                Ok(None) if last => self.framer.finish(),
                other => other,
            };
            match next.map_err(|e| unreadable(exchange, e))? {
                Some(event) => self.take(exchange, event, moved)?,
                None => return Ok(()),
            }
        }
    }

    /// Judges one event and lets go what may go.
    fn take(&mut self, exchange: &mut Exchange, event: sse::Event, moved: &mut Moved) -> Result<(), Halt> {
        let mut held = Held::new(event, exchange.steady_ns());
        let mut outcome = self.reader.read(&held.event, &mut held.pieces).map_err(|e| unreadable(exchange, e));
        if outcome.is_err() {
            held.pieces.clear();
            held.halted = Some(0);
        }
        for at in 0..held.pieces.len() {
            outcome = self.piece(exchange, &mut held, at, moved);
            if outcome.is_err() {
                held.halted = Some(at);
                break;
            }
        }
        if outcome.is_ok() {
            moved.wait = held.settle_tools(exchange).or(moved.wait.take());
        }
        held.pieces.shrink_to_fit();
        self.line.push(held);
        outcome?;
        self.release(exchange, moved);
        exchange.note_held(self.line.bytes());
        if self.acts && self.held_text() > exchange.route().stream_hold_max {
            return Err(over_limit(exchange, "stream_hold"));
        }
        if self.acts && (self.line.bytes() > STREAM_HELD_MAX || self.line.len() > STREAM_HELD_EVENTS_MAX) {
            return Err(over_limit(exchange, "stream_held"));
        }
        Ok(())
    }

    fn piece(&mut self, exchange: &mut Exchange, held: &mut Held, at: usize, moved: &mut Moved) -> Result<(), Halt> {
        let Some(piece) = held.pieces.get(at) else { return Ok(()) };
        match piece {
            Piece::Text { channel, place, editable } => {
                let text = held.event.text(place);
                if self.envelope.iter().any(|(key, known)| key == channel && known == text.as_str()) {
                    return Ok(());
                }
                let (index, step) = self.text(exchange, *channel, *editable, text.as_str())?;
                let Some((_, flow)) = self.channels.get_mut(index) else { return refuses(exchange, &step) };
                let listed = held.listed(place);
                if !channel.joined && (step.block_at.is_none() || listed.is_some()) {
                    // Decided: its channel is free for the next of an event with many.
                    held.alone.extend(flow.redactions.drain(..).map(|redaction| (at, redaction)));
                    return match (refuses(exchange, &step), listed) {
                        (Err(Halt::Refuse(refused)), Some(number)) => {
                            held.removed.refuse(number, refused);
                            Ok(())
                        }
                        (outcome, _) => outcome,
                    };
                }
                let end = flow.pushed;
                flow.waiting += 1;
                held.texts.push(Span { piece: at, channel: index, start: end - text.as_str().len() as u64, end });
                refuses(exchange, &step)
            }
            Piece::Call { key, kind, name, arguments, executed, copy, .. } => {
                let name = name.as_ref().map(|place| held.event.text(place));
                let arguments = arguments.as_ref().map(|place| held.event.text(place));
                let said = (name.as_ref().map_or("", |t| t.as_str()), arguments.as_ref().map_or("", |t| t.as_str()));
                let new = HeldCall::new(*kind, *executed);
                let call = if *copy { self.compare(exchange, *key, new, said) } else { self.gather(exchange, *key, new, said) }?;
                held.calls.push(Part { piece: at, call });
                Ok(())
            }
            Piece::TextEnd(channel) => self.end_of_texts(exchange, |key| key == channel),
            Piece::CallEnd(key) => self.end_of_calls(exchange, |k| k == key, moved),
            Piece::Finish { choice, .. } => self.end_of_choice(exchange, Some(*choice), moved),
            Piece::Done => self.end_of_choice(exchange, None, moved),
            Piece::Usage(usage) => {
                exchange.usage(*usage);
                Ok(())
            }
            Piece::Unread(unread) => {
                let refused = exchange.unread(Stage::Response, Why::Uninspected(unread.reason), unread.what);
                refused.map_or(Ok(()), |refused| Err(refused.into()))
            }
            Piece::Choice(_) | Piece::Shadow { .. } | Piece::InOrder(_) | Piece::Listing(_) => Ok(()),
        }
    }

    /// Gives a piece of text to its channel. A text that stands alone is decided at once.
    fn text(&mut self, exchange: &mut Exchange, channel: Channel, editable: bool, text: &str) -> Result<(usize, Step), Halt> {
        let known = self.channels.iter().position(|(key, flow)| *key == channel && channel.joined && !flow.closed);
        let index = match known {
            Some(index) => index,
            None => self.open(exchange, channel, editable)?,
        };
        let Some((_, flow)) = self.channels.get_mut(index) else { return Ok((index, Step::default())) };
        flow.pushed += text.len() as u64;
        let mut step = exchange.push(&mut flow.judge, text);
        flow.note(&mut step);
        if !channel.joined && step.block_at.is_none() {
            let found = step.act;
            step = exchange.close(&mut flow.judge);
            flow.note(&mut step);
            let clean = found.join(step.act) == Act::Allow && flow.redactions.is_empty();
            if clean && text.len() <= ENVELOPE_TEXT_MAX && self.envelope.len() < ENVELOPE_MAX {
                self.envelope.push((channel, text.to_owned()));
            }
        }
        Ok((index, step))
    }

    /// A new channel; the first of a stage is where the rules that need no text are judged.
    fn open(&mut self, exchange: &mut Exchange, channel: Channel, editable: bool) -> Result<usize, Halt> {
        // Texts that stand alone take the place of one that has left.
        let reuse = self.channels.iter().position(|(key, flow)| (!key.joined || flow.closed) && flow.waiting == 0);
        if reuse.is_none() && self.channels.len() >= STREAM_CHANNELS_MAX {
            return Err(unreadable(exchange, ReadError::new(Code::TooManyChannels, 0)));
        }
        let stage = exchange.place(kind_of_role(channel.role)).map_or(Stage::Response, |placed| placed.stage);
        if !self.gates.iter().any(|(s, _)| *s == stage) {
            let (gate, judgement) = exchange.gate(stage);
            self.gates.push((stage, gate));
            if self.acts && judgement.refuses() {
                return Err(Refused::by(stage, &judgement).into());
            }
        }
        let Some((_, gate)) = self.gates.iter().find(|(s, _)| *s == stage) else {
            return Err(Refused::unread(stage, Why::Engine).into());
        };
        let flow = Flow::new(gate.channel(editable && !self.fixed));
        if let Some(at) = reuse
            && let Some(slot) = self.channels.get_mut(at)
        {
            *slot = (channel, flow);
            return Ok(at);
        }
        self.channels.push((channel, flow));
        Ok(self.channels.len() - 1)
    }

    /// Adds a piece to a call, or begins it as `new`. Gives its place among the calls.
    fn gather(&mut self, exchange: &mut Exchange, key: CallKey, new: HeldCall, said: (&str, &str)) -> Result<usize, Halt> {
        let at = match self.calls.iter().position(|(k, call)| *k == key && !call.decided) {
            Some(at) => at,
            None if self.calls.len() >= STREAM_CHANNELS_MAX => {
                return Err(unreadable(exchange, ReadError::new(Code::TooManyChannels, 0)));
            }
            None => {
                self.calls.push((key, new));
                self.calls.len() - 1
            }
        };
        let Some((_, call)) = self.calls.get_mut(at) else { return Ok(at) };
        call.name.push_str(said.0);
        call.arguments.push_str(said.1);
        if call.arguments.len() + call.name.len() > exchange.route().tool_call_max {
            return Err(over_limit(exchange, "tool_call"));
        }
        Ok(at)
    }

    /// Takes a call that is said again. What was judged must be what the client reads, wherever it reads it.
    fn compare(&mut self, exchange: &mut Exchange, key: CallKey, new: HeldCall, said: (&str, &str)) -> Result<usize, Halt> {
        let known = self.calls.iter().rposition(|(k, _)| *k == key);
        let Some((at, (_, call))) = known.and_then(|at| Some((at, self.calls.get_mut(at)?))) else {
            return self.gather(exchange, key, new, said);
        };
        if !call.decided && call.name.is_empty() {
            call.name.push_str(said.0);
        }
        if !call.decided && call.arguments.is_empty() {
            call.arguments.push_str(said.1);
        }
        let same = |copy: &str, first: &str| copy.is_empty() || copy == first;
        if same(said.0, &call.name) && same(said.1, &call.arguments) {
            return Ok(at);
        }
        Err(unreadable(exchange, ReadError::new(Code::CopyDiffers, 0)))
    }

    /// A choice (or all of them) has said everything: texts are decided, calls judged together.
    fn end_of_choice(&mut self, exchange: &mut Exchange, choice: Option<u32>, moved: &mut Moved) -> Result<(), Halt> {
        self.end_of_texts(exchange, |key| choice.is_none_or(|c| key.choice == c))?;
        self.end_of_calls(exchange, |key| choice.is_none_or(|c| key.choice == c), moved)
    }

    /// Decides the texts of these channels: they have ended.
    fn end_of_texts(&mut self, exchange: &mut Exchange, ended: impl Fn(&Channel) -> bool) -> Result<(), Halt> {
        for (_, flow) in self.channels.iter_mut().filter(|(key, flow)| key.joined && ended(key) && !flow.closed) {
            flow.closed = true;
            let mut step = exchange.close(&mut flow.judge);
            flow.note(&mut step);
            refuses(exchange, &step)?;
        }
        Ok(())
    }

    /// Judges these calls: they are complete.
    fn end_of_calls(&mut self, exchange: &mut Exchange, ended: impl Fn(&CallKey) -> bool, moved: &mut Moved) -> Result<(), Halt> {
        let mut released = Vec::new();
        // None of them leaves before all of them may: half a turn is another plan than the model made.
        for (_, call) in self.calls.iter_mut().filter(|(key, call)| !call.decided && ended(key)) {
            let part = if call.executed { MessagePart::ExecutedCall } else { MessagePart::Call };
            let Some(placed) = exchange.place(part) else { continue };
            let json = wire_arguments(call.kind, &call.arguments);
            let event = Event::new(placed.stage, exchange.lane(), exchange.now_us())
                .tool(ToolEvent {
                    name: &call.name,
                    server: None,
                    arguments: &json,
                    editable: call.kind != CallKind::Custom && !self.fixed,
                    executed: placed.executed,
                })
                .measures(exchange.measures());
            let judgement = exchange.judge(&event);
            if self.acts && judgement.refuses() {
                return Err(Refused::by(placed.stage, &judgement).into());
            }
            if self.acts && judgement.act == Act::Redact {
                call.rewritten = Some(redacted(&json, &judgement.redactions, Place::Arguments).into_owned());
            }
            if !placed.executed {
                released.extend(judgement.tool);
            }
        }
        for (_, call) in self.calls.iter_mut().filter(|(key, _)| ended(key)) {
            call.decided = true;
        }
        if !released.is_empty()
            && let Some(wait) = exchange.release_calls(&released)
        {
            moved.wait = Some(wait);
        }
        Ok(())
    }

    /// The upstream is at its end: nothing is open any more.
    fn close(&mut self, exchange: &mut Exchange, whole: bool, moved: &mut Moved) -> Result<(), Halt> {
        if self.calls.iter().any(|(_, call)| !call.decided) {
            // Clients repair half a call into a whole one: it must never reach them.
            let why = Why::Unreadable(Code::Truncated);
            exchange.unread(Stage::Call, why, "half_call");
            if self.acts && whole {
                return Err(Refused::unread(Stage::Call, why).into());
            }
            if self.acts {
                self.line.retain(|held| !held.is_call());
            }
        }
        self.end_of_choice(exchange, None, moved)?;
        self.release(exchange, moved);
        Ok(())
    }

    /// Lets go every event whose turn it is.
    fn release(&mut self, exchange: &mut Exchange, moved: &mut Moved) {
        let acts = self.acts;
        while let Some(held) = self.line.next(|held| !acts || held.is_decided(&self.channels, &self.calls)) {
            if acts {
                exchange.note_hold_time(held.since_ns);
                if self.write(&held, None, moved) {
                    exchange.altered();
                }
            } else {
                self.reader.released(&held.event, &held.pieces, &[]);
            }
            for span in &held.texts {
                if let Some((_, flow)) = self.channels.get_mut(span.channel) {
                    flow.left(span.end);
                }
            }
        }
    }

    /// Writes an event with redactions in place, and says whether anything changed; text of a channel from
    /// `cut` on is left out.
    fn write(&mut self, held: &Held, cut: Option<(usize, u64)>, moved: &mut Moved) -> bool {
        let Self { channels, calls, reader, .. } = self;
        let removals = held.removals();
        let mut changes: Vec<Change<'_>> =
            removals.iter().map(|(place, with)| Change { place, at: 0..place.at.len(), with }).collect();
        let mut begun: BTreeSet<usize> = BTreeSet::new();
        for span in &held.texts {
            let Some(Piece::Text { place, .. }) = held.pieces.get(span.piece) else { continue };
            let Some((_, flow)) = channels.get(span.channel) else { continue };
            let end =
                cut.filter(|(channel, _)| *channel == span.channel).map_or(span.end, |(_, at)| at.clamp(span.start, span.end));
            let within = |at: u64| (at - span.start) as usize;
            for r in flow.redactions_in(span.start, end) {
                let (from, to) = (r.start.max(span.start), r.end.min(end));
                let with = if r.start >= span.start { r.replacement.as_ref() } else { "" };
                changes.push(Change { place, at: within(from)..within(to), with });
            }
            if end < span.end {
                changes.push(Change { place, at: within(end)..within(span.end), with: "" });
            }
        }
        for (piece, r) in &held.alone {
            let Some(Piece::Text { place, .. }) = held.pieces.get(*piece) else { continue };
            changes.push(Change { place, at: r.start as usize..r.end as usize, with: r.replacement.as_ref() });
        }
        for part in &held.calls {
            let Some(Piece::Call { arguments: Some(place), copy, .. }) = held.pieces.get(part.piece) else { continue };
            let Some((_, call)) = calls.get(part.call) else { continue };
            let Some(rewritten) = &call.rewritten else { continue };
            let first = *copy || (begun.insert(part.call) && !call.begun);
            let with = if first { rewritten.as_str() } else { "" };
            changes.push(Change { place, at: 0..held.event.text(place).as_str().len(), with });
        }
        if !changes.is_empty() {
            for piece in &held.pieces {
                if let Piece::Shadow { place, .. } = piece {
                    changes.push(Change { place, at: 0..place.at.len(), with: "null" });
                }
            }
        }
        if changes.is_empty() {
            moved.out.extend_from_slice(held.event.raw());
        } else {
            moved.out.extend_from_slice(&held.event.rewrite(&changes));
        }
        reader.released(&held.event, &held.pieces, &changes);
        let altered = !changes.is_empty();
        for at in begun {
            if let Some((_, call)) = calls.get_mut(at) {
                call.begun = true;
            }
        }
        altered
    }

    /// Text bytes that are held for a decision.
    fn held_text(&self) -> usize {
        self.channels.iter().map(|(_, flow)| flow.pushed.saturating_sub(flow.safe_to)).max().unwrap_or(0) as usize
    }

    /// Stops judging, by a refusal or by passing the rest on.
    fn halt(&mut self, exchange: &mut Exchange, halt: &Halt, moved: &mut Moved) {
        if self.state == State::Ended {
            return;
        }
        if let (true, Halt::Refuse(refused)) = (self.acts, halt) {
            return self.refuse(exchange, refused, moved);
        }
        self.state = State::Blind;
        if self.acts {
            while let Some(held) = self.line.pop() {
                moved.out.extend_from_slice(held.event.raw());
            }
            moved.out.extend_from_slice(&self.framer.left());
        }
    }

    /// What is decided leaves, up to the match; then the protocol's own refusal ends the stream.
    fn refuse(&mut self, exchange: &mut Exchange, refused: &Refused, moved: &mut Moved) {
        self.release(exchange, moved);
        if let Some(held) = self.line.pop()
            && !self.fixed
            && held.is_plain_text()
            && (held.halted.is_none() || held.halted_in_last_text())
            && let [span] = held.texts[..]
            && let Some(safe) = self.channels.get(span.channel).map(|(_, flow)| flow.safe_to)
            && safe > span.start
        {
            self.write(&held, Some((span.channel, safe)), moved);
        }
        self.line.clear();
        moved.wait = exchange.intervene(refused, true).or(moved.wait.take());
        let ending = exchange.with_refusal(refused, |refusal| self.reader.refuse(refusal));
        moved.out.extend_from_slice(&ending);
        self.state = State::Ended;
    }
}

/// Whether a step ends the stream. Watching, nothing does.
fn refuses(exchange: &Exchange, step: &Step) -> Result<(), Halt> {
    if exchange.acts() && step.act >= Act::Hold {
        return Err(exchange.refused_by_text(Stage::Response, step.act).into());
    }
    Ok(())
}

fn unreadable(exchange: &mut Exchange, error: ReadError) -> Halt {
    exchange.unread(Stage::Response, Why::Unreadable(error.code), error.code.as_str()).map_or(Halt::PassOn, Halt::Refuse)
}

fn over_limit(exchange: &mut Exchange, what: &'static str) -> Halt {
    exchange.unread(Stage::Response, Why::Uninspected(UnjudgedReason::OverLimit), what).map_or(Halt::PassOn, Halt::Refuse)
}
