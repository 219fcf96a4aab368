//! What Slurm says in a step.

use super::Launcher;
use super::environment::{Environment, Said, Variable, refused};
use crate::Result;

impl Environment<'_> {
    /// What Slurm says, if this is a step. The script of `sbatch` and the shell of `salloc` are none,
    /// though they have `SLURM_NTASKS`, and `SLURM_PROCID` of 0.
    pub(super) fn slurm(&self) -> Result<Option<Said>> {
        if self.value("SLURM_STEP_ID").is_none() {
            return Ok(None);
        }
        let world = match self.number("SLURM_STEP_NUM_TASKS")? {
            None => self.number("SLURM_NTASKS")?,
            found => found,
        };
        let world = world.ok_or_else(|| self.half_set("SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS"))?;
        let rank = self.number("SLURM_PROCID")?;
        let rank = rank.ok_or_else(|| self.half_set(world.name, "SLURM_PROCID"))?;
        let local_rank = self.number("SLURM_LOCALID")?;
        let local_world = self.tasks_of_node()?;
        Said { launcher: Launcher::Slurm, rank, world, local_rank, local_world }.checked().map(Some)
    }

    /// How many tasks of the step this node has, if that is said.
    fn tasks_of_node(&self) -> Result<Option<Variable>> {
        const NAME: &str = "SLURM_STEP_TASKS_PER_NODE";
        let Some(text) = self.value(NAME) else { return Ok(None) };
        let Some(node) = self.number("SLURM_NODEID")? else { return Ok(None) };
        match tasks_of(&text, node.number) {
            Some(number) => Ok(Some(Variable { name: NAME, text, number })),
            None => Err(refused(format!(
                "{NAME} is {text:?}, expected the number of tasks of each node, like 4(x2),3, and of node \
                 {} among them (SLURM_NODEID)",
                node.number
            ))),
        }
    }
}

/// The tasks of node `node`, of a list like `4(x2),3`: two nodes with 4 tasks, then one with 3.
pub(super) fn tasks_of(list: &str, node: usize) -> Option<usize> {
    let mut before = 0usize;
    for part in list.split(',') {
        let (tasks, nodes) = match part.split_once("(x") {
            Some((tasks, nodes)) => (tasks, nodes.strip_suffix(')')?.parse::<usize>().ok()?),
            None => (part, 1),
        };
        let tasks = tasks.parse().ok()?;
        before = before.checked_add(nodes)?;
        if node < before {
            return Some(tasks);
        }
    }
    None
}
