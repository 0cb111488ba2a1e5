//! stub
#![allow(missing_docs)]
use std::path::{Path, PathBuf};
pub struct Settings { pub counters: u32, pub seed: u64, pub first_day: jiff::civil::Date, pub train_days: u32, pub test_days: u32, pub live_days: u32 }
impl Default for Settings { fn default() -> Self { Self { counters: 20, seed: 1, first_day: jiff::civil::date(2020,9,1), train_days: 257, test_days: 64, live_days: 35 } } }
impl Settings { pub fn with_rows(self, _rows: u64) -> Self { self } }
pub struct FileW { pub path: PathBuf }
pub struct Written { pub train: FileW, pub test: FileW, pub live: FileW }
impl std::fmt::Display for Written { fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str("stub") } }
pub fn write(_s: &Settings, _o: &Path, _p: &mut dyn FnMut(u64, u64)) -> anyhow::Result<Written> { anyhow::bail!("stub") }
