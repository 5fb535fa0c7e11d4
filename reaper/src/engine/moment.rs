//! When something was created, as an engine writes it: RFC 3339, with the offset of the engine's own clock.
//!
//! Whole seconds, for an age that a person reads. The crates for dates bring calendars and time zones along.

use std::time::{Duration, SystemTime};

/// `2023-11-14T22:13:20.123456789+01:00`, or with `Z`; none for what looks otherwise or was before 1970.
pub(crate) fn moment(text: &str) -> Option<SystemTime> {
    let (date, rest) = text.split_once('T')?;
    let (time, rest) = rest.split_at_checked(8)?;
    let [year, month, day] = numbers(date, '-')?;
    let [hours, minutes, seconds] = numbers(time, ':')?;
    if !(1..=12).contains(&month) {
        return None;
    }
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let local = days(year, month, day) * 86_400 + hours * 3_600 + minutes * 60 + seconds;
    let seconds = u64::try_from(local - offset(zone)?).ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

/// How far ahead of universal time, in seconds.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, zone) = zone.split_at_checked(1)?;
    let [hours, minutes] = numbers(zone, ':')?;
    let ahead = hours * 3_600 + minutes * 60;
    match sign {
        "+" => Some(ahead),
        "-" => Some(-ahead),
        _ => None,
    }
}

/// Days since 1970 in the Gregorian calendar, with years that begin in March so that a leap day comes last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year * 365 + year / 4 - year / 100 + day_of_year - 719_468
}

fn numbers<const N: usize>(text: &str, between: char) -> Option<[i64; N]> {
    let parts: Option<Vec<i64>> =
        text.split(between).map(|part| part.parse::<u32>().ok().map(i64::from)).collect();
    parts?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_whatever_the_engines_clock_is_set_to() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2023-11-14T22:13:20Z", 1_700_000_000),
            ("2023-11-14T22:13:20.123456789Z", 1_700_000_000),
            ("2023-11-14T23:13:20+01:00", 1_700_000_000),
            ("2023-11-14T19:43:20.5-02:30", 1_700_000_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2024-03-01T00:00:00Z", 1_709_251_200),
            ("2000-12-31T23:59:59Z", 978_307_199),
        ] {
            assert_eq!(moment(text), Some(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "yesterday",
            "2023-11-14",
            "2023-11-14T22:13",
            "2023-13-01T00:00:00Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(moment(text), None, "{text}");
        }
        assert_eq!(moment("2023-11-14T22:13:20 later"), None);
    }
}
