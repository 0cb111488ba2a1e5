//! The events that a schedule publishes. The rest of the flow follows from them.

use forecasting::{
    metrics::Scores,
    policy::{Comparison, Policy, ScorePair},
    time::{Day, Week},
};
use shared::{
    Timestamp,
    bus::Message,
    evaluation::Evaluation,
    event::{ChallengerEvaluated, DayIngested, Event, EventId, Function, IngestRequested, Topic},
    registry::{EmbeddedRegistry, Registry, Version},
    store::{Condition, write_json},
};

use crate::{facts::Evaluated, ports::Services, random::Random, template::CHALLENGERS};

/// The champion's MAE in every evaluation, and those of a challenger that passes the policy and of
/// one that does not.
const CHAMPION_MAE: f64 = 10.0;
const BETTER_MAE: f64 = 9.0;
const SIMILAR_MAE: f64 = 9.8;

/// Returns a request to ingest a day. `again` makes it a request of its own.
pub(crate) fn ingest(day: Day, again: Option<Timestamp>) -> IngestRequested {
    IngestRequested {
        from: Some(day),
        again,
        ..IngestRequested::default()
    }
}

/// Publishes an event.
pub(crate) fn publish<E: Event>(services: &Services, event: &E, now: Timestamp) {
    let mut bus = services.bus.lock().unwrap();
    bus.publish(E::TOPIC, Message::of_event(event), now);
}

/// Stores the evaluation of the next challenger against the present champion, and publishes its
/// event. Some evaluations do not pass the policy, and some events name other versions than their
/// evaluation. Returns the id of the event, or `None` if every challenger has been evaluated.
pub(crate) async fn evaluate(
    services: &Services,
    random: &mut Random,
    position: u32,
    now: Timestamp,
) -> Option<EventId> {
    let challenger = CHALLENGERS.clone().nth(position as usize)?;
    let registry = EmbeddedRegistry::new(std::sync::Arc::clone(&services.stores.registry));
    let state = registry.champion_state().await.unwrap();
    let week: Week = format!("2021-W{:02}", 10 + position).parse().unwrap();
    let evaluated = Evaluated {
        champion: state.champion.unwrap(),
        challenger: Version::new(challenger),
        champion_changes: state.changes,
        promotes: random.chance(75),
    };
    let evaluation = evaluation(week, evaluated);
    let path = Evaluation::path(week);
    write_json(
        &*services.stores.objects,
        &path,
        &evaluation,
        Condition::Always,
    )
    .await
    .unwrap();
    let is_mismatched = random.chance(15);
    let event = ChallengerEvaluated {
        event_id: EventId::of(Function::Evaluate, week),
        week,
        champion: evaluated.champion,
        // The event of another evaluation names the first version as its challenger.
        challenger: Version::new(if is_mismatched { 1 } else { challenger }),
        evaluation: path,
    };
    if !is_mismatched {
        let mut facts = services.observer.facts();
        facts.evaluations.insert(event.event_id.clone(), evaluated);
    }
    publish(services, &event, now);
    Some(event.event_id)
}

/// Publishes another event about a stored evaluation, with an id of its own: its challenger may be
/// champion by now. Returns the id, or `None` without an evaluation.
pub(crate) fn evaluate_again(
    services: &Services,
    random: &mut Random,
    now: Timestamp,
) -> Option<EventId> {
    let mut known: Vec<(Week, Evaluated)> = Vec::new();
    for (event_id, evaluated) in &services.observer.facts().evaluations {
        if let Ok(week) = event_id.subject().parse() {
            known.push((week, *evaluated));
        }
    }
    let (week, evaluated) = random.pick(&known)?;
    let event = ChallengerEvaluated {
        event_id: EventId::of(
            Function::Evaluate,
            format_args!("{week}@{}", now.as_millisecond()),
        ),
        week,
        champion: evaluated.champion,
        challenger: evaluated.challenger,
        evaluation: Evaluation::path(week),
    };
    let event_id = event.event_id.clone();
    services
        .observer
        .facts()
        .evaluations
        .insert(event_id, evaluated);
    publish(services, &event, now);
    Some(event.event_id)
}

fn evaluation(week: Week, evaluated: Evaluated) -> Evaluation {
    let scores = |mae: f64| Scores {
        mae,
        rmse: 2.0 * mae,
        r2: 0.9,
        bias: None,
        share: None,
        rows: 100,
    };
    let comparison = Comparison {
        fixed_test: ScorePair {
            champion: scores(CHAMPION_MAE),
            challenger: scores(if evaluated.promotes {
                BETTER_MAE
            } else {
                SIMILAR_MAE
            }),
            seasonal_naive: None,
        },
        fixed_test_living: None,
        fixed_test_breakdown: None,
        fresh: None,
    };
    Evaluation {
        week,
        champion: evaluated.champion,
        challenger: evaluated.challenger,
        champion_changes: Some(evaluated.champion_changes),
        verdicts: Policy::default().judge_challenger(&comparison),
        comparison,
        fresh_coverage: None,
        fixed_test_set: None,
        fixed_test_uses: None,
        started_at: None,
        program: None,
    }
}

/// Publishes a message that its function can never handle, and returns its description.
pub(crate) fn publish_unusable(
    services: &Services,
    random: &mut Random,
    now: Timestamp,
) -> &'static str {
    let day = |text: &str| text.parse::<Day>().unwrap();
    match random.below(4) {
        0 => {
            publish(services, &ingest(day("2009-01-01"), None), now);
            "request of a year without counts"
        }
        1 => {
            let reversed = IngestRequested {
                from: Some(day("2021-07-20")),
                to: Some(day("2021-07-19")),
                ..IngestRequested::default()
            };
            publish(services, &reversed, now);
            "request of a reversed range"
        }
        2 => {
            let without_counts = DayIngested {
                event_id: EventId::of(Function::Ingest, "2021-01-01"),
                day: day("2021-01-01"),
                rows: 0,
            };
            publish(services, &without_counts, now);
            "event of a day without counts"
        }
        _ => {
            let topics = [
                Topic::IngestRequested,
                Topic::DayIngested,
                Topic::ChallengerEvaluated,
            ];
            let topic = random.pick(&topics).unwrap_or(Topic::DayIngested);
            let message = Message {
                data: "no event".into(),
                ..Message::default()
            };
            services.bus.lock().unwrap().publish(topic, message, now);
            "message that is not valid JSON"
        }
    }
}
