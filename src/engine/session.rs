//! What is remembered between the exchanges of one conversation, and the bounded table of all of them.
//!
//! [`Session`] is a value: the engine reads it, the guard changes it after a judgement. [`Sessions`] hands
//! out shared handles; its locks are held for a map access or an `Arc` clone, never across a judgement.
//! At its ceiling the session used longest ago is forgotten, which makes `session.called` false: the
//! stricter answer.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::facts::Facts;
use crate::base::limits::SESSIONS_MAX;

/// Different tools remembered of one session; calls of further ones are counted as one nameless tool.
const TOOLS_MAX: usize = 256;

/// Parts of the table, each under a lock of its own.
const SHARDS: usize = 64;

/// What is remembered of one conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session {
    /// Released calls by catalogue key, in order of first release.
    called: Vec<(Arc<str>, u64)>,
    /// Exchanges begun.
    turns: u64,
    /// Facts told on the inbound lane, for the other lanes.
    facts: Facts,
    /// Topics of the task text, for the lanes that do not see it. None until a task text was judged.
    topics: Option<Arc<[Arc<str>]>>,
}

impl Session {
    /// How often a call of this tool (catalogue key) was released.
    pub fn count(&self, tool: &str) -> u64 {
        self.called.iter().find(|(name, _)| name.as_ref() == tool).map_or(0, |(_, n)| *n)
    }

    /// Whether a call of this tool (catalogue key) was released.
    pub fn called(&self, tool: &str) -> bool {
        self.count(tool) > 0
    }

    /// Exchanges begun in this session, the present one included.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// Facts told on the inbound lane.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Topics of the last task text judged in this session.
    pub fn topics(&self) -> Option<&[Arc<str>]> {
        self.topics.as_deref()
    }

    /// An exchange begins.
    pub fn begin_turn(&mut self) {
        self.turns = self.turns.saturating_add(1);
    }

    /// A call was let through. `tool` is its catalogue key.
    pub fn release(&mut self, tool: &str) {
        if let Some((_, n)) = self.called.iter_mut().find(|(name, _)| name.as_ref() == tool) {
            *n = n.saturating_add(1);
        } else if self.called.len() < TOOLS_MAX {
            self.called.push((tool.into(), 1));
        } else if let Some((_, n)) = self.called.iter_mut().find(|(name, _)| name.is_empty()) {
            *n = n.saturating_add(1);
        } else {
            self.called.push(("".into(), 1));
        }
    }

    /// Keeps the facts of the inbound lane.
    pub fn keep_facts(&mut self, facts: &Facts) {
        self.facts = facts.clone();
    }

    /// Keeps the topics of the task text.
    pub fn keep_topics(&mut self, topics: Arc<[Arc<str>]>) {
        self.topics = Some(topics);
    }
}

/// One session of the table, shared by the exchanges that belong to it.
#[derive(Clone, Debug, Default)]
pub struct SessionHandle {
    shared: Arc<Mutex<Arc<Session>>>,
}

impl SessionHandle {
    /// A session that stands in no table: for exchanges without a key.
    pub fn alone() -> Self {
        Self::default()
    }

    /// The session as it is now. Does not change under the reader.
    pub fn view(&self) -> Arc<Session> {
        Arc::clone(&self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the session. `change` must be short: others of this session wait.
    pub fn update(&self, change: impl FnOnce(&mut Session)) {
        let mut session = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut session));
    }
}

/// All sessions of one listener group, at most a fixed number.
#[derive(Debug)]
pub struct Sessions {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    /// Grows by one with each use.
    tick: u64,
    table: HashMap<Arc<str>, (u64, SessionHandle)>,
}

impl Default for Sessions {
    fn default() -> Self {
        Self::new(SESSIONS_MAX)
    }
}

impl Sessions {
    /// A table for about `max` sessions, and never more.
    pub fn new(max: usize) -> Self {
        let shards = SHARDS.min(max.max(1));
        Self {
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            per_shard: (max / shards).max(1),
        }
    }

    /// The session with this key, made where there is none.
    pub fn open(&self, key: &str) -> SessionHandle {
        let at = (self.hasher.hash_one(key) % self.shards.len().max(1) as u64) as usize;
        let Some(shard) = self.shards.get(at) else { return SessionHandle::alone() };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.tick += 1;
        let tick = shard.tick;
        if let Some((used, handle)) = shard.table.get_mut(key) {
            *used = tick;
            return handle.clone();
        }
        if shard.table.len() >= self.per_shard {
            let oldest = shard.table.iter().min_by_key(|(_, (used, _))| *used).map(|(key, _)| Arc::clone(key));
            if let Some(oldest) = oldest {
                shard.table.remove(&oldest);
            }
        }
        let handle = SessionHandle::default();
        shard.table.insert(key.into(), (tick, handle.clone()));
        handle
    }

    /// Sessions remembered now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|s| s.lock().unwrap_or_else(PoisonError::into_inner).table.len()).sum()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_does_not_change_under_its_reader() {
        let sessions = Sessions::default();
        let handle = sessions.open("a");
        let before = handle.view();
        sessions.open("a").update(|s| {
            s.release("kb_search");
            s.begin_turn();
        });
        assert!(!before.called("kb_search"));
        assert!(handle.view().called("kb_search"));
        assert_eq!((handle.view().count("kb_search"), handle.view().turns()), (1, 1));
        assert!(!sessions.open("b").view().called("kb_search"));
    }

    #[test]
    fn the_table_forgets_the_one_used_longest_ago() {
        let sessions = Sessions::new(1);
        sessions.open("a").update(|s| s.release("t"));
        sessions.open("b");
        assert_eq!(sessions.len(), 1);
        assert!(!sessions.open("a").view().called("t"));
    }

    #[test]
    fn tools_of_one_session_are_bounded() {
        let mut session = Session::default();
        for i in 0..1000 {
            session.release(&format!("t{i}"));
        }
        assert_eq!(session.called.len(), TOOLS_MAX + 1);
        assert!(session.called("t3") && !session.called("t999"));
        assert_eq!(session.count(""), 1000 - TOOLS_MAX as u64);
    }
}
