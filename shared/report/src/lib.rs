#![doc = include_str!("../README.md")]

pub mod html;
pub mod page;
pub mod svg;
pub mod text;
pub mod week;

pub use week::path as week_path;
