//! A script of packets, one step a line, by stream offsets instead of sequence numbers.
//!
//! ```text
//! > SYN ts=100 wscale=7        `>` sends conversation 1's end a, `<` its end b; `2>` is conversation 2
//! < SYN-ACK
//! > ACK 0                      acknowledges offset 0 of b, that is, its SYN
//! > 0+"abc" PSH                payload at offset 0; every non-SYN, non-RST segment repeats the last ACK
//! > 3+#1000 x64                64 segments of 1000 bytes one after the other, of the pattern
//! > 9+#1 x100/2                100 segments of 1 byte, each 2 bytes after the one before
//! > FIN                        at the end of what a has sent; `seq=5` puts it elsewhere
//! +250ms                       time passes (`-1s` sets the clock back); nothing else moves the clock
//! dup                          the last frame once more
//! tick                         one tick of the partition
//! count <                      from now on the handler only counts b's stream
//! # comment
//! ```
//!
//! More words: `RST`, `URG`, `noack` (flag off), `ts=` `win=` `wscale=` `id=` (IP identification), `snap=3` (the
//! capture keeps 3 payload bytes), `bad` (checksum), `isn+=1000` (before the segment, moves the sender's sequence
//! numbers: a new connection).

use super::recorder::From;
use std::fmt;

/// One packet, or a run of them.
#[derive(Clone, Debug, Default)]
pub struct Packet {
    pub flags: u8,
    /// Offset acknowledged, when given.
    pub ack: Option<i64>,
    pub no_ack: bool,
    /// Offset of the segment, when given.
    pub seq: Option<i64>,
    pub payload: Payload,
    pub tsval: Option<u32>,
    pub window: Option<u16>,
    pub window_scale: Option<u8>,
    pub ip_id: Option<u16>,
    pub snap: Option<usize>,
    pub bad: bool,
    pub move_isn: u32,
    /// Number of segments, and the distance of their offsets when not their length.
    pub times: u64,
    pub stride: Option<u64>,
}

/// Payload of a packet.
#[derive(Clone, Debug, Default)]
pub enum Payload {
    #[default]
    None,
    Text(Vec<u8>),
    Pattern(usize),
}

/// One line.
#[derive(Clone, Debug)]
pub enum Step {
    Packet(u16, From, Packet),
    Dup,
    Wait(i64),
    Tick,
    Count(u16, From),
}

/// What is wrong with a line.
#[derive(Debug)]
pub struct Wrong(String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The steps of `text`, numbered by its lines from 1, comments and empty lines left out.
pub fn parse(text: &str) -> Result<Vec<Step>, Wrong> {
    let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
    lines.map(|l| step(l).map_err(|e| Wrong(format!("{l:?}: {e}")))).collect()
}

fn step(line: &str) -> Result<Step, String> {
    let words = words(line)?;
    let (first, rest) = words.split_first().ok_or("empty")?;
    match first.as_str() {
        "dup" => return Ok(Step::Dup),
        "tick" => return Ok(Step::Tick),
        "count" => {
            let (n, from) = direction(rest.first().ok_or("which direction?")?)?;
            return Ok(Step::Count(n, from));
        }
        _ => {}
    }
    if let Some(time) = first.strip_prefix('+') {
        return duration(time).map(Step::Wait);
    }
    if let Some(time) = first.strip_prefix('-') {
        return duration(time).map(|t| Step::Wait(-t));
    }
    let (n, from) = direction(first)?;
    packet(rest).map(|p| Step::Packet(n, from, p))
}

/// Splits at spaces outside of quotes.
fn words(line: &str) -> Result<Vec<String>, String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            ' ' if !quoted => words.push(String::new()),
            _ => {
                quoted ^= c == '"';
                words.last_mut().ok_or("no word")?.push(c);
            }
        }
    }
    words.retain(|w| !w.is_empty());
    if quoted { Err("open quote".to_owned()) } else { Ok(words) }
}

fn direction(word: &str) -> Result<(u16, From), String> {
    let (number, arrow) = word.split_at(word.len() - 1);
    let from = match arrow {
        ">" => From::A,
        "<" => From::B,
        _ => return Err(format!("unknown step {word:?}")),
    };
    Ok((if number.is_empty() { 1 } else { parsed(number)? }, from))
}

fn duration(text: &str) -> Result<i64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match &text[digits.len()..] {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        other => return Err(format!("unit {other:?}")),
    };
    Ok(parsed::<i64>(digits)? * unit)
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text:?}"))
}

fn packet(words: &[String]) -> Result<Packet, String> {
    const FLAGS: [(&str, u8); 6] =
        [("FIN", 0x01), ("SYN", 0x02), ("RST", 0x04), ("PSH", 0x08), ("SYN-ACK", 0x12), ("URG", 0x20)];
    let mut p = Packet { times: 1, ..Packet::default() };
    let mut words = words.iter().peekable();
    while let Some(w) = words.next() {
        if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| name == w) {
            p.flags |= flag;
        } else if w == "ACK" {
            p.flags |= 0x10;
            if let Some(n) = words.peek().and_then(|n| n.parse().ok()) {
                p.ack = Some(n);
                words.next();
            }
        } else if w == "noack" {
            p.no_ack = true;
        } else if w == "bad" {
            p.bad = true;
        } else if let Some(n) = w.strip_prefix("isn+=") {
            p.move_isn = parsed(n)?;
        } else if let Some((name, value)) = w.split_once('=').filter(|_| !w.contains('"')) {
            match name {
                "seq" => p.seq = Some(parsed(value)?),
                "ts" => p.tsval = Some(parsed(value)?),
                "win" => p.window = Some(parsed(value)?),
                "wscale" => p.window_scale = Some(parsed(value)?),
                "id" => p.ip_id = Some(parsed(value)?),
                "snap" => p.snap = Some(parsed(value)?),
                _ => return Err(format!("unknown word {w:?}")),
            }
        } else if let Some((offset, bytes)) = w.split_once('+') {
            p.seq = Some(parsed(offset)?);
            p.payload = payload(bytes)?;
        } else if let Some(times) = w.strip_prefix('x') {
            let (times, stride) = times.split_once('/').map_or((times, None), |(t, s)| (t, Some(s)));
            p.times = parsed(times)?;
            p.stride = stride.map(parsed).transpose()?;
        } else {
            return Err(format!("unknown word {w:?}"));
        }
    }
    Ok(p)
}

fn payload(text: &str) -> Result<Payload, String> {
    if let Some(n) = text.strip_prefix('#') {
        return parsed(n).map(Payload::Pattern);
    }
    if let Some(quoted) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        return Ok(Payload::Text(quoted.as_bytes().to_vec()));
    }
    let (letter, n) = text.split_once('*').ok_or_else(|| format!("payload {text:?}"))?;
    Ok(Payload::Text(letter.repeat(parsed(n)?).into_bytes()))
}
