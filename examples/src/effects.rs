//! What the effects file says: which attempt of which step had its effect.

use std::{
    fmt, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};
use tokio::time::{Instant, sleep};

// A step of the examples and all its attempts come within this, with time to spare.
const PATIENCE: Duration = Duration::from_secs(60);

/// One line: an attempt that had its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// The tool's name.
    pub tool: String,
    /// The step's name.
    pub step: String,
    /// The id of the invocation.
    pub invocation: String,
    /// Which attempt of the step, from 1.
    pub attempt: u32,
}

impl Effect {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ').map(str::to_owned);
        let effect = Self {
            tool: words.next()?,
            step: words.next()?,
            invocation: words.next()?,
            attempt: words.next()?.parse().ok()?,
        };
        words.next().is_none().then_some(effect)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {} {}", self.tool, self.step, self.invocation, self.attempt)
    }
}

/// An effects file.
#[derive(Debug)]
pub struct EffectsFile {
    path: PathBuf,
}

impl EffectsFile {
    /// Names a file, which need not be there yet.
    pub fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is in it now, oldest first.
    pub fn read(&self) -> anyhow::Result<Vec<Effect>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read `{}`", self.path.display()));
            }
        };
        text.lines()
            .map(|line| Effect::parse(line).with_context(|| format!("`{line}` is not a line of an effects file")))
            .collect()
    }

    /// Waits until a step had its effect.
    pub async fn wait_for(&self, step: &str) -> anyhow::Result<Effect> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(effect) = self.read()?.into_iter().find(|effect| effect.step == step) {
                return Ok(effect);
            }
            sleep(Duration::from_millis(10)).await;
        }
        bail!("the step `{step}` has had no effect for {} s", PATIENCE.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::Effect;

    #[test]
    fn line_is_tool_step_invocation_attempt() {
        let line = "create_user_with_profile create_user 0198 1";
        let effect = Effect::parse(line).expect("the line has four words, the last one a number");
        assert_eq!(effect.to_string(), line);
        assert_eq!(Effect::parse("create_user_with_profile create_user 0198"), None);
        assert_eq!(Effect::parse("create_user_with_profile create_user 0198 one"), None);
        assert_eq!(Effect::parse("create_user_with_profile create_user 0198 1 2"), None);
    }
}
