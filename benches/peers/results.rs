//! Numbers into the text of `RESULTS.md`: targets, table, limits. What was written by hand below stays.

use crate::fixture::{Fixture, mega};
use crate::limits::Limit;
use crate::measure::Measured;
use crate::rows::{Row, Series};
use crate::stage::{Network, RATE};
use crate::tool::{Operation, Tool};
use std::fmt::Write as _;
use std::time::Duration;

/// The part that is written by hand begins here.
const BY_HAND: &str = "## What the profile shows\n";

/// All measurements.
pub(crate) type Table = [(Row, Vec<Series>)];

/// Smallest, middle and largest of some numbers.
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

impl Series {
    fn spread(&self, of: impl Fn(&Measured) -> f64) -> Option<Spread> {
        let mut values: Vec<f64> = self.runs.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        Some(Spread {
            median: *values.get(values.len() / 2)?,
            min: *values.first()?,
            max: *values.last()?,
        })
    }

    fn wall(&self) -> Option<f64> {
        self.spread(|run| run.wall.as_secs_f64()).map(|wall| wall.median)
    }

    /// The usual numbers of requests and token calls.
    fn requests(&self) -> Option<(usize, usize)> {
        let middle = |mut numbers: Vec<usize>| {
            numbers.sort_unstable();
            numbers.get(numbers.len() / 2).copied()
        };
        Some((
            middle(self.requests.iter().map(|requests| requests.registry).collect())?,
            middle(self.requests.iter().map(|requests| requests.token).collect())?,
        ))
    }
}

/// The table of all runs.
pub(crate) fn table(table: &Table) -> String {
    let mut text = String::from(
        "| Operation | Image | Network | Program | Wall s: median (min–max) | Times as fast as skopeo | CPU s | Peak MiB | Requests + tokens | Runs |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (row, series) in table {
        let skopeo = find(series, |tool| *tool == Tool::Skopeo).and_then(Series::wall);
        for one in series {
            let start = format!(
                "| {} | {} | {} | {} |",
                row.operation.name(),
                if row.operation == Operation::StartUp {
                    "–"
                } else {
                    row.image
                },
                row.network.name(),
                one.tool.name()
            );
            let (Some(wall), Some(cpu), Some(peak)) = (
                one.spread(|run| run.wall.as_secs_f64()),
                one.spread(|run| run.cpu.as_secs_f64()),
                one.spread(|run| mebi(run.peak)),
            ) else {
                let missing = one.missing.as_deref().unwrap_or("–");
                writeln!(text, "{start} {missing} | | | | | |").unwrap();
                continue;
            };
            let ratio = skopeo.map_or_else(|| "–".to_owned(), |skopeo| format!("{:.2}", skopeo / wall.median));
            let (registry, token) = one.requests().unwrap_or_default();
            writeln!(
                text,
                "{start} {:.3} ({:.3}–{:.3}) | {ratio} | {:.3} | {:.1} | {registry} + {token} | {} |",
                wall.median,
                wall.min,
                wall.max,
                cpu.median,
                peak.max,
                one.runs.len()
            )
            .unwrap();
        }
    }
    text
}

/// What was to be reached, and was or was not.
pub(crate) fn targets(table: &Table, big: &Fixture) -> String {
    let largest = mega(big.blobs[0].1) / mega(u64::from(RATE));
    let own = |operation, image, network| {
        let (_, series) = table
            .iter()
            .find(|(row, _)| (row.operation, row.image, row.network) == (operation, image, network))?;
        find(series, |tool| matches!(tool, Tool::CrgPipe(_))).map(|own| (own, series))
    };
    let requests = |image| own(Operation::Copy, image, Network::Direct)?.0.requests();
    let wall = |operation, image, network| own(operation, image, network)?.0.wall();
    let ratio = |operation| {
        let (own, series) = own(operation, "big", Network::Direct)?;
        Some(find(series, |tool| *tool == Tool::Skopeo)?.wall()? / own.wall()?)
    };
    let peak = table
        .iter()
        .flat_map(|(_, series)| series)
        .filter(|one| matches!(one.tool, Tool::CrgPipe(_)))
        .filter_map(|one| one.spread(|run| mebi(run.peak)))
        .map(|peak| peak.max)
        .reduce(f64::max);
    let mut text = String::from("| Target | Measured | Reached |\n|---|---|---|\n");
    let mut line = |target: String, measured: Option<(String, bool)>| {
        let (measured, reached) = match measured {
            Some((measured, true)) => (measured, "yes"),
            Some((measured, false)) => (measured, "**no**"),
            None => ("not in this version".to_owned(), "–"),
        };
        writeln!(text, "| {target} | {measured} | {reached} |").unwrap();
    };
    for (image, most) in [("big", 13), ("many", 65)] {
        line(
            format!("copy of `{image}` to another repository: at most {most} requests and 1 token"),
            requests(image).map(|(registry, token)| (format!("{registry} + {token}"), registry <= most && token <= 1)),
        );
    }
    let at_most = |measured: Option<f64>, most: f64| measured.map(|wall| (format!("{wall:.2} s"), wall <= most));
    line(
        "copy of `many` to another repository at +40 ms: at most 0.6 s".to_owned(),
        at_most(wall(Operation::Copy, "many", Network::Delayed), 0.6),
    );
    for (operation, least) in [
        (Operation::PullLayout, 2.9),
        (Operation::PushLayout, 2.1),
        (Operation::Across, 2.0),
    ] {
        line(
            format!(
                "{} of `big`: at least {least:.1} times as fast as skopeo",
                operation.name()
            ),
            ratio(operation).map(|ratio| (format!("{ratio:.2} times"), ratio >= least)),
        );
    }
    line(
        format!(
            "pull of `big` at 50 MiB/s for each connection: at most half of the {largest:.2} s of a single stream of its largest layer"
        ),
        at_most(wall(Operation::PullLayout, "big", Network::Limited), largest / 2.0),
    );
    line(
        "peak memory: at most 12 MiB in all rows".to_owned(),
        peak.map(|peak| (format!("{peak:.1} MiB"), peak <= 12.0)),
    );
    line(
        "start-up: at most 3 ms".to_owned(),
        wall(Operation::StartUp, "big", Network::Direct)
            .map(|wall| (format!("{:.1} ms", wall * 1000.0), wall <= 0.003)),
    );
    text
}

/// The whole file; `before` is what is there, whose end is kept.
pub(crate) fn file(before: &str, versions: &[String], measured: &str, (load, took): (f64, Duration)) -> String {
    let by_hand = before.find(BY_HAND).map_or(BY_HAND, |at| &before[at..]);
    let date = time::OffsetDateTime::now_utc().date();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processor = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let processor = processor
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown processor", |(_, name)| name);
    let mut versions: Vec<&str> = versions.iter().map(String::as_str).collect();
    versions.dedup();
    format!(
        "# Results of `make bench`\n\n\
         {date}, {cores} cores ({processor}), shared by programs and registries, {:.0} minutes. Load before the first run,\n\
         by others: {load:.1}{}.\n\
         {}.\n\n\
         {measured}\n{by_hand}",
        took.as_secs_f64() / 60.0,
        if load > 0.5 {
            " – too much to trust the times; the ratios suffer less"
        } else {
            ""
        },
        versions.join("; ")
    )
}

/// How many processes wanted a core in the last minute.
pub(crate) fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().unwrap_or_default();
    first.parse().unwrap_or(0.0)
}

/// The limits of the machine.
pub(crate) fn limits(limits: &[Limit]) -> String {
    let mut text = String::from("| Limit | MB/s |\n|---|---|\n");
    for (name, value) in limits {
        writeln!(text, "| {name} | {value:.0} |").unwrap();
    }
    text
}

fn find(series: &[Series], wanted: impl Fn(&Tool) -> bool) -> Option<&Series> {
    series.iter().find(|one| wanted(&one.tool))
}

#[allow(clippy::cast_precision_loss, reason = "for people to read")]
fn mebi(bytes: u64) -> f64 {
    bytes as f64 / 1_048_576.0
}
