//! Records as they lie on disk, read by the format's page alone and judged by nobody.

use std::path::{Path, PathBuf};

use serde_json::Value;

const HEADER: usize = 64;
const FRAME: usize = 18;
const RECORD: u8 = 1;

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let mut out: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    out.sort();
    out
}

/// The segments of all logs in an evidence folder, the oldest first.
pub(crate) fn segments(evidence: &Path) -> Vec<PathBuf> {
    let logs = sorted(&evidence.join("logs"));
    let files = logs.iter().filter(|log| log.is_dir()).flat_map(|log| sorted(log));
    files.filter(|file| file.extension().is_some_and(|e| e == "log")).collect()
}

/// All records of an evidence folder in their order, up to the first byte of each segment that is no frame.
pub(crate) fn written(evidence: &Path) -> Vec<Value> {
    let mut out = Vec::new();
    for segment in segments(evidence) {
        let bytes = std::fs::read(segment).unwrap();
        let mut at = HEADER;
        while let Some(head) = bytes.get(at..at + FRAME) {
            let length = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
            let Some(content) = bytes.get(at + FRAME..at + FRAME + length).filter(|_| length > 0) else { break };
            if head[16] == RECORD {
                out.push(serde_json::from_slice(content).unwrap());
            }
            at += FRAME + length;
        }
    }
    out
}

/// What of a record does not change from run to run: neither times nor identities, nor what depends on how the
/// bytes arrived.
pub(crate) fn lasting(record: &Value) -> Value {
    let mut record = record.clone();
    let fields = record.as_object_mut().unwrap();
    for volatile in ["id", "exchange", "time_us", "mono_us", "time", "log"] {
        fields.remove(volatile);
    }
    if let Some(size) = fields.get_mut("size") {
        size.as_object_mut().unwrap().remove("held_max");
    }
    // Commitments open by a key of their record: which of them are there is all that can be compared.
    if let Some(commit) = fields.get_mut("commit") {
        *commit = commit.as_object().unwrap().keys().cloned().collect();
    }
    record
}
