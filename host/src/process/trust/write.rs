//! Writes machine code so that it passes the check when it is to be run.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::{Purpose, Untrusted, check};

/// Writes `code` to `path`, atomically, as a new file that only this user can write, whatever the
/// umask and the previous file permit. A device, a pipe or a descriptor is written to directly.
/// Returns who else could change the file in that folder, if anyone could: from there it would not
/// be run.
///
/// # Errors
///
/// If the folder cannot be written to.
pub fn write_code(path: &Path, code: &[u8]) -> io::Result<Option<Untrusted>> {
    // If `path` is a symbolic link, its target is replaced, not the link.
    let real = fs::canonicalize(path);
    let target = real.as_deref().unwrap_or(path);
    if is_descriptor(path) || fs::metadata(target).is_ok_and(|status| !status.is_file()) {
        return fs::write(path, code).map(|()| None);
    }
    let folder =
        target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        // The umask restricts it further.
        temporary.permissions(fs::Permissions::from_mode(0o644));
    }
    let mut file = temporary.prefix(".udping-compile").tempfile_in(folder)?;
    file.write_all(code)?;
    let file = file.persist(target)?;
    Ok(check(&file, target, Purpose::Code).err())
}

#[cfg(unix)]
fn is_descriptor(path: &Path) -> bool {
    super::unix::descriptor(path).is_some()
}

#[cfg(not(unix))]
fn is_descriptor(_: &Path) -> bool {
    false
}
