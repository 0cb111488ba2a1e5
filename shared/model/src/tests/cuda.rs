//! Tests of training on a GPU. Without a card, those that need one report that they are skipped.

use std::io::Write as _;

use super::*;

fn trained_on(device: Device, counts: &Counts) -> Result<Model, ModelError> {
    let recipe = TrainRecipe { device, ..recipe() };
    let spec = FeatureSpec::for_counters(counts.counters());
    train(frame(counts), spec, &recipe, &mut |_| {})
}

#[test]
fn missing_cuda_requirement_is_named() {
    let missing = if xgboost::supports_cuda() {
        "no NVIDIA GPU"
    } else {
        "make cuda"
    };
    // Nothing is missing if both the library and a GPU are available.
    if check_device(Device::Cuda).is_ok() {
        return;
    }
    let error = trained_on(Device::Cuda, &counts(10, 1)).unwrap_err();
    assert!(error.to_string().contains(missing), "{error}");
}

#[test]
fn model_of_a_card_forecasts_like_one_of_the_cpu() {
    if let Err(missing) = check_device(Device::Cuda) {
        announce_skip(&missing);
        return;
    }
    let counts = counts(60, 10);
    let [cpu, cuda] = [Device::Cpu, Device::Cuda].map(|device| {
        let model = trained_on(device, &counts).unwrap();
        assert_eq!(model.card().params["device"], device.name());
        model.score(&frame(&counts)).unwrap()
    });
    // The GPU samples other rows, so the trees differ.
    assert!((cuda.mae - cpu.mae).abs() < 0.5, "{cuda:?}, {cpu:?}");
    assert!(cuda.r2 > 0.99, "{cuda:?}");
}

/// Reports a skipped test on the uncaptured standard error.
///
/// # Panics
/// Panics if `REQUIRE_CUDA` is set, as by `make test-cuda`.
fn announce_skip(missing: &ModelError) {
    assert!(std::env::var_os("REQUIRE_CUDA").is_none(), "{missing}");
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("test");
    // The test runner captures eprintln! in tests that pass.
    writeln!(std::io::stderr(), "SKIPPED {test}: {missing}").unwrap();
}
