//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

/// Reads the next line of at most `longest` bytes into `line`, without its end. Returns whether
/// there was one.
///
/// # Errors
///
/// Those of `from`, and if the line is longer.
pub(crate) async fn read(
    from: &mut (impl AsyncBufRead + Unpin),
    longest: u64,
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    line.clear();
    if from.take(longest).read_until(b'\n', line).await? == 0 {
        return Ok(false);
    }
    if line.pop_if(|last| *last == b'\n').is_none() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a line is too long, or is cut off",
        ));
    }
    Ok(true)
}
