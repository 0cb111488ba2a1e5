//! The version and the build information of the linked library.

use std::{
    ffi::{CStr, c_int},
    fmt, ptr,
};

use serde_json::Value;

use crate::{
    call::call,
    error::{Error, Result},
    ffi,
};

/// The version of the linked library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The major version. Models of another major version may not load.
    pub major: i32,
    /// The minor version. It may extend the model format, so older minor versions may read models
    /// incorrectly.
    pub minor: i32,
    /// The patch version, for fixes only.
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

/// Returns the build information of the linked library by name: compiler, OpenMP, CUDA and others.
///
/// # Errors
///
/// Returns [`Error::Xgboost`] or [`Error::Answer`]. No such case is known.
pub fn build_info() -> Result<Value> {
    let during = "read the build information of XGBoost";
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

/// Returns `true` if the linked library was compiled for CUDA (`device=cuda`).
///
/// [`Booster::device`](crate::Booster::device) returns the device that the machine actually has.
#[must_use]
pub fn supports_cuda() -> bool {
    build_info().is_ok_and(|info| info["USE_CUDA"] == Value::Bool(true))
}
