//! Refitting the leaves of a model to other rows.

use serde_json::Value;

use crate::{
    booster::Booster,
    error::{Error, Result},
    matrix::DMatrix,
};

const TREES: &str = "/learner/gradient_booster/model/trees";
const DURING: &str = "refit the leaves of a model";

impl Booster {
    /// Refits the values of the leaves to other rows and retains the splits, like `refit` of
    /// LightGBM.
    ///
    /// `rates` contains the learning rate of each round, because a model does not. Round by round,
    /// each leaf is given the value that boosting would give it on `data`. A leaf of the result has
    /// `decay` times its old value plus `1 - decay` times this value. A leaf that no row reaches
    /// retains its old value. The regularization `lambda` is 1, the default of XGBoost.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Shape`] unless there is one rate per round, or [`Error::Xgboost`] if `data`
    /// has no labels or is a quantile matrix.
    pub fn refit(&self, data: &DMatrix, rates: &[f64], decay: f64) -> Result<Self> {
        let rounds = self.rounds()?;
        if rates.len() != rounds as usize {
            return Err(Error::Shape {
                data: "learning rates",
                problem: format!("expected {rounds}, found {}", rates.len()),
            });
        }
        let refreshed = self.refresh(data, rates)?;
        let mut model = parse(&self.save_json()?)?;
        mix(&mut model, &parse(&refreshed.save_json()?)?, decay).ok_or_else(|| Error::Answer {
            during: DURING,
            answer: "a model without trees".to_owned(),
        })?;
        Self::load(model.to_string().as_bytes())
    }

    /// Returns a model with the leaves that boosting would give to the same splits on `data`, and
    /// 0 for leaves that no row reaches.
    fn refresh(&self, data: &DMatrix, rates: &[f64]) -> Result<Self> {
        let mut booster = Self::load(&self.save_ubj()?)?;
        booster.set_params(&[
            ("process_type", "update"),
            ("refresh_leaf", "true"),
            ("min_child_weight", "0"),
        ])?;
        let mut present = None;
        for (round, rate) in (0..).zip(rates) {
            if present != Some(rate) {
                // XGBoost forgets the updater with each change of another parameter.
                let rate = rate.to_string();
                booster.set_params(&[("updater", "refresh"), ("eta", &rate)])?;
            }
            present = Some(rate);
            booster.update(round, data)?;
        }
        Ok(booster)
    }
}

fn parse(model: &str) -> Result<Value> {
    serde_json::from_str(model).map_err(|error| Error::Answer {
        during: DURING,
        answer: error.to_string(),
    })
}

/// Mixes the leaves of all trees. Returns `None` for a model without trees.
fn mix(model: &mut Value, refreshed: &Value, decay: f64) -> Option<()> {
    let trees = model.pointer_mut(TREES)?.as_array_mut()?;
    let refreshed = refreshed.pointer(TREES)?.as_array()?;
    trees
        .iter_mut()
        .zip(refreshed)
        .try_for_each(|(tree, refreshed)| mix_leaves(tree, refreshed, decay))
}

fn mix_leaves(tree: &mut Value, refreshed: &Value, decay: f64) -> Option<()> {
    // The first child of a leaf is -1, and its split condition is its value.
    let children = tree.get("left_children")?.as_array()?;
    let is_leaf: Vec<bool> = children.iter().map(|child| *child == -1).collect();
    // With squared error, the sum of the Hessians is the number of rows in the node.
    let rows = refreshed.get("sum_hessian")?.as_array()?;
    let refitted = refreshed.get("split_conditions")?.as_array()?;
    let values = tree.get_mut("split_conditions")?.as_array_mut()?;
    for (node, value) in values.iter_mut().enumerate() {
        if *is_leaf.get(node)? && rows.get(node)?.as_f64()? > 0.0 {
            let mixed = decay * value.as_f64()? + (1.0 - decay) * refitted.get(node)?.as_f64()?;
            *value = Value::from(mixed);
        }
    }
    Some(())
}
