//! Draws the results that udping's client writes with `--format json --records` or `--format jsonl`,
//! as SVG or as an HTML page.
//!
//! Data flows one way: JSON ([`document`]) -> the data to show (`series`, `columns`, `bins`,
//! `table`) -> a [`Drawing`] (`figure`, and `html` around it). It takes 32 bytes of memory per
//! ping, some more while drawing, and about as much again while it reads events.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "pixels, columns and digits are few, and what is rounded to them is bounded"
)]

mod axis;
mod bins;
mod clock;
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

/// The kind of drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drawing {
    /// A figure that contains everything.
    Svg,
    /// A page with the figure, and with the table as HTML.
    Html,
}

/// A file name with an extension that does not tell what to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("ends neither in .svg nor in .html, which are what can be drawn")]
pub struct UnknownExtension;

impl Drawing {
    /// Returns the kind of drawing for the extension of `path`.
    ///
    /// # Errors
    ///
    /// If it is neither `.svg` nor `.html`.
    pub fn by_extension(path: &Path) -> Result<Self, UnknownExtension> {
        match path.extension().and_then(OsStr::to_str) {
            Some("svg") => Ok(Self::Svg),
            Some("html") => Ok(Self::Html),
            _ => Err(UnknownExtension),
        }
    }

    /// Draws `document`, and returns the content of the file.
    ///
    /// # Errors
    ///
    /// None known: it is drawn to memory.
    pub fn of(self, document: &Document) -> Result<String, DrawError> {
        match self {
            Self::Svg => figure::Figure::new(document, figure::Parts::All).svg(),
            Self::Html => html::page(document),
        }
    }
}
