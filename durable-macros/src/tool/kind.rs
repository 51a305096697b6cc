//! What the function of a `#[durable_tool]`, a `#[durable_prompt]` or a `#[durable_resource]` is called.

/// What clients take a function for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    #[default]
    Tool,
    Prompt,
    Resource,
}

impl Kind {
    /// The name of the attribute.
    pub(crate) fn attribute(self) -> &'static str {
        match self {
            Self::Tool => "durable_tool",
            Self::Prompt => "durable_prompt",
            Self::Resource => "durable_resource",
        }
    }

    /// The word for it.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
        }
    }

    /// The trait that it implements.
    pub(crate) fn bound(self) -> &'static str {
        match self {
            Self::Tool => "Tool",
            Self::Prompt => "Prompt",
            Self::Resource => "Resource",
        }
    }

    /// What stands in front of its name in the runtime's registry.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Tool => "",
            Self::Prompt => "prompt:",
            Self::Resource => "resource:",
        }
    }
}
