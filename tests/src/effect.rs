//! What the witness in the server wrote down.

use std::path::Path;

/// An attempt that had its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The tool's name.
    pub tool: String,
    /// What the step is called by the witness.
    pub label: String,
    /// The id of the invocation.
    pub invocation: String,
    /// The attempt's number, from 1.
    pub attempt: u32,
    /// When it was, in milliseconds since the Unix epoch.
    pub at: u64,
}

impl Effect {
    fn parse(line: &str) -> Option<Self> {
        let [tool, label, invocation, attempt, at] = line.split(' ').collect::<Vec<_>>().try_into().ok()?;
        Some(Self {
            tool: tool.to_owned(),
            label: label.to_owned(),
            invocation: invocation.to_owned(),
            attempt: attempt.parse().ok()?,
            at: at.parse().ok()?,
        })
    }
}

/// All effects up to now, oldest first.
pub(crate) fn read(path: &Path) -> Vec<Effect> {
    lines(path)
        .iter()
        .map(|line| Effect::parse(line).unwrap_or_else(|| panic!("`{line}` is no line of a witness")))
        .collect()
}

/// The lines of a file that another process adds to, without what fills them up; none if it is not there. A line without its
/// end is not yet one.
pub(crate) fn lines(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    complete.lines().map(|line| line.trim_end().to_owned()).collect()
}
