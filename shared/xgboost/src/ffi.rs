//! The part of XGBoost 3.4.1's C API (`xgboost/c_api.h`) that this crate calls.
//!
//! Every function returns 0 on success and -1 on failure; `XGBGetLastError` then returns the
//! thread's message. `XGBoosterSlice` alone also returns -2. Input texts are NUL-terminated UTF-8.
//! Settings and arrays are JSON. Output behind a pointer belongs to XGBoost, is stored per thread,
//! and is valid until the thread's next call with the same handle.

use std::ffi::{c_char, c_int, c_void};

/// A `DMatrixHandle` or `BoosterHandle`.
pub(crate) type Handle = *mut c_void;

pub(crate) type LogCallback = extern "C" fn(*const c_char);
pub(crate) type ResetCallback = extern "C" fn(*mut c_void);
pub(crate) type NextCallback = extern "C" fn(*mut c_void) -> c_int;

unsafe extern "C" {
    pub(crate) fn XGBoostVersion(major: *mut c_int, minor: *mut c_int, patch: *mut c_int);
    pub(crate) fn XGBuildInfo(json: *mut *const c_char) -> c_int;
    pub(crate) fn XGBGetLastError() -> *const c_char;
    pub(crate) fn XGBRegisterLogCallback(callback: LogCallback) -> c_int;

    pub(crate) fn XGDMatrixCreateFromDense(
        array: *const c_char,
        config: *const c_char,
        matrix: *mut Handle,
    ) -> c_int;
    pub(crate) fn XGProxyDMatrixCreate(proxy: *mut Handle) -> c_int;
    pub(crate) fn XGProxyDMatrixSetDataDense(proxy: Handle, array: *const c_char) -> c_int;
    pub(crate) fn XGQuantileDMatrixCreateFromCallback(
        iterator: *mut c_void,
        proxy: Handle,
        reference: Handle,
        reset: ResetCallback,
        next: NextCallback,
        config: *const c_char,
        matrix: *mut Handle,
    ) -> c_int;
    pub(crate) fn XGDMatrixSetInfoFromInterface(
        matrix: Handle,
        field: *const c_char,
        array: *const c_char,
    ) -> c_int;
    pub(crate) fn XGDMatrixSetStrFeatureInfo(
        matrix: Handle,
        field: *const c_char,
        texts: *mut *const c_char,
        count: u64,
    ) -> c_int;
    pub(crate) fn XGDMatrixFree(matrix: Handle) -> c_int;

    pub(crate) fn XGBoosterCreate(
        matrices: *const Handle,
        count: u64,
        booster: *mut Handle,
    ) -> c_int;
    pub(crate) fn XGBoosterFree(booster: Handle) -> c_int;
    pub(crate) fn XGBoosterSetParam(
        booster: Handle,
        name: *const c_char,
        value: *const c_char,
    ) -> c_int;
    pub(crate) fn XGBoosterGetNumFeature(booster: Handle, count: *mut u64) -> c_int;
    pub(crate) fn XGBoosterBoostedRounds(booster: Handle, rounds: *mut c_int) -> c_int;
    pub(crate) fn XGBoosterUpdateOneIter(booster: Handle, round: c_int, matrix: Handle) -> c_int;
    pub(crate) fn XGBoosterEvalOneIter(
        booster: Handle,
        round: c_int,
        matrices: *mut Handle,
        names: *mut *const c_char,
        count: u64,
        text: *mut *const c_char,
    ) -> c_int;
    pub(crate) fn XGBoosterSlice(
        booster: Handle,
        begin: c_int,
        end: c_int,
        step: c_int,
        slice: *mut Handle,
    ) -> c_int;
    pub(crate) fn XGBoosterFeatureScore(
        booster: Handle,
        config: *const c_char,
        count: *mut u64,
        features: *mut *const *const c_char,
        dimensions: *mut u64,
        shape: *mut *const u64,
        scores: *mut *const f32,
    ) -> c_int;
    pub(crate) fn XGBoosterPredictFromDMatrix(
        booster: Handle,
        matrix: Handle,
        config: *const c_char,
        shape: *mut *const u64,
        dimensions: *mut u64,
        values: *mut *const f32,
    ) -> c_int;
    pub(crate) fn XGBoosterPredictFromDense(
        booster: Handle,
        array: *const c_char,
        config: *const c_char,
        proxy: Handle,
        shape: *mut *const u64,
        dimensions: *mut u64,
        values: *mut *const f32,
    ) -> c_int;
    pub(crate) fn XGBoosterSaveModelToBuffer(
        booster: Handle,
        config: *const c_char,
        length: *mut u64,
        bytes: *mut *const c_char,
    ) -> c_int;
    pub(crate) fn XGBoosterLoadModelFromBuffer(
        booster: Handle,
        bytes: *const c_void,
        length: u64,
    ) -> c_int;
    pub(crate) fn XGBoosterSaveJsonConfig(
        booster: Handle,
        length: *mut u64,
        json: *mut *const c_char,
    ) -> c_int;
    pub(crate) fn XGBoosterGetAttr(
        booster: Handle,
        name: *const c_char,
        value: *mut *const c_char,
        found: *mut c_int,
    ) -> c_int;
    pub(crate) fn XGBoosterSetAttr(
        booster: Handle,
        name: *const c_char,
        value: *const c_char,
    ) -> c_int;
    pub(crate) fn XGBoosterGetAttrNames(
        booster: Handle,
        count: *mut u64,
        names: *mut *mut *const c_char,
    ) -> c_int;
    pub(crate) fn XGBoosterSetStrFeatureInfo(
        booster: Handle,
        field: *const c_char,
        texts: *mut *const c_char,
        count: u64,
    ) -> c_int;
    pub(crate) fn XGBoosterGetStrFeatureInfo(
        booster: Handle,
        field: *const c_char,
        count: *mut u64,
        texts: *mut *mut *const c_char,
    ) -> c_int;
}
