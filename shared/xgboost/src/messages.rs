//! The forwarding of XGBoost's messages to `tracing`, instead of standard error.

use std::{
    cell::Cell,
    ffi::{CStr, c_char},
};

use crate::ffi;

/// Forwards all further messages of XGBoost on this thread to `tracing`.
///
/// XGBoost stores its callback per thread, so every call of its API is preceded by this function.
pub(crate) fn forward_from_this_thread() {
    thread_local! {
        static FORWARDED: Cell<bool> = const { Cell::new(false) };
    }
    if !FORWARDED.get() {
        // SAFETY: the callback is a function without state and always valid.
        let code = unsafe { ffi::XGBRegisterLogCallback(forward) };
        FORWARDED.set(code == 0);
    }
}

extern "C" fn forward(message: *const c_char) {
    // SAFETY: XGBoost passes the text of a std::string that outlives the callback.
    let text = unsafe { CStr::from_ptr(message) }.to_string_lossy();
    let text = without_time(text.trim());
    // `Booster::refit` specifies the updater on purpose.
    if text.starts_with("WARNING") && !text.contains("manually specified the `updater`") {
        tracing::warn!(text, "xgboost warning");
    } else {
        tracing::debug!(text, "xgboost message");
    }
}

/// Removes the leading `[12:34:56] `, because log entries have their own timestamp.
pub(crate) fn without_time(text: &str) -> &str {
    let is_time = |text: &str| text.chars().all(|c| c.is_ascii_digit() || c == ':');
    match text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "))
    {
        Some((time, rest)) if is_time(time) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_is_removed() {
        assert_eq!(without_time("[12:34:56] Check failed"), "Check failed");
        assert_eq!(without_time("[gpu] Check failed"), "[gpu] Check failed");
        assert_eq!(without_time("Check failed"), "Check failed");
    }
}
