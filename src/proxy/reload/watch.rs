//! Tells that a file may have changed.
//!
//! The folders of the files are watched, not the files: editors replace files, and Kubernetes swaps a
//! symlink beside them. It tells too often rather than too seldom; who listens compares contents.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::proxy::error::ProxyError;

/// Watches until it is dropped.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    folders: BTreeSet<PathBuf>,
}

impl Watch {
    /// A watch that sends into `changed` at most one word that has not been heard yet.
    ///
    /// # Errors
    /// The system has no more watches.
    pub fn new(changed: mpsc::Sender<()>) -> Result<Self, ProxyError> {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let told = match event {
                // Reading is no change, and hearing it would make a circle.
                Ok(event) => !matches!(event.kind, EventKind::Access(_)),
                // Events were lost: anything may have changed.
                Err(_) => true,
            };
            if told && changed.try_send(()).is_err() {
                tracing::trace!("a change is already announced");
            }
        })
        .map_err(|error| ProxyError::Process(format!("files cannot be watched: {error}")))?;
        Ok(Self { watcher, folders: BTreeSet::new() })
    }

    /// Watches the folders of exactly these files from now on.
    ///
    /// # Errors
    /// A folder cannot be watched.
    pub fn files<'p>(&mut self, files: impl IntoIterator<Item = &'p Path>) -> Result<(), ProxyError> {
        let wanted: BTreeSet<PathBuf> = files
            .into_iter()
            .map(|file| match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
                _ => PathBuf::from("."),
            })
            .collect();
        for old in self.folders.difference(&wanted) {
            if let Err(error) = self.watcher.unwatch(old) {
                tracing::debug!(folder = %old.display(), %error, "a watch was gone already");
            }
        }
        for new in wanted.difference(&self.folders) {
            self.watcher
                .watch(new, RecursiveMode::NonRecursive)
                .map_err(|error| ProxyError::File { path: new.clone(), why: format!("cannot be watched: {error}") })?;
        }
        self.folders = wanted;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_symlink_swapped_beside_the_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (folder, text) in [("v1", "a"), ("v2", "b")] {
            std::fs::create_dir(at(folder)).unwrap();
            std::fs::write(at(folder).join("pact.yaml"), text).unwrap();
        }
        std::os::unix::fs::symlink("v1", at("..data")).unwrap();
        std::os::unix::fs::symlink("..data/pact.yaml", at("pact.yaml")).unwrap();
        let (sender, mut changed) = mpsc::channel(1);
        let mut watch = Watch::new(sender).unwrap();
        let file = at("pact.yaml");
        watch.files([file.as_path()]).unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "a");
        std::os::unix::fs::symlink("v2", at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
        changed.recv().await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "b");
    }
}
