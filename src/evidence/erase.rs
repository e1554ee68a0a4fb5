//! Erasing the content of a record: what it said goes, its leaf stays, and so the tree and all proofs of others hold.
//!
//! First it is said, then done: an `erasure` record that names log and index is durable before the segment is touched. Who
//! dies in between does it again. It is done to closed logs, by opening the folder as a start would, so never beside a
//! running sidecar. Not reached: copies elsewhere (exports, sinks, backups, torn tails in `recovery/`).

use std::path::Path;
use std::time::Duration;

use super::error::LogError;
use super::files::{Disk, Files};
use super::find::find;
use super::kind::Kind;
use super::log::{Log, LogOptions};
use super::record::{Erasure, Int, LogId, Record, RecordId, Spec, Tag, Text};
use super::segment::{self, FrameKind, HEADER, Step};

/// What was erased.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Erased {
    /// Origin of the log.
    pub origin: String,
    /// Index of the record.
    pub index: u64,
}

/// Why, and for whom.
#[derive(Clone, Debug)]
pub struct Grounds {
    /// The legal basis.
    pub basis: String,
    /// Reference of the request.
    pub requester: String,
}

/// Erases the content of a record of the traffic, named as for [`super::show::show`]. `options` are those that the sidecar of
/// the folder runs with: what is recorded of it is signed under the same root.
///
/// # Errors
/// There is no such record, it is not one of the traffic, a process has the folder open, or its segment is damaged.
pub fn erase(options: &LogOptions, what: &str, grounds: &Grounds) -> Result<Erased, LogError> {
    let found = find(&options.dir, what)?;
    let kind = super::check::check(&found.bytes).ok().and_then(|glance| glance.kind);
    if !matches!(kind, Some(Kind::Exchange | Kind::Intervention)) {
        return Err(LogError::Malformed("only records of the traffic are erased: the others hold the log together"));
    }
    let key = options.root_key.clone().unwrap_or_else(|| options.dir.join("root.key"));
    // Opening would make another root.
    if !key.is_file() {
        let why = "no root key is here: name the one that the sidecar of this folder runs with";
        return Err(LogError::file(&key)(std::io::Error::new(std::io::ErrorKind::NotFound, why)));
    }
    let origin = found.origin();
    // This is no time to let go what the sidecar was told to keep longer.
    let log = Log::open_with(LogOptions { keep: Duration::MAX, keep_bytes: u64::MAX, ..options.clone() })?;
    let said = log.handle().strict(Record::from(Erasure {
        basis: Text::from(grounds.basis.as_str()),
        id: RecordId::default(),
        index: Int::saturating(found.index),
        kind: Tag,
        log: LogId::default(),
        mono_us: Int::default(),
        requester: Text::from(grounds.requester.as_str()),
        spec: Spec,
        state: Text::from("erased"),
        target: LogId::of(&origin),
        time_us: Int::default(),
    }));
    said.wait()?;
    let done = match found.segments.get(found.segment) {
        Some(lying) => forget(&Disk, &lying.path, found.index),
        None => Err(LogError::Malformed("the segment is gone")),
    };
    log.close()?;
    done.map(|()| Erased { origin, index: found.index })
}

/// Writes a segment anew without one record.
pub(crate) fn forget(files: &dyn Files, segment: &Path, index: u64) -> Result<(), LogError> {
    let file = files.read(segment).map_err(LogError::file(segment))?;
    let damaged = || LogError::Malformed("the segment of the record is damaged, so it is not touched: run fsck");
    let written = rewritten(&file, index).ok_or_else(damaged)?;
    files.publish(segment, &written, false).map_err(LogError::file(segment))
}

/// A segment with only the leaf of one record, and checksums that fit; `None` where it is not sound.
fn rewritten(file: &[u8], index: u64) -> Option<Vec<u8>> {
    let mut out = file.get(..HEADER)?.to_vec();
    let mut at = HEADER;
    loop {
        let frame = match segment::step(file, at) {
            Step::Frame(frame) => frame,
            Step::End => return Some(out),
            Step::Bad => return None,
        };
        at = frame.end();
        if frame.kind == FrameKind::Record && frame.index == index {
            segment::push_frame(&mut out, FrameKind::Erased, index, &frame.leaf().0);
        } else if frame.kind == FrameKind::Commit {
            let commit = segment::parse_commit(frame.bytes)?;
            let content = segment::commit(commit.size, &commit.root, crc32c::crc32c(&out), commit.leaves.into_iter());
            segment::push_frame(&mut out, FrameKind::Commit, frame.index, &content);
        } else {
            segment::push_frame(&mut out, frame.kind, frame.index, frame.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::verdict::Act;
    use crate::evidence::prove;
    use crate::evidence::query::{Query, query};
    use crate::evidence::record::Exchange;
    use crate::evidence::report::Outcome;
    use crate::evidence::show::show;
    use crate::evidence::verify::{Policy, verify};

    fn grounds() -> Grounds {
        Grounds { basis: "GDPR Art. 17".to_owned(), requester: "case 12".to_owned() }
    }

    fn filled() -> (tempfile::TempDir, Vec<RecordId>) {
        let dir = tempfile::tempdir().unwrap();
        let log = Log::open(dir.path()).unwrap();
        let mut ids = Vec::new();
        for n in 0..6 {
            let slot = log.handle().reserve().unwrap();
            ids.push(slot.id());
            let session = Some(Text::from(format!("session-of-somebody-{n}")));
            slot.write_strict(Exchange { act: Act::Allow, session, ..Exchange::default() }).wait().unwrap();
        }
        log.close().unwrap();
        (dir, ids)
    }

    /// Case 61: ERASED at that index, the tree unchanged, the neighbours proven, the content nowhere.
    #[test]
    fn an_erased_record_leaves_the_tree_as_it_was() {
        let (dir, ids) = filled();
        let check = || verify(dir.path(), &Policy::default()).unwrap();
        let before = check();
        assert!(before.is_valid());
        let proof = prove::prove(dir.path(), &ids[2].to_string()).unwrap();
        let found = find(dir.path(), &ids[3].to_string()).unwrap();
        // A summary that knew the session is not believed afterwards.
        let asked = Query { session: Some("session-of-somebody-3".to_owned()), ..Query::default() };
        assert_eq!(query(dir.path(), &asked, u64::MAX, true).unwrap().records.len(), 1);

        let erased = erase(&LogOptions::new(dir.path()), &ids[3].to_string(), &grounds()).unwrap();
        assert_eq!(erased.index, found.index);
        let report = check();
        assert_eq!(report.outcome, Outcome::Erased, "{}", report.text());
        assert_eq!((&report.logs[0].erased[..], &report.logs[0].findings[..]), (&[(found.index, found.index)][..], &[][..]));
        assert_eq!(report.logs[0].signed, before.logs[0].signed);
        assert_eq!(report.logs[1].kinds["erasure"], 1);
        // The neighbours' proofs are the same bytes; the record itself is found nowhere.
        assert_eq!(prove::prove(dir.path(), &ids[2].to_string()).unwrap().text, proof.text);
        assert!(show(dir.path(), &ids[3].to_string()).is_err());
        assert_eq!(query(dir.path(), &asked, u64::MAX, true).unwrap().records.len(), 0);
        let segment = std::fs::read(&found.segments[found.segment].path).unwrap();
        assert!(memchr::memmem::find(&segment, b"session-of-somebody-3").is_none());
        assert!(memchr::memmem::find(&segment, b"session-of-somebody-2").is_some());
        // The next start takes the log up as it is.
        Log::open(dir.path()).unwrap().close().unwrap();
        assert_eq!(check().outcome, Outcome::Erased);
    }

    #[test]
    fn what_is_erased_in_silence_is_incomplete_and_another_leaf_invalid() {
        let (dir, ids) = filled();
        let found = find(dir.path(), &ids[3].to_string()).unwrap();
        forget(&Disk, &found.segments[found.segment].path, found.index).unwrap();
        let report = verify(dir.path(), &Policy::default()).unwrap();
        assert_eq!((report.outcome, &report.logs[0].missing[..]), (Outcome::Incomplete, &[(found.index, found.index)][..]));
        assert_eq!(report.logs[0].findings[0].code, "not_declared");
        let path = &found.segments[0].path;
        let mut file = std::fs::read(path).unwrap();
        let leaf = super::super::merkle::leaf_hash(&found.bytes).0;
        let at = memchr::memmem::find(&file, &leaf).unwrap();
        file[at] ^= 1;
        let mut frame = Vec::new();
        segment::push_frame(&mut frame, FrameKind::Erased, found.index, &file[at..at + 32]);
        file.splice(at - segment::FRAME..at + 32, frame);
        std::fs::write(path, file).unwrap();
        let report = verify(dir.path(), &Policy::default()).unwrap();
        assert_eq!(report.outcome, Outcome::Invalid);
        assert!(report.logs[0].findings.iter().any(|f| f.code == "leaf_mismatch" && f.index == Some(found.index)));
    }

    #[test]
    fn only_the_traffic_is_erased_and_never_beside_a_running_process() {
        let (dir, ids) = filled();
        let options = LogOptions::new(dir.path());
        assert!(matches!(erase(&options, "0", &grounds()), Err(LogError::Malformed(_))));
        let elsewhere = LogOptions { root_key: Some(dir.path().join("no.key")), ..options.clone() };
        assert!(erase(&elsewhere, &ids[0].to_string(), &grounds()).unwrap_err().to_string().contains("no.key"));
        let log = Log::open(dir.path()).unwrap();
        assert!(matches!(erase(&options, &ids[0].to_string(), &grounds()), Err(LogError::Locked { .. })));
        log.close().unwrap();
        assert!(verify(dir.path(), &Policy::default()).unwrap().is_valid());
    }
}
