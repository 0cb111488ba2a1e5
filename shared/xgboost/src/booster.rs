//! The boosted model: an ensemble of trees that grows by rounds.

use std::{
    ffi::{CStr, c_int},
    ops::Range,
    ptr, slice,
};

use serde_json::Value;

use crate::{
    call::{c_string, c_strings, call, pointers},
    error::{Error, Result},
    ffi::{self, Handle},
    matrix::DMatrix,
    score::{self, Score},
    threads::available_threads,
    ubjson,
};

const LINEAR: &str = "gblinear";

/// A boosted model.
///
/// Methods with `&self` may be called from several threads concurrently. The crate documentation
/// explains why this is safe.
#[derive(Debug)]
pub struct Booster {
    handle: Handle,
}

// SAFETY: XGBoost's boosters are not bound to a thread. Their data per thread are scratch space.
unsafe impl Send for Booster {}

// SAFETY: methods with `&self` predict or read. XGBoost guarantees concurrent predictions for tree
// models (doc/prediction.rst, "Thread Safety"), and this crate rejects linear models. Both may
// trigger the lazy configuration, which runs once, under a lock of XGBoost. Results are stored per
// thread until they are copied. Training and settings take `&mut self`.
unsafe impl Sync for Booster {}

impl Booster {
    /// Creates an untrained booster, with parameters as in XGBoost's documentation.
    ///
    /// `cache` lists the matrices for training and evaluation. The booster takes the number of
    /// features from them and caches their predictions between rounds, but it does not keep the
    /// matrices alive. The next call logs a warning for an unknown parameter, unless
    /// `validate_parameters` is `false`. `nthread` is [`available_threads`] by default.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Booster::set_param`].
    pub fn new(params: &[(&str, &str)], cache: &[&DMatrix]) -> Result<Self> {
        let matrices: Vec<Handle> = cache.iter().map(|matrix| matrix.handle()).collect();
        let mut handle = ptr::null_mut();
        // SAFETY: the handles are matrices and match their count; the handle is valid for a write.
        call("create a booster", || unsafe {
            ffi::XGBoosterCreate(matrices.as_ptr(), matrices.len() as u64, &mut handle)
        })?;
        let mut booster = Self { handle };
        booster.set_param("validate_parameters", "true")?;
        booster.set_param("nthread", &available_threads().to_string())?;
        booster.set_params(params)?;
        Ok(booster)
    }

    /// Loads a model written by [`Booster::save_ubj`], [`Booster::save_json`] or any XGBoost since
    /// 1.6.
    ///
    /// A model contains neither training parameters, for example `eta`, nor `nthread`.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Model`] if the bytes are truncated or not a JSON or UBJSON document,
    /// [`Error::Xgboost`] if the document is not a model, or [`Error::Unsupported`] for a linear
    /// model.
    ///
    /// # Trust
    ///
    /// XGBoost does not validate the trees of a model. Bytes altered within a well-formed document
    /// may load and crash the process, now or in a prediction. Verify a checksum before loading.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        ubjson::check_model(bytes)?;
        let booster = Self::new(&[], &[])?;
        // SAFETY: the handle is a booster; the length is that of the bytes, which were checked to
        // be a complete document, and XGBoost does not read beyond its end.
        call("load a model", || unsafe {
            ffi::XGBoosterLoadModelFromBuffer(
                booster.handle,
                bytes.as_ptr().cast(),
                bytes.len() as u64,
            )
        })?;
        booster.reject_linear()?;
        Ok(booster)
    }

    /// Serializes the model as UBJSON, the compact format.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] if the booster has not been trained.
    pub fn save_ubj(&self) -> Result<Vec<u8>> {
        self.save(c"{\"format\":\"ubj\"}")
    }

    /// Serializes the model as JSON, the readable format.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] if the booster has not been trained.
    pub fn save_json(&self) -> Result<String> {
        let during = "save a model as JSON";
        String::from_utf8(self.save(c"{\"format\":\"json\"}")?).map_err(|error| Error::Answer {
            during,
            answer: error.utf8_error().to_string(),
        })
    }

    /// Sets a parameter for subsequent calls.
    ///
    /// For predictions of a few rows, set `nthread` to 1: starting threads takes longer than
    /// predicting. Call [`Booster::rounds`] before setting `process_type` to `update`: afterwards
    /// it returns the number of updated trees.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Text`] for a NUL byte, or [`Error::Unsupported`] for `booster=gblinear`.
    /// The next call that uses an invalid value reports it.
    pub fn set_param(&mut self, name: &str, value: &str) -> Result<()> {
        if (name, value) == ("booster", LINEAR) {
            return Err(linear("set booster=gblinear"));
        }
        let name = c_string("parameter name", name)?;
        let value = c_string("parameter value", value)?;
        // SAFETY: the handle is a booster; the texts end with NUL and are copied.
        call("set a parameter", || unsafe {
            ffi::XGBoosterSetParam(self.handle, name.as_ptr(), value.as_ptr())
        })
    }

    /// Boosts one round: adds a tree, or one tree per class.
    ///
    /// `round` counts from 0 over all trainings of the booster. Ranking objectives use it.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] if parameters or data are invalid.
    pub fn update(&mut self, round: u32, data: &DMatrix) -> Result<()> {
        let round = c_number("train one round", round)?;
        // SAFETY: the handles are a booster and a matrix.
        call("train one round", || unsafe {
            ffi::XGBoosterUpdateOneIter(self.handle, round, data.handle())
        })
    }

    /// Scores the model on named data sets by the metrics of the parameter `eval_metric`.
    ///
    /// The scores are in the order of the data sets, then in the order of the metrics.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] if parameters or data are invalid.
    pub fn eval(&mut self, round: u32, sets: &[(&str, &DMatrix)]) -> Result<Vec<Score>> {
        let round = c_number("evaluate a model", round)?;
        let mut matrices: Vec<Handle> = sets.iter().map(|(_, data)| data.handle()).collect();
        let owned = c_strings("data set name", sets.iter().map(|(name, _)| *name))?;
        let mut names = pointers(&owned);
        let mut text = ptr::null();
        // SAFETY: the handles are a booster and matrices, one per name; the names end with NUL; the
        // text's pointer is valid for a write.
        call("evaluate a model", || unsafe {
            ffi::XGBoosterEvalOneIter(
                self.handle,
                round,
                matrices.as_mut_ptr(),
                names.as_mut_ptr(),
                matrices.len() as u64,
                &mut text,
            )
        })?;
        // SAFETY: on success this is the thread's own text, valid until the thread's next call.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        score::parse(&text, sets.iter().map(|(name, _)| *name))
    }

    /// Returns the number of boosted rounds.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] if a parameter is invalid or the number of features is unknown.
    pub fn rounds(&self) -> Result<u32> {
        let mut rounds: c_int = 0;
        // SAFETY: the handle is a booster; the number is valid for a write.
        call("count the rounds of a booster", || unsafe {
            ffi::XGBoosterBoostedRounds(self.handle, &mut rounds)
        })?;
        Ok(rounds.unsigned_abs())
    }

    /// Returns the number of features, which is the number of columns required for a prediction.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] if the number is unknown.
    pub fn features(&self) -> Result<usize> {
        let mut features = 0;
        // SAFETY: the handle is a booster; the number is valid for a write.
        call("count the features of a booster", || unsafe {
            ffi::XGBoosterGetNumFeature(self.handle, &mut features)
        })?;
        Ok(features as usize)
    }

    /// Copies a range of rounds, with parameters, attributes and names, into a new booster.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Rounds`] if the range is empty or exceeds the last round.
    pub fn slice(&self, rounds: Range<u32>) -> Result<Self> {
        let available = self.rounds()?;
        let out_of_bounds = Error::Rounds {
            begin: rounds.start,
            end: rounds.end,
            rounds: available,
        };
        if rounds.is_empty() || rounds.end > available {
            return Err(out_of_bounds);
        }
        let begin = c_number("slice a booster", rounds.start)?;
        let end = c_number("slice a booster", rounds.end)?;
        let mut handle = ptr::null_mut();
        let mut code = 0;
        // SAFETY: the handle is a booster; the new one is valid for a write.
        let sliced = call("slice a booster", || unsafe {
            code = ffi::XGBoosterSlice(self.handle, begin, end, 1, &mut handle);
            code
        });
        // XGBoost reports an invalid range by this code, without a message.
        if code == -2 {
            return Err(out_of_bounds);
        }
        sliced.map(|()| Self { handle })
    }

    /// Returns the device that the booster trains on, `cpu` or `cuda:0`. XGBoost falls back to the
    /// CPU if it finds no GPU.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`] for inconsistent parameters, or for a booster without data.
    pub fn device(&self) -> Result<String> {
        let during = "read the device of a booster";
        let device = &self.config(during)?["learner"]["generic_param"]["device"];
        device
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| Error::Answer {
                during,
                answer: device.to_string(),
            })
    }

    pub(crate) fn handle(&self) -> Handle {
        self.handle
    }

    pub(crate) fn set_params(&mut self, params: &[(&str, &str)]) -> Result<()> {
        params
            .iter()
            .try_for_each(|(name, value)| self.set_param(name, value))
    }

    /// Returns an error for a linear model. Reading the configuration also detects inconsistent
    /// models.
    fn reject_linear(&self) -> Result<()> {
        let during = "load a model";
        match self.config(during)?["learner"]["gradient_booster"]["name"] == LINEAR {
            true => Err(linear(during)),
            false => Ok(()),
        }
    }

    /// Returns the configuration that XGBoost derives from the parameters.
    fn config(&self, during: &'static str) -> Result<Value> {
        let mut length = 0;
        let mut json = ptr::null();
        // SAFETY: the handle is a booster; the other pointers are valid for writes.
        call(during, || unsafe {
            ffi::XGBoosterSaveJsonConfig(self.handle, &mut length, &mut json)
        })?;
        // SAFETY: on success this is the thread's own text, valid until the thread's next call.
        let text = unsafe { CStr::from_ptr(json) }.to_string_lossy();
        serde_json::from_str(&text).map_err(|_| Error::Answer {
            during,
            answer: text.into_owned(),
        })
    }

    fn save(&self, config: &CStr) -> Result<Vec<u8>> {
        let mut length = 0;
        let mut bytes = ptr::null();
        // SAFETY: the handle is a booster; the text ends with NUL; the other pointers are valid for
        // writes.
        call("save a model", || unsafe {
            ffi::XGBoosterSaveModelToBuffer(self.handle, config.as_ptr(), &mut length, &mut bytes)
        })?;
        // SAFETY: on success this is the thread's own buffer of that length, never empty and valid
        // until the thread's next call.
        Ok(unsafe { slice::from_raw_parts(bytes.cast(), length as usize) }.to_vec())
    }
}

impl Drop for Booster {
    fn drop(&mut self) {
        // SAFETY: the handle is owned and not used afterwards.
        let freed = call("free a booster", || unsafe {
            ffi::XGBoosterFree(self.handle)
        });
        if let Err(error) = freed {
            tracing::warn!(%error, "cannot free a booster; its memory is leaked");
        }
    }
}

fn linear(during: &'static str) -> Error {
    let reason = "linear boosters are deprecated in XGBoost and not thread-safe";
    Error::Unsupported { during, reason }
}

fn c_number(during: &'static str, round: u32) -> Result<c_int> {
    let reason = "the round number exceeds the range of XGBoost";
    c_int::try_from(round).map_err(|_| Error::Unsupported { during, reason })
}
