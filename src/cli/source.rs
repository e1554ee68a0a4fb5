//! Pacts that the command line names: read and checked; and the images among files.

use std::path::Path;

use super::input;
use super::render::{CliError, Screen, safe};
use crate::base::limits::IMAGE_MAX;
use crate::pact::{self, CheckedPact, Packs};
use crate::program::image::{Image, ImageError};

/// A pact as a file holds it.
#[derive(Debug)]
pub(super) struct Source {
    /// The file, for messages.
    pub(super) name: String,
    /// The document.
    pub(super) text: String,
    /// What it says.
    pub(super) checked: CheckedPact,
}

/// Reads a pact and tells its mistakes. None when it has errors.
pub(super) fn read(path: &Path, screen: &mut Screen) -> Result<Option<Source>, CliError> {
    read_with(path, Packs::shipped(), screen)
}

/// The same with other packs than those that come with the program.
pub(super) fn read_with(path: &Path, packs: &Packs, screen: &mut Screen) -> Result<Option<Source>, CliError> {
    let text = input::document(path)?;
    Ok(of(safe(&path.display().to_string()).into_owned(), &text, packs, screen))
}

/// The same with a text that is at hand, under a name for messages.
pub(super) fn of(name: String, text: &str, packs: &Packs, screen: &mut Screen) -> Option<Source> {
    let (checked, mistakes) = pact::read(text, packs);
    screen.diagnostics(&name, text, &mistakes);
    checked.map(|checked| Source { name, text: text.to_owned(), checked })
}

/// The image in a file, if it is one.
pub(super) fn image(path: &Path) -> Result<Option<Image>, CliError> {
    match Image::read(&input::bytes(path, IMAGE_MAX)?) {
        Ok(image) => Ok(Some(image)),
        Err(ImageError::NotAnImage) => Ok(None),
        Err(error) => Err(CliError::file(path, error)),
    }
}
