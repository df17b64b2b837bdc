//! Text in lines that a terminal need not break.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Appends the words of `text` from column `at` on, wrapped at `width`, later lines indented by `indent`; a word that fits
/// no line is broken.
pub fn fill(out: &mut String, text: &str, mut at: usize, indent: usize, width: usize) {
    // So narrow that nothing would stand beside the indentation: half of the line is left to the text.
    let indent = indent.min(width / 2);
    let mut start = at;
    for mut word in text.split_whitespace() {
        if at > start && at + 1 + word.width() <= width {
            out.push(' ');
            at += 1;
        } else if at > start || at + word.width() > width && at > indent {
            new_line(out, indent);
            (at, start) = (indent, indent);
        }
        while at + word.width() > width
            && let Some((head, rest)) = split(word, width.saturating_sub(at))
        {
            out.push_str(head);
            new_line(out, indent);
            (at, start, word) = (indent, indent, rest);
        }
        out.push_str(word);
        at += word.width();
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
    let mut wide = 0;
    let past = |(at, c): (usize, char)| {
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
        if line.width() <= width {
            out.push_str(line);
            out.push('\n');
            continue;
        }
        let first = line.len() - line.trim_start().len();
        let behind = line[first..].find("  ").map(|gap| first + gap);
        let hang = behind.map_or(first, |gap| line.len() - line[gap..].trim_start().len());
        let head = &line[..hang];
        out.push_str(head);
        let indent = if behind.is_some() { head.width() } else { first + 2 };
        fill(&mut out, &line[hang..], head.width(), indent, width);
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
