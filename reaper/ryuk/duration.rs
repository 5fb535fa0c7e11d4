//! Durations as Go writes them, since that is how every client of Ryuk gives its timeouts: `1m30s`, `-1s`.
//!
//! Shared with the library, which has to refuse what the server would refuse, before a container is started.

/// The duration in nanoseconds; see Go's `time.ParseDuration`.
pub(crate) fn parse(text: &str) -> Result<i64, String> {
    let refusal = || format!("{text:?} is not a duration such as 10s, 500ms or 1m30s");
    let (negative, mut rest) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(refusal());
    }
    let mut total = 0_i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(refusal)?;
        let (number, tail) = rest.split_at(end);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        total += scaled(number, nanoseconds(unit).ok_or_else(refusal)?).ok_or_else(refusal)?;
        rest = tail;
    }
    i64::try_from(if negative { -total } else { total }).map_err(|_| refusal())
}

/// A decimal number of units, in nanoseconds, without the detour over floating point.
fn scaled(number: &str, unit: i128) -> Option<i128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || whole.len() > 18 || fraction.len() > 18 {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<i128>().ok() };
    let places = u32::try_from(fraction.len()).ok()?;
    Some(digits(whole)? * unit + digits(fraction)? * unit / 10_i128.pow(places))
}

fn nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_reads() {
        for (text, milliseconds) in [
            ("0", 0),
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("500ms", 500),
            ("-1s", -1_000),
            ("+1.5h", 5_400_000),
            (".5s", 500),
            ("1000us", 1),
        ] {
            assert_eq!(parse(text), Ok(milliseconds * 1_000_000), "{text}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for text in ["", "-", "10", "s", "1 s", "1d", ".s", "1.2.3s", "99999999999h", "1e3s", "--1s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
