//! The records of a log: form, kind, order and time of each, and whether what they count is there.

use serde_json::Value;

use super::{Audit, claims};
use crate::base::verdict::Act;
use crate::evidence::check::{Glance, check};
use crate::evidence::kind::Kind;
use crate::evidence::record::RecordId;
use crate::evidence::report::Outcome;

impl Audit<'_> {
    /// A record of a time at which the key was no longer, or not yet, delegated. Time is what has passed since
    /// the start, so that a wall clock that jumps makes nothing invalid.
    fn in_time(&mut self, glance: &Glance<'_>, name: &str, index: u64) {
        let (Some((from, until)), Some(time), Some(mono)) = (self.holds, glance.time_us, glance.mono_us) else { return };
        let start = if index == 0 { time.saturating_sub(mono) } else { from };
        if start < from || start.saturating_add(mono) > until {
            // Told once.
            self.holds = None;
            self.invalid("delegation_expired", name, Some(index), "the root delegated the key for another time");
        } else if index == 0 {
            self.holds = Some((start, until));
        }
    }

    /// Looks at the record of this index.
    pub(super) fn record(&mut self, bytes: &[u8], name: &str, index: u64) {
        let glance = match check(bytes) {
            Ok(glance) => glance,
            Err(wrong) => {
                self.counted = false;
                return self.invalid(wrong.code, name, Some(index), wrong.detail);
            }
        };
        self.in_time(&glance, name, index);
        if glance.log != self.log_id {
            self.invalid("foreign_record", name, Some(index), "it was written for another log");
        }
        let Some(kind) = glance.kind else {
            self.report.unknown_kind += 1;
            return;
        };
        *self.report.kinds.entry(kind.as_str().to_owned()).or_default() += 1;
        if (index == 0) != (kind == Kind::LogOpen) {
            self.invalid("not_opened", name, Some(index), "a log begins with its one log.open");
        }
        match kind {
            Kind::Exchange => {
                self.exchanges += 1;
                *self.report.acts.entry(glance.act.to_owned()).or_default() += 1;
                self.report.unjudged += u64::from(glance.unjudged);
                if !self.ended.insert(glance.id) {
                    self.invalid("duplicate_record", name, Some(index), "this exchange has ended before");
                }
                let seen = self.intervened.remove(&glance.id).unwrap_or(0);
                // Some may have stood in what retention took away.
                let fits = seen == glance.interventions || (self.report.pruned > 0 && seen < glance.interventions);
                if self.counted && self.report.lost == 0 && !fits {
                    let detail = format!("it counts {} interventions, here are {seen}", glance.interventions);
                    self.invalid("counter_mismatch", name, Some(index), detail);
                }
            }
            Kind::Intervention => {
                self.interventions += 1;
                if let Some(exchange) = glance.exchange.filter(|id| !id.is_nil()) {
                    *self.intervened.entry(exchange).or_default() += 1;
                }
            }
            Kind::Heartbeat | Kind::Gap | Kind::LogOpen | Kind::LogSeal | Kind::Recovery | Kind::ConfigChange | Kind::Erasure => {
                if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
                    self.keeping(kind, &value, name, index);
                }
            }
            _ => {}
        }
        if let Some(time) = glance.time_us {
            let first = self.report.time_us.map_or(time, |(first, _)| first);
            self.report.time_us = Some((first, time));
        }
    }

    fn keeping(&mut self, kind: Kind, value: &Value, name: &str, index: u64) {
        let int = |key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
        match kind {
            Kind::Gap => self.report.lost += int("count"),
            Kind::LogSeal => {
                if int("size") != index + 1 {
                    self.invalid("counter_mismatch", name, Some(index), format!("the seal speaks of {} records", int("size")));
                }
                self.sealed = Some((index, int("in_flight")));
            }
            Kind::LogOpen => {
                if text("origin") != self.origin {
                    self.invalid("wrong_origin", name, Some(index), "log.open names another origin");
                }
                if self.key.as_ref().is_some_and(|key| key.to_string() != text("vkey")) {
                    self.invalid("unknown_key", name, Some(index), "log.open names a key that the root did not delegate");
                }
                self.claims.prev = value.get("prev").and_then(claims::heir);
            }
            Kind::Recovery => {
                if let Some((origin, heir)) = &mut self.claims.prev
                    && origin == text("origin")
                {
                    let ids = value.get("ids").and_then(Value::as_array).into_iter().flatten();
                    heir.closed.extend(ids.filter_map(|id| RecordId::parse(id.as_str()?)));
                    heir.closed_more += int("ids_more");
                    heir.missing |= value.get("missing").is_some();
                }
            }
            Kind::ConfigChange => self.claims.pruned.take(value),
            Kind::Erasure => self.claims.pruned.forget(value),
            Kind::Heartbeat if self.counted => {
                let acts = value.get("acts");
                let theirs = |act: Act| acts.and_then(|a| a.get(act.as_str())).and_then(Value::as_u64).unwrap_or(0);
                let ours = |act: Act| self.report.acts.get(act.as_str()).copied().unwrap_or(0);
                let counted: Vec<(&'static str, u64, u64)> = Act::ALL
                    .iter()
                    .map(|act| (act.as_str(), theirs(*act), ours(*act)))
                    .chain([
                        ("ended", int("ended"), self.exchanges),
                        ("interventions", int("interventions"), self.interventions),
                        ("lost", int("lost"), self.report.lost),
                        ("unjudged", int("unjudged"), self.report.unjudged),
                    ])
                    .collect();
                // Where the front is gone, the first heartbeat says what had been counted there.
                if self.report.pruned > 0 && self.base.is_none() {
                    self.base = Some(counted.iter().map(|(key, theirs, ours)| (*key, theirs.saturating_sub(*ours))).collect());
                }
                let before = |key: &str| self.base.as_ref().and_then(|base| base.get(key).copied()).unwrap_or(0);
                let wrong = counted.iter().find(|(key, theirs, ours)| *theirs != ours + before(key)).map(|(key, ..)| *key);
                if let Some(key) = wrong {
                    self.invalid(
                        "counter_mismatch",
                        name,
                        Some(index),
                        format!("`{key}` is not the number of records before it"),
                    );
                }
            }
            _ => {}
        }
    }

    /// Every intervention has its exchange, or is accounted for.
    pub(super) fn ends(&mut self) {
        let open: Vec<RecordId> = self.intervened.keys().filter(|id| !self.ended.contains(id)).copied().collect();
        self.report.open_exchanges = open.len() as u64;
        let allowed = if let Some((_, in_flight)) = self.sealed {
            in_flight
        } else if let Some(heir) = self.heir {
            open.iter().filter(|id| heir.closed.contains(id)).count() as u64 + heir.closed_more
        } else {
            return;
        };
        if open.len() as u64 > allowed && self.counted && self.report.lost == 0 {
            let detail = format!("{} interventions have no exchange, {allowed} are accounted for", open.len());
            self.report.find("missing_exchange", Outcome::Incomplete, "", None, detail);
        }
    }
}
