//! The page of a week beside the run of its challenger.

use forecasting::time::Week;
use report::publish::Page;
use runtime::{Error, Fence};
use shared::{ports::Ports, registry::Version, store::StoreError};

/// Attaches the page of a week to the run of its challenger, for people who look at the registry.
/// A week that was not judged has no page.
pub(crate) async fn attach(
    ports: &Ports,
    fence: &Fence,
    week: Week,
    challenger: Version,
) -> Result<(), Error> {
    let page = match ports.store.read(&Page::Week(week).path()).await {
        Ok(page) => page.bytes,
        Err(StoreError::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    fence.check().await?;
    let name = format!("report/{week}.html");
    Ok(ports.registry.attach(challenger, &name, page).await?)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use async_trait::async_trait;
    use bytes::Bytes;
    use shared::{
        Timestamp,
        clock::SimulatedClock,
        registry::{
            Alias, AliasChange, ChampionState, ModelVersion, Promoted, Promotion, Registry,
            RegistryError, Run, VersionDecision,
        },
    };

    use super::*;

    /// A registry that keeps the attached files.
    struct WithFiles {
        inner: Arc<dyn Registry>,
        files: Mutex<Vec<(Version, String, Bytes)>>,
    }

    #[async_trait]
    impl Registry for WithFiles {
        async fn register(&self, run: &Run) -> Result<Version, RegistryError> {
            self.inner.register(run).await
        }

        async fn version(&self, version: Version) -> Result<ModelVersion, RegistryError> {
            self.inner.version(version).await
        }

        async fn versions(&self) -> Result<Vec<ModelVersion>, RegistryError> {
            self.inner.versions().await
        }

        async fn alias(&self, alias: Alias) -> Result<Option<Version>, RegistryError> {
            self.inner.alias(alias).await
        }

        async fn move_alias(&self, change: AliasChange) -> Result<(), RegistryError> {
            self.inner.move_alias(change).await
        }

        async fn champion_state(&self) -> Result<ChampionState, RegistryError> {
            self.inner.champion_state().await
        }

        async fn promote(&self, promotion: &Promotion) -> Result<Promoted, RegistryError> {
            self.inner.promote(promotion).await
        }

        async fn record_decision(
            &self,
            version: Version,
            decision: &VersionDecision,
        ) -> Result<(), RegistryError> {
            self.inner.record_decision(version, decision).await
        }

        async fn attach(
            &self,
            version: Version,
            path: &str,
            contents: Bytes,
        ) -> Result<(), RegistryError> {
            let mut files = self.files.lock().unwrap();
            files.push((version, path.to_owned(), contents));
            Ok(())
        }
    }

    #[tokio::test]
    async fn page_of_a_judged_week_is_attached_to_the_challengers_run() {
        let ports = Ports::in_memory(Arc::new(SimulatedClock::new(Timestamp::UNIX_EPOCH)));
        let registry = Arc::new(WithFiles {
            inner: Arc::clone(&ports.registry),
            files: Mutex::default(),
        });
        let ports = Ports {
            registry: registry.clone(),
            ..ports
        };
        let (week, challenger) = ("2021-W31".parse().unwrap(), Version::new(2));
        let attach = async || attach(&ports, &Fence::default(), week, challenger).await;
        attach().await.unwrap();
        assert!(registry.files.lock().unwrap().is_empty());

        let page = Page::Week(week);
        page.write(&*ports.store, "a page".to_owned())
            .await
            .unwrap();
        attach().await.unwrap();
        let files = registry.files.lock().unwrap().clone();
        let expected = "report/2021-W31.html".to_owned();
        assert_eq!(files, [(challenger, expected, Bytes::from("a page"))]);
    }
}
