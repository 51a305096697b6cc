use super::*;
use crate::diagnostics::reported;

fn expanded(options: &str, item: &str) -> (Vec<String>, TokenStream) {
    // As text, so that the tokens have positions.
    reported(expand(Kind::Tool, options.parse().expect("options"), &item.parse().expect("an item")))
}

#[track_caller]
fn refused(options: &str, item: &str, beginnings: &[&str]) {
    let (messages, rest) = expanded(options, item);
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
    let rest = rest.to_string();
    assert!(rest.contains("fn t () -> impl"), "the tool still exists: {rest}");
    assert!(rest.contains(":: __private :: Tool for __DurableTool"), "the tool is still one: {rest}");
}

#[test]
fn a_tool_is_a_function_that_gives_the_tool() {
    let (messages, rest) = expanded(
        r#"title = "Make""#,
        r#"
            /// Makes
            /// things.
            pub(crate) async fn make(
                cx: &DurableContext,
                /// How many.
                count: u32,
                #[arg(default = "")] r#type: String,
            ) -> Result<Made, ToolError> {
                cx.sleep().await
            }
        "#,
    );
    assert_eq!(messages, <[String; 0]>::default());
    let expected = quote! {
        #[doc = " Makes"]
        #[doc = " things."]
        #[must_use]
        pub(crate) fn make() -> impl ::durable_runtime::__private::Tool {
            #[derive(::durable_runtime::__private::serde::Deserialize, ::durable_runtime::__private::schemars::JsonSchema)]
            #[serde(
                crate = "::durable_runtime::__private::serde",
                deny_unknown_fields,
                expecting = "an object with the arguments of the tool"
            )]
            #[schemars(crate = "::durable_runtime::__private::schemars")]
            struct __DurableArguments {
                #[doc = " How many."]
                count: u32,
                #[serde(default = "__default_type")]
                r#type: String
            }

            fn __default_type() -> String {
                ::core::convert::Into::into("")
            }

            #[allow(
                clippy::fn_params_excessive_bools,
                clippy::needless_pass_by_value,
                clippy::too_many_arguments,
                clippy::unused_async
            )]
            async fn make(cx: &DurableContext, count: u32, r#type: String,) -> Result<Made, ToolError> {
                ::durable_runtime::__private::durable(cx.sleep()).await
            }

            impl __DurableTool {
                const SENT: ::durable_runtime::__private::Sent<Result<Made, ToolError> > =
                    ::durable_runtime::__private::sent::<Result<Made, ToolError> >();
            }

            #[automatically_derived]
            impl ::durable_runtime::__private::Tool for __DurableTool {
                fn definition(&self) -> ::durable_runtime::__private::ToolDefinition {
                    ::durable_runtime::__private::ToolDefinition::new::<__DurableArguments, _>(
                        &Self::SENT,
                        "make",
                        "Makes\nthings."
                    ).title("Make")
                }

                fn prepare(
                    &self,
                    arguments: ::durable_runtime::__private::serde_json::Value,
                    _: &::durable_runtime::__private::States,
                ) -> ::core::result::Result<
                    ::durable_runtime::__private::Body,
                    ::durable_runtime::__private::ArgumentError
                > {
                    let arguments: __DurableArguments = ::durable_runtime::__private::decode_arguments(arguments)?;
                    ::core::result::Result::Ok(
                        ::durable_runtime::__private::Body::durable(
                            &Self::SENT, move |cx| async move { make(&cx, arguments.count, arguments.r#type).await }
                        )
                    )
                }
            }

            struct __DurableTool;
            __DurableTool
        }
    };
    assert_eq!(rest.to_string(), expected.to_string());
}

#[test]
fn a_read_only_tool_awaits_what_it_likes() {
    let (messages, rest) = expanded(
        "read_only, crate = crate::rt",
        "/// Reads.\nasync fn t(cx: &ReadContext) -> Result<u32, E> { vec![free().await]; free().await }",
    );
    assert_eq!(messages, <[String; 0]>::default());
    let rest = rest.to_string();
    assert!(rest.contains("vec ! [free () . await] ; free () . await"), "{rest}");
    assert!(rest.contains("crate :: rt :: __private :: Body :: read_only (& Self :: SENT , move | cx |"), "{rest}");
    assert!(rest.contains(") . read_only ()"), "{rest}");
    assert!(!rest.contains(":: durable_runtime"), "{rest}");
}

#[test]
fn the_context_is_found_wherever_it_stands() {
    let (messages, rest) = expanded(
        "",
        "/// D.\nasync fn t(a: u32, context: &rt::DurableContext, b: u32) -> Result<u32, E> { Ok(a + b) }",
    );
    assert_eq!(messages, <[String; 0]>::default());
    assert!(rest.to_string().contains("t (arguments . a , & cx , arguments . b)"), "{rest}");
}

#[test]
fn the_conditions_of_a_tool_hold_for_all_that_it_expands_to() {
    let (_, rest) = expanded("", "/// D.\n#[cfg(unix)] async fn t(cx: &DurableContext) -> Result<u32, E> { Ok(1) }");
    assert_eq!(rest.to_string().matches("# [cfg (unix)]").count(), 1, "{rest}");
}

#[test]
fn a_signature_that_is_no_tool_is_refused() {
    refused("", "/// D.\nfn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }", &["a tool is an async function"]);
    refused("", "/// D.\nasync fn t() -> Result<(), E> { Ok(()) }", &["a tool takes its context"]);
    refused(
        "",
        "/// D.\nasync fn t(a: &DurableContext, b: &ReadContext) -> Result<(), E> { Ok(()) }",
        &["a tool has one context"],
    );
    refused("", "/// D.\nasync fn t(cx: DurableContext) -> Result<(), E> { Ok(()) }", &["the context is lent"]);
    refused("", "/// D.\nasync fn t(cx: &mut DurableContext) -> Result<(), E> { Ok(()) }", &["the context is lent"]);
    refused("", "/// D.\nasync fn t(_: &DurableContext) -> Result<(), E> { Ok(()) }", &["the context needs a name"]);
    refused(
        "",
        "/// D.\nasync fn t<T>(cx: &DurableContext, a: T) -> Result<(), E> { Ok(()) }",
        &["a tool is offered to clients with one schema"],
    );
    refused(
        "",
        "/// D.\nasync unsafe fn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }",
        &["a tool is called by clients, and safe"],
    );
    refused(
        "",
        "/// D.\nasync fn t(cx: &DurableContext, (a, b): (u8, u8)) -> Result<(), E> { Ok(()) }",
        &["an argument is called by its name"],
    );
    refused(
        "",
        "/// D.\nasync fn t(cx: &DurableContext, a: &str, b: impl Fn()) -> Result<(), E> { Ok(()) }",
        &["an argument arrives as JSON and is owned", "an argument's type needs a name"],
    );
    refused(
        "",
        "/// D.\nasync fn t(cx: &DurableContext, a: u8, r#a: u8) -> Result<(), E> { Ok(()) }",
        &["another argument is called `a`"],
    );
}

#[test]
fn a_tool_returns_a_result_that_is_owned() {
    refused("", "/// D.\nasync fn t(cx: &DurableContext) {}", &["a tool returns a `Result`: write"]);
    refused("", "/// D.\nasync fn t(cx: &DurableContext) -> Vec<u8> {}", &["a tool returns a `Result`, and `Vec<u8>`"]);
    refused("", "/// D.\nasync fn t(cx: &DurableContext) -> (u8, u8) {}", &["a tool returns a `Result`, and"]);
    refused("", "/// D.\nasync fn t(cx: &DurableContext) -> Result<&str, E> {}", &["a result outlives the call"]);
    refused("", "/// D.\nasync fn t(cx: &DurableContext) -> Result<impl S, E> {}", &["the result's type needs a name"]);
    let alias = "/// D.\nasync fn t(cx: &DurableContext) -> my::ToolResult { Ok(\"\") }";
    assert_eq!(expanded("", alias).0, <[String; 0]>::default());
    let fixed = "/// D.\nasync fn t(cx: &DurableContext) -> Result<&'static str, E> { Ok(\"\") }";
    assert_eq!(expanded("", fixed).0, <[String; 0]>::default());
}

#[test]
fn a_tool_says_what_it_is_for() {
    let plain = "async fn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }";
    refused("", plain, &["clients choose a tool by its description"]);
    refused("", &format!("///  \n{plain}"), &["clients choose a tool by its description"]);
    let (messages, rest) = expanded("description = \"Said.\"", plain);
    assert_eq!(messages, <[String; 0]>::default());
    assert!(rest.to_string().contains("# [doc = \"Said.\"]"), "{rest}");
}

#[test]
fn a_name_that_clients_refuse_is_refused() {
    let item = "/// D.\nasync fn crée(cx: &DurableContext) -> Result<(), E> { Ok(()) }";
    assert!(expanded("", item).0[0].starts_with("`crée` is not a tool's name"));
    assert_eq!(expanded("name = \"create\"", item).0, <[String; 0]>::default());
}

#[test]
fn context_and_option_agree_on_reading_only() {
    refused(
        "read_only",
        "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }",
        &["a `read_only` tool causes no effects"],
    );
    refused(
        "",
        "/// D.\nasync fn t(cx: &ReadContext) -> Result<(), E> { Ok(()) }",
        &["a tool with a `&ReadContext` causes no effects"],
    );
    refused(
        "read_only",
        "/// D.\nasync fn t(cx: &ReadContext) -> Result<(), E> { #[once(at_least)] a().await }",
        &["a `read_only` tool is not journaled and has no steps"],
    );
}

#[test]
fn the_options_of_an_argument_are_checked() {
    let tool =
        |argument: &str| format!("/// D.\nasync fn t(cx: &DurableContext, {argument} a: u8) -> Result<(), E> {{}}");
    refused("", &tool("#[arg(defualt = 1)]"), &["unknown option `defualt`: did you mean `default`?"]);
    refused("", &tool("#[arg(default)]"), &["`default` takes an expression"]);
    refused("", &tool("#[arg]"), &["`#[arg(..)]` says nothing"]);
    refused("", &tool("#[arg(default = 1)] #[arg(default = 2)]"), &["this argument has options already"]);
    refused("", &tool("#[cfg(unix)]"), &["the arguments of a tool do not depend on the build"]);
}

#[test]
fn all_mistakes_of_a_tool_are_reported_at_once_in_source_order() {
    refused(
        "titel = \"a\"",
        "#[once(at_least)] fn t(cx: &DurableContext, #[arg] a: &str) -> u8 { loop { #[once] pay().await; } }",
        &[
            "unknown option `titel`",
            "a step is an awaited expression, not a tool",
            "a tool is an async function",
            "clients choose a tool by its description",
            "`#[arg(..)]` says nothing",
            "an argument arrives as JSON",
            "a tool returns a `Result`, and `u8`",
            "the marker does not say",
            "a step in a loop needs a key",
        ],
    );
}

#[test]
fn a_body_is_kept_beside_mistakes_that_leave_it_sound() {
    let (_, rest) = expanded(
        "",
        "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> { #[once(at_least, timeout = 5)] pay(cx).await }",
    );
    assert!(rest.to_string().contains("| | async { pay (cx) . await }"), "{rest}");
    let (_, rest) =
        expanded("", "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> { #[once(at_least)] pay(cx) }");
    assert!(!rest.to_string().contains("pay"), "{rest}");
}

#[test]
fn what_is_no_function_keeps_its_item() {
    let item: TokenStream = quote!(
        struct t;
    );
    let expansion = expand(Kind::Tool, TokenStream::new(), &item).to_string();
    assert!(expansion.contains("move `#[durable_tool]` onto one"), "{expansion}");
    assert!(expansion.ends_with(&item.to_string()), "{expansion}");
}

#[test]
fn a_method_stays_a_method_without_its_body() {
    let item = quote!(
        async fn t(&self, cx: &DurableContext) -> Result<(), E> {
            pay().await
        }
    );
    let expansion = expand(Kind::Tool, TokenStream::new(), &item).to_string();
    assert!(
        expansion.contains("a tool with a `self` is a method of an `impl` block under `#[durable_tools]`"),
        "{expansion}"
    );
    assert!(expansion.contains("async fn t (& self , cx : & DurableContext)"), "{expansion}");
    assert!(!expansion.contains("struct"), "{expansion}");
    assert!(!expansion.contains("pay"), "{expansion}");
}

#[test]
fn a_tool_without_a_body_is_reported_once() {
    refused("", "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E>;", &["a tool is a function with a body"]);
}

#[test]
fn a_state_is_taken_from_the_server_and_is_no_argument() {
    let (messages, rest) = expanded(
        "",
        "/// D.\nasync fn t(cx: &DurableContext, bank: rt::State<Bank>, a: u32) -> Result<u32, E> { Ok(a) }",
    );
    assert_eq!(messages, <[String; 0]>::default());
    let rest = rest.to_string();
    assert!(rest.contains("struct __DurableArguments { a : u32 }"), "{rest}");
    assert!(rest.contains("let state_1 = :: durable_runtime :: __private :: state :: < Bank > (states) ;"), "{rest}");
    assert!(rest.contains("t (& cx , state_1 , arguments . a)"), "{rest}");
    assert!(rest.contains(". state :: < Bank > ()"), "{rest}");
    refused(
        "",
        "/// D.\nasync fn t(cx: &DurableContext, #[arg(default = 1)] bank: State<Bank>) -> Result<u32, E> { Ok(1) }",
        &["a state is no argument"],
    );
}

#[test]
fn arguments_are_renamed_one_by_one_or_all() {
    let (messages, rest) = expanded(
        "rename_all = \"camelCase\"",
        "/// D.\nasync fn t(cx: &DurableContext, first_name: String, #[arg(rename = \"x-id\", default = 1)] id: u8, \
         plain: u8) -> Result<(), E> { Ok(()) }",
    );
    assert_eq!(messages, <[String; 0]>::default());
    let fields = quote!({
        #[serde(rename = "firstName")]
        first_name: String,
        #[serde(default = "__default_id")]
        #[serde(rename = "x-id")]
        id: u8,
        plain: u8
    });
    assert!(rest.to_string().contains(&fields.to_string()), "{rest}");
    let tool = |first: &str, second: &str| {
        format!("/// D.\nasync fn t(cx: &DurableContext, {first} a: u8, {second} b: u8) -> Result<(), E> {{}}")
    };
    refused("", &tool("#[arg(rename = \"b\")]", ""), &["another argument is called `b` already"]);
    refused("", &tool("#[arg(rename = \"a b\")]", ""), &["`a b` is not an argument's name: write"]);
    refused("", &tool("#[arg(rename = a)]", ""), &["`rename` takes a string"]);
}

#[test]
fn one_type_may_have_all_arguments() {
    let (messages, rest) =
        expanded("", "/// D.\nasync fn t(cx: &DurableContext, #[args] input: New) -> Result<u8, E> { Ok(1) }");
    assert_eq!(messages, <[String; 0]>::default());
    let rest = rest.to_string();
    assert!(!rest.contains("__DurableArguments"), "{rest}");
    assert!(rest.contains("let arguments : New = :: durable_runtime :: __private :: decode_arguments (arguments) ?"));
    assert!(rest.contains("t (& cx , arguments) . await"), "{rest}");
    assert!(rest.contains(":: new :: < New , _ >"), "{rest}");
    let tool =
        |parameters: &str| format!("/// D.\nasync fn t(cx: &DurableContext, {parameters}) -> Result<u8, E> {{}}");
    refused("", &tool("#[args] a: New, b: u8"), &["the fields of `a` are the arguments of the tool"]);
    refused(
        "",
        &tool("#[args] #[arg(rename = \"b\")] a: New"),
        &["the fields of the type are the arguments: write serde"],
    );
    refused("", &tool("#[args(flat)] a: New"), &["`#[args]` is said once and takes no options"]);
    refused("rename_all = \"camelCase\"", &tool("#[args] a: New"), &["the arguments are the fields of the type under"]);
}

#[test]
fn a_tool_names_its_audit_logs() {
    let item = "/// D.\n#[audit(\"a\", redact(x, \"y-z\"))]\n#[audit(\"b\")]\nasync fn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }";
    let (messages, rest) = expanded("", item);
    assert_eq!(messages, <[String; 0]>::default());
    let audits = quote!(.audit("a", &["x", "y-z"]).audit("b", &[]));
    assert!(rest.to_string().contains(&audits.to_string()), "{rest}");
    assert!(!rest.to_string().contains("# [audit"), "{rest}");
    refused("", &item.replace("\"b\"", "\"a\""), &["`a` is a log of this tool already"]);
}

#[test]
fn hints_are_told_and_do_not_contradict() {
    let item = "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }";
    let (messages, rest) = expanded("destructive = false, open_world", item);
    assert_eq!(messages, <[String; 0]>::default());
    assert!(rest.to_string().contains(". destructive (false) . open_world (true)"), "{rest}");
    let reader = "/// D.\nasync fn t(cx: &ReadContext) -> Result<(), E> { Ok(()) }";
    assert_eq!(expanded("read_only, destructive = false", reader).0, <[String; 0]>::default());
    refused("read_only, destructive", reader, &["a `read_only` tool destroys nothing"]);
    refused("read_only, retry(attempts = 2)", reader, &["a `read_only` tool has no steps to be retried"]);
}

#[test]
fn steps_take_over_the_retries_of_their_tool() {
    let (messages, rest) = expanded(
        "retry(attempts = 7)",
        "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> {
            #[once(at_least, timeout = \"1s\")] a(cx).await?;
            #[once(at_most, retry_on(B))] b(cx).await?;
            #[once(at_least, retry(initial = \"2s\"))] c(cx).await?;
            #[once(at_most)] d(cx).await?;
            #[once(at_least, infallible)] e(cx).await;
            Ok(())
        }",
    );
    assert_eq!(messages, <[String; 0]>::default());
    let rest = rest.to_string();
    assert!(rest.contains("(cx , \"a\") . attempts (7) ;"), "{rest}");
    assert!(rest.contains("(cx , \"b\") . attempts (7) ;"), "{rest}");
    assert!(rest.contains("(cx , \"c\") . initial_ms (2000) ;"), "{rest}");
    assert!(rest.contains("(cx , \"d\") ;"), "{rest}");
    assert!(rest.contains("(cx , \"e\") ;"), "{rest}");
}

#[test]
fn keys_are_made_of_an_argument_by_the_name_that_clients_know_or_of_all() {
    let item = "/// D.\nasync fn t(cx: &DurableContext, order_id: u32, #[arg(default = 1)] n: u8, o: Option<u8>) -> Result<(), E> { Ok(()) }";
    let (messages, rest) = expanded("idempotency = \"order_id\", rename_all = \"camelCase\", timeout = \"10m\"", item);
    assert_eq!(messages, <[String; 0]>::default());
    assert!(rest.to_string().contains(". key_from (\"orderId\") . timeout_ms (600000)"), "{rest}");
    let (messages, rest) = expanded("idempotency = \"args\", idempotent", item);
    assert_eq!(messages, <[String; 0]>::default());
    assert!(rest.to_string().contains(". idempotent () . key_from_arguments ()"), "{rest}");
    refused(
        "idempotency = \"order\"",
        item,
        &[
            "`order` is no argument of the tool: write one of its parameters, `order_id`, `n`, `o`, or `args` for all of them",
        ],
    );
    refused("idempotency = \"n\"", item, &["`n` may be left out, and all calls without it would be one"]);
    refused("idempotency = \"o\"", item, &["`o` may be left out, and all calls without it would be one"]);
    let bare = "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }";
    refused("idempotency = \"args\"", bare, &["the tool has no arguments, so that all its calls would be one"]);
    let ambiguous = "/// D.\nasync fn t(cx: &DurableContext, args: u8) -> Result<(), E> { Ok(()) }";
    refused("idempotency = \"args\"", ambiguous, &["`args` stands for all arguments, and is the name of one"]);
    let whole = "/// D.\nasync fn t(cx: &DurableContext, #[args] args: New) -> Result<(), E> { Ok(()) }";
    assert!(expanded("idempotency = \"args\"", whole).1.to_string().contains("key_from_arguments ()"));
    assert!(expanded("idempotency = \"orderId\"", whole).1.to_string().contains("key_from (\"orderId\")"));
}

#[test]
fn keys_that_end_with_the_delivery_need_no_argument_and_deny_nothing() {
    let bare = "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> { Ok(()) }";
    let whole = "/// D.\nasync fn t(cx: &DurableContext, #[args] undelivered: New) -> Result<(), E> { Ok(()) }";
    for item in [bare, whole] {
        let (messages, rest) = expanded("idempotency = \"undelivered\"", item);
        assert_eq!(messages, <[String; 0]>::default());
        assert!(rest.to_string().contains("key_until_delivered ()"), "{rest}");
    }
    let ambiguous = "/// D.\nasync fn t(cx: &DurableContext, undelivered: u8) -> Result<(), E> { Ok(()) }";
    refused("idempotency = \"undelivered\"", ambiguous, &["`undelivered` stands for calls whose answer was lost"]);
    let item = "/// D.\nasync fn t(cx: &DurableContext) -> Result<(), E> { #[once(at_most)] f(cx).await?; Ok(()) }";
    let message = "the tool has an `at_most` step, which a second call would make again";
    refused("idempotency = \"undelivered\", idempotent", item, &[message]);
}

#[test]
fn what_a_second_call_changes_is_not_denied() {
    let item = |kind: &str| {
        format!(
            "/// D.\nasync fn t(cx: &DurableContext, a: u8) -> Result<(), E> {{ #[once({kind})] f(cx).await?; Ok(()) }}"
        )
    };
    assert_eq!(expanded("idempotent", &item("at_least")).0, <[String; 0]>::default());
    assert_eq!(expanded("idempotent, idempotency = \"a\"", &item("at_most")).0, <[String; 0]>::default());
    refused("idempotent", &item("at_most"), &["the tool has an `at_most` step, which a second call would make again"]);
    let reader = "/// D.\nasync fn t(cx: &ReadContext, a: u8) -> Result<(), E> { Ok(()) }";
    refused("read_only, idempotent", reader, &["a `read_only` tool changes nothing at all"]);
    refused("read_only, idempotency = \"a\"", reader, &["a `read_only` tool may be called any number of times"]);
    refused("read_only, timeout = \"1s\"", reader, &["a `read_only` tool is not journaled, so that there is nothing"]);
}
