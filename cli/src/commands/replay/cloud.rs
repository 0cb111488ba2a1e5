//! Replays messages from Pub/Sub.

use anyhow::{Context, bail};
use google_cloud::{CloudSettings, PubSubPublisher};
use shared::{
    Timestamp,
    address::{Address, ProjectId},
    bus::{FIRST_PUBLISHED_ATTRIBUTE, Message, Publisher},
    event::{Function, Topic},
    settings::{PortAddresses, ProcessVariables},
};

use super::{Listed, ReplayArguments, ReplayReport, functions, inputs};
use crate::support::subscriptions::{Pulled, SubscriptionId, Subscriptions};

/// The limit of messages to pull, above the number that the topics retain.
const MAXIMUM_MESSAGES: usize = 100_000;

pub(super) async fn replay(arguments: &ReplayArguments) -> anyhow::Result<ReplayReport> {
    let bus = PortAddresses::read(&ProcessVariables)?.bus;
    let Address::PubSub(project) = &bus else {
        bail!(
            "cannot replay from {bus}: set BUS_URL to pubsub://PROJECT, or omit --cloud for a local state"
        )
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
            Ok(ReplayReport::Sought {
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
                // Log each seek, because those before a failed one stay in effect.
                tracing::info!(%function, %from, "subscription seek completed");
            }
            Ok(ReplayReport::Sought {
                functions,
                to: from.to_string(),
            })
        }
        _ => bail!("pass --from, or --snapshot and --function, or --dead-letters"),
    }
}

/// A half-open range of time: `from` is included, `to` is excluded.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// The first instant of the range.
    pub from: Timestamp,
    /// The end of the range, excluded.
    pub to: Timestamp,
}

/// A replay from the topics of a project. They retain messages for a limited time
/// (`message_retention_duration`).
pub struct CloudReplay {
    subscriptions: Subscriptions,
    publisher: PubSubPublisher,
}

impl CloudReplay {
    /// Opens the topics of a project.
    ///
    /// # Errors
    /// Returns an error if no credentials are found.
    pub async fn open(project: &ProjectId, cloud: &CloudSettings) -> anyhow::Result<Self> {
        let publisher = PubSubPublisher::open(project, cloud).await?;
        Ok(Self {
            subscriptions: Subscriptions::open(project, cloud)?,
            publisher,
        })
    }

    /// Seeks a function's subscriptions to an instant, so that later messages are delivered again.
    ///
    /// # Errors
    /// Returns an error if the Pub/Sub request fails.
    pub async fn to_time(&self, function: Function, time: Timestamp) -> anyhow::Result<()> {
        for topic in function.inputs() {
            let subscription = SubscriptionId::of(function, *topic);
            self.subscriptions.seek(&subscription, time).await?;
        }
        Ok(())
    }

    /// Seeks the subscription with a function's name to a snapshot, which belongs to one topic.
    ///
    /// # Errors
    /// Returns an error if the snapshot does not exist or the Pub/Sub request fails.
    pub async fn to_snapshot(&self, function: Function, snapshot: &str) -> anyhow::Result<()> {
        let subscription = SubscriptionId::of(function, first_input(function));
        self.subscriptions
            .seek_to_snapshot(&subscription, snapshot)
            .await
    }

    /// Returns the messages published to one function or all functions in a range of time, without
    /// changing their subscriptions.
    ///
    /// # Errors
    /// Returns an error if a Pub/Sub request fails.
    pub async fn published(
        &self,
        function: Option<Function>,
        span: Span,
    ) -> anyhow::Result<Vec<Listed>> {
        let mut listed = Vec::new();
        for (function, topic) in inputs(function) {
            let messages = self.pull(topic, SeekTarget::Time(span.from)).await?;
            let messages = messages
                .into_iter()
                .filter(|message| (span.from..span.to).contains(&message.published_at));
            listed.extend(messages.map(|message| message.listed(function)));
        }
        Ok(listed)
    }

    /// Returns the messages that a seek to a snapshot would deliver again.
    ///
    /// # Errors
    /// Returns an error if the snapshot does not exist or a Pub/Sub request fails.
    pub async fn since_snapshot(
        &self,
        function: Function,
        snapshot: &str,
    ) -> anyhow::Result<Vec<Listed>> {
        let topic = first_input(function);
        let messages = self.pull(topic, SeekTarget::Snapshot(snapshot)).await?;
        Ok(messages
            .into_iter()
            .map(|message| message.listed(function))
            .collect())
    }

    /// Republishes the messages of a range of time and returns their number. Each message carries
    /// the time of its first publication as an attribute.
    ///
    /// # Errors
    /// Returns an error if a Pub/Sub request fails.
    pub async fn publish_again(
        &self,
        function: Option<Function>,
        span: Span,
    ) -> anyhow::Result<usize> {
        let mut published = 0;
        for (_, topic) in inputs(function) {
            for message in self.pull(topic, SeekTarget::Time(span.from)).await? {
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
                    .publish(topic, Message { data, attributes })
                    .await?;
                published += 1;
            }
        }
        Ok(published)
    }

    /// Pulls the retained messages of a topic, through a temporary subscription.
    async fn pull(&self, topic: Topic, target: SeekTarget<'_>) -> anyhow::Result<Vec<Pulled>> {
        let temporary = self.subscriptions.make_temporary(topic).await?;
        let pulled = self.pull_from(&temporary, target).await;
        let deleted = self.subscriptions.delete(&temporary).await;
        let pulled =
            pulled.with_context(|| format!("cannot read the messages of the topic {topic}"))?;
        if let Err(error) = deleted {
            tracing::warn!(
                subscription = %temporary,
                error = format!("{error:#}"),
                "cannot delete the temporary subscription; it expires in a day"
            );
        }
        Ok(pulled)
    }

    async fn pull_from(
        &self,
        temporary: &SubscriptionId,
        target: SeekTarget<'_>,
    ) -> anyhow::Result<Vec<Pulled>> {
        match target {
            SeekTarget::Time(time) => self.subscriptions.seek(temporary, time).await?,
            SeekTarget::Snapshot(snapshot) => {
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

/// Returns the topic of the subscription with the function's name.
fn first_input(function: Function) -> Topic {
    function.inputs()[0]
}

/// The position that a temporary subscription seeks to.
#[derive(Clone, Copy)]
enum SeekTarget<'a> {
    Time(Timestamp),
    Snapshot(&'a str),
}

impl Pulled {
    fn listed(self, function: Function) -> Listed {
        Listed::new(function, self.published_at, self.message_id, &self.data)
    }
}
