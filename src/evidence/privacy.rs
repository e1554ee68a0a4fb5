//! Commitments to content, and pseudonyms for those who sent it.
//!
//! A bare digest of a short prompt can be guessed; a commitment cannot, and one opened discloses one key
//! and nothing else. Keys are random files (0600) beside the log, one per day, never derived from the
//! root: deleting one makes that day's commitments unopenable, and the log stays valid.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwapOption;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::LogError;
use super::files::Files;
use super::shape::RecordId;
use crate::seal::{SealError, encode};

/// Day keys kept in memory: an exchange may end days after it began, but not many.
const EPOCHS_HELD: usize = 8;

/// Characters of a pseudonym.
const PSEUDONYM: usize = 22;

type Secret = Zeroizing<[u8; 32]>;

fn mac(key: &[u8; 32]) -> Hmac<Sha256> {
    // HMAC pads a key shorter than its block with zeros.
    let mut block = Zeroizing::new([0u8; 64]);
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::new((&*block).into())
}

/// A commitment under way: content is hashed as it streams through.
///
/// HMAC-SHA-256(k, label ‖ 0x00 ‖ content ‖ length as u64 BE) with k = HMAC-SHA-256(day key, record id ‖
/// label). The length comes last, since that of a stream is known at its end.
#[derive(Debug)]
pub struct Commitment {
    mac: Hmac<Sha256>,
    length: u64,
}

impl Commitment {
    /// Of the key that opens it: what is disclosed to open this one commitment.
    pub fn with_key(key: &[u8; 32], label: &str) -> Self {
        let mut mac = mac(key);
        mac.update(label.as_bytes());
        mac.update(&[0]);
        Self { mac, length: 0 }
    }

    /// Takes the next piece of content.
    pub fn update(&mut self, content: &[u8]) {
        self.mac.update(content);
        self.length = self.length.saturating_add(content.len() as u64);
    }

    /// The commitment, in base64url.
    pub fn finish(mut self) -> String {
        self.mac.update(&self.length.to_be_bytes());
        encode::base64url(&self.mac.finalize().into_bytes())
    }
}

/// The secrets beside a log.
#[derive(Debug)]
pub(crate) struct Secrets {
    files: Arc<dyn Files>,
    dir: PathBuf,
    pseudonym: Secret,
    /// The day that was asked for last, with its key set up: read without a lock.
    latest: ArcSwapOption<(u32, Hmac<Sha256>)>,
    epochs: Mutex<BTreeMap<u32, Secret>>,
}

impl Secrets {
    /// Reads or makes the secrets below `dir`.
    pub(crate) fn open(files: Arc<dyn Files>, dir: PathBuf) -> Result<Self, LogError> {
        files.create_dir(&dir).map_err(LogError::file(&dir))?;
        let pseudonym = load(&*files, &dir.join("pseudonym.key"))?;
        Ok(Self { files, dir, pseudonym, latest: ArcSwapOption::default(), epochs: Mutex::default() })
    }

    /// Makes sure that the key of a day is there, so that nobody waits for it later.
    pub(crate) fn prepare(&self, day: u32) {
        drop(self.epoch(day));
    }

    /// The key that opens the commitment of one record with one label.
    pub(crate) fn opening(&self, id: RecordId, label: &str) -> Secret {
        let day = id.day();
        let mut key = match self.latest.load().as_deref() {
            Some((latest, key)) if *latest == day => key.clone(),
            _ => {
                let key = mac(&self.epoch(day));
                self.latest.store(Some(Arc::new((day, key.clone()))));
                key
            }
        };
        key.update(id.to_string().as_bytes());
        key.update(label.as_bytes());
        Zeroizing::new(key.finalize().into_bytes().into())
    }

    pub(crate) fn commitment(&self, id: RecordId, label: &str) -> Commitment {
        Commitment::with_key(&self.opening(id, label), label)
    }

    /// 22 base64url characters that stand for `text`; the same text of the same kind gives the same ones.
    pub(crate) fn pseudonym(&self, kind: &str, text: &str) -> String {
        pseudonym(&self.pseudonym, kind, text)
    }

    /// The key of a day. Where no file can be written the key lives in memory alone: the commitments
    /// hold, and cannot be opened later.
    fn epoch(&self, day: u32) -> Secret {
        let mut epochs = self.epochs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = epochs.get(&day) {
            return key.clone();
        }
        let key = load(&*self.files, &self.dir.join(format!("{day}.key"))).unwrap_or_else(|error| {
            tracing::warn!(%error, day, "no key file for the commitments of this day: they cannot be opened later");
            random().unwrap_or_default()
        });
        epochs.insert(day, key.clone());
        while epochs.len() > EPOCHS_HELD {
            epochs.pop_first();
        }
        key
    }
}

fn pseudonym(key: &[u8; 32], kind: &str, text: &str) -> String {
    let mut key = mac(key);
    key.update(kind.as_bytes());
    key.update(&[0]);
    key.update(text.as_bytes());
    let mut name = encode::base64url(&key.finalize().into_bytes());
    name.truncate(PSEUDONYM);
    name
}

/// What stands for a text in the records of an evidence folder whose key can be read; a text that is a pseudonym already
/// stands for itself.
pub fn pseudonym_in(dir: &Path, kind: &str, text: &str) -> Result<String, LogError> {
    let letter = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if text.len() == PSEUDONYM && text.bytes().all(letter) {
        return Ok(text.to_owned());
    }
    let path = dir.join("epochs").join("pseudonym.key");
    let file = Zeroizing::new(std::fs::read(&path).map_err(LogError::file(&path))?);
    Ok(pseudonym(&*parse(&file)?, kind, text))
}

fn random() -> Result<Secret, LogError> {
    let mut key = Secret::default();
    getrandom::fill(key.as_mut()).map_err(|_| LogError::from(SealError::NoRandom))?;
    Ok(key)
}

/// Reads a secret file, or makes it.
fn load(files: &dyn Files, path: &Path) -> Result<Secret, LogError> {
    match files.read(path) {
        Ok(text) => parse(&Zeroizing::new(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = random()?;
            let text = Zeroizing::new(format!("{}\n", encode::base64url(key.as_ref())));
            files.publish(path, text.as_bytes(), true).map_err(LogError::file(path))?;
            Ok(key)
        }
        Err(error) => Err(LogError::file(path)(error)),
    }
}

fn parse(file: &[u8]) -> Result<Secret, LogError> {
    let bad = || LogError::from(SealError::BadKey("expected 32 bytes in base64url"));
    let text = std::str::from_utf8(file).map_err(|_| bad())?.trim_end();
    let bytes = Zeroizing::new(encode::parse_base64url(text).ok_or_else(bad)?);
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| bad())?))
}
