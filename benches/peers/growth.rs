//! What a mirror costs as it grows, in images and in parallel steps: the tables and the picture of `docs/speed.md`.

use crate::measure::{Invocation, Measured, measure};
use crate::stage::{GROWN, Network, Requests, Stage, USER, WORKSPACE, password};
use plotters::prelude::*;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;

/// Images of a mirror.
const IMAGES: [usize; 4] = [1, 10, 100, 1000];
/// Parallel steps that share the largest of them.
const STEPS: [usize; 4] = [1, 2, 4, 8];
/// The part of the page that is written by hand begins here.
const BY_HAND: &str = "## What it means for you\n";

/// One run, or several side by side.
struct Cost {
    measured: Measured,
    requests: Requests,
}

/// Measures all of it, and writes `docs/speed.md` and `docs/speed.svg`.
pub(crate) fn page(stage: &Stage, binary: &Path) {
    let most = IMAGES.into_iter().max().unwrap_or_default();
    stage.grown(most);
    let mut copied = Vec::new();
    let mut unchanged = Vec::new();
    for count in IMAGES {
        eprintln!("{count} images");
        let target = format!("mirror-{count}");
        copied.push(Cost::of(stage, binary, (count, &target), 1, Network::Direct));
        unchanged.push(Cost::of(stage, binary, (count, &target), 1, Network::Direct));
    }
    let target = format!("mirror-{most}");
    let shared = STEPS.map(|steps| {
        eprintln!("{steps} steps");
        Cost::of(stage, binary, (most, &target), steps, Network::Delayed)
    });
    let mut text = String::from(
        "| Images | Run | Seconds | CPU s | Peak MiB | Requests + tokens | Requests an image |\n|---|---|---|---|---|---|---|\n",
    );
    for ((count, first), again) in IMAGES.into_iter().zip(&copied).zip(&unchanged) {
        for (run, cost) in [("all are new", first), ("nothing changed", again)] {
            writeln!(text, "| {count} | {run} | {} | {:.1} |", cost.cells(), cost.each(count)).unwrap();
        }
    }
    text.push_str(
        "\nThe same 1,000 images, unchanged, with 40 ms before each request, in parallel steps with `SHARD: 'true'`:\n\n\
         | Steps | Seconds until the last one ends | CPU s, all steps | Peak MiB of one step | Requests + tokens |\n|---|---|---|---|---|\n",
    );
    for (steps, cost) in STEPS.into_iter().zip(&shared) {
        writeln!(text, "| {steps} | {} |", cost.cells()).unwrap();
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let page = docs.join("speed.md");
    let before = std::fs::read_to_string(&page).unwrap_or_default();
    let by_hand = before.find(BY_HAND).map_or(BY_HAND, |at| &before[at..]);
    let date = time::OffsetDateTime::now_utc().date();
    std::fs::write(&page, format!("{HEAD}\n{date}, 2 cores. {HOW}\n{text}\n{by_hand}")).unwrap();
    draw(
        &docs.join("speed.svg"),
        &[(&copied, "all are new"), (&unchanged, "nothing changed")],
        &shared,
    );
    println!("{text}");
}

const HEAD: &str = "\
# Speed

What a mirror costs as it grows: `ACTION: copy` of 1 to 1,000 images from one registry to another, in one step and in several. \
How the pipe compares with other programs is under [results of the benchmark](../benches/RESULTS.md).

![Seconds of a mirror by its number of images, and by the number of parallel steps](speed.svg)
";

const HOW: &str = "\
Both registries are Debian's docker-registry on the same machine; each image has three layers of 3 kB of its own, so this is what \
the requests cost, without the time for the bytes. Every digest is checked. Measured by `make growth`.
";

impl Cost {
    /// Mirrors the first `count` images, in one step or in several side by side.
    fn of(stage: &Stage, binary: &Path, (count, target): (usize, &str), steps: usize, network: Network) -> Self {
        let folder = stage.folder.path().join("growth");
        std::fs::create_dir(&folder).unwrap();
        let (from, to) = (stage.near.host(network), stage.far.host(network));
        let images: Vec<String> = (1..=count)
            .map(|number| format!("{from}/{GROWN}:t{number}={target}:t{number}"))
            .collect();
        let variables = [
            ("REGISTRY", to.as_str()),
            ("BITBUCKET_WORKSPACE", WORKSPACE),
            ("ATLASSIAN_ACCOUNT_EMAIL", USER),
            ("ATLASSIAN_API_TOKEN", &password()),
            ("ACTION", "copy"),
            ("IMAGES", &images.join("\n")),
            ("SOURCE_USERNAME", USER),
            ("SOURCE_PASSWORD", &password()),
            ("SHARD", "true"),
            ("BITBUCKET_PARALLEL_STEP_COUNT", &steps.to_string()),
        ];
        let script = format!(
            "all=; for i in $(seq 0 {}); do BITBUCKET_PARALLEL_STEP=$i {} & all=\"$all $!\"; done; for one in $all; do wait $one || exit; done",
            steps - 1,
            binary.display()
        );
        let invocation = Invocation {
            arguments: ["sh", "-c", &script].map(str::to_owned).into(),
            environment: variables
                .into_iter()
                .chain([("PATH", std::env::var("PATH").unwrap_or_default().as_str())])
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        };
        let before = stage.requests();
        let measured = measure(&invocation, &folder);
        let requests = stage.requests().since(before);
        let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        assert_eq!(measured.status, 0, "{log}");
        std::fs::remove_dir_all(&folder).unwrap();
        Self { measured, requests }
    }

    fn cells(&self) -> String {
        format!(
            "{:.2} | {:.2} | {:.1} | {} + {}",
            self.seconds(),
            self.measured.cpu.as_secs_f64(),
            self.measured.peak_mebi(),
            self.requests.registry,
            self.requests.token
        )
    }

    fn seconds(&self) -> f64 {
        self.measured.wall.as_secs_f64()
    }

    #[allow(clippy::cast_precision_loss, reason = "for people to read")]
    fn each(&self, count: usize) -> f64 {
        self.requests.registry as f64 / count as f64
    }
}

/// Two charts side by side: seconds by images, both scales logarithmic, and seconds by steps.
fn draw(path: &Path, runs: &[(&Vec<Cost>, &str)], shared: &[Cost]) {
    let area = SVGBackend::new(path, (960, 360)).into_drawing_area();
    area.fill(&WHITE).unwrap();
    let (left, right) = area.split_horizontally(480);
    let font = ("sans-serif", 14);
    let mut chart = ChartBuilder::on(&left)
        .caption("Images in one step", ("sans-serif", 16))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d((1.0..1000.0).log_scale(), (0.01..100.0).log_scale())
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("images")
        .y_desc("seconds")
        .x_label_formatter(&|images| format!("{images:.0}"))
        .y_label_formatter(&|seconds| format!("{seconds}"))
        .label_style(font)
        .draw()
        .unwrap();
    for ((costs, label), colour) in runs.iter().zip([RED, BLUE]) {
        let points: Vec<(f64, f64)> = IMAGES
            .map(float)
            .into_iter()
            .zip(costs.iter().map(Cost::seconds))
            .collect();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)).point_size(4))
            .unwrap()
            .label(*label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(font)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()
        .unwrap();
    let highest = shared.iter().map(Cost::seconds).fold(0.0, f64::max) * 1.1;
    let steps: Range<f64> = 0.0..9.0;
    let mut chart = ChartBuilder::on(&right)
        .caption("1,000 unchanged images, 40 ms before each request", ("sans-serif", 16))
        .margin(16)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(steps, 0.0..highest)
        .unwrap();
    chart
        .configure_mesh()
        .x_desc("parallel steps")
        .y_desc("seconds")
        .x_label_formatter(&|steps| format!("{steps:.0}"))
        .y_label_formatter(&|seconds| format!("{seconds:.0}"))
        .max_light_lines(0)
        .label_style(font)
        .draw()
        .unwrap();
    let points: Vec<(f64, f64)> = STEPS
        .map(float)
        .into_iter()
        .zip(shared.iter().map(Cost::seconds))
        .collect();
    chart
        .draw_series(LineSeries::new(points, BLUE.stroke_width(2)).point_size(4))
        .unwrap();
    drop(chart);
    area.present().unwrap();
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn float(number: usize) -> f64 {
    number as f64
}
