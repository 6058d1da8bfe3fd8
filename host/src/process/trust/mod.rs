//! The ownership and mode check, as ssh(1) and sudo(8) make it: whether other users could have
//! written a file that this process is about to obey, to run, or to take for a secret.
//!
//! A file passes where it, and each folder above it, belongs to this process's effective user or to
//! root, and no one else can write it. [`check`] has the rules in full. It looks at mode bits
//! alone: what an access control list (acl(5)) grants to others shows in them as the group's bits,
//! which are its mask; what a network file system's server permits doesn't show.

mod read;
#[cfg(unix)]
mod unix;
#[cfg(feature = "compiler")]
mod write;

use std::fs::File;
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use read::{ReadError, Text, open, read_text, read_text_from_stdin, read_to_limit};
#[cfg(feature = "compiler")]
pub use write::write_code;

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Machine code, which runs as it is.
    Code,
    /// A secret that is shared with other machines.
    Key,
    /// Grants and limits: a policy, a list of targets.
    Policy,
}

/// Why a file may be somebody else's work.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Untrusted {
    /// It, or a folder above it, is another user's.
    #[error("{} belongs to user {owner}", path.display())]
    Owner {
        /// The file or the folder.
        path: PathBuf,
        /// The user's number.
        owner: u32,
    },
    /// Everybody can write it, or put another into the folder.
    #[error("every user can write {}", .0.display())]
    WritableByAll(PathBuf),
    /// A group, or users that an access control list names, can.
    #[error("its group can write {}", .0.display())]
    WritableByGroup(PathBuf),
    /// Another file has the path by now.
    #[error("{} was replaced when it was opened", .0.display())]
    Replaced(PathBuf),
    /// The system does not tell.
    #[error("it cannot be told who can write {}: {error}", path.display())]
    Unknown {
        /// The file or the folder.
        path: PathBuf,
        /// What the system says.
        error: String,
    },
}

/// Checks `file`, which was opened as `path`. A policy that only a group can write besides passes
/// with a warning.
///
/// 1. Symbolic links are resolved first; what is looked at is the real path, which must lead to the
///    file that was opened.
/// 2. The file, and each folder above it, belongs to the effective user or to root. Under sudo a
///    [`Purpose::Policy`] may be the user's who called it (`SUDO_UID`), a key or code never.
/// 3. None of them is writable by everybody, or by a group. Of a policy, a group is worth a
///    warning.
/// 4. A folder with the sticky bit passes rule 3, since nobody renames or removes another's entries
///    there, and the entry passed rule 2. So do, for a policy, root's folders on a file system that
///    is mounted read-only: a Kubernetes `ConfigMap` is a folder that everybody could write
///    otherwise.
/// 5. Of a descriptor that was handed over (`/dev/fd/N`, `/dev/stdin`) there is no path, and the
///    file alone is looked at. For a policy or a key, pipes, sockets and character devices pass:
///    who may write them does not choose what is read.
///
/// # Errors
///
/// Who else could have written it.
#[cfg(unix)]
pub fn check(file: &File, path: &Path, purpose: Purpose) -> Result<Option<Untrusted>, Untrusted> {
    unix::Users::of_this_process().judge(&unix::entries(file, path, purpose)?, purpose)
}

/// Elsewhere a file's mode does not tell.
#[cfg(not(unix))]
pub fn check(_: &File, _: &Path, _: Purpose) -> Result<Option<Untrusted>, Untrusted> {
    Ok(None)
}
