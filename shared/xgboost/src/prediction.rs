//! Predictions and their explanations.

use std::{ffi::CStr, ptr, slice};

use crate::{
    booster::Booster,
    call::{array_interface, c_string, call, count_rows},
    error::{Error, Result},
    ffi,
    matrix::DMatrix,
};

impl Booster {
    /// Predicts the rows of a row-major slice with `columns` values per row, NaN for missing.
    ///
    /// Returns one value per row, or one per row and class, in row-major order. The call copies and
    /// caches no input, so it suits predictions in a service. The number of threads is the
    /// parameter `nthread`, see [`Booster::set_param`].
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] if the last row is incomplete, or [`Error::Xgboost`] if the number
    /// of columns differs from the number of features.
    pub fn predict_in_place(&self, rows: &[f32], columns: usize) -> Result<Vec<f32>> {
        let row_count = count_rows("rows", rows, columns)?;
        if row_count == 0 {
            return Ok(Vec::new());
        }
        let array = array_interface(rows, &[row_count, columns])?;
        let config = c"{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,\
                       \"strict_shape\":false,\"missing\":NaN}";
        let mut output = Predictions::default();
        // SAFETY: the handle is a booster; `array` describes `rows`, which outlive the call; the
        // texts end with NUL; no proxy is needed; the output is valid for writes.
        call("predict rows", || unsafe {
            ffi::XGBoosterPredictFromDense(
                self.handle(),
                array.as_ptr(),
                config.as_ptr(),
                ptr::null_mut(),
                &mut output.shape,
                &mut output.dimensions,
                &mut output.values,
            )
        })?;
        // SAFETY: XGBoost has just filled the output.
        Ok(unsafe { output.copy() })
    }

    /// Predicts a matrix. Returns one value per row, or one per row and class, in row-major order.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] if the number of columns differs from the number of features.
    pub fn predict(&self, data: &DMatrix) -> Result<Vec<f32>> {
        self.predict_kind("predict a matrix", data, PredictionKind::Value)
    }

    /// Explains predictions by the contribution of each feature (SHAP values), before the
    /// objective's transformation. Each row has `columns + 1` values per class, which sum to its
    /// margin; the last value is the bias.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] if the number of columns differs from the number of features.
    pub fn contributions(&self, data: &DMatrix) -> Result<Vec<f32>> {
        self.predict_kind("explain predictions", data, PredictionKind::Contributions)
    }

    /// Returns the total gain of the splits on each feature, by name. Features without splits are
    /// absent.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] if XGBoost fails.
    pub fn total_gains(&self) -> Result<Vec<(String, f32)>> {
        let config = c"{\"importance_type\":\"total_gain\"}";
        let mut count = 0;
        let mut names = ptr::null();
        let mut output = Predictions::default();
        // SAFETY: the handle is a booster; the text ends with NUL; the other pointers are valid for
        // writes.
        call("score the features of a booster", || unsafe {
            ffi::XGBoosterFeatureScore(
                self.handle(),
                config.as_ptr(),
                &mut count,
                &mut names,
                &mut output.dimensions,
                &mut output.shape,
                &mut output.values,
            )
        })?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: on success these are the thread's own names, as many as counted, and valid until
        // the thread's next call.
        let names = unsafe { slice::from_raw_parts(names, count as usize) };
        let names = names.iter().map(|name| {
            // SAFETY: every name is a text that ends with NUL.
            let name = unsafe { CStr::from_ptr(*name) };
            name.to_string_lossy().into_owned()
        });
        // SAFETY: XGBoost has just filled the output.
        let gains = unsafe { output.copy() };
        Ok(names.zip(gains).collect())
    }

    fn predict_kind(
        &self,
        during: &'static str,
        data: &DMatrix,
        kind: PredictionKind,
    ) -> Result<Vec<f32>> {
        let features = self.features()?;
        if data.columns() != features {
            // XGBoost treats absent columns as missing values.
            let problem = format!("{} columns, but {features} features", data.columns());
            return Err(Error::Shape {
                data: "matrix",
                problem,
            });
        }
        let config = format!(
            r#"{{"type":{},"training":false,"iteration_begin":0,"iteration_end":0,"strict_shape":false}}"#,
            kind as u8
        );
        let config = c_string("configuration", &config)?;
        let mut output = Predictions::default();
        // SAFETY: the handles are a booster and a matrix; the text ends with NUL; the output is
        // valid for writes.
        call(during, || unsafe {
            ffi::XGBoosterPredictFromDMatrix(
                self.handle(),
                data.handle(),
                config.as_ptr(),
                &mut output.shape,
                &mut output.dimensions,
                &mut output.values,
            )
        })?;
        // SAFETY: XGBoost has just filled the output.
        Ok(unsafe { output.copy() })
    }
}

/// The kind of prediction, as numbered by XGBoost.
#[derive(Clone, Copy)]
enum PredictionKind {
    Value = 0,
    Contributions = 2,
}

/// The output parameters of a prediction.
struct Predictions {
    shape: *const u64,
    dimensions: u64,
    values: *const f32,
}

impl Predictions {
    /// Copies the values into a flat vector.
    ///
    /// # Safety
    ///
    /// XGBoost must have filled the output on this thread and must not have been called since.
    unsafe fn copy(&self) -> Vec<f32> {
        // SAFETY: by the contract, the shape has that many dimensions.
        let shape = unsafe { slice::from_raw_parts(self.shape, self.dimensions as usize) };
        let length: u64 = shape.iter().product();
        if length == 0 {
            return Vec::new();
        }
        // SAFETY: by the contract, the number of values is the product of the shape.
        unsafe { slice::from_raw_parts(self.values, length as usize) }.to_vec()
    }
}

impl Default for Predictions {
    fn default() -> Self {
        Self {
            shape: ptr::null(),
            dimensions: 0,
            values: ptr::null(),
        }
    }
}
