//! candle on the simulated driver, and the hazards of its devices.

mod client;

use candle_core::{Device, Result, Tensor};
use tallow_cuda_sim::{Simulation, ViolationKind};

type Constructor = fn(usize) -> Result<Device>;
const CONSTRUCTORS: [Constructor; 2] = [Device::new_cuda, Device::new_cuda_with_stream];

#[test]
fn what_is_uploaded_is_what_is_downloaded_on_both_kinds_of_device_and_every_seed() -> Result<()> {
    for seed in 0..client::SEEDS {
        for constructor in CONSTRUCTORS {
            let simulation = Simulation::begin(seed);
            let device = constructor(0)?;
            let numbers: Vec<f32> = (0..1000).map(|i| i as f32).collect();
            let tensor = Tensor::from_vec(numbers.clone(), (10, 100), &device)?;
            let copy = tensor.copy()?;
            assert_eq!(copy.flatten_all()?.to_vec1::<f32>()?, numbers);
            drop((tensor, copy, device));
            assert_eq!(simulation.violations(), []);
            assert_eq!(simulation.live_allocations(), []);
        }
    }
    Ok(())
}

#[test]
fn candles_own_kernels_are_counted_by_name() -> Result<()> {
    let simulation = Simulation::begin(2);
    let device = Device::new_cuda(0)?;
    let tensor = Tensor::from_vec(vec![1u8; 64], 64, &device)?;
    drop(tensor.to_dtype(candle_core::DType::F32)?);
    assert_eq!(simulation.counts().launches_of("cast_u8_f32"), 1);
    assert_eq!(simulation.violations(), []);
    Ok(())
}

#[test]
fn a_tensor_used_on_another_thread_of_a_per_thread_device_is_caught() -> Result<()> {
    for seed in 0..client::SEEDS {
        let simulation = Simulation::begin(seed);
        let device = Device::new_cuda(0)?;
        let tensor = Tensor::from_vec(vec![1u8; 64], 64, &device)?;
        std::thread::scope(|scope| scope.spawn(|| tensor.to_vec1::<u8>()).join().unwrap())?;
        assert!(client::kinds(&simulation).contains(&ViolationKind::UnorderedRead));
    }
    Ok(())
}

#[test]
fn a_tensor_used_on_another_thread_of_a_device_with_a_stream_is_fine() -> Result<()> {
    for seed in 0..client::SEEDS {
        let simulation = Simulation::begin(seed);
        let device = Device::new_cuda_with_stream(0)?;
        let tensor = Tensor::from_vec(vec![1u8; 64], 64, &device)?;
        let there =
            std::thread::scope(|scope| scope.spawn(|| tensor.to_vec1::<u8>()).join().unwrap())?;
        assert_eq!(there, vec![1; 64]);
        assert_eq!(simulation.violations(), []);
    }
    Ok(())
}

#[test]
fn a_tensor_dropped_on_a_thread_without_a_context_is_caught_and_fails_the_next_call() -> Result<()>
{
    let simulation = Simulation::begin(0);
    let device = Device::new_cuda(0)?;
    let tensor = Tensor::from_vec(vec![1u8; 64], 64, &device)?;
    std::thread::scope(|scope| scope.spawn(|| drop(tensor)).join().unwrap());
    assert_eq!(client::kinds(&simulation), [ViolationKind::NoContext]);
    let error = Tensor::from_vec(vec![1u8; 64], 64, &device).unwrap_err().to_string();
    assert!(error.contains("CUDA_ERROR_INVALID_CONTEXT"), "{error}");
    assert_eq!(simulation.live_allocations().len(), 1);
    Ok(())
}

#[test]
fn a_tensor_dropped_on_another_thread_of_a_per_thread_device_is_freed_unordered() -> Result<()> {
    for seed in 0..client::SEEDS {
        let simulation = Simulation::begin(seed);
        let device = Device::new_cuda(0)?;
        let context = device.as_cuda_device()?.cuda_stream().context().clone();
        let tensor = Tensor::from_vec(vec![1u8; 64], 64, &device)?;
        let elsewhere = || {
            context.bind_to_thread().unwrap();
            drop(tensor);
        };
        std::thread::scope(|scope| scope.spawn(elsewhere).join().unwrap());
        assert!(client::kinds(&simulation).contains(&ViolationKind::UnorderedFree));
    }
    Ok(())
}

#[test]
fn out_of_memory_is_an_error_and_what_was_freed_is_available_again() -> Result<()> {
    let simulation = Simulation::begin(1);
    let device = Device::new_cuda(0)?;
    simulation.fail_allocations_after(1000);
    let first = Tensor::from_vec(vec![1u8; 600], 600, &device)?;
    let error = Tensor::from_vec(vec![1u8; 600], 600, &device).unwrap_err().to_string();
    assert!(error.contains("CUDA_ERROR_OUT_OF_MEMORY"), "{error}");
    drop(first);
    drop(Tensor::from_vec(vec![1u8; 600], 600, &device)?);
    assert_eq!(simulation.violations(), []);
    Ok(())
}

#[test]
fn threads_that_share_a_device_with_a_stream_all_read_what_they_uploaded() {
    for seed in 0..client::SEEDS {
        let simulation = Simulation::begin(seed);
        let device = Device::new_cuda_with_stream(0).unwrap();
        std::thread::scope(|scope| {
            for number in 0..4u8 {
                let device = &device;
                scope.spawn(move || {
                    for _ in 0..10 {
                        let tensor = Tensor::from_vec(vec![number; 256], 256, device).unwrap();
                        assert_eq!(tensor.to_vec1::<u8>().unwrap(), [number; 256]);
                    }
                });
            }
        });
        assert_eq!(simulation.violations(), []);
        assert_eq!(simulation.live_allocations(), []);
    }
}

#[test]
fn a_thousand_seeds_take_less_than_a_millisecond_each() -> Result<()> {
    /// A small scenario takes some tens of microseconds; the rest is for busy machines.
    const LIMIT_MS: u128 = 1000;
    let begun = std::time::Instant::now();
    for seed in 0..1000 {
        let simulation = Simulation::begin(seed);
        let device = Device::new_cuda_with_stream(0)?;
        let tensor = Tensor::from_vec(vec![7u8; 1024], 1024, &device)?;
        assert_eq!(tensor.to_vec1::<u8>()?, [7; 1024]);
        assert_eq!(simulation.violations(), []);
    }
    let taken_ms = begun.elapsed().as_millis();
    assert!(taken_ms < LIMIT_MS, "1000 seeds took {taken_ms} ms");
    Ok(())
}
