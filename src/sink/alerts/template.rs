//! The words of a rule with its figures in them: as much of Prometheus' templates as the rules use.

/// `{{ $labels.name }}` and `{{ $value }}`, the value plain or by `humanize`, `humanizeDuration` or
/// `humanizePercentage`. What is none of these stays as it is.
pub fn expand(text: &str, label: impl Fn(&str) -> String, value: f64) -> String {
    let mut parts = text.split("{{ ");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (word, rest) = part.split_once(" }}").unwrap_or((part, ""));
        let said = match word {
            "$value" => format!("{value}"),
            "$value | humanize" => humanize(value),
            "$value | humanizeDuration" => duration(value),
            "$value | humanizePercentage" => format!("{}%", figures(value * 100.0)),
            _ => word.strip_prefix("$labels.").map_or_else(|| format!("{{{{ {word} }}}}"), &label),
        };
        out += &said;
        out += rest;
    }
    out
}

/// Four significant figures, without zeros at the end.
fn figures(x: f64) -> String {
    let before = if x.abs() < 1.0 { x.abs().max(1e-9).log10().floor() as i32 } else { x.abs().log10() as i32 };
    let text = format!("{x:.*}", (3 - before).max(0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A number of 1 to 1000 and the prefix that makes it the value.
fn scaled(x: f64) -> (f64, &'static str) {
    let (steps, factor): (&[&str], f64) =
        if x.abs() >= 1.0 { (&["k", "M", "G", "T"], 1e-3) } else { (&["m", "u", "n"], 1e3) };
    let mut found = (x, "");
    for prefix in steps {
        if found.0 == 0.0 || (1.0..1000.0).contains(&found.0.abs()) {
            break;
        }
        found = (found.0 * factor, prefix);
    }
    found
}

fn humanize(x: f64) -> String {
    let (x, prefix) = scaled(x);
    format!("{}{prefix}", figures(x))
}

fn duration(seconds: f64) -> String {
    if seconds.abs() < 1.0 {
        return format!("{}s", humanize(seconds));
    }
    let (sign, s) = (if seconds < 0.0 { "-" } else { "" }, seconds.abs() as u64);
    let (d, h, m) = (s / 86_400, s / 3600 % 24, s / 60 % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{}s", figures(seconds)),
        (0, 0, _) => format!("{sign}{m}m {}s", s % 60),
        (0, ..) => format!("{sign}{h}h {m}m {}s", s % 60),
        _ => format!("{sign}{d}d {h}h {m}m {}s", s % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        let all = |x| (humanize(x), duration(x), expand("{{ $value | humanizePercentage }}", str::to_owned, x));
        let is = |x, a: &str, b: &str, c: &str| assert_eq!(all(x), (a.to_owned(), b.to_owned(), c.to_owned()));
        is(0.0, "0", "0s", "0%");
        is(0.25, "250m", "250ms", "25%");
        is(0.009_900_99, "9.901m", "9.901ms", "0.9901%");
        is(7.5, "7.5", "7.5s", "750%");
        is(61.0, "61", "1m 1s", "6100%");
        is(3660.0, "3.66k", "1h 1m 0s", "366000%");
        is(123_456.0, "123.5k", "1d 10h 17m 36s", "12345600%");
        is(-90.0, "-90", "-1m 30s", "-9000%");
    }

    #[test]
    fn words_and_labels() {
        let text = expand(
            "{{ $labels.node }} has {{ $value }} left, {{ of }} {{ $value | humanize }}",
            str::to_uppercase,
            20.0,
        );
        assert_eq!(text, "NODE has 20 left, {{ of }} 20");
    }
}
