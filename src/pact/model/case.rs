//! The pact's own tests.

use std::collections::BTreeMap;

use super::catalogue::FactValue;
use super::quantity::Quantity;
use crate::base::diagnostic::Span;
use crate::base::names::Lane;
use crate::base::names::Stage;
use crate::base::verdict::Act;
use crate::pact::decimal::Decimal;

/// One test of the pact.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Its name.
    pub name: Option<String>,
    /// Facts of the exchange; one not given has no source.
    pub facts: BTreeMap<String, FactValue>,
    /// What happens, in order. Every event but the last must not be blocked.
    pub events: Vec<CaseEvent>,
    /// The act of the last event.
    pub expect: Act,
    /// The predicate that must be among the breached ones.
    pub predicate: Option<String>,
    /// Place of its entry.
    pub span: Span,
}

/// One event of a case: the shape of a line of `servanda judge`.
#[derive(Clone, Debug, PartialEq)]
pub struct CaseEvent {
    /// Where.
    pub at: Stage,
    /// Lane; none: the one natural for the stage.
    pub lane: Option<Lane>,
    /// Text.
    pub text: Option<String>,
    /// Tool on the wire.
    pub tool: Option<String>,
    /// Arguments as JSON text.
    pub args: Option<String>,
    /// Host of a connection.
    pub host: Option<String>,
    /// Facts that change with this event.
    pub facts: BTreeMap<String, FactValue>,
    /// Quantities of this event.
    pub measures: BTreeMap<Quantity, Decimal>,
}
