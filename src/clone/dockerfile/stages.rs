//! The stages of a Dockerfile, and which others each needs (`allReachableStages` in BuildKit's `dockerfile2llb`).

use std::collections::{HashMap, HashSet};

/// Most uses that are followed: without them, all stages count as needed.
const MOST_USES: usize = 10_000;

#[derive(Debug, Default)]
pub(super) struct Stages {
    count: usize,
    /// The name of the one that is read.
    name: Option<String>,
    /// Names in lower case; of those with the same name the last.
    numbers: HashMap<String, usize>,
    /// What a stage uses: another one by its number, or whatever has a name at the end.
    uses: Vec<(usize, Use)>,
}

#[derive(Debug)]
enum Use {
    Stage(usize),
    Name(String),
}

impl Stages {
    /// The number of the one that is read, from 0; `None` before the first.
    pub(super) fn current(&self) -> Option<usize> {
        self.count.checked_sub(1)
    }

    pub(super) fn begin(&mut self) {
        self.count += 1;
        self.name = None;
    }

    /// Names the one that is read.
    pub(super) fn name(&mut self, name: String) {
        self.name = Some(name.clone());
        self.numbers.extend(self.current().map(|number| (name, number)));
    }

    /// The name of the last one, at the end of the file.
    pub(super) fn last_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.numbers.contains_key(name)
    }

    /// Whether the one that is read begins with an earlier one of this name, and so uses it.
    pub(super) fn begins_with(&mut self, name: &str) -> bool {
        let earlier = self.numbers.get(&name.to_lowercase()).copied();
        if let (Some(earlier), Some(current)) = (earlier, self.current()) {
            self.uses.push((current, Use::Stage(earlier)));
        }
        earlier.is_some()
    }

    /// Notes that the one that is read uses what has this name.
    pub(super) fn uses(&mut self, name: &str) {
        let used = Use::Name(name.to_lowercase());
        self.uses.extend(self.current().map(|current| (current, used)));
    }

    /// Notes that it uses the one of this number.
    pub(super) fn uses_number(&mut self, number: i64) {
        let used = usize::try_from(number).ok().map(Use::Stage);
        self.uses.extend(self.current().zip(used));
    }

    /// The stages that are built for one; `None` where that is not one of them.
    pub(super) fn built_for(&self, target: &str) -> Option<HashSet<usize>> {
        let number = self.numbers.get(&target.to_lowercase()).copied();
        let number = number
            .or_else(|| target.parse().ok())
            .filter(|number| *number < self.count)?;
        let mut used: HashMap<usize, Vec<usize>> = HashMap::new();
        for (stage, other) in self.uses.iter().take(MOST_USES + 1) {
            let other = match other {
                Use::Stage(number) => Some(*number),
                Use::Name(name) => self.numbers.get(name).copied(),
            };
            used.entry(*stage).or_default().extend(other);
        }
        let mut built = HashSet::new();
        let mut left = vec![number];
        while let Some(stage) = left.pop() {
            if built.insert(stage) {
                left.extend(used.get(&stage).into_iter().flatten());
            }
        }
        (self.uses.len() <= MOST_USES).then_some(built)
    }
}
