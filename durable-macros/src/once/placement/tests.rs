use super::*;
use quote::quote;
use syn::parse_quote;

fn examined(expression: &Expr) -> (Option<Placement>, Vec<String>) {
    let mut diagnostics = Diagnostics::default();
    let placement = examine(&parse_quote!(once), expression, &mut diagnostics);
    (placement, diagnostics.messages())
}

fn name(expression: &Expr) -> Option<String> {
    let (placement, messages) = examined(expression);
    assert_eq!(messages, <[String; 0]>::default());
    placement.expect("a step").callee.map(|callee| callee.to_string())
}

#[track_caller]
fn refused(expression: &Expr, beginnings: &[&str]) {
    let (placement, messages) = examined(expression);
    assert!(placement.is_none());
    assert_eq!(messages.len(), beginnings.len(), "{messages:?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[test]
fn a_step_is_named_after_the_call_that_is_awaited() {
    assert_eq!(name(&parse_quote!(create_user(cx).await)).as_deref(), Some("create_user"));
    assert_eq!(name(&parse_quote!(users::create::<Text>(cx).await?)).as_deref(), Some("create"));
    assert_eq!(name(&parse_quote!(<Shop as Trade>::sell(cx).await)).as_deref(), Some("sell"));
    assert_eq!(name(&parse_quote!(client.get(url).send().await.map_err(f)?)).as_deref(), Some("send"));
    assert_eq!(name(&parse_quote!((pay(cx)).await.0 as u64)).as_deref(), Some("pay"));
    assert_eq!(name(&parse_quote!(r#type(cx).await)).as_deref(), Some("type"));
}

#[test]
fn a_step_that_awaits_no_call_has_no_name_of_its_own() {
    assert_eq!(name(&parse_quote!(async { 1 }.await)), None);
    assert_eq!(name(&parse_quote!(future.await)), None);
    assert_eq!(name(&parse_quote!((handlers.pay)(cx).await)), None);
    assert_eq!(name(&parse_quote!(make!(cx).await)), None);
}

#[test]
fn the_final_question_mark_is_told_from_the_step() {
    assert!(examined(&parse_quote!(call().await?)).0.expect("a step").question.is_some());
    assert!(examined(&parse_quote!(call().await.map(f)?)).0.expect("a step").question.is_some());
    assert!(examined(&parse_quote!(call().await)).0.expect("a step").question.is_none());
}

#[test]
fn a_step_awaits_exactly_once() {
    refused(&parse_quote!(call()), &["the marked expression has no `.await`"]);
    refused(&parse_quote!(async { call().await }), &["an `async` block is a step only when"]);
    refused(&parse_quote!(|| call()), &["a closure is not a step"]);
    refused(&parse_quote!(println!()), &["the framework cannot see into a macro call"]);
    refused(&parse_quote!(first().await + second().await), &["the marked expression is more than one awaited call"]);
    refused(&parse_quote!(&call().await), &["the marked expression is more than one awaited call"]);
    refused(&parse_quote!(first().await.second().await), &["a step awaits once"]);
    refused(&parse_quote!(first(second().await?).await?), &["a step awaits once"]);
    refused(&parse_quote!(first(format!("{}", second().await)).await), &["the framework cannot see an `.await`"]);
}

#[test]
fn nothing_leaves_a_step_early() {
    refused(&parse_quote!(call(argument?).await?), &["`?` would leave"]);
    refused(&parse_quote!(call()?.await), &["`?` would leave"]);
    refused(&parse_quote!(call().await?.len()), &["`?` would leave"]);
    refused(&parse_quote!(call(return 1).await), &["`return` would leave"]);
    refused(&parse_quote!(call(if full { break } else { 1 }).await), &["`break` would leave"]);
    refused(&parse_quote!(call(if full { continue 'all } else { 1 }).await), &["`continue` would leave"]);
    refused(
        &parse_quote!(
            call(loop {
                break 'all;
            })
            .await
        ),
        &["`break` would leave"],
    );
    refused(&parse_quote!(call(&vec![1, count()?]).await), &["`?` would leave"]);
}

#[test]
fn what_leaves_a_part_of_the_step_only_is_free() {
    for expression in [
        quote!(
            call(|| {
                first()?;
                return second();
            })
            .await
        ),
        quote!(
            async {
                first().await?;
                let all = join!(second(), third());
                return all;
            }
            .await
        ),
        quote!(
            call('all: loop {
                loop {
                    break 'all 1;
                }
            })
            .await
        ),
        quote!(
            call(loop {
                if full {
                    continue;
                }
                break 1;
            })
            .await
        ),
        quote!(
            call(for item in items {
                if item.is_full() {
                    break;
                }
            })
            .await
        ),
    ] {
        let (placement, messages) = examined(&parse_quote!(#expression));
        assert_eq!(messages, <[String; 0]>::default());
        assert!(placement.is_some());
    }
}

#[test]
fn a_step_has_no_step_inside() {
    refused(
        &parse_quote!(
            async {
                #[once(at_least)]
                call().await
            }
            .await
        ),
        &["a step inside of a step"],
    );
    // That it awaits and ends with `?` is no mistake of its own.
    refused(
        &parse_quote!(
            call(
                cx,
                #[once(at_least)]
                other(cx).await?
            )
            .await?
        ),
        &["a step inside of a step"],
    );
}

#[test]
fn a_step_does_not_change_what_a_second_attempt_would_find() {
    refused(
        &parse_quote!(call(cx, &mut words).await?),
        &["a step may run again, and a second attempt would find `words` changed"],
    );
}
