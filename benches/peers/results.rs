//! Numbers into the text of `RESULTS.md`: targets, table, limits. What was written by hand below stays.

use crate::fixture::mega;
use crate::limits::Limit;
use crate::measure::Measured;
use crate::rows::{Row, Series};
use crate::stage::Network;
use crate::tool::{Kind, Operation, Tool};
use std::fmt::Write as _;
use std::path::Path;
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
        "| Operation | Image | Network | Program | Wall s: median (min–max) | Fastest peer ÷ this | CPU s | Peak MiB | Requests + tokens | Runs |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
    );
    for (row, series) in table {
        let fastest = fastest_peer(series).map(|(wall, _)| wall);
        for one in series {
            let start = format!(
                "| {} | {} | {} | {} |",
                row.name(),
                if row.operation == Operation::StartUp {
                    "–"
                } else {
                    row.image
                },
                row.network.name(),
                one.tool.name
            );
            let (Some(wall), Some(cpu), Some(peak)) = (
                one.spread(|run| run.wall.as_secs_f64()),
                one.spread(|run| run.cpu.as_secs_f64()),
                one.spread(Measured::peak_mebi),
            ) else {
                let missing = one.missing.as_deref().unwrap_or("–");
                writeln!(text, "{start} {missing} | | | | | |").unwrap();
                continue;
            };
            let ratio = fastest.map_or_else(|| "–".to_owned(), |fastest| format!("{:.2}", fastest / wall.median));
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

/// Least ratios of the fastest peer's time to ours.
const RATIOS: &[(Operation, &str, Network, f64)] = &[
    (Operation::PushPlain, "engine", Network::Direct, 1.3),
    (Operation::PushLayout, "big", Network::Direct, 1.1),
    (Operation::Across, "big", Network::Direct, 1.1),
    (Operation::Across, "big", Network::Limited, 1.15),
    (Operation::Across, "many", Network::Direct, 1.3),
    (Operation::Copy, "big", Network::Direct, 2.0),
    (Operation::Copy, "many", Network::Direct, 1.5),
    (Operation::PullLayout, "big", Network::Direct, 1.4),
    (Operation::Retag, "big", Network::Direct, 1.3),
    (Operation::Mirror, "fleet", Network::Direct, 3.0),
    (Operation::Daemon, "shared", Network::Direct, 1.0),
    (Operation::Daemon, "shared", Network::Limited, 1.5),
];

/// Whether a row has something to reach.
pub(crate) fn has_target(row: &Row) -> bool {
    let is_of =
        |operation, image: &str, network| (row.operation, row.image, row.network) == (operation, image, network);
    let has_ratio = RATIOS
        .iter()
        .any(|&(operation, image, network, _)| is_of(operation, image, network));
    has_ratio
        || is_of(Operation::StartUp, "big", Network::Direct)
        || is_of(Operation::PushLayout, "many", Network::Direct)
}

/// What was to be reached, and was or was not; where a program that checks nothing is as slow, that stands beside it.
pub(crate) fn targets(table: &Table, binary: &Path) -> String {
    let mut text = String::from("| Target | Measured | Reached |\n|---|---|---|\n");
    let mut line = |target: String, measured: Option<(String, bool)>| {
        let (measured, reached) = match measured {
            Some((measured, true)) => (measured, "yes"),
            Some((measured, false)) => (measured, "**no**"),
            None => ("not measured".to_owned(), "–"),
        };
        writeln!(text, "| {target} | {measured} | {reached} |").unwrap();
    };
    for &(operation, image, network, least) in RATIOS {
        let rows = table
            .iter()
            .filter(|(row, _)| (row.operation, row.image, row.network) == (operation, image, network));
        for (row, series) in rows {
            let own = own(series).and_then(Series::wall);
            let measured = own.zip(fastest_peer(series)).map(|(own, (peer, name))| {
                let limit = |kind, what: &str| {
                    let wall = find(series, |tool| tool.kind == kind).and_then(Series::wall);
                    wall.map_or_else(String::new, |wall| format!("; {what}: {:.2}", peer / wall))
                };
                let trusting = limit(Kind::Floor, "the floor, which checks nothing");
                let checking = limit(Kind::CheckingFloor, "with digests");
                let text = format!("{:.2} ({name}{trusting}{checking})", peer / own);
                (text, peer / own >= least)
            });
            line(
                format!("{}: {least} times as fast as the fastest peer", row.title()),
                measured,
            );
        }
    }
    let requests = |image: &str, kind| {
        let (_, series) = table.iter().find(|(row, _)| {
            (row.operation, row.image, row.network) == (Operation::PushLayout, image, Network::Direct)
        })?;
        find(series, |tool| tool.kind == kind)?.requests()
    };
    for image in ["big", "many"] {
        line(
            format!("push from `oci:` of `{image}`: half the requests of crane"),
            requests(image, Kind::CrgPipe)
                .zip(requests(image, Kind::Crane))
                .map(|((own, _), (crane, _))| (format!("{own} of {crane}"), 2 * own <= crane)),
        );
    }
    let sizes = |wanted: &dyn Fn(&Series) -> bool| {
        let (_, series) = table.iter().find(|(row, _)| row.operation == Operation::PushPlain)?;
        series
            .iter()
            .filter(|one| wanted(one))
            .filter_map(|one| one.stored)
            .min()
    };
    line(
        "plain layers: at most 3 % more bytes than skopeo makes of them".to_owned(),
        sizes(&|one| one.tool.kind == Kind::CrgPipe)
            .zip(sizes(&|one| one.tool.kind == Kind::Skopeo))
            .map(|(own, skopeo)| {
                let more = 100.0 * (mega(own) / mega(skopeo) - 1.0);
                (
                    format!("{more:+.1} %: {:.1} and {:.1} MB", mega(own), mega(skopeo)),
                    more <= 3.0,
                )
            }),
    );
    let peak = table
        .iter()
        .filter(|(row, _)| row.operation != Operation::FirstRun)
        .filter_map(|(_, series)| own(series)?.spread(Measured::peak_mebi))
        .map(|peak| peak.max)
        .reduce(f64::max);
    line(
        "peak memory: at most 12 MiB in all rows".to_owned(),
        peak.map(|peak| (format!("{peak:.1} MiB"), peak <= 12.0)),
    );
    let start = table.iter().find(|(row, _)| row.operation == Operation::StartUp);
    line(
        "start-up: at most 3 ms".to_owned(),
        start
            .and_then(|(_, series)| own(series)?.wall())
            .map(|wall| (format!("{:.1} ms", wall * 1000.0), wall <= 0.003)),
    );
    let size = std::fs::metadata(binary).unwrap().len();
    line(
        "binary: at most 5 MiB".to_owned(),
        Some((format!("{:.2} MiB", mebi(size)), size <= 5 * 1024 * 1024)),
    );
    text
}

fn own(series: &[Series]) -> Option<&Series> {
    find(series, |tool| tool.kind == Kind::CrgPipe)
}

/// How long the fastest program takes that is neither ours nor a limit, and which it is.
fn fastest_peer(series: &[Series]) -> Option<(f64, &str)> {
    let peers = series
        .iter()
        .filter(|one| !matches!(one.tool.kind, Kind::CrgPipe | Kind::Floor | Kind::CheckingFloor));
    let times = peers.filter_map(|one| Some((one.wall()?, one.tool.name.as_str())));
    times.min_by(|one, other| one.0.total_cmp(&other.0))
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
