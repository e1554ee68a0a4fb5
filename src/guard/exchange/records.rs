//! What an exchange writes down: interventions as they happen, and at its end, with what it came to, its one record.

use std::sync::Arc;

use super::{End, Exchange};
use crate::base::names::Stage;
use crate::base::telemetry;
use crate::base::verdict::{Act, Unjudged};
use crate::engine::event::{Event, Measures};
use crate::engine::exchange::RuleHit;
use crate::evidence::Slot;
use crate::evidence::log::Commitment;
use crate::evidence::record::{self, Completion, Int, Moment};
use crate::guard::pending::Durable;
use crate::guard::refused::Refused;
use crate::guard::route::Durability;
use crate::protocol::Why;

/// What an intervention record says.
#[derive(Debug)]
pub(super) struct Noted<'a> {
    pub(super) act: Act,
    pub(super) moment: Moment,
    pub(super) hit: Option<&'a RuleHit>,
    pub(super) reason: Option<&'static str>,
    pub(super) tool: Option<&'a str>,
    /// A call that permits harm is let go: it must be on disk first.
    pub(super) released: bool,
}

impl Noted<'_> {
    /// That this was done, and when it was decided.
    pub(super) fn new(act: Act, moment: Moment) -> Self {
        Self { act, moment, hit: None, reason: None, tool: None, released: false }
    }
}

impl Exchange {
    /// Writes an intervention record: fast, or strict where the act must be durable first.
    pub(super) fn intervention(&mut self, noted: &Noted<'_>) -> Option<Durable> {
        let slot = self.slot.as_ref()?;
        let strict = self.acts()
            && match self.shared.route.durability {
                Durability::Strict => true,
                Durability::Default => noted.released,
                Durability::Fast => false,
            };
        let record = record::Intervention {
            act: noted.act,
            agent: Some(Arc::clone(&self.gathered.program().identity().agent).into()),
            hits: noted.hit.map(|hit| self.hit(hit)).into_iter().collect(),
            image: Some(crate::seal::Digest(*self.gathered.program().digest())),
            lane: Some(self.lane()),
            mode: Some(self.shared.route.mode),
            model: self.tally.model.as_deref().map(Into::into),
            moment: Some(noted.moment),
            pacts: self.pacts(),
            protocol: Some(self.protocol.into()),
            reason: noted.reason.map(Into::into),
            route: Some(self.shared.route.name.as_str().into()),
            tool: noted.tool.map(Into::into),
            trace: self.trace.as_deref().map(Into::into),
            ..record::Intervention::default()
        };
        if strict {
            let ticket = slot.strict(record);
            return Some(Durable::new(async move { ticket.await.is_ok() }));
        }
        // A full queue has counted the loss itself.
        slot.fast(record).ok();
        None
    }

    /// Judges the end, tells what the exchange came to, and writes its record.
    pub(super) fn close_up(&mut self) {
        let total_ns = self.steady_ns().saturating_sub(self.started_ns);
        if self.end == Some(End::Completed) {
            let measures = Measures {
                latency_ms: Some(total_ns / 1_000_000),
                tokens_in: self.tally.usage.map(|u| u.input),
                tokens_out: self.tally.usage.map(|u| u.output),
                reply_chars: Some(self.tally.reply_chars),
                ..self.measures()
            };
            let event = Event::new(Stage::End, self.lane(), self.now_us).measures(measures);
            self.judge(&event);
        }
        if let Some(topics) = self.gathered.topics() {
            self.subject.session.update(|session| session.keep_topics(topics.into()));
        }
        telemetry::exchange(self.lane(), self.protocol, self.gathered.act(), self.shared.route.mode);
        telemetry::judge_seconds(self.tally.judge_ns);
        if self.tally.held_max > 0 {
            telemetry::stream_hold(self.tally.hold_ns_max, self.tally.held_max);
        }
        for hit in self.gathered.hits() {
            if let Some(predicate) = self.predicate(hit) {
                telemetry::violation(predicate, hit.severity);
            }
        }
        let beyond = self.gathered.hits_more() > 0;
        self.shared.fulfilment.add(self.gathered.program(), self.lane(), self.gathered.hits(), beyond);
        if self.slot.is_some() {
            let record = self.record(total_ns);
            if let Some(slot) = self.slot.take() {
                slot.write(record);
            }
        }
    }

    fn record(&mut self, total_ns: u64) -> record::Exchange {
        let int = |n: u64| Int::saturating(n);
        if self.commits.altered {
            self.commit_delivered();
        }
        let finish = |c: &mut Option<Commitment>| c.take().map(|c| c.finish().into());
        let commits = &mut self.commits;
        let commit = record::Commit {
            delivered: finish(&mut commits.delivered).filter(|_| commits.altered),
            epoch: self.slot.as_ref().map(Slot::epoch),
            ..record::Commit::default()
        };
        let commits = &mut self.commits;
        let commit = record::Commit {
            forwarded: finish(&mut commits.forwarded),
            request: finish(&mut commits.request),
            response: finish(&mut commits.response),
            ..commit
        };
        let predicates = self.gathered.program().predicates();
        let not_judged = |u: &Unjudged| record::NotJudged { reason: u.reason, what: u.what.as_str().into() };
        record::Exchange {
            act: self.gathered.act(),
            agent: Some(Arc::clone(&self.gathered.program().identity().agent).into()),
            calls: std::mem::take(&mut self.tally.calls),
            checked: Some(record::Bitmap::new(self.gathered.checked().to_bytes(predicates.len()))),
            commit: Some(commit),
            completion: Some(self.completion()),
            data: self.gathered.data().iter().collect(),
            hits: self.gathered.hits().iter().map(|hit| self.hit(hit)).collect(),
            hits_more: some(self.gathered.hits_more()),
            image: Some(crate::seal::Digest(*self.gathered.program().digest())),
            lane: Some(self.lane()),
            mode: Some(self.shared.route.mode),
            model: self.tally.model.as_deref().map(Into::into),
            moment: self.moment,
            pacts: self.pacts(),
            protocol: Some(self.protocol.into()),
            reason: self.refused.as_ref().or(self.spared.as_ref()).and_then(Refused::reason).map(Into::into),
            route: Some(self.shared.route.name.as_str().into()),
            session: self.pseudonym(),
            size: Some(record::Size {
                held_max: some(self.tally.held_max as u64),
                r#in: int(self.tally.size_in),
                out: int(self.tally.size_out),
            }),
            status: self.tally.status.map(|s| s.as_u16().into()),
            task: self.subject.facts.task().map(Into::into),
            time: Some(record::Timing {
                first_byte_us: self.tally.first_byte_ns.map(|ns| int(ns / 1_000)),
                judge_ns: Some(int(self.tally.judge_ns)),
                total_us: int(total_ns / 1_000),
                upstream_us: self.tally.upstream_ns.map(|ns| int(ns / 1_000)),
            }),
            topics: self.gathered.topics().into_iter().flatten().map(Into::into).collect(),
            trace: self.trace.as_deref().map(Into::into),
            turns: self.turns(),
            unjudged: self.gathered.unjudged().iter().map(not_judged).collect(),
            usage: self.tally.usage.map(|u| record::Tokens {
                r#in: Some(int(u.input)),
                out: Some(int(u.output)),
                ..record::Tokens::default()
            }),
            waiting: (0..)
                .zip(predicates)
                .filter(|(at, p)| p.judged && self.gathered.program().governs(*at))
                .map(|(_, p)| Arc::clone(&p.id).into())
                .collect(),
            ..record::Exchange::default()
        }
    }

    fn completion(&self) -> Completion {
        match (&self.refused, self.end) {
            (Some(refused), Some(End::Completed)) if refused.why != Why::Engine => Completion::Declined,
            (Some(refused), _) if refused.why == Why::Engine => Completion::Failed,
            (_, Some(End::Completed)) => Completion::Completed,
            (_, Some(End::UpstreamError)) => Completion::UpstreamError,
            (_, Some(End::Cancelled) | None) => Completion::Cancelled,
        }
    }

    fn pacts(&self) -> Vec<record::PactRef> {
        let one = |id: &Arc<str>, version: &Arc<str>| record::PactRef {
            id: Arc::clone(id).into(),
            version: Arc::clone(version).into(),
        };
        self.gathered.program().pacts().map(|frame| one(&frame.pact, &frame.version)).collect()
    }

    fn pseudonym(&self) -> Option<record::Text> {
        let key = self.subject.session_key.as_deref()?;
        Some(self.shared.log.as_ref()?.pseudonym("session", key).into())
    }

    fn hit(&self, hit: &RuleHit) -> record::Hit {
        record::Hit {
            act: hit.act,
            breach: self.gathered.program().beyond().counts(hit.predicate),
            count: hit.count.into(),
            detector: Some(Arc::clone(&hit.detector).into()),
            place: hit.place.clone().map(Into::into),
            predicate: self.predicate(hit).unwrap_or_default().into(),
            score_bp: Some(hit.score_bp.into()),
            severity: hit.severity,
            stage: hit.stage,
        }
    }
}

pub(super) fn some(count: u64) -> Option<Int> {
    (count > 0).then(|| Int::saturating(count))
}
