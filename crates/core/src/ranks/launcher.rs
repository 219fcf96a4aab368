use std::fmt;

/// What starts several processes and tells each of them its rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Launcher {
    /// `torchrun`, and what sets the same variables: Ray Train, PyTorch's older launchers.
    Torchrun,
    /// `mpirun` of Open MPI.
    OpenMpi,
    /// `mpiexec` of MPICH, of Intel MPI and of Cray, and whatever else speaks PMI.
    Pmi,
    /// MVAPICH2.
    Mvapich2,
    /// `flux run`.
    Flux,
    /// `jsrun` of LSF.
    Jsrun,
    /// A step of Slurm: what `srun` starts.
    Slurm,
}

impl fmt::Display for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Torchrun => "torchrun",
            Self::OpenMpi => "Open MPI",
            Self::Pmi => "PMI",
            Self::Mvapich2 => "MVAPICH2",
            Self::Flux => "Flux",
            Self::Jsrun => "jsrun",
            Self::Slurm => "Slurm",
        })
    }
}

impl Launcher {
    /// Whether it may give each process cores of its own, so that cores which the process does not
    /// have are those of other ranks.
    pub(super) fn binds(self) -> bool {
        self != Self::Torchrun
    }
}

/// The variables by which a launcher says rank and world, and the first that is set of those by which
/// it says them on one machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names {
    pub(super) launcher: Launcher,
    pub(super) rank: &'static str,
    pub(super) world: &'static str,
    pub(super) local_rank: &'static [&'static str],
    pub(super) local_world: &'static [&'static str],
}

pub(super) const TORCHRUN: Names = Names {
    launcher: Launcher::Torchrun,
    rank: "RANK",
    world: "WORLD_SIZE",
    local_rank: &["LOCAL_RANK"],
    local_world: &["LOCAL_WORLD_SIZE"],
};

/// Launchers that start processes on nodes that Slurm or a cluster gave them. Several of them may be
/// set at once, for one is often made of another, and then they agree.
pub(super) const OF_NODES: [Names; 5] = [
    Names {
        launcher: Launcher::OpenMpi,
        rank: "OMPI_COMM_WORLD_RANK",
        world: "OMPI_COMM_WORLD_SIZE",
        local_rank: &["OMPI_COMM_WORLD_LOCAL_RANK"],
        local_world: &["OMPI_COMM_WORLD_LOCAL_SIZE"],
    },
    Names {
        launcher: Launcher::Mvapich2,
        rank: "MV2_COMM_WORLD_RANK",
        world: "MV2_COMM_WORLD_SIZE",
        local_rank: &["MV2_COMM_WORLD_LOCAL_RANK"],
        local_world: &["MV2_COMM_WORLD_LOCAL_SIZE"],
    },
    Names {
        launcher: Launcher::Jsrun,
        rank: "JSM_NAMESPACE_RANK",
        world: "JSM_NAMESPACE_SIZE",
        local_rank: &["JSM_NAMESPACE_LOCAL_RANK"],
        local_world: &["JSM_NAMESPACE_LOCAL_SIZE"],
    },
    Names {
        launcher: Launcher::Flux,
        rank: "FLUX_TASK_RANK",
        world: "FLUX_JOB_SIZE",
        local_rank: &["FLUX_TASK_LOCAL_ID"],
        local_world: &[],
    },
    Names {
        launcher: Launcher::Pmi,
        rank: "PMI_RANK",
        world: "PMI_SIZE",
        local_rank: &["MPI_LOCALRANKID", "PMI_LOCAL_RANK", "PALS_LOCAL_RANKID"],
        local_world: &["MPI_LOCALNRANKS", "PMI_LOCAL_SIZE", "PALS_LOCAL_SIZE"],
    },
];
