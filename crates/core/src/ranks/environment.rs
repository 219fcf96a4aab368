//! What launchers say in the environment of a process, and which of them is right.

use super::launcher::{Names, OF_NODES, TORCHRUN};
use super::{Launcher, Ranks, told};
use crate::{Error, ErrorKind, Result};

/// The variables of a process.
pub(super) struct Environment<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
}

/// A variable that is a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    pub(super) name: &'static str,
    pub(super) text: String,
    pub(super) number: usize,
}

/// What one launcher says.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) launcher: Launcher,
    pub(super) rank: Variable,
    pub(super) world: Variable,
    pub(super) local_rank: Option<Variable>,
    pub(super) local_world: Option<Variable>,
}

#[cold]
pub(super) fn refused(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

/// What to do where the environment cannot be believed.
const ADVICE: &str = "unset what is left over from elsewhere, or give rank and world themselves";

impl Said {
    fn variables(&self) -> Vec<(&'static str, String)> {
        let all = [Some(&self.rank), Some(&self.world), self.local_rank.as_ref()];
        let all = all.into_iter().chain([self.local_world.as_ref()]).flatten();
        all.map(|variable| (variable.name, variable.text.clone())).collect()
    }

    fn told(&self) -> String {
        told(&self.variables())
    }

    /// Numbers that can be ranks.
    pub(super) fn checked(self) -> Result<Self> {
        let number = |variable: &Option<Variable>| variable.as_ref().map(|found| found.number);
        let (local_rank, local_world) = (number(&self.local_rank), number(&self.local_world));
        let world = self.world.number;
        let is_possible = self.rank.number < world
            && local_world.is_none_or(|local_world| (1..=world).contains(&local_world))
            && local_rank.is_none_or(|rank| rank < local_world.unwrap_or(world));
        if is_possible {
            return Ok(self);
        }
        Err(refused(format!(
            "{}, expected ranks that are below their worlds, and no larger world on one machine than on all; \
             {ADVICE}",
            self.told()
        )))
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.rank.number, self.world.number) == (other.rank.number, other.world.number)
    }
}

impl From<Said> for Ranks {
    fn from(said: Said) -> Self {
        let variables = said.variables();
        Self {
            rank: said.rank.number,
            world: said.world.number,
            local_rank: said.local_rank.map(|found| found.number),
            local_world: said.local_world.map(|found| found.number),
            launcher: Some(said.launcher),
            variables,
        }
    }
}

impl<'a> Environment<'a> {
    pub(super) fn new(lookup: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self { lookup }
    }

    /// What the innermost launcher says.
    pub(super) fn ranks(&self) -> Result<Ranks> {
        match (self.torchrun()?, self.outer()?) {
            (Some(inner), Some(outer)) => self.inside(inner, &outer).map(Ranks::from),
            (Some(inner), None) => Ok(inner.into()),
            (None, Some(outer)) => {
                self.check_pair(&outer)?;
                Ok(outer.into())
            }
            (None, None) => self.check_absent().map(|()| Ranks::single()),
        }
    }

    pub(super) fn value(&self, name: &str) -> Option<String> {
        (self.lookup)(name)
    }

    /// A variable that is a whole number, if it is set.
    pub(super) fn number(&self, name: &'static str) -> Result<Option<Variable>> {
        let Some(text) = self.value(name) else { return Ok(None) };
        match text.trim().parse() {
            Ok(number) => Ok(Some(Variable { name, text, number })),
            Err(_) => {
                Err(refused(format!("{name} is {text:?}, expected a whole number; {ADVICE}")))
            }
        }
    }

    /// That `found` is set without `missing`.
    #[cold]
    pub(super) fn half_set(&self, found: &'static str, missing: &str) -> Error {
        let value = self.value(found).unwrap_or_default();
        refused(format!(
            "{} and {missing} is not set, expected both as their launcher sets them, or neither; {ADVICE}",
            told(&[(found, value)])
        ))
    }

    /// What a launcher says that has these variables, if both rank and world are there.
    fn said(&self, names: Names) -> Result<Option<Said>> {
        let (Some(rank), Some(world)) = (self.number(names.rank)?, self.number(names.world)?)
        else {
            return Ok(None);
        };
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| self.number(name).transpose()).transpose()
        };
        let (local_rank, local_world) = (first(names.local_rank)?, first(names.local_world)?);
        Said { launcher: names.launcher, rank, world, local_rank, local_world }.checked().map(Some)
    }

    /// Whose processes know their rank on a machine. Without that, `RANK` is what Kubeflow and others
    /// call the number of a machine.
    fn torchrun(&self) -> Result<Option<Said>> {
        if self.value("LOCAL_RANK").is_none() { Ok(None) } else { self.said(TORCHRUN) }
    }

    /// What MPI's launchers and their like say, who have to agree.
    fn of_nodes(&self) -> Result<Option<Said>> {
        let mut first: Option<Said> = None;
        for names in OF_NODES {
            let Some(said) = self.said(names)? else { continue };
            match &first {
                Some(first) if !first.is_same(&said) => return Err(contradiction(first, &said)),
                Some(_) => {}
                None => first = Some(said),
            }
        }
        Ok(first)
    }

    /// What is said around `torchrun`: by MPI's launcher, which may be inside a step of Slurm, or by that.
    fn outer(&self) -> Result<Option<Said>> {
        match (self.of_nodes()?, self.slurm()?) {
            // Slurm speaks PMI itself, and then knows more than PMI says.
            (Some(inner), Some(outer)) if inner.is_same(&outer) && inner.local_rank.is_none() => {
                Ok(Some(outer))
            }
            (Some(inner), Some(outer)) => alone_in(inner, &outer).map(Some),
            (inner, outer) => Ok(inner.or(outer)),
        }
    }

    /// What `torchrun` says inside another launcher. It gives out ranks as machines arrive, so they may be
    /// others than those outside. Whoever set the variables by hand meant those of the other.
    fn inside(&self, inner: Said, outer: &Said) -> Result<Said> {
        let is_torchrun = self.value("TORCHELASTIC_RUN_ID").is_some();
        let is_same_world = inner.world.number == outer.world.number;
        if is_same_world && !is_torchrun && !inner.is_same(outer) {
            return Err(contradiction(&inner, outer));
        }
        alone_in(inner, outer)
    }

    /// `RANK`, `WORLD_SIZE` and `LOCAL_RANK` as far as they are set, beside another launcher: people
    /// export some of them for programs that want them.
    fn check_pair(&self, said: &Said) -> Result<()> {
        let expected = [
            ("RANK", Some(said.rank.number)),
            ("WORLD_SIZE", Some(said.world.number)),
            ("LOCAL_RANK", said.local_rank.as_ref().map(|found| found.number)),
        ];
        for (name, expected) in expected {
            let Some(found) = self.number(name)? else { continue };
            if expected.is_some_and(|expected| found.number != expected) {
                return Err(refused(format!(
                    "{} contradicts {} of {}; {ADVICE}",
                    told(&[(found.name, found.text)]),
                    said.told(),
                    said.launcher
                )));
            }
        }
        Ok(())
    }

    /// That nothing is set of which no launcher made a rank.
    fn check_absent(&self) -> Result<()> {
        for names in OF_NODES.into_iter().chain([TORCHRUN]) {
            match (self.value(names.rank), self.value(names.world)) {
                (Some(_), None) => return Err(self.half_set(names.rank, names.world)),
                (None, Some(_)) => return Err(self.half_set(names.world, names.rank)),
                _ => {}
            }
        }
        if self.value("LOCAL_RANK").is_some() {
            return Err(self.half_set("LOCAL_RANK", "RANK"));
        }
        self.check_machines()
    }

    /// Variables that count machines, pods or replicas. If there is one machine only, there is one
    /// process.
    fn check_machines(&self) -> Result<()> {
        let pair = [self.number("RANK")?, self.number("WORLD_SIZE")?];
        if let [Some(rank), Some(world)] = pair
            && (rank.number, world.number) != (0, 1)
        {
            let advice = "or set LOCAL_RANK and LOCAL_WORLD_SIZE, too, if they are ranks";
            return Err(machines(&[(rank.name, rank.text), (world.name, world.text)], advice));
        }
        if let Some(index) = self.value("JOB_COMPLETION_INDEX") {
            let advice = "the index is the rank if each pod runs one process, and the world is the Job's \
                          `completions`, which no variable has";
            return Err(machines(&[("JOB_COMPLETION_INDEX", index)], advice));
        }
        if let Some(nodes) = self.value("PET_NNODES").filter(|nodes| nodes.trim() != "1") {
            return Err(machines(&[("PET_NNODES", nodes)], "as Kubeflow's trainer expects"));
        }
        if let Some(hosts) = self.value("SM_HOSTS").filter(|hosts| hosts.contains(',')) {
            return Err(machines(&[("SM_HOSTS", hosts)], "as SageMaker can by itself"));
        }
        Ok(())
    }
}

/// Refuses a world of one process that is started several times: each would load everything.
fn alone_in(inner: Said, outer: &Said) -> Result<Said> {
    if inner.world.number == 1 && outer.world.number > 1 {
        return Err(contradiction(&inner, outer));
    }
    Ok(inner)
}

/// That variables count machines.
#[cold]
fn machines(variables: &[(&'static str, String)], advice: &str) -> Error {
    refused(format!(
        "{} counts machines or pods and not processes: start each with torchrun, or give rank and world \
         themselves; {advice}",
        told(variables)
    ))
}

/// That two launchers cannot both be right.
#[cold]
fn contradiction(one: &Said, other: &Said) -> Error {
    refused(format!(
        "{} of {} contradicts {} of {}; {ADVICE}",
        one.told(),
        one.launcher,
        other.told(),
        other.launcher
    ))
}
