//! One record found by its name: its id, or an index.
//!
//! An id tells when its exchange began. No record is written before that, so the segments from that time on are looked
//! through first, the oldest of them first, and the others only if it is not there (the clock may have jumped).

use std::path::{Path, PathBuf};

use super::error::LogError;
use super::read::{Lying, frames_in, segments};
use super::report::plain;
use super::segment::{FRAME, FrameKind, HEADER, PREAMBLE_MAX};
use super::shape::RecordId;
use super::verify::logs_of;
use crate::base::limits::RECORD_HARD_MAX;

/// A record and where it lies.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The directory of its log.
    pub(crate) log: PathBuf,
    /// The segments of that log.
    pub(crate) segments: Vec<Lying>,
    /// Which of them holds it.
    pub(crate) segment: usize,
    pub(crate) index: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Found {
    /// The origin of its log.
    pub(crate) fn origin(&self) -> String {
        std::fs::read_to_string(self.log.join("origin")).unwrap_or_default().trim_end().to_owned()
    }
}

/// Finds a record by its id, or by its index in the newest log (`17`, or `<log directory>:17`).
///
/// # Errors
/// The name is neither, or there is no such record.
pub(crate) fn find(dir: &Path, what: &str) -> Result<Found, LogError> {
    let (logs, _) = logs_of(dir)?;
    if let Some(id) = RecordId::parse(what) {
        return by_id(&logs, id, what)?.ok_or_else(|| LogError::NotFound(format!("record {what}")));
    }
    let (boot, index) = what.rsplit_once(':').map_or((None, what), |(boot, index)| (Some(boot), index));
    let Ok(index) = index.parse::<u64>() else {
        return Err(LogError::NotFound(format!("`{}` (expected a record id, or an index)", plain(what))));
    };
    let log = logs.iter().rev().find(|log| boot.is_none_or(|boot| log.ends_with(boot)));
    let found = log.map(|log| by_index(log, index)).transpose()?.flatten();
    found.ok_or_else(|| LogError::NotFound(format!("record {}", plain(what))))
}

fn by_index(log: &Path, index: u64) -> Result<Option<Found>, LogError> {
    let segments = segments(log)?;
    // Of those that begin alike only the last was not given up at once.
    let holds = |lying: &Lying| lying.first <= index && lying.next.is_none_or(|next| index < next);
    let Some(at) = segments.iter().rposition(holds) else { return Ok(None) };
    look(log, &segments, at, &mut |found, _| found == index)
}

fn by_id(logs: &[PathBuf], id: RecordId, text: &str) -> Result<Option<Found>, LogError> {
    let all = logs.iter().map(|log| Ok((log, segments(log)?))).collect::<Result<Vec<_>, LogError>>()?;
    let places: Vec<(usize, usize)> =
        all.iter().enumerate().flat_map(|(log, (_, segments))| (0..segments.len()).map(move |at| (log, at))).collect();
    let begun: Vec<Option<i64>> = places.iter().map(|(log, at)| begins(all.get(*log)?.1.get(*at)?)).collect();
    // A segment whose successor begins before the id was made ends before it, too.
    let since = i64::try_from(id.millis()).unwrap_or(i64::MAX).saturating_mul(1000);
    let later = |at: usize| begun.get(at + 1).copied().flatten().is_none_or(|next| next >= since);
    let (first, rest): (Vec<_>, Vec<_>) = places.into_iter().enumerate().partition(|(at, _)| later(*at));
    let named = |bytes: &[u8]| memchr::memmem::find(bytes, text.as_bytes()).is_some() && id_of(bytes) == Some(id);
    for (_, (log, at)) in first.into_iter().chain(rest) {
        let Some((log, segments)) = all.get(log) else { continue };
        if let Some(found) = look(log, segments, at, &mut |_, bytes| named(bytes))? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The id of a record, from its bytes.
pub(crate) fn id_of(bytes: &[u8]) -> Option<RecordId> {
    #[derive(serde::Deserialize)]
    struct Named<'r> {
        #[serde(borrow)]
        id: std::borrow::Cow<'r, str>,
    }
    RecordId::parse(&serde_json::from_slice::<Named<'_>>(bytes).ok()?.id)
}

/// The first record of a segment that fits. A segment that has gone since it was listed holds nothing.
fn look(log: &Path, segments: &[Lying], at: usize, fits: &mut dyn FnMut(u64, &[u8]) -> bool) -> Result<Option<Found>, LogError> {
    let Some(lying) = segments.get(at) else { return Ok(None) };
    let file = match std::fs::read(&lying.path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::file(&lying.path)(error)),
    };
    let mut out = None;
    frames_in(&file, lying, &mut |kind, index, bytes| {
        if kind == FrameKind::Record && fits(index, bytes) {
            let (log, segments, bytes) = (log.to_owned(), segments.to_vec(), bytes.to_vec());
            out = Some(Found { log, segments, segment: at, index, bytes });
        }
        out.is_none()
    });
    Ok(out)
}

/// Wall time of the first record of a segment, in microseconds.
pub(crate) fn begins(lying: &Lying) -> Option<i64> {
    use std::io::Read as _;

    let mut head = Vec::new();
    let room = PREAMBLE_MAX + FRAME + RECORD_HARD_MAX + HEADER;
    std::fs::File::open(&lying.path).ok()?.take(room as u64).read_to_end(&mut head).ok()?;
    let mut time = None;
    frames_in(&head, lying, &mut |kind, _, bytes| {
        if kind == FrameKind::Record {
            time = time_of(bytes);
        }
        kind != FrameKind::Record
    });
    time
}

/// `time_us` of a record. In canonical JSON the key can stand for nothing else: a quote within a text is escaped.
pub(crate) fn time_of(bytes: &[u8]) -> Option<i64> {
    const KEY: &[u8] = b"\"time_us\":";
    let at = memchr::memmem::rfind(bytes, KEY)? + KEY.len();
    let rest = bytes.get(at..)?;
    let end = rest.iter().position(|b| !b.is_ascii_digit() && *b != b'-').unwrap_or(rest.len());
    std::str::from_utf8(rest.get(..end)?).ok()?.parse().ok()
}
