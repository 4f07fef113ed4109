//! Later.
use super::{Effort, report::Report};
use crate::shell::Shell;
use anyhow::Result;
pub(crate) fn measure(_shell: &Shell, _effort: Effort, _report: &mut Report) -> Result<()> {
    Ok(())
}
