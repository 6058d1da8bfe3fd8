//! A cache of machine code in this user's cache folder, kept between starts.
//!
//! It is written and read by the process that runs guests, before that gives up access to files,
//! and never by the process that compiles. Code that someone other than this user could have
//! written is not used: the component is then compiled at each start.

use std::fs::{self, DirBuilder, DirEntry, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fmt};

use sha2::{Digest as _, Sha256};

use super::CODE_LIMIT;
use crate::process::trust::{self, Purpose};
use crate::sandbox::artifact::MachineCode;

/// The name of the folder within the user's cache folder.
const FOLDER: &str = "udping-host";

/// The maximum total size of its files in bytes. The oldest are removed first.
const SIZE_LIMIT: u64 = 256 << 20;

/// The prefix of the names of unfinished files.
const UNFINISHED: &str = ".unfinished";

/// The cache of one user.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
    limit: u64,
}

/// Identifies machine code: by what it was compiled from, and by which compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// The key of `component`, compiled by this version of this host.
    pub fn of(component: &[u8]) -> Self {
        let mut digest = Sha256::new();
        for part in [
            env!("CARGO_PKG_VERSION"),
            wasmtime_environ::VERSION,
            env::consts::ARCH,
            env::consts::OS,
        ] {
            digest.update(part);
            digest.update([0]);
        }
        digest.update(component);
        Self(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Cache {
    /// Returns the cache of this user; `None` if there is no folder for it.
    pub fn of_this_user() -> Option<Self> {
        Some(Self { folder: caches()?.join(FOLDER), limit: SIZE_LIMIT })
    }

    /// Returns the code under `key`, if only this user and root could have put it there.
    pub fn get(&self, key: &Key) -> Option<MachineCode> {
        let path = self.path(key);
        let file = trust::open(&path).ok()?;
        // The descriptor that is read: the path may lead to another file later.
        trust::check(&file, &path, Purpose::Code).ok()?;
        let size = file.metadata().ok()?.len();
        let mut code = Vec::with_capacity(usize::try_from(size.min(CODE_LIMIT)).ok()?);
        file.take(CODE_LIMIT).read_to_end(&mut code).ok()?;
        Some(MachineCode::compiled(code))
    }

    /// Stores `code` under `key`, if it fits.
    ///
    /// # Errors
    ///
    /// If it cannot be stored: the next start compiles again.
    pub fn put(&self, key: &Key, code: &MachineCode) -> io::Result<()> {
        let size = code.bytes().len() as u64;
        if size > self.limit {
            return Ok(());
        }
        let there_already = self.folder.ancestors().find(|folder| folder.exists());
        if !there_already.is_some_and(is_ours) {
            return Ok(());
        }
        self.create()?;
        self.make_room(size)?;
        // Written atomically, even if the machine stops: the code is run unverified.
        let mut file = tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&self.folder)?;
        file.write_all(code.bytes())?;
        file.as_file().sync_data()?;
        file.persist(self.path(key))?;
        Ok(())
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.folder.join(key.to_string())
    }

    fn create(&self) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&self.folder)
    }

    /// Removes the oldest files, unfinished ones too, until there is room for `size` bytes.
    fn make_room(&self, size: u64) -> io::Result<()> {
        let mut files: Vec<_> = fs::read_dir(&self.folder)?
            .filter_map(|entry| InheritedSockets::of(&entry.ok()?))
            .collect();
        files.sort_by_key(|file| file.written);
        let mut total = files.iter().map(|file| file.size).fold(size, u64::saturating_add);
        for file in &files {
            if total <= self.limit {
                break;
            }
            // Another process may have removed it.
            let _ = fs::remove_file(&file.path);
            total = total.saturating_sub(file.size);
        }
        Ok(())
    }
}

/// A file of the cache.
struct InheritedSockets {
    path: PathBuf,
    size: u64,
    written: SystemTime,
}

impl InheritedSockets {
    fn of(entry: &DirEntry) -> Option<Self> {
        let status = entry.metadata().ok()?;
        status.is_file().then_some(())?;
        Some(Self { path: entry.path(), size: status.len(), written: status.modified().ok()? })
    }
}

/// Whether only this user and root could have put something into that folder.
fn is_ours(folder: &Path) -> bool {
    // Where folders cannot be opened as files, modes say nothing.
    File::open(folder)
        .map_or(cfg!(not(unix)), |file| trust::check(&file, folder, Purpose::Code).is_ok())
}

/// The folder of this user's caches.
fn caches() -> Option<PathBuf> {
    let folder =
        |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let in_home = |path: &str| folder("HOME").map(|home| home.join(path));
    if cfg!(windows) {
        folder("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        in_home("Library/Caches")
    } else {
        folder("XDG_CACHE_HOME").or_else(|| in_home(".cache"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(byte: u8) -> MachineCode {
        MachineCode::compiled(vec![byte; 100])
    }

    #[test]
    fn a_key_is_one_components() {
        let one = Key::of(b"one");
        assert_eq!(one.to_string().len(), 64);
        assert_eq!(one, Key::of(b"one"));
        assert_ne!(one, Key::of(b"two"));
    }

    #[test]
    fn the_oldest_go_where_there_is_no_more_room() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache { folder: folder.path().join("folder"), limit: 250 };
        let keys: Vec<_> = (0..4).map(|i| Key::of(&[i])).collect();
        for (i, key) in (0u8..).zip(&keys) {
            cache.put(key, &code(i)).unwrap();
            // Several files may be written within one tick of the file system's clock.
            let written = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(u64::from(i) + 1);
            File::options()
                .write(true)
                .open(cache.path(key))
                .unwrap()
                .set_modified(written)
                .unwrap();
        }
        let kept: Vec<_> = keys.iter().map(|key| cache.get(key)).collect();
        assert_eq!(kept, [None, None, Some(code(2)), Some(code(3))]);
        let large = MachineCode::compiled(vec![7; 251]);
        cache.put(&keys[0], &large).unwrap();
        assert_eq!(cache.get(&keys[0]), None);
        assert_eq!(cache.get(&keys[3]), Some(code(3)));
    }
}
