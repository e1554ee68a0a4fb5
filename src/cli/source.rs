//! Pacts that the command line names: read, checked, compiled, from text or from an image.

use std::path::Path;
use std::sync::Arc;

use super::input;
use super::render::{CliError, Screen, safe};
use crate::base::limits::IMAGE_MAX;
use crate::pact::{self, CheckedPact, Packs};
use crate::program::image::{Image, ImageError};
use crate::program::{Program, compile};
use crate::scan::Scanner;

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
    let name = safe(&path.display().to_string()).into_owned();
    let (checked, mistakes) = pact::read(&text, packs);
    screen.diagnostics(&name, &text, &mistakes);
    Ok(checked.map(|checked| Source { name, text, checked }))
}

impl Source {
    /// Compiles it and tells what cannot be compiled. None when something cannot.
    pub(super) fn compile(&self, screen: &mut Screen) -> Option<Program> {
        self.compile_with(Packs::shipped(), screen)
    }

    /// The same with other packs.
    pub(super) fn compile_with(&self, packs: &Packs, screen: &mut Screen) -> Option<Program> {
        match compile(std::slice::from_ref(&self.checked), packs) {
            Ok(program) => Some(program),
            Err(mistakes) => {
                screen.diagnostics(&self.name, &self.text, &mistakes);
                None
            }
        }
    }
}

/// The image in a file, if it is one.
pub(super) fn image(path: &Path) -> Result<Option<Image>, CliError> {
    match Image::read(&input::bytes(path, IMAGE_MAX)?) {
        Ok(image) => Ok(Some(image)),
        Err(ImageError::NotAnImage) => Ok(None),
        Err(error) => Err(CliError::file(path, error)),
    }
}

/// The program of a pact or an image, and the pact itself.
pub(super) fn program(path: &Path, screen: &mut Screen) -> Result<(Arc<Program>, CheckedPact), CliError> {
    let unusable = || CliError::file(path, "cannot be used").help(format!("`servanda check {}` tells why", path.display()));
    if let Some(image) = image(path)? {
        let program = image.program_unsigned(Packs::shipped()).map_err(|e| CliError::file(path, e))?;
        let (checked, _) = pact::read(image.pacts().first().map_or("", AsRef::as_ref), Packs::shipped());
        return Ok((Arc::new(program), checked.ok_or_else(unusable)?));
    }
    let source = read(path, screen)?.ok_or_else(unusable)?;
    let program = source.compile(screen).ok_or_else(unusable)?;
    Ok((Arc::new(program), source.checked))
}

/// The scanner of the packs that a pact uses and of its own detectors, and the pact.
pub(super) fn scanner_of(path: &Path, screen: &mut Screen) -> Result<(Scanner, CheckedPact), CliError> {
    let (_, checked) = program(path, screen)?;
    let packs = Packs::shipped();
    let used = |name: &str| checked.used_packs().contains(name);
    let mut patterns: Vec<_> = packs.entries().filter(|(p, _)| used(&p.name)).map(|(_, e)| e.pattern.clone()).collect();
    patterns.extend(checked.pact().detectors.iter().map(crate::pact::model::Detector::pattern));
    let topics = packs.topics().filter(|(p, _)| used(&p.name)).map(|(_, t)| t.topic.clone()).collect();
    let scanner = Scanner::new(patterns, topics).map_err(|e| CliError::new(e.to_string()))?;
    Ok((scanner, checked))
}
