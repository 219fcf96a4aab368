//! Which rank of how many this process is, and how that is found out.

mod environment;
mod launcher;
mod slurm;
#[cfg(test)]
mod tests;

use std::fmt;

use self::environment::Environment;
pub use self::launcher::Launcher;
use crate::error::quoted;
use crate::{Error, ErrorKind, Result};

/// Which rank of how many this process is, on all machines and on this one.
///
/// ```
/// use tallow_core::Ranks;
///
/// // As the second of two processes sees it that `torchrun --nproc-per-node 2` started.
/// let set = [("RANK", "1"), ("WORLD_SIZE", "2"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")];
/// let lookup = |name: &str| set.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
/// let ranks = Ranks::from_lookup(lookup)?;
/// assert_eq!((ranks.rank(), ranks.world(), ranks.local_rank()), (1, 2, Some(1)));
/// assert!(ranks.to_string().starts_with("rank 1 of 2, local rank 1 of 2, by torchrun"));
///
/// // A variable that is missing is an error, and never a single process.
/// let error = Ranks::from_lookup(|name| lookup(name).filter(|_| name != "RANK")).unwrap_err();
/// assert!(error.message().contains("RANK is not set"), "{error}");
///
/// // No launcher: a single process.
/// assert_eq!(Ranks::from_lookup(|_| None)?, Ranks::single());
/// # Ok::<(), tallow_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ranks {
    rank: usize,
    world: usize,
    local_rank: Option<usize>,
    local_world: Option<usize>,
    launcher: Option<Launcher>,
    /// Those that said so, with their values.
    variables: Vec<(&'static str, String)>,
}

impl Ranks {
    /// One process that is all there is: rank 0 of 1, also on its machine.
    pub fn single() -> Self {
        Self {
            rank: 0,
            world: 1,
            local_rank: Some(0),
            local_world: Some(1),
            launcher: None,
            variables: Vec::new(),
        }
    }

    /// Rank `rank` of `world`, of which nothing else is known.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] for a rank that is not below `world`.
    pub fn new(rank: usize, world: usize) -> Result<Self> {
        match (rank, world) {
            (0, 1) => Ok(Self::single()),
            _ if rank < world => {
                let (local_rank, local_world) = (None, None);
                Ok(Self { rank, world, local_rank, local_world, ..Self::single() })
            }
            _ => Err(Error::new(ErrorKind::Config, format!("rank {rank} of a world of {world}"))),
        }
    }

    /// What the launcher of this process says in the environment: `torchrun`, Open MPI, MPICH and others
    /// with PMI, MVAPICH2, Flux, jsrun, and the steps of Slurm. Without any of them this is
    /// [`single`](Self::single).
    ///
    /// Where one launcher runs inside another, the inner one is right: `torchrun` before MPI before
    /// Slurm. Variables that count machines and not processes (a Kubernetes Job's, Kubeflow's,
    /// SageMaker's) are not ranks.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`] that names the variables and their values: for one without its fellow, for
    /// values that are no ranks, for launchers that contradict each other, and for variables that
    /// count machines where no launcher says more. To do without the environment use
    /// [`new`](Self::new) or [`single`](Self::single).
    pub fn from_env() -> Result<Self> {
        Self::from_lookup(|name| {
            std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
        })
    }

    /// As [`from_env`](Self::from_env), in an environment that `lookup` tells the variables of.
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Environment::new(&lookup).ranks()
    }

    /// The rank of this process among all of them.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The number of all ranks.
    pub fn world(&self) -> usize {
        self.world
    }

    /// The rank of this process among those of its machine, if that is known: the number of its GPU,
    /// unless the launcher lets each process see a GPU of its own, which then is number 0.
    pub fn local_rank(&self) -> Option<usize> {
        self.local_rank
    }

    /// How many ranks its machine has, if that is known.
    pub fn local_world(&self) -> Option<usize> {
        self.local_world
    }

    /// Who said so; `None` if nobody did.
    pub fn launcher(&self) -> Option<Launcher> {
        self.launcher
    }

    /// The variables that said so, with their values.
    pub fn variables(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// This rank's share of the cores of its machine, at least 1. The process may use `available` of
    /// the `machine` cores that there are.
    ///
    /// `torchrun` lets all of its processes use the same cores, so each gets its part of what is
    /// available. MPI and Slurm may bind processes to cores; what is available is then this
    /// rank's already, if it is no more than its part of the whole machine. Where the number of ranks
    /// on the machine is not known, this is what is available.
    pub fn share_of_cores(&self, available: usize, machine: usize) -> usize {
        let local_world = self.local_world.unwrap_or(1).max(1);
        let may_be_bound = self.launcher.is_some_and(Launcher::binds) && available < machine;
        let shared = if may_be_bound { machine } else { available };
        available.min(shared / local_world).max(1)
    }
}

/// In one phrase, with the variables that said so.
impl fmt::Display for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.world == 1 && self.launcher.is_none() {
            return f.write_str("a single process, no launcher says otherwise");
        }
        write!(f, "rank {} of {}", self.rank, self.world)?;
        if let Some(local_rank) = self.local_rank {
            write!(f, ", local rank {local_rank}")?;
            self.local_world.iter().try_for_each(|world| write!(f, " of {world}"))?;
        }
        let Some(launcher) = self.launcher else { return Ok(()) };
        write!(f, ", by {launcher} ({})", told(&self.variables))
    }
}

/// Variables as people write them.
fn told(variables: &[(&'static str, String)]) -> String {
    let told = |(name, value): &(&str, String)| {
        let is_plain = !value.is_empty()
            && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"()-_.,".contains(&byte));
        if is_plain { format!("{name}={value}") } else { format!("{name}={}", quoted(value)) }
    };
    variables.iter().map(told).collect::<Vec<_>>().join(", ")
}
