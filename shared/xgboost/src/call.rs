//! Calls of the C API: return codes, texts and arrays.

use std::ffi::{CStr, CString, c_char, c_int};

use crate::{
    error::{Error, Result},
    ffi, messages,
};

/// Calls a C API function and converts its return code into a result.
///
/// `during` completes the sentence "cannot ...".
pub(crate) fn call(during: &'static str, function: impl FnOnce() -> c_int) -> Result<()> {
    messages::forward_from_this_thread();
    match function() {
        0 => Ok(()),
        _ => Err(Error::Xgboost {
            during,
            message: last_message(),
        }),
    }
}

/// Converts a text into a C string.
pub(crate) fn c_string(what: &'static str, text: &str) -> Result<CString> {
    CString::new(text).map_err(|source| Error::Text { what, source })
}

/// Converts texts into C strings.
pub(crate) fn c_strings<'a>(
    what: &'static str,
    texts: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<CString>> {
    texts.into_iter().map(|text| c_string(what, text)).collect()
}

/// Returns a pointer to every text, for an argument of type `char const *texts[]`.
pub(crate) fn pointers(texts: &[CString]) -> Vec<*const c_char> {
    texts.iter().map(|text| text.as_ptr()).collect()
}

/// Describes an array in place, as JSON of NumPy's array interface.
///
/// The description contains the address of `values`, so they must stay alive for as long as XGBoost
/// reads the array.
pub(crate) fn array_interface(values: &[f32], shape: &[usize]) -> Result<CString> {
    let address = values.as_ptr().expose_provenance();
    let description =
        format!(r#"{{"data":[{address},true],"shape":{shape:?},"typestr":"<f4","version":3}}"#);
    c_string("array description", &description)
}

/// Returns the number of rows of a row-major array.
///
/// # Errors
///
/// Returns [`Error::Shape`] unless the array consists of complete rows of at least one column.
pub(crate) fn count_rows(data: &'static str, values: &[f32], columns: usize) -> Result<usize> {
    if columns == 0 || !values.len().is_multiple_of(columns) {
        let problem = format!(
            "{} values are not complete rows of {columns} columns",
            values.len()
        );
        return Err(Error::Shape { data, problem });
    }
    Ok(values.len() / columns)
}

fn last_message() -> String {
    // SAFETY: the function returns the thread's own text, never null, valid until the next error.
    let text = unsafe { CStr::from_ptr(ffi::XGBGetLastError()) }.to_string_lossy();
    without_stack_trace(messages::without_time(&text)).to_owned()
}

fn without_stack_trace(text: &str) -> &str {
    text.split_once("\nStack trace:")
        .map_or(text, |(message, _)| message)
        .trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn array_interface_has_address_and_shape() {
        let values = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
        let description = array_interface(&values, &[3, 2]).unwrap();
        let json: serde_json::Value = serde_json::from_slice(description.as_bytes()).unwrap();
        assert_eq!(json["data"][0], values.as_ptr().addr());
        assert_eq!(json["shape"], serde_json::json!([3, 2]));
        assert_eq!(json["typestr"], "<f4");
    }

    #[test]
    fn incomplete_rows_are_rejected() {
        assert_eq!(count_rows("rows", &[0.0; 6], 3).unwrap(), 2);
        assert_eq!(count_rows("rows", &[], 3).unwrap(), 0);
        assert!(count_rows("rows", &[0.0; 6], 4).is_err());
        assert!(count_rows("rows", &[0.0; 6], 0).is_err());
    }

    #[test]
    fn stack_trace_is_removed() {
        let text = "src/learner.cc:1: Check failed: a == b\nStack trace:\n  [bt] (0) /lib/x\n";
        assert_eq!(
            without_stack_trace(text),
            "src/learner.cc:1: Check failed: a == b"
        );
    }
}
