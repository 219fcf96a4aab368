use crate::{Engine, Result, RowBuffer, RowKey, RowView, Shapes, zeroed_words};

/// Runs an engine on one row after another, without a loader: the memory of its plan and scratch,
/// and the order of its calls.
#[expect(missing_debug_implementations, reason = "an engine has none")]
pub struct RowRunner<'a> {
    engine: &'a dyn Engine,
    /// Words, because plans and scratch begin at a multiple of 8 bytes.
    plan: Vec<u64>,
    scratch: Vec<u64>,
}

impl<'a> RowRunner<'a> {
    /// Of an engine that does not mix, or whose rows are to stay alone.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) when there is no memory for a plan or the
    /// scratch.
    pub fn new(engine: &'a dyn Engine) -> Result<Self> {
        let plan = zeroed_words(engine.plan_bytes())?;
        Ok(Self { engine, plan, scratch: zeroed_words(engine.scratch_bytes())? })
    }

    /// Checks the values of `raw`, draws its plan with `key`, and writes the whole of `made`.
    ///
    /// # Errors
    ///
    /// As the engine's.
    pub fn run(&mut self, key: RowKey, raw: RowView<'_>, made: &mut RowBuffer) -> Result<()> {
        let plan = &mut bytemuck::cast_slice_mut(&mut self.plan)[..self.engine.plan_bytes()];
        let scratch = bytemuck::cast_slice_mut(&mut self.scratch);
        let scratch = &mut scratch[..self.engine.scratch_bytes()];
        plan.fill(0);
        self.engine.check(raw)?;
        self.engine.plan(key, Shapes::of(raw), plan)?;
        self.engine.run(plan, raw, &mut made.row(None), scratch)?;
        made.finish()
    }
}
