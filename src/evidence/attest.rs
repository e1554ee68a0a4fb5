//! Asking for receipts: of a record to come, of one just written, and of any that the open log holds on disk.

use std::path::Path;
use std::sync::mpsc::TrySendError;

use super::error::LogError;
use super::find::{find, id_of};
use super::handle::{LogHandle, Message};
use super::merkle::leaf_hash;
use super::prove::{check, proof_of};
use super::receipt::{Issued, Level};
use super::receipts::{Ask, Known};
use super::shape::RecordId;
use super::ticket::{Ticket, promise};

impl LogHandle {
    /// The receipt of a record of this log, once it has this level. To be asked for while its exchange is under way, or
    /// soon after: the newest [`crate::base::limits::RECEIPTS_RECENT_MAX`] records are known by their id, older ones only to
    /// [`Self::receipt_of`]. For a record that never comes the ticket waits until the log ends; dropped, it gives its place back.
    pub fn receipt(&self, record: RecordId, level: Level) -> Ticket<Issued> {
        self.ask(record, level, Known::Coming)
    }

    /// The receipt of a record that is there, by its id or its index: among the newest, or on disk in `dir` under a head of
    /// this log. Waits for the disk; not for async code.
    ///
    /// # Errors
    /// [`LogError::KeyGone`] for a record of an earlier log: the key that could sign ended with its process, and what is
    /// left is a proof. [`LogError::NotFound`] where there is no such record, [`LogError::Uncovered`] while no head covers it.
    pub fn receipt_of(&self, dir: impl AsRef<Path>, what: &str, level: Level) -> Result<Issued, LogError> {
        if let Some(record) = RecordId::parse(what) {
            match self.ask(record, level, Known::Newest).wait() {
                Err(LogError::NotFound(_)) => {}
                answer => return answer,
            }
        }
        let found = find(dir.as_ref(), what)?;
        if found.origin() != self.origin() {
            return Err(LogError::KeyGone(found.origin()));
        }
        // What lies on disk is believed only under a head that this process signed.
        let proven = check(&proof_of(&found)?.text, &self.shared.key)?;
        let record = id_of(&proven.record).ok_or(LogError::Malformed("the record has no id"))?;
        self.ask(record, level, Known::Proven(proven.index, leaf_hash(&proven.record))).wait()
    }

    fn ask(&self, record: RecordId, level: Level, known: Known) -> Ticket<Issued> {
        let (ticket, keeper) = promise();
        match self.queue.try_send(Message::Receipt(Ask { record, level, known, keeper })) {
            Ok(()) => self.shared.wake(),
            Err(TrySendError::Full(Message::Receipt(ask))) => ask.keeper.keep(Err(LogError::Full)),
            // The keeper goes with the message and answers that the log is closed.
            Err(_) => {}
        }
        ticket
    }
}
