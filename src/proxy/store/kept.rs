//! What the store holds: read at the start, added to one by one, never taken from.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::limits::{DOCUMENT_MAX, STORE_BYTES_MAX, STORE_PACTS_MAX};
use crate::base::names::is_id;
use crate::pact::life::Papers;
use crate::pact::{PactError, SealedPact, SignedStatement};
use crate::proxy::error::ProxyError;

use super::file::{self, Broken, Held};

/// The store.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    kept: Vec<Arc<SealedPact>>,
    statements: Vec<Arc<SignedStatement>>,
    broken: Vec<Broken>,
    bytes: usize,
}

/// Why a pact cannot be kept.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room.
    Full(String),
    /// The disk.
    Disk {
        /// Where.
        file: PathBuf,
        /// Why.
        why: io::Error,
    },
    /// It would not be read back as what it is.
    Unreadable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(why) => f.write_str(why),
            Self::Disk { file, why } => write!(f, "{}: {why}", file.display()),
            Self::Unreadable(why) => write!(f, "it would not be read back: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl From<PactError> for StoreError {
    fn from(error: PactError) -> Self {
        Self::Unreadable(error.to_string())
    }
}

impl Store {
    /// Reads the folder; none yet is an empty store.
    ///
    /// # Errors
    /// It cannot be listed, or holds more than a store may.
    pub fn open(dir: &Path) -> Result<Self, ProxyError> {
        let mut store = Self { dir: dir.to_owned(), kept: Vec::new(), statements: Vec::new(), broken: Vec::new(), bytes: 0 };
        let mut files = 0;
        for pact in names(dir)? {
            let folder = dir.join(&pact);
            if !is_id(&pact) || !fs::symlink_metadata(&folder).is_ok_and(|m| m.is_dir()) {
                store.broken(folder, "is no folder of a pact");
                files += 1;
                continue;
            }
            for name in names(&folder)? {
                files += 1;
                if files > STORE_PACTS_MAX {
                    break;
                }
                store.take(&Path::new(&pact).join(name));
            }
        }
        if files > STORE_PACTS_MAX || store.bytes > STORE_BYTES_MAX {
            let why = format!(
                "a store of pacts holds at most {STORE_PACTS_MAX} files and {STORE_BYTES_MAX} bytes; move what is not needed away"
            );
            return Err(ProxyError::File { path: dir.to_owned(), why });
        }
        Ok(store)
    }

    fn take(&mut self, name: &Path) {
        let path = self.dir.join(name);
        match file::load(&path, name) {
            Ok((Held::Statement(statement), bytes)) => {
                self.bytes += bytes;
                self.statements.push(Arc::new(statement));
            }
            Ok((Held::Pact(sealed), bytes)) => {
                let (new, agent) = (sealed.checked().pact(), &sealed.checked().pact().subject.agent);
                let twice = self
                    .kept
                    .iter()
                    .map(|s| s.checked().pact())
                    .any(|old| (&old.id, old.version, &old.subject.agent) == (&new.id, new.version, agent));
                if twice {
                    let why = format!("is a second document with version {}", new.version);
                    return self.broken(path, &why);
                }
                self.bytes += bytes;
                self.kept.push(Arc::from(sealed));
            }
            Err(why) => self.broken(path, &why),
        }
    }

    fn broken(&mut self, file: PathBuf, why: &str) {
        self.broken.push(Broken { file, why: why.to_owned() });
    }

    /// Writes a pact down, whole and durable, if it is not kept already.
    ///
    /// # Errors
    /// There is no room, or the disk fails; then nothing has changed.
    pub fn keep(&mut self, sealed: &Arc<SealedPact>) -> Result<(), StoreError> {
        if self.holds(sealed) {
            return Ok(());
        }
        let text = sealed.to_json()?;
        self.room(&text)?;
        let again = file::parse(&text).map_err(StoreError::Unreadable)?;
        let same = again.checked().digest() == sealed.checked().digest() && again.signatures() == sealed.signatures();
        if !same {
            return Err(StoreError::Unreadable("the document changes when it is written".to_owned()));
        }
        self.write(&file::place(sealed), &text)?;
        self.kept.push(Arc::clone(sealed));
        Ok(())
    }

    /// Writes a statement down, whole and durable, if it is not kept already.
    ///
    /// # Errors
    /// There is no room, or the disk fails; then nothing has changed.
    pub fn keep_statement(&mut self, statement: &Arc<SignedStatement>) -> Result<(), StoreError> {
        if self.hears(statement) {
            return Ok(());
        }
        let text = statement.to_json()?;
        self.room(&text)?;
        let again = file::parse_statement(&text).map_err(StoreError::Unreadable)?;
        if again != **statement {
            return Err(StoreError::Unreadable("the document changes when it is written".to_owned()));
        }
        self.write(&file::place_of(statement), &text)?;
        self.statements.push(Arc::clone(statement));
        Ok(())
    }

    /// Whether there is room for one more.
    fn room(&self, text: &str) -> Result<(), StoreError> {
        if text.len() > DOCUMENT_MAX {
            return Err(StoreError::Full(format!(
                "written out it has {} bytes; a document has at most {DOCUMENT_MAX}",
                text.len()
            )));
        }
        let files = self.kept.len() + self.statements.len() + self.broken.len();
        if files >= STORE_PACTS_MAX || self.bytes + text.len() > STORE_BYTES_MAX {
            return Err(StoreError::Full(format!(
                "the store in {} is full ({STORE_PACTS_MAX} files or {STORE_BYTES_MAX} bytes): move old versions away and start anew",
                self.dir.display()
            )));
        }
        Ok(())
    }

    fn write(&mut self, name: &Path, text: &str) -> Result<(), StoreError> {
        file::write(&self.dir, name, text).map_err(|why| StoreError::Disk { file: self.dir.join(name), why })?;
        self.bytes += text.len();
        Ok(())
    }

    /// Whether this very statement is kept, with these signatures.
    pub fn hears(&self, statement: &SignedStatement) -> bool {
        self.statements.iter().any(|kept| kept.id() == statement.id())
    }

    /// What is kept of a pact for its agent, by any of its documents, and of what was said beside it.
    pub fn papers(&self, of: &SealedPact) -> Papers {
        let pact = of.checked().pact();
        self.papers_of(&pact.id, pact.subject.agent.as_deref())
    }

    /// The same by id and agent.
    pub fn papers_of(&self, pact: &str, agent: Option<&str>) -> Papers {
        let said = self.statements.iter().filter(|s| s.statement().pact() == pact && s.statement().agent() == agent);
        Papers { kept: self.of(pact, agent).cloned().collect(), statements: said.cloned().collect(), ..Papers::default() }
    }

    /// Whether this very document is kept.
    pub fn holds(&self, sealed: &SealedPact) -> bool {
        self.kept.iter().any(|k| k.checked().digest() == sealed.checked().digest())
    }

    /// The pacts kept, in no order.
    pub fn kept(&self) -> &[Arc<SealedPact>] {
        &self.kept
    }

    /// The versions kept of one pact for one agent.
    pub fn of<'s>(&'s self, pact: &str, agent: Option<&str>) -> impl Iterator<Item = &'s Arc<SealedPact>> {
        self.kept.iter().filter(move |sealed| {
            let own = sealed.checked().pact();
            own.id == pact && own.subject.agent.as_deref() == agent
        })
    }

    /// What lies there and is no sealed pact.
    pub fn unread(&self) -> &[Broken] {
        &self.broken
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// The names in a folder, sorted, without those that begin with a dot. A folder that is not there has none.
fn names(folder: &Path) -> Result<BTreeSet<String>, ProxyError> {
    let wrong =
        |error: io::Error| ProxyError::File { path: folder.to_owned(), why: format!("the store cannot be read: {error}") };
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(wrong(error)),
    };
    let mut names = BTreeSet::new();
    for entry in entries.take(STORE_PACTS_MAX + 1) {
        let name = entry.map_err(wrong)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.insert(name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests;
