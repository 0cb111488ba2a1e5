//! The linked library is complete.

use xgboost::{Booster, DMatrix, build_info, supports_cuda, version};

/// The values that XGBoost's source files register, except linear boosters.
const PARAMETERS: [(&str, &[&str]); 4] = [
    (
        "objective",
        &[
            "binary:hinge",
            "binary:logistic",
            "binary:logitraw",
            "count:poisson",
            "rank:map",
            "rank:ndcg",
            "rank:pairwise",
            "reg:absoluteerror",
            "reg:gamma",
            "reg:logistic",
            "reg:pseudohubererror",
            "reg:squarederror",
            "reg:squaredlogerror",
            "reg:tweedie",
            "survival:aft",
            "survival:cox",
        ],
    ),
    (
        "eval_metric",
        &[
            "aft-nloglik",
            "ams@0.5",
            "auc",
            "aucpr",
            "cox-nloglik",
            "error",
            "gamma-deviance",
            "gamma-nloglik",
            "interval-regression-accuracy",
            "logloss",
            "mae",
            "map",
            "mape",
            "merror",
            "mlogloss",
            "mphe",
            "ndcg",
            "poisson-nloglik",
            "pre",
            "rmse",
            "rmsle",
            "tweedie-nloglik@1.5",
        ],
    ),
    ("tree_method", &["approx", "exact", "hist"]),
    ("updater", &["prune", "refresh"]),
];

#[test]
fn library_has_the_version_of_the_fixtures() {
    assert_eq!(version().to_string(), "3.4.1");
}

#[test]
fn build_info_has_the_build_options() {
    let info = build_info().unwrap();
    assert_eq!(info["USE_OPENMP"], true);
    assert_eq!(info["DEBUG"], false);
    assert_eq!(info["USE_CUDA"], supports_cuda());
}

/// A linker may drop object files that only register themselves.
#[test]
fn all_registered_values_are_linked() {
    for (parameter, values) in PARAMETERS {
        for value in values {
            assert_configures(&[(parameter, *value)]);
        }
    }
    for objective in ["multi:softmax", "multi:softprob"] {
        assert_configures(&[("objective", objective), ("num_class", "3")]);
    }
    let alphas = [("quantile_alpha", "0.5"), ("expectile_alpha", "0.5")];
    for ((objective, metric), alpha) in [
        ("reg:quantileerror", "quantile"),
        ("reg:expectileerror", "expectile"),
    ]
    .iter()
    .zip(alphas)
    {
        assert_configures(&[("objective", *objective), ("eval_metric", *metric), alpha]);
    }
}

#[test]
fn unregistered_value_is_rejected() {
    for (parameter, _) in PARAMETERS {
        let data = DMatrix::dense(&[1.0, 2.0], 2).unwrap();
        let booster = Booster::new(&[(parameter, "none_such")], &[&data]).unwrap();
        assert!(booster.rounds().is_err(), "{parameter}");
    }
}

#[track_caller]
fn assert_configures(params: &[(&str, &str)]) {
    let mut data = DMatrix::dense(&[1.0, 2.0, 3.0, 4.0], 2).unwrap();
    data.set_labels(&[0.0, 1.0]).unwrap();
    let booster = Booster::new(params, &[&data]).unwrap();
    assert_eq!(
        booster.rounds().map_err(|error| error.to_string()),
        Ok(0),
        "{params:?}"
    );
}
