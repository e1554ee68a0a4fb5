//! The sinks of a running log: one thread each, started behind the log and ended behind its seal.
//!
//! Promises: no thread shares a lock with the request path or with another sink; a sink that hangs holds up nobody, the end
//! of the process least of all. What it will not do: wait for what a sink does not take in time; the next start sends it.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::batch::boot_of;
use super::cursor::Cursor;
use super::pump::{Live, Plan, Pump, Turn};
use super::quarantine;
use super::settings::Made;
use super::status::{SinkStatus, State, Told};
use super::table::Wanted;
use crate::base::clock::SharedClock;
use crate::evidence::error::LogError;
use crate::evidence::handle::LogHandle;
use crate::evidence::shipped::Shipped;

/// A thread looks at least so often whether the process ends.
const LOOK: Duration = Duration::from_millis(200);

/// The sinks of one log.
#[derive(Debug)]
pub struct Sinks {
    clock: SharedClock,
    signs: Arc<Signs>,
    runs: Vec<Run>,
}

#[derive(Debug)]
struct Run {
    told: Told,
    thread: JoinHandle<()>,
    ended: Mutex<Receiver<()>>,
}

/// What the threads are told.
#[derive(Debug, Default)]
struct Signs {
    /// The log is sealed: send what is left.
    sealed: AtomicBool,
    /// Leave now.
    leave: AtomicBool,
}

/// How far the sinks of a directory have got by their cursors, for the log that is to be opened there.
pub fn shipped(dir: &Path, wanted: &[Wanted]) -> Arc<Shipped> {
    let shipped = Shipped::new(wanted.iter().map(Wanted::hold).collect());
    for wanted in wanted {
        let (cursor, _) = Cursor::load(dir, &wanted.name);
        // Only the page cache may have it: then nothing may go on its word yet.
        if !cursor.logs.is_empty()
            && let Err(error) = cursor.save()
        {
            tracing::warn!(%error, sink = wanted.name, "the cursor of a sink cannot be written: what it has got is not counted yet");
            continue;
        }
        for (boot, reached) in cursor.logs {
            shipped.note(&wanted.name, &boot, reached.kept);
        }
    }
    Arc::new(shipped)
}

impl Sinks {
    /// Starts a thread for each sink of a log that is open in `dir`.
    ///
    /// # Errors
    /// A sink cannot be made from its settings, or a thread cannot be started; then none runs.
    pub fn start(handle: &LogHandle, dir: &Path, wanted: &[Wanted], clock: &SharedClock) -> Result<Self, LogError> {
        let made: Result<Vec<Made>, LogError> =
            wanted.iter().map(|wanted| wanted.make().map_err(|why| LogError::Sink(wanted.name.clone(), why))).collect();
        let signs = Arc::new(Signs::default());
        let mut sinks = Self { clock: Arc::clone(clock), signs, runs: Vec::new() };
        for (wanted, made) in wanted.iter().zip(made?) {
            let told = Told::new(SinkStatus {
                name: wanted.name.clone(),
                kind: wanted.kind,
                state: State::Starting,
                why: None,
                level: wanted.level,
                required: wanted.required,
                archive: wanted.archive,
                lag_records: 0,
                delivered_records: 0,
                delivered_batches: 0,
                failures: 0,
                quarantined: quarantine::count(dir, &wanted.name),
            });
            let mut seed = [0; 8];
            getrandom::fill(&mut seed).map_err(|_| LogError::Thread)?;
            let plan = Plan {
                name: wanted.name.clone(),
                level: wanted.level,
                gives: made.gives,
                dir: dir.to_owned(),
                clock: Arc::clone(clock),
                shipped: Arc::clone(handle.shipped()),
                journal: Some(handle.clone()),
                told: told.clone(),
                seed: u64::from_le_bytes(seed),
            };
            let (handle, signs) = (handle.clone(), Arc::clone(&sinks.signs));
            let (done, ended) = sync_channel(1);
            let thread = std::thread::Builder::new()
                .name(format!("sink-{}", wanted.name))
                .spawn(move || {
                    run(&mut Pump::new(plan, made.sink), &handle, &signs);
                    // Whoever waited for it may have left.
                    done.try_send(()).ok();
                })
                .map_err(|_| LogError::Thread)?;
            sinks.runs.push(Run { told, thread, ended: Mutex::new(ended) });
        }
        Ok(sinks)
    }

    /// What each of them is doing.
    pub fn status(&self) -> Vec<SinkStatus> {
        let status = |run: &Run| {
            let mut status = run.told.now();
            if run.thread.is_finished() {
                status.state = State::Ended;
            }
            status
        };
        self.runs.iter().map(status).collect()
    }

    /// Sends what is left of a log that was sealed, for so long at most, and gives how each sink ended. A sink that still
    /// waits for an answer is left to itself.
    pub fn end(&self, limit: Duration) -> Vec<SinkStatus> {
        self.signs.sealed.store(true, Release);
        self.wake();
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let until = self.clock.steady_ns().saturating_add(limit);
        for run in &self.runs {
            let left = Duration::from_nanos(until.saturating_sub(self.clock.steady_ns()));
            let ended = run.ended.lock().unwrap_or_else(PoisonError::into_inner);
            if ended.recv_timeout(left) == Err(RecvTimeoutError::Timeout) {
                let status = run.told.now();
                tracing::warn!(
                    sink = status.name,
                    lag = status.lag_records,
                    "a sink did not take everything in time; the next start sends the rest"
                );
            }
        }
        self.signs.leave.store(true, Release);
        self.wake();
        self.status()
    }

    fn wake(&self) {
        for run in &self.runs {
            run.thread.thread().unpark();
        }
    }
}

impl Drop for Sinks {
    fn drop(&mut self) {
        self.signs.leave.store(true, Release);
        self.wake();
    }
}

fn run(pump: &mut Pump, handle: &LogHandle, signs: &Signs) {
    let boot = boot_of(handle.origin()).to_owned();
    while !signs.leave.load(Acquire) {
        // Read before the head: what is sealed has its last head.
        let sealed = signs.sealed.load(Acquire);
        let signed = handle.signed_head().map_or(0, |head| head.head.size);
        match pump.turn(&Live { boot: boot.clone(), signed, sealed }) {
            Turn::Again => {}
            // What is not taken now, the next start sends.
            Turn::Wait(_) if sealed => break,
            Turn::Wait(wait) => std::thread::park_timeout(wait.min(LOOK)),
        }
    }
    if let Err(error) = pump.save() {
        tracing::warn!(%error, "the cursor of a sink could not be written; something is sent twice");
    }
}
