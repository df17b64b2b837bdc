//! Text in lines that a terminal need not break.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr};

/// How a sequence begins that changes the letters, up to an `m`.
const ESCAPE: &str = "\x1b[";
/// Where a line may end.
const SPACES: [char; 3] = [' ', '\n', '\t'];

/// Columns that `text` takes; what makes letters bold takes none.
fn columns(text: &str) -> usize {
    let mut parts = text.split(ESCAPE);
    let plain = parts.next().map_or(0, UnicodeWidthStr::width);
    plain + parts.map(|p| p.split_once('m').map_or(p, |(_, rest)| rest).width()).sum::<usize>()
}

/// Appends the words of `text` from column `at` on, wrapped at `width`, later lines indented by `indent`; a word that fits
/// no line is broken. Several spaces stay several, unless a line ends there.
pub fn fill(out: &mut String, text: &str, mut at: usize, indent: usize, width: usize) {
    // So narrow that nothing would stand beside the indentation: half of the line is left to the text.
    let indent = indent.min(width / 2);
    // Nothing of the text stands before it on its line.
    let mut first = true;
    for mut word in text.trim_end_matches(SPACES).split(SPACES) {
        let mut broken = false;
        if !first && at + 1 + columns(word) <= width {
            out.push(' ');
            at += 1;
        } else if !first || at + columns(word) > width && at > indent {
            new_line(out, indent);
            (at, broken) = (indent, true);
        }
        first = broken && word.is_empty();
        while at + columns(word) > width
            && let Some((head, rest)) = split(word, width.saturating_sub(at))
        {
            out.push_str(head);
            new_line(out, indent);
            (at, word) = (indent, rest);
        }
        out.push_str(word);
        at += columns(word);
    }
    out.push('\n');
}

fn new_line(out: &mut String, indent: usize) {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
}

/// As many characters of `word` as `room` holds, and the others; at least one each.
fn split(word: &str, room: usize) -> Option<(&str, &str)> {
    let (mut wide, mut escape) = (0, false);
    let past = |(at, c): (usize, char)| {
        escape |= c == '\x1b';
        if escape {
            escape = c != 'm';
            return None;
        }
        wide += c.width().unwrap_or(0);
        (wide > room).then_some(at)
    };
    let second = word.char_indices().nth(1)?.0;
    let at = word.char_indices().find_map(past)?.max(second);
    Some(word.split_at(at))
}

/// Every line of `text` that is wider than `width` as several. A name at its beginning with its text behind (two spaces or
/// more stand between) keeps the room below it empty.
pub fn fold(text: &str, width: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if columns(line) <= width {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let first = line.len() - line.trim_start().len();
        let behind = line[first..].find("  ").map(|gap| first + gap);
        let hang = behind.map_or(first, |gap| line.len() - line[gap..].trim_start().len());
        let head = &line[..hang];
        out.push_str(head);
        let indent = if behind.is_some() { columns(head) } else { first + 2 };
        fill(&mut out, &line[hang..], columns(head), indent, width);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_fill_lines() {
        let mut out = String::new();
        fill(&mut out, &"abcd ".repeat(20), 4, 4, 96);
        let lines: Vec<&str> = out.lines().collect();
        // From column 4: n words end at 4 + 5n - 1, so 18 words end at 93 and 19 would end at 98.
        assert_eq!((lines.len(), lines[0].len(), lines[1]), (2, 89, "    abcd abcd"));
    }

    #[test]
    fn long_lines_are_folded_below_their_text() {
        let text = "Heading\n  Sent             12 kB payload, 3 kB on the wire\nshort\n";
        assert_eq!(fold(text, 80), text);
        let folded = "Heading\n  Sent             12 kB payload, 3 kB\n                   on the wire\nshort\n";
        assert_eq!(fold(text, 40), folded);
        // Half of the line is left to the text.
        let narrow =
            "Heading\n  Sent             12 kB\n              payload, 3 kB\n              on the wire\nshort\n";
        assert_eq!(fold(text, 28), narrow);
        assert_eq!(fold("  one two three", 9), "  one two\n    three\n");
    }

    #[test]
    fn spaces_stay_and_bold_letters_take_no_room() {
        let mut out = String::new();
        fill(&mut out, " a  b\u{3000}c", 0, 0, 20);
        assert_eq!(out, " a  b\u{3000}c\n");
        let heading = "  \x1b[1mMost bytes\x1b[0m";
        assert_eq!(fold(heading, 12), format!("{heading}\n"));
        assert_eq!(fold(heading, 11), "  \x1b[1mMost\n    bytes\x1b[0m\n");
        for width in 1..12 {
            let folded = fold(heading, width);
            assert!(folded.contains("\x1b[1m") && folded.ends_with("\x1b[0m\n"), "{width}: {folded:?}");
        }
    }

    #[test]
    fn nothing_is_wider_than_asked_nor_lost() {
        let text = "name  /a-user-agent:that/has:no/space:at-all/ 漢字漢字漢字漢字漢字 end\n  x                    0123456789abcdef 漢\n";
        let letters = |t: &str| t.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        for width in 4..60 {
            let folded = fold(text, width);
            assert!(folded.lines().all(|l| l.width() <= width), "{width}:\n{folded}");
            assert_eq!(letters(&folded), letters(text));
        }
    }
}
