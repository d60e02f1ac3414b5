//! Files and folders that a run writes: where they are, and whether the step would see them.

use super::{Check, Outputs, Step};
use crate::mistake::Mistake;
use std::path::{Component, Path, PathBuf};

impl Check<'_> {
    pub(super) fn outputs(&mut self, step: &Step) -> Outputs {
        let scalars = &self.variables.scalars;
        let (report, env) = (scalars.report.clone(), scalars.output_env.clone());
        let report_path = report
            .as_ref()
            .and_then(|text| self.output_path("REPORT", text, Path::new(text.trim()), step));
        let env_path = env
            .as_ref()
            .and_then(|text| self.output_path("OUTPUT_ENV", text, Path::new(text.trim()), step));
        if let (Some(report), Some(same)) = (&report_path, &env)
            && env_path.as_ref() == Some(report)
        {
            self.mistake(Mistake::new(
                "OUTPUT_ENV",
                same,
                "it is the file of `REPORT` too",
                "write two names",
            ));
        }
        Outputs {
            report: report_path,
            env: env_path,
        }
    }

    /// A path to write to. In a pipe it must lie in the clone: the step sees nothing else of the pipe's container.
    /// `text` is what was written in the variable `name`.
    pub(super) fn output_path(&mut self, name: &str, text: &str, path: &Path, step: &Step) -> Option<PathBuf> {
        let path = normal(&step.working_folder.join(path));
        let Some(clone) = step.clone_folder.as_ref().filter(|_| step.in_pipe) else {
            return Some(path);
        };
        let clone = normal(&step.working_folder.join(clone));
        let problem = if path == clone {
            "it is the clone itself"
        } else if path.starts_with(&clone) {
            return Some(path);
        } else {
            "it is outside the clone, so the step would never see it"
        };
        self.mistake(Mistake::new(
            name,
            text,
            problem,
            format!("write a path below `{}`", clone.display()),
        ));
        None
    }
}

/// A path with `.` and `..` worked out by its text, for a file that need not exist yet.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut normal, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
        normal
    })
}
