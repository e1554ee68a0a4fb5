//! What is written of the traffic: `exchange`, `intervention` and `pact.load`.
//!
//! Exactly one `exchange` record per exchange, written by its end whatever that end was; one
//! `intervention` for each block or hold and for each released call that permits harm, at the moment it
//! is decided. No content, no matched text, no URL with a query: words, ids, counts and commitments.
//! Fields marked *set by the log* are overwritten when the record is written.

use super::kind::{Kind, Tag};
use super::shape::{Bitmap, Int, Key, LogId, LongList, RecordId, Shape, Shaped, Spec, Text, object, shaped};
use crate::base::limits::{PREDICATES_MAX, RECORD_ARRAY_MAX};
use crate::base::names::{DataCategory, Lane, Mode, Stage, UnjudgedReason, words};
use crate::base::verdict::{Act, Severity};
use crate::seal::Digest;

words! {
    /// How an exchange ended.
    Completion {
        /// As it should.
        Completed = "completed",
        /// Handed to a person.
        Escalated = "escalated",
        /// Refused by us or by the agent.
        Declined = "declined",
        /// We failed.
        Failed = "failed",
        /// The client left.
        Cancelled = "cancelled",
        /// The upstream failed.
        UpstreamError = "upstream_error",
        /// Not known.
        Unknown = "unknown",
    }
}

words! {
    /// Where in the exchange something was decided.
    Moment {
        /// Before the upstream was called.
        BeforeUpstream = "before_upstream",
        /// At a tool call.
        Call = "call",
        /// At a tool's result.
        Result = "result",
        /// At the whole answer.
        Answer = "answer",
        /// In the middle of a stream.
        MidStream = "mid_stream",
        /// At the end.
        End = "end",
    }
}

shaped! {
    Completion => Shape::Word,
    Moment => Shape::Word,
}

object! {
    /// One rule that fired, so many times. Never the text it fired on.
    Hit {
        /// What it asked for.
        act: Act,
        /// The rule counts it as a breach only; a violation needs its window.
        breach: bool,
        /// How often.
        count: Int,
        /// Which detector, where there is one.
        detector: Option<Text>,
        /// A header's name, `query` or `path`; `joined` for values that only together are what was found.
        place: Option<Text>,
        /// Which predicate; in a portfolio `<pact>/<id>`.
        predicate: Text,
        /// Score of the surest hit in basis points.
        score_bp: Option<Int>,
        /// How grave.
        severity: Severity,
        /// Where in the interaction.
        stage: Stage,
    }

    /// A tool call that was seen; names are those of the catalogue.
    Call {
        /// What was done with it.
        act: Act,
        /// Read, write, send, ….
        action: Option<Text>,
        /// The provider had run it before we saw it.
        executed: bool,
        /// What it works on.
        target: Option<Text>,
        /// Which tool.
        tool: Text,
    }

    /// Commitments to content, each opened by a key of its own.
    #[derive(Default)]
    Commit {
        /// Arguments of the tool call.
        args: Option<Text>,
        /// Body to the caller, where it differs from `response`.
        delivered: Option<Text>,
        /// Day of the key.
        epoch: Option<Int>,
        /// Body to the upstream, where it differs from `request`.
        forwarded: Option<Text>,
        /// Body from the caller.
        request: Option<Text>,
        /// Body from the upstream.
        response: Option<Text>,
    }

    /// A figure that a window check acted on.
    Measure {
        /// Which figure.
        name: Text,
        /// Which predicate.
        predicate: Text,
        /// Its value.
        value: Int,
    }

    /// A pact in force.
    PactRef {
        /// Its id.
        id: Text,
        /// Its version.
        version: Text,
    }

    /// Bytes of an exchange.
    #[derive(Default)]
    Size {
        /// Most bytes held back at once.
        held_max: Option<Int>,
        /// From the caller.
        r#in: Int,
        /// To the caller.
        out: Int,
    }

    /// Times of an exchange.
    #[derive(Default)]
    Timing {
        /// To the first byte of the answer.
        first_byte_us: Option<Int>,
        /// Spent judging.
        judge_ns: Option<Int>,
        /// The whole.
        total_us: Int,
        /// To the head of the upstream's answer.
        upstream_us: Option<Int>,
    }

    /// Something that was not inspected.
    NotJudged {
        /// Why.
        reason: UnjudgedReason,
        /// What.
        what: Text,
    }

    /// What the model billed.
    #[derive(Default)]
    Tokens {
        /// In millionths of the currency.
        cost: Option<Int>,
        /// Of the cost.
        currency: Option<Text>,
        /// Tokens in.
        r#in: Option<Int>,
        /// Tokens out.
        out: Option<Int>,
        /// Version of the price table.
        table: Option<Text>,
    }

    /// Texts of earlier turns in a request that were judged when they were new.
    #[derive(Default)]
    Turns {
        /// Rewritten as they were then.
        redacted: Option<Int>,
        /// Passed over.
        skipped: Option<Int>,
        /// Refused then, and replaced by a note.
        withheld: Option<Int>,
    }

    /// One exchange, from its first byte to its end.
    #[derive(Default)]
    Exchange {
        /// The harshest act of the exchange: what the pact demands; `mode` says whether it was done.
        act: Act,
        /// Identity of the agent.
        agent: Option<Text>,
        /// Pseudonym of the caller.
        caller: Option<Text>,
        /// Tool calls seen.
        calls: Vec<Call>,
        /// Calls beyond the list.
        calls_more: Option<Int>,
        /// Capability of the pact.
        capability: Option<Text>,
        /// Bit per predicate of `pact.load`: it applied and was evaluated.
        checked: Option<Bitmap>,
        /// Commitments to the bodies.
        commit: Option<Commit>,
        /// How it ended.
        completion: Option<Completion>,
        /// Pseudonym of the counterparty.
        counterparty: Option<Text>,
        /// Data categories seen.
        data: Vec<DataCategory>,
        /// Categories beyond the list.
        data_more: Option<Int>,
        /// Rules that fired.
        hits: Vec<Hit>,
        /// Hits beyond the list.
        hits_more: Option<Int>,
        /// Set by the log.
        id: RecordId,
        /// Digest of the image in force.
        image: Option<Digest>,
        /// The interaction it belongs to.
        interaction: Option<Text>,
        /// How many intervention records belong to it. Set by the log.
        interventions: Option<Int>,
        /// Always `exchange`.
        kind: Tag<{ Kind::Exchange as usize }>,
        /// Which way the guard faced.
        lane: Option<Lane>,
        /// Set by the log.
        log: LogId,
        /// Figures that window checks acted on.
        measures: Vec<Measure>,
        /// Measures beyond the list.
        measures_more: Option<Int>,
        /// What the deployment does with verdicts.
        mode: Option<Mode>,
        /// Model name.
        model: Option<Text>,
        /// Where it ended or was decided.
        moment: Option<Moment>,
        /// Set by the log.
        mono_us: Int,
        /// Pacts in force.
        pacts: Vec<PactRef>,
        /// Pacts beyond the list.
        pacts_more: Option<Int>,
        /// Pseudonym of the principal.
        principal: Option<Text>,
        /// Which protocol was spoken.
        protocol: Option<Text>,
        /// Why, beyond the hits.
        reason: Option<Text>,
        /// Which route.
        route: Option<Text>,
        /// Config hash of the agent's runtime.
        runtime: Option<Text>,
        /// Pseudonym of the conversation.
        session: Option<Text>,
        /// Bytes.
        size: Option<Size>,
        /// Always `evidence/1`.
        spec: Spec,
        /// Status of the upstream.
        status: Option<Int>,
        /// `<type>` or `<type>/<id>` of the task.
        task: Option<Text>,
        /// Tenant.
        tenant: Option<Text>,
        /// Times.
        time: Option<Timing>,
        /// Set by the log.
        time_us: Int,
        /// Tool that was called, on the tools lane.
        tool: Option<Text>,
        /// Topics of the task text over threshold.
        topics: Vec<Text>,
        /// Topics beyond the list.
        topics_more: Option<Int>,
        /// W3C trace id.
        trace: Option<Text>,
        /// Texts of earlier turns that were judged before. Absent: there were none.
        turns: Option<Turns>,
        /// What was not inspected, and why. Absent: all was inspected.
        unjudged: Vec<NotJudged>,
        /// Entries beyond the list.
        unjudged_more: Option<Int>,
        /// What the model billed.
        usage: Option<Tokens>,
        /// Predicates left to judges.
        waiting: Vec<Text>,
        /// Predicates beyond the list.
        waiting_more: Option<Int>,
    }

    /// One block, hold, or released call that permits harm, at the moment it was decided.
    #[derive(Default)]
    Intervention {
        /// This act.
        act: Act,
        /// Identity of the agent.
        agent: Option<Text>,
        /// Id of the approval used.
        approval: Option<Text>,
        /// Pseudonym of the caller.
        caller: Option<Text>,
        /// Capability of the pact.
        capability: Option<Text>,
        /// Commitments so far.
        commit: Option<Commit>,
        /// Pseudonym of the counterparty.
        counterparty: Option<Text>,
        /// The exchange it belongs to. Set by the slot.
        exchange: RecordId,
        /// Rules that fired.
        hits: Vec<Hit>,
        /// Hits beyond the list.
        hits_more: Option<Int>,
        /// Set by the log, unless it is not nil.
        id: RecordId,
        /// Digest of the image in force.
        image: Option<Digest>,
        /// The interaction it belongs to.
        interaction: Option<Text>,
        /// Always `intervention`.
        kind: Tag<{ Kind::Intervention as usize }>,
        /// Which way the guard faced.
        lane: Option<Lane>,
        /// Set by the log.
        log: LogId,
        /// What the deployment does with verdicts.
        mode: Option<Mode>,
        /// Model name.
        model: Option<Text>,
        /// Where it was decided.
        moment: Option<Moment>,
        /// Set by the log.
        mono_us: Int,
        /// Pacts in force.
        pacts: Vec<PactRef>,
        /// Pacts beyond the list.
        pacts_more: Option<Int>,
        /// Pseudonym of the principal.
        principal: Option<Text>,
        /// Which protocol was spoken.
        protocol: Option<Text>,
        /// Why, beyond the hits.
        reason: Option<Text>,
        /// Which route.
        route: Option<Text>,
        /// Config hash of the agent's runtime.
        runtime: Option<Text>,
        /// Pseudonym of the conversation.
        session: Option<Text>,
        /// Always `evidence/1`.
        spec: Spec,
        /// `<type>` or `<type>/<id>` of the task.
        task: Option<Text>,
        /// Tenant.
        tenant: Option<Text>,
        /// Set by the log.
        time_us: Int,
        /// Tool that was called.
        tool: Option<Text>,
        /// W3C trace id.
        trace: Option<Text>,
    }

    /// A pact as it was loaded.
    LoadedPact {
        /// Digest of its normal or source form.
        digest: Digest,
        /// Its id.
        id: Text,
        /// Whether it carried the signatures that trust asks for.
        signed: bool,
        /// Its version.
        version: Text,
    }

    /// A pack as it was loaded.
    LoadedPack {
        /// Digest of its text.
        digest: Digest,
        /// Its name.
        pack: Text,
        /// Its version.
        version: Text,
    }

    /// The mode of one route.
    RouteMode {
        /// Its mode.
        mode: Mode,
        /// Its name.
        route: Text,
    }

    /// Someone who signed.
    Signer {
        /// DID.
        by: Text,
        /// As what.
        role: Text,
    }

    /// Pacts came into force, or were refused.
    #[derive(Default)]
    PactLoad {
        /// Predicates that this build cannot run and the operator accepted.
        accepted: Vec<Text>,
        /// Predicates beyond the list.
        accepted_more: Option<Int>,
        /// Set by the log, unless it is not nil.
        id: RecordId,
        /// Digest of the image.
        image: Option<Digest>,
        /// Always `pact.load`.
        kind: Tag<{ Kind::PactLoad as usize }>,
        /// Set by the log.
        log: LogId,
        /// Set by the log.
        mono_us: Int,
        /// Packs used.
        packs: Vec<LoadedPack>,
        /// Packs beyond the list.
        packs_more: Option<Int>,
        /// Pacts in force.
        pacts: Vec<LoadedPact>,
        /// Pacts beyond the list.
        pacts_more: Option<Int>,
        /// Predicate ids in the order of the `checked` bits.
        predicates: LongList,
        /// Predicates beyond the list.
        predicates_more: Option<Int>,
        /// Why it was refused, or what is noteworthy.
        reason: Option<Text>,
        /// `loaded`, `unchanged`, `refused`, or `stored`: kept, whether or not it comes into force.
        result: Text,
        /// Mode per route.
        routes: Vec<RouteMode>,
        /// Routes beyond the list.
        routes_more: Option<Int>,
        /// Whether every pact carried the signatures that trust asks for.
        signed: bool,
        /// Who signed.
        signers: Vec<Signer>,
        /// Signers beyond the list.
        signers_more: Option<Int>,
        /// Always `evidence/1`.
        spec: Spec,
        /// Set by the log.
        time_us: Int,
        /// The load allows something that was not allowed before.
        widening: bool,
    }
}

/// Cuts a list to [`RECORD_ARRAY_MAX`] entries and counts the rest beside it.
fn cap<T>(list: &mut Vec<T>, more: &mut Option<Int>) {
    cap_at(list, more, RECORD_ARRAY_MAX);
}

fn cap_at<T>(list: &mut Vec<T>, more: &mut Option<Int>, max: usize) {
    let beyond = list.len().saturating_sub(max);
    if beyond > 0 {
        list.truncate(max);
        *more = Some(Int::saturating(more.map_or(0, Int::get).saturating_add(i64::try_from(beyond).unwrap_or(i64::MAX))));
    }
}

fn sort_hits(hits: &mut [Hit]) {
    hits.sort_by(|a, b| (&a.predicate, a.stage, &a.detector, a.act).cmp(&(&b.predicate, b.stage, &b.detector, b.act)));
}

impl Exchange {
    /// Sorts what is a set and cuts what is too long, with counts.
    pub(crate) fn bound(&mut self) {
        sort_hits(&mut self.hits);
        self.data.sort_unstable_by_key(|d| d.as_str());
        self.data.dedup();
        self.topics.sort_unstable();
        self.topics.dedup();
        self.waiting.sort_unstable();
        self.waiting.dedup();
        self.bound_to(RECORD_ARRAY_MAX);
    }

    /// Cuts every list to `max` entries, with counts.
    pub(crate) fn bound_to(&mut self, max: usize) {
        cap_at(&mut self.calls, &mut self.calls_more, max);
        cap_at(&mut self.data, &mut self.data_more, max);
        cap_at(&mut self.hits, &mut self.hits_more, max);
        cap_at(&mut self.measures, &mut self.measures_more, max);
        cap_at(&mut self.pacts, &mut self.pacts_more, max);
        cap_at(&mut self.topics, &mut self.topics_more, max);
        cap_at(&mut self.unjudged, &mut self.unjudged_more, max);
        cap_at(&mut self.waiting, &mut self.waiting_more, max);
    }

    /// What always fits: who, what, how it ended; the rest is counted and named as not kept.
    pub(crate) fn minimal(mut self) -> Self {
        self.bound_to(0);
        let keep = Self {
            act: self.act,
            calls_more: self.calls_more,
            completion: self.completion,
            data_more: self.data_more,
            hits_more: self.hits_more,
            id: self.id,
            image: self.image,
            interventions: self.interventions,
            lane: self.lane,
            log: self.log,
            measures_more: self.measures_more,
            mode: self.mode,
            moment: self.moment,
            mono_us: self.mono_us,
            pacts_more: self.pacts_more,
            reason: self.reason,
            size: self.size,
            status: self.status,
            time: self.time,
            time_us: self.time_us,
            topics_more: self.topics_more,
            unjudged_more: self.unjudged_more,
            waiting_more: self.waiting_more,
            unjudged: vec![NotJudged { reason: UnjudgedReason::OverLimit, what: Text::from("record") }],
            ..Self::default()
        };
        Self { reason: keep.reason.map(|r| Text::from(super::shape::cut(r.as_str(), super::shape::WORD_MAX))), ..keep }
    }
}

impl Intervention {
    /// Sorts what is a set and cuts what is too long, with counts.
    pub(crate) fn bound(&mut self) {
        sort_hits(&mut self.hits);
        self.bound_to(RECORD_ARRAY_MAX);
    }

    /// Cuts every list to `max` entries, with counts.
    pub(crate) fn bound_to(&mut self, max: usize) {
        cap_at(&mut self.hits, &mut self.hits_more, max);
        cap_at(&mut self.pacts, &mut self.pacts_more, max);
    }
}

impl PactLoad {
    /// Cuts what is too long, with counts.
    pub(crate) fn bound(&mut self) {
        cap(&mut self.accepted, &mut self.accepted_more);
        cap(&mut self.packs, &mut self.packs_more);
        cap(&mut self.pacts, &mut self.pacts_more);
        cap(&mut self.routes, &mut self.routes_more);
        cap(&mut self.signers, &mut self.signers_more);
        cap_at(&mut self.predicates.0, &mut self.predicates_more, PREDICATES_MAX);
    }

    /// Cuts the list of predicates to `max`, with a count.
    pub(crate) fn bound_predicates(&mut self, max: usize) {
        cap_at(&mut self.predicates.0, &mut self.predicates_more, max);
    }
}
