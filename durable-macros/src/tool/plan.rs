//! Decides what a tool expands to, from its options, its signature and its body.

use super::args::{self, Options, Task};
use super::idempotency::{self, KeySource};
use super::kind::Kind;
use super::signature::{self, Context, Parameter, Reading};
use super::template;
use crate::audit::{self, Audit};
use crate::determinism;
use crate::diagnostics::Diagnostics;
use crate::once::{self, Body, Setting};
use crate::origin::Runtime;
use proc_macro2::Span;
use syn::ext::IdentExt as _;
use syn::{Attribute, Ident, ItemFn, Token, Type, Visibility};

/// Everything that a tool expands to.
pub(crate) struct Plan {
    pub(crate) runtime: Runtime,
    pub(crate) kind: Kind,
    pub(crate) ident: Ident,
    pub(crate) visibility: Visibility,
    /// The documentation of the tool.
    pub(crate) docs: Vec<Attribute>,
    /// The conditions under which the tool exists.
    pub(crate) conditions: Vec<Attribute>,
    /// Under which the runtime knows it.
    pub(crate) name: String,
    pub(crate) mime_type: Option<String>,
    /// Milliseconds.
    pub(crate) cache: Option<u64>,
    pub(crate) title: Option<String>,
    pub(crate) description: String,
    pub(crate) read_only: bool,
    pub(crate) destructive: Option<bool>,
    pub(crate) open_world: Option<bool>,
    /// The logs that its calls leave entries in.
    pub(crate) audits: Vec<Audit>,
    pub(crate) idempotent: bool,
    pub(crate) key_source: Option<KeySource>,
    /// Milliseconds.
    pub(crate) timeout: Option<u64>,
    pub(crate) task: Option<Task>,
    /// Milliseconds.
    pub(crate) task_after: Option<u64>,
    /// Its calls go on when their clients have gone.
    pub(crate) detach: bool,
    /// What undoes a cancelled call.
    pub(crate) on_cancel: Option<syn::Path>,
    /// What its clients must be able to do.
    pub(crate) requires: Vec<String>,
    /// `None` if mistakes have left nothing that the compiler could check without complaining again.
    pub(crate) function: Option<Function>,
}

/// The author's function, rewritten.
#[derive(Clone)]
pub(crate) struct Function {
    pub(crate) item: ItemFn,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) output: Type,
}

impl Plan {
    /// Plans a tool whose body does not parse, which is reported.
    pub(crate) fn unfinished(options: Options, item: ItemFn, diagnostics: &mut Diagnostics) -> Self {
        Self { function: None, ..Self::new(options, item, diagnostics) }
    }

    /// Reports all mistakes of a tool, and plans what can be kept of it.
    pub(crate) fn new(options: Options, mut item: ItemFn, diagnostics: &mut Diagnostics) -> Self {
        let runtime = Runtime::new(options.library.clone());
        let name = name(&options, &item, diagnostics);
        let description = description(&options, &item, diagnostics);
        misplaced_attributes(&mut item, diagnostics);
        let audits = audit::take(&mut item.attrs, diagnostics);
        let reading = Reading::of(&mut item.sig, options.rename_all.as_ref().map(|(_, rule)| *rule), diagnostics);
        let read_only = read_only(&options, &reading, diagnostics);
        let uri = template::uri(&options, &item.sig.ident, &reading, diagnostics);
        completions(&options, &reading, diagnostics);
        contradictions(&options, &reading, read_only, diagnostics);
        let key_source = idempotency::read(&options, &reading, read_only, &item.block, diagnostics);
        let retry = options.retry.as_ref().map_or(&[][..], |(_, settings)| settings);
        let body_is_whole = body(&mut item, &reading, &runtime, retry, diagnostics);

        let take = |attributes: &mut Vec<Attribute>, name: &str| -> Vec<Attribute> {
            attributes.extract_if(.., |attribute| attribute.path().is_ident(name)).collect()
        };
        let docs = take(&mut item.attrs, "doc");
        let conditions = take(&mut item.attrs, "cfg");
        let visibility = std::mem::replace(&mut item.vis, Visibility::Inherited);
        let ident = item.sig.ident.clone();
        // A function that is not async is reported; as an async one it still makes sense.
        item.sig.asyncness.get_or_insert_with(|| Token![async](Span::mixed_site()));

        let whole = reading.whole && body_is_whole;
        let Reading { parameters, output, .. } = reading;
        let function = output.filter(|_| whole).map(|output| Function { item, parameters, output });
        let kind = options.kind;
        // What people call a resource is its title, since its name is its URI.
        let title = match kind {
            Kind::Resource => Some(options.title.map_or(name.clone(), |title| title.value())),
            Kind::Tool | Kind::Prompt => options.title.map(|title| title.value()),
        };
        let name = format!("{}{}", kind.prefix(), uri.unwrap_or(name));
        let destructive = options.destructive.map(|switch| switch.is_on);
        let open_world = options.open_world.map(|switch| switch.is_on);
        Self {
            runtime,
            kind,
            ident,
            visibility,
            docs,
            conditions,
            name,
            mime_type: options.mime_type.map(|mime_type| mime_type.value()),
            cache: options.cache,
            title,
            description,
            read_only,
            destructive,
            open_world,
            audits,
            idempotent: options.idempotent.is_some(),
            key_source,
            timeout: options.timeout.map(|(_, milliseconds)| milliseconds),
            task: options.task.map(|(_, task)| task),
            task_after: options.task_after.map(|(_, milliseconds)| milliseconds),
            detach: options.detach.is_some(),
            on_cancel: options.on_cancel.map(|(_, path)| path),
            requires: options
                .requires
                .into_iter()
                .flat_map(|(_, listed)| listed)
                .map(|name| name.to_string())
                .collect(),
            function,
        }
    }
}

fn name(options: &Options, item: &ItemFn, diagnostics: &mut Diagnostics) -> String {
    if let Some(name) = &options.name {
        return name.value();
    }
    let name = item.sig.ident.unraw().to_string();
    if options.kind != Kind::Resource && !args::is_valid_name(&name) {
        diagnostics.on(
            &item.sig.ident,
            format!("`{name}` is not a tool's name that clients accept: write `#[durable_tool(name = \"..\")]`"),
        );
    }
    name
}

fn description(options: &Options, item: &ItemFn, diagnostics: &mut Diagnostics) -> String {
    if let Some(description) = &options.description {
        return description.value();
    }
    signature::documentation(item).unwrap_or_else(|| {
        diagnostics.on(
            &item.sig.ident,
            "clients choose a tool by its description, and this one has none: write a doc comment above the function, \
             or `#[durable_tool(description = \"..\")]`",
        );
        String::new()
    })
}

/// Reports the macros of this crate among the other attributes of the function.
fn misplaced_attributes(item: &mut ItemFn, diagnostics: &mut Diagnostics) {
    for marker in once::take_markers(&mut item.attrs) {
        diagnostics.on(
            marker.path(),
            "a step is an awaited expression, not a tool: write `#[once(..)]` in the body, or remove it",
        );
    }
    for helper in item.attrs.extract_if(.., |attribute| crate::helper::is_durable(attribute)) {
        diagnostics.on(helper.path(), "a tool is durable, and called by clients only: remove `#[durable]`");
    }
    for again in item.attrs.extract_if(.., |attribute| super::is_tool(attribute)) {
        diagnostics.on(again.path(), "the function is a tool already: write all options in one `#[durable_tool(..)]`");
    }
}

fn read_only(options: &Options, reading: &Reading, diagnostics: &mut Diagnostics) -> bool {
    let context = reading.context();
    match (&options.read_only, context) {
        (Some(_), Some((_, Context::Durable, ty))) => {
            diagnostics.on(ty, "a `read_only` tool causes no effects: take a `&ReadContext`, or remove `read_only`")
        }
        (None, Some((_, Context::Read, ty))) if options.kind == Kind::Tool => diagnostics.on(
            ty,
            "a tool with a `&ReadContext` causes no effects: write `#[durable_tool(read_only)]`, or take a \
             `&DurableContext`",
        ),
        _ => {}
    }
    context.map_or(options.read_only.is_some(), |(_, context, _)| context == Context::Read)
}

/// Reports completions where nobody asks for them.
fn completions(options: &Options, reading: &Reading, diagnostics: &mut Diagnostics) {
    let completed = signature::arguments(&reading.parameters).filter_map(|argument| argument.complete.as_ref());
    for completion in completed.filter(|_| options.kind == Kind::Tool) {
        diagnostics.on(completion, "clients complete the arguments of prompts and resources only: remove `complete`");
    }
}

/// Reports options that the rest of the tool contradicts.
fn contradictions(options: &Options, reading: &Reading, read_only: bool, diagnostics: &mut Diagnostics) {
    if let Some(switch) = options.destructive.as_ref().filter(|switch| read_only && switch.is_on) {
        diagnostics.on(&switch.name, "a `read_only` tool destroys nothing: remove `destructive`, or `read_only`");
    }
    if let Some((name, _)) = options.timeout.as_ref().filter(|_| read_only) {
        diagnostics.on(
            name,
            "a `read_only` tool is not journaled, so that there is nothing to put an end to: remove `timeout`, or \
             `read_only`",
        );
    }
    let on_tasks = [
        options.task.as_ref().map(|(name, _)| name),
        options.task_after.as_ref().map(|(name, _)| name),
        options.detach.as_ref(),
        options.on_cancel.as_ref().map(|(name, _)| name),
        options.requires.as_ref().map(|(name, _)| name),
    ];
    for name in on_tasks.into_iter().flatten().filter(|_| read_only) {
        diagnostics.on(
            name,
            format!("a `read_only` tool is answered at once and not journaled: remove `{name}`, or `read_only`"),
        );
    }
    if let (Some(_), Some((name, _))) = (&options.task, &options.task_after) {
        diagnostics.on(name, "the tool's calls are tasks from their begin on: remove `task_after`, or `task`");
    }
    if let Some((name, _)) = options.retry.as_ref().filter(|_| read_only) {
        diagnostics.on(name, "a `read_only` tool has no steps to be retried: remove `retry(..)`, or `read_only`");
    }
    let is_whole = signature::arguments(&reading.parameters).any(|argument| argument.whole.is_some());
    if let Some((name, _)) = options.rename_all.as_ref().filter(|_| is_whole) {
        diagnostics.on(
            name,
            "the arguments are the fields of the type under `#[args]`: write `#[serde(rename_all = \"..\")]` on the type",
        );
    }
}

/// Checks and rewrites the body. Returns whether it can be kept.
fn body(
    item: &mut ItemFn,
    reading: &Reading,
    runtime: &Runtime,
    retry: &[Setting],
    diagnostics: &mut Diagnostics,
) -> bool {
    if let Some((_, Context::Read, _)) = reading.context() {
        determinism::forbid_allowing(&mut item.block, diagnostics);
        return once::forbid_steps(&item.block, diagnostics);
    }
    let arguments = signature::arguments(&reading.parameters);
    let parameters = arguments.map(|argument| (argument.name.to_string(), &argument.ty));
    let deterministic = determinism::check(&mut item.block, parameters, runtime, diagnostics);
    if let Some((name, _, _)) = reading.context() {
        Body::new(runtime, name, diagnostics).retry(retry).rewrite(&mut item.block) && deterministic
    } else {
        // The missing context is reported; the mistakes of the body are found all the same.
        let context = Ident::new("cx", Span::mixed_site());
        Body::new(runtime, &context, diagnostics).rewrite(&mut item.block);
        false
    }
}
