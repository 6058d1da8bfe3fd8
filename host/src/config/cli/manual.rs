//! Manual pages, from the same definitions as `--help`.

use std::io;

use clap::{Command, CommandFactory as _, ValueEnum};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::{BuiltIn, Cli};
use crate::config::built_in;

/// The manual pages that there are. They refer to each other, and to no others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Page {
    /// udping-host(1)
    Host,
    /// udping-host-client(1)
    Client,
    /// udping-host-server(1)
    Server,
}

impl Page {
    /// The name that `man` finds it by.
    fn name(self) -> &'static str {
        match self {
            Self::Host => "udping-host",
            Self::Client => "udping-host-client",
            Self::Server => "udping-host-server",
        }
    }

    fn command(self) -> Command {
        let command = match self {
            Self::Host => return Cli::command(),
            Self::Client => built_in::command(BuiltIn::Client.component()),
            Self::Server => built_in::command(BuiltIn::Server.component()),
        };
        command.name(self.name()).display_name(self.name())
    }

    /// Renders the page as roff.
    ///
    /// # Errors
    ///
    /// Never: it is written to memory.
    pub fn render(self) -> io::Result<Vec<u8>> {
        let command = self.command();
        let extra = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let commands: Vec<_> = command.get_subcommands().map(about).collect();
        let version = command.get_version().unwrap_or_default().to_owned();
        let man = Man::new(command)
            .title(self.name())
            .source(format!("udping {version}"))
            .manual("User Commands");
        let mut page = Vec::new();
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        let mut roff = Roff::new();
        if !commands.is_empty() {
            roff.control("SH", ["COMPONENTS AND COMMANDS"]);
        }
        for (name, about) in commands {
            roff.control("TP", []).text([bold(name)]).text([roman(about)]);
        }
        paragraphs(&mut roff, &extra);
        roff.control("SH", ["SEE ALSO"]);
        let others =
            [Self::Host, Self::Client, Self::Server].into_iter().filter(|page| *page != self);
        let references: Vec<_> = others.map(|page| format!("{}(1)", page.name())).collect();
        roff.text([roman(references.join(", "))]);
        roff.to_writer(&mut page)?;
        Ok(page)
    }
}

fn about(command: &Command) -> (String, String) {
    (
        command.get_name().to_owned(),
        command.get_about().map(ToString::to_string).unwrap_or_default(),
    )
}

/// Renders the text after the options: a paragraph that starts with a title and a colon becomes a
/// section whose line breaks are kept.
fn paragraphs(roff: &mut Roff, text: &str) {
    let mut has_notes = false;
    for paragraph in text.split("\n\n") {
        let (first, rest) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        if let Some(title) = first.strip_suffix(':').filter(|_| !rest.is_empty()) {
            roff.control("SH", [title.to_uppercase().as_str()]).control("nf", []);
            rest.lines().for_each(|line| {
                roff.text([roman(line)]);
            });
            roff.control("fi", []);
        } else {
            if !has_notes {
                roff.control("SH", ["NOTES"]);
            }
            has_notes = true;
            roff.control("PP", []);
            paragraph.lines().for_each(|line| {
                roff.text([roman(line)]);
            });
        }
    }
}
