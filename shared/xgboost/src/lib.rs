#![doc = include_str!("../README.md")]
#![allow(
    unsafe_code,
    reason = "XGBoost has a C API; this crate contains all unsafe code of the workspace"
)]
#![warn(clippy::undocumented_unsafe_blocks)]

mod attributes;
mod booster;
mod call;
mod error;
mod ffi;
mod forest;
mod library;
mod matrix;
mod messages;
mod prediction;
mod refit;
mod score;
mod threads;
mod training;
mod ubjson;

pub use booster::Booster;
pub use error::{Error, Result};
pub use forest::Forest;
pub use library::{Version, build_info, supports_cuda, version};
pub use matrix::{DMatrix, FeatureType, QuantileOptions};
pub use score::Score;
pub use threads::{available_threads, restart_for_training};
pub use training::{RoundProgress, Trained, Training, continue_training, train};
#[doc(hidden)]
pub use ubjson::check_model;
