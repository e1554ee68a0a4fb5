//! From documents to a program: the door for whoever has text, a file or a checked pact.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::ir::Program;
use super::lower::lower;
use super::part::Origin;
use crate::base::diagnostic::{Diagnostics, Span};
use crate::base::limits::DOCUMENT_MAX;
use crate::pact::sealed::VerifiedPact;
use crate::pact::trust::TrustFile;
use crate::pact::{CheckedPact, Packs};

/// Compiles a checked pact into a program. Several pacts need a portfolio, which says what stands under each
/// ([`link`](super::link::link)).
///
/// # Errors
/// What cannot be compiled, with its place in the document.
pub fn compile(checked: &[CheckedPact], packs: &Packs) -> Result<Program, Diagnostics> {
    if let [one] = checked {
        return compile_one(one, false, packs);
    }
    let mut mistakes = Diagnostics::default();
    let message = format!("{} pacts; one makes a program", checked.len());
    mistakes.error("portfolio", "", Span::default(), message).help("write a portfolio, which says what stands under each");
    Err(mistakes)
}

/// Compiles a pact that may be enforced. In trusted mode only packs that came with the binary, or that the
/// trust file names by digest, may take part.
///
/// # Errors
/// What cannot be compiled, or the pack that is not trusted.
pub fn compile_verified(pact: &VerifiedPact, packs: &Packs, trust: Option<&TrustFile>) -> Result<Program, Diagnostics> {
    let program = compile_one(pact.checked(), !pact.is_unsigned(), packs)?;
    check_packs(&program, packs, trust)?;
    Ok(program)
}

/// Refuses packs that are not trusted.
pub(super) fn check_packs(program: &Program, packs: &Packs, trust: Option<&TrustFile>) -> Result<(), Diagnostics> {
    let mut mistakes = Diagnostics::default();
    let Some(trust) = trust else { return Ok(()) };
    for used in program.packs() {
        if !trusted(&used.name, packs, trust) {
            let message = format!("pack `{}` {} neither came with this build nor is in the trust file", used.name, used.version);
            mistakes.error("pack_untrusted", format!("packs.{}", used.name), Span::default(), message);
        }
    }
    if mistakes.has_errors() { Err(mistakes) } else { Ok(()) }
}

/// Whether a pack in use is a shipped one or named by the trust file.
fn trusted(name: &str, packs: &Packs, trust: &TrustFile) -> bool {
    let Some(here) = packs.get(name) else { return false };
    Packs::shipped().get(name).is_some_and(|shipped| shipped.digest == here.digest) || trust.allows_pack(here)
}

/// Compiles one checked pact. `signed` says that its signatures were verified against a trust file.
///
/// # Errors
/// What cannot be compiled, with its place in the document.
pub fn compile_one(pact: &CheckedPact, signed: bool, packs: &Packs) -> Result<Program, Diagnostics> {
    let source = String::from_utf8_lossy(pact.canonical()).into_owned();
    let origin = Origin { digest: pact.digest().0, signed, source: source.into(), until: None };
    lower(pact.pact(), packs, &origin)
}

/// Why a file did not become a program.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CompileError {
    /// It could not be read.
    Read {
        /// Its path.
        path: String,
        /// What the system says.
        message: String,
    },
    /// Its mistakes.
    Mistakes {
        /// Its path.
        path: String,
        /// The document.
        source: Arc<str>,
        /// All of them.
        mistakes: Diagnostics,
    },
}

impl fmt::Display for CompileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { path, message } => write!(f, "{path}: {message}"),
            Self::Mistakes { path, source, mistakes } => f.write_str(&mistakes.render(path, source)),
        }
    }
}

impl std::error::Error for CompileError {}

impl Program {
    /// Compiles a pact's text with the packs that come with the library. Unsigned, as in development.
    ///
    /// # Errors
    /// All mistakes of the document.
    pub fn compile_text(text: &str) -> Result<Self, Diagnostics> {
        let packs = Packs::shipped();
        let (checked, mistakes) = crate::pact::read(text, packs);
        compile_one(&checked.ok_or(mistakes)?, false, packs)
    }

    /// The same from a file.
    ///
    /// # Errors
    /// When it cannot be read, or all mistakes of the document.
    pub fn compile_file(path: impl AsRef<Path>) -> Result<Self, CompileError> {
        let path = path.as_ref();
        let name = path.display().to_string();
        let read = |message: String| CompileError::Read { path: name.clone(), message };
        let size = std::fs::metadata(path).map_err(|e| read(e.to_string()))?.len();
        if size > DOCUMENT_MAX as u64 {
            return Err(read(format!("{size} bytes; a pact has at most {DOCUMENT_MAX}")));
        }
        let source = std::fs::read_to_string(path).map_err(|e| read(e.to_string()))?;
        Self::compile_text(&source).map_err(|mistakes| CompileError::Mistakes { path: name, source: source.into(), mistakes })
    }
}
