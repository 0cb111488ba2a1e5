//! Data for training and evaluation.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;

use crate::call::{array_interface, c_string, c_strings, call, count_rows, pointers};
use crate::error::{Error, Result};
use crate::ffi::{self, Handle};

/// Rows of features with their labels, as XGBoost stores them.
///
/// The data is copied: the slices it is made from may go. NaN means missing, 0.0 is a value like
/// any other.
#[derive(Debug)]
pub struct DMatrix {
    matrix: Matrix,
    rows: usize,
    columns: usize,
    feature_names: Vec<String>,
    feature_types: Vec<FeatureType>,
}

/// What goes into a quantile matrix beside the rows.
#[derive(Clone, Copy, Debug)]
pub struct QuantileOptions<'a> {
    /// What is to be learnt, one per row. May also be set later.
    pub labels: Option<&'a [f32]>,
    /// How much a row counts, one per row. Weighs in the quantiles, unlike weights set later.
    pub weights: Option<&'a [f32]>,
    /// How columns are understood. By default all are [`FeatureType::Float`].
    pub feature_types: &'a [FeatureType],
    /// The training matrix whose bins are used. An evaluation set needs it: with bins of its own
    /// it would be scored wrongly.
    pub reference: Option<&'a DMatrix>,
    /// The most bins per column, 256 by default. Must equal that of the reference, and the training
    /// parameter `max_bin`.
    pub max_bin: u32,
}

/// How XGBoost understands a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeatureType {
    /// A quantity.
    Float,
    /// A whole number; treated as a quantity.
    Integer,
    /// A yes or no; treated as a quantity.
    Indicator,
    /// A category, as its code: a whole number from 0.
    Categorical,
}

impl DMatrix {
    /// Makes a matrix of rows that lie one after another, each with `columns` values.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] if there is no row or the last one is not whole; [`Error::Xgboost`] if a
    /// value is infinite.
    pub fn dense(rows: &[f32], columns: usize) -> Result<Self> {
        let row_count = at_least_one_row(rows, columns)?;
        let array = array_interface(rows, &[row_count, columns])?;
        let mut handle = ptr::null_mut();
        // SAFETY: `array` describes `rows`, which live until the function has copied them; both
        // texts end with NUL; the handle is valid for a write.
        call("make a matrix", || unsafe {
            ffi::XGDMatrixCreateFromDense(
                array.as_ptr(),
                c"{\"missing\":NaN,\"nthread\":0}".as_ptr(),
                &mut handle,
            )
        })?;
        Ok(Self::new(Matrix(handle), row_count, columns))
    }

    /// Makes a matrix that keeps only each value's bin: what `tree_method=hist` needs, in a
    /// quarter of the memory, without an intermediate copy. It cannot be used by other methods.
    ///
    /// # Errors
    ///
    /// As [`DMatrix::dense`]; also [`Error::Shape`] if labels, weights or types have another
    /// length.
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
            r#"{{"missing":NaN,"nthread":0,"max_bin":{}}}"#,
            options.max_bin
        );
        let config = c_string("configuration", &config)?;
        let reference = options.reference.map_or(ptr::null_mut(), DMatrix::handle);
        let proxy = batch.proxy.0;
        let mut handle = ptr::null_mut();
        // SAFETY: the callbacks are given `batch`, which outlives the call and is used by nobody
        // else meanwhile; the proxy is a proxy and the reference, if any, a matrix; the text ends
        // with NUL; the handle is valid for a write.
        let made = call("make a quantile matrix", || unsafe {
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
        let matrix = made.map(|()| Matrix(handle));
        // A failure to provide the data explains the failure that follows from it.
        batch.state?;
        let mut quantile = Self::new(matrix?, row_count, columns);
        quantile.feature_types = options.feature_types.to_vec();
        Ok(quantile)
    }

    /// Sets what is to be learnt, one value per row.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of values; [`Error::Xgboost`] if one is NaN or infinite.
    pub fn set_labels(&mut self, labels: &[f32]) -> Result<()> {
        expect_length("labels", labels.len(), self.rows)?;
        self.matrix.set_values(c"label", labels)
    }

    /// Sets how much each row counts.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for another number of values; [`Error::Xgboost`] if one is negative, NaN
    /// or infinite.
    pub fn set_weights(&mut self, weights: &[f32]) -> Result<()> {
        expect_length("weights", weights.len(), self.rows)?;
        self.matrix.set_values(c"weight", weights)
    }

    /// Names the columns.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless there is one name per column.
    pub fn set_feature_names(&mut self, names: &[&str]) -> Result<()> {
        expect_length("feature names", names.len(), self.columns)?;
        self.matrix
            .set_texts(c"feature_name", names.iter().copied())?;
        self.feature_names = names.iter().map(|name| (*name).to_owned()).collect();
        Ok(())
    }

    /// Says how columns are to be understood. For a quantile matrix this comes too late: see
    /// [`QuantileOptions::feature_types`].
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] unless there is one type per column.
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

    /// Returns the names of the columns, none if they were not set.
    #[must_use]
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// Returns how columns are understood, nothing if it was not said.
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
    /// XGBoost's own word for it.
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

// SAFETY: XGBoost's matrices are bound to no thread. They are not `Sync`: reading one builds and
// keeps other layouts of the data.
unsafe impl Send for Matrix {}

impl Matrix {
    fn proxy() -> Result<Self> {
        let mut handle = ptr::null_mut();
        // SAFETY: the handle is valid for a write.
        call("make a proxy matrix", || unsafe {
            ffi::XGProxyDMatrixCreate(&mut handle)
        })?;
        Ok(Self(handle))
    }

    fn set_values(&mut self, field: &CStr, values: &[f32]) -> Result<()> {
        let array = array_interface(values, &[values.len()])?;
        // SAFETY: the handle is a matrix; `array` describes `values`, which live until the
        // function has copied them; both texts end with NUL.
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
        // SAFETY: the handle is a matrix; the texts end with NUL, are as many as said and live
        // until the function has copied them.
        call("set the names or types of features", || unsafe {
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
            tracing::warn!(%error, "a matrix leaks");
        }
    }
}

/// The whole data as the one batch that XGBoost's iterator yields.
struct Batch<'a> {
    rows: &'a [f32],
    shape: [usize; 2],
    options: QuantileOptions<'a>,
    proxy: Matrix,
    /// Whether the batch is still to come in this pass, or why it could not be provided.
    state: Result<bool>,
}

impl Batch<'_> {
    fn provide(&mut self) -> Result<()> {
        let [row_count, columns] = self.shape;
        let array = array_interface(self.rows, &self.shape)?;
        let proxy = self.proxy.0;
        // SAFETY: the handle is a proxy; `array` describes the rows, which are borrowed for
        // longer than the iteration; the text ends with NUL.
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

/// Returns 1 if the proxy was given a batch, 0 at the end or after a failure.
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
            problem: "there are none".to_owned(),
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
        problem: format!("{length} were given, {expected} are needed"),
    })
}
