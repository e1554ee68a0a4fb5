//! What the benches of evidence write.

use servanda::base::names::{Lane, Mode, Stage};
use servanda::base::verdict::{Act, Severity};
use servanda::evidence::log::LogHandle;
use servanda::evidence::record::{Commit, Completion, Exchange, Hit, PactRef, Size, Text, Timing};
use servanda::seal::digest;

/// xorshift: digests that do not repeat.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn digest(&mut self) -> Text {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Text::from(digest(&self.0.to_le_bytes()).base64url())
    }

    fn below(&mut self, end: u64) -> u64 {
        self.digest();
        self.0 % end
    }
}

/// An exchange as a busy route writes it, about 900 bytes: two commitments, the rest repeats or counts.
pub(crate) fn exchange(random: &mut Random) -> Exchange {
    Exchange {
        act: Act::Redact,
        agent: Some(Text::from("did:web:vendor.example:agents:support")),
        commit: Some(Commit { request: Some(random.digest()), response: Some(random.digest()), ..Commit::default() }),
        completion: Some(Completion::Completed),
        hits: vec![Hit {
            act: Act::Redact,
            breach: false,
            count: 1u32.into(),
            detector: Some(Text::from("pii.payment_card")),
            place: None,
            predicate: Text::from("pii"),
            score_bp: Some(9_900u32.into()),
            severity: Severity::Critical,
            stage: Stage::Response,
        }],
        image: Some(digest(b"image")),
        lane: Some(Lane::Model),
        mode: Some(Mode::Enforce),
        model: Some(Text::from("example-llm")),
        pacts: vec![PactRef { id: Text::from("acme-support"), version: Text::from("2.1.0") }],
        protocol: Some(Text::from("openai")),
        size: Some(Size { held_max: None, r#in: (random.below(SIZES) as u32).into(), out: (random.below(SIZES) as u32).into() }),
        status: Some(200u32.into()),
        time: Some(Timing { total_us: (random.below(TIMES) as u32).into(), ..Timing::default() }),
        ..Exchange::default()
    }
}

/// Sizes of bodies and times are drawn below these.
pub(crate) const SIZES: u64 = 1 << 14;
pub(crate) const TIMES: u64 = 1 << 20;

/// Hands over records, as many as there is room for at once, and waits until all are durable.
pub(crate) fn fill(handle: &LogHandle, records: impl IntoIterator<Item = Exchange>) {
    for record in records {
        let slot = loop {
            match handle.reserve() {
                Ok(slot) => break slot,
                Err(_) => drop(handle.flush().wait()),
            }
        };
        slot.write(record);
    }
    handle.flush().wait().unwrap();
}
