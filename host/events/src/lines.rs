//! Lines of bounded length.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};

/// Reads lines. What was read of one stays when the wait for the rest of it is cancelled.
#[derive(Debug)]
pub struct Lines<R> {
    from: BufReader<R>,
    longest: usize,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Reads lines of at most `longest` bytes.
    pub fn new(from: R, longest: usize) -> Self {
        Self { from: BufReader::with_capacity(64 << 10, from), longest, line: Vec::new() }
    }

    /// Reads the next line, with its end; none at the end. It may be cancelled.
    ///
    /// # Errors
    ///
    /// Those of the reader, and if the line is longer, or is cut off.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if self.line.ends_with(b"\n") {
            self.line.clear();
        }
        let left = self.longest.saturating_sub(self.line.len());
        (&mut self.from).take(left as u64).read_until(b'\n', &mut self.line).await?;
        if self.line.is_empty() {
            return Ok(None);
        }
        if !self.line.ends_with(b"\n") {
            let error = "a line is too long, or is cut off";
            return Err(io::Error::new(io::ErrorKind::InvalidData, error));
        }
        Ok(Some(&self.line))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncWriteExt as _, duplex};
    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    fn run(test: impl Future<Output = ()>) {
        Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }

    #[test]
    fn a_cancelled_wait_loses_nothing() {
        run(async {
            let (mut writer, reader) = duplex(64);
            let mut lines = Lines::new(reader, 16);
            writer.write_all(b"one\ntw").await.unwrap();
            assert_eq!(lines.next().await.unwrap(), Some(&b"one\n"[..]));
            assert!(timeout(Duration::from_millis(10), lines.next()).await.is_err());
            writer.write_all(b"o\n").await.unwrap();
            assert_eq!(lines.next().await.unwrap(), Some(&b"two\n"[..]));
            drop(writer);
            assert_eq!(lines.next().await.unwrap(), None);
        });
    }

    #[test]
    fn lines_are_bounded_and_whole() {
        run(async {
            for (text, is_line) in [("1234567\n", true), ("12345678\n", false), ("1234", false)] {
                let mut lines = Lines::new(text.as_bytes(), 8);
                assert_eq!(lines.next().await.is_ok(), is_line, "{text}");
            }
        });
    }
}
