//! Power cuts and kills between any two calls of the system, a great many of them: whole histories of a folder (starts, traffic,
//! heads, full segments, cursors of a sink, retention, erasures, seals, kills) are lived through once on a machine that keeps
//! what it did, and then broken off at every call, also in the middle of it.
//!
//! After each, a start must take the folder up, `fsck` must find nothing, and what was promised before must hold: each record
//! that was acknowledged stands at its index, each head that was published lies on the tree, each cursor that retention heard
//! of is durable, and what was cut off is told.
//!
//! 2,000 points here; a million with `SERVANDA_DEEP=1`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Receiver;
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::base::clock::{Clock as _, SystemClock};
use crate::evidence::boot::prepare;
use crate::evidence::erase::forget;
use crate::evidence::files::outage::{Dice, Event, Machine, State};
use crate::evidence::fsck::fsck;
use crate::evidence::handle::Message;
use crate::evidence::merkle::{Tree, empty_root};
use crate::evidence::note::Checkpoint;
use crate::evidence::receipt::Level;
use crate::evidence::record::{Erasure, Int, LogId, Record, RecordId, Spec, Tag, Text};
use crate::evidence::segment::edge_of;
use crate::evidence::shipped::{Hold, Shipped};
use crate::evidence::sink::cursor::{Cursor, Reached};
use crate::evidence::spool::Lengths;
use crate::evidence::writer::Writer;
use crate::seal::Digest;

/// Small, so that segments fill up within a few records.
const LENGTHS: Lengths = Lengths { least: 4 << 10, most: 8 << 10 };
const DAY_US: u64 = 86_400_000_000;
const START: i64 = 1_760_000_000_000_000;
const SINK: &str = "store";
/// Where the folder lies in the machine.
const DIR: &str = "/srv/evidence";

/// What somebody was told, and could hold us to.
#[derive(Clone, Debug)]
enum Promise {
    /// A record of this id and leaf stands at this index of this log: so says a receipt.
    Acked { origin: String, index: u64, id: String, leaf: Digest },
    /// A head of this log.
    Head(Checkpoint),
    /// The cursor of the sink says so much of this log.
    Noted { boot: String, next: u64 },
    /// From here on this record may be gone.
    Erasing { origin: String, index: u64 },
}

/// A folder's life on a machine.
struct History {
    machine: Machine,
    clock: Arc<ManualClock>,
    options: LogOptions,
    sink: bool,
    /// By the number of calls before it.
    promises: Vec<(usize, Promise)>,
    dice: Dice,
}

/// A process with the folder open.
struct Process {
    handle: LogHandle,
    writer: Writer,
    queue: Receiver<Message>,
}

impl Process {
    fn turn(&mut self) {
        let first = self.queue.try_recv().map_err(|_| std::sync::mpsc::RecvTimeoutError::Timeout);
        assert!(self.writer.turn(&self.queue, first).is_continue());
    }

    fn close(mut self) -> Result<u64, LogError> {
        let (ticket, keeper) = promise();
        self.handle.queue.send(Message::Close(keeper)).unwrap();
        let first = Ok(self.queue.recv().unwrap());
        assert!(self.writer.turn(&self.queue, first).is_break());
        ticket.wait()
    }
}

/// Notes after which call a ticket was answered.
struct Watch(Machine, AtomicUsize);

impl Wake for Watch {
    fn wake(self: Arc<Self>) {
        self.1.store(self.0.position(), Ordering::Relaxed);
    }
}

/// What the cursor of the sink says at a start, as the sinks read it.
fn shipped(machine: &Machine, sink: bool) -> Arc<Shipped> {
    let holds = sink.then(|| Hold { sink: SINK.to_owned(), required: true, archive: true });
    let shipped = Shipped::new(holds.into_iter().collect());
    let (cursor, _) = Cursor::load_from(machine, Path::new(DIR), SINK);
    if !cursor.logs.is_empty() {
        cursor.save_to(machine).unwrap();
    }
    for (boot, reached) in cursor.logs {
        shipped.note(SINK, &boot, reached.kept);
    }
    Arc::new(shipped)
}

fn boot_of(origin: &str) -> String {
    origin.rsplit('/').next().unwrap().to_owned()
}

impl History {
    fn new(seed: u64, root_key: &Path) -> Self {
        let mut dice = Dice::new(seed);
        let clock = Arc::new(ManualClock::at(START));
        let mut options = LogOptions::new(DIR);
        options.clock = clock.clone();
        options.root_key = Some(root_key.to_owned());
        options.keep = std::time::Duration::from_secs(86_400);
        options.keep_bytes = u64::MAX;
        let sink = dice.draw(2) == 0;
        let machine = Machine::with(State::default(), START / 1_000_000);
        Self { machine, clock, options, sink, promises: Vec::new(), dice }
    }

    fn open(&mut self) -> Process {
        self.options.shipped = shipped(&self.machine, self.sink);
        let (handle, writer, queue) = prepare(&self.options, Arc::new(self.machine.clone()), LENGTHS).unwrap();
        Process { handle, writer, queue }
    }

    fn pass(&self, us: u64) {
        self.clock.advance_us(us);
        self.machine.set_now(self.clock.wall_us() / 1_000_000);
    }

    /// Some exchanges, a part of them strict, written in one group.
    fn traffic(&mut self, process: &mut Process) {
        let mut awaited = Vec::new();
        for _ in 0..=self.dice.draw(4) {
            let slot = process.handle.reserve().unwrap();
            let id = slot.id().to_string();
            match self.dice.draw(4) {
                0 => slot.write(exchange(Act::Allow)),
                1 => {
                    let blocked = process.handle.new_id();
                    let record = Intervention { id: blocked, act: Act::Block, ..Intervention::default() };
                    awaited.push((blocked.to_string(), slot.strict(record)));
                    slot.write(exchange(Act::Block));
                }
                _ => awaited.push((id, slot.write_strict(exchange(Act::Flag)))),
            }
        }
        self.await_all(process, awaited);
    }

    fn await_all(&mut self, process: &mut Process, awaited: Vec<(String, Ticket)>) {
        let origin = process.handle.origin().to_owned();
        let mut waiting = Vec::new();
        for (id, mut ticket) in awaited {
            let watch = Arc::new(Watch(self.machine.clone(), AtomicUsize::new(usize::MAX)));
            let waker = Waker::from(watch.clone());
            assert!(std::pin::Pin::new(&mut ticket).poll(&mut Context::from_waker(&waker)).is_pending());
            let receipt = process.handle.receipt(RecordId::parse(&id).unwrap(), Level::Durable);
            waiting.push((id, ticket, watch, receipt));
        }
        process.turn();
        for (id, mut ticket, watch, receipt) in waiting {
            let mut context = Context::from_waker(Waker::noop());
            let Poll::Ready(Ok(index)) = std::pin::Pin::new(&mut ticket).poll(&mut context) else {
                panic!("{id} was not written")
            };
            let receipt = receipt.wait().unwrap().receipt;
            assert_eq!((receipt.index, &receipt.log), (Some(index), &origin));
            let at = watch.1.load(Ordering::Relaxed);
            self.promises.push((at, Promise::Acked { origin: origin.clone(), index, id, leaf: receipt.leaf }));
        }
    }

    /// The sink has all that is durable; its cursor is written, then retention hears of it.
    fn ship(&mut self, process: &Process) {
        let mut cursor = Cursor::load_from(&self.machine, Path::new(DIR), SINK).0;
        let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
        for (_, promise) in &self.promises {
            if let Promise::Acked { origin, index, .. } = promise {
                let size = sizes.entry(boot_of(origin)).or_default();
                *size = (*size).max(index + 1);
            }
        }
        sizes.insert(boot_of(process.handle.origin()), process.handle.durable_records());
        for (boot, next) in sizes {
            // What closed logs hold beyond what was acknowledged the sink has too.
            let (next, done) = if boot_of(process.handle.origin()) == boot { (next, false) } else { (next + 1_000, true) };
            cursor.logs.insert(boot, Reached { next, root: empty_root(), kept: next, done });
        }
        cursor.save_to(&self.machine).unwrap();
        for (boot, reached) in cursor.logs {
            self.options.shipped.note(SINK, &boot, reached.kept);
            self.promises.push((self.machine.position(), Promise::Noted { boot, next: reached.next }));
        }
    }

    /// Takes the content of a record in a closed log away, as `erase` does.
    fn erase(&mut self) {
        let acked: Vec<(String, u64)> = self
            .promises
            .iter()
            .filter_map(|(_, promise)| match promise {
                Promise::Acked { origin, index, .. } => Some((origin.clone(), *index)),
                _ => None,
            })
            .collect();
        let Some((origin, index)) = acked.get(self.dice.draw(acked.len() as u64) as usize).cloned() else { return };
        let log = Path::new(DIR).join("logs").join(boot_of(&origin));
        let names = Files::list(&self.machine, &log).unwrap_or_default();
        let mut segment =
            names.iter().filter(|name| crate::evidence::segment::parse_name(name).is_some_and(|(first, _)| first <= index));
        let Some(segment) = segment.next_back().map(|name| log.join(name)) else { return };
        let keep = std::mem::replace(&mut self.options.keep, std::time::Duration::MAX);
        let mut process = self.open();
        self.promises.push((self.machine.position(), Promise::Erasing { origin: origin.clone(), index }));
        let said = process.handle.strict(Record::from(Erasure {
            basis: Text::from("GDPR Art. 17"),
            id: RecordId::default(),
            index: Int::saturating(index),
            kind: Tag,
            log: LogId::default(),
            mono_us: Int::default(),
            requester: Text::from("case 12"),
            spec: Spec,
            state: Text::from("erased"),
            target: LogId::of(&origin),
            time_us: Int::default(),
        }));
        process.turn();
        said.wait().unwrap();
        forget(&self.machine, &segment, index).unwrap();
        process.close().unwrap();
        self.options.keep = keep;
    }

    fn live(&mut self) {
        for _ in 0..=self.dice.draw(3) {
            let mut process = self.open();
            for _ in 0..=self.dice.draw(6) {
                match self.dice.draw(8) {
                    0..=3 => self.traffic(&mut process),
                    4 | 5 => {
                        self.pass(2_000_000);
                        process.turn();
                    }
                    6 if self.sink => self.ship(&process),
                    _ => {
                        self.pass(2 * DAY_US);
                        process.turn();
                    }
                }
            }
            // Else it is killed, and the page cache lives on.
            if self.dice.draw(3) > 0 {
                process.close().unwrap();
                if self.dice.draw(3) == 0 {
                    self.erase();
                }
            }
        }
        for (at, event) in self.machine.events().iter().enumerate() {
            if let Event::Bytes(_, 0, bytes, _) = event
                && let Ok(note) = std::str::from_utf8(bytes)
                && let Some((text, _)) = note.split_once("\n\n")
                && let Ok(head) = Checkpoint::parse(&format!("{text}\n"))
            {
                self.promises.push((at, Promise::Head(head)));
            }
        }
    }
}

/// What is left of a process that ended at a call, or in the middle of it.
fn broken_off(before: &State, next: Option<&Event>, dice: &mut Dice) -> State {
    let mut state = before.clone();
    match next {
        Some(Event::Bytes(node, at, bytes, now)) if dice.draw(2) == 0 => {
            let part = dice.draw(bytes.len() as u64 + 1) as usize;
            state.apply(&Event::Bytes(*node, *at, bytes[..part].into(), *now));
        }
        Some(event @ (Event::Bytes(..) | Event::Make(..) | Event::Move(..) | Event::Unlink(_))) if dice.draw(4) > 0 => {
            state.apply(event)
        }
        _ => {}
    }
    if dice.draw(4) == 0 { state } else { state.power_cut(dice) }
}

/// A log as it lies there: its tree at each size, and its records.
#[derive(Default)]
struct Seen {
    roots: BTreeMap<u64, Digest>,
    records: BTreeMap<u64, Option<String>>,
    leaves: BTreeMap<u64, Digest>,
    first: u64,
    /// Logs that it says are gone, or their front.
    gone: Vec<String>,
}

fn seen(log: &Path) -> Seen {
    let mut out = Seen::default();
    let mut tree = Tree::default();
    frames(log, &mut |kind, index, bytes| {
        if kind == FrameKind::Edge && tree.size() == 0 {
            tree = edge_of(index, bytes).unwrap();
            out.first = index;
        }
        out.roots.insert(tree.size(), tree.root());
        if kind.is_leaf() && index == tree.size() {
            tree.push(kind.leaf(bytes));
            let value = serde_json::from_slice::<serde_json::Value>(bytes).ok();
            let gone = value.iter().filter_map(|value| value["pruned"].as_array()).flatten();
            out.gone.extend(gone.map(|pruned| boot_of(pruned["origin"].as_str().unwrap())));
            let id = value.map(|value| value["id"].as_str().unwrap().to_owned());
            out.records.insert(index, id);
            out.leaves.insert(index, kind.leaf(bytes));
            out.roots.insert(tree.size(), tree.root());
        }
        true
    })
    .unwrap();
    out
}

/// Starts the folder once more, and holds what is there against what was promised. `why` says which point it is.
fn hold(state: State, ended: &History, promises: &[&Promise], scratch: &Path, dice: &mut Dice, why: &str) -> u64 {
    // Each start sees the time at which the history ended.
    let now = ended.clock.wall_us() / 1_000_000;
    let start = |machine: &Machine, keep| {
        let options = LogOptions { keep, shipped: shipped(machine, ended.sink), ..ended.options.clone() };
        let (handle, writer, queue) =
            prepare(&options, Arc::new(machine.clone()), LENGTHS).unwrap_or_else(|error| panic!("{why}: {error}"));
        Process { handle, writer, queue }
    };
    let mut machine = Machine::with(state.clone(), now);
    let mut points = 1;
    // One in four starts is broken off as well, and may let go what is old.
    if dice.draw(4) == 0 {
        start(&machine, ended.options.keep);
        let events = machine.events();
        let at = dice.draw(events.len() as u64 + 1) as usize;
        let mut again = state;
        events[..at].iter().for_each(|event| again.apply(event));
        machine = Machine::with(broken_off(&again, events.get(at), dice), now);
        points += 1;
    }
    let (cursor, broken) = Cursor::load_from(&machine, Path::new(DIR), SINK);
    assert_eq!(broken, None, "{why}");
    for promise in promises {
        if let Promise::Noted { boot, next } = promise {
            let reached = cursor.logs.get(boot).map_or(0, |reached| reached.next);
            assert!(reached >= *next, "{why}: the cursor of {boot} says {reached} and said {next}");
        }
    }
    // The last one keeps what is there.
    let process = start(&machine, std::time::Duration::MAX);
    process.close().unwrap_or_else(|error| panic!("{why}: {error}"));
    drop(std::fs::remove_dir_all(scratch));
    let mut last = PathBuf::new();
    machine.state().each(&mut |path, bytes| {
        let path = scratch.join(path);
        if last != path.parent().unwrap() {
            last = path.parent().unwrap().to_owned();
            std::fs::create_dir_all(&last).unwrap();
        }
        std::fs::write(path, bytes).unwrap();
    });
    let dir = scratch.join(&DIR[1..]);
    let report = fsck(&dir, &Policy::default()).unwrap();
    let erasing: Vec<(&str, u64)> = promises
        .iter()
        .filter_map(|promise| match promise {
            Promise::Erasing { origin, index } => Some((origin.as_str(), *index)),
            _ => None,
        })
        .collect();
    assert!(report.is_sound() && report.segments.iter().all(|segment| segment.torn == 0), "{why}: {}", report.text());
    assert!(report.verified.is_valid() || !erasing.is_empty(), "{why}: {}", report.text());
    let logs: BTreeMap<&str, Seen> =
        report.verified.logs.iter().map(|log| (log.origin.as_str(), seen(&dir.join("logs").join(&log.boot)))).collect();
    let gone = logs.values().flat_map(|log| &log.gone).max().cloned();
    for promise in promises {
        match promise {
            Promise::Acked { origin, index, id, leaf } => {
                let Some(log) = logs.get(origin.as_str()) else {
                    assert!(gone.as_ref() >= Some(&boot_of(origin)), "{why}: {origin} is gone, and nobody says so");
                    continue;
                };
                // A front that is gone is declared, or the log would not be valid.
                if *index < log.first {
                    continue;
                }
                assert_eq!(log.leaves.get(index).unwrap_or(leaf), leaf, "{why}: another leaf stands at {index}");
                match log.records.get(index) {
                    Some(Some(there)) => assert_eq!(there, id, "{why}: another record stands at {index}"),
                    Some(None) => assert!(erasing.contains(&(origin, *index)), "{why}: {index} was erased"),
                    None => panic!("{why}: acknowledged record {index} of {origin} is lost"),
                }
            }
            Promise::Head(head) => {
                let Some(log) = logs.get(head.origin.as_str()).filter(|log| head.size >= log.first) else { continue };
                assert_eq!(log.roots.get(&head.size), Some(&head.root), "{why}: the head of {} is not on the tree", head.size);
            }
            Promise::Noted { .. } | Promise::Erasing { .. } => {}
        }
    }
    // What a sink lacks is still here.
    if ended.sink {
        for (origin, log) in &logs {
            let next = cursor.logs.get(&boot_of(origin)).map_or(0, |reached| reached.next);
            assert!(log.first <= next, "{why}: records before {} of {origin} are gone, and the sink has {next}", log.first);
        }
    }
    // A log that did not end is owned up to by the one that follows it.
    let pairs = report.verified.logs.windows(2).filter(|pair| pair[0].state == crate::evidence::report::State::Adopted);
    for pair in pairs {
        assert!(pair[1].kinds.contains_key("recovery"), "{why}: {}", report.text());
    }
    points
}

/// All points of one history; gives how many.
fn break_off_everywhere(seed: u64, root_key: &Path, scratch: &Path) -> u64 {
    let mut history = History::new(seed, root_key);
    history.live();
    history.promises.sort_by_key(|(at, _)| *at);
    let events = history.machine.events();
    let mut dice = Dice::new(seed ^ 0x5EED);
    let mut state = State::default();
    let mut points = 0;
    for at in 0..=events.len() {
        let left = broken_off(&state, events.get(at), &mut dice);
        let known = history.promises.partition_point(|(when, _)| *when <= at);
        let promises: Vec<&Promise> = history.promises[..known].iter().map(|(_, promise)| promise).collect();
        let why = format!("history {seed}, broken off at call {at} of {}", events.len());
        points += hold(left, &history, &promises, scratch, &mut dice, &why);
        if let Some(event) = events.get(at) {
            state.apply(event);
        }
    }
    points
}

/// Histories at whose points something was found once.
#[test]
fn where_a_folder_broke_its_promise_once_it_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let root_key = dir.path().join("root.key");
    crate::seal::SigningKey::generate().unwrap().to_file(&root_key).unwrap();
    // A new segment that began with a head was torn before its first sync, and taken for one that was damaged since.
    for seed in [456, 702] {
        break_off_everywhere(seed, &root_key, &dir.path().join("scratch"));
    }
}

#[test]
fn broken_off_anywhere_a_folder_keeps_what_it_promised() {
    let deep = std::env::var_os("SERVANDA_DEEP").is_some();
    let (wanted, threads) =
        if deep { (1_000_000, std::thread::available_parallelism().map_or(1, usize::from)) } else { (2_000, 1) };
    // In memory where there is such a place: nothing here asks a disk.
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let root_key = dir.path().join("root.key");
    crate::seal::SigningKey::generate().unwrap().to_file(&root_key).unwrap();
    let (seeds, points) = (AtomicU64::new(0), AtomicU64::new(0));
    let clock = SystemClock::new();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (seeds, points, root_key, scratch) = (&seeds, &points, &root_key, dir.path().join(format!("{thread}")));
            scope.spawn(move || {
                while points.load(Ordering::Relaxed) < wanted {
                    let seed = seeds.fetch_add(1, Ordering::Relaxed);
                    points.fetch_add(break_off_everywhere(seed, root_key, &scratch), Ordering::Relaxed);
                }
            });
        }
    });
    let (points, seconds) = (points.into_inner(), clock.steady_ns() as f64 / 1e9);
    println!("{points} points of {} histories in {seconds:.1} s, {:.0} a second", seeds.into_inner(), points as f64 / seconds);
}
