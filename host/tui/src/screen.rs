//! The terminal: taken over, and given back as it was found, also when this program panics.

use std::io::{self, Stdout, Write as _};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::cursor::{Hide, Show};
use crossterm::event::{DisableMouseCapture, EnableMouseCapture};
use crossterm::execute;
use crossterm::style::force_color_output;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::{Frame, Terminal};
use ratatui_crossterm::CrosstermBackend;

/// Whether the terminal is taken over.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal that standard output is, while it is taken over. It is given back when this is
/// dropped, and before a panic is reported.
#[derive(Debug)]
pub(crate) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes the terminal over: raw mode, the alternate screen, the mouse.
    ///
    /// # Errors
    ///
    /// If there is no terminal.
    pub(crate) fn take(colour: bool) -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |panic| {
                give_back();
                report(panic);
            }));
        });
        // Also against NO_COLOR, which has been considered.
        force_color_output(colour);
        take()?;
        let terminal = Terminal::new(CrosstermBackend::new(io::stdout()));
        terminal.map(Self).inspect_err(|_| give_back())
    }

    /// Takes the terminal over again, whatever has been done to it meanwhile.
    ///
    /// # Errors
    ///
    /// If it cannot be written to.
    pub(crate) fn take_again(&mut self) -> io::Result<()> {
        give_back();
        take()?;
        self.clear()
    }

    /// Has everything drawn again.
    ///
    /// # Errors
    ///
    /// If the terminal cannot be written to.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        // Terminal::clear asks where the cursor is, and the answer would come among the keys.
        let area = self.0.size()?.into();
        self.0.resize(area)
    }

    /// Draws a picture, in the size that the terminal has by now.
    ///
    /// # Errors
    ///
    /// If the terminal cannot be written to.
    pub(crate) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.0.draw(picture).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    execute!(io::stdout(), EnterAlternateScreen, EnableMouseCapture, Hide)
        .inspect_err(|_| give_back())
}

/// Gives the terminal back, if it was taken; [`Screen::take_again`] takes it.
pub(crate) fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        // Where that fails, nobody sees it any more.
        let _ = execute!(io::stdout(), DisableMouseCapture, LeaveAlternateScreen, Show);
        let _ = io::stdout().flush();
        let _ = disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use std::env;
    use std::process::Command;

    use super::*;

    /// Set for the process that panics.
    const PANICS: &str = "UDPING_TUI_PANICS";

    /// The process is this test once more, on a terminal that script(1) makes.
    #[test]
    fn a_panic_gives_the_terminal_back() {
        if env::var_os(PANICS).is_some() {
            let mut screen = Screen::take(false).unwrap();
            screen.draw(|_| panic!("the panic itself")).unwrap();
        }
        let program = env::current_exe().unwrap();
        let test = "screen::tests::a_panic_gives_the_terminal_back";
        let lines = format!(
            "stty rows 24 cols 80; stty -g; {PANICS}=1 '{}' --exact {test} --nocapture; stty -g",
            program.display()
        );
        let output = Command::new("script").args(["-qec", &lines, "/dev/null"]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let settings: Vec<_> = text.lines().filter(|line| line.matches(':').count() > 30).collect();
        assert!(settings.len() == 2 && settings[0] == settings[1], "{text}");
        let (taken, rest) = text.split_once("\x1b[?1049h").unwrap();
        let (_, given_back) = rest.split_once("\x1b[?1049l").unwrap();
        assert!(!taken.contains("the panic itself"), "{text}");
        assert!(given_back.contains("the panic itself"), "it is told where it can be read: {text}");
        assert!(given_back.contains("\x1b[?25h"), "the cursor is shown again: {text}");
    }
}
