//! A session: the client, the keys, signals and the screen, until the user quits or the client ends.

use std::io;
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event};
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};
use udping_events::{Client, LogRecord};

use crate::action::{Action, action};
use crate::feed::Feed;
use crate::look::Look;
use crate::screen::{self, Screen};
use crate::signals::{Signal, Signals};
use crate::state::State;
use crate::{summary, view};

/// How often the picture is drawn. Keys are answered at once.
const REFRESH: Duration = Duration::from_millis(200);

/// The number of messages that may wait to be applied: beyond that, the client is not read.
const WAITING: usize = 1024;

/// The maximum number of messages that are kept until the end.
const KEPT: usize = 20;

/// What is shown, and how.
#[derive(Debug)]
pub struct Settings {
    /// The targets, `HOST:PORT`, as the client reads them.
    pub targets: Vec<String>,
    /// The process that pings them: it reads them from standard input, one on a line, writes the
    /// events of `client --format jsonl` to standard output, and the records of `--log json` to
    /// standard error. It ends at SIGTERM.
    pub client: Command,
    /// What the terminal can show.
    pub look: Look,
    /// Makes text of others safe to show.
    pub printable: fn(&str) -> String,
}

/// How a session ended.
#[derive(Debug)]
pub struct Ended {
    /// The numbers of the run, to be printed.
    pub summary: String,
    /// What the client complained of.
    pub messages: Vec<String>,
    /// Whether every target has replied.
    pub all_replied: bool,
    /// How the client ended, if it did by itself.
    pub client: Option<ExitStatus>,
}

/// What comes from the client.
enum Message {
    Event(Vec<u8>),
    Log(LogRecord),
}

/// Shows the targets until the user quits, a signal comes, or the client ends.
///
/// # Errors
///
/// If there is no terminal, or the client cannot be started.
pub async fn run(settings: Settings) -> io::Result<Ended> {
    let Settings { targets, mut client, look, printable } = settings;
    let start = Instant::now();
    let mut signals = Signals::watch()?;
    let mut screen = Screen::take(look.colour)?;
    let mut session = Session {
        state: State::new(targets.iter().map(|target| printable(target))),
        feed: Feed::new(printable),
        messages: Vec::new(),
        start,
        look,
    };
    let list = targets.iter().map(|target| format!("{target}\n")).collect();
    // A group of its own: it is told by this process to stop, and not by the terminal.
    #[cfg(unix)]
    client.process_group(0);
    let (sender, mut messages) = mpsc::channel(WAITING);
    let log = {
        let sender = sender.clone();
        // What does not fit is no loss.
        move |record, _: &[u8]| drop(sender.try_send(Message::Log(record)))
    };
    let client = Client::start(&mut client, list, log)?;
    let mut running = Running::of(&client);
    let (stop, stopped) = oneshot::channel();
    let mut reading = tokio::spawn(read(client, sender, stopped));
    let mut keys = keys()?;
    let mut ticks = interval(REFRESH);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut ended = None;
    loop {
        tokio::select! {
            Some(message) = messages.recv() => {
                session.apply(message, printable);
                continue;
            }
            status = &mut reading => {
                ended = status.ok();
                break;
            }
            signal = signals.next() => match signal {
                Signal::End => break,
                Signal::Stop => running.suspend(&mut screen)?,
                Signal::Continue => screen.take_again()?,
            },
            event = keys.recv() => {
                let Some(event) = event else { break };
                match action(&event, session.state.help) {
                    Some(Action::Quit) => break,
                    Some(Action::Suspend) => running.suspend(&mut screen)?,
                    Some(Action::Redraw) => screen.clear()?,
                    Some(action) => session.state.act(action, start.elapsed()),
                    None => continue,
                }
            }
            _ = ticks.tick() => {}
        }
        // A terminal that is gone has nobody in front of it.
        if session.draw(&mut screen).is_err() {
            break;
        }
    }
    drop(screen);
    let duration = start.elapsed();
    drop(stop);
    while let Some(message) = messages.recv().await {
        session.apply(message, printable);
    }
    Ok(session.ended(duration, ended.flatten()))
}

/// The parts of a session that messages change.
struct Session {
    state: State,
    feed: Feed,
    messages: Vec<String>,
    start: Instant,
    look: Look,
}

impl Session {
    fn apply(&mut self, message: Message, printable: fn(&str) -> String) {
        match message {
            Message::Event(line) => {
                self.feed.event(&line, self.start.elapsed(), &mut self.state);
            }
            Message::Log(LogRecord { level, message, line, .. }) => {
                let is_warning = matches!(level.as_str(), "ERROR" | "WARN");
                let text = line.or(message.filter(|_| is_warning));
                let Some(text) = text.map(|text| printable(text.trim_end())) else { return };
                if is_warning {
                    self.state.message = Some(text.clone());
                }
                if self.messages.len() < KEPT {
                    self.messages.push(text);
                }
            }
        }
    }

    fn draw(&mut self, screen: &mut Screen) -> io::Result<()> {
        let (now, look) = (self.start.elapsed(), self.look);
        screen.draw(|frame| view::draw(frame, &mut self.state, now, look))
    }

    fn ended(self, duration: Duration, client: Option<ExitStatus>) -> Ended {
        let all_replied = self.state.targets().iter().all(|target| target.counts.is_answered());
        let summary = summary::text(&self.state, duration, self.look);
        Ended { summary, messages: self.messages, all_replied, client }
    }
}

/// Passes on what the client writes, until it ends, which it is to do when `stop` is dropped. Returns
/// how it ended, if it did by itself.
async fn read(
    mut client: Client,
    messages: mpsc::Sender<Message>,
    mut stop: oneshot::Receiver<()>,
) -> Option<ExitStatus> {
    loop {
        tokio::select! {
            _ = &mut stop => {
                let mut last = Vec::new();
                client.stop(|event| last.push(event.to_owned())).await;
                for event in last {
                    // It fails only if nobody reads them any more.
                    let _ = messages.send(Message::Event(event)).await;
                }
                return None;
            }
            event = client.next() => match event {
                Ok(Some(event)) => {
                    let message = Message::Event(event.to_owned());
                    let _ = messages.send(message).await;
                }
                Ok(None) | Err(_) => return client.ended().await,
            },
        }
    }
}

/// Reads keys, the mouse and changes of size. Ends with the terminal.
fn keys() -> io::Result<mpsc::Receiver<Event>> {
    let (sender, keys) = mpsc::channel(WAITING);
    let read = move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("keys".to_owned()).spawn(read)?;
    Ok(keys)
}

/// The process group of the client.
#[derive(Debug)]
struct Running {
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Running {
    #[cfg(unix)]
    fn of(client: &Client) -> Self {
        Self { group: client.pid() }
    }

    #[cfg(not(unix))]
    fn of(_: &Client) -> Self {
        Self {}
    }

    /// Gives the terminal back and stops this process and the client; continues when this one is.
    #[cfg(unix)]
    fn suspend(&mut self, screen: &mut Screen) -> io::Result<()> {
        use rustix::process::{Signal, getpid, kill_process, kill_process_group};

        screen::give_back();
        // They fail only if the client has ended.
        let tell = |signal| self.group.map(|group| kill_process_group(group, signal));
        tell(Signal::STOP);
        kill_process(getpid(), Signal::STOP)?;
        // In the background, this waits for the terminal.
        let taken = screen.take_again();
        tell(Signal::CONT);
        taken
    }

    #[cfg(not(unix))]
    fn suspend(&mut self, _: &mut Screen) -> io::Result<()> {
        Ok(())
    }
}
