//! Pacts that the command line names: read, checked, compiled.

use std::path::Path;

use super::render::{CliError, Screen};
use crate::scan::Scanner;

/// The scanner of the detectors that a pact uses.
pub(super) fn scanner_of(path: &Path, _screen: &mut Screen) -> Result<Scanner, CliError> {
    Err(CliError::file(path, "pacts cannot be read yet"))
}
