use super::slurm::tasks_of;
use super::{Launcher, Ranks};
use crate::{ErrorKind, Result};

/// The ranks in an environment of these variables, `NAME=value` each.
fn of(variables: &str) -> Result<Ranks> {
    let set = |name: &str| {
        variables.split_whitespace().find_map(|variable| {
            let (own, value) = variable.split_once('=').expect("NAME=value");
            (own == name).then(|| value.to_owned())
        })
    };
    Ranks::from_lookup(set)
}

/// Rank, world, local rank, local world and launcher.
type Numbers = (usize, usize, Option<usize>, Option<usize>, Option<Launcher>);

#[track_caller]
fn numbers(variables: &str) -> Numbers {
    let ranks = of(variables).unwrap_or_else(|error| panic!("{variables}: {error}"));
    (ranks.rank(), ranks.world(), ranks.local_rank(), ranks.local_world(), ranks.launcher())
}

/// That these variables are refused, in words that have all of `told`.
#[track_caller]
fn refused(variables: &str, told: &[&str]) {
    let error = of(variables).expect_err(variables);
    assert_eq!(error.kind(), ErrorKind::Config);
    for words in told {
        assert!(error.message().contains(words), "{words:?} is not in: {error}");
    }
}

const TORCHRUN: &str =
    "RANK=5 WORLD_SIZE=8 LOCAL_RANK=1 LOCAL_WORLD_SIZE=4 TORCHELASTIC_RUN_ID=none";
const OPEN_MPI: &str = "OMPI_COMM_WORLD_RANK=5 OMPI_COMM_WORLD_SIZE=8 OMPI_COMM_WORLD_LOCAL_RANK=1 \
                        OMPI_COMM_WORLD_LOCAL_SIZE=4 OMPI_COMM_WORLD_NODE_RANK=1";
const STEP: &str = "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=8 SLURM_NTASKS=8 SLURM_PROCID=5 SLURM_LOCALID=1 \
                    SLURM_NODEID=1 SLURM_STEP_TASKS_PER_NODE=4(x2)";

#[test]
fn every_launcher_is_understood() {
    let at = |launcher| (5, 8, Some(1), Some(4), Some(launcher));
    assert_eq!(numbers(TORCHRUN), at(Launcher::Torchrun));
    assert_eq!(numbers(OPEN_MPI), at(Launcher::OpenMpi));
    assert_eq!(numbers(STEP), at(Launcher::Slurm));
    let intel = "PMI_RANK=5 PMI_SIZE=8 MPI_LOCALRANKID=1 MPI_LOCALNRANKS=4";
    assert_eq!(numbers(intel), at(Launcher::Pmi));
    let cray = "PMI_RANK=5 PMI_SIZE=8 PALS_RANKID=5 PALS_LOCAL_RANKID=1";
    assert_eq!(numbers(cray), (5, 8, Some(1), None, Some(Launcher::Pmi)));
    assert_eq!(numbers("PMI_RANK=0 PMI_SIZE=2"), (0, 2, None, None, Some(Launcher::Pmi)));
    let mvapich = "MV2_COMM_WORLD_RANK=5 MV2_COMM_WORLD_SIZE=8 MV2_COMM_WORLD_LOCAL_RANK=1 \
                   MV2_COMM_WORLD_LOCAL_SIZE=4";
    assert_eq!(numbers(mvapich), at(Launcher::Mvapich2));
    let flux = "FLUX_TASK_RANK=5 FLUX_JOB_SIZE=8 FLUX_TASK_LOCAL_ID=1 PMI_RANK=5 PMI_SIZE=8";
    assert_eq!(numbers(flux), (5, 8, Some(1), None, Some(Launcher::Flux)));
    let jsrun = "JSM_NAMESPACE_RANK=5 JSM_NAMESPACE_SIZE=8 JSM_NAMESPACE_LOCAL_RANK=1 \
                 JSM_NAMESPACE_LOCAL_SIZE=4";
    assert_eq!(numbers(jsrun), at(Launcher::Jsrun));
}

#[test]
fn without_a_launcher_there_is_a_single_process_and_it_says_so() {
    let none = of("HOME=/root PATH=/bin").unwrap();
    assert_eq!(none, Ranks::single());
    assert_eq!(none.to_string(), "a single process, no launcher says otherwise");
    // Where there is one machine, what counts machines says nothing.
    for variables in
        ["RANK=0 WORLD_SIZE=1", "PET_NNODES=1 PET_NPROC_PER_NODE=auto", "SM_HOSTS=[\"a\"]"]
    {
        assert_eq!(of(variables).unwrap(), Ranks::single(), "{variables}");
    }
}

#[test]
fn the_script_of_a_slurm_job_is_no_step() {
    let script = "SLURM_JOB_ID=7 SLURM_NTASKS=8 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0";
    assert_eq!(of(script).unwrap(), Ranks::single());
}

#[test]
fn ranks_say_which_variables_they_are_from() {
    let ranks = of(TORCHRUN).unwrap();
    assert_eq!(
        ranks.to_string(),
        "rank 5 of 8, local rank 1 of 4, by torchrun (RANK=5, WORLD_SIZE=8, LOCAL_RANK=1, \
         LOCAL_WORLD_SIZE=4)"
    );
    assert_eq!(ranks.variables().next(), Some(("RANK", "5")));
    let step = of(STEP).unwrap().to_string();
    assert!(step.ends_with("SLURM_LOCALID=1, SLURM_STEP_TASKS_PER_NODE=4(x2))"), "{step}");
    assert_eq!(Ranks::new(1, 3).unwrap().to_string(), "rank 1 of 3");
}

#[test]
fn a_variable_without_its_fellow_is_refused() {
    refused("RANK=3", &["RANK=3 and WORLD_SIZE is not set"]);
    refused("WORLD_SIZE=8", &["WORLD_SIZE=8 and RANK is not set"]);
    refused("LOCAL_RANK=1", &["LOCAL_RANK=1 and RANK is not set"]);
    refused("RANK=0 LOCAL_RANK=0", &["RANK=0 and WORLD_SIZE is not set"]);
    refused(
        "OMPI_COMM_WORLD_SIZE=2",
        &["OMPI_COMM_WORLD_SIZE=2 and OMPI_COMM_WORLD_RANK is not set"],
    );
    refused("PMI_RANK=1", &["PMI_RANK=1 and PMI_SIZE is not set"]);
    refused("SLURM_STEP_ID=0", &["SLURM_STEP_ID=0 and SLURM_STEP_NUM_TASKS is not set"]);
    refused("SLURM_STEP_ID=0 SLURM_NTASKS=4", &["SLURM_NTASKS=4 and SLURM_PROCID is not set"]);
}

#[test]
fn values_that_are_no_ranks_are_refused_with_their_names() {
    refused("RANK=x WORLD_SIZE=2 LOCAL_RANK=0", &["RANK is \"x\", expected a whole number"]);
    refused("RANK= WORLD_SIZE=2 LOCAL_RANK=0", &["RANK is \"\""]);
    refused("PMI_RANK=2 PMI_SIZE=2", &["PMI_RANK=2, PMI_SIZE=2, expected ranks that are below"]);
    refused("RANK=0 WORLD_SIZE=0 LOCAL_RANK=0", &["WORLD_SIZE=0"]);
    refused("RANK=0 WORLD_SIZE=2 LOCAL_RANK=3 LOCAL_WORLD_SIZE=4", &["LOCAL_WORLD_SIZE=4"]);
    refused("RANK=0 WORLD_SIZE=9 LOCAL_RANK=4 LOCAL_WORLD_SIZE=4", &["LOCAL_RANK=4"]);
    let nodes = STEP.replace("4(x2)", "4(x1)");
    refused(&nodes, &["SLURM_STEP_TASKS_PER_NODE is \"4(x1)\"", "node 1 among them"]);
}

#[test]
fn numbers_of_machines_are_not_taken_for_ranks() {
    let words = "counts machines or pods and not processes";
    refused("RANK=1 WORLD_SIZE=2 MASTER_ADDR=a", &["RANK=1, WORLD_SIZE=2", words, "LOCAL_RANK"]);
    refused("JOB_COMPLETION_INDEX=0", &["JOB_COMPLETION_INDEX=0", words, "completions"]);
    refused("PET_NNODES=2 PET_NODE_RANK=1", &["PET_NNODES=2", words]);
    refused("SM_HOSTS=[\"algo-1\",\"algo-2\"]", &["SM_HOSTS=", words]);
    // With a launcher they are no matter.
    let pod = format!("JOB_COMPLETION_INDEX=1 PET_NNODES=2 {TORCHRUN}");
    assert_eq!(numbers(&pod).0, 5);
}

#[test]
fn the_inner_of_two_launchers_is_right() {
    // A task per machine, each of which is a torchrun of four.
    let outer = "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 \
                 SLURM_STEP_TASKS_PER_NODE=1(x2)";
    assert_eq!(numbers(&format!("{TORCHRUN} {outer}")).4, Some(Launcher::Torchrun));
    // The daemons of mpirun are tasks of Slurm.
    assert_eq!(numbers(&format!("{OPEN_MPI} {outer}")).4, Some(Launcher::OpenMpi));
    assert_eq!(numbers(&format!("{TORCHRUN} {OPEN_MPI} {outer}")).4, Some(Launcher::Torchrun));
    // Machines arrive at torchrun in any order.
    let other = STEP.replace("PROCID=5", "PROCID=2");
    assert_eq!(numbers(&format!("{TORCHRUN} {other}")).0, 5);
    // Slurm speaks PMI by itself, and knows more.
    let pmi = format!("PMI_RANK=5 PMI_SIZE=8 {STEP}");
    assert_eq!(numbers(&pmi), (5, 8, Some(1), Some(4), Some(Launcher::Slurm)));
}

#[test]
fn launchers_that_contradict_each_other_are_refused_with_both() {
    let pmi = format!("{OPEN_MPI} PMI_RANK=0 PMI_SIZE=2");
    refused(
        &pmi,
        &["OMPI_COMM_WORLD_RANK=5", "of Open MPI contradicts PMI_RANK=0, PMI_SIZE=2 of PMI"],
    );
    // Exported once, in the script, for all tasks that follow.
    let exported = format!("RANK=0 WORLD_SIZE=8 LOCAL_RANK=0 {STEP}");
    refused(&exported, &["RANK=0, WORLD_SIZE=8, LOCAL_RANK=0", "contradicts SLURM_PROCID=5"]);
    refused(&format!("WORLD_SIZE=4 {STEP}"), &["WORLD_SIZE=4 contradicts SLURM_PROCID=5"]);
    refused(
        &format!("RANK=1 WORLD_SIZE=8 {OPEN_MPI}"),
        &["RANK=1 contradicts OMPI_COMM_WORLD_RANK=5"],
    );
    // Several worlds of one process each.
    let alone = "RANK=0 WORLD_SIZE=1 LOCAL_RANK=0 LOCAL_WORLD_SIZE=1 TORCHELASTIC_RUN_ID=none";
    refused(&format!("{alone} {STEP}"), &["WORLD_SIZE=1", "contradicts SLURM_PROCID=5"]);
    let alone = "OMPI_COMM_WORLD_RANK=0 OMPI_COMM_WORLD_SIZE=1";
    refused(&format!("{alone} {STEP}"), &["OMPI_COMM_WORLD_SIZE=1 of Open MPI contradicts"]);
}

#[test]
fn what_is_exported_beside_a_launcher_may_agree_with_it() {
    for exported in ["RANK=5 WORLD_SIZE=8 LOCAL_RANK=1", "WORLD_SIZE=8", "RANK=5 WORLD_SIZE=8"] {
        let (rank, world, ..) = numbers(&format!("{exported} {STEP}"));
        assert_eq!((rank, world), (5, 8), "{exported}");
    }
}

#[test]
fn the_tasks_of_a_node_are_found() {
    let found: Vec<_> = (0..5).map(|node| tasks_of("4(x2),3,2", node)).collect();
    assert_eq!(found, [Some(4), Some(4), Some(3), Some(2), None]);
    for damaged in ["", "x", "4(x2", "4(xy)", "4(x18446744073709551615),1(x2)"] {
        assert_eq!(tasks_of(damaged, usize::MAX), None, "{damaged}");
    }
}

#[test]
fn a_rank_has_its_share_of_the_cores() {
    let shared = of("RANK=0 WORLD_SIZE=8 LOCAL_RANK=0 LOCAL_WORLD_SIZE=4").unwrap();
    assert_eq!([16, 6, 2].map(|available| shared.share_of_cores(available, 16)), [4, 1, 1]);
    let bound = of(OPEN_MPI).unwrap();
    // Bound to its four of sixteen, to one socket of two, and to none.
    assert_eq!([4, 8, 16].map(|available| bound.share_of_cores(available, 16)), [4, 4, 4]);
    assert_eq!(Ranks::single().share_of_cores(16, 16), 16);
    assert_eq!(Ranks::new(1, 2).unwrap().share_of_cores(16, 16), 16);
}
