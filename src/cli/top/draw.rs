//! The screen.

use super::snapshot::{ESTIMATED, Node, Snapshot};
use super::state::{Page, State};
use super::table::{BLOCK_COLUMNS, Column, PEER_COLUMNS, ago, count, fitting, unknown};
use crate::sink::escape::escape;
use crate::sink::summary::{bytes, number};
use crate::time::Timestamp;
use anyhow::Result;
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block as Frame_, Clear, Paragraph, Row, Table};
use ratatui::{Frame, Terminal};

/// Explains the keys.
const HELP: [&str; 10] = [
    "1 2 3 4, Tab     peers, blocks, messages, sensor",
    "Up Down PgUp PgDn Home   scroll",
    "s, Left, Right   sort the peers by another column",
    "r                the other way round",
    "/ TEXT Enter     only peers with this text; Esc: all again",
    "n                the next node",
    "?                this help",
    "q, Esc           end",
    "",
    "- is not known, ≈ is estimated (encrypted connections); mempool and tip are inferred",
];

/// Draws everything.
pub fn screen(frame: &mut Frame<'_>, state: &State) {
    let [head, tiles, tabs, body, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Min(1),
        Constraint::Length(1),
    ])
    .areas(frame.area());
    frame.render_widget(heading(state), head);
    frame.render_widget(Paragraph::new(node_lines(state)), tiles);
    frame.render_widget(pages(state), tabs);
    match state.page {
        Page::Peers => peers(frame, state, body),
        Page::Blocks => {
            table(frame, state, body, &BLOCK_COLUMNS, &state.snapshot.blocks.iter().collect::<Vec<_>>(), None);
        }
        Page::Messages => messages(frame, state, body),
        Page::Sensor => sensor(frame, state, body),
    }
    frame.render_widget(footer(state), foot);
    if state.help {
        help(frame, state);
    }
}

/// The same as text, for pipes and `--once`.
pub fn page(state: &State, (width, height): (u16, u16)) -> Result<String> {
    // Everything is shown: nobody can scroll a page.
    let rows = match state.page {
        Page::Peers => state.peers().len(),
        _ => state.snapshot.blocks.len(),
    };
    let height = height.max(u16::try_from(rows.min(1000) + 7).unwrap_or(height));
    let mut terminal = Terminal::new(TestBackend::new(width, height))?;
    terminal.draw(|frame| screen(frame, state))?;
    let buffer = terminal.backend().buffer();
    let mut text = String::new();
    for y in 0..height.saturating_sub(1) {
        let line: String = (0..width).filter_map(|x| buffer.cell((x, y))).map(ratatui::buffer::Cell::symbol).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    Ok(text.trim_end().to_owned() + "\n")
}

fn bold(state: &State, colour: Color) -> Style {
    let style = Style::new().add_modifier(Modifier::BOLD);
    if state.colours { style.fg(colour) } else { style }
}

fn heading(state: &State) -> Line<'static> {
    let Snapshot { origin, sensor, mode, time, .. } = &state.snapshot;
    let time = time.map_or_else(unknown, |us| Timestamp::from_nanos(us.saturating_mul(1000)).to_string());
    let time = time.split_once('.').map_or(time.clone(), |(seconds, _)| seconds.replace('T', " "));
    Line::from(vec![
        Span::styled("btcdmon", bold(state, Color::Yellow)),
        Span::raw(format!("  {} ({mode})  {time}  {}", escape(sensor), escape(origin))),
    ])
}

fn node_lines(state: &State) -> Vec<Line<'static>> {
    let nodes = &state.snapshot.nodes;
    let Some(n) = nodes.get(state.place()) else {
        return vec![Line::raw("no Bitcoin node seen yet")];
    };
    let of = if nodes.len() > 1 { format!(" ({} of {})", state.place() + 1, nodes.len()) } else { String::new() };
    let height = n.height.map_or_else(unknown, |h| h.to_string());
    let age =
        if n.tip_time.is_some() { format!(" for {}", ago(n.tip_time, state.snapshot.time)) } else { String::new() };
    let peers = format!("{} in {} out", count(n.inbound), count(n.outbound));
    let first = vec![
        Span::styled(format!("{}{of}", escape(&n.name)), bold(state, Color::Cyan)),
        Span::raw("  height "),
        Span::styled(height, bold(state, Color::Green)),
        Span::raw(format!("{age}  peers {peers}  v1 {} v2 {}", count(n.v1), count(n.v2))),
    ];
    vec![Line::from(first), Line::raw(rates(n))]
}

fn rates(n: &Node) -> String {
    let speed = |s: Option<f64>| s.map_or_else(unknown, |s| bytes(s as u64) + "/s");
    let messages = n
        .messages_per_s
        .map_or_else(String::new, |m| format!("{}{m:.1} messages/s  ", if n.estimated { ESTIMATED } else { "" }));
    let vsize = n.mempool_vsize.map_or_else(unknown, |v| format!("{:.1} MvB", v as f64 / 1e6));
    format!(
        "{messages}in {}  out {}  mempool {} tx {vsize}",
        speed(n.bytes_recv_per_s),
        speed(n.bytes_sent_per_s),
        count(n.mempool_tx)
    )
}

fn pages(state: &State) -> Line<'static> {
    let mut spans = Vec::new();
    for (i, page) in Page::ALL.into_iter().enumerate() {
        let text = format!(" {} {} ", i + 1, page.name());
        let style = if page == state.page { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
        spans.push(Span::styled(text, style));
    }
    Line::from(spans)
}

fn footer(state: &State) -> Line<'static> {
    match &state.trouble {
        Some(trouble) => Line::styled(trouble.clone(), bold(state, Color::Red)),
        None if state.typing => Line::raw(format!("filter: {}_", state.filter)),
        None if !state.filter.is_empty() => Line::raw(format!("filter: {} (Esc: all)   ? help   q quit", state.filter)),
        None => Line::raw("? help   / filter   s sort   n node   q quit"),
    }
}

fn peers(frame: &mut Frame<'_>, state: &State, area: Rect) {
    if state.snapshot.peers.is_none() {
        let text = "A store holds no list of connections: run `btcdmon top` on the sensor itself.";
        frame.render_widget(Paragraph::new(text), area);
        return;
    }
    table(frame, state, area, &PEER_COLUMNS, &state.peers(), Some(state.sorted_by));
}

fn table<T>(
    frame: &mut Frame<'_>,
    state: &State,
    area: Rect,
    columns: &[Column<T>],
    rows: &[&T],
    sorted_by: Option<usize>,
) {
    let fit = fitting(columns, area.width);
    let cell = |c: &Column<T>, text: String| {
        let width = usize::from(c.width);
        if c.right { format!("{text:>width$}") } else { text }
    };
    let heads = fit.iter().map(|&i| {
        let style = if sorted_by == Some(i) { bold(state, Color::Yellow) } else { bold(state, Color::Reset) };
        Span::styled(cell(&columns[i], columns[i].name.to_owned()), style)
    });
    let heads = Row::new(heads.collect::<Vec<_>>());
    let now = state.snapshot.time;
    // The last rows stay on the screen however far somebody scrolls.
    let shown = usize::from(area.height.saturating_sub(1));
    let from = state.offset.min(rows.len().saturating_sub(shown));
    let rows =
        rows.iter().skip(from).take(shown).map(|row| {
            Row::new(fit.iter().map(|&i| cell(&columns[i], (columns[i].cell)(row, now))).collect::<Vec<_>>())
        });
    let widths = fit.iter().map(|&i| Constraint::Length(columns[i].width));
    frame.render_widget(Table::new(rows, widths).header(heads).column_spacing(1), area);
}

fn messages(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let all = &state.snapshot.messages;
    if all.is_empty() {
        frame.render_widget(Paragraph::new("no message in the last 10 minutes"), area);
        return;
    }
    let most = all.iter().flat_map(|(_, n)| n).fold(1.0_f64, |a, b| a.max(*b));
    let width = f64::from(area.width.saturating_sub(46) / 2);
    let bar = |n: f64| "#".repeat((n / most * width).ceil() as usize);
    let rows = all.iter().skip(state.offset.min(all.len() - 1)).map(|(name, [recv, sent])| {
        let numbers = [recv, sent].map(|n| format!("{:>12}", number(*n as u64)));
        let [recv_text, sent_text] = numbers;
        Row::new([escape(name).into_owned(), recv_text, bar(*recv), sent_text, bar(*sent)])
    });
    let bars = Constraint::Length(width as u16);
    let widths = [Constraint::Length(16), Constraint::Length(12), bars, Constraint::Length(12), bars];
    let heads = Row::new(["MESSAGE", "    RECEIVED", "", "        SENT", "(last 10 min)"]);
    frame
        .render_widget(Table::new(rows, widths).header(heads.style(bold(state, Color::Reset))).column_spacing(1), area);
}

fn sensor(frame: &mut Frame<'_>, state: &State, area: Rect) {
    let losses = &state.snapshot.losses;
    if losses.is_empty() {
        frame.render_widget(Paragraph::new("nothing skipped, nothing lost, nothing odd"), area);
        return;
    }
    let rows = losses.iter().skip(state.offset.min(losses.len() - 1));
    let rows = rows.map(|(what, n)| Row::new([format!("{:>16}", number(*n)), what.clone()]));
    let heads = Row::new(["           COUNT", "WHAT"]).style(bold(state, Color::Reset));
    let widths = [Constraint::Length(16), Constraint::Min(10)];
    frame.render_widget(Table::new(rows, widths).header(heads).column_spacing(2), area);
}

fn help(frame: &mut Frame<'_>, state: &State) {
    let area = frame.area();
    let width = area.width.min(90);
    let height = area.height.min(HELP.len() as u16 + 2);
    let place = Rect { x: (area.width - width) / 2, y: (area.height - height) / 2, width, height };
    let lines: Vec<Line<'_>> = HELP.iter().map(|l| Line::raw(*l)).collect();
    frame.render_widget(Clear, place);
    let border = Frame_::bordered().title(" Keys ").title_style(bold(state, Color::Yellow));
    frame.render_widget(Paragraph::new(lines).block(border), place);
}
