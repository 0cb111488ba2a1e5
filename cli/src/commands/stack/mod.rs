//! The local stack: the production handlers behind their HTTP interface, and an embedded bus that
//! pushes to them.

mod arguments;
#[cfg(feature = "cloud")]
mod cloud;
mod open_data_server;
mod pages;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};
use async_trait::async_trait;
use axum::Router;
use bytes::Bytes;
use forecasting::{policy::Policy, time::Day};
use google_cloud::ExploreClient;
use model::FineTuneRecipe;
use runtime::{Handler, ServiceSettings, Traces, router};
use shared::{
    bus::{LogPublisher, Message, Publisher},
    clock::{Clock, ShiftedClock, SystemClock},
    event::{Event, Function, Topic},
    open_data::{OpenData, OpenDataError},
    ports::Ports,
};
use tokio::{net::TcpListener, task::JoinSet};

pub use arguments::StackArguments;
pub use open_data_server::OpenDataServer;
pub use pages::PageServer;

use crate::{
    args::{OpenDataArguments, StrategyArguments},
    support::{
        data_file,
        embedded_bus::{DeliveryPolicy, EmbeddedBus, Subscription},
        progress,
        state::State,
        stop::StopSignals,
    },
};

/// The settings of a local stack.
#[derive(Clone)]
pub struct StackSettings {
    /// The policy of the strategy.
    pub policy: Policy,
    /// The recipe of the fine-tuning.
    pub fine_tune: FineTuneRecipe,
    /// The source of counts.
    pub open_data: Arc<dyn OpenData>,
    /// The delivery policy of the bus.
    pub delivery: DeliveryPolicy,
    /// The traces of the functions, if they are exported.
    pub traces: Option<Traces>,
}

impl StackSettings {
    /// Creates settings from a strategy and a source of counts, with the default delivery policy
    /// and without traces.
    pub fn new(strategy: StrategyArguments, open_data: Arc<dyn OpenData>) -> Self {
        let StrategyArguments { policy, fine_tune } = strategy;
        Self {
            policy,
            fine_tune,
            open_data,
            delivery: DeliveryPolicy::default(),
            traces: None,
        }
    }
}

/// The six functions, each on a port of 127.0.0.1, and a bus. Dropping the stack stops them and
/// leaves the state.
pub struct LocalStack {
    /// The ports that the functions share.
    pub ports: Ports,
    /// The bus that pushes to the functions.
    pub bus: EmbeddedBus,
    /// The address of each function.
    pub endpoints: BTreeMap<Function, SocketAddr>,
    _servers: JoinSet<()>,
}

impl LocalStack {
    /// Starts the stack on a state. The bus delivers the messages that were pending when the
    /// previous stack stopped.
    ///
    /// # Errors
    /// Returns an error if the state cannot be opened or no port is free.
    pub async fn start(
        state: &State,
        clock: Arc<dyn Clock>,
        settings: StackSettings,
    ) -> anyhow::Result<Self> {
        let publisher = Arc::new(LogPublisher::new(
            state.open_bus_store()?,
            Arc::clone(&clock),
        ));
        let ports = Ports {
            publisher: Arc::clone(&publisher) as Arc<dyn Publisher>,
            ..state.open(clock)?
        };
        let functions = match &settings.traces {
            Some(traces) => traces.wrap(ports.clone()),
            None => ports.clone(),
        };
        let mut host = Host {
            ports: functions.clone(),
            traces: settings.traces,
            servers: JoinSet::new(),
            endpoints: BTreeMap::new(),
        };
        let policy = settings.policy;
        // These two write no page: `run` makes the on-call page at its end, `stack` on request.
        host.serve(ingest::Ingest::new(settings.open_data, &functions))
            .await?;
        host.serve(predict::Predict::new(&functions)).await?;
        host.serve(drift_check::DriftCheck::new(policy.clone(), &functions).with_pages(&functions))
            .await?;
        let fine_tune = fine_tune::FineTune::new(policy.clone(), settings.fine_tune, &functions);
        host.serve(fine_tune.with_pages(&functions)).await?;
        host.serve(evaluate::Evaluate::new(policy.clone(), &functions).with_pages(&functions))
            .await?;
        host.serve(promote::Promote::new(policy, &functions).with_pages(&functions))
            .await?;
        let subscription = |(function, address): (&Function, &SocketAddr)| Subscription {
            function: *function,
            endpoint: format!("http://{address}/"),
        };
        let subscriptions = host.endpoints.iter().map(subscription).collect();
        let bus = EmbeddedBus::start(publisher, subscriptions, settings.delivery).await?;
        Ok(Self {
            ports,
            bus,
            endpoints: host.endpoints,
            _servers: host.servers,
        })
    }

    /// Publishes an event on its topic.
    ///
    /// # Errors
    /// Returns an error if the bus fails.
    pub async fn publish<E: Event>(&self, event: &E) -> anyhow::Result<()> {
        self.ports
            .publisher
            .publish(E::TOPIC, Message::of_event(event))
            .await?;
        Ok(())
    }

    /// Returns the number of dead letters in a state.
    ///
    /// # Errors
    /// Returns an error if the log of the bus cannot be listed.
    pub async fn dead_letters(state: &State) -> anyhow::Result<usize> {
        let store = state.open_bus_store()?;
        let mut dead_letters = 0;
        for function in Function::ALL {
            dead_letters += store
                .list(&format!("bus/topics/{}/", Topic::DeadLetter(function)))
                .await?
                .len();
        }
        Ok(dead_letters)
    }
}

struct Host {
    ports: Ports,
    traces: Option<Traces>,
    servers: JoinSet<()>,
    endpoints: BTreeMap<Function, SocketAddr>,
}

impl Host {
    async fn serve<H: Handler>(&mut self, handler: H) -> anyhow::Result<()> {
        let settings = ServiceSettings {
            traces: self.traces.clone(),
            ..ServiceSettings::default()
        };
        let router = router(Arc::new(handler), &self.ports, &settings);
        let address = serve(&mut self.servers, router).await?;
        self.endpoints.insert(H::FUNCTION, address);
        Ok(())
    }
}

/// Serves a router on a free port of 127.0.0.1, and returns its address.
async fn serve(servers: &mut JoinSet<()>, router: Router) -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("cannot listen on 127.0.0.1")?;
    let address = listener
        .local_addr()
        .context("cannot listen on 127.0.0.1")?;
    servers.spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(error = %error, "local server stopped");
        }
    });
    Ok(address)
}

/// Runs the command.
pub(crate) async fn command(arguments: StackArguments) -> anyhow::Result<()> {
    if arguments.cloud {
        #[cfg(feature = "cloud")]
        return cloud::command(arguments).await;
        #[cfg(not(feature = "cloud"))]
        return Err(runtime::NoClients.into());
    }
    let chosen = arguments.state.choose()?;
    let state = State::at(&chosen.folder)?;
    let is_new = state.is_new();
    let clock: Arc<dyn Clock> = match arguments.now {
        Some(start) => Arc::new(ShiftedClock::starting_at(start)),
        None => Arc::new(SystemClock),
    };
    let source = open_data(arguments.open_data, &state, Arc::clone(&clock)).await?;
    let settings = StackSettings::new(arguments.strategy, Arc::clone(&source.client));
    let stack = LocalStack::start(&state, clock, settings).await?;
    let pages = PageServer::start(stack.ports.clone(), arguments.port).await?;
    println!("{chosen}");
    if is_new {
        println!("{}", state.creation_notice());
    }
    println!("{:<12} {}", "pages", pages.url());
    if let Some(start) = arguments.now {
        println!("{:<12} {start}", "clock from");
    }
    for (function, address) in &stack.endpoints {
        println!("{:<12} http://{address}/", function.name());
    }
    let mut stop = StopSignals::listen()?;
    println!("running; press Ctrl-C to stop");
    stop.received().await;
    Ok(())
}

/// A source of counts, and its server if the counts come from a local file.
pub(crate) struct OpenDataSource {
    pub(crate) client: Arc<dyn OpenData>,
    _server: Option<OpenDataServer>,
}

/// Opens the source of counts that the arguments select.
pub(crate) async fn open_data(
    arguments: OpenDataArguments,
    state: &State,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<OpenDataSource> {
    match (arguments.live_path, arguments.open_data_url) {
        (Some(path), None) => {
            let rejects = state.folder().join("rejects").join("live.csv");
            let loaded = || data_file::load_file(&path, &rejects);
            let live = progress::noting_here("reading the live data", loaded)?.counts;
            let server = OpenDataServer::start(live, clock).await?;
            let client = Arc::new(ExploreClient::new(server.base().clone()));
            Ok(OpenDataSource {
                client,
                _server: Some(server),
            })
        }
        (None, Some(url)) => Ok(OpenDataSource {
            client: Arc::new(ExploreClient::new(url)),
            _server: None,
        }),
        (None, None) => Ok(OpenDataSource {
            client: Arc::new(NoOpenData),
            _server: None,
        }),
        (Some(_), Some(_)) => bail!("pass either --live-path or --open-data-url, not both"),
    }
}

/// The source of counts if none is configured. Every request fails; other work is not affected.
struct NoOpenData;

#[async_trait]
impl OpenData for NoOpenData {
    async fn day(&self, day: Day) -> Result<Bytes, OpenDataError> {
        let advice = "pass --live-path or --open-data-url (LIVE_DATA_PATH or OPEN_DATA_URL)";
        Err(OpenDataError::Unavailable {
            url: format!("the counts of {day}"),
            source: advice.into(),
        })
    }
}
