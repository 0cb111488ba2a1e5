//! What the linked library says about itself.

use std::ffi::{CStr, c_int};
use std::fmt;
use std::ptr;

use serde_json::Value;

use crate::call::call;
use crate::error::{Error, Result};
use crate::ffi;

/// The version of the linked library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// Models of another major version may not load.
    pub major: i32,
    /// Adds to what models hold: older minor versions may read them wrongly.
    pub minor: i32,
    /// Fixes only.
    pub patch: i32,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// Returns the version of the linked library.
#[must_use]
pub fn version() -> Version {
    let (mut major, mut minor, mut patch): (c_int, c_int, c_int) = (0, 0, 0);
    // SAFETY: the three pointers are valid for a write; the function does nothing else.
    unsafe { ffi::XGBoostVersion(&mut major, &mut minor, &mut patch) };
    Version {
        major,
        minor,
        patch,
    }
}

/// Returns how the linked library was built: compiler, OpenMP, CUDA and others, by name.
///
/// # Errors
///
/// [`Error::Xgboost`] or [`Error::Answer`] if the library does not know; neither was ever seen.
pub fn build_info() -> Result<Value> {
    let during = "ask XGBoost how it was built";
    let mut json = ptr::null();
    // SAFETY: the pointer is valid for a write.
    call(during, || unsafe { ffi::XGBuildInfo(&mut json) })?;
    // SAFETY: on success it points to the thread's own text, valid until the thread's next call.
    let text = unsafe { CStr::from_ptr(json) }.to_string_lossy();
    serde_json::from_str(&text).map_err(|_| Error::Answer {
        during,
        answer: text.into_owned(),
    })
}

/// Tells whether the linked library was compiled for CUDA (`device=cuda`).
///
/// Whether the machine has a device, [`Booster::device`](crate::Booster::device) tells.
#[must_use]
pub fn supports_cuda() -> bool {
    build_info().is_ok_and(|info| info["USE_CUDA"] == Value::Bool(true))
}
