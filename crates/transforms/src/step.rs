//! Steps: what every augmentation is, and chains of them.

use std::fmt;
use std::sync::Arc;

use tallow_core::{Draws, Purpose, Stream};

use crate::compose::{Composer, Sketch};

/// One augmentation, with the distributions of its parameters.
///
/// `Display` writes the text that makes the step, in full. A saved state remembers the step by it.
pub(crate) trait Step: fmt::Debug + fmt::Display + Send + Sync {
    /// The step's name in the text of a chain. It also names the stream of its draws.
    fn name(&self) -> &'static str;

    /// Runs once, when a chain is bound: checks the parameters against the image that reaches the
    /// step, as `sketch` describes it, and changes the sketch to what the step leaves in the worst
    /// case.
    ///
    /// # Errors
    ///
    /// What does not work, in words that read well after the step's name.
    fn outline(&self, sketch: &mut Sketch) -> Result<(), String>;

    /// Draws the parameters of one sample and writes what they do. Each parameter always takes the
    /// same numbers of `draws`, whatever the other parameters were.
    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>);

    /// Whether the step itself draws random numbers.
    fn draws(&self) -> bool {
        true
    }

    /// The chains inside the step, in their order.
    fn inner(&self) -> Vec<&Chain> {
        Vec::new()
    }

    /// The probability with which the step mixes in a second sample; `None` for steps that never
    /// do.
    fn mixes(&self) -> Option<f64> {
        None
    }

    /// What the step means for a picture that is decoded smaller than it is stored.
    fn scaling(&self) -> Scaling {
        Scaling::Counts
    }

    /// As `compose`, with the chains of `inner` tied to their streams.
    fn compose_in(&self, inner: &[Vec<Node>], draws: &mut Draws, composer: &mut Composer<'_>) {
        debug_assert!(inner.is_empty(), "a step with inner chains composes them");
        self.compose(draws, composer);
    }
}

/// What a step means for a picture that is decoded smaller than it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scaling {
    /// Something else: it counts pixels, or computes with them.
    Counts,
    /// The same.
    Follows,
    /// The same, and what follows it does not see how large the picture was.
    Resizes,
}

/// Steps in their order, not yet tied to streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain(pub(crate) Vec<Arc<dyn Step>>);

impl Chain {
    pub(crate) fn push(&mut self, step: impl Step + 'static) {
        self.0.push(Arc::new(step));
    }

    /// What the chain means for a picture that is decoded smaller than it is stored, and the step that
    /// counts pixels if one does so before they are resized.
    pub(crate) fn scaling(&self) -> (Scaling, Option<&dyn Step>) {
        for step in &self.0 {
            match step.scaling() {
                Scaling::Follows => {}
                Scaling::Resizes => return (Scaling::Resizes, None),
                Scaling::Counts => return (Scaling::Counts, Some(&**step)),
            }
        }
        (Scaling::Follows, None)
    }
}

impl fmt::Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            write!(f, "{}{step}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// A step and the streams of its draws, and those of the steps inside.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) step: Arc<dyn Step>,
    pub(crate) stream: Stream,
    pub(crate) inner: Vec<Vec<Node>>,
}

/// Ties steps to streams: each is named by `draws` and the step's name, and counted among the steps
/// of that name in the order of the text, inside other steps or not. Adding, removing or wrapping
/// steps of other names therefore leaves its draws alone.
pub(crate) fn bind(chain: &Chain, draws: &str) -> Vec<Node> {
    bind_in(chain, draws, &mut Vec::new())
}

/// As [`bind`], after the steps that `before` names.
fn bind_in(chain: &Chain, draws: &str, before: &mut Vec<&'static str>) -> Vec<Node> {
    let mut nodes = Vec::with_capacity(chain.0.len());
    for step in &chain.0 {
        let name = step.name();
        let count = before.iter().filter(|before| **before == name).count();
        before.push(name);
        let stream = Stream::new(&format!("{draws}/{name}"), count as u32, Purpose::Transform);
        let inner = step.inner().into_iter();
        let inner = inner.map(|chain| bind_in(chain, draws, before)).collect();
        nodes.push(Node { step: step.clone(), stream, inner });
    }
    nodes
}

impl Sketch {
    /// Goes over `chain`.
    ///
    /// # Errors
    ///
    /// All that does not work, one problem per step.
    pub(crate) fn chain(&mut self, chain: &Chain) -> Result<(), Vec<String>> {
        let mut problems = Vec::new();
        for step in &chain.0 {
            self.begin(step.to_string());
            if let Err(problem) = step.outline(self) {
                problems.push(format!("{}: {problem}", step.name()));
            }
            if let Err(problem) = self.needs_countable() {
                problems.push(format!("after {}: {problem}", step.name()));
                // Sums of such lengths could leave any range.
                return Err(problems);
            }
        }
        self.measure();
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }
}

impl Composer<'_> {
    /// Runs the steps of `nodes`, each with draws of its own.
    pub(crate) fn chain(&mut self, nodes: &[Node]) {
        nodes.iter().for_each(|node| self.step(node));
    }

    /// Runs one step.
    pub(crate) fn step(&mut self, node: &Node) {
        self.draw_from(node.stream, |draws, composer| {
            node.step.compose_in(&node.inner, draws, composer);
        });
    }
}

/// All streams of `nodes` that are drawn from.
pub(crate) fn streams(nodes: &[Node], streams: &mut Vec<Stream>) {
    for node in nodes {
        streams.extend(node.step.draws().then_some(node.stream));
        node.inner.iter().for_each(|chain| self::streams(chain, streams));
    }
}
