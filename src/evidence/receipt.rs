//! Receipts: what the key of a log says of one record, to be held against us by whoever has it.
//!
//! A receipt is a signed note whose text begins with [`RECEIPT`], so that it can be taken for no head, delegation or
//! revocation. Behind it stands the delegation of the key that signed it: a root key alone is enough to check it.
//!
//! What it says depends on its [`Level`], which is part of the text that is signed. It does not say what the record says,
//! only which bytes it is; and it names no head: who wants the record under the tree asks for its proof.

use super::error::LogError;
use super::note::{self, Delegation, NOTE_MAX, NoteKey, is_name};
use super::revoked;
use super::shape::RecordId;
use crate::seal::{Digest, SigningKey, encode};

/// First line of a receipt.
pub const RECEIPT: &str = "evidence-receipt/v1";

/// What a receipt is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// The writer has the record and promises to write it. Nothing is acknowledged: it was not on disk yet.
    Signed,
    /// The record is on disk, at the index that the receipt names.
    Durable,
}

impl Level {
    /// The word in a question.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Durable => "durable",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Signed, Self::Durable].into_iter().find(|level| level.as_str() == word)
    }

    /// What the text that is signed says of it.
    const fn says(self) -> &'static str {
        match self {
            Self::Signed => "signed: promised to be written",
            Self::Durable => "durable: on disk",
        }
    }
}

/// What is signed of one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The record.
    pub record: RecordId,
    /// Origin of its log.
    pub log: String,
    /// Its leaf in the tree.
    pub leaf: Digest,
    /// Where it lies on disk; none where that was only promised.
    pub index: Option<u64>,
    /// When it was signed, in microseconds since the Unix epoch: the start of the log by the wall clock, and what has
    /// passed since by the steady one.
    pub time_us: i64,
}

impl Receipt {
    /// What it is worth.
    pub const fn level(&self) -> Level {
        if self.index.is_some() { Level::Durable } else { Level::Signed }
    }

    /// The text that the key of the log signs.
    pub fn text(&self) -> String {
        let (level, leaf) = (self.level().says(), encode::base64(&self.leaf.0));
        let index = self.index.map(|index| format!("index {index}\n")).unwrap_or_default();
        format!(
            "{RECEIPT}\nlevel {level}\nrecord {}\nlog {}\nleaf {leaf}\n{index}time_us {}\n",
            self.record, self.log, self.time_us
        )
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let bad =
            || LogError::Malformed("a receipt has these lines: its name, level, record, log, leaf, index if durable, time_us");
        let rest = text.strip_prefix(RECEIPT).and_then(|rest| rest.strip_prefix('\n')).ok_or_else(bad)?;
        let mut lines = rest.strip_suffix('\n').ok_or_else(bad)?.split('\n');
        let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).ok_or_else(bad);
        let durable = field("level ")? == Level::Durable.says();
        let receipt = Self {
            record: RecordId::parse(field("record ")?).ok_or_else(bad)?,
            log: field("log ")?.to_owned(),
            leaf: encode::parse_base64(field("leaf ")?).and_then(|leaf| leaf.try_into().ok()).map(Digest).ok_or_else(bad)?,
            index: if durable { Some(field("index ")?.parse().map_err(|_| bad())?) } else { None },
            time_us: field("time_us ")?.parse().map_err(|_| bad())?,
        };
        // One receipt has one text: what was not read exactly is refused.
        if receipt.text() == text && is_name(&receipt.log) { Ok(receipt) } else { Err(bad()) }
    }
}

/// A receipt as it is given away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// What it says.
    pub receipt: Receipt,
    /// The signed note, an empty line, and the delegation of the key that signed it.
    pub text: String,
}

/// Signs a receipt with the key of its log.
pub(crate) fn issue(receipt: Receipt, key: &SigningKey, delegation: &str) -> Result<Issued, LogError> {
    let note = note::sign(&receipt.text(), &receipt.log, key)?;
    Ok(Issued { receipt, text: format!("{note}\n{delegation}") })
}

/// Checks a receipt: against a root key, by the delegation that stands behind it and what the root took back since; or
/// against the key of the log itself, where a delegation is not looked at.
///
/// # Errors
/// It cannot be read, or who it is held against did not sign it or vouches for it no longer.
pub fn open(file: &[u8], key: &NoteKey, revocations: &[Vec<u8>]) -> Result<Receipt, LogError> {
    let malformed = LogError::Malformed;
    if file.len() > 2 * NOTE_MAX {
        return Err(malformed("the receipt is too long"));
    }
    let file = std::str::from_utf8(file).map_err(|_| malformed("the receipt is not UTF-8"))?;
    // The text, an empty line, its signatures; then an empty line and the delegation.
    let mut breaks = file.match_indices("\n\n").map(|(at, _)| at);
    let text = breaks.next().and_then(|at| file.get(..=at)).ok_or_else(|| malformed("the receipt has no signature"))?;
    let (own, delegation) = match breaks.next() {
        Some(at) => (file.get(..=at).unwrap_or_default(), file.get(at + 2..)),
        None => (file, None),
    };
    let said = Receipt::parse(text)?;
    if key.name() == said.log {
        if !revocations.is_empty() {
            return Err(malformed("what a root took back is held against the root key, not against that of a log"));
        }
        return Receipt::parse(note::open(own.as_bytes(), &[key])?);
    }
    let delegation = delegation.ok_or_else(|| malformed("the receipt carries no delegation: give the key of its log"))?;
    let delegation = Delegation::parse(note::open(delegation.as_bytes(), &[key])?)?;
    if delegation.origin != said.log || delegation.key.name() != said.log {
        return Err(malformed("the delegation behind the receipt is of another log"));
    }
    let receipt = Receipt::parse(note::open(own.as_bytes(), &[&delegation.key])?)?;
    if !(delegation.from..=delegation.until).contains(&receipt.time_us.div_euclid(1_000_000)) {
        return Err(malformed("its key was not delegated for the time that the receipt names"));
    }
    for note in revocations {
        let revocation = revoked::read(note, key)?;
        if revocation.key == delegation.key && receipt.index.is_none_or(|index| index >= revocation.size) {
            return Err(malformed("the root took its key back, and vouches for no record that the receipt could name"));
        }
    }
    Ok(receipt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::note::{Checkpoint, Revocation};
    use crate::seal::digest;

    const ORIGIN: &str = "example.org/evidence/a/00000003-5be4a1f29c77";
    const TIME: i64 = 1_760_000_000_000_000;

    struct Keys {
        root: SigningKey,
        log: SigningKey,
    }

    impl Keys {
        fn new() -> Self {
            Self { root: SigningKey::from_seed(&[1; 32]), log: SigningKey::from_seed(&[2; 32]) }
        }

        fn root(&self) -> NoteKey {
            NoteKey::new("example.org/evidence/a/root", self.root.verifying()).unwrap()
        }

        fn log(&self) -> NoteKey {
            NoteKey::new(ORIGIN, self.log.verifying()).unwrap()
        }

        fn delegation(&self, origin: &str, key: NoteKey) -> String {
            let at = TIME / 1_000_000;
            let delegation = Delegation { origin: origin.to_owned(), key, from: at - 10, until: at + 10, build: None };
            note::sign(&delegation.text(), self.root().name(), &self.root).unwrap()
        }

        fn issue(&self, receipt: &Receipt) -> String {
            issue(receipt.clone(), &self.log, &self.delegation(ORIGIN, self.log())).unwrap().text
        }

        fn revocation(&self, size: u64) -> Vec<u8> {
            let revocation = Revocation { key: self.log(), size, root: digest(b"") };
            note::sign(&revocation.text(), self.root().name(), &self.root).unwrap().into_bytes()
        }
    }

    fn durable() -> Receipt {
        Receipt {
            record: RecordId::parse("0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11").unwrap(),
            log: ORIGIN.to_owned(),
            leaf: digest(b"record"),
            index: Some(17),
            time_us: TIME,
        }
    }

    fn signed() -> Receipt {
        Receipt { index: None, ..durable() }
    }

    #[test]
    fn a_receipt_has_one_text() {
        let text = "evidence-receipt/v1\nlevel durable: on disk\nrecord 0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11\n\
                    log example.org/evidence/a/00000003-5be4a1f29c77\nleaf cM6HH4o9P7RJvDw6zmVHzvAt/HT/5I2RJTKnJL/b5bk=\nindex 17\n\
                    time_us 1760000000000000\n";
        assert_eq!(durable().text(), text);
        let promised = "evidence-receipt/v1\nlevel signed: promised to be written\nrecord 0199b0a2-7c1e-7d10-a5f2-3f1f7d3f9b11\n\
                        log example.org/evidence/a/00000003-5be4a1f29c77\nleaf cM6HH4o9P7RJvDw6zmVHzvAt/HT/5I2RJTKnJL/b5bk=\n\
                        time_us 1760000000000000\n";
        assert_eq!(signed().text(), promised);
        for receipt in [durable(), signed()] {
            let text = receipt.text();
            assert_eq!(Receipt::parse(&text).unwrap(), receipt);
            for (from, to) in [
                ("/v1", "/v2"),
                ("durable: on disk", "durable"),
                ("signed: promised", "durable: promised"),
                ("index 17", "index 017"),
                ("index 17", "index +17"),
                ("index 17\n", ""),
                ("time_us 1", "time_us +1"),
                ("0199b0a2", "0199B0A2"),
                ("log example", "log exa mple"),
                ("time_us", "time_us 1\ntime_us"),
            ] {
                let bad = text.replace(from, to);
                assert!(bad == text || Receipt::parse(&bad).is_err(), "{bad}");
            }
            assert!(Receipt::parse(text.trim_end()).is_err() && Receipt::parse(&format!("{text}\n")).is_err());
        }
    }

    #[test]
    fn every_flipped_bit_of_a_receipt_and_its_delegation_is_noticed() {
        let keys = Keys::new();
        for receipt in [durable(), signed()] {
            let file = keys.issue(&receipt).into_bytes();
            assert_eq!(open(&file, &keys.root(), &[]).unwrap(), receipt);
            for bit in 0..file.len() * 8 {
                let mut bad = file.clone();
                bad[bit / 8] ^= 1 << (bit % 8);
                assert!(open(&bad, &keys.root(), &[]).is_err(), "bit {bit}");
            }
            // The note alone is enough for who has the key of the log.
            let note = note::sign(&receipt.text(), ORIGIN, &keys.log).unwrap();
            assert_eq!(open(note.as_bytes(), &keys.log(), &[]).unwrap(), receipt);
            assert!(open(note.as_bytes(), &keys.root(), &[]).unwrap_err().to_string().contains("no delegation"));
            for cut in 0..note.len() {
                assert!(open(&note.as_bytes()[..cut], &keys.log(), &[]).is_err(), "cut at {cut}");
            }
        }
    }

    /// Case 49: what one key signs for one purpose is worth nothing for another.
    #[test]
    fn a_receipt_is_no_head_and_no_head_is_a_receipt() {
        let keys = Keys::new();
        let delegation = keys.delegation(ORIGIN, keys.log());
        for receipt in [durable(), signed()] {
            let text = receipt.text();
            assert!(Checkpoint::parse(&text).is_err() && Delegation::parse(&text).is_err() && Revocation::parse(&text).is_err());
            // The other level of the same record.
            let other = Receipt { index: if receipt.index.is_some() { None } else { Some(17) }, ..receipt.clone() };
            let file = keys.issue(&receipt);
            assert!(open(file.replace(&text, &other.text()).as_bytes(), &keys.root(), &[]).is_err());
        }
        let head = Checkpoint { origin: ORIGIN.to_owned(), size: 17, root: digest(b"") };
        let head = note::sign(&head.text(), ORIGIN, &keys.log).unwrap();
        for file in [head.clone(), format!("{head}\n{delegation}"), delegation] {
            assert!(open(file.as_bytes(), &keys.root(), &[]).is_err() && open(file.as_bytes(), &keys.log(), &[]).is_err());
        }
    }

    #[test]
    fn only_who_was_delegated_for_the_log_and_the_time_and_still_is_signs_receipts() {
        let keys = Keys::new();
        let stranger = SigningKey::from_seed(&[9; 32]);
        let public = NoteKey::new(ORIGIN, stranger.verifying()).unwrap();
        let refused = |file: &str| open(file.as_bytes(), &keys.root(), &[]).unwrap_err().to_string();
        // Signed by somebody else, delegated by somebody else, delegated for another log.
        let forged = issue(durable(), &stranger, &keys.delegation(ORIGIN, keys.log())).unwrap().text;
        assert!(refused(&forged).contains("no known key"));
        assert!(open(keys.issue(&durable()).as_bytes(), &public, &[]).is_err());
        let own = Keys { root: SigningKey::from_seed(&[9; 32]), ..Keys::new() };
        assert!(refused(&own.issue(&durable())).contains("no known key"));
        let elsewhere = keys.delegation("example.org/evidence/a/other", keys.log());
        assert!(refused(&issue(durable(), &keys.log, &elsewhere).unwrap().text).contains("of another log"));
        for time_us in [TIME - 11_000_000, TIME + 11_000_000] {
            assert!(refused(&keys.issue(&Receipt { time_us, ..durable() })).contains("not delegated"));
        }
        // Taken back at a size: what lies below it stands, and what is only promised could lie anywhere.
        let held = |receipt: &Receipt, size| open(keys.issue(receipt).as_bytes(), &keys.root(), &[keys.revocation(size)]);
        assert!(held(&durable(), 18).is_ok());
        assert!(held(&durable(), 17).unwrap_err().to_string().contains("took its key back"));
        assert!(held(&signed(), 18).is_err());
        assert!(open(keys.issue(&durable()).as_bytes(), &keys.log(), &[keys.revocation(18)]).is_err());
    }
}
