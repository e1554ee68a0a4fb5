//! A machine for tests that loses power between any two calls of the system, or has its process killed.
//!
//! It keeps what a process did as a list of events, so that any moment of a history can be taken up again. What a power cut
//! leaves is as bad as POSIX allows: of what was not synced, any sectors in any order, one of them torn at any byte; a file
//! longer, shorter or empty; any names made, moved and removed, or none of them. A sync of a file says nothing of its name.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path};
use std::sync::{Arc, Mutex, MutexGuard};

use super::{Handle, How, Stat, System};

const SECTOR: usize = 512;
const ROOT: usize = 0;

/// xorshift: what happens follows from the seed.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..4 {
            dice.draw(2);
        }
        dice
    }

    pub(crate) fn draw(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % below.max(1)
    }
}

/// A change to a file that was not synced.
#[derive(Clone, Debug)]
enum Change {
    Bytes(usize, Arc<[u8]>),
    Length(usize),
}

#[derive(Clone, Debug)]
enum Node {
    File {
        /// What processes see.
        seen: Vec<u8>,
        /// What is durable, while there are changes that are not.
        kept: Vec<u8>,
        changes: Vec<Change>,
        changed: i64,
    },
    Dir {
        seen: BTreeMap<String, usize>,
        kept: BTreeMap<String, usize>,
    },
}

/// A name in a directory.
type Place = (usize, String);

/// What a process did.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Make(Place, bool),
    Bytes(usize, usize, Arc<[u8]>, i64),
    Length(usize, usize),
    Sync(usize),
    Move(Place, Place),
    Unlink(Place),
}

/// A change to names that was not synced: taken away here, put there.
#[derive(Clone, Debug)]
struct Renamed {
    from: Option<Place>,
    to: Option<(Place, usize)>,
}

/// All files at one moment.
#[derive(Clone, Debug)]
pub(crate) struct State {
    nodes: Vec<Node>,
    names: Vec<Renamed>,
}

impl Default for State {
    fn default() -> Self {
        Self { nodes: vec![Node::Dir { seen: BTreeMap::new(), kept: BTreeMap::new() }], names: Vec::new() }
    }
}

fn put(file: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    if file.len() < at + bytes.len() {
        file.resize(at + bytes.len(), 0);
    }
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

impl State {
    pub(crate) fn apply(&mut self, event: &Event) {
        match event {
            Event::Make((dir, name), is_dir) => {
                let node = self.nodes.len();
                self.nodes.push(if *is_dir {
                    Node::Dir { seen: BTreeMap::new(), kept: BTreeMap::new() }
                } else {
                    Node::File { seen: Vec::new(), kept: Vec::new(), changes: Vec::new(), changed: 0 }
                });
                self.name(Renamed { from: None, to: Some(((*dir, name.clone()), node)) });
            }
            Event::Bytes(node, at, bytes, now) => self.change(*node, Change::Bytes(*at, bytes.clone()), Some(*now)),
            Event::Length(node, length) => self.change(*node, Change::Length(*length), None),
            Event::Sync(node) => match &mut self.nodes[*node] {
                Node::File { kept, changes, .. } => {
                    kept.clear();
                    changes.clear();
                }
                Node::Dir { .. } => {
                    let (now, later): (Vec<Renamed>, _) = std::mem::take(&mut self.names).into_iter().partition(|renamed| {
                        let touches = |place: &Place| place.0 == *node;
                        renamed.from.as_ref().is_some_and(touches) || renamed.to.as_ref().is_some_and(|(to, _)| touches(to))
                    });
                    self.names = later;
                    now.iter().for_each(|renamed| self.keep(renamed));
                }
            },
            Event::Move(from, to) => {
                let Some(node) = self.dir(from.0).get(&from.1).copied() else { return };
                self.name(Renamed { from: Some(from.clone()), to: Some((to.clone(), node)) });
            }
            Event::Unlink(place) => self.name(Renamed { from: Some(place.clone()), to: None }),
        }
    }

    fn change(&mut self, node: usize, change: Change, now: Option<i64>) {
        let Node::File { seen, kept, changes, changed } = &mut self.nodes[node] else { return };
        if changes.is_empty() {
            kept.clone_from(seen);
        }
        match &change {
            Change::Bytes(at, bytes) => put(seen, *at, bytes),
            Change::Length(length) => seen.resize(*length, 0),
        }
        *changed = now.unwrap_or(*changed);
        changes.push(change);
    }

    fn name(&mut self, renamed: Renamed) {
        if let Some((dir, name)) = &renamed.from
            && let Node::Dir { seen, .. } = &mut self.nodes[*dir]
        {
            seen.remove(name);
        }
        if let Some(((dir, name), node)) = &renamed.to
            && let Node::Dir { seen, .. } = &mut self.nodes[*dir]
        {
            seen.insert(name.clone(), *node);
        }
        self.names.push(renamed);
    }

    /// Makes a change to names durable.
    fn keep(&mut self, renamed: &Renamed) {
        if let Some((dir, name)) = &renamed.from
            && let Node::Dir { kept, .. } = &mut self.nodes[*dir]
        {
            kept.remove(name);
        }
        if let Some(((dir, name), node)) = &renamed.to
            && let Node::Dir { kept, .. } = &mut self.nodes[*dir]
        {
            kept.insert(name.clone(), *node);
        }
    }

    fn dir(&self, node: usize) -> &BTreeMap<String, usize> {
        static NONE: BTreeMap<String, usize> = BTreeMap::new();
        match &self.nodes[node] {
            Node::Dir { seen, .. } => seen,
            Node::File { .. } => &NONE,
        }
    }

    fn find(&self, path: &Path) -> io::Result<usize> {
        path.components().filter(|part| matches!(part, Component::Normal(_))).try_fold(ROOT, |node, part| {
            let name = part.as_os_str().to_str().unwrap();
            self.dir(node).get(name).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }

    fn place(&self, path: &Path) -> io::Result<Place> {
        Ok((self.find(path.parent().unwrap())?, path.file_name().unwrap().to_str().unwrap().to_owned()))
    }

    /// The machine comes back after a power cut.
    pub(crate) fn power_cut(&self, dice: &mut Dice) -> Self {
        // From nothing of what was not synced to nearly all of it.
        let likely = [0, 1, 4, 7, 8][dice.draw(5) as usize];
        let survives = |dice: &mut Dice| dice.draw(8) < likely;
        let mut nodes = self.nodes.clone();
        for node in &mut nodes {
            let Node::File { seen, kept, changes, .. } = node else { continue };
            if changes.is_empty() {
                continue;
            }
            let mut left = std::mem::take(kept);
            for change in changes.drain(..) {
                match change {
                    Change::Length(length) if survives(dice) => left.resize(length, 0),
                    Change::Length(_) => {}
                    Change::Bytes(at, bytes) => {
                        // The length may be durable and the content not.
                        if at + bytes.len() > left.len() && survives(dice) {
                            left.resize(at + bytes.len(), 0);
                        }
                        let mut from = 0;
                        while from < bytes.len() {
                            let end = bytes.len().min(from + SECTOR - (at + from) % SECTOR);
                            if survives(dice) {
                                put(&mut left, at + from, &bytes[from..end]);
                            } else if dice.draw(16) == 0 {
                                let torn = from + dice.draw((end - from) as u64 + 1) as usize;
                                put(&mut left, at + from, &bytes[from..torn]);
                            }
                            from = end;
                        }
                    }
                }
            }
            *seen = left;
        }
        let mut after = Self { nodes, names: Vec::new() };
        // Most file systems keep the order of names, POSIX does not ask for it.
        let ordered = dice.draw(2) == 0;
        let last = dice.draw(self.names.len() as u64 + 1) as usize;
        for (at, renamed) in self.names.iter().enumerate() {
            if if ordered { at < last } else { survives(dice) } {
                after.keep(renamed);
            }
        }
        for node in &mut after.nodes {
            if let Node::Dir { seen, kept } = node {
                seen.clone_from(kept);
            }
        }
        after
    }

    /// Calls for each file, with its path below the root.
    pub(crate) fn each(&self, call: &mut dyn FnMut(&str, &[u8])) {
        fn walk(state: &State, node: usize, path: &str, call: &mut dyn FnMut(&str, &[u8])) {
            for (name, below) in state.dir(node) {
                let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                match &state.nodes[*below] {
                    Node::File { seen, .. } => call(&path, seen),
                    Node::Dir { .. } => walk(state, *below, &path, call),
                }
            }
        }
        walk(self, ROOT, "", call);
    }
}

/// What the process is seen to do.
#[derive(Debug, Default)]
struct Run {
    state: State,
    events: Vec<Event>,
    now: i64,
}

/// The machine. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine(Arc<Mutex<Run>>);

impl Machine {
    /// One that comes back with these files.
    pub(crate) fn with(state: State, now: i64) -> Self {
        Self(Arc::new(Mutex::new(Run { state, events: Vec::new(), now })))
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.0.lock().unwrap()
    }

    /// How many calls changed something.
    pub(crate) fn position(&self) -> usize {
        self.run().events.len()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.run().events.clone()
    }

    pub(crate) fn state(&self) -> State {
        self.run().state.clone()
    }

    /// What changes from now on is marked with this time, in Unix seconds.
    pub(crate) fn set_now(&self, now: i64) {
        self.run().now = now;
    }
}

impl Run {
    fn act(&mut self, event: Event) {
        self.state.apply(&event);
        self.events.push(event);
    }
}

/// An open file.
#[derive(Debug)]
pub(crate) struct Open {
    machine: Machine,
    node: usize,
}

impl System for Machine {
    type File = Open;

    fn open_file(&self, path: &Path, how: How) -> io::Result<Open> {
        let mut run = self.run();
        let node = match (run.state.find(path), how) {
            (Ok(_), How::New(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Err(error), How::There) => return Err(error),
            (Ok(node), How::There) => node,
            (Ok(node), How::Emptied(_)) => {
                run.act(Event::Length(node, 0));
                node
            }
            (Err(_), _) => {
                let place = run.state.place(path)?;
                run.act(Event::Make(place, false));
                run.state.nodes.len() - 1
            }
        };
        Ok(Open { machine: self.clone(), node })
    }

    fn read_file(&self, path: &Path) -> io::Result<Vec<u8>> {
        let run = self.run();
        match &run.state.nodes[run.state.find(path)?] {
            Node::File { seen, .. } => Ok(seen.clone()),
            Node::Dir { .. } => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut run = self.run();
        if run.state.find(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let place = run.state.place(path)?;
        run.act(Event::Make(place, true));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut run = self.run();
        let node = run.state.find(path)?;
        run.act(Event::Sync(node));
        Ok(())
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let run = self.run();
        match &run.state.nodes[run.state.find(path)?] {
            Node::Dir { seen, .. } => Ok(seen.keys().cloned().collect()),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn look(&self, path: &Path) -> io::Result<Stat> {
        let run = self.run();
        Ok(match &run.state.nodes[run.state.find(path)?] {
            Node::File { seen, changed, .. } => Stat { is_dir: false, length: seen.len() as u64, changed: *changed },
            Node::Dir { .. } => Stat { is_dir: true, length: 0, changed: 0 },
        })
    }

    fn move_to(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut run = self.run();
        run.state.find(from)?;
        let (from, to) = (run.state.place(from)?, run.state.place(to)?);
        run.act(Event::Move(from, to));
        Ok(())
    }

    fn unlink(&self, path: &Path) -> io::Result<()> {
        let mut run = self.run();
        run.state.find(path)?;
        let place = run.state.place(path)?;
        run.act(Event::Unlink(place));
        Ok(())
    }

    fn remove_tree(&self, path: &Path) -> io::Result<()> {
        for name in self.names(path)? {
            let below = path.join(name);
            if self.look(&below)?.is_dir {
                self.remove_tree(&below)?;
            } else {
                self.unlink(&below)?;
            }
        }
        self.unlink(path)
    }
}

impl Handle for Open {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut run = self.machine.run();
        let now = run.now;
        run.act(Event::Bytes(self.node, offset as usize, bytes.into(), now));
        Ok(())
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let run = self.machine.run();
        let Node::File { seen, .. } = &run.state.nodes[self.node] else { return Err(io::ErrorKind::IsADirectory.into()) };
        let stored = seen.get(offset as usize..offset as usize + bytes.len());
        bytes.copy_from_slice(stored.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.machine.run().act(Event::Length(self.node, length as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.machine.run().act(Event::Sync(self.node));
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        self.sync_data()
    }
}
