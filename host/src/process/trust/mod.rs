//! The ownership and mode check, like those of ssh(1) and sudo(8): whether other users could have
//! written a file that this process is about to obey, to run, or to use as a secret.
//!
//! A file passes if it, and each folder above it, belongs to this process's effective user or to
//! root, and no one else can write it. [`check`] has the rules in full. It considers only mode
//! bits: what an access control list (acl(5)) grants to others shows in them as the group's bits,
//! which are its mask; what a network file system's server permits does not.

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
    /// Machine code, which is run unverified.
    Code,
    /// A secret that is shared with other machines.
    Key,
    /// Grants and limits: a policy, a list of targets.
    Policy,
}

/// Why a file may have been written by someone else.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Untrusted {
    /// The file, or a folder above it, belongs to another user.
    #[error("{} belongs to user {owner}", path.display())]
    Owner {
        /// The file or the folder.
        path: PathBuf,
        /// The owner's user ID.
        owner: u32,
    },
    /// Every user can write the file, or replace it in the folder.
    #[error("every user can write {}", .0.display())]
    WritableByAll(PathBuf),
    /// A group, or users named by an access control list, can write it.
    #[error("its group can write {}", .0.display())]
    WritableByGroup(PathBuf),
    /// The path leads to another file by now.
    #[error("{} was replaced when it was opened", .0.display())]
    Replaced(PathBuf),
    /// The system does not provide the information.
    #[error("it cannot be told who can write {}: {error}", path.display())]
    Unknown {
        /// The file or the folder.
        path: PathBuf,
        /// The error of the system.
        error: String,
    },
}

/// Checks `file`, which was opened as `path`. A policy that a group can write, too, passes with a
/// warning.
///
/// 1. Symbolic links are resolved first; the rules apply to the real path, which must lead to the
///    file that was opened.
/// 2. The file, and each folder above it, belongs to the effective user or to root. Under sudo, a
///    [`Purpose::Policy`] may belong to the user who called it (`SUDO_UID`), a key or code never.
/// 3. None of them is writable by everyone, or by a group. For a policy, a group causes only a
///    warning.
/// 4. A folder with the sticky bit passes rule 3, since nobody can rename or remove another user's
///    entries there, and the entry passed rule 2. So do, for a policy, root's folders on a file
///    system that is mounted read-only: a Kubernetes `ConfigMap` is a folder that everyone could
///    write otherwise.
/// 5. A descriptor that was handed over (`/dev/fd/N`, `/dev/stdin`) has no path, and only the file
///    itself is checked. For a policy or a key, pipes, sockets and character devices pass: who may
///    write them does not determine what is read.
///
/// # Errors
///
/// Who else could have written it.
#[cfg(unix)]
pub fn check(file: &File, path: &Path, purpose: Purpose) -> Result<Option<Untrusted>, Untrusted> {
    unix::Users::of_this_process().judge(&unix::entries(file, path, purpose)?, purpose)
}

/// On other systems a file's mode says nothing.
#[cfg(not(unix))]
pub fn check(_: &File, _: &Path, _: Purpose) -> Result<Option<Untrusted>, Untrusted> {
    Ok(None)
}
