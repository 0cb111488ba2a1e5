//! Messages of Pub/Sub.

use anyhow::{Context, bail};
use google_cloud::{CloudSettings, PubSubPublisher};
use shared::{
    Timestamp,
    address::{Address, ProjectId},
    bus::{FIRST_PUBLISHED_ATTRIBUTE, Message, Publisher},
    event::Function,
    settings::{PortAddresses, ProcessVariables},
};

use super::{Listed, ReplayArguments, ReplayReport, functions};
use crate::support::subscriptions::{Pulled, SubscriptionId, Subscriptions};

/// More messages than seven days can hold.
const MAXIMUM_MESSAGES: usize = 100_000;

pub(super) async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    let bus = PortAddresses::read(&ProcessVariables)?.bus;
    let Address::PubSub(project) = &bus else {
        bail!("cannot replay from {bus}: it is not Pub/Sub")
    };
    let replay = CloudReplay::open(project, &CloudSettings::read(&ProcessVariables)?).await?;
    let span = |from| Span {
        from,
        to: arguments.to.unwrap_or(Timestamp::MAX),
    };
    match (&arguments.snapshot, arguments.from, arguments.function) {
        (Some(snapshot), _, Some(function)) if arguments.dry_run => Ok(ReplayReport::nothing(
            replay.since_snapshot(function, snapshot).await?,
        )),
        (Some(snapshot), _, Some(function)) => {
            replay.to_snapshot(function, snapshot).await?;
            Ok(ReplayReport::SetBack {
                functions: vec![function],
                to: format!("the snapshot {snapshot}"),
            })
        }
        (_, Some(from), function) if arguments.dry_run => Ok(ReplayReport::nothing(
            replay.published(function, span(from)).await?,
        )),
        (_, Some(from), function) if arguments.to.is_some() => Ok(ReplayReport::Published {
            messages: replay.publish_again(function, span(from)).await?,
        }),
        (_, Some(from), function) => {
            let functions = functions(function);
            for function in &functions {
                replay.to_time(*function, from).await?;
                // Should the next one fail, this one is set back all the same.
                tracing::info!(%function, %from, "subscription set back");
            }
            Ok(ReplayReport::SetBack {
                functions,
                to: from.to_string(),
            })
        }
        _ => bail!("give --from, or --snapshot and --function, or --dead-letters"),
    }
}

/// From an instant, included, to another, not included.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first instant.
    pub from: Timestamp,
    /// The instant after the last.
    pub to: Timestamp,
}

/// Replays from the topics of a project, which keep their messages for a time (`message_retention_duration`).
pub struct CloudReplay {
    subscriptions: Subscriptions,
    publisher: PubSubPublisher,
}

impl CloudReplay {
    /// Opens the topics of a project.
    ///
    /// # Errors
    /// When there are no credentials.
    pub async fn open(project: &ProjectId, cloud: &CloudSettings) -> anyhow::Result<Self> {
        let publisher = PubSubPublisher::open(project, cloud).await?;
        Ok(Self {
            subscriptions: Subscriptions::open(project, cloud)?,
            publisher,
        })
    }

    /// Sets a function's subscription back, so that what was published since is delivered again.
    ///
    /// # Errors
    /// When Pub/Sub refuses.
    pub async fn to_time(&self, function: Function, time: Timestamp) -> anyhow::Result<()> {
        self.subscriptions
            .seek(&SubscriptionId::of(function), time)
            .await
    }

    /// Sets a function's subscription back to a snapshot.
    ///
    /// # Errors
    /// When Pub/Sub refuses, or there is no such snapshot.
    pub async fn to_snapshot(&self, function: Function, snapshot: &str) -> anyhow::Result<()> {
        self.subscriptions
            .seek_to_snapshot(&SubscriptionId::of(function), snapshot)
            .await
    }

    /// Returns what was published to the functions in a span of time, without touching their subscriptions.
    ///
    /// # Errors
    /// When Pub/Sub refuses.
    pub async fn published(
        &self,
        function: Option<Function>,
        span: Span,
    ) -> anyhow::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for function in functions(function) {
            let messages = self.look(function, Back::To(span.from)).await?;
            let messages = messages
                .into_iter()
                .filter(|message| (span.from..span.to).contains(&message.published_at));
            listed.extend(messages.map(|message| message.listed(function)));
        }
        Ok(listed)
    }

    /// Returns what a snapshot would deliver again.
    ///
    /// # Errors
    /// When Pub/Sub refuses, or there is no such snapshot.
    pub async fn since_snapshot(
        &self,
        function: Function,
        snapshot: &str,
    ) -> anyhow::Result<Vec<Listed>> {
        let messages = self.look(function, Back::ToSnapshot(snapshot)).await?;
        Ok(messages
            .into_iter()
            .map(|message| message.listed(function))
            .collect())
    }

    /// Publishes again what was published in a span of time, each message with the time of its first publishing.
    ///
    /// # Errors
    /// When Pub/Sub refuses.
    pub async fn publish_again(
        &self,
        function: Option<Function>,
        span: Span,
    ) -> anyhow::Result<usize> {
        let mut published = 0;
        for function in functions(function) {
            for message in self.look(function, Back::To(span.from)).await? {
                if !(span.from..span.to).contains(&message.published_at) {
                    continue;
                }
                let Pulled {
                    mut attributes,
                    data,
                    published_at,
                    ..
                } = message;
                attributes
                    .entry(FIRST_PUBLISHED_ATTRIBUTE.to_owned())
                    .or_insert_with(|| published_at.to_string());
                self.publisher
                    .publish(function.input(), Message { data, attributes })
                    .await?;
                published += 1;
            }
        }
        Ok(published)
    }

    /// Pulls what a topic keeps, through a subscription that is made for it and deleted afterwards.
    async fn look(&self, function: Function, back: Back<'_>) -> anyhow::Result<Vec<Pulled>> {
        let topic = function.input();
        let temporary = self.subscriptions.make_temporary(topic).await?;
        let pulled = self.look_through(&temporary, back).await;
        let deleted = self.subscriptions.delete(&temporary).await;
        let pulled = pulled.with_context(|| format!("cannot look through the topic {topic}"))?;
        if let Err(error) = deleted {
            tracing::warn!(
                error = format!("{error:#}"),
                "cannot delete the subscription {temporary}; it expires in a day"
            );
        }
        Ok(pulled)
    }

    async fn look_through(
        &self,
        temporary: &SubscriptionId,
        back: Back<'_>,
    ) -> anyhow::Result<Vec<Pulled>> {
        match back {
            Back::To(time) => self.subscriptions.seek(temporary, time).await?,
            Back::ToSnapshot(snapshot) => {
                self.subscriptions
                    .seek_to_snapshot(temporary, snapshot)
                    .await?
            }
        }
        self.subscriptions
            .pull_after_seek(temporary, MAXIMUM_MESSAGES)
            .await
    }
}

/// How far back to look.
#[derive(Clone, Copy)]
enum Back<'a> {
    To(Timestamp),
    ToSnapshot(&'a str),
}

impl Pulled {
    fn listed(self, function: Function) -> Listed {
        Listed::new(function, self.published_at, self.message_id, &self.data)
    }
}
