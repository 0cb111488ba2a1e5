//! What the model says about rows.

use std::{ptr, slice};

use crate::booster::Booster;
use crate::call::{array_interface, c_string, call, count_rows};
use crate::error::{Error, Result};
use crate::ffi;
use crate::matrix::DMatrix;

impl Booster {
    /// Predicts rows that lie one after another, each with `columns` values, NaN for missing.
    ///
    /// Returns one value per row, or one per row and class, row by row. Nothing is copied or kept,
    /// so this is the way to predict in a service. Threads are used as `nthread` says, see
    /// [`Booster::set_param`].
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if the last row is not whole; [`Error::Xgboost`] if there are more or
    /// fewer columns than features.
    pub fn predict_in_place(&self, rows: &[f32], columns: usize) -> Result<Vec<f32>> {
        let row_count = count_rows("rows", rows, columns)?;
        if row_count == 0 {
            return Ok(Vec::new());
        }
        let array = array_interface(rows, &[row_count, columns])?;
        let config = c"{\"type\":0,\"training\":false,\"iteration_begin\":0,\"iteration_end\":0,\
                       \"strict_shape\":false,\"missing\":NaN}";
        let mut answer = Predictions::default();
        // SAFETY: the handle is a booster; `array` describes `rows`, which outlive the call; the
        // texts end with NUL; no proxy is needed; the answer is valid for writes.
        call("predict rows", || unsafe {
            ffi::XGBoosterPredictFromDense(
                self.handle(),
                array.as_ptr(),
                config.as_ptr(),
                ptr::null_mut(),
                &mut answer.shape,
                &mut answer.dimensions,
                &mut answer.values,
            )
        })?;
        // SAFETY: XGBoost has just filled the answer.
        Ok(unsafe { answer.copy() })
    }

    /// Predicts a matrix: one value per row, or one per row and class, row by row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless it has as many columns as the booster has features.
    pub fn predict(&self, data: &DMatrix) -> Result<Vec<f32>> {
        self.predict_kind("predict a matrix", data, PredictionKind::Value)
    }

    /// Explains predictions: what each feature adds (SHAP values), before the objective's
    /// transformation. The values of a row, `columns + 1` per class, add up to its margin; the
    /// last of them is the bias.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless it has as many columns as the booster has features.
    pub fn contributions(&self, data: &DMatrix) -> Result<Vec<f32>> {
        self.predict_kind("explain predictions", data, PredictionKind::Contributions)
    }

    fn predict_kind(
        &self,
        during: &'static str,
        data: &DMatrix,
        kind: PredictionKind,
    ) -> Result<Vec<f32>> {
        let features = self.features()?;
        if data.columns() != features {
            // XGBoost itself takes columns that are not there for missing values.
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
        let mut answer = Predictions::default();
        // SAFETY: the handles are a booster and a matrix; the text ends with NUL; the answer is
        // valid for writes.
        call(during, || unsafe {
            ffi::XGBoosterPredictFromDMatrix(
                self.handle(),
                data.handle(),
                config.as_ptr(),
                &mut answer.shape,
                &mut answer.dimensions,
                &mut answer.values,
            )
        })?;
        // SAFETY: XGBoost has just filled the answer.
        Ok(unsafe { answer.copy() })
    }
}

/// XGBoost's numbers for what is predicted.
#[derive(Clone, Copy)]
enum PredictionKind {
    Value = 0,
    Contributions = 2,
}

/// Where XGBoost has put predictions.
struct Predictions {
    shape: *const u64,
    dimensions: u64,
    values: *const f32,
}

impl Predictions {
    /// Copies the values, all dimensions in one row.
    ///
    /// # Safety
    ///
    /// XGBoost must have filled the answer on this thread, and not have been called since.
    unsafe fn copy(&self) -> Vec<f32> {
        // SAFETY: by the contract, the shape has that many dimensions.
        let shape = unsafe { slice::from_raw_parts(self.shape, self.dimensions as usize) };
        let length: u64 = shape.iter().product();
        if length == 0 {
            return Vec::new();
        }
        // SAFETY: by the contract, there are as many values as the shape says.
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
