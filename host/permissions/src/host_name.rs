//! DNS names in grants and requests.

use std::fmt;
use std::str::FromStr;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use thiserror::Error;
use udping_cli::address::ends_in_number;

/// A DNS name in lower case, without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HostName(String);

impl HostName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for HostName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The error for text that is not a host name.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not a host name")]
pub struct InvalidHostName;

impl FromStr for HostName {
    type Err = InvalidHostName;

    /// Accepts what resolvers accept: labels of 1 to 63 letters, digits, hyphens and underscores,
    /// 253 characters in total (RFC 1035, section 2.3.4), of which the last label is not a number,
    /// as in an address. Other letters are those of an internationalized name, which is converted
    /// to A-labels (RFC 5890, section 2.3.2.1) by the mapping of UTS #46.
    fn from_str(text: &str) -> Result<Self, InvalidHostName> {
        let name = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            let ascii = Uts46::new().to_ascii(
                text.as_bytes(),
                AsciiDenyList::EMPTY,
                Hyphens::Allow,
                DnsLength::Ignore,
            );
            ascii.map_err(|_| InvalidHostName)?.into_owned()
        };
        let name = name.strip_suffix('.').unwrap_or(&name);
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_'))
        };
        if name.len() <= 253
            && !ends_in_number(name)
            && !name.starts_with('-')
            && name.split('.').all(label)
        {
            Ok(Self(name.to_owned()))
        } else {
            Err(InvalidHostName)
        }
    }
}
