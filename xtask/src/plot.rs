//! A plot of lines over time, as SVG that a page shows in light and in dark.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 40.0;

/// A line: its name, its colour, and points of seconds and a count.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) colour: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

/// The whole file.
pub(crate) fn svg(title: &str, horizontal: &str, lines: &[Line]) -> String {
    let most = |of: fn(&(f64, f64)) -> f64| {
        lines.iter().flat_map(|line| line.points.iter().map(of)).fold(1.0, f64::max)
    };
    let (longest, highest) = (most(|point| point.0), most(|point| point.1));
    let x = |seconds: f64| LEFT + seconds / longest * (WIDTH - LEFT - RIGHT);
    let y = |count: f64| HEIGHT - BOTTOM - count / highest * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
         font-size=\"12\" role=\"img\" aria-label=\"{title}\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\" fill=\"#1f2328\">{title}</text>\n"
    );
    for count in steps(highest) {
        let at = y(count);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{at:.1}\" y2=\"{at:.1}\" stroke=\"#d8dee4\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#57606a\">{count}</text>",
            WIDTH - RIGHT,
            LEFT - 8.0,
            at + 4.0
        );
    }
    for seconds in steps(longest) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#57606a\">{seconds}</text>",
            x(seconds),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#57606a\">{horizontal}</text>",
        x(longest / 2.0),
        HEIGHT - 6.0
    );
    let mut names: Vec<(f64, &Line)> = Vec::new();
    for line in lines {
        let points: Vec<_> = line
            .points
            .iter()
            .map(|(seconds, count)| format!("{:.1},{:.1}", x(*seconds), y(*count)))
            .collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"/>",
            points.join(" "),
            line.colour
        );
        let highest = line.points.iter().map(|point| point.1).fold(0.0, f64::max);
        names.push((y(highest), line));
    }
    // Each beside its highest point, and none on top of another.
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut lowest = TOP - 16.0;
    for (at, line) in names {
        lowest = (at + 4.0).max(lowest + 16.0);
        let _ = writeln!(
            svg,
            "<text x=\"{:.0}\" y=\"{lowest:.1}\" fill=\"{}\">{}</text>",
            WIDTH - RIGHT + 10.0,
            line.colour,
            line.name
        );
    }
    svg + "</svg>\n"
}

/// Round numbers from nothing to the highest, some five of them.
fn steps(highest: f64) -> impl Iterator<Item = f64> {
    let rough = highest / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= rough);
    let step = step.unwrap_or(rough);
    (0..=20).map(move |number| f64::from(number) * step).take_while(move |at| *at <= highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_round_numbers() {
        assert_eq!(steps(100.0).collect::<Vec<_>>(), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(steps(7.0).collect::<Vec<_>>(), [0.0, 2.0, 4.0, 6.0]);
    }

    #[test]
    fn every_line_is_drawn_and_named() {
        let line = |name, colour| Line { name, colour, points: vec![(0.0, 0.0), (2.0, 5.0)] };
        let svg = svg("containers", "seconds", &[line("one", "#111111"), line("two", "#222222")]);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains(">one</text>") && svg.contains(">two</text>"), "{svg}");
    }
}
