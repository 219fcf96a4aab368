use candle_nn::{Module, Sequential, VarBuilder, VarMap, linear, loss, seq};
use tallow::Ranks;
use tallow::candle::{D, DType, Device, Result, Tensor, Var, bail};
use tallow::prelude::*;

use crate::sums::{Alone, Sums};

/// 1,797 images of 8x8 pixels from 0 to 16 in one file, their labels in another.
const DIGITS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/digits");
const EPOCHS: u64 = 8;
const RATE: f64 = 0.3;

/// Trains on all ranks, and on rank 0 alone as well, which compares.
pub(crate) fn run(ranks: &Ranks, sums: &dyn Sums, device: &Device) -> Result<()> {
    let network = Network::new(device)?;
    // candle's random weights have no seed on the CPU: those of rank 0 are for all.
    sums.share(&network.variables, ranks.rank() == 0)?;
    let copy = network.copy()?;
    let found = train(&network, ranks, sums)?;
    if ranks.rank() > 0 {
        return Ok(());
    }
    println!(
        "{ranks}: a loss of {:.6}, {} of {} images right",
        found.loss, found.right, found.images
    );

    let expected = train(&copy, &Ranks::single(), &Alone)?;
    let difference = network.difference(&copy)?;
    println!("alone: {} right, weights differ by {difference:.1e} at most", expected.right);
    let is_same = difference < 1e-4 && found.images == expected.images;
    if !is_same || found.right.abs_diff(expected.right) > 1 || found.right * 20 < found.images * 18
    {
        bail!("training on {} ranks is not training alone", ranks.world());
    }
    Ok(())
}

/// What an evaluation counts and adds up.
struct Found {
    loss: f64,
    right: u64,
    images: u64,
}

/// Trains for some epochs, and evaluates.
fn train(network: &Network, ranks: &Ranks, sums: &dyn Sums) -> Result<Found> {
    let images = NpyFile::open(format!("{DIGITS}/images.npy"))?;
    let labels = NpyFile::open(format!("{DIGITS}/labels.npy"))?.named("target")?;
    let [train, test] = images.zip(labels)?.split([0.8, 0.2], 0)?;
    // 64 rows over all ranks; no rank need have as many as another, and in the last batch some have none.
    let on = |loader: LoaderBuilder| loader.ranks(ranks).device(network.device.clone()).build();
    let train = on(Loader::builder(train).batch_size(64).shuffle().seed(7))?;
    for batch in train.epochs(0..EPOCHS) {
        network.step(&batch?, sums)?;
    }
    let test = on(Loader::builder(test).batch_size(50))?;
    let mut own = [0.0; 3];
    for batch in test.epoch(0) {
        let batch = batch?;
        if batch.is_empty() {
            continue;
        }
        let scores = network.scores(&batch)?;
        let loss = loss::cross_entropy(&scores, &batch["target"])?.to_scalar::<f32>()?;
        let equal = scores.argmax(D::Minus1)?.to_dtype(DType::I64)?.eq(&batch["target"])?;
        let right = equal.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()?;
        own[0] += f64::from(loss) * batch.len() as f64;
        own[1] += f64::from(right);
        own[2] += batch.len() as f64;
    }
    // Each sample once, whatever the number of ranks and rows: sums first, and then one division.
    let all = sums.sum_numbers(&own, &network.device)?;
    Ok(Found { loss: all[0] / all[2], right: all[1] as u64, images: all[2] as u64 })
}

struct Network {
    device: Device,
    layers: Sequential,
    variables: Vec<Var>,
}

impl Network {
    fn new(device: &Device) -> Result<Self> {
        let map = VarMap::new();
        let vb = VarBuilder::from_varmap(&map, DType::F32, device);
        let layers = seq().add(linear(64, 64, vb.pp("hidden"))?).add_fn(|x| x.relu());
        let layers = layers.add(linear(64, 10, vb.pp("digit"))?);
        let mut named: Vec<(String, Var)> = match map.data().lock() {
            Ok(data) => data.iter().map(|(name, var)| (name.clone(), var.clone())).collect(),
            Err(_) => bail!("a thread panicked that held the variables"),
        };
        // In one order on all ranks.
        named.sort_by(|one, other| one.0.cmp(&other.0));
        let variables = named.into_iter().map(|(_, var)| var).collect();
        Ok(Self { device: device.clone(), layers, variables })
    }

    /// Another network with the same weights.
    fn copy(&self) -> Result<Self> {
        let copy = Self::new(&self.device)?;
        for (own, other) in copy.variables.iter().zip(&self.variables) {
            own.set(&other.as_tensor().copy()?)?;
        }
        Ok(copy)
    }

    /// Scores of the ten digits: (rows, 10).
    fn scores(&self, batch: &Batch) -> Result<Tensor> {
        let pixels = batch["input"].flatten_from(1)?.to_dtype(DType::F32)?;
        self.layers.forward(&(pixels / 16.0)?)
    }

    /// A step of gradient descent on the mean loss of all rows of the batch, also those of other ranks.
    fn step(&self, batch: &Batch, sums: &dyn Sums) -> Result<()> {
        let rows = sums.sum_numbers(&[batch.len() as f64], &self.device)?[0];
        // The gradients of a sum: of means, those of ranks with few rows would count too much.
        let gradients = match batch.len() {
            0 => None,
            own => {
                let mean = loss::cross_entropy(&self.scores(batch)?, &batch["target"])?;
                Some((mean * own as f64)?.backward()?)
            }
        };
        for variable in &self.variables {
            let own = gradients.as_ref().and_then(|all| all.get(variable.as_tensor()).cloned());
            // A rank without rows adds nothing, but the others wait for it.
            let own = own.map_or_else(|| variable.zeros_like(), Ok)?;
            let mean = (sums.sum(&own)? / rows)?;
            variable.set(&(variable.as_tensor() - (mean * RATE)?)?.detach())?;
        }
        Ok(())
    }

    /// The largest difference between the weights of two networks.
    fn difference(&self, other: &Self) -> Result<f32> {
        let mut largest = 0f32;
        for (one, other) in self.variables.iter().zip(&other.variables) {
            let difference = (one.as_tensor() - other.as_tensor())?.abs()?.max_all()?;
            largest = largest.max(difference.to_scalar()?);
        }
        Ok(largest)
    }
}
