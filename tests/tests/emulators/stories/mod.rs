//! End-to-end tests on the emulators, one scenario per file.

mod id_tokens;
mod judged_again;
mod killed;
mod no_drift;
mod on_call;
mod poison;
mod registry_away;
mod replay;
mod retraining;
mod rolled_back;
mod slow_registry;
mod stack;
mod stalled_writer;
mod twice_and_out_of_order;
mod weekly;
