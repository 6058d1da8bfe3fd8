//! The attributes of a file, and of the folders above it, that determine who can change it, on
//! Unix.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::{env, io, process};

use super::{Purpose, Untrusted};

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;

/// The maximum number of links followed to a descriptor: `/dev/stdin` is one, and a container may
/// have another.
const LINKS: usize = 8;

/// A file or a folder, with what determines who can change it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub path: PathBuf,
    pub owner: u32,
    pub mode: u32,
    pub is_folder: bool,
    /// Whether its file system is mounted read-only.
    pub read_only: bool,
}

impl Entry {
    fn new(path: &Path, status: &Metadata) -> Self {
        let is_folder = status.is_dir();
        let (owner, mode) = (status.uid(), status.mode());
        Self {
            path: path.to_owned(),
            owner,
            mode,
            is_folder,
            read_only: is_folder && is_read_only(path),
        }
    }

    /// Whether its entries cannot be replaced, whoever may write to it.
    fn keeps_entries(&self, purpose: Purpose) -> bool {
        let sticky = self.mode & STICKY != 0;
        self.is_folder
            && (sticky || purpose == Purpose::Policy && self.read_only && self.owner == ROOT)
    }
}

/// The trusted users.
#[derive(Clone, Copy, Debug)]
pub(super) struct Users {
    pub effective: u32,
    pub sudo: Option<u32>,
}

impl Users {
    pub(super) fn of_this_process() -> Self {
        let effective = rustix::process::geteuid().as_raw();
        // Only trusted for root, where sudo sets it: anyone else could set it to anything.
        let sudo = if effective == ROOT {
            env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok())
        } else {
            None
        };
        Self { effective, sudo }
    }

    fn trusts(self, owner: u32, purpose: Purpose) -> bool {
        owner == self.effective
            || owner == ROOT
            || purpose == Purpose::Policy && self.sudo == Some(owner)
    }

    /// Applies rules 2 to 4 of [`super::check`].
    pub(super) fn judge(
        self,
        entries: &[Entry],
        purpose: Purpose,
    ) -> Result<Option<Untrusted>, Untrusted> {
        let mut warning = None;
        for entry in entries {
            if !self.trusts(entry.owner, purpose) {
                return Err(Untrusted::Owner { path: entry.path.clone(), owner: entry.owner });
            }
            if entry.keeps_entries(purpose) {
                continue;
            }
            if entry.mode & OTHERS_WRITE != 0 {
                return Err(Untrusted::WritableByAll(entry.path.clone()));
            }
            if entry.mode & GROUP_WRITES != 0 {
                let by_group = Untrusted::WritableByGroup(entry.path.clone());
                if purpose != Purpose::Policy {
                    return Err(by_group);
                }
                warning.get_or_insert(by_group);
            }
        }
        Ok(warning)
    }
}

/// Returns what has to be checked: the file, and each folder above it, up to the root.
pub(super) fn entries(file: &File, path: &Path, purpose: Purpose) -> Result<Vec<Entry>, Untrusted> {
    let unknown =
        |error: io::Error| Untrusted::Unknown { path: path.to_owned(), error: error.to_string() };
    let opened = file.metadata().map_err(unknown)?;
    let kind = opened.file_type();
    let is_code = purpose == Purpose::Code;
    if let Some(link) = descriptor(path) {
        let mut entry = Entry::new(path, &opened);
        if !is_code && (is_unnamed(kind, &link) || kind.is_char_device()) {
            return Ok(Vec::new());
        }
        if link.starts_with("/memfd:") {
            // The mode of a memfd is 0777, but only holders of its descriptor can open it.
            entry.mode &= !(OTHERS_WRITE | GROUP_WRITES);
        }
        return Ok(vec![entry]);
    }
    let real = fs::canonicalize(path).map_err(unknown)?;
    let named = fs::symlink_metadata(&real).map_err(unknown)?;
    if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
        return Err(Untrusted::Replaced(path.to_owned()));
    }
    let itself = (is_code || !kind.is_char_device()).then(|| Ok(Entry::new(&real, &opened)));
    let folders = real.ancestors().skip(1).map(|folder| {
        // A link put here since the path was resolved counts as itself: it has an owner, and is no
        // folder.
        let status = fs::symlink_metadata(folder).map_err(unknown)?;
        Ok(Entry::new(folder, &status))
    });
    itself.into_iter().chain(folders).collect()
}

/// Whether a descriptor's file has no name by which others could open it. `link` is what `/proc`
/// reports for it.
fn is_unnamed(kind: fs::FileType, link: &str) -> bool {
    let is_anonymous = if cfg!(target_os = "linux") { link.starts_with("pipe:") } else { true };
    kind.is_socket() || kind.is_fifo() && is_anonymous
}

/// If `path` is a descriptor of this process, returns what `/proc` reports that it refers to.
pub(super) fn descriptor(path: &Path) -> Option<String> {
    let of_this_process = PathBuf::from(format!("/proc/{}/fd", process::id()));
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let folder =
            path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = fs::canonicalize(folder).ok()?;
        if folder == of_this_process || folder == Path::new("/dev/fd") {
            let link = fs::read_link(&path).unwrap_or_default();
            return Some(link.to_string_lossy().into_owned());
        }
        // Relative to the link's folder.
        path = folder.join(fs::read_link(&path).ok()?);
    }
    None
}

#[cfg(target_os = "linux")]
fn is_read_only(folder: &Path) -> bool {
    use rustix::fs::StatVfsMountFlags;
    rustix::fs::statvfs(folder)
        .is_ok_and(|status| status.f_flag.contains(StatVfsMountFlags::RDONLY))
}

#[cfg(not(target_os = "linux"))]
fn is_read_only(_: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    const US: Users = Users { effective: 1000, sudo: None };
    const ROOT_UNDER_SUDO: Users = Users { effective: ROOT, sudo: Some(1000) };
    const ALL: [Purpose; 3] = [Purpose::Code, Purpose::Key, Purpose::Policy];

    fn entry(path: &str, owner: u32, mode: u32) -> Entry {
        Entry { path: path.into(), owner, mode, is_folder: !path.contains('.'), read_only: false }
    }

    fn root() -> Entry {
        entry("/", ROOT, 0o755)
    }

    /// Judges `x.toml`, owned by `owner` and with `mode`, in `folder`.
    fn judged(
        users: Users,
        purpose: Purpose,
        owner: u32,
        mode: u32,
        folder: Entry,
    ) -> Result<Option<String>, String> {
        let entries = [entry("/f/x.toml", owner, mode), folder, root()];
        users
            .judge(&entries, purpose)
            .map(|warning| warning.map(|w| w.to_string()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_and_each_folder_above_it_is_ours_or_roots() {
        for purpose in ALL {
            for owner in [1000, ROOT] {
                assert_eq!(judged(US, purpose, owner, 0o644, entry("/f", 1000, 0o755)), Ok(None));
                assert_eq!(judged(US, purpose, owner, 0o600, entry("/f", ROOT, 0o700)), Ok(None));
            }
            let others = judged(US, purpose, 1001, 0o644, entry("/f", 1000, 0o755));
            assert_eq!(others, Err("/f/x.toml belongs to user 1001".to_owned()), "{purpose:?}");
            let in_others = judged(US, purpose, 1000, 0o644, entry("/f", 1001, 0o755));
            assert_eq!(in_others, Err("/f belongs to user 1001".to_owned()), "{purpose:?}");
        }
    }

    #[test]
    fn what_everybody_can_write_is_nobodys() {
        for purpose in ALL {
            let file = judged(US, purpose, 1000, 0o646, entry("/f", 1000, 0o755));
            assert_eq!(file, Err("every user can write /f/x.toml".to_owned()), "{purpose:?}");
            let folder = judged(US, purpose, 1000, 0o644, entry("/f", 1000, 0o777));
            assert_eq!(folder, Err("every user can write /f".to_owned()), "{purpose:?}");
        }
    }

    #[test]
    fn a_group_that_writes_is_a_warning_of_a_policy_only() {
        for (mode, folder, path) in [(0o664, 0o755, "/f/x.toml"), (0o644, 0o775, "/f")] {
            let said = format!("its group can write {path}");
            let judged = |purpose| judged(US, purpose, 1000, mode, entry("/f", 1000, folder));
            assert_eq!(judged(Purpose::Policy), Ok(Some(said.clone())));
            assert_eq!(judged(Purpose::Key), Err(said.clone()));
            assert_eq!(judged(Purpose::Code), Err(said));
        }
    }

    #[test]
    fn sticky_folder_and_its_file_must_be_owned_by_user_or_root() {
        for purpose in ALL {
            for mode in [0o1777, 0o3777, 0o1775] {
                assert_eq!(judged(US, purpose, 1000, 0o600, entry("/f", ROOT, mode)), Ok(None));
                assert_eq!(judged(US, purpose, ROOT, 0o440, entry("/f", ROOT, mode)), Ok(None));
                assert!(judged(US, purpose, 1001, 0o600, entry("/f", ROOT, mode)).is_err());
                assert!(
                    judged(US, purpose, 1000, 0o600, entry("/f", 1001, mode)).is_err(),
                    "its owner removes entries"
                );
            }
            // The sticky bit means nothing on a file.
            assert!(judged(US, purpose, 1000, 0o1666, entry("/f", 1000, 0o755)).is_err());
        }
    }

    #[test]
    fn policy_is_trusted_in_a_read_only_mount_owned_by_root() {
        let mounted = |owner| Entry { read_only: true, ..entry("/f", owner, 0o777) };
        assert_eq!(judged(US, Purpose::Policy, ROOT, 0o644, mounted(ROOT)), Ok(None));
        assert!(judged(US, Purpose::Policy, 1001, 0o644, mounted(ROOT)).is_err());
        assert!(judged(US, Purpose::Policy, ROOT, 0o644, mounted(1000)).is_err());
        assert!(judged(US, Purpose::Key, ROOT, 0o440, mounted(ROOT)).is_err());
        assert!(judged(US, Purpose::Code, ROOT, 0o644, mounted(ROOT)).is_err());
    }

    #[test]
    fn sudo_caller_is_trusted_for_policy_but_not_key_or_code() {
        for (owner, folder) in [(1000, 1000), (ROOT, 1000), (1000, ROOT)] {
            let judged = |users, purpose| {
                judged(users, purpose, owner, 0o600, entry("/f", folder, 0o755)).is_ok()
            };
            assert!(judged(ROOT_UNDER_SUDO, Purpose::Policy));
            assert!(!judged(ROOT_UNDER_SUDO, Purpose::Key));
            assert!(!judged(ROOT_UNDER_SUDO, Purpose::Code));
            assert!(!judged(Users { sudo: None, ..ROOT_UNDER_SUDO }, Purpose::Policy));
            assert!(!judged(Users { sudo: Some(1001), ..ROOT_UNDER_SUDO }, Purpose::Policy));
        }
    }

    fn checked(path: &Path, purpose: Purpose) -> Result<Option<Untrusted>, Untrusted> {
        super::super::check(&File::open(path).unwrap(), path, purpose)
    }

    #[test]
    fn links_are_resolved_first_and_a_replaced_file_is_rejected() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        let open_to_all = folder.path().join("open");
        fs::create_dir(&open_to_all).unwrap();
        fs::set_permissions(&open_to_all, fs::Permissions::from_mode(0o777)).unwrap();
        fs::write(&real, "").unwrap();
        symlink(&real, &link).unwrap();
        symlink("../real", open_to_all.join("link")).unwrap();
        fs::write(open_to_all.join("x"), "").unwrap();
        symlink("open/x", folder.path().join("to-open")).unwrap();
        for purpose in ALL {
            assert_eq!(checked(&link, purpose), Ok(None));
            // The real path counts, not the link.
            assert_eq!(checked(&open_to_all.join("link"), purpose), Ok(None));
            let through_link = checked(&folder.path().join("to-open"), purpose).unwrap_err();
            assert!(
                matches!(through_link, Untrusted::WritableByAll(path) if path.ends_with("open"))
            );
            let other =
                super::super::check(&File::open(&real).unwrap(), &open_to_all.join("x"), purpose);
            assert!(matches!(other, Err(Untrusted::Replaced(_))), "{other:?}");
        }
    }

    #[test]
    fn a_device_holds_a_policy_or_a_key_and_no_code() {
        let null = Path::new("/dev/null");
        assert_eq!(
            (checked(null, Purpose::Policy), checked(null, Purpose::Key)),
            (Ok(None), Ok(None))
        );
        assert_eq!(checked(null, Purpose::Code), Err(Untrusted::WritableByAll(null.to_owned())));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn memory_that_was_handed_over_is_nobody_elses() {
        use std::os::fd::AsRawFd as _;

        let memory = rustix::fs::memfd_create("policy", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        let handed_over = PathBuf::from(format!("/dev/fd/{}", memory.as_raw_fd()));
        for purpose in ALL {
            assert_eq!(checked(&handed_over, purpose), Ok(None));
        }
    }

    #[test]
    fn what_was_handed_over_is_looked_at_by_itself() {
        use std::os::fd::AsRawFd as _;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, "").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let file = File::open(&path).unwrap();
        let handed_over = PathBuf::from(format!("/dev/fd/{}", file.as_raw_fd()));
        for purpose in ALL {
            assert!(checked(&path, purpose).is_err(), "its folder is everybody's");
            assert_eq!(checked(&handed_over, purpose), Ok(None));
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        for purpose in ALL {
            assert!(checked(&handed_over, purpose).is_err());
        }
        let (reader, _writer) = io::pipe().unwrap();
        let pipe = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        for purpose in ALL {
            assert_eq!(checked(&pipe, purpose), Ok(None));
        }
        if cfg!(target_os = "linux") {
            // A pipe with a name can be opened by it.
            let named = folder.path().join("named");
            assert!(process::Command::new("mkfifo").arg(&named).status().unwrap().success());
            fs::set_permissions(&named, fs::Permissions::from_mode(0o666)).unwrap();
            let named = File::options().read(true).write(true).open(&named).unwrap();
            let handed_over = PathBuf::from(format!("/dev/fd/{}", named.as_raw_fd()));
            for purpose in ALL {
                assert!(checked(&handed_over, purpose).is_err(), "{purpose:?}");
            }
        }
        // The owner of machine code matters in any case. Only root can give a pipe away.
        let given_away = std::os::unix::fs::fchown(&reader, Some(65_534), None).is_ok();
        for purpose in ALL {
            assert_eq!(
                checked(&pipe, purpose).is_err(),
                given_away && purpose == Purpose::Code,
                "{purpose:?}"
            );
        }
    }
}
