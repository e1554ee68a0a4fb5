//! Drafts from the documents of other systems.
//!
//! A draft says what the foreign document says, where this format has a word for it; nothing is invented.
//! **Promise:** the draft reads without an error, and every value of the foreign document that it does not
//! carry is named with the reason. What could be carried once something else is written stands in the draft as
//! a comment. A signature is never carried: what is signed is another text.

mod armalo;
mod conditions;
mod draft;
mod eidos;
mod foreign;
mod nomotic;

use crate::base::diagnostic::Diagnostics;
use crate::base::document;
use crate::base::names::words;

use super::pack::Packs;

pub use foreign::Left;

words! {
    /// Whose document it is.
    Origin {
        /// An Armalo pact, or a list of live conditions.
        Armalo = "armalo",
        /// A Nomotic behavioural contract.
        Nomotic = "nomotic",
        /// An Eidos agent descriptor.
        Eidos = "eidos",
    }
}

/// What came of a foreign document.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The draft, as YAML.
    pub draft: String,
    /// What it does not carry as it stood, and why.
    pub left: Vec<Left>,
    /// What it lacks before it can be signed.
    pub lacks: Vec<String>,
}

/// Makes a draft of a foreign document.
///
/// # Errors
/// The text is neither JSON nor YAML, or no map.
pub fn import(text: &str, from: Origin, packs: &Packs) -> Result<Imported, Diagnostics> {
    let root = document::parse(text)?;
    let value = root.to_json();
    if !value.is_object() {
        let mut out = Diagnostics::default();
        out.error("not_a_map", "", root.span, format!("a document of {from} is a map, not {}", root.kind()));
        return Err(out);
    }
    let mut source = foreign::Foreign::new(value);
    let draft = match from {
        Origin::Armalo if source.has("conditions") => conditions::draft(&mut source),
        Origin::Armalo => armalo::draft(&mut source),
        Origin::Nomotic => nomotic::draft(&mut source),
        Origin::Eidos => eidos::draft(&mut source),
    };
    Ok(draft.finish(source, from, packs))
}

#[cfg(test)]
mod tests;
