//! What the config names, read: a pact, a portfolio with the pacts that it names, an image of either, or nothing, which
//! is the built-in pact.
//!
//! Each file is read once, so that what was verified is what is compiled. Nothing here asks who counts, but for the
//! signer of an image.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::limits::{DOCUMENT_MAX, IMAGE_MAX};
use crate::pact::{CheckedPact, Demands, Packs, Portfolio, SealedPact, is_portfolio, read, read_portfolio};
use crate::program::image::{Image, ImageError};
use crate::program::link::Mistakes;
use crate::proxy::config::Config;

use super::decide::Refused;

/// The pact of a sidecar that was given none.
const OBSERVE: &str = include_str!("observe.pact.yaml");

/// The ending of the name of an image.
const IMAGE: &str = "pactc";

/// What the config names.
pub(super) struct Named {
    /// The file.
    name: String,
    /// The portfolio that holds the pacts; none: a pact by itself.
    pub(super) portfolio: Option<Portfolio>,
    /// The portfolio as text.
    text: String,
    /// The pacts, in its order.
    pub(super) pacts: Vec<Arc<SealedPact>>,
    /// The image that holds them, if one does.
    pub(super) image: Option<Image>,
    /// Files that were read beside the one that the config names.
    pub(super) files: Vec<PathBuf>,
}

impl Named {
    /// Reads it. An image must be signed by those whom the deployment names, and a portfolio be of its agent.
    pub(super) fn read(config: &Config, demands: &Demands<'_>) -> Result<Self, Refused> {
        let Some(path) = config.pacts.first() else {
            let own = Self::new("the built-in pact".to_owned());
            return Ok(Self { pacts: vec![sealed(&own.name, OBSERVE)?], ..own });
        };
        let named = Self::new(path.display().to_string());
        if path.extension().is_some_and(|e| e == IMAGE) {
            named.image(&bytes(path, IMAGE_MAX)?, config, demands)
        } else {
            named.text(path, demands)
        }
    }

    fn new(name: String) -> Self {
        Self { name, portfolio: None, text: String::new(), pacts: Vec::new(), image: None, files: Vec::new() }
    }

    /// A pact or a portfolio as text.
    fn text(mut self, path: &Path, demands: &Demands<'_>) -> Result<Self, Refused> {
        let text = text_of(path)?;
        if !is_portfolio(&text) {
            self.pacts.push(sealed(&self.name, &text)?);
            return Ok(self);
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        for entry in &self.folio(text, demands)?.pacts {
            let file = folder.join(&entry.pact);
            let name = file.display().to_string();
            if file.extension().is_some_and(|e| e == IMAGE) {
                let why = "is an image, and a portfolio names pacts; `servanda compile` makes one image of the portfolio";
                return Err(Refused::Broken(format!("{name}: {why}")));
            }
            self.pacts.push(sealed(&name, &text_of(&file)?)?);
            self.files.push(file);
        }
        Ok(self)
    }

    /// What an image holds.
    fn image(mut self, bytes: &[u8], config: &Config, demands: &Demands<'_>) -> Result<Self, Refused> {
        let image = Image::read(bytes).and_then(|image| signed(config, demands, image));
        let image = image.map_err(|error| Refused::Image(self.name.clone(), error))?;
        let entries = image.portfolio().map(|text| self.folio(text.to_owned(), demands)).transpose()?;
        for (at, text) in image.pacts().iter().enumerate() {
            let entry = entries.as_ref().and_then(|portfolio| portfolio.pacts.get(at));
            let name = entry.map_or_else(|| self.name.clone(), |entry| format!("{}: {}", self.name, entry.pact));
            self.pacts.push(sealed(&name, text)?);
        }
        self.image = Some(image);
        Ok(self)
    }

    /// Takes up a portfolio.
    fn folio(&mut self, text: String, demands: &Demands<'_>) -> Result<Portfolio, Refused> {
        let (portfolio, mistakes) = read_portfolio(&text);
        let portfolio = portfolio.ok_or_else(|| Refused::Broken(mistakes.render(&self.name, &text).trim_end().to_owned()))?;
        if let Some(here) = demands.agent.filter(|here| *here != portfolio.agent) {
            let refused = Refused::OtherAgent { portfolio: portfolio.agent, here: here.to_owned() };
            return Err(refused.of(self.name.clone()));
        }
        self.text = text;
        self.portfolio = Some(portfolio.clone());
        Ok(portfolio)
    }

    /// Why the pacts cannot be compiled together; `ids` are theirs.
    pub(super) fn uncompilable<'i>(&self, mistakes: &Mistakes, ids: impl IntoIterator<Item = &'i str>) -> Refused {
        let mut told = mistakes.portfolio.render(&self.name, &self.text);
        for (id, mistakes) in ids.into_iter().zip(&mistakes.pacts) {
            told.push_str(&mistakes.render(id, ""));
        }
        Refused::Uncompilable(told.trim_end().to_owned())
    }

    /// Why the image is not what it says.
    pub(super) fn damaged(&self, error: ImageError) -> Refused {
        Refused::Image(self.name.clone(), error)
    }
}

/// A pact whose signatures all fit.
fn sealed(name: &str, text: &str) -> Result<Arc<SealedPact>, Refused> {
    let checked = document(name, text, Packs::shipped())?;
    let called = called(&checked);
    SealedPact::new(checked).map(Arc::new).map_err(|error| Refused::Pact(error).of(called))
}

/// A pact as messages name it.
pub(super) fn called(checked: &CheckedPact) -> String {
    format!("`{}` {}", checked.pact().id, checked.pact().version)
}

/// A file of at most so many bytes.
fn bytes(path: &Path, most: usize) -> Result<Vec<u8>, Refused> {
    let wrong = |why: String| Refused::Unreadable(format!("{}: {why}", path.display()));
    let size = std::fs::metadata(path).map_err(|e| wrong(e.to_string()))?.len();
    if size > most as u64 {
        return Err(wrong(format!("has {size} bytes; the limit is {most}")));
    }
    std::fs::read(path).map_err(|e| wrong(e.to_string()))
}

/// A document.
pub(super) fn text_of(path: &Path) -> Result<String, Refused> {
    String::from_utf8(bytes(path, DOCUMENT_MAX)?).map_err(|_| Refused::Broken(format!("{}: is not UTF-8", path.display())))
}

/// A text as a pact.
pub(super) fn document(name: &str, text: &str, packs: &Packs) -> Result<CheckedPact, Refused> {
    if is_portfolio(text) {
        let why = "is a portfolio, and here a pact is wanted; the configuration names a portfolio under `pacts`";
        return Err(Refused::Broken(format!("{name}: {why}")));
    }
    let (checked, mistakes) = read(text, packs);
    checked.ok_or_else(|| Refused::Broken(mistakes.render(name, text).trim_end().to_owned()))
}

/// Where the deployment names who signs images, only theirs count.
fn signed(config: &Config, demands: &Demands<'_>, image: Image) -> Result<Image, ImageError> {
    let Some(trust) = demands.trust else { return Ok(image) };
    let mut named = config.trust.iter().flat_map(|t| &t.images).chain(&trust.images).peekable();
    if named.peek().is_some() {
        image.check_signer(trust, named, demands.now)?;
    }
    Ok(image)
}
