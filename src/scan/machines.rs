//! Compiled expressions that scanners share.
//!
//! An expression is most of what a scanner costs to build, and the stages of a program look for much the same. Promises:
//! what is shared is what would have been compiled; what no scanner uses any more is let go.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::regex::{Machine, RegexFault};

/// Expressions that are remembered before those that nobody uses are looked for.
const SWEPT_AT: usize = 1024;

/// An expression and its longest match as declared.
type Key = (Box<str>, Option<usize>);

/// The compiled expressions of some scanners. Clones share them. What is remembered says nothing of what is equal.
#[derive(Clone, Debug, Default)]
pub struct Machines(Arc<Mutex<HashMap<Key, Weak<Machine>>>>);

impl PartialEq for Machines {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Machines {}

impl Machines {
    /// The expression as some scanner has it, or compiled anew.
    pub(super) fn get(&self, text: &str, bytes_max: Option<usize>) -> Result<Arc<Machine>, RegexFault> {
        let key = (text.into(), bytes_max);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(machine) = lock().get(&key).and_then(Weak::upgrade) {
            return Ok(machine);
        }
        let machine = Arc::new(Machine::new(text, bytes_max)?);
        let mut known = lock();
        if known.len() >= SWEPT_AT && known.len() == known.capacity() {
            known.retain(|_, machine| machine.strong_count() > 0);
        }
        known.insert(key, Arc::downgrade(&machine));
        Ok(machine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_is_shared_and_the_rest_is_let_go() {
        let machines = Machines::default();
        let one = machines.get("ab{1,3}", None).unwrap();
        assert!(Arc::ptr_eq(&one, &machines.clone().get("ab{1,3}", None).unwrap()));
        assert!(!Arc::ptr_eq(&one, &machines.get("ab{1,3}", Some(3)).unwrap()));
        assert!(machines.get("(", None).is_err());
        for n in 0..3 * SWEPT_AT {
            machines.get(&format!("x{n}"), None).unwrap();
        }
        let known = machines.0.lock().unwrap();
        assert!(known.len() < 2 * SWEPT_AT, "{}", known.len());
        assert!(known.contains_key(&("ab{1,3}".into(), None)));
    }
}
