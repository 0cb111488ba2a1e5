//! The commands, in one module each, named after the command.

pub mod backtest;
pub(crate) mod completions;
pub mod data;
pub mod drift_check;
pub mod export;
pub(crate) mod fine_tune;
pub mod ingest;
pub(crate) mod man;
pub mod merge_baseline;
pub mod model_card;
pub(crate) mod notebook;
pub mod publish_baseline;
pub mod registry_unlock;
pub mod replay;
pub mod report;
pub mod retrain;
pub mod rollback;
pub mod run;
pub(crate) mod sample_data;
pub mod set_up;
pub(crate) mod split;
pub mod stack;
pub mod status;
pub mod train;
