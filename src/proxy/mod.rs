//! The sidecar: a failed reload changes nothing.
