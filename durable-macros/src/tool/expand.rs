//! Writes what a plan says.

use super::args::Task;
use super::idempotency::KeySource;
use super::kind::Kind;
use super::plan::{Function, Plan};
use super::signature::{self, Parameter};
use crate::audit::Audit;
use crate::once;
use crate::origin::{Extent, ours};
use crate::toolset::Outside;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::visit_mut::VisitMut as _;
use syn::{Attribute, Expr, FnArg, Lit, Receiver, Type, Visibility};

/// The lints that the form of a tool would otherwise set off in the author's function.
const FORCED: &str = "clippy::fn_params_excessive_bools, clippy::needless_pass_by_value, clippy::too_many_arguments, \
                      clippy::unused_async";

/// The type whose method a tool is.
struct Owner<'a> {
    ty: &'a Type,
    has_self: bool,
}

impl Plan {
    /// The function that gives the tool, with the tool inside.
    pub(crate) fn expand(&self) -> TokenStream {
        let Self { ident, visibility, docs, conditions, .. } = self;
        let span = Span::mixed_site();
        // A tool that is described by an option alone is documented all the same.
        let docs = if docs.is_empty() {
            let description = &self.description;
            quote_spanned!(span=> #[doc = #description])
        } else {
            quote!(#(#docs)*)
        };
        let implementation = match &self.function {
            Some(function) => {
                let item = item(function);
                self.implementation(function, Some(&item), None)
            }
            None => self.stand_in(),
        };
        // A function and not a unit struct: a local variable may have the name of a function.
        let tool = self.runtime.item(self.kind.bound(), Extent::of(ident));
        let marker = (self.kind != Kind::Tool).then(|| {
            let bound = self.runtime.item(self.kind.bound(), Extent::at(span));
            quote_spanned!(span=> impl #bound for __DurableTool {})
        });
        quote_spanned! {span=>
            #(#conditions)*
            #docs
            #[must_use]
            #visibility fn #ident() -> impl #tool {
                #implementation

                struct __DurableTool;
                #marker
                __DurableTool
            }
        }
    }

    /// The method for the impl block of `owner`, and what makes a tool of it; `None` if mistakes have left nothing of it.
    pub(crate) fn expand_method(
        &self,
        owner: &Type,
        receiver: Option<&Receiver>,
        visibility: &Visibility,
        attributes: &[Attribute],
    ) -> Option<(TokenStream, TokenStream)> {
        let span = Span::mixed_site();
        let function = self.function.as_ref()?;
        let Self { docs, conditions, .. } = self;
        let mut method = function.clone();
        method.item.vis = visibility.clone();
        let inputs = std::mem::take(&mut method.item.sig.inputs);
        method.item.sig.inputs = receiver.cloned().map(FnArg::Receiver).into_iter().chain(inputs).collect();
        let item = item(&method);
        // What stands outside of the impl block knows no `Self`.
        let mut outside = function.clone();
        let mut naming = Outside(owner);
        naming.visit_type_mut(&mut outside.output);
        for parameter in &mut outside.parameters {
            match parameter {
                Parameter::Context { .. } => {}
                Parameter::State(state) => naming.visit_type_mut(state),
                Parameter::Argument(argument) => naming.visit_type_mut(&mut argument.ty),
            }
        }
        let owned = Owner { ty: owner, has_self: receiver.is_some() };
        let implementation = self.implementation(&outside, None, Some(owned));
        let registration = quote_spanned! {span=>
            #(#conditions)*
            {
                struct __DurableTool(::std::sync::Arc<#owner>);
                #implementation
                tools.push(::std::boxed::Box::new(__DurableTool(::std::sync::Arc::clone(&this))));
            }
        };
        Some((quote!(#(#conditions)* #(#docs)* #(#attributes)* #item), registration))
    }

    fn implementation(&self, function: &Function, item: Option<&TokenStream>, owner: Option<Owner<'_>>) -> TokenStream {
        let span = Span::mixed_site();
        let runtime = self.runtime.module();
        let ident = &self.ident;
        let arguments = self.arguments(function);
        let definition = self.definition(function);
        let body = if self.read_only { "Body::read_only" } else { "Body::durable" };
        let mut taken = TokenStream::new();
        let passed = function.parameters.iter().enumerate().map(|(index, parameter)| match parameter {
            Parameter::Context { .. } => quote_spanned!(ours(ident.span())=> &cx),
            Parameter::State(state) => {
                let name = format_ident!("state_{index}", span = span);
                let extent = Extent::of(state);
                let function = self.runtime.item("state", extent);
                taken.extend(quote_spanned!(span=> let #name = #function::<#state>(states);));
                quote_spanned!(span=> #name)
            }
            Parameter::Argument(argument) => {
                let name = &argument.name;
                let field = argument.whole.is_none().then(|| quote_spanned!(ours(ident.span())=> .#name));
                quote_spanned!(ours(ident.span())=> arguments #field)
            }
        });
        let passed: Vec<TokenStream> = passed.collect();
        let takes_states = function.parameters.iter().any(|parameter| matches!(parameter, Parameter::State(_)));
        let states = if takes_states { quote_spanned!(span=> states) } else { quote_spanned!(span=> _) };
        let callee = match &owner {
            None => quote!(#ident),
            Some(Owner { ty, has_self: false }) => quote_spanned!(ours(ident.span())=> <#ty>::#ident),
            Some(Owner { has_self: true, .. }) => {
                taken.extend(quote_spanned!(span=> let this = ::std::sync::Arc::clone(&self.0);));
                quote_spanned!(ours(ident.span())=> this.#ident)
            }
        };
        let run = quote_spanned!(ours(ident.span())=> move |cx| async move { #callee(#(#passed),*).await });
        let body = self.runtime.call(body, Extent::of(&function.output), quote_spanned!(span=> &Self::SENT, #run));
        let decode = if let Some(ty) = whole(function) {
            // What the type cannot do is said under it.
            let decoded = self.runtime.call("decode_arguments", Extent::of(ty), quote_spanned!(span=> arguments));
            quote_spanned!(span=> let arguments: #ty = #decoded?;)
        } else {
            let is_used = signature::arguments(&function.parameters).next().is_some();
            let pattern = if is_used { quote_spanned!(span=> arguments) } else { quote_spanned!(span=> _) };
            quote_spanned!(span=> let #pattern: __DurableArguments = #runtime::decode_arguments(arguments)?;)
        };
        let compensation = self.compensation(function, &decode, &states);
        let output = &function.output;
        // What is wrong with the result's type is said here, and nowhere else.
        let sent = self.runtime.item("sent", Extent::of(output));
        quote_spanned! {span=>
            #arguments

            #item

            impl __DurableTool {
                const SENT: #runtime::Sent<#output> = #sent::<#output>();
            }

            #[automatically_derived]
            impl #runtime::Tool for __DurableTool {
                fn definition(&self) -> #runtime::ToolDefinition {
                    #definition
                }

                fn prepare(
                    &self,
                    arguments: #runtime::serde_json::Value,
                    #states: &#runtime::States,
                ) -> ::core::result::Result<#runtime::Body, #runtime::ArgumentError> {
                    #decode
                    #taken
                    ::core::result::Result::Ok(#body)
                }

                #compensation
            }
        }
    }

    /// The method that gives what undoes a cancelled call: the function is lent the arguments and states of the tool.
    fn compensation(&self, function: &Function, decode: &TokenStream, states: &TokenStream) -> Option<TokenStream> {
        let path = self.on_cancel.as_ref()?;
        let span = Span::mixed_site();
        let runtime = self.runtime.module();
        let mut taken = TokenStream::new();
        let mut lent = Vec::new();
        for (index, parameter) in function.parameters.iter().enumerate() {
            match parameter {
                Parameter::Context { .. } => {}
                Parameter::State(state) => {
                    let name = format_ident!("state_{index}", span = span);
                    let given = self.runtime.item("state", Extent::of(state));
                    taken.extend(quote_spanned!(span=> let #name = #given::<#state>(states);));
                    lent.push(quote_spanned!(span=> &#name));
                }
                Parameter::Argument(argument) => {
                    let name = &argument.name;
                    let field = argument.whole.is_none().then(|| quote_spanned!(span=> .#name));
                    lent.push(quote_spanned!(span=> &arguments #field));
                }
            }
        }
        let call = self.runtime.call("compensation", Extent::of(path), quote_spanned!(span=> #path(&cx #(, #lent)*)));
        Some(quote_spanned! {span=>
            fn compensate(
                &self,
                arguments: #runtime::serde_json::Value,
                #states: &#runtime::States,
            ) -> ::core::option::Option<::core::result::Result<#runtime::Compensation, #runtime::ArgumentError>> {
                let prepare = move || {
                    #decode
                    #taken
                    ::core::result::Result::Ok(#runtime::Compensation::new(move |cx| async move { #call.await }))
                };
                ::core::option::Option::Some(prepare())
            }
        })
    }

    /// The type that the arguments of a call are decoded into, and whose schema clients see.
    fn arguments(&self, function: &Function) -> TokenStream {
        if whole(function).is_some() {
            return TokenStream::new();
        }
        let span = Span::mixed_site();
        let runtime = self.runtime.module();
        let serde = self.runtime.library_text("serde");
        let schemars = self.runtime.library_text("schemars");
        let mut defaults = TokenStream::new();
        let fields = signature::arguments(&function.parameters).map(|argument| {
            let (docs, name, ty) = (&argument.docs, &argument.name, &argument.ty);
            let default = argument.default.as_ref().map(|default| {
                let function = format_ident!("__default_{}", name.unraw(), span = span);
                let value = default_value(default);
                defaults.extend(quote_spanned!(span=> fn #function() -> #ty { #value }));
                let function = function.to_string();
                quote_spanned!(span=> #[serde(default = #function)])
            });
            let renamed = (name.unraw() != argument.public_name).then(|| {
                let name = &argument.public_name;
                quote_spanned!(span=> #[serde(rename = #name)])
            });
            let header = argument
                .header
                .as_ref()
                .map(|header| quote_spanned!(span=> #[schemars(extend("x-mcp-header" = #header))]));
            quote_spanned!(span=> #(#docs)* #default #renamed #header #name: #ty)
        });
        let fields: Vec<TokenStream> = fields.collect();
        quote_spanned! {span=>
            #[derive(#runtime::serde::Deserialize, #runtime::schemars::JsonSchema)]
            #[serde(crate = #serde, deny_unknown_fields, expecting = "an object with the arguments of the tool")]
            #[schemars(crate = #schemars)]
            struct __DurableArguments {
                #(#fields),*
            }

            #defaults
        }
    }

    fn definition(&self, function: &Function) -> TokenStream {
        let span = Span::mixed_site();
        let (name, description) = (&self.name, &self.description);
        let new = self.runtime.item("ToolDefinition::new", Extent::at(span));
        let title = self.title.as_ref().map(|title| quote_spanned!(span=> .title(#title)));
        let read_only = self.read_only.then(|| quote_spanned!(span=> .read_only()));
        let destructive = self.destructive.map(|value| quote_spanned!(span=> .destructive(#value)));
        let open_world = self.open_world.map(|value| quote_spanned!(span=> .open_world(#value)));
        let idempotent = self.idempotent.then(|| quote_spanned!(span=> .idempotent()));
        let key_source = self.key_source.as_ref().map(|source| match source {
            KeySource::Arguments => quote_spanned!(span=> .key_from_arguments()),
            KeySource::Argument(name) => quote_spanned!(span=> .key_from(#name)),
            KeySource::Undelivered => quote_spanned!(span=> .key_until_delivered()),
        });
        let timeout = self.timeout.map(|milliseconds| {
            let milliseconds = once::whole(milliseconds);
            quote_spanned!(span=> .timeout_ms(#milliseconds))
        });
        let runtime = self.runtime.module();
        let task = self.task.map(|task| match task {
            Task::Always => quote_spanned!(span=> .task(#runtime::TaskMode::Always)),
            Task::Required => quote_spanned!(span=> .task(#runtime::TaskMode::Required)),
        });
        let task_after = self.task_after.map(|milliseconds| {
            let milliseconds = once::whole(milliseconds);
            quote_spanned!(span=> .task_after(#milliseconds))
        });
        let completions = signature::arguments(&function.parameters).filter_map(|argument| {
            let (name, completion) = (&argument.public_name, argument.complete.as_ref()?);
            Some(quote_spanned!(span=> .complete(#name, #completion)))
        });
        let mime_type = self.mime_type.as_ref().map(|mime_type| quote_spanned!(span=> .mime_type(#mime_type)));
        let fresh = self.cache.map(|milliseconds| {
            let milliseconds = once::whole(milliseconds);
            quote_spanned!(span=> .fresh_for_ms(#milliseconds))
        });
        let compensates = self.on_cancel.as_ref().map(|_| quote_spanned!(span=> .compensates()));
        let detach = self.detach.then(|| quote_spanned!(span=> .detach()));
        let requires = self.requires.iter().map(|capability| quote_spanned!(span=> .requires(#capability)));
        let arguments = whole(function).map_or_else(|| quote_spanned!(span=> __DurableArguments), |ty| quote!(#ty));
        let states = function.parameters.iter().filter_map(|parameter| match parameter {
            Parameter::State(state) => Some(quote_spanned!(span=> .state::<#state>())),
            _ => None,
        });
        let audits = self.audits.iter().map(|Audit { log, redacted }| {
            let log = log.value();
            quote_spanned!(span=> .audit(#log, &[#(#redacted),*]))
        });
        quote_spanned! {span=>
            #new::<#arguments, _>(&Self::SENT, #name, #description) #title #read_only #destructive #open_world
                #idempotent #key_source #timeout #task #task_after #detach #compensates #(#requires)*
                #mime_type #fresh #(#completions)* #(#states)* #(#audits)*
        }
    }

    /// An implementation that lets the rest of the program compile as far as the reported mistakes allow.
    fn stand_in(&self) -> TokenStream {
        let span = Span::mixed_site();
        let runtime = self.runtime.module();
        quote_spanned! {span=>
            #[automatically_derived]
            impl #runtime::Tool for __DurableTool {
                fn definition(&self) -> #runtime::ToolDefinition {
                    ::core::unreachable!()
                }

                fn prepare(
                    &self,
                    _: #runtime::serde_json::Value,
                    _: &#runtime::States,
                ) -> ::core::result::Result<#runtime::Body, #runtime::ArgumentError> {
                    ::core::unreachable!()
                }
            }
        }
    }
}

/// The author's function, rewritten.
fn item(function: &Function) -> TokenStream {
    let span = Span::mixed_site();
    let forced: TokenStream = FORCED.parse().unwrap_or_default();
    // A step uses the context, whatever the author calls it.
    let underscored = |parameter: &Parameter| matches!(parameter, Parameter::Context { name, .. } if name.to_string().starts_with('_'));
    let underscored = function.parameters.iter().any(underscored);
    let used = underscored.then(|| quote_spanned!(span=> , clippy::used_underscore_binding));
    let item = &function.item;
    quote_spanned! {span=>
        #[allow(#forced #used)]
        #item
    }
}

/// The type whose fields are the arguments, if the author wrote one.
fn whole(function: &Function) -> Option<&Type> {
    signature::arguments(&function.parameters).find(|argument| argument.whole.is_some()).map(|argument| &argument.ty)
}

/// A default of the parameter's type: a bare string literal may stand for anything that is made of one.
fn default_value(default: &Expr) -> TokenStream {
    match default {
        Expr::Lit(literal) if matches!(literal.lit, Lit::Str(_)) => {
            let span = ours(Extent::of(literal).first());
            quote_spanned!(span=> ::core::convert::Into::into(#literal))
        }
        default => default.to_token_stream(),
    }
}
