//! `udping-host plot`: draws the results of a run into a file.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use udping_plot::{Document, Drawing, ReadError};

/// The path that means standard input.
const STANDARD_INPUT: &str = "-";

/// Draws the results in the file `results`, or on standard input, into the file `output`.
///
/// # Errors
///
/// One line. The previous content of `output` is then unchanged.
pub fn plot(results: &Path, output: &Path) -> Result<()> {
    // Checked first, since results may be long, or still arriving.
    let drawing = Drawing::by_extension(output).with_context(|| output.display().to_string())?;
    let document = read(results).with_context(|| name(results))?;
    let drawn = drawing.of(&document).with_context(|| name(results))?;
    write(output, drawn.as_bytes()).with_context(|| format!("cannot write {}", output.display()))
}

fn name(results: &Path) -> String {
    if results == Path::new(STANDARD_INPUT) {
        "standard input".to_owned()
    } else {
        results.display().to_string()
    }
}

fn read(results: &Path) -> Result<Document, ReadError> {
    if results == Path::new(STANDARD_INPUT) {
        Document::read(io::stdin().lock())
    } else {
        Document::read(File::open(results).map_err(ReadError::Io)?)
    }
}

/// Writes atomically: into a temporary file in the same folder, which is then renamed.
fn write(output: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder =
        output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;

        // The mode of any new file, before the umask; temporary files are only their owner's.
        temporary.permissions(Permissions::from_mode(0o666));
    }
    let mut file = temporary.prefix(".udping-plot").tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.persist(output)?;
    Ok(())
}
