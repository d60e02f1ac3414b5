//! What is measured: operations, images and networks, and the runs of one of them, programs taking turns.

use crate::measure::{Measured, measure};
use crate::stage::{MIRRORED, Network, Requests, SHARED, SOURCE, Stage, WORKSPACE, layout_has};
use crate::tool::{ARCHIVE, Job, Kind, LAYOUT, Operation, Tool};
use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

/// One line of the table for each program.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) operation: Operation,
    pub(crate) image: &'static str,
    pub(crate) network: Network,
    /// Runs of each program, unless the row takes longer than [`PATIENCE`].
    runs: usize,
    /// Where a daemon takes part: this machine's Docker Engine, or the newer one.
    engine: Option<usize>,
}

/// How long a row may take before its runs are cut to [`FEWEST`].
const PATIENCE: Duration = Duration::from_secs(25);
/// Runs of each program at least.
const FEWEST: usize = 3;

/// What a program needed for a row.
pub(crate) struct Series {
    pub(crate) tool: Tool,
    pub(crate) runs: Vec<Measured>,
    pub(crate) requests: Vec<Requests>,
    /// Bytes of the layers that it left in the registry, where that differs.
    pub(crate) stored: Option<u64>,
    /// Why there are no runs.
    pub(crate) missing: Option<String>,
}

/// All rows.
pub(crate) fn all() -> Vec<Row> {
    use Network::{Delayed, Direct, Limited};
    use Operation::{
        Across, Check, Copy, Daemon, FirstRun, Mirror, PullArchive, PullLayout, PushCompressed, PushLayout, PushPlain,
        Retag, StartUp, Tags,
    };
    let row = |(operation, image, network, runs)| Row {
        operation,
        image,
        network,
        runs,
        engine: None,
    };
    let mut rows: Vec<Row> = [
        (StartUp, "big", Direct, 20),
        (Retag, "big", Direct, 15),
        (Retag, "multi", Delayed, 5),
        (Copy, "big", Direct, 15),
        (Copy, "many", Direct, 11),
        (Copy, "multi", Direct, 7),
        (Copy, "big", Delayed, 3),
        (Copy, "many", Delayed, 3),
        (Copy, "multi", Delayed, 3),
        (PullLayout, "big", Direct, 7),
        (PullLayout, "many", Direct, 7),
        (PullLayout, "multi", Direct, 7),
        (PullLayout, "many", Delayed, 3),
        (PullLayout, "big", Limited, 3),
        (PullArchive, "big", Direct, 5),
        (PullArchive, "big", Limited, 3),
        (PushLayout, "big", Direct, 5),
        (PushLayout, "many", Direct, 7),
        (PushLayout, "multi", Direct, 7),
        (PushLayout, "multi", Delayed, 3),
        (PushLayout, "big", Limited, 3),
        (Across, "big", Direct, 5),
        (Across, "many", Direct, 9),
        (Across, "multi", Direct, 7),
        (Across, "many", Delayed, 3),
        (Across, "big", Limited, 3),
        (PushPlain, "engine", Direct, 5),
        (PushCompressed, "engine", Direct, 5),
        (Mirror, "fleet", Direct, 1),
        (Tags, "fleet", Direct, 7),
        (Check, "fleet", Direct, 5),
    ]
    .map(row)
    .into();
    for engine in [0, 1] {
        rows.extend(
            [
                (Daemon, "shared", Direct, 3),
                (Daemon, "shared", Limited, 3),
                (FirstRun, "–", Direct, 10),
            ]
            .map(|one| Row {
                engine: Some(engine),
                ..row(one)
            }),
        );
    }
    rows
}

impl Row {
    /// The operation, and on which engine.
    pub(crate) fn name(&self) -> String {
        let name = self.operation.name();
        match self.engine {
            Some(0) => format!("{name}, this machine's Docker"),
            Some(_) => format!("{name}, newer Docker"),
            None => name.to_owned(),
        }
    }

    /// For the log and to choose rows by.
    pub(crate) fn title(&self) -> String {
        format!("{}, {}, {}", self.name(), self.image, self.network.name())
    }

    /// Runs it: once each to warm up and to see that the result is right, then in turns; `is_late`: only once.
    pub(crate) fn run(&self, stage: &Stage, peers: &[Tool], counter: &Cell<u32>, is_late: bool) -> Vec<Series> {
        let limits = Tool::floors(self.operation);
        match self.operation {
            Operation::Mirror | Operation::Tags | Operation::Check => stage.fleet(MIRRORED),
            Operation::Daemon => stage.shared(),
            _ => {}
        }
        let docker = self
            .engine
            .filter(|_| self.operation == Operation::Daemon)
            .map(|which| {
                let engine = stage.engine(which);
                Tool::docker(Path::new(&engine.client()), &engine.described())
            });
        // In a row with a daemon it is the one to beat.
        let peers = if self.engine.is_some() { &peers[..1] } else { peers };
        let mut series: Vec<Series> = peers
            .iter()
            .chain(&limits)
            .chain(&docker)
            .map(|tool| Series {
                tool: tool.clone(),
                runs: Vec::new(),
                requests: Vec::new(),
                stored: None,
                missing: None,
            })
            .collect();
        for one in &mut series {
            match self.once(stage, &one.tool, counter, true) {
                Ok((measured, requests, stored)) => {
                    one.stored = stored;
                    // What takes so long is not warmed up for.
                    if self.runs == 1 || is_late {
                        one.runs.push(measured);
                        one.requests.push(requests);
                    }
                }
                Err(missing) => one.missing = Some(missing),
            }
        }
        let begun = Instant::now();
        let runs = if is_late || self.runs == 1 { 0 } else { self.runs };
        for round in 0..runs {
            if round >= FEWEST && begun.elapsed() > PATIENCE {
                break;
            }
            for one in series.iter_mut().filter(|one| one.missing.is_none()) {
                match self.once(stage, &one.tool, counter, false) {
                    Ok((measured, requests, _)) => {
                        one.runs.push(measured);
                        one.requests.push(requests);
                    }
                    Err(missing) => one.missing = Some(missing),
                }
            }
        }
        series
    }

    /// One run with a clean target; `check` looks whether the image arrived.
    fn once(
        &self,
        stage: &Stage,
        tool: &Tool,
        counter: &Cell<u32>,
        check: bool,
    ) -> Result<(Measured, Requests, Option<u64>), String> {
        counter.set(counter.get() + 1);
        let fresh = format!("t{}", counter.get());
        let folder = stage.folder.path().join(&fresh);
        std::fs::create_dir(&folder).unwrap();
        let target = match self.operation {
            Operation::Across | Operation::Mirror => &stage.far,
            _ => &stage.near,
        };
        let job = Job {
            image: stage.image(if stage.has(self.image) { self.image } else { "big" }),
            from: stage.near.host(self.network),
            to: target.host(self.network),
            fresh,
            folder: &folder,
            engine: self.engine.map(|which| stage.engine(which)),
        };
        if let Some(engine) = job.engine.filter(|_| self.operation == Operation::Daemon) {
            let images = engine.docker(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"]);
            let shared = images.output.lines().filter(|line| line.contains("/shared:"));
            let mut remove = vec!["image", "rm", "--force"];
            remove.extend(shared);
            if remove.len() > 3 {
                engine.docker(&remove).succeeds();
            }
        }
        let Some(invocation) = tool.invocation(self.operation, &job) else {
            return Err("has no such operation".to_owned());
        };
        let before = stage.requests();
        let measured = measure(&invocation, &folder);
        let requests = stage.requests().since(before);
        let is_floor = matches!(tool.kind, Kind::Floor | Kind::CheckingFloor);
        let writes_blobs_alone = is_floor && self.operation == Operation::PullLayout;
        let result = match measured.status {
            0 if !check || writes_blobs_alone || self.arrived(stage, &job) => Ok((
                measured,
                requests,
                (check && self.operation == Operation::PushPlain)
                    .then(|| stage.stored(&format!("{WORKSPACE}/{}", job.fresh))),
            )),
            // That is what it says without variables.
            2 if self.operation == Operation::FirstRun => Ok((measured, Requests::default(), None)),
            0 => Err("left no image, or another".to_owned()),
            status => Err(format!("ended with status {status}")),
        };
        if let Err(problem) = &result {
            let log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            eprintln!("  {} {problem}: {}", tool.name, log.lines().last().unwrap_or_default());
        }
        std::fs::remove_dir_all(&folder).unwrap();
        result
    }

    fn arrived(&self, stage: &Stage, job: &Job) -> bool {
        let tagged =
            |side, repository: &str, tag: &str| stage.digest(side, repository, tag).as_ref() == Some(&job.image.digest);
        match self.operation {
            Operation::StartUp | Operation::FirstRun | Operation::Mirror | Operation::Tags | Operation::Check => true,
            Operation::Daemon => {
                let engine = job.engine.expect("an engine");
                (1..=SHARED).all(|number| {
                    engine
                        .inspect(&format!("{}/{WORKSPACE}/shared:{number}", job.from), "{{.Id}}")
                        .is_some()
                })
            }
            Operation::PushPlain | Operation::PushCompressed => stage
                .digest(&stage.near, &format!("{WORKSPACE}/{}", job.fresh), "1")
                .is_some(),
            Operation::Retag => tagged(&stage.near, SOURCE, &job.fresh),
            Operation::PullLayout => layout_has(&job.folder.join(LAYOUT), job.image),
            Operation::PullArchive => archive_has(&job.folder.join(ARCHIVE), job),
            Operation::Across => tagged(&stage.far, &format!("{WORKSPACE}/{}", job.fresh), "1"),
            Operation::Copy | Operation::PushLayout => tagged(&stage.near, &format!("{WORKSPACE}/{}", job.fresh), "1"),
        }
    }
}

/// Whether an oci-archive has exactly this image.
fn archive_has(archive: &Path, job: &Job) -> bool {
    let folder = job.folder.join("unpacked");
    let unpack = || -> std::io::Result<()> { tar::Archive::new(std::fs::File::open(archive)?).unpack(&folder) };
    unpack().is_ok() && layout_has(&folder, job.image)
}
