//! `udping-host plot`: draws the results of a run into a file, or to standard output.

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};
use udping_plot::{Document, Drawing, ReadError};

use crate::commands::results;
use crate::process::log::say;

/// The path that means standard output.
const STANDARD_OUTPUT: &str = "-";

/// Draws the results in the file `path`, or on standard input, into the file `output`, or to standard
/// output. Without a `drawing`, the file's extension says what to draw; to standard output, it is an
/// SVG.
///
/// # Errors
///
/// One line. The previous content of `output` is then unchanged.
pub fn plot(path: &Path, output: &Path, drawing: Option<Drawing>) -> Result<()> {
    let is_file = output != Path::new(STANDARD_OUTPUT);
    // Checked first, since results may be long, or still arriving.
    let drawing = match drawing {
        Some(drawing) => drawing,
        None if is_file => {
            Drawing::by_extension(output).with_context(|| output.display().to_string())?
        }
        None => Drawing::Svg,
    };
    let document = read(path).with_context(|| results::name(path))?;
    if !document.is_complete {
        say(format_args!(
            "warning: {}: the run did not come to its end: what there is of it is drawn",
            results::name(path)
        ));
    }
    let drawn = drawing.of(&document).with_context(|| results::name(path))?;
    if is_file {
        write(output, drawn.as_bytes())
            .with_context(|| format!("cannot write {}", output.display()))
    } else {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(drawn.as_bytes())
            .and_then(|()| stdout.flush())
            .context("cannot write to standard output")
    }
}

fn read(path: &Path) -> Result<Document, ReadError> {
    Document::read(results::open(path).map_err(ReadError::Io)?)
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
