//! What an exchange asks of the turns that were judged before, and what it tells of them.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::Exchange;
use super::records::some;
use crate::base::verdict::Act;
use crate::engine::facts::FactValue;
use crate::evidence::record;
use crate::guard::subject::OF_EXCHANGE;
use crate::guard::tally::Known;
use crate::guard::turns::{Chain, Turns};

/// Headers by which callers are known, beside `authorization`.
const KEYS: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

impl Exchange {
    /// The turns that are remembered.
    pub(crate) fn remembered(&self) -> &Turns {
        &self.shared.turns
    }

    /// Begins the hash of the conversation in the request, bound to what its judgement hangs on: the pacts in force, the
    /// task, the lane, and whose conversation it is. None where nothing is remembered.
    pub(crate) fn conversation(&self, headers: &HeaderMap) -> Option<Chain> {
        let mut chain = self.shared.turns.begin()?;
        chain.add(b'l', self.lane().as_str().as_bytes());
        chain.add(b'p', self.gathered.program().digest());
        let facts = &self.subject.facts;
        for (name, fact) in facts.iter().filter(|(name, _)| *name == "task.type" || name.starts_with("caller.")) {
            chain.add(b'n', name.as_bytes());
            match fact.value() {
                Some(FactValue::Text(text)) => chain.add(b't', text.as_bytes()),
                Some(FactValue::Bool(told)) => chain.add(b'b', &[u8::from(*told)]),
                Some(other) => chain.add(b'o', format!("{other:?}").as_bytes()),
                None => {}
            }
        }
        match self.subject.session_key.as_deref().filter(|key| !key.starts_with(OF_EXCHANGE)) {
            Some(session) => chain.add(b's', session.as_bytes()),
            None => callers(headers).for_each(|caller| chain.add(b'c', caller)),
        }
        Some(chain)
    }

    /// What a predicate is called.
    pub(crate) fn predicate_id(&self, predicate: u32) -> &str {
        self.gathered.program().predicate(predicate).map_or("", |info| &info.id)
    }

    /// Notes what became of the turns that were known.
    pub(crate) fn knew(&mut self, known: Known) {
        self.tally.turns = known;
        if known.redacted + known.withheld > 0 {
            // Another body than the caller's goes up, though no rule was broken anew.
            self.gathered.join(Act::Redact);
        }
    }

    /// The same for the record.
    pub(super) fn turns(&self) -> Option<record::Turns> {
        let Known { skipped, redacted, withheld } = self.tally.turns;
        let told = self.tally.turns != Known::default();
        told.then(|| record::Turns { redacted: some(redacted), skipped: some(skipped), withheld: some(withheld) })
    }
}

/// What tells the caller of a request. Of a scheme that signs each request only what comes before that stays the same.
fn callers(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    let authorization = headers.get(AUTHORIZATION).map(|value| {
        let value = value.as_bytes();
        let scheme = value.split(|b| *b == b' ').next().unwrap_or_default();
        let stays = scheme.eq_ignore_ascii_case(b"bearer") || scheme.eq_ignore_ascii_case(b"basic");
        if stays { value } else { value.split(|b| matches!(b, b'/' | b',')).next().unwrap_or_default() }
    });
    authorization.into_iter().chain(KEYS.iter().filter_map(|name| Some(headers.get(*name)?.as_bytes())))
}
