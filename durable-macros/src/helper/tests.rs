use super::*;
use crate::diagnostics::reported;

fn expanded(options: &str, item: &str) -> (Vec<String>, TokenStream) {
    // As text, so that the tokens have positions.
    reported(expand(options.parse().expect("options"), &item.parse().expect("an item")))
}

#[track_caller]
fn refused(options: &str, item: &str, beginnings: &[&str]) {
    let (messages, rest) = expanded(options, item);
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
    let rest = rest.to_string();
    assert!(rest.contains("-> :: durable_runtime :: __private :: Operation"), "the function still exists: {rest}");
}

#[test]
fn a_durable_function_enters_its_scope_and_returns_its_body() {
    let (messages, rest) = expanded(
        "key = order.id",
        r"
            /// Pays.
            pub(crate) async fn pay<T: Display>(
                cx: &DurableContext,
                order: &Order<'_>,
                mut items: Vec<u32>,
                each: impl Fn(&T) -> u32,
            ) -> Result<u32, ToolError> {
                cx.sleep().await;
                Ok(1)
            }
        ",
    );
    assert_eq!(messages, <[String; 0]>::default());
    let expected = quote! {
        #[doc = " Pays."]
        #[allow(
            clippy::let_unit_value,
            clippy::multiple_bound_locations,
            clippy::needless_lifetimes,
            clippy::no_effect_underscore_binding,
            clippy::redundant_locals,
            clippy::trait_duplication_in_bounds,
            clippy::type_complexity,
            clippy::type_repetition_in_bounds,
            clippy::used_underscore_binding
        )]
        pub(crate) fn pay<
            'durable, 'life0: 'durable, 'life1: 'durable, 'life2: 'durable,
            T: Display + ::core::marker::Send + 'durable
        >(
            cx: &'life0 DurableContext,
            order: &'life1 Order<'life2>,
            items: Vec<u32>,
            each: impl Fn(&T) -> u32 + ::core::marker::Send + 'durable,
        ) -> ::durable_runtime::__private::Operation<'durable, Result<u32, ToolError> > {
            let scope = ::durable_runtime::__private::enter(
                cx, "pay", ::durable_runtime::__private::key(&(order.id))
            );
            ::durable_runtime::__private::operation(async move {
                let cx = &scope;
                if let ::core::option::Option::Some(output) =
                    ::durable_runtime::__private::returns::<Result<u32, ToolError> >()
                {
                    return output;
                }
                #[allow(unused_variables)]
                let order = order;
                let mut items = items;
                let each = each;
                let output: Result<u32, ToolError> = {
                    ::durable_runtime::__private::durable(cx.sleep()).await;
                    Ok(1)
                };
                output
            })
        }
    };
    assert_eq!(rest.to_string(), expected.to_string());
}

#[test]
fn what_a_result_borrows_from_is_told_as_the_language_does() {
    let (messages, rest) = expanded("", "async fn name(&self, cx: &DurableContext) -> Option<&str> { None }");
    assert_eq!(messages, <[String; 0]>::default());
    let rest = rest.to_string();
    assert!(rest.contains("(& 'life0 self , cx : & 'life1 DurableContext)"), "{rest}");
    assert!(rest.contains("Operation < 'durable , Option < & 'life0 str > >"), "{rest}");
    let (_, rest) = expanded("", "async fn name(cx: &DurableContext) -> impl Iterator<Item = &u32> { [].iter() }");
    let rest = rest.to_string();
    assert!(rest.contains("Operation < 'durable , impl Iterator < Item = & 'life0 u32 > >"), "{rest}");
    assert!(!rest.contains("returns"), "{rest}");
}

#[test]
fn names_and_the_runtime_can_be_said() {
    let (messages, rest) =
        expanded("name = \"pay it\", crate = crate::rt", "async fn pay(cx: &DurableContext) { cx.sleep().await }");
    assert_eq!(messages, <[String; 0]>::default());
    let enter = quote!(crate::rt::__private::enter(cx, "pay it", ::core::option::Option::None)).to_string();
    assert!(rest.to_string().contains(&enter), "{rest}");
}

#[test]
fn steps_of_a_durable_function_are_checked_as_those_of_a_tool() {
    refused(
        "",
        "async fn t(cx: &DurableContext) { for i in items { #[once(at_least)] pay(cx).await?; } }",
        &["a step in a loop needs a key"],
    );
}

#[test]
fn every_mistake_of_a_signature_is_reported() {
    refused("", "fn t(cx: &DurableContext) {}", &["a durable function is an async function"]);
    refused("", "async fn t(a: u32) {}", &["a durable function takes its caller's context"]);
    refused("", "async fn t(cx: &ReadContext) {}", &["a `read_only` tool has no steps"]);
    refused("", "async fn t(cx: &rt::StepContext) {}", &["inside a step there are no steps"]);
    refused("", "async fn t(cx: DurableContext) {}", &["the context is lent"]);
    refused("", "async fn t(cx: &mut DurableContext) {}", &["the context is lent"]);
    refused("", "async fn t(_: &DurableContext) {}", &["the context needs a name"]);
    refused("", "async fn t(cx: &DurableContext, dx: &DurableContext) {}", &["a durable function has one context"]);
    refused("", "const async fn t(cx: &DurableContext) {}", &["a durable function is not a `const` function"]);
    refused("", "async unsafe fn t(cx: &DurableContext) {}", &["a durable function is safe to call"]);
    refused("", "async extern \"C\" fn t(cx: &DurableContext) {}", &["a durable function is a Rust function"]);
}

#[test]
fn every_mistake_of_the_options_is_reported() {
    let item = "async fn t(cx: &DurableContext) {}";
    refused("nmae = \"a\"", item, &["unknown option `nmae`: did you mean `name`?"]);
    refused("name = \"\"", item, &["a function's name is not empty"]);
    refused("key", item, &["`key` takes an expression"]);
    refused("key = id().await", item, &["a key is computed without waiting"]);
    refused("crate = 1", item, &["`crate` takes the path"]);
}

#[test]
fn other_macros_of_ours_on_the_function_are_refused() {
    let item = "async fn t(cx: &DurableContext) {}";
    refused("", &format!("#[durable_tool] {item}"), &["a tool is durable, and called by clients only"]);
    refused("", &format!("#[once(at_least)] {item}"), &["a step is an awaited expression, not a function"]);
    refused("", &format!("#[durable] {item}"), &["the function is durable already"]);
}

#[test]
fn what_is_no_function_keeps_its_item() {
    let item: TokenStream = quote!(
        struct t;
    );
    let expansion = expand(TokenStream::new(), &item).to_string();
    assert!(expansion.contains("move `#[durable]` onto one"), "{expansion}");
    assert!(expansion.ends_with(&item.to_string()), "{expansion}");
}
