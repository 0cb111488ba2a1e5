"""The pairs: each runs the same work by bike-traffic and by Python, and checks that both agree."""

from pairs import drift, features, scoring, serving, training

ALL = {
    "drift": drift.Drift,
    "features": features.WarmFeatures,
    "features-parquet": features.Features,
    "training": training.Training,
    "scoring": scoring.Scoring,
    "serving": serving.Serving,
    "start": serving.Start,
}
