#![doc = include_str!("../README.md")]

pub mod html;
pub mod index;
pub mod month;
pub mod page;
pub mod publish;
mod reason;
mod state;
pub mod svg;
pub mod text;
pub mod week;

pub use week::path as week_path;
