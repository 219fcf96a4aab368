//! What every augmentation is: a step of a chain.

use std::fmt;
use std::sync::Arc;

use tallow_core::{Draws, Purpose, Stream};

use crate::compose::Composer;
use crate::sketch::Sketch;

/// One augmentation, with its parameters' distributions.
///
/// `Display` is the step as the text that makes it, in full: what a saved state remembers of it.
pub(crate) trait Step: fmt::Debug + fmt::Display + Send + Sync {
    /// The step's name in the text of a chain. The stream of its draws hangs on it.
    fn name(&self) -> &'static str;

    /// Goes once over a sketch of the image at `build`: checks the parameters against what reaches
    /// the step, and leaves what becomes of it in the worst case.
    ///
    /// # Errors
    ///
    /// What does not work, in words that follow the step's name.
    fn outline(&self, sketch: &mut Sketch) -> Result<(), String>;

    /// Draws this sample's parameters and writes what they do. A parameter always takes the same
    /// numbers of `draws`, whatever the others were.
    fn compose(&self, draws: &mut Draws, composer: &mut Composer<'_>);

    /// The chains inside the step, each in its order.
    fn inner(&self) -> Vec<&Chain> {
        Vec::new()
    }

    /// The probability with which the step mixes a second sample in; `None` where it never does.
    fn mixes(&self) -> Option<f64> {
        None
    }

    /// As `compose`, with the chains of `inner` tied to their streams.
    fn compose_in(&self, inner: &[Vec<Node>], draws: &mut Draws, composer: &mut Composer<'_>) {
        debug_assert!(inner.is_empty(), "a step with inner chains composes them");
        self.compose(draws, composer);
    }
}

/// Steps in their order, not yet tied to streams.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chain(pub(crate) Vec<Arc<dyn Step>>);

impl Chain {
    pub(crate) fn push(&mut self, step: impl Step + 'static) {
        self.0.push(Arc::new(step));
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

/// Ties steps to streams: each is named by its path and counted among the steps of that path, so
/// that adding or removing a step of another name leaves its draws alone.
pub(crate) fn bind(chain: &Chain, path: &str) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::with_capacity(chain.0.len());
    for step in &chain.0 {
        let before = nodes.iter().filter(|node| node.step.name() == step.name()).count();
        let path = format!("{path}/{}", step.name());
        let stream = Stream::new(&path, before as u32, Purpose::Transform);
        // The branches of one step are told apart by their number in the path.
        let inner = step.inner().into_iter().enumerate();
        let inner = inner.map(|(i, chain)| bind(chain, &format!("{path}.{before}.{i}"))).collect();
        nodes.push(Node { step: step.clone(), stream, inner });
    }
    nodes
}

/// All streams of `nodes`.
pub(crate) fn streams(nodes: &[Node], streams: &mut Vec<Stream>) {
    for node in nodes {
        streams.push(node.stream);
        node.inner.iter().for_each(|chain| self::streams(chain, streams));
    }
}

/// A number as text: the shortest that reads back as the same.
pub(crate) fn number(value: f64) -> String {
    format!("{value}")
}
