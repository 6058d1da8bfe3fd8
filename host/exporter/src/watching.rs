//! Watches the files of targets.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use notify::{RecursiveMode, Watcher as _};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::exporter::Exporter;

/// How long a change may go on before the files are read: editors write a file in several steps.
const SETTLE: Duration = Duration::from_millis(300);

/// How often files are read, even if no change was noticed: network file systems tell of none.
const EVERY: Duration = Duration::from_mins(1);

/// Has `exporter` read its files of targets again whenever they change.
pub(crate) async fn watch(exporter: Arc<Exporter>) {
    let (changed, mut changes) = mpsc::channel(1);
    let mut watcher = notify::recommended_watcher(move |_| {
        // If one waits already, that is enough.
        let _ = changed.try_send(());
    });
    let mut watched: Vec<PathBuf> = Vec::new();
    loop {
        // The folders: a file that is replaced, as editors and ConfigMaps do it, is another file.
        let files = exporter.targets_files();
        let mut folders: Vec<_> =
            files.iter().filter_map(|file| Some(file.parent()?.to_owned())).collect();
        folders.sort();
        folders.dedup();
        if let Ok(watcher) = &mut watcher {
            for folder in watched.iter().filter(|folder| !folders.contains(folder)) {
                let _ = watcher.unwatch(folder);
            }
            for folder in folders.iter().filter(|folder| !watched.contains(folder)) {
                // Without it, they are read every minute.
                let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
            }
        }
        watched = folders;
        tokio::select! {
            () = exporter.reloaded.notified() => {}
            _ = timeout(EVERY, changes.recv()) => {
                sleep(SETTLE).await;
                while changes.try_recv().is_ok() {}
                let exporter = exporter.clone();
                let _ = tokio::task::spawn_blocking(move || exporter.reread_targets()).await;
            }
        }
    }
}
