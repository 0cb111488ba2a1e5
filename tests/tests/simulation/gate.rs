//! The gates: every call of a port waits here until the schedule lets it go on.
//!
//! A call without an answer is a process that stands still. A process that ends takes its calls
//! with it: they are never answered, so its code never goes on.

use std::{
    collections::BTreeSet,
    fmt, future,
    sync::{Mutex, MutexGuard},
};

use tokio::sync::oneshot;

/// A process of the simulation: an instance of a function, an operator's command, or a training.
/// An instance that replaces a crashed one is another process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ProcessId(pub(crate) u32);

impl fmt::Display for ProcessId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "process {}", self.0)
    }
}

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Read,
    /// Asks for the generation of an object.
    Look,
    Write,
    List,
    Publish,
    Fetch,
}

/// The service that a call goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Objects,
    Warehouse,
    Registry,
    Bus,
    City,
}

/// A call of a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) verb: Verb,
    pub(crate) place: Place,
    /// The path of the object, or the name of the topic or day.
    pub(crate) object: String,
}

impl Call {
    /// Describes a call.
    pub(crate) fn new(verb: Verb, place: Place, object: impl fmt::Display) -> Self {
        Self {
            verb,
            place,
            object: object.to_string(),
        }
    }

    /// Returns `true` if the call can take effect although its answer is lost.
    pub(crate) const fn has_effect(&self) -> bool {
        matches!(self.verb, Verb::Write | Verb::Publish)
    }
}

impl fmt::Display for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, place) = (
            format!("{:?}", self.verb).to_lowercase(),
            format!("{:?}", self.place).to_lowercase(),
        );
        write!(formatter, "{verb} {place} {}", self.object)
    }
}

/// The decision of the schedule about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The call takes effect and is answered.
    Proceed,
    /// The call has no effect and fails with a transient error.
    Reject,
    /// The call takes effect, but fails with a transient error.
    LoseAnswer,
}

/// The calls that wait for a verdict.
#[derive(Default)]
pub(crate) struct Gates(Mutex<State>);

#[derive(Default)]
struct State {
    waiting: Vec<Waiting>,
    stopped: BTreeSet<ProcessId>,
    /// The calls of stopped processes. An answer that is dropped would end the waiting.
    unanswered: Vec<oneshot::Sender<Verdict>>,
}

struct Waiting {
    process: ProcessId,
    call: Call,
    answer: oneshot::Sender<Verdict>,
}

impl Gates {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Waits for the verdict on a call. Waits forever if the process is stopped.
    pub(crate) async fn pass(&self, process: ProcessId, call: Call) -> Verdict {
        let (answer, verdict) = oneshot::channel();
        self.add(process, call, answer);
        match verdict.await {
            Ok(verdict) => verdict,
            // The schedule is over.
            Err(_) => future::pending().await,
        }
    }

    fn add(&self, process: ProcessId, call: Call, answer: oneshot::Sender<Verdict>) {
        let mut state = self.state();
        if state.stopped.contains(&process) {
            state.unanswered.push(answer);
        } else {
            state.waiting.push(Waiting {
                process,
                call,
                answer,
            });
        }
    }

    /// Returns the waiting calls, oldest first. A call whose caller gave up is dropped.
    pub(crate) fn waiting(&self) -> Vec<(ProcessId, Call)> {
        let mut state = self.state();
        state.waiting.retain(|waiting| !waiting.answer.is_closed());
        state
            .waiting
            .iter()
            .map(|waiting| (waiting.process, waiting.call.clone()))
            .collect()
    }

    /// Answers the call at a position of [`Gates::waiting`].
    pub(crate) fn open(&self, position: usize, verdict: Verdict) {
        let waiting = self.state().waiting.remove(position);
        // A caller that gave up needs no answer.
        let _ = waiting.answer.send(verdict);
    }

    /// Stops a process: neither its waiting calls nor its later ones are answered.
    pub(crate) fn stop(&self, process: ProcessId) {
        let mut state = self.state();
        state.stopped.insert(process);
        let (stopped, waiting) = std::mem::take(&mut state.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|waiting| waiting.process == process);
        state.waiting = waiting;
        state
            .unanswered
            .extend(stopped.into_iter().map(|waiting| waiting.answer));
    }
}
