//! Reads what `#[durable_tool(..)]` says.

use super::kind::Kind;
use super::rename::Rename;
use crate::diagnostics::Diagnostics;
use crate::once::{self, Setting};
use crate::option::{self, Vocabulary};
use proc_macro2::TokenStream;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, LitBool, LitStr, Path, Result, Token};

const TOOL: Vocabulary = Vocabulary {
    owner: "`#[durable_tool(..)]`",
    names: &[
        "name",
        "title",
        "description",
        "read_only",
        "destructive",
        "open_world",
        "idempotent",
        "idempotency",
        "timeout",
        "task",
        "task_after",
        "on_disconnect",
        "on_cancel",
        "requires",
        "rename_all",
        "retry",
        "crate",
    ],
};

const PROMPT: Vocabulary = Vocabulary {
    owner: "`#[durable_prompt(..)]`",
    names: &["name", "title", "description", "timeout", "rename_all", "retry", "crate"],
};

const RESOURCE: Vocabulary = Vocabulary {
    owner: "`#[durable_resource(..)]`",
    names: &["uri", "mime_type", "cache", "name", "title", "description", "timeout", "rename_all", "retry", "crate"],
};

/// When calls of a tool are tasks from their begin on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Always,
    Required,
}

/// A yes or no, with the option's name.
#[derive(Clone)]
pub(crate) struct Switch {
    pub(crate) name: Ident,
    pub(crate) is_on: bool,
}

/// The options of a tool.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) kind: Kind,
    pub(crate) name: Option<LitStr>,
    pub(crate) title: Option<LitStr>,
    pub(crate) description: Option<LitStr>,
    pub(crate) read_only: Option<Ident>,
    pub(crate) destructive: Option<Switch>,
    pub(crate) open_world: Option<Switch>,
    pub(crate) idempotent: Option<Ident>,
    /// What idempotency keys are made of, with the option's name.
    pub(crate) idempotency: Option<(Ident, LitStr)>,
    /// Milliseconds from a call's admission to its end, with the option's name.
    pub(crate) timeout: Option<(Ident, u64)>,
    /// When calls are tasks, with the option's name.
    pub(crate) task: Option<(Ident, Task)>,
    /// Milliseconds after which a call goes on as a task, with the option's name.
    pub(crate) task_after: Option<(Ident, u64)>,
    /// The function that undoes a cancelled call, with the option's name.
    pub(crate) on_cancel: Option<(Ident, Path)>,
    /// Whether calls go on when their clients have gone, with the option's name.
    pub(crate) detach: Option<Ident>,
    /// The URI of a resource, or the template of many.
    pub(crate) uri: Option<LitStr>,
    pub(crate) mime_type: Option<LitStr>,
    /// Milliseconds for which clients may keep what a resource gave.
    pub(crate) cache: Option<u64>,
    /// What clients must be able to do, with the option's name.
    pub(crate) requires: Option<(Ident, Vec<Ident>)>,
    /// How the names of arguments are made, with the option's name.
    pub(crate) rename_all: Option<(Ident, Rename)>,
    /// What the markers of the tool say of retries unless they say it themselves, with the option's name.
    pub(crate) retry: Option<(Ident, Vec<Setting>)>,
    /// Where the runtime is found.
    pub(crate) library: Option<Path>,
}

impl Options {
    /// Reads the options; what is mistaken is reported and left out.
    pub(crate) fn read(kind: Kind, list: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut options = Self { kind, ..Self::default() };
        let vocabulary = match kind {
            Kind::Tool => TOOL,
            Kind::Prompt => PROMPT,
            Kind::Resource => RESOURCE,
        };
        vocabulary.read(list, diagnostics, |name, input, diagnostics| options.option(name, input, diagnostics));
        options
    }

    fn option(&mut self, name: &Ident, input: ParseStream<'_>, diagnostics: &mut Diagnostics) -> Result<()> {
        match name.to_string().as_str() {
            "name" if self.kind == Kind::Resource => self.name = Some(filled(option::text(name, input)?)?),
            "name" => self.name = Some(valid_name(option::text(name, input)?, self.kind)?),
            "title" => self.title = Some(filled(option::text(name, input)?)?),
            "description" => self.description = Some(filled(option::text(name, input)?)?),
            "read_only" => {
                option::flag(name, input)?;
                self.read_only = Some(name.clone());
            }
            "destructive" => self.destructive = Some(switch(name, input)?),
            "open_world" => self.open_world = Some(switch(name, input)?),
            "idempotent" => {
                option::flag(name, input)?;
                self.idempotent = Some(name.clone());
            }
            "idempotency" => self.idempotency = Some((name.clone(), key_source(option::text(name, input)?)?)),
            "timeout" => {
                let (milliseconds, at) = once::milliseconds(name, input)?;
                if milliseconds == 0 {
                    return Err(Error::new(at, "no call ends in no time: write a longer `timeout`"));
                }
                self.timeout = Some((name.clone(), milliseconds));
            }
            "uri" => self.uri = Some(filled(option::text(name, input)?)?),
            "mime_type" => self.mime_type = Some(filled(option::text(name, input)?)?),
            "cache" => self.cache = Some(once::milliseconds(name, input)?.0),
            "task" => self.task = Some((name.clone(), task(&option::text(name, input)?)?)),
            "task_after" => self.task_after = Some((name.clone(), once::milliseconds(name, input)?.0)),
            "on_disconnect" => {
                let what = option::text(name, input)?;
                if what.value() != "detach" {
                    return Err(Error::new(
                        what.span(),
                        "a call either goes on without its client or does not: write `on_disconnect = \"detach\"`, or remove it",
                    ));
                }
                self.detach = Some(name.clone());
            }
            "on_cancel" => {
                self.on_cancel =
                    Some((name.clone(), option::value(name, input, "the path of a `#[durable]` function", "undo")?));
            }
            "requires" => {
                let content = once::parenthesized(name, input, "requires(sampling)")?;
                self.requires = Some((name.clone(), capabilities(name, content)?));
            }
            "rename_all" => {
                let rule = Rename::read(&option::text(name, input)?)?;
                self.rename_all = Some((name.clone(), rule));
            }
            "retry" => {
                let content = once::parenthesized(name, input, "retry(attempts = 5, initial = \"100ms\")")?;
                self.retry = Some((name.clone(), once::read_retry(name, content, diagnostics)?));
            }
            _ => self.library = Some(option::library(name, input)?),
        }
        Ok(())
    }
}

/// Whether clients accept the name of a tool.
pub(crate) fn is_valid_name(name: &str) -> bool {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    (1..=128).contains(&name.len()) && name.chars().all(allowed)
}

fn switch(name: &Ident, input: ParseStream<'_>) -> Result<Switch> {
    let is_on = match input.peek(Token![=]) {
        true => option::value::<LitBool>(name, input, "`true` or `false`", "false")?.value,
        false if input.peek(syn::token::Paren) => {
            return Err(input.error(format!("`{name}` takes `true` or `false`: write `{name}`, or `{name} = false`")));
        }
        false => true,
    };
    Ok(Switch { name: name.clone(), is_on })
}

fn valid_name(name: LitStr, kind: Kind) -> Result<LitStr> {
    if is_valid_name(&name.value()) {
        return Ok(name);
    }
    Err(Error::new(
        name.span(),
        format!(
            "`{}` is not a {}'s name: write 1 to 128 characters out of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`",
            name.value(),
            kind.noun()
        ),
    ))
}

fn filled(text: LitStr) -> Result<LitStr> {
    if text.value().trim().is_empty() {
        return Err(Error::new(text.span(), "this text is empty: write one, or remove the option"));
    }
    Ok(text)
}

fn task(mode: &LitStr) -> Result<Task> {
    match mode.value().as_str() {
        "always" => Ok(Task::Always),
        "required" => Ok(Task::Required),
        _ => Err(Error::new(
            mode.span(),
            "a call is a task where the client can have tasks, `\"always\"`, or for such clients only, `\"required\"`: write one of \
                 the two, or remove `task`",
        )),
    }
}

fn capabilities(name: &Ident, content: TokenStream) -> Result<Vec<Ident>> {
    let listed = Punctuated::<Ident, Token![,]>::parse_terminated.parse2(content)?;
    if listed.is_empty() {
        return Err(Error::new(name.span(), "`requires` says nothing: write `requires(sampling)`, or remove it"));
    }
    for capability in &listed {
        if !["elicitation", "sampling", "roots"].iter().any(|known| capability == known) {
            return Err(Error::new(
                capability.span(),
                format!(
                    "`{capability}` is nothing that a tool asks its client for: write `elicitation`, `sampling` or `roots`"
                ),
            ));
        }
    }
    Ok(listed.into_iter().collect())
}

fn key_source(source: LitStr) -> Result<LitStr> {
    if source.value().is_empty() {
        return Err(Error::new(
            source.span(),
            "a key is made of something: write the name of a parameter, or `\"args\"` for all of them",
        ));
    }
    Ok(source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn names_that_clients_refuse_are_refused() {
        for name in ["", "create user", "créer", &"x".repeat(129)] {
            assert!(!is_valid_name(name), "{name}");
        }
        for name in ["a", "users.create-v2_1", &"x".repeat(128)] {
            assert!(is_valid_name(name), "{name}");
        }
    }

    #[test]
    fn all_options_are_read() {
        let mut diagnostics = Diagnostics::default();
        let options = Options::read(
            Kind::Tool,
            quote!(
                name = "users.get",
                title = "Get",
                description = "Gets.",
                read_only,
                destructive = false,
                open_world,
                idempotent,
                idempotency = "order",
                timeout = "1m",
                task = "always",
                task_after = "5s",
                on_disconnect = "detach",
                requires(sampling, roots),
                rename_all = "camelCase",
                retry(attempts = 3),
                crate = crate::durable
            ),
            &mut diagnostics,
        );
        assert_eq!(diagnostics.messages(), <[String; 0]>::default());
        assert_eq!(options.name.expect("a name").value(), "users.get");
        assert_eq!(options.title.expect("a title").value(), "Get");
        assert_eq!(options.description.expect("a description").value(), "Gets.");
        assert!(options.read_only.is_some());
        assert!(!options.destructive.expect("a switch").is_on);
        assert!(options.open_world.expect("a switch").is_on);
        assert!(options.idempotent.is_some());
        assert_eq!(options.idempotency.expect("a source").1.value(), "order");
        assert_eq!(options.timeout.expect("a duration").1, 60_000);
        assert_eq!(options.task.expect("a mode").1, Task::Always);
        assert_eq!(options.task_after.expect("a duration").1, 5_000);
        assert!(options.detach.is_some());
        assert_eq!(options.requires.expect("capabilities").1.len(), 2);
        assert_eq!(options.rename_all.expect("a rule").1, Rename::Camel);
        assert_eq!(options.retry.expect("retries").1[0].method, "attempts");
        let library = options.library.expect("a path");
        assert_eq!(quote!(#library).to_string(), quote!(crate::durable).to_string());
    }

    #[test]
    fn each_mistaken_option_is_reported() {
        let mut diagnostics = Diagnostics::default();
        Options::read(
            Kind::Tool,
            quote!(
                name = "a b",
                title = "",
                readonly,
                destructive = 1,
                idempotency = "",
                timeout = "0s",
                task = "sometimes",
                on_disconnect = "cancel",
                requires(tasks),
                rename_all = "camel",
                retry(attempts = 0),
                crate = 5
            ),
            &mut diagnostics,
        );
        assert_eq!(
            diagnostics.messages(),
            [
                "`a b` is not a tool's name: write 1 to 128 characters out of `A-Z`, `a-z`, `0-9`, `_`, `.` and `-`",
                "this text is empty: write one, or remove the option",
                "unknown option `readonly`: did you mean `read_only`? `#[durable_tool(..)]` takes `name`, `title`, \
                 `description`, `read_only`, `destructive`, `open_world`, `idempotent`, `idempotency`, `timeout`, \
                 `task`, `task_after`, `on_disconnect`, `on_cancel`, `requires`, `rename_all`, `retry`, `crate`",
                "`destructive` takes `true` or `false`: write `destructive = false`",
                "a key is made of something: write the name of a parameter, or `\"args\"` for all of them",
                "no call ends in no time: write a longer `timeout`",
                "a call is a task where the client can have tasks, `\"always\"`, or for such clients only, `\"required\"`: write one of \
                 the two, or remove `task`",
                "a call either goes on without its client or does not: write `on_disconnect = \"detach\"`, or remove it",
                "`tasks` is nothing that a tool asks its client for: write `elicitation`, `sampling` or `roots`",
                "`camel` is no way to write names: write one of `lowercase`, `UPPERCASE`, `PascalCase`, `camelCase`, \
                 `snake_case`, `SCREAMING_SNAKE_CASE`, `kebab-case`, `SCREAMING-KEBAB-CASE`",
                "a step has at least one attempt: write `attempts = 1` for a step that is not retried",
                "`crate` takes the path of the runtime: write `crate = ::durable_runtime`",
            ]
        );
    }
}
