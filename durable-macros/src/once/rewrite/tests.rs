use super::*;
use proc_macro2::{Span, TokenStream};
use quote::quote;

/// The rewritten body, its mistakes, and whether it can be kept.
fn rewritten(body: &TokenStream) -> (String, Vec<String>, bool) {
    // As text, so that the tokens have positions.
    let mut block: Block = syn::parse_str(&format!("{{ {body} }}")).expect("a block");
    let mut diagnostics = Diagnostics::default();
    let runtime = Runtime::new(None);
    let context = Ident::new("cx", Span::call_site());
    let whole = Body::new(&runtime, &context, &mut diagnostics).rewrite(&mut block);
    (block.to_token_stream().to_string(), diagnostics.messages(), whole)
}

#[track_caller]
pub(super) fn accepted(body: &TokenStream) -> String {
    let (rewritten, messages, whole) = rewritten(body);
    assert_eq!(messages, <[String; 0]>::default());
    assert!(whole);
    rewritten
}

#[track_caller]
fn refused(body: &TokenStream, beginnings: &[&str], is_whole: bool) {
    let (_, messages, whole) = rewritten(body);
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
    assert_eq!(whole, is_whole, "whether the body can be kept");
}

#[test]
fn every_await_without_a_marker_must_be_durable() {
    let body = quote! {
        let a = first(second().await).await?;
        if let Some(b) = third().await.fourth() {
            let later = async move { b.await };
            let each = |c| async move { c.await };
        }
        match a { n if check(n).await => {} _ => {} }
        fn nested() { async { free().await } }
    };
    let durable = quote!(::durable_runtime::__private::durable);
    let expected = quote! {{
        let a = #durable(first(#durable(second()).await)).await?;
        if let Some(b) = #durable(third()).await.fourth() {
            let later = async move { #durable(b).await };
            let each = |c| async move { #durable(c).await };
        }
        match a { n if #durable(check(n)).await => {} _ => {} }
        fn nested() { async { free().await } }
    }};
    assert_eq!(accepted(&body), expected.to_string());
}

#[test]
fn a_marker_is_understood_wherever_an_await_can_stand() {
    let body = quote! {
        #[once(at_least)]
        let a = first().await?;
        #[once(at_least)]
        let Ok(b) = second().await else { return fallback().await };
        #[once(at_most)]
        third().await;
        match #[once(at_least)] fourth().await { _ => {} }
        if #[once(at_least)] fifth().await? {}
        let c = #[once(at_least)] sixth().await? + 1;
        call(#[once(at_least)] seventh().await);
        match a { _ => #[once(at_least)] eighth().await? }
        #[once(at_least)]
        ninth().await
    };
    let rewritten = accepted(&body);
    assert!(!rewritten.contains("[once"), "{rewritten}");
    for name in ["first", "second", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"] {
        assert!(rewritten.contains(&quote!(::at_least(cx, #name)).to_string()), "{name}: {rewritten}");
    }
    assert!(rewritten.contains(&quote!(::at_most(cx, "third")).to_string()), "{rewritten}");
    // A rewritten body is a body again: where a block would end a statement, it stands in parentheses.
    let _: Block = syn::parse_str(&rewritten).expect("a block");
    assert!(rewritten.contains(&quote!(::durable(fallback())).to_string()), "{rewritten}");
}

#[test]
fn other_attributes_stay_with_the_step() {
    let rewritten = accepted(&quote!(#[allow(unused_must_use)] #[once(at_least)] first().await;));
    let step = format!("{} {{", quote!(#[allow(unused_must_use)]));
    assert!(rewritten.contains(&step), "{rewritten}");
}

#[test]
fn names_are_unique_in_a_body() {
    refused(
        &quote! {
            #[once(at_least)] pay(1).await;
            #[once(at_least)] shop.pay(2).await;
            #[once(at_least, name = "pay", key = 1)] refund().await;
            #[once(at_least, name = "other")] pay(4).await;
        },
        &["another step of this body is named `pay`", "another step of this body is named `pay`"],
        true,
    );
    refused(
        &quote!(
            #[once(at_least)]
            async { 1 }.await
        ),
        &["the step's name cannot be told"],
        true,
    );
}

#[test]
fn a_step_in_a_loop_needs_a_key() {
    let message = "a step in a loop needs a key";
    refused(
        &quote!(for item in items {
            #[once(at_least)]
            pay(item).await;
        }),
        &[message],
        true,
    );
    refused(
        &quote!(loop {
            {
                #[once(at_least)]
                pay().await;
            }
        }),
        &[message],
        true,
    );
    refused(
        &quote!(while #[once(at_least)]
        is_open().await
        {}),
        &[message],
        true,
    );
    accepted(&quote!(for item in #[once(at_least)]
    items().await
    {}));
    accepted(&quote!(loop {
        #[once(at_least, key = n)]
        pay().await;
    }));
}

#[test]
fn a_key_does_not_wait() {
    refused(
        &quote!(
            #[once(at_least, key = id().await)]
            pay().await
        ),
        &["a key is computed without waiting"],
        false,
    );
}

#[test]
fn a_marker_that_would_do_nothing_is_an_error() {
    refused(&quote!(#[once(at_least)] place = pay().await;), &["a step is an expression, not an assignment"], false);
    refused(&quote!(#[once(at_least)] let later;), &["this `let` has no expression"], false);
    refused(
        &quote!(
            #[once(at_least)]
            fn nested() {}
        ),
        &["a marker in an item"],
        false,
    );
    refused(
        &quote!(
            fn nested() {
                #[once(at_least)]
                pay();
            }
        ),
        &["a marker in an item"],
        false,
    );
    refused(&quote!(let f = || { #[once(at_least)] pay().await };), &["a step in a closure"], false);
    refused(&quote!(let f = async { #[once(at_least)] pay().await };), &["a step in an `async` block"], false);
    refused(&quote!(let f = const { #[once(at_least)] pay().await };), &["a step in a `const` block"], false);
    refused(&quote!(#[once(at_least)] print!();), &["a marker marks nothing here"], false);
    refused(
        &quote!(match n {
            #[once(at_least)]
            _ => {}
        }),
        &["a marker marks nothing here"],
        false,
    );
    refused(&quote!(Made { #[once(at_least)] id: 1 };), &["a marker marks nothing here"], false);
    refused(
        &quote!(
            macro_rules! pay {
                () => {
                    pay().await
                };
            }
        ),
        &["the framework cannot see an `.await` inside a macro"],
        false,
    );
}

#[test]
fn a_tool_inside_of_a_tool_keeps_its_steps() {
    accepted(&quote!(
        #[durable_tool]
        async fn inner() {
            #[once(at_least)]
            pay().await;
        }
    ));
}

#[test]
fn a_second_marker_is_refused() {
    let message = "this is marked as a step already";
    refused(&quote!(#[once(at_least)] #[once(at_most)] let a = pay().await;), &[message], true);
    refused(&quote!(#[once(at_least)] let a = #[once(at_least)] pay().await;), &[message], true);
}

#[test]
fn an_infallible_step_has_no_question_mark() {
    refused(&quote!(#[once(at_least, infallible)] pay().await?;), &["an `infallible` step yields"], false);
}

#[test]
fn the_mistakes_of_a_body_come_in_source_order() {
    refused(
        &quote! {
            #[once(at_least, nam = "a", timeout = "soon")] pay().await;
            for item in items { #[once(at_least, retry(attempts = 0))] order(item).await; }
            #[once(at_leats)] pay()?.await;
        },
        &[
            "unknown option `nam`",
            "`soon` is not a duration",
            "a step in a loop needs a key",
            "a step has at least one attempt",
            "unknown option `at_leats`",
            "`?` would leave",
        ],
        false,
    );
}

#[test]
fn branches_have_scopes_of_their_own_and_are_awaited_together() {
    let rewritten = accepted(&quote! {
        let (a, b) = try_join!(pay(cx, &format!("{a}")), async move { send(cx).await })?;
    });
    let not_ours = branches::Kind::TryJoin.of_others();
    let expected = quote! {{
        let (a, b) = {
            try_join! { { ::core::compile_error!(#not_ours) } }
            let body = cx;
            let branch_0 = ::durable_runtime::__private::branch(cx, "pay");
            let branch_1 = ::durable_runtime::__private::branch(cx, "send");
            match &branch_0 {
                cx => match ::durable_runtime::__private::start(
                    cx, ::durable_runtime::__private::durable(pay(cx, &format!("{a}")))
                ) {
                    started_0 => match &branch_1 {
                        cx => match ::durable_runtime::__private::start(
                            cx, async move { ::durable_runtime::__private::durable(send(cx)).await }
                        ) {
                            started_1 => ::durable_runtime::__private::TryJoin::try_join(
                                (started_0, started_1,), body, "pay|send"
                            ).await
                        }
                    }
                }
            }
        }?;
    }};
    assert_eq!(rewritten, expected.to_string());
}

#[test]
fn the_macro_decides_how_branches_end() {
    let join = accepted(&quote!(join!(a(cx), b(cx));));
    assert!(join.contains(&quote!(::Join::join((started_0, started_1,)).await).to_string()), "{join}");
    assert!(!join.contains("body"), "{join}");
    let race = accepted(&quote!(durable_runtime::race! { a(cx), b(cx) }));
    assert!(race.contains(&quote!(::Race::race([started_0, started_1], body, "a|b").await).to_string()), "{race}");
    let not_ours = branches::Kind::Race.of_others();
    let check = quote!(durable_runtime::race! { { ::core::compile_error!(#not_ours) } }).to_string();
    assert!(race.contains(&check), "{race}");
}

#[test]
fn a_branch_is_labelled_after_its_first_step_or_call() {
    let rewritten = accepted(&quote! {
        join!(
            async { first(cx).await; #[once(at_least, name = "pay it")] pay().await },
            async { second(cx, third(cx).await).await },
            shop.stock(cx),
            shop.stock(cx),
            async { 1 },
        )
    });
    for label in ["pay it", "third", "stock", "stock2", "branch"] {
        assert!(rewritten.contains(&quote!(::branch(cx, #label)).to_string()), "{label}: {rewritten}");
    }
}

#[test]
fn what_is_no_branch_is_refused() {
    refused(&quote!(join!();), &["`join!` takes 1 to 8 branches: write one"], false);
    refused(&quote!(race!(a, b, c, d, e, f, g, h, i);), &["`race!` takes 1 to 8 branches: put some"], false);
    refused(&quote!(join!(pay(cx).await?);), &["`join!` awaits its branches"], false);
    refused(&quote!(race!(a = pay(cx) => a);), &["`race!` takes branches between commas"], false);
    refused(&quote!(join!(pay(cx)).await;), &["`join!` awaits by itself"], false);
    refused(&quote!(join!(#[once(at_least)] pay(cx));), &["a branch with a step is an `async` block"], false);
    refused(&quote!(tokio::join!(pay(cx), pay(cx));), &["`join!` awaits where the framework cannot see it"], false);
}

#[test]
fn branches_stand_in_the_body_itself() {
    let message = "`join!` in a closure or an `async` block has no place";
    refused(&quote!(let later = async { join!(pay(cx)) };), &[message], false);
    refused(&quote!(let each = || join!(pay(cx));), &[message], false);
    let step = quote!(
        #[once(at_least)]
        pay().await
    );
    refused(&quote!(join!(async { let later = async { #step }; });), &["a step in an `async` block"], false);
    refused(&quote!(join!(async { #step }, async { #step });), &["another step of this body is named `pay`"], true);
    refused(
        &quote!(loop {
            join!(async { #step });
        }),
        &["a step in a loop needs a key"],
        true,
    );
}
