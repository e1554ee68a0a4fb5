//! The pact as plain types: what the compiler lowers and reports read.
//!
//! These types hold what a document says after reading: closed words as enums, names resolved, conditions
//! typed, constraints expanded to checks per stage. They can be built by anyone; the proof that one is
//! consistent is `CheckedPact`, which only the checker makes.

mod case;
mod catalogue;
mod evidence;
mod measure;
mod penalty;
mod promise;
mod quantity;
mod renewal;
mod whole;

pub use case::{Case, CaseEvent};
pub use catalogue::{Detector, DetectorKind, Effect, FactType, FactValue, Results, Tool};
pub use evidence::{Anchor, Baseline, Evidence, Limit, Rule, Signals, Source};
pub use measure::{Attribute, COMPLETIONS, Count, Figure, Label, MeasureCheck, Per, Statistic};
pub use penalty::{Bond, Consequence, Notify, Pause, Penalty, Reach, Review, Score, Share};
pub use promise::{Approve, Check, FlowCheck, FlowLabel, MatchCheck, Predicate, SetCheck, SetKind, StageCheck};
pub use quantity::{BoundCheck, Quantity};
pub use renewal::{Counters, Extend, ExtendHow, Renewal, ReviewOn, TerminateOn};
pub use whole::{Pact, Runtime, Subject};
