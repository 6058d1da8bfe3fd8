//! Draws the results that udping's client writes with `--format json --records`, as SVG or as an
//! HTML page.
//!
//! Data flows one way: JSON ([`document`]) -> what is to be seen in it (`series`, `columns`,
//! `bins`, `table`) -> a [`Drawing`] (`figure`, and `html` around it). Memory is 32 bytes a ping,
//! and some more while it is drawn.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "pixels, columns and digits are few, and what is rounded to them is bounded"
)]

mod axis;
mod bins;
mod columns;
pub mod document;
mod escape;
mod figure;
mod html;
mod palette;
mod series;
mod table;
mod units;
mod words;

use std::ffi::OsStr;
use std::path::Path;

use thiserror::Error;

pub use document::{Document, ReadError};
pub use figure::DrawError;

/// What to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// A figure with everything in it.
    Svg,
    /// A page with the figure, and with the table as one.
    Html,
}

/// A file's name that does not tell what to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("ends neither in .svg nor in .html, which are what can be drawn")]
pub struct UnknownExtension;

impl Drawing {
    /// What the file at `path` is to be, by its extension.
    ///
    /// # Errors
    ///
    /// Where that is neither `.svg` nor `.html`.
    pub fn by_extension(path: &Path) -> Result<Self, UnknownExtension> {
        match path.extension().and_then(OsStr::to_str) {
            Some("svg") => Ok(Self::Svg),
            Some("html") => Ok(Self::Html),
            _ => Err(UnknownExtension),
        }
    }

    /// Draws `document`: the bytes of a file.
    ///
    /// # Errors
    ///
    /// None that is known: it is drawn to memory.
    pub fn of(self, document: &Document) -> Result<String, DrawError> {
        match self {
            Self::Svg => figure::Figure::new(document).svg(figure::Parts::All),
            Self::Html => html::page(document),
        }
    }
}
