//! Wire formats: never loses a byte it does not understand.
