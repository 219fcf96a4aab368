//! Trains a small transformer on the characters of two books, mixed two to one, until it needs less
//! than 2.3 nats for a character, in about 20 seconds of one core; then goes on once more from a
//! checkpoint in the middle, and every loss is the same.
//!
//!     cargo run --release --example 12_language_model
//!
//! A checkpoint is the state of the loader, the weights and what the optimizer remembers. The program
//! fails if a batch has other shares of the books, if a loss differs, or if the last ones are too high.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use candle_nn::{Embedding, LayerNorm, Linear, Module, VarBuilder, VarMap, ops};
use tallow::candle::{D, DType, Device, Error, Result, Tensor, Var, bail, safetensors};
use tallow::prelude::*;
use tallow::{DocumentsBy, Key, Packed, Purpose, Stream, TokenFiles};

const BOOKS: [(&str, f64); 2] = [("alice", 2.0), ("as-you-like-it", 1.0)];
/// The token after each paragraph or speech. Others are characters of ASCII.
const END: u8 = 0;
const VOCABULARY: usize = 128;

const LENGTH: usize = 48;
const ROWS: usize = 12;
const STEPS: u64 = 500;
/// The step at which a checkpoint is saved.
const BREAK: u64 = 300;
const LOSS_MAX: f32 = 2.3;

fn main() -> Result<()> {
    // The matrices are so small that several threads would mostly wait for one another.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(Error::wrap)?;
    pool.install(train)
}

fn train() -> Result<()> {
    let folder = tempfile::tempdir()?;
    for (book, _) in BOOKS {
        write_tokens(book, folder.path())?;
    }
    let checkpoint = folder.path().join("checkpoint");
    fs::create_dir(&checkpoint)?;
    let mut training = Training::new(folder.path(), 2)?;
    println!("{}\n", training.loader.plan());
    let mut whole = training.run(BREAK)?;
    training.save(&checkpoint)?;
    whole.extend(training.run(STEPS)?);
    drop(training);

    // As if the machine had gone down soon after the checkpoint: another process, with another number of
    // workers, has nothing but the files.
    let mut training = Training::new(folder.path(), 3)?;
    training.resume(&checkpoint)?;
    println!("resumed at step {}", training.loader.step());
    let resumed = training.run(STEPS)?;
    if resumed != whole[BREAK as usize..] {
        bail!("the losses after the break differ: {resumed:?}, without it {whole:?}");
    }
    let last = &resumed[resumed.len() - 50..];
    let mean = last.iter().sum::<f32>() / last.len() as f32;
    println!(
        "{} losses, the same with a break; of the last 50 the mean is {mean:.3}",
        resumed.len()
    );
    if mean < LOSS_MAX { Ok(()) } else { bail!("expected less than {LOSS_MAX}") }
}

/// Writes a book as a file of tokens: one byte for each character, and one after each document.
fn write_tokens(book: &str, folder: &Path) -> Result<()> {
    let texts = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/texts");
    let text = fs::read_to_string(format!("{texts}/{book}.txt"))?;
    let documents = text.split("\n\n").map(|it| it.trim_matches('\n')).filter(|it| !it.is_empty());
    let tokens: Vec<u8> = documents.flat_map(|it| it.bytes().chain([END])).collect();
    Ok(fs::write(folder.join(book).with_extension("tokens"), tokens)?)
}

/// The books, mixed by their weights.
fn loader(folder: &Path, workers: usize) -> Result<Loader> {
    let mut books = Vec::new();
    for (book, weight) in BOOKS {
        let file = folder.join(book).with_extension("tokens");
        let documents = DocumentsBy::LastToken(END.into());
        let documents = TokenFiles::builder([file]).dtype(RowDType::U8).documents(documents);
        books.push((Packed::builder(documents.open()?, LENGTH).build()?, weight));
    }
    let (source, mix) = Mix::weighted(books)?;
    let builder = Loader::builder(source).sampler(mix).batch_size(ROWS).seed(12);
    Ok(builder.last_batch(LastBatch::Drop).workers(workers).build()?)
}

/// All that is saved in a checkpoint.
struct Training {
    loader: Loader,
    model: Model,
    optimizer: Adam,
}

impl Training {
    fn new(folder: &Path, workers: usize) -> Result<Self> {
        let (model, weights) = Model::new()?;
        Ok(Self { loader: loader(folder, workers)?, model, optimizer: Adam::new(weights)? })
    }

    /// Trains until `end` steps are done in all; the loss of each step.
    fn run(&mut self, end: u64) -> Result<Vec<f32>> {
        let mut losses = Vec::new();
        for batch in self.loader.steps(self.loader.step()..end) {
            let batch = batch?;
            self.check_shares(&batch)?;
            Self::check_mask(&batch)?;
            let loss = self.model.loss(&batch)?;
            self.optimizer.step(&loss, batch.step())?;
            losses.push(loss.to_scalar::<f32>()?);
            if (batch.step() + 1) % 50 == 0 {
                println!("step {}: {:.3}", batch.step() + 1, losses[losses.len() - 1]);
            }
        }
        Ok(losses)
    }

    /// Where documents meet nothing is to be predicted, neither after the last token of one nor where
    /// there is none.
    fn check_mask(batch: &Batch) -> Result<()> {
        let is_end = batch["input"].eq(u32::from(END))?;
        match (is_end * &batch["mask"])?.to_dtype(DType::F32)?.sum_all()?.to_scalar::<f32>()? {
            0.0 => Ok(()),
            ends => bail!("step {}: a target after {ends} ends of documents", batch.step()),
        }
    }

    /// Two of three rows are of the first book, in every batch.
    fn check_shares(&self, batch: &Batch) -> Result<()> {
        let part = |&index: &usize| self.loader.population().part_of(index);
        match batch.indices().iter().map(part).filter(|&part| part == 0).count() {
            rows if rows == ROWS * 2 / 3 => Ok(()),
            rows => bail!("step {}: {rows} of {ROWS} rows are of the first book", batch.step()),
        }
    }

    fn save(&self, folder: &Path) -> Result<()> {
        let state = serde_json::to_string(&self.loader.state()).map_err(Error::wrap)?;
        fs::write(folder.join("loader.json"), state)?;
        let tensors = self.optimizer.tensors();
        let tensors = tensors.into_iter().map(|(name, var)| (name, var.as_tensor().clone()));
        safetensors::save(&tensors.collect::<HashMap<_, _>>(), folder.join("model.safetensors"))
    }

    fn resume(&mut self, folder: &Path) -> Result<()> {
        let state = fs::read_to_string(folder.join("loader.json"))?;
        self.loader.resume(&serde_json::from_str(&state).map_err(Error::wrap)?)?;
        let saved = safetensors::load(folder.join("model.safetensors"), &Device::Cpu)?;
        self.optimizer.tensors().into_iter().try_for_each(|(name, var)| match saved.get(&name) {
            Some(tensor) => var.set(tensor),
            None => bail!("no {name} in the checkpoint"),
        })
    }
}

/// A transformer that attends to the characters before one, of the same document.
struct Model {
    tokens: Embedding,
    places: Embedding,
    blocks: Vec<Block>,
    norm: LayerNorm,
    scores: Linear,
}

impl Model {
    const WIDTH: usize = 48;

    /// With its weights, by name. They begin as in every run: candle's generator has no seed on the CPU,
    /// so that they are drawn here.
    fn new() -> Result<(Self, Vec<(String, Var)>)> {
        let variables = VarMap::new();
        let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let model = Self {
            tokens: candle_nn::embedding(VOCABULARY, Self::WIDTH, vb.pp("tokens"))?,
            places: candle_nn::embedding(LENGTH, Self::WIDTH, vb.pp("places"))?,
            blocks: (0..2)
                .map(|at| Block::new(vb.pp(format!("block{at}"))))
                .collect::<Result<_>>()?,
            norm: candle_nn::layer_norm_no_bias(Self::WIDTH, 1e-5, vb.pp("norm"))?,
            scores: candle_nn::linear_no_bias(Self::WIDTH, VOCABULARY, vb.pp("scores"))?,
        };
        let mut weights: Vec<(String, Var)> =
            variables.data().lock().unwrap().clone().into_iter().collect();
        weights.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, var) in weights.iter().filter(|(_, var)| var.rank() == 2) {
            let mut draws = Key::new(12, 0).draws(Stream::new(name, 0, Purpose::Data), 0);
            let bound = (0.75 / Self::WIDTH as f64).sqrt();
            let values = (0..var.elem_count()).map(|_| (draws.unit_f64() * 2.0 - 1.0) * bound);
            let values: Vec<f32> = values.map(|value| value as f32).collect();
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
        }
        Ok((model, weights))
    }

    /// The mean over all characters that have a next one in their documents: what another document begins
    /// with cannot be known.
    fn loss(&self, batch: &Batch) -> Result<Tensor> {
        let mask = batch["mask"].to_dtype(DType::F32)?;
        let found = ops::log_softmax(&self.forward(batch)?, D::Minus1)?;
        let found = found.gather(&batch["target"].unsqueeze(2)?, 2)?.squeeze(2)?;
        (found * &mask)?.sum_all()?.neg()? / mask.sum_all()?
    }

    /// The scores of each next character, (rows, length, vocabulary).
    fn forward(&self, batch: &Batch) -> Result<Tensor> {
        let places = self.places.forward(&batch["positions"])?;
        let mut found = (self.tokens.forward(&batch["input"])? + places)?;
        let documents = &batch["segments"];
        let is_same = documents.unsqueeze(2)?.broadcast_eq(&documents.unsqueeze(1)?)?;
        let is_before = Tensor::tril2(LENGTH, DType::U8, &Device::Cpu)?;
        let is_seen = is_same.broadcast_mul(&is_before)?.to_dtype(DType::F32)?;
        let mask = ((is_seen - 1.0)? * 1e9)?.unsqueeze(1)?;
        for block in &self.blocks {
            found = block.forward(&found, &mask)?;
        }
        self.scores.forward(&self.norm.forward(&found)?)
    }
}

/// Attention, and a layer for each character by itself.
struct Block {
    norms: [LayerNorm; 2],
    attention: [Linear; 2],
    layer: [Linear; 2],
}

impl Block {
    const HEADS: usize = 4;

    fn new(vb: VarBuilder) -> Result<Self> {
        let width = Model::WIDTH;
        let norm = |name| candle_nn::layer_norm_no_bias(width, 1e-5, vb.pp(name));
        let linear = |from, to, name| candle_nn::linear_no_bias(from, to, vb.pp(name));
        Ok(Self {
            norms: [norm("norm0")?, norm("norm1")?],
            attention: [
                linear(width, 3 * width, "attention0")?,
                linear(width, width, "attention1")?,
            ],
            layer: [linear(width, 4 * width, "layer0")?, linear(4 * width, width, "layer1")?],
        })
    }

    fn forward(&self, input: &Tensor, mask: &Tensor) -> Result<Tensor> {
        let (rows, length, width) = input.dims3()?;
        let heads = self.attention[0].forward(&self.norms[0].forward(input)?)?;
        let heads = heads.reshape((rows, length, 3, Self::HEADS, width / Self::HEADS))?;
        let heads = heads.permute((2, 0, 3, 1, 4))?.contiguous()?;
        let scale = (width as f64 / Self::HEADS as f64).sqrt();
        let scores = (heads.get(0)?.matmul(&heads.get(1)?.t()?)? / scale)?;
        let shares = ops::softmax(&scores.broadcast_add(mask)?, D::Minus1)?;
        let seen =
            shares.matmul(&heads.get(2)?)?.transpose(1, 2)?.reshape((rows, length, width))?;
        let input = (input + self.attention[1].forward(&seen)?)?;
        let inner = self.layer[0].forward(&self.norms[1].forward(&input)?)?.relu()?;
        &input + self.layer[1].forward(&inner)?
    }
}

/// Adam of Kingma and Ba (2015). That of candle-nn keeps its moments to itself, and they belong in a
/// checkpoint.
struct Adam {
    weights: Vec<(String, Var)>,
    moments: Vec<[Var; 2]>,
}

impl Adam {
    fn new(weights: Vec<(String, Var)>) -> Result<Self> {
        let zeros = |(_, var): &(String, Var)| Var::zeros(var.shape(), DType::F32, &Device::Cpu);
        let both = |it| Ok([zeros(it)?, zeros(it)?]);
        let moments = weights.iter().map(both).collect::<Result<_>>()?;
        Ok(Self { weights, moments })
    }

    /// All that it keeps, by name.
    fn tensors(&self) -> Vec<(String, &Var)> {
        let each = self.weights.iter().zip(&self.moments);
        let named = each.flat_map(|((name, var), [mean, square])| {
            [
                (name.clone(), var),
                (format!("{name}.mean"), mean),
                (format!("{name}.square"), square),
            ]
        });
        named.collect()
    }

    fn step(&mut self, loss: &Tensor, step: u64) -> Result<()> {
        let (beta1, beta2): (f64, f64) = (0.9, 0.99);
        let rate = 8e-3 * (1.0 - step as f64 / STEPS as f64);
        let done = step as f64 + 1.0;
        let gradients = loss.backward()?;
        for ((name, var), [mean, square]) in self.weights.iter().zip(&self.moments) {
            let Some(gradient) = gradients.get(var) else { bail!("no gradient of {name}") };
            mean.set(&((mean.as_tensor() * beta1)? + (gradient * (1.0 - beta1))?)?)?;
            square.set(&((square.as_tensor() * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?)?;
            let mean = (mean.as_tensor() / (1.0 - beta1.powf(done)))?;
            let square = (square.as_tensor() / (1.0 - beta2.powf(done)))?;
            var.set(&(var.as_tensor() - ((mean / (square.sqrt()? + 1e-8)?)? * rate)?)?)?;
        }
        Ok(())
    }
}
