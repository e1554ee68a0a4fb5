//! The storage under a log, file by file, beside what [`verify`] says of its content. Reads only.

use std::path::Path;

use serde::Serialize;

use super::error::LogError;
use super::report::{Outcome, add, plain};
use super::segment::{self, HEADER, Step};
use super::verify::{Policy, Report, logs_of, verify};

/// One segment.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentReport {
    /// Directory of its log.
    pub boot: String,
    /// Its name.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Sound frames.
    pub frames: u64,
    /// Records among them.
    pub records: u64,
    /// Zeros after the last frame: room that was prepared.
    pub spare: u64,
    /// Places that are damaged, as offsets.
    pub damaged: Vec<u64>,
    /// Bytes of a torn tail.
    pub torn: u64,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct FsckReport {
    /// Every segment.
    pub segments: Vec<SegmentReport>,
    /// Tails that earlier starts cut and kept, with their bytes.
    pub recovered: Vec<(String, u64)>,
    /// The reserve for a full disk is there.
    pub reserve: bool,
    /// A process has the directory open: the active segment may change while it is read.
    pub in_use: bool,
    /// What verification says.
    pub verified: Report,
}

impl FsckReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.verified.outcome <= Outcome::Erased && self.segments.iter().all(|s| s.damaged.is_empty())
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for s in &self.segments {
            add(
                &mut out,
                format_args!(
                    "{}/{}  {} bytes, {} frames, {} records{}{}{}\n",
                    plain(&s.boot),
                    plain(&s.file),
                    s.bytes,
                    s.frames,
                    s.records,
                    if s.spare > 0 { format!(", {} bytes of room", s.spare) } else { String::new() },
                    if s.torn > 0 { format!(", {} bytes of a torn tail", s.torn) } else { String::new() },
                    if s.damaged.is_empty() { String::new() } else { format!(", damaged at {:?}", s.damaged) },
                ),
            );
        }
        for (file, bytes) in &self.recovered {
            add(&mut out, format_args!("recovery/{}  {bytes} bytes cut from a torn tail\n", plain(file)));
        }
        if !self.reserve {
            out.push_str("no reserve: a full disk leaves no room for gap and seal records\n");
        }
        if self.in_use {
            out.push_str("in use by a running process: its last records may still be on their way\n");
        }
        out.push_str(&self.verified.text());
        out
    }
}

/// Looks through an evidence directory.
pub fn fsck(dir: impl AsRef<Path>, policy: &Policy) -> Result<FsckReport, LogError> {
    let dir = dir.as_ref();
    let (logs, _) = logs_of(dir)?;
    let mut segments = Vec::new();
    for log in &logs {
        let mut names: Vec<String> = std::fs::read_dir(log)
            .map_err(LogError::file(log))?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| segment::parse_name(name).is_some())
            .collect();
        names.sort_unstable();
        for name in names {
            let path = log.join(&name);
            let file = std::fs::read(&path).map_err(LogError::file(&path))?;
            let boot = log.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            segments.push(look(boot, name, &file));
        }
    }
    let mut recovered = Vec::new();
    if let Ok(entries) = std::fs::read_dir(dir.join("recovery")) {
        for entry in entries.flatten() {
            if let (Ok(name), Ok(data)) = (entry.file_name().into_string(), entry.metadata()) {
                recovered.push((name, data.len()));
            }
        }
    }
    recovered.sort_unstable();
    let in_use =
        std::fs::File::open(dir.join("LOCK")).is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
    Ok(FsckReport { segments, recovered, reserve: dir.join("reserve").is_file(), in_use, verified: verify(dir, policy)? })
}

fn look(boot: String, name: String, file: &[u8]) -> SegmentReport {
    let mut report = SegmentReport {
        boot,
        file: name,
        bytes: file.len() as u64,
        frames: 0,
        records: 0,
        spare: 0,
        damaged: Vec::new(),
        torn: 0,
    };
    let (mut at, mut index) = (HEADER, 0);
    loop {
        match segment::step(file, at) {
            Step::Frame(frame) => {
                report.frames += 1;
                report.records += u64::from(frame.kind.is_leaf());
                index = frame.index;
                at = frame.end();
            }
            Step::End => {
                report.spare = file.len().saturating_sub(at) as u64;
                return report;
            }
            Step::Bad => {
                let Some(frame) = segment::resync(file, at + 1, index) else {
                    report.torn = file.len().saturating_sub(at) as u64;
                    return report;
                };
                report.damaged.push(at as u64);
                at = frame.at;
            }
        }
    }
}
