//! What the keys have chosen.

use super::snapshot::{Peer, Snapshot};
use super::table::PEER_COLUMNS;
use anyhow::Result;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cmp::Ordering;

/// The pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// Open connections.
    Peers,
    /// Blocks.
    Blocks,
    /// Messages by command.
    Messages,
    /// What was skipped and lost.
    Sensor,
}

impl Page {
    /// All, as the keys 1 to 4 have them.
    pub const ALL: [Self; 4] = [Self::Peers, Self::Blocks, Self::Messages, Self::Sensor];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peers => "Peers",
            Self::Blocks => "Blocks",
            Self::Messages => "Messages",
            Self::Sensor => "Sensor",
        }
    }
}

/// What a key has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// What is shown.
    View,
    /// The node: others figures are needed.
    Node,
    /// It is over.
    Quit,
}

/// What is shown, and how.
pub struct State {
    /// The newest figures.
    pub snapshot: Snapshot,
    /// Why there are no newer ones.
    pub trouble: Option<String>,
    /// The page.
    pub page: Page,
    /// Rows left out at the top.
    pub offset: usize,
    /// Column of the peers by which they are sorted.
    pub sorted_by: usize,
    /// From the smallest on.
    pub ascending: bool,
    /// Only peers that hold this text.
    pub filter: String,
    /// The filter is being typed.
    pub typing: bool,
    /// The keys are explained.
    pub help: bool,
    /// Whether to use colours.
    pub colours: bool,
    node: Option<String>,
}

impl State {
    /// Nothing is known yet; `node` is to be shown, or the first one.
    pub fn new(node: Option<String>, colours: bool) -> Self {
        Self {
            snapshot: Snapshot::default(),
            trouble: None,
            page: Page::Peers,
            offset: 0,
            sorted_by: super::table::BYTES,
            ascending: false,
            filter: String::new(),
            typing: false,
            help: false,
            colours,
            node,
        }
    }

    /// The chosen node.
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Its place among the nodes.
    pub fn place(&self) -> usize {
        let named = |name: &str| self.snapshot.nodes.iter().position(|n| n.name == name);
        self.node().and_then(named).unwrap_or(0)
    }

    /// Takes newer figures, or why there are none: then the old ones stay.
    pub fn take(&mut self, answer: Result<Snapshot>) {
        match answer {
            Ok(snapshot) => {
                // A store lists no connections.
                if snapshot.peers.is_none() && self.page == Page::Peers && self.snapshot.origin.is_empty() {
                    self.page = Page::Blocks;
                }
                self.snapshot = snapshot;
                self.trouble = None;
            }
            Err(e) => self.trouble = Some(format!("{e:#}")),
        }
    }

    /// The peers that are shown, in order.
    pub fn peers(&self) -> Vec<&Peer> {
        let filter = self.filter.to_lowercase();
        let held = |p: &&Peer| {
            [&p.address, &p.user_agent, &p.direction, &p.transport].iter().any(|t| t.to_lowercase().contains(&filter))
        };
        let mut all: Vec<&Peer> = self.snapshot.peers.iter().flatten().filter(held).collect();
        if let Some(column) = PEER_COLUMNS.get(self.sorted_by) {
            let order = |a: &&Peer, b: &&Peer| -> Ordering {
                let order = (column.order)(a, b);
                if self.ascending { order } else { order.reverse() }
            };
            all.sort_by(|a, b| order(a, b).then_with(|| a.address.cmp(&b.address)));
        }
        all
    }

    /// Does what `key` stands for.
    pub fn key(&mut self, key: KeyEvent) -> Change {
        if key.modifiers.contains(KeyModifiers::CONTROL) && key.code == KeyCode::Char('c') {
            return Change::Quit;
        }
        if self.typing {
            match key.code {
                KeyCode::Enter => self.typing = false,
                KeyCode::Esc => (self.typing, self.filter) = (false, String::new()),
                KeyCode::Backspace => _ = self.filter.pop(),
                KeyCode::Char(c) => self.filter.push(c),
                _ => {}
            }
            self.offset = 0;
            return Change::View;
        }
        match key.code {
            KeyCode::Esc if self.help => self.help = false,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc | KeyCode::Char('q') => return Change::Quit,
            KeyCode::Char('?' | 'h') | KeyCode::F(1) => self.help = !self.help,
            KeyCode::Char(c @ '1'..='4') => self.turn(c as usize - '1' as usize),
            KeyCode::Tab => self.turn(self.page as usize + 1),
            KeyCode::BackTab => self.turn(self.page as usize + Page::ALL.len() - 1),
            KeyCode::Char('/') => (self.typing, self.page) = (true, Page::Peers),
            KeyCode::Char('s') | KeyCode::Right => self.sorted_by = (self.sorted_by + 1) % PEER_COLUMNS.len(),
            KeyCode::Left => self.sorted_by = (self.sorted_by + PEER_COLUMNS.len() - 1) % PEER_COLUMNS.len(),
            KeyCode::Char('r') => self.ascending = !self.ascending,
            KeyCode::Down | KeyCode::Char('j') => self.offset += 1,
            KeyCode::Up | KeyCode::Char('k') => self.offset = self.offset.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.offset += 20,
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(20),
            KeyCode::Home => self.offset = 0,
            KeyCode::Char('n') if self.snapshot.nodes.len() > 1 => {
                let next = (self.place() + 1) % self.snapshot.nodes.len();
                self.node = self.snapshot.nodes.get(next).map(|n| n.name.clone());
                self.offset = 0;
                return Change::Node;
            }
            _ => {}
        }
        Change::View
    }

    fn turn(&mut self, page: usize) {
        self.page = Page::ALL[page % Page::ALL.len()];
        self.offset = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(state: &mut State, code: KeyCode) -> Change {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    fn lab() -> State {
        let peer = |address: &str, bytes, user_agent: &str| Peer {
            address: address.to_owned(),
            bytes_recv: bytes,
            user_agent: user_agent.to_owned(),
            ..Peer::default()
        };
        let peers = vec![
            peer("192.0.2.1:8333", Some(10), "/Satoshi:31.0.0/"),
            peer("192.0.2.2:8333", Some(30), "/btcd:0.26.0/"),
            peer("192.0.2.3:8333", None, "/Satoshi:30.0.0/"),
        ];
        let mut state = State::new(None, true);
        state.take(Ok(Snapshot { peers: Some(peers), ..Snapshot::default() }));
        state
    }

    fn order(state: &State) -> String {
        state.peers().iter().filter_map(|p| p.address.chars().nth(8)).collect()
    }

    #[test]
    fn peers_are_sorted_and_filtered() {
        let mut state = lab();
        assert_eq!(order(&state), "213");
        press(&mut state, KeyCode::Char('r'));
        assert_eq!(order(&state), "312");
        press(&mut state, KeyCode::Char('/'));
        "SATOSHI".chars().for_each(|c| _ = press(&mut state, KeyCode::Char(c)));
        assert_eq!(order(&state), "31");
        // `q` is typed, not obeyed.
        assert_eq!(press(&mut state, KeyCode::Char('q')), Change::View);
        assert_eq!(order(&state), "");
        press(&mut state, KeyCode::Esc);
        assert_eq!(order(&state), "312");
        assert_eq!(press(&mut state, KeyCode::Char('q')), Change::Quit);
    }

    #[test]
    fn pages_turn_both_ways() {
        let mut state = lab();
        press(&mut state, KeyCode::BackTab);
        assert_eq!(state.page, Page::Sensor);
        press(&mut state, KeyCode::Tab);
        assert_eq!(state.page, Page::Peers);
        press(&mut state, KeyCode::Char('3'));
        assert_eq!(state.page, Page::Messages);
    }

    #[test]
    fn a_trouble_leaves_the_old_figures() {
        let mut state = lab();
        state.take(Err(anyhow::anyhow!("gone")));
        assert_eq!((state.peers().len(), state.trouble.as_deref()), (3, Some("gone")));
    }
}
