//! Text matching: knows no rules, only patterns.
