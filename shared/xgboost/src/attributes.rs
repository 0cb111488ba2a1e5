//! The attributes and feature names that a model stores.

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, c_char, c_int},
    ptr, slice,
};

use crate::{
    booster::Booster,
    call::{c_string, c_strings, call, pointers},
    error::Result,
    ffi,
    matrix::FeatureType,
};

impl Booster {
    /// Returns the value of an attribute, which is a named text stored in the model.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Text`](crate::Error::Text) for a NUL byte.
    pub fn attribute(&self, name: &str) -> Result<Option<String>> {
        let name = c_string("attribute name", name)?;
        let mut value = ptr::null();
        let mut found = 0;
        // SAFETY: the handle is a booster; the name ends with NUL; the others are valid for writes.
        call("read an attribute", || unsafe {
            ffi::XGBoosterGetAttr(self.handle(), name.as_ptr(), &mut value, &mut found)
        })?;
        if found == 0 {
            return Ok(None);
        }
        // SAFETY: on success this is the thread's own text, valid until the thread's next call.
        let value = unsafe { CStr::from_ptr(value) };
        Ok(Some(value.to_string_lossy().into_owned()))
    }

    /// Returns all attributes by name.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`](crate::Error::Xgboost). No such case is known.
    pub fn attributes(&self) -> Result<BTreeMap<String, String>> {
        let names = self.texts("list the attributes", |count, names| {
            // SAFETY: the handle is a booster; the pointers are valid for writes.
            unsafe { ffi::XGBoosterGetAttrNames(self.handle(), count, names) }
        })?;
        let mut attributes = BTreeMap::new();
        for name in names {
            if let Some(value) = self.attribute(&name)? {
                attributes.insert(name, value);
            }
        }
        Ok(attributes)
    }

    /// Sets the value of an attribute. `None` removes the attribute.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Text`](crate::Error::Text) for a NUL byte.
    pub fn set_attribute(&mut self, name: &str, value: Option<&str>) -> Result<()> {
        let name = c_string("attribute name", name)?;
        let value = value
            .map(|value| c_string("attribute value", value))
            .transpose()?;
        let value = value
            .as_ref()
            .map_or(ptr::null(), |value: &CString| value.as_ptr());
        // SAFETY: the handle is a booster; the texts end with NUL and are copied; null removes.
        call("set an attribute", || unsafe {
            ffi::XGBoosterSetAttr(self.handle(), name.as_ptr(), value)
        })
    }

    /// Returns the names of the features, or an empty vector if they are not set.
    /// [`train`](crate::train) copies them from the training matrix.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Xgboost`](crate::Error::Xgboost). No such case is known.
    pub fn feature_names(&self) -> Result<Vec<String>> {
        self.texts("read the feature names", |count, names| {
            // SAFETY: the handle is a booster; the field ends with NUL; the pointers are valid
            // for writes.
            unsafe {
                ffi::XGBoosterGetStrFeatureInfo(
                    self.handle(),
                    c"feature_name".as_ptr(),
                    count,
                    names,
                )
            }
        })
    }

    /// Sets the names of the features.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Text`](crate::Error::Text) for a NUL byte.
    pub fn set_feature_names(&mut self, names: &[&str]) -> Result<()> {
        self.set_texts(c"feature_name", names.iter().copied())
    }

    pub(crate) fn set_feature_types(&mut self, types: &[FeatureType]) -> Result<()> {
        self.set_texts(c"feature_type", types.iter().map(|kind| kind.code()))
    }

    fn set_texts<'a>(
        &mut self,
        field: &CStr,
        texts: impl IntoIterator<Item = &'a str>,
    ) -> Result<()> {
        let owned = c_strings("feature name", texts)?;
        let mut texts = pointers(&owned);
        // SAFETY: the handle is a booster; the texts end with NUL, match their count and are
        // copied.
        call("set the feature names or types", || unsafe {
            ffi::XGBoosterSetStrFeatureInfo(
                self.handle(),
                field.as_ptr(),
                texts.as_mut_ptr(),
                texts.len() as u64,
            )
        })
    }

    /// Copies the texts that a C API function returns as a list.
    fn texts(
        &self,
        during: &'static str,
        list: impl FnOnce(&mut u64, &mut *mut *const c_char) -> c_int,
    ) -> Result<Vec<String>> {
        let mut count = 0;
        let mut texts = ptr::null_mut();
        call(during, || list(&mut count, &mut texts))?;
        if count == 0 {
            return Ok(Vec::new());
        }
        // SAFETY: on success these are `count` pointers of the thread's own, valid until the
        // thread's next call.
        let texts = unsafe { slice::from_raw_parts(texts, count as usize) };
        let copy = |text: &*const c_char| {
            // SAFETY: each pointer refers to a text of the thread's own.
            unsafe { CStr::from_ptr(*text) }
                .to_string_lossy()
                .into_owned()
        };
        Ok(texts.iter().map(copy).collect())
    }
}
