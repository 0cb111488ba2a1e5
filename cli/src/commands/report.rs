//! `bike-traffic report`: makes the pages that people look at.

use std::{
    fmt,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use ::report::{
    month::Month,
    publish::{Page, PageAddress, missing_weeks},
};
use anyhow::{Context, bail};
use clap::Args;
use forecasting::time::Week;
use serde::Serialize;
use shared::ports::Ports;

use crate::{
    args::StateArguments,
    support::{output::OutputFile, progress, stdout},
};

/// Options of `report`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  bike-traffic report --open
  bike-traffic report --week 2021-W31 --out week.html
  bike-traffic report --month 2021-08
  bike-traffic report --cloud --json | jq --raw-output .url

Without --week and --month, the command makes the on-call page, reports/index.html, and the pages \
of judged weeks that have none. The functions and the commands that decide about the champion write \
the same pages.

A page is made from stored objects and tables, so it can be made again at any time.")]
pub struct ReportArguments {
    /// The local state.
    #[command(flatten)]
    pub state: StateArguments,
    /// Make the page of the services that the environment variables name, as the functions do:
    /// GCS_BUCKET, GOOGLE_CLOUD_PROJECT, MLFLOW_TRACKING_URI and the others in docs/settings.md.
    #[arg(long)]
    pub cloud: bool,
    /// Make the page of this week, for example 2021-W31.
    #[arg(long, conflicts_with = "month")]
    pub week: Option<Week>,
    /// Make the page of this month, for example 2021-08.
    #[arg(long)]
    pub month: Option<Month>,
    /// Write the page to this file, and nothing to the state or the bucket.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Open the page in the browser.
    #[arg(long)]
    pub open: bool,
    /// Print the address as JSON.
    #[arg(long)]
    pub json: bool,
}

/// The report of the command: where the page is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MadePage {
    /// The addresses of the page.
    #[serde(flatten)]
    pub page: PageAddress,
    /// The weeks whose pages were missing and are made as well.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub weeks: Vec<Week>,
}

impl fmt::Display for MadePage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for week in &self.weeks {
            writeln!(formatter, "made the missing page of {week}")?;
        }
        write!(formatter, "page: {}", self.page.url)
    }
}

/// Runs the command.
pub(crate) async fn command(arguments: ReportArguments) -> anyhow::Result<()> {
    let opened = arguments.state.open_chosen(arguments.cloud, arguments.json);
    let (_, ports) = opened.await?;
    let page = match (arguments.week, arguments.month) {
        (Some(week), _) => Page::Week(week),
        (None, Some(month)) => Page::Month(month),
        (None, None) => Page::Index,
    };
    let making = async {
        match &arguments.out {
            Some(file) => write_file(&ports, page, file).await,
            None => write_page(&ports, page).await,
        }
    };
    let made = progress::noting("making the page", making).await?;
    stdout::print(&made, arguments.json)?;
    if arguments.open {
        open(&made.page.url)?;
    }
    Ok(())
}

/// Writes a page to its place in the store. The on-call page links the pages of all weeks, so those
/// that are missing are written first.
///
/// # Errors
/// Returns an error if the page cannot be made or written.
pub async fn write_page(ports: &Ports, page: Page) -> anyhow::Result<MadePage> {
    let store = &*ports.store;
    let mut weeks = Vec::new();
    if page == Page::Index {
        weeks = missing_weeks(store).await?;
    }
    for week in &weeks {
        let page = Page::Week(*week);
        page.write(store, page.make(ports).await?).await?;
    }
    page.write(store, page.make(ports).await?).await?;
    Ok(MadePage {
        page: PageAddress::of(store, page),
        weeks,
    })
}

/// Writes a page to a file.
async fn write_file(ports: &Ports, page: Page, path: &Path) -> anyhow::Result<MadePage> {
    let html = page.make(ports).await?;
    let mut file = OutputFile::create(path)?;
    file.write_all(html.as_bytes())
        .with_context(|| format!("cannot write {}", path.display()))?;
    file.finish()?;
    let path = std::path::absolute(path)
        .with_context(|| format!("cannot resolve the path {}", path.display()))?;
    let address = format!("file://{}", path.display());
    Ok(MadePage {
        page: PageAddress {
            url: address.clone(),
            address,
        },
        weeks: Vec::new(),
    })
}

/// Opens a page in the browser.
fn open(url: &str) -> anyhow::Result<()> {
    let program = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let status = Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("cannot run {program}; open {url} in a browser"))?;
    if !status.success() {
        bail!("{program} failed: {status}; open {url} in a browser");
    }
    Ok(())
}
