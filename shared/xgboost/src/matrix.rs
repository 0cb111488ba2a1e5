//! The matrices for training and evaluation.

use std::{
    ffi::{CStr, c_int, c_void},
    ptr,
};

use crate::{
    call::{array_interface, c_string, c_strings, call, count_rows, pointers},
    error::{Error, Result},
    ffi::{self, Handle},
    threads::available_threads,
};

/// A matrix of features with the labels of its rows, stored by XGBoost.
///
/// The matrix copies its data, so the source slices may be dropped. NaN means missing; 0.0 is an
/// ordinary value.
#[derive(Debug)]
pub struct DMatrix {
    matrix: Matrix,
    rows: usize,
    columns: usize,
    feature_names: Vec<String>,
    feature_types: Vec<FeatureType>,
}

/// The options of a quantile matrix.
#[derive(Clone, Copy, Debug)]
pub struct QuantileOptions<'a> {
    /// The labels, one per row. They may also be set later.
    pub labels: Option<&'a [f32]>,
    /// The weights, one per row. They influence the quantiles, unlike weights set later.
    pub weights: Option<&'a [f32]>,
    /// The types of the columns. By default all are [`FeatureType::Float`].
    pub feature_types: &'a [FeatureType],
    /// The training matrix whose bins are used. An evaluation set requires it: with its own bins,
    /// its scores would be incorrect.
    pub reference: Option<&'a DMatrix>,
    /// The maximum number of bins per column, 256 by default. It must equal that of the reference
    /// and the training parameter `max_bin`.
    pub max_bin: u32,
}

/// The type of a column in XGBoost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureType {
    /// A real number.
    Float,
    /// A whole number, treated like [`FeatureType::Float`].
    Integer,
    /// A Boolean, treated like [`FeatureType::Float`].
    Indicator,
    /// A category code: a whole number of at least 0.
    Categorical,
}

impl DMatrix {
    /// Creates a matrix from a row-major slice with `columns` values per row.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] if there are no rows or the last row is incomplete, or
    /// [`Error::Xgboost`] if a value is infinite.
    pub fn dense(rows: &[f32], columns: usize) -> Result<Self> {
        let row_count = at_least_one_row(rows, columns)?;
        let array = array_interface(rows, &[row_count, columns])?;
        let config = format!(r#"{{"missing":NaN,"nthread":{}}}"#, available_threads());
        let config = c_string("configuration", &config)?;
        let mut handle = ptr::null_mut();
        // SAFETY: `array` describes `rows`, which outlive the call, and the function copies them;
        // both texts end with NUL; the handle is valid for a write.
        call("create a matrix", || unsafe {
            ffi::XGDMatrixCreateFromDense(array.as_ptr(), config.as_ptr(), &mut handle)
        })?;
        Ok(Self::new(Matrix(handle), row_count, columns))
    }

    /// Creates a matrix that stores only the bin of each value. `tree_method=hist` needs no more.
    /// The matrix takes a quarter of the memory and no intermediate copy. Other tree methods cannot
    /// use it.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`DMatrix::dense`], or [`Error::Shape`] if labels, weights or types
    /// have another length.
    pub fn quantile(rows: &[f32], columns: usize, options: QuantileOptions<'_>) -> Result<Self> {
        let row_count = at_least_one_row(rows, columns)?;
        let proxy = Matrix::proxy()?;
        let mut batch = Batch {
            rows,
            shape: [row_count, columns],
            options,
            proxy,
            state: Ok(true),
        };
        let config = format!(
            r#"{{"missing":NaN,"nthread":{},"max_bin":{}}}"#,
            available_threads(),
            options.max_bin
        );
        let config = c_string("configuration", &config)?;
        let reference = options.reference.map_or(ptr::null_mut(), DMatrix::handle);
        let proxy = batch.proxy.0;
        let mut handle = ptr::null_mut();
        // SAFETY: the callbacks receive `batch`, which outlives the call and is not accessed
        // otherwise meanwhile; the proxy is a proxy and the reference, if any, a matrix; the text
        // ends with NUL; the handle is valid for a write.
        let created = call("create a quantile matrix", || unsafe {
            ffi::XGQuantileDMatrixCreateFromCallback(
                (&raw mut batch).cast(),
                proxy,
                reference,
                rewind,
                next,
                config.as_ptr(),
                &mut handle,
            )
        });
        let matrix = created.map(|()| Matrix(handle));
        // An error of the callback is the cause of XGBoost's error, so it is returned first.
        batch.state?;
        let mut quantile = Self::new(matrix?, row_count, columns);
        quantile.feature_types = options.feature_types.to_vec();
        Ok(quantile)
    }

    /// Sets the labels, one per row.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] if the number of labels is not the number of rows, or
    /// [`Error::Xgboost`] if a label is NaN or infinite.
    pub fn set_labels(&mut self, labels: &[f32]) -> Result<()> {
        expect_length("labels", labels.len(), self.rows)?;
        self.matrix.set_values(c"label", labels)
    }

    /// Sets the weights, one per row.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] if the number of weights is not the number of rows, or
    /// [`Error::Xgboost`] if a weight is negative, NaN or infinite.
    pub fn set_weights(&mut self, weights: &[f32]) -> Result<()> {
        expect_length("weights", weights.len(), self.rows)?;
        self.matrix.set_values(c"weight", weights)
    }

    /// Sets the names of the columns.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] unless there is one name per column.
    pub fn set_feature_names(&mut self, names: &[&str]) -> Result<()> {
        expect_length("feature names", names.len(), self.columns)?;
        self.matrix
            .set_texts(c"feature_name", names.iter().copied())?;
        self.feature_names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    /// Sets the types of the columns. It has no effect on a quantile matrix: use
    /// [`QuantileOptions::feature_types`] instead.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] unless there is one type per column.
    pub fn set_feature_types(&mut self, types: &[FeatureType]) -> Result<()> {
        expect_length("feature types", types.len(), self.columns)?;
        self.matrix
            .set_texts(c"feature_type", types.iter().map(|kind| kind.code()))?;
        self.feature_types = types.to_vec();
        Ok(())
    }

    /// Returns the number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of columns.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Returns the names of the columns, or an empty slice if they are not set.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// Returns the types of the columns, or an empty slice if they are not set.
    #[must_use]
    pub fn feature_types(&self) -> &[FeatureType] {
        &self.feature_types
    }

    pub(crate) fn handle(&self) -> Handle {
        self.matrix.0
    }

    fn new(matrix: Matrix, rows: usize, columns: usize) -> Self {
        Self {
            matrix,
            rows,
            columns,
            feature_names: Vec::new(),
            feature_types: Vec::new(),
        }
    }
}

impl Default for QuantileOptions<'_> {
    fn default() -> Self {
        Self {
            labels: None,
            weights: None,
            feature_types: &[],
            reference: None,
            max_bin: 256,
        }
    }
}

impl FeatureType {
    /// Returns the name of the type in XGBoost.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Integer => "int",
            Self::Indicator => "i",
            Self::Categorical => "c",
        }
    }
}

/// Owns a matrix or a proxy of one.
#[derive(Debug)]
struct Matrix(Handle);

// SAFETY: XGBoost's matrices are not bound to a thread. They are not `Sync`: reading a matrix
// builds and caches other layouts of the data.
unsafe impl Send for Matrix {}

impl Matrix {
    fn proxy() -> Result<Self> {
        let mut handle = ptr::null_mut();
        // SAFETY: the handle is valid for a write.
        call("create a proxy matrix", || unsafe {
            ffi::XGProxyDMatrixCreate(&mut handle)
        })?;
        Ok(Self(handle))
    }

    fn set_values(&mut self, field: &CStr, values: &[f32]) -> Result<()> {
        let array = array_interface(values, &[values.len()])?;
        // SAFETY: the handle is a matrix; `array` describes `values`, which outlive the call, and
        // the function copies them; both texts end with NUL.
        call("set the labels or weights of a matrix", || unsafe {
            ffi::XGDMatrixSetInfoFromInterface(self.0, field.as_ptr(), array.as_ptr())
        })
    }

    fn set_texts<'a>(
        &mut self,
        field: &CStr,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let owned = c_strings("feature name", texts)?;
        let mut texts = pointers(&owned);
        // SAFETY: the handle is a matrix; the texts end with NUL, match their count and outlive the
        // call, and the function copies them.
        call("set the feature names or types", || unsafe {
            ffi::XGDMatrixSetStrFeatureInfo(
                self.0,
                field.as_ptr(),
                texts.as_mut_ptr(),
                texts.len() as u64,
            )
        })
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        // SAFETY: the handle is owned and not used afterwards.
        let freed = call("free a matrix", || unsafe { ffi::XGDMatrixFree(self.0) });
        if let Err(error) = freed {
            tracing::warn!(%error, "cannot free a matrix; its memory is leaked");
        }
    }
}

/// All rows as the single batch of XGBoost's iterator.
struct Batch<'a> {
    rows: &'a [f32],
    shape: [usize; 2],
    options: QuantileOptions<'a>,
    proxy: Matrix,
    /// `true` if the batch has not been provided in this pass, or the error that prevented it.
    state: Result<bool>,
}

impl Batch<'_> {
    fn provide(&mut self) -> Result<()> {
        let [row_count, columns] = self.shape;
        let array = array_interface(self.rows, &self.shape)?;
        let proxy = self.proxy.0;
        // SAFETY: the handle is a proxy; `array` describes the rows, whose borrow outlives the
        // iteration; the text ends with NUL.
        call("pass rows to XGBoost", || unsafe {
            ffi::XGProxyDMatrixSetDataDense(proxy, array.as_ptr())
        })?;
        if let Some(labels) = self.options.labels {
            expect_length("labels", labels.len(), row_count)?;
            self.proxy.set_values(c"label", labels)?;
        }
        if let Some(weights) = self.options.weights {
            expect_length("weights", weights.len(), row_count)?;
            self.proxy.set_values(c"weight", weights)?;
        }
        let types = self.options.feature_types;
        if !types.is_empty() {
            expect_length("feature types", types.len(), columns)?;
            self.proxy
                .set_texts(c"feature_type", types.iter().map(|kind| kind.code()))?;
        }
        Ok(())
    }
}

extern "C" fn rewind(iterator: *mut c_void) {
    // SAFETY: `DMatrix::quantile` passes its batch, which outlives the iteration.
    let batch = unsafe { &mut *iterator.cast::<Batch<'_>>() };
    if batch.state.is_ok() {
        batch.state = Ok(true);
    }
}

/// Returns 1 if the proxy has received a batch, or 0 at the end and after an error.
extern "C" fn next(iterator: *mut c_void) -> c_int {
    // SAFETY: `DMatrix::quantile` passes its batch, which outlives the iteration.
    let batch = unsafe { &mut *iterator.cast::<Batch<'_>>() };
    if !matches!(batch.state, Ok(true)) {
        return 0;
    }
    batch.state = batch.provide().map(|()| false);
    c_int::from(batch.state.is_ok())
}

fn at_least_one_row(rows: &[f32], columns: usize) -> Result<usize> {
    match count_rows("rows", rows, columns)? {
        0 => Err(Error::Shape {
            data: "rows",
            problem: "expected at least one row".to_owned(),
        }),
        count => Ok(count),
    }
}

fn expect_length(data: &'static str, length: usize, expected: usize) -> Result<()> {
    if length == expected {
        return Ok(());
    }
    Err(Error::Shape {
        data,
        problem: format!("expected {expected}, found {length}"),
    })
}
