//! Figures with their limits and floors, as the benchmarks print them.

use std::time::Duration;

/// What was measured, a figure after the other, and how many of them missed their limits.
#[derive(Default)]
pub(crate) struct Table {
    missed: usize,
    lines: Vec<String>,
}

impl Table {
    /// A time that is good if it is at most so many times its floor, by their medians.
    pub(crate) fn ratio(
        &mut self,
        name: &str,
        floor_name: &str,
        ours: &[Duration],
        floor: &[Duration],
        limit: f64,
    ) {
        let (ours, floor) = (milliseconds(median(ours)), milliseconds(median(floor)));
        let ratio = ours / floor;
        let verdict = self.verdict(ratio <= limit);
        self.lines.push(format!("{name:<46} {ratio:>7.2} x  of at most {limit:.2}  {verdict}"));
        for (name, value) in [("this library", ours), (floor_name, floor)] {
            self.lines.push(format!("    {name:<26} {value:>8.2} ms  {}", bar(value / ours.max(floor))));
        }
    }

    /// A figure that is good below its limit.
    pub(crate) fn limit(&mut self, name: &str, value: f64, limit: f64, unit: &str, detail: &str) {
        let verdict = self.verdict(value <= limit);
        self.lines.push(format!("{name:<46} {value:>7.2} {unit:<2} of at most {limit:.2}  {verdict}"));
        self.lines.push(format!("    {detail}"));
    }

    /// A figure that is good above its limit.
    pub(crate) fn at_least(&mut self, name: &str, value: f64, limit: f64, unit: &str, detail: &str) {
        let verdict = self.verdict(value >= limit);
        self.lines.push(format!("{name:<46} {value:>7.2} {unit:<2} of at least {limit:.2}  {verdict}"));
        self.lines.push(format!("    {detail}"));
    }

    fn verdict(&mut self, kept: bool) -> &'static str {
        self.missed += usize::from(!kept);
        if kept { "kept" } else { "MISSED" }
    }

    pub(crate) fn finish(self) -> Result<(), String> {
        println!("\n{}", self.lines.join("\n"));
        match self.missed {
            0 => Ok(()),
            missed => Err(format!("{missed} of the figures missed their limits")),
        }
    }
}

pub(crate) fn median<T: Ord + Copy>(samples: &[T]) -> T {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples[samples.len() / 2]
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(crate) fn bar(share: f64) -> String {
    // At most one, times the bar's length.
    let length = (1..=40).take_while(|cell| f64::from(*cell) <= share * 40.0).count();
    "█".repeat(length)
}
