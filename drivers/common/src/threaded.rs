//! A tier whose frames are turned round by a thread of this process.

use std::{fmt, sync::Arc, thread::JoinHandle};

use farend_core::Policy;

use crate::{
    privileges,
    tier::{Tier, TierError},
    worker::{PolicyCell, PolicyReader, StatisticsCell, Stop, WorkerStatistics},
};

/// Runs one worker on its own thread.
pub struct Threaded {
    name: &'static str,
    run: Option<Run>,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<(), TierError>>>,
    prepare: Prepare,
    replace: Replace,
}

/// A worker's loop.
type Run =
    Box<dyn FnOnce(&mut PolicyReader, &Stop, &StatisticsCell) -> Result<(), TierError> + Send>;

/// What else has to learn of another policy, such as a program in the kernel.
type Replace = Box<dyn FnMut(&Policy) -> Result<(), TierError>>;

/// What can fail of that, done before.
type Prepare = Box<dyn FnMut(Option<&Policy>) -> Result<(), TierError>>;

struct Shared {
    policy: Arc<PolicyCell>,
    stop: Stop,
    statistics: StatisticsCell,
}

impl Threaded {
    /// Makes a tier of a worker's loop.
    pub fn new<E: fmt::Display>(
        name: &'static str,
        policy: &Policy,
        run: impl FnOnce(&mut PolicyReader, &Stop, &StatisticsCell) -> Result<(), E> + Send + 'static,
    ) -> Self {
        let shared = Shared {
            policy: Arc::new(PolicyCell::new(policy.clone())),
            stop: Stop::default(),
            statistics: StatisticsCell::default(),
        };
        Self {
            name,
            run: Some(Box::new(move |policy, stop, statistics| {
                run(policy, stop, statistics).map_err(|error| TierError::new(error.to_string()))
            })),
            shared: Arc::new(shared),
            thread: None,
            prepare: Box::new(|_| Ok(())),
            replace: Box::new(|_| Ok(())),
        }
    }

    /// Does first what can fail of putting another policy in force; with
    /// `None`, gives it up.
    #[must_use]
    pub fn on_prepare(
        mut self,
        prepare: impl FnMut(Option<&Policy>) -> Result<(), TierError> + 'static,
    ) -> Self {
        self.prepare = Box::new(prepare);
        self
    }

    /// Tells somebody else of another policy, before the worker takes it.
    /// `replace` and what it holds go before the worker stops, so that no
    /// frame falls between the two.
    #[must_use]
    pub fn on_replace(
        mut self,
        replace: impl FnMut(&Policy) -> Result<(), TierError> + 'static,
    ) -> Self {
        self.replace = Box::new(replace);
        self
    }

    /// Asks the worker to finish, without waiting for it.
    pub fn request_stop(&self) {
        self.shared.stop.request();
    }

    fn join(&mut self) -> Option<TierError> {
        match self.thread.take()?.join() {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some(TierError::new(format!("the {} worker has failed", self.name))),
        }
    }
}

impl Tier for Threaded {
    fn start(&mut self) -> Result<(), TierError> {
        let Some(run) = self.run.take() else { return Ok(()) };
        let shared = Arc::clone(&self.shared);
        let work = move || {
            let mut policy = PolicyReader::new(Arc::clone(&shared.policy));
            run(&mut policy, &shared.stop, &shared.statistics)
        };
        let spawned = privileges::spawn(self.name, work);
        let thread =
            spawned.map_err(|error| TierError::new(format!("cannot start a thread: {error}")))?;
        self.thread = Some(thread);
        Ok(())
    }

    fn prepare_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        (self.prepare)(Some(policy))
    }

    fn abandon_policy(&mut self) {
        // Giving up cannot fail.
        let _ = (self.prepare)(None);
    }

    fn replace_policy(&mut self, policy: &Policy) -> Result<(), TierError> {
        (self.replace)(policy)?;
        self.shared.policy.replace(policy.clone());
        Ok(())
    }

    fn statistics(&mut self) -> Result<WorkerStatistics, TierError> {
        Ok(Arc::unwrap_or_clone(self.shared.statistics.read()))
    }

    fn failure(&mut self) -> Option<TierError> {
        let thread = self.thread.as_ref()?;
        if !thread.is_finished() {
            return None;
        }
        // A worker that returns without being asked has a reason.
        Some(self.join().unwrap_or_else(|| TierError::new("the worker has ended")))
    }

    fn stop(&mut self) -> WorkerStatistics {
        self.prepare = Box::new(|_| Ok(()));
        self.replace = Box::new(|_| Ok(()));
        self.shared.stop.request();
        // What it died of is `failure`'s to tell.
        let _ = self.join();
        Arc::unwrap_or_clone(self.shared.statistics.read())
    }
}

impl Drop for Threaded {
    fn drop(&mut self) {
        self.shared.stop.request();
        let _ = self.join();
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use farend_core::{Kind, MacAddress, Verdict};

    use super::*;

    fn policy(port: u16) -> Policy {
        Policy::builder().own_mac(MacAddress([2, 0, 0, 0, 0, 1])).port(port).build().unwrap()
    }

    #[test]
    fn a_worker_runs_until_it_is_stopped_and_leaves_its_final_counts() {
        let mut tier = Threaded::new("test", &policy(1), |policy, stop, statistics| {
            while !stop.is_requested() {
                thread::sleep(Duration::from_millis(1));
            }
            let port = policy.current().port().unwrap_or(0).into();
            statistics.publish(|to| {
                to.counters.count(Verdict::Reflect(Kind::Any), 60);
                to.losses.push(("port", port));
            });
            Ok::<(), String>(())
        });
        tier.start().unwrap();
        tier.replace_policy(&policy(2)).unwrap();
        assert_eq!(tier.failure(), None);
        let last = tier.stop();
        assert_eq!(last.counters.reflected(), 1);
        assert_eq!(last.losses, [("port", 2)]);
    }

    #[test]
    fn a_worker_that_ends_by_itself_is_a_failure_with_its_reason() {
        let mut tier = Threaded::new("test", &policy(1), |_, _, _| Err("cable cut"));
        tier.start().unwrap();
        while tier.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            thread::yield_now();
        }
        assert_eq!(tier.failure(), Some(TierError::new("cable cut")));
        assert_eq!(tier.failure(), None);
    }
}
