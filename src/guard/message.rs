//! A whole message, read and judged: which part goes to which stage, and what becomes of it.
//!
//! The adapter has found the parts, the engine's table says where each is judged; this file only brings
//! the two together and turns redactions into edits of the original bytes.

use super::exchange::Exchange;
use super::history::{self, History};
use super::listing::Removed;
use super::pending::Durable;
use super::refused::Refused;
use super::turns::Decided;
use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::engine::event::{Event, EventText, ToolEvent};
use crate::engine::judge::{Judgement, KnownTool, Place};
use crate::engine::placing::{MessagePart, Placed};
use crate::protocol::{Call, CallKind, Edit, Message, Part, Role, Why};

/// Which way a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Request,
    Answer,
}

/// What is to be done with a message.
#[derive(Debug, Default)]
pub(crate) struct Ruling {
    /// Changes of the body, in order of place.
    pub(crate) edits: Vec<Edit>,
    /// Why it may not pass.
    pub(crate) refused: Option<Refused>,
    /// The choices of an answer that may not pass.
    pub(crate) choices: Vec<u32>,
    /// The choices in which something is changed.
    pub(crate) edited: Vec<u32>,
    /// Calls that pass, as the catalogue knows them.
    pub(crate) released: Vec<KnownTool>,
    /// Of a list of tools those that go, and what must be awaited before the others leave.
    removed: Removed,
    pub(crate) wait: Option<Durable>,
    /// How many tools are listed. Their numbers are choices.
    listed: usize,
}

impl Ruling {
    /// Of what could not be read.
    pub(crate) fn unread(refused: Option<Refused>) -> Self {
        Self { refused, ..Self::default() }
    }

    /// Takes in the judgement of one event.
    fn take(&mut self, stage: Stage, choice: u32, judgement: &Judgement) {
        if judgement.refuses() {
            self.refuse(choice, Refused::by(stage, judgement));
        }
    }

    fn refuse(&mut self, choice: u32, refused: Refused) {
        if (choice as usize) < self.listed {
            self.removed.refuse(choice as usize, refused);
            return;
        }
        if self.refused.as_ref().is_none_or(|before| before.act < refused.act) {
            self.refused = Some(refused);
        }
        if !self.choices.contains(&choice) {
            self.choices.push(choice);
        }
    }
}

/// Judges every part and call of `message`. `editable` is false where the body as a whole may not be
/// changed (signed, transcoded); `bytes` are what the message was read from, `history` what is known of its turns.
pub(crate) fn judge(
    exchange: &mut Exchange,
    message: &Message<'_>,
    bytes: &[u8],
    side: Side,
    editable: bool,
    history: History,
) -> Ruling {
    let listed = message.listing.as_ref().map_or(0, |listing| listing.tools.len());
    let mut ruling = Ruling { listed, ..Ruling::default() };
    let mut choices: Vec<u32> = message.parts.iter().map(|p| p.choice).chain(message.calls.iter().map(|c| c.choice)).collect();
    choices.sort_unstable();
    choices.dedup();
    if choices.is_empty() {
        choices.push(0);
    }
    for &choice in &choices {
        for stage in [Stage::Request, Stage::Call, Stage::Result, Stage::Response, Stage::Egress] {
            let walk = Walk { message, side, choice, stage };
            texts(exchange, walk, editable, &history, &mut ruling);
        }
        for call in message.calls.iter().filter(|c| c.choice == choice) {
            self::call(exchange, call, side, editable, &mut ruling);
        }
    }
    for unread in &message.unread {
        if let Some(refused) = exchange.unread(stage_of(side), Why::Uninspected(unread.reason), unread.what) {
            ruling.refused.get_or_insert(refused);
            ruling.choices.clone_from(&choices);
        }
    }
    if let Some(listing) = &message.listing {
        ruling.wait = ruling.removed.settle(exchange, listing, bytes);
        if editable {
            ruling.edits.extend(ruling.removed.edits(listing));
        } else if let Some(gravest) = ruling.removed.gravest() {
            // Nothing can be taken out of it: then it does not pass at all.
            ruling.refused = Some(Refused { act: Act::Block, ..gravest.clone() });
        }
    }
    history.close(exchange, message, ruling.refused.is_some(), &mut ruling.edits);
    // What repeats an edited text in another form would give it away.
    let shadows = message.shadows.iter().filter(|shadow| ruling.edited.contains(&shadow.choice));
    ruling.edits.extend(shadows.map(|shadow| Edit { at: shadow.at.clone(), with: "null".to_owned() }));
    ruling.edits.sort_by_key(|edit| edit.at.start);
    ruling
}

/// The stage under which a whole side is refused.
pub(crate) const fn stage_of(side: Side) -> Stage {
    match side {
        Side::Request => Stage::Request,
        Side::Answer => Stage::Response,
    }
}

/// The parts of one stage and choice. Walked for the event and again for the edits, since a list of them would
/// weigh more than a body of many short texts.
#[derive(Clone, Copy)]
struct Walk<'m, 'b> {
    message: &'m Message<'b>,
    side: Side,
    choice: u32,
    stage: Stage,
}

impl<'m, 'b> Walk<'m, 'b> {
    /// Each with its place in the message.
    fn parts<'e>(
        self,
        exchange: &'e Exchange,
        history: &'e History,
    ) -> impl Iterator<Item = (usize, &'m Part<'b>, Placed)> + use<'e, 'm, 'b> {
        let parts = self.message.parts.iter().enumerate().filter(move |(_, part)| part.choice == self.choice);
        parts
            .filter_map(move |(at, part)| Some((at, part, history.place(at, exchange.place(kind(self.side, part))?)?)))
            .filter(move |(.., placed)| placed.stage == self.stage)
    }
}

/// Judges the texts of one stage and choice together.
fn texts(exchange: &mut Exchange, walk: Walk<'_, '_>, editable: bool, history: &History, ruling: &mut Ruling) {
    let Walk { side, choice, stage, .. } = walk;
    let mut texts: Vec<EventText<'_>> = Vec::with_capacity(walk.parts(exchange, history).count());
    texts.extend(walk.parts(exchange, history).map(|(_, part, placed)| EventText {
        text: part.text.as_str(),
        editable: editable && history::may_be_rewritten(part),
        history: placed.history,
        value: part.value,
    }));
    // A request without text is still a request: what needs no text is judged once for the side.
    let first = choice == 0 && stage == stage_of(side) && side == Side::Request;
    if texts.is_empty() && !first {
        return;
    }
    let event = Event::new(stage, exchange.lane(), exchange.now_us()).texts(&texts).measures(exchange.measures());
    let judgement = exchange.judge(&event);
    let mut redactions = judgement.redactions.iter().peekable();
    let mut barred = judgement.barred.iter().peekable();
    for (text, (at, part, placed)) in walk.parts(exchange, history).enumerate() {
        let mut edited = false;
        while let Some(redaction) = redactions.next_if(|redaction| redaction.place == Place::Text(text)) {
            ruling.edits.extend(part.text.edit(redaction.start..redaction.end, &redaction.replacement));
            ruling.edited.push(choice);
            edited = true;
        }
        let refused = barred.next_if(|(place, _)| *place == text).map(|(_, predicate)| Decided::Refused(*predicate));
        if !placed.history && judgement.is_final() {
            let passes = if edited { Decided::Edited } else { Decided::Clean };
            history.decide(at, refused.unwrap_or(passes));
        }
    }
    ruling.take(stage, choice, &judgement);
}

/// Judges one call.
fn call(exchange: &mut Exchange, call: &Call<'_>, side: Side, editable: bool, ruling: &mut Ruling) {
    let part = match (side, call.fresh, call.executed) {
        (Side::Request, false, _) => MessagePart::AssistantTurn,
        (_, _, true) => MessagePart::ExecutedCall,
        (_, _, false) => MessagePart::Call,
    };
    let Some(placed) = exchange.place(part) else { return };
    if side == Side::Request
        && !placed.executed
        && let Some(refused) = exchange.called_changed(call.name.as_str())
    {
        ruling.refuse(call.choice, refused);
    }
    let json = wire_arguments(call.kind, call.arguments.as_str());
    let event = Event::new(placed.stage, exchange.lane(), exchange.now_us())
        .tool(ToolEvent {
            name: call.name.as_str(),
            server: None,
            arguments: &json,
            editable: editable && call.kind != CallKind::Custom && call.arguments.has_way_back(),
            executed: placed.executed,
        })
        .measures(exchange.measures());
    let judgement = exchange.judge(&event);
    if judgement.act >= Act::Redact && call.kind != CallKind::Custom {
        for redaction in judgement.redactions.iter().filter(|r| r.place == Place::Arguments) {
            ruling.edits.extend(call.arguments.edit(redaction.start..redaction.end, &redaction.replacement));
            ruling.edited.push(call.choice);
        }
    }
    ruling.take(placed.stage, call.choice, &judgement);
    if !judgement.refuses() && !placed.executed {
        ruling.released.extend(judgement.tool);
    }
}

/// The arguments as JSON: a custom tool's free text becomes one member, so that the same rules look at it.
pub(crate) fn wire_arguments(kind: CallKind, text: &str) -> std::borrow::Cow<'_, str> {
    if kind == CallKind::Custom {
        let mut json = String::with_capacity(text.len() + 16);
        json.push_str("{\"input\":\"");
        json.push_str(&crate::protocol::text::escape(text));
        json.push_str("\"}");
        return json.into();
    }
    if text.trim().is_empty() { "{}".into() } else { text.into() }
}

/// What a part is in the words of the engine's table, if it is new.
fn kind(side: Side, part: &Part<'_>) -> MessagePart {
    match (side, part.role) {
        (_, Role::ToolDefinition) => MessagePart::ToolDefinition,
        (Side::Request, Role::System) => MessagePart::System,
        (Side::Request, Role::User) => MessagePart::NewUser,
        (Side::Request, Role::Other) => MessagePart::RequestText,
        (Side::Request, Role::Assistant | Role::Reasoning | Role::Refusal) => MessagePart::AssistantTurn,
        (Side::Request, Role::ToolResult) => MessagePart::NewToolResult,
        (Side::Answer, Role::ToolResult) => MessagePart::ToolAnswer,
        (Side::Answer, Role::Reasoning) => MessagePart::Reasoning,
        (Side::Answer, Role::Refusal) => MessagePart::Refusal,
        (Side::Answer, Role::Assistant | Role::System | Role::User | Role::Other) => MessagePart::Answer,
    }
}

/// What a channel of a stream is in the same words.
pub(crate) const fn kind_of_role(role: Role) -> MessagePart {
    match role {
        Role::ToolDefinition => MessagePart::ToolDefinition,
        Role::ToolResult => MessagePart::ToolAnswer,
        Role::Reasoning => MessagePart::Reasoning,
        Role::Refusal => MessagePart::Refusal,
        Role::Assistant | Role::System | Role::User | Role::Other => MessagePart::Answer,
    }
}
