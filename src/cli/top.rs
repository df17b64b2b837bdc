//! `btcdmon top`: a running sensor or a store on the terminal, as `htop` shows a machine.
//!
//! Reading order: [`source`] (where it comes from), [`snapshot`] (what is known), [`state`] (what the keys have
//! chosen), [`draw`] (the screen), [`table`] (which columns there is room for).

mod draw;
mod snapshot;
mod source;
mod state;
mod table;

use self::source::Source;
use self::state::{Change, State};
use crate::cli::terminal;
use crate::cli::view_args::TopArgs;
use anyhow::{Context as _, Result};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

/// How long a key may wait for new figures, and the other way round.
const TURN: Duration = Duration::from_millis(100);
/// The size of a printed page where there is no terminal.
const PAGE: (u16, u16) = (120, 40);

/// Runs it.
pub fn run(args: &TopArgs) -> Result<ExitCode> {
    let mut source = Source::open(args)?;
    let mut state = State::new(args.node.clone(), terminal::colours());
    if args.once || !io::stdout().is_terminal() {
        let snapshot = source.read(state.node())?;
        let size = terminal_size::terminal_size().map_or(PAGE, |(w, h)| (w.0, h.0));
        state.take(Ok(snapshot));
        let mut out = io::stdout().lock();
        out.write_all(draw::page(&state, size)?.as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
    // The first figures before the screen is taken: an error is better read on the plain terminal.
    state.take(Ok(source.read(state.node())?));
    let (ask, asked) = bounded(4);
    let (answer, answers) = bounded(1);
    let every = args.every;
    thread::Builder::new().name("source".to_owned()).spawn(move || read(source, every, &asked, &answer))?;
    let mut terminal = ratatui::try_init().context("cannot use the terminal")?;
    let result = show(&mut terminal, &mut state, &ask, &answers);
    ratatui::restore();
    result.map(|()| ExitCode::SUCCESS)
}

/// The thread that reads: a slow sensor does not hold up the keys.
fn read(
    mut source: Source,
    every: Duration,
    asked: &Receiver<Option<String>>,
    answers: &Sender<Result<snapshot::Snapshot>>,
) {
    let mut node = None;
    loop {
        match asked.recv_timeout(every) {
            Ok(other) => node = other,
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if answers.send(source.read(node.as_deref())).is_err() {
            return;
        }
    }
}

fn show(
    terminal: &mut DefaultTerminal,
    state: &mut State,
    ask: &Sender<Option<String>>,
    answers: &Receiver<Result<snapshot::Snapshot>>,
) -> Result<()> {
    let _ = ask.try_send(state.node().map(str::to_owned));
    loop {
        terminal.draw(|frame| draw::screen(frame, state))?;
        if event::poll(TURN)? {
            match event::read()? {
                Event::Key(key) if key.kind == KeyEventKind::Press => match state.key(key) {
                    Change::Quit => return Ok(()),
                    Change::Node => _ = ask.try_send(state.node().map(str::to_owned)),
                    Change::View => {}
                },
                _ => {}
            }
        }
        while let Ok(answer) = answers.try_recv() {
            state.take(answer);
        }
    }
}
