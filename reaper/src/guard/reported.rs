//! What this process adds to the report of what a run has removed: what it removed itself, and, where no keeper is left to
//! listen, what the reaper tells.

use std::io::Write as _;
use std::sync::Once;

#[cfg(feature = "cli")]
use super::connection::lock;
#[cfg(feature = "cli")]
use super::reporting;
use super::supervisor::Supervisor;
use crate::removal::{Reaped, Report, Why};
#[cfg(feature = "cli")]
use crate::session::Owner;
use crate::settings::Found;

impl Supervisor {
    /// Takes down what was removed from here.
    pub(super) fn write_down(&self, reaped: &Reaped, why: Why) {
        let Some(found) = &self.plan.config.report else { return };
        let report = Report::at(&found.value);
        let written = reaped.found.iter().try_for_each(|resource| report.removed(resource, why));
        if let Err(error) = written {
            warn_unreported(found, &error.to_string());
        }
    }

    /// Where nobody is left behind to do it, and this process is the run's, it takes down itself what the reaper removes.
    pub(super) fn report(&self) {
        let Some(found) = &self.plan.config.report else { return };
        #[cfg(feature = "cli")]
        if self.plan.config.is_run_by(Owner::this().as_deref()) {
            let way = lock(&self.line).way.clone();
            match reporting::follow(&way, Report::at(&found.value)) {
                Ok(thread) => lock(&self.reporting).push(thread),
                Err(error) => warn_unreported(found, &error.to_string()),
            }
            return;
        }
        // The process around it does.
        if self.plan.config.run.is_none() {
            warn_unreported(found, "no process keeps this session between its tests");
        }
    }
}

/// Whoever asked for a report has to know that it is not whole.
fn warn_unreported(report: &Found, why: &str) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        // Nobody may be there to read it.
        let _ = writeln!(
            std::io::stderr(),
            "warning: not all of what is removed is written down in {} ({}): {why}",
            report.value,
            report.name,
        );
    });
}
