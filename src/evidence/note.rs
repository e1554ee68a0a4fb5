//! Signed notes, checkpoints and delegations (C2SP signed-note and tlog-checkpoint).
//!
//! Reading is strict and bounded: a note is at most [`NOTE_MAX`] bytes with at most [`LINES_MAX`]
//! signatures; an unknown key is ignored, a known key with a bad signature condemns the note.

use super::error::LogError;
use crate::seal::{Digest, Signature, SigningKey, VerifyingKey, digest, encode};

/// Longest note that is read.
pub const NOTE_MAX: usize = 64 << 10;
/// Most signature lines of a note.
pub const LINES_MAX: usize = 100;
/// First line of a delegation: it can be taken for nothing else.
pub const DELEGATION: &str = "servanda evidence delegation v1";
/// First line of a revocation.
pub const REVOCATION: &str = "servanda evidence revocation v1";
/// Signature type of Ed25519 in a key id.
const ED25519: u8 = 1;

fn malformed(why: &'static str) -> LogError {
    LogError::Malformed(why)
}

/// Whether a name can stand in a note: no white space, no plus, printable ASCII.
pub fn is_name(name: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':' | b'/');
    !name.is_empty() && name.len() <= 200 && name.bytes().all(fine)
}

/// A named key, written `name+id+base64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    key: VerifyingKey,
}

impl NoteKey {
    /// A key under a name.
    pub fn new(name: &str, key: VerifyingKey) -> Result<Self, LogError> {
        if is_name(name) { Ok(Self { name: name.to_owned(), key }) } else { Err(LogError::BadName(name.to_owned())) }
    }

    /// Reads `name+id+base64`.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let bad = || malformed("expected a note key: name+id+base64");
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = (parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?, parts.next().ok_or_else(bad)?);
        let bytes = encode::parse_base64(key).ok_or_else(bad)?;
        let (kind, bytes) = bytes.split_first().ok_or_else(bad)?;
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| bad())?;
        if *kind != ED25519 {
            return Err(malformed("only Ed25519 keys are read"));
        }
        let key = Self::new(name, VerifyingKey::from_bytes(bytes)?)?;
        if encode::hex(&key.id()) == id { Ok(key) } else { Err(malformed("the id of a note key does not fit")) }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn typed(&self) -> Vec<u8> {
        std::iter::once(ED25519).chain(self.key.as_bytes().iter().copied()).collect()
    }

    fn id(&self) -> [u8; 4] {
        let mut message = self.name.clone().into_bytes();
        message.push(b'\n');
        message.extend(self.typed());
        let mut id = [0; 4];
        for (to, from) in id.iter_mut().zip(digest(&message).0) {
            *to = from;
        }
        id
    }
}

impl std::fmt::Display for NoteKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}+{}+{}", self.name, encode::hex(&self.id()), encode::base64(&self.typed()))
    }
}

/// Signs a text, which ends in a newline, under a name.
pub fn sign(text: &str, name: &str, key: &SigningKey) -> Result<String, LogError> {
    let public = NoteKey::new(name, key.verifying())?;
    let mut line = public.id().to_vec();
    line.extend(key.sign(text.as_bytes()).0);
    Ok(format!("{text}\n\u{2014} {name} {}\n", encode::base64(&line)))
}

/// The text of a note, if one of the keys signed it and none of them signed it badly.
pub fn open<'n>(note: &'n [u8], keys: &[&NoteKey]) -> Result<&'n str, LogError> {
    if note.len() > NOTE_MAX {
        return Err(malformed("the note is too long"));
    }
    let note = std::str::from_utf8(note).map_err(|_| malformed("the note is not UTF-8"))?;
    if note.chars().any(|c| c.is_control() && c != '\n') {
        return Err(malformed("the note has control characters"));
    }
    let at = note.rfind("\n\n").ok_or_else(|| malformed("the note has no signatures"))?;
    let (text, lines) = note.split_at_checked(at + 1).ok_or_else(|| malformed("the note has no signatures"))?;
    let lines = lines.strip_prefix('\n').and_then(|l| l.strip_suffix('\n')).ok_or_else(|| malformed("a line is not ended"))?;
    let mut signed = false;
    for (count, line) in lines.split('\n').enumerate() {
        if count >= LINES_MAX {
            return Err(malformed("too many signatures"));
        }
        let bad = || malformed("a signature line is not `— name base64`");
        let (name, signature) = line.strip_prefix("\u{2014} ").and_then(|l| l.split_once(' ')).ok_or_else(bad)?;
        let bytes = encode::parse_base64(signature).ok_or_else(bad)?;
        let (id, bytes) = bytes.split_first_chunk::<4>().ok_or_else(bad)?;
        if !is_name(name) {
            return Err(bad());
        }
        let Some(key) = keys.iter().find(|key| key.name == name && key.id() == *id) else { continue };
        let bytes: [u8; 64] = bytes.try_into().map_err(|_| bad())?;
        key.key.verify(text.as_bytes(), &Signature(bytes)).map_err(|_| malformed("a signature does not fit"))?;
        signed = true;
    }
    if signed { Ok(text) } else { Err(malformed("no known key signed it")) }
}

/// A head: origin, size and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Origin of the log.
    pub origin: String,
    /// Its size.
    pub size: u64,
    /// Its root.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, encode::base64(&self.root.0))
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let bad = || malformed("a checkpoint has three lines: origin, size, root");
        let mut lines = text.strip_suffix('\n').ok_or_else(bad)?.split('\n');
        let (origin, size, root) = (lines.next().ok_or_else(bad)?, lines.next().ok_or_else(bad)?, lines.next().ok_or_else(bad)?);
        let root = encode::parse_base64(root).and_then(|r| r.try_into().ok()).map(Digest).ok_or_else(bad)?;
        let number: u64 = size.parse().map_err(|_| bad())?;
        if lines.next().is_some() || number.to_string() != size || !is_name(origin) {
            return Err(bad());
        }
        Ok(Self { origin: origin.to_owned(), size: number, root })
    }
}

/// What the root says of the key of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delegation {
    /// Origin of the log.
    pub origin: String,
    /// Key that signs its heads.
    pub key: NoteKey,
    /// Not before, in Unix seconds.
    pub from: i64,
    /// Not after, in Unix seconds.
    pub until: i64,
    /// Digest of the program file.
    pub build: Option<Digest>,
}

impl Delegation {
    /// The text that the root signs.
    pub fn text(&self) -> String {
        let build = self.build.map_or_else(|| "-".to_owned(), |b| b.hex());
        format!(
            "{DELEGATION}\norigin {}\nvkey {}\nfrom {}\nuntil {}\nbuild {build}\n",
            self.origin, self.key, self.from, self.until
        )
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let bad = || malformed("a delegation has six lines: its name, origin, vkey, from, until, build");
        let mut lines = text.strip_suffix('\n').ok_or_else(bad)?.split('\n');
        if lines.next() != Some(DELEGATION) {
            return Err(bad());
        }
        let mut field = |name: &str| {
            lines.next().and_then(|line| line.strip_prefix(name)).and_then(|line| line.strip_prefix(' ')).ok_or_else(bad)
        };
        let delegation = Self {
            origin: field("origin")?.to_owned(),
            key: NoteKey::parse(field("vkey")?)?,
            from: field("from")?.parse().map_err(|_| bad())?,
            until: field("until")?.parse().map_err(|_| bad())?,
            build: match field("build")? {
                "-" => None,
                hex => Some(Digest::parse_hex(hex).ok_or_else(bad)?),
            },
        };
        // One delegation has one text: what was not read exactly is refused.
        if delegation.text() == text { Ok(delegation) } else { Err(bad()) }
    }
}

/// What the root takes back: the key of a log is trusted no further than this head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// Key that signed the heads of the log.
    pub key: NoteKey,
    /// Records that are still trusted.
    pub size: u64,
    /// Root over them: whoever has the key cannot put others in their place.
    pub root: Digest,
}

impl Revocation {
    /// The text that the root signs.
    pub fn text(&self) -> String {
        format!("{REVOCATION}\nvkey {}\nsize {}\nroot {}\n", self.key, self.size, encode::base64(&self.root.0))
    }

    /// Reads the text of a note.
    pub fn parse(text: &str) -> Result<Self, LogError> {
        let bad = || malformed("a revocation has four lines: its name, vkey, size, root");
        let rest = text.strip_prefix(REVOCATION).and_then(|rest| rest.strip_prefix('\n')).ok_or_else(bad)?;
        let mut lines = rest.strip_suffix('\n').ok_or_else(bad)?.split('\n');
        let mut field = |name: &str| lines.next().and_then(|line| line.strip_prefix(name)).ok_or_else(bad);
        let revocation = Self {
            key: NoteKey::parse(field("vkey ")?)?,
            size: field("size ")?.parse().map_err(|_| bad())?,
            root: encode::parse_base64(field("root ")?).and_then(|r| r.try_into().ok()).map(Digest).ok_or_else(bad)?,
        };
        // One revocation has one text: what was not read exactly is refused.
        if revocation.text() == text { Ok(revocation) } else { Err(bad()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> (SigningKey, NoteKey) {
        let key = SigningKey::from_seed(&[3; 32]);
        let public = NoteKey::new("example.org/log", key.verifying()).unwrap();
        (key, public)
    }

    #[test]
    fn keys_have_one_text() {
        let (_, public) = key();
        assert_eq!(NoteKey::parse(&public.to_string()).unwrap(), public);
        // The example key of Go's note package.
        let text = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
        assert_eq!(NoteKey::parse(text).unwrap().to_string(), text);
        for bad in ["", "a+b", "a b+c74f20a3+AR", &text.replace("c74f", "c74e"), &text.replace("+AR", "+AB")] {
            assert!(NoteKey::parse(bad).is_err(), "{bad}");
        }
    }

    /// The example of Go's note package.
    #[test]
    fn a_foreign_note_opens() {
        let key = NoteKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW").unwrap();
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        assert!(open(note.as_bytes(), &[&key]).unwrap().starts_with("If you think"));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (secret, public) = key();
        let head = Checkpoint { origin: "example.org/log".to_owned(), size: 7, root: digest(b"x") };
        let note = sign(&head.text(), public.name(), &secret).unwrap().into_bytes();
        assert_eq!(Checkpoint::parse(open(&note, &[&public]).unwrap()).unwrap(), head);
        for bit in 0..note.len() * 8 {
            let mut bad = note.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&bad, &[&public]).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn traps() {
        let (secret, public) = key();
        let good = sign("text\n", public.name(), &secret).unwrap();
        assert!(open(good.trim_end().as_bytes(), &[&public]).is_err());
        assert!(open(good.replace('\n', "\r\n").as_bytes(), &[&public]).is_err());
        assert!(open(format!("{good}\n").as_bytes(), &[&public]).is_err());
        assert!(open(good.as_bytes(), &[]).is_err());
        assert!(open(&vec![b'a'; NOTE_MAX + 1], &[&public]).is_err());
        let stranger = "\u{2014} someone AAAAAAAA\n";
        assert!(open(format!("{good}{stranger}").as_bytes(), &[&public]).is_ok());
        assert!(open(format!("{good}{}", stranger.repeat(100)).as_bytes(), &[&public]).is_err());
        for bad in ["a\n01\nAA==\n", "a\n1\n", "a b\n1\n", "a\n1\nAA==\n"] {
            assert!(Checkpoint::parse(bad).is_err());
        }
    }

    #[test]
    fn a_revocation_has_one_text() {
        let (_, public) = key();
        let revocation = Revocation { key: public, size: 7, root: digest(b"x") };
        let text = revocation.text();
        assert_eq!(Revocation::parse(&text).unwrap(), revocation);
        for bad in ["size 07", "size +7", "size 8 ", "size 7\n"] {
            assert!(Revocation::parse(&text.replace("size 7", bad)).is_err(), "{bad}");
        }
        assert!(Checkpoint::parse(&text).is_err() && Delegation::parse(&text).is_err());
    }

    #[test]
    fn a_delegation_is_no_checkpoint() {
        let (_, public) = key();
        let text = Delegation { origin: "a/b".to_owned(), key: public, from: 1, until: 2, build: Some(digest(b"")) }.text();
        assert_eq!(Delegation::parse(&text).unwrap().text(), text);
        assert!(Checkpoint::parse(&text).is_err());
        assert!(Delegation::parse(&text.replace("from 1", "from 01")).is_err());
        assert!(Delegation::parse(&text.replace("from 1", "from +1")).is_err());
    }
}
