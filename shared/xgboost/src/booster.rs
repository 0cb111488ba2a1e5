//! The model: an ensemble of trees that grows by rounds.

use std::ffi::{CStr, c_int};
use std::ops::Range;
use std::{ptr, slice};

use serde_json::Value;

use crate::call::{c_string, c_strings, call, pointers};
use crate::error::{Error, Result};
use crate::ffi::{self, Handle};
use crate::matrix::DMatrix;
use crate::score::{self, Score};
use crate::ubjson;

const LINEAR: &str = "gblinear";

/// A boosted model.
///
/// Everything that takes `&self` may be called from several threads at once; the crate's
/// documentation says on what this rests.
#[derive(Debug)]
pub struct Booster {
    handle: Handle,
}

// SAFETY: XGBoost's boosters are bound to no thread: what they keep per thread is scratch space.
unsafe impl Send for Booster {}

// SAFETY: what takes `&self` predicts or reads. XGBoost promises that predictions may run
// concurrently for tree models (doc/prediction.rst, "Thread Safety"), and linear ones are refused.
// The lazy configuration that either may trigger runs once, under a lock of XGBoost's own. Results
// are kept per thread until they are copied. Training and settings take `&mut self`.
unsafe impl Sync for Booster {}

impl Booster {
    /// Makes an untrained booster, with parameters as in XGBoost's documentation.
    ///
    /// `cache` names the matrices it will be trained on and evaluated with; it learns the number
    /// of features from them and keeps their predictions between rounds, but not the matrices
    /// themselves. A parameter that XGBoost does not know is reported as a warning with the next
    /// call, unless `validate_parameters` is `false`.
    ///
    /// # Errors
    ///
    /// As [`Booster::set_param`].
    pub fn new(params: &[(&str, &str)], cache: &[&DMatrix]) -> Result<Self> {
        let matrices: Vec<Handle> = cache.iter().map(|matrix| matrix.handle()).collect();
        let mut handle = ptr::null_mut();
        // SAFETY: the handles are matrices, as many as said; the handle is valid for a write.
        call("make a booster", || unsafe {
            ffi::XGBoosterCreate(matrices.as_ptr(), matrices.len() as u64, &mut handle)
        })?;
        let mut booster = Self { handle };
        booster.set_param("validate_parameters", "true")?;
        booster.set_params(params)?;
        Ok(booster)
    }

    /// Reads a model that [`Booster::save_ubj`] or [`Booster::save_json`], or any XGBoost since
    /// 1.6, has written.
    ///
    /// A model does not hold training parameters such as `eta`, nor `nthread`.
    ///
    /// # Errors
    ///
    /// [`Error::Model`] if the bytes are cut off or no such document; [`Error::Xgboost`] if the
    /// document is no model; [`Error::Unsupported`] for a linear one.
    ///
    /// # Trust
    ///
    /// XGBoost does not check that a model's trees are trees. Bytes that were altered inside a
    /// well-formed document may load, and crash the process here or in a prediction: compare a
    /// checksum first.
    pub fn load(bytes: &[u8]) -> Result<Self> {
        ubjson::check_model(bytes)?;
        let booster = Self::new(&[], &[])?;
        // SAFETY: the handle is a booster; the bytes are as many as said, and were found to be a
        // whole document, past whose end XGBoost does not read.
        call("load a model", || unsafe {
            ffi::XGBoosterLoadModelFromBuffer(
                booster.handle,
                bytes.as_ptr().cast(),
                bytes.len() as u64,
            )
        })?;
        booster.refuse_linear()?;
        Ok(booster)
    }

    /// Writes the model as UBJSON, the compact form.
    ///
    /// # Errors
    ///
    /// [`Error::Xgboost`] if the booster was never trained.
    pub fn save_ubj(&self) -> Result<Vec<u8>> {
        self.save(c"{\"format\":\"ubj\"}")
    }

    /// Writes the model as JSON, the readable form.
    ///
    /// # Errors
    ///
    /// [`Error::Xgboost`] if the booster was never trained.
    pub fn save_json(&self) -> Result<String> {
        let during = "save a model as JSON";
        String::from_utf8(self.save(c"{\"format\":\"json\"}")?).map_err(|error| Error::Answer {
            during,
            answer: error.utf8_error().to_string(),
        })
    }

    /// Sets a parameter, for what follows.
    ///
    /// For a few rows at a time `nthread` is best 1: starting threads takes longer than
    /// predicting. Before `process_type` becomes `update`, ask for [`Booster::rounds`]: afterwards
    /// it counts the trees that were updated.
    ///
    /// # Errors
    ///
    /// [`Error::Text`] for a NUL byte, [`Error::Unsupported`] for `booster=gblinear`. A bad value
    /// is found by the next call that needs it.
    pub fn set_param(&mut self, name: &str, value: &str) -> Result<()> {
        if (name, value) == ("booster", LINEAR) {
            return Err(linear("set booster=gblinear"));
        }
        let name = c_string("parameter's name", name)?;
        let value = c_string("parameter's value", value)?;
        // SAFETY: the handle is a booster; the texts end with NUL and are copied.
        call("set a parameter", || unsafe {
            ffi::XGBoosterSetParam(self.handle, name.as_ptr(), value.as_ptr())
        })
    }

    /// Boosts one round: adds a tree, or one per class.
    ///
    /// `round` counts from 0 over the booster's whole life; ranking objectives use it.
    ///
    /// # Errors
    ///
    /// [`Error::Xgboost`] if parameters or data do not fit.
    pub fn update(&mut self, round: u32, data: &DMatrix) -> Result<()> {
        let round = c_number("train one round", round)?;
        // SAFETY: the handles are a booster and a matrix.
        call("train one round", || unsafe {
            ffi::XGBoosterUpdateOneIter(self.handle, round, data.handle())
        })
    }

    /// Scores the model on named data sets, by the metrics of the parameter `eval_metric`.
    ///
    /// Data sets come in the given order, and the metrics of each in the order they were set.
    ///
    /// # Errors
    ///
    /// [`Error::Xgboost`] if parameters or data do not fit.
    pub fn eval(&mut self, round: u32, sets: &[(&str, &DMatrix)]) -> Result<Vec<Score>> {
        let round = c_number("evaluate a model", round)?;
        let mut matrices: Vec<Handle> = sets.iter().map(|(_, data)| data.handle()).collect();
        let owned = c_strings("data set's name", sets.iter().map(|(name, _)| *name))?;
        let mut names = pointers(&owned);
        let mut text = ptr::null();
        // SAFETY: the handles are a booster and matrices, as many as the names, which end with
        // NUL; the text's pointer is valid for a write.
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
        // SAFETY: on success it is the thread's own text, valid until the thread's next call.
        let text = unsafe { CStr::from_ptr(text) }.to_string_lossy();
        score::parse(&text, sets.iter().map(|(name, _)| *name))
    }

    /// Returns the number of rounds boosted so far.
    ///
    /// # Errors
    ///
    /// [`Error::Xgboost`] if the parameters are wrong, or the number of features is not known.
    pub fn rounds(&self) -> Result<u32> {
        let mut rounds: c_int = 0;
        // SAFETY: the handle is a booster; the number is valid for a write.
        call("count the rounds of a booster", || unsafe {
            ffi::XGBoosterBoostedRounds(self.handle, &mut rounds)
        })?;
        Ok(rounds.unsigned_abs())
    }

    /// Returns the number of features, which is that of the columns to predict from.
    ///
    /// # Errors
    ///
    /// [`Error::Xgboost`] if it is not known yet.
    pub fn features(&self) -> Result<usize> {
        let mut features = 0;
        // SAFETY: the handle is a booster; the number is valid for a write.
        call("count the features of a booster", || unsafe {
            ffi::XGBoosterGetNumFeature(self.handle, &mut features)
        })?;
        Ok(features as usize)
    }

    /// Copies some of the rounds, with parameters, attributes and names, into a new booster.
    ///
    /// # Errors
    ///
    /// [`Error::Rounds`] if the range is empty or goes beyond the last round.
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
        // Out of bounds has a code of its own, and no message.
        if code == -2 {
            return Err(out_of_bounds);
        }
        sliced.map(|()| Self { handle })
    }

    /// Returns where the booster trains, `cpu` or `cuda:0`. XGBoost falls back to the processor where it finds no card.
    ///
    /// # Errors
    ///
    /// [`Error::Xgboost`] for parameters that do not fit together, and for a booster that has seen no data.
    pub fn device(&self) -> Result<String> {
        let during = "ask where a model is trained";
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

    /// Also configures the booster, so that what does not fit together in a model is found.
    fn refuse_linear(&self) -> Result<()> {
        let during = "load a model";
        match self.config(during)?["learner"]["gradient_booster"]["name"] == LINEAR {
            true => Err(linear(during)),
            false => Ok(()),
        }
    }

    /// Returns what XGBoost has made of the parameters.
    fn config(&self, during: &'static str) -> Result<Value> {
        let mut length = 0;
        let mut json = ptr::null();
        // SAFETY: the handle is a booster; the others are valid for writes.
        call(during, || unsafe {
            ffi::XGBoosterSaveJsonConfig(self.handle, &mut length, &mut json)
        })?;
        // SAFETY: on success it is the thread's own text, valid until the thread's next call.
        let text = unsafe { CStr::from_ptr(json) }.to_string_lossy();
        serde_json::from_str(&text).map_err(|_| Error::Answer {
            during,
            answer: text.into_owned(),
        })
    }

    fn save(&self, config: &CStr) -> Result<Vec<u8>> {
        let mut length = 0;
        let mut bytes = ptr::null();
        // SAFETY: the handle is a booster; the text ends with NUL; the others are valid for writes.
        call("save a model", || unsafe {
            ffi::XGBoosterSaveModelToBuffer(self.handle, config.as_ptr(), &mut length, &mut bytes)
        })?;
        // SAFETY: on success it is the thread's own buffer of that length, valid until the
        // thread's next call, and never empty.
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
            tracing::warn!(%error, "a booster leaks");
        }
    }
}

fn linear(during: &'static str) -> Error {
    let reason = "XGBoost is about to drop linear boosters, and they are not safe to share";
    Error::Unsupported { during, reason }
}

fn c_number(during: &'static str, round: u32) -> Result<c_int> {
    let reason = "there are more rounds than XGBoost can count";
    c_int::try_from(round).map_err(|_| Error::Unsupported { during, reason })
}
