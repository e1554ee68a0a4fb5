//! Judgement: same inputs, same answer, on any machine.
