//! What a step turns into, wherever it stands: once in full, and then by what differs.

use super::tests::accepted;
use proc_macro2::TokenStream;
use quote::quote;

/// A step that was marked `at_least`, or `at_most` without `retry_on`.
fn step(kind: &TokenStream, settings: &TokenStream, expression: &TokenStream) -> TokenStream {
    let again = (kind.to_string() == "at_most").then(|| quote!(, ::durable_runtime::__private::never));
    quote! {
        #[allow(unused_imports)]
        use once as _;
        let mut step = ::durable_runtime::__private::#kind(cx, "call") #settings;
        loop {
            match step.next().await {
                ::durable_runtime::__private::Next::Attempt(attempt) => {
                    let cx = &attempt;
                    let result = ::durable_runtime::__private::attempt(cx, || async { #expression }).await;
                    step.end(&attempt, result #again);
                }
                ::durable_runtime::__private::Next::Outcome(outcome) => break outcome,
            }
        }
    }
}

fn at_least(settings: &TokenStream) -> TokenStream {
    step(&quote!(at_least), settings, &quote!(call(cx).await))
}

#[track_caller]
fn expands(body: &TokenStream, expected: &TokenStream) {
    // Both as text, so that they are printed alike.
    let expected: TokenStream = format!("{{ {expected} }}").parse().expect("tokens");
    let written: TokenStream = accepted(body).parse().expect("tokens");
    assert_eq!(written.to_string(), expected.to_string());
}

#[test]
fn a_let_takes_the_outcome() {
    let step = at_least(&TokenStream::new());
    expands(&quote!(#[once(at_least)] let a = call(cx).await?;), &quote!(let a = { #step }?;));
    expands(
        &quote!(#[once(at_least)] let a: Result<u8, E> = call(cx).await;),
        &quote!(let a: Result<u8, E> = { #step };),
    );
}

#[test]
fn a_let_else_takes_the_outcome_and_its_other_way_is_a_part_of_the_body() {
    let step = at_least(&TokenStream::new());
    expands(
        &quote!(#[once(at_least)] let Some(a) = call(cx).await? else { return other(cx).await };),
        &quote!(let Some(a) = { #step }? else { return ::durable_runtime::__private::durable(other(cx)).await };),
    );
}

#[test]
fn a_statement_and_a_tail_are_the_step_itself() {
    let step = at_least(&TokenStream::new());
    expands(&quote!(#[once(at_least)] call(cx).await?;), &quote!({ #step }?;));
    expands(
        &quote!(
            #[once(at_least)]
            call(cx).await
        ),
        &quote!({ #step }),
    );
}

#[test]
fn a_scrutinee_is_the_step() {
    let step = at_least(&TokenStream::new());
    expands(
        &quote!(match #[once(at_least)]
        call(cx).await
        {
            Ok(a) => a,
            Err(_) => 0,
        }),
        &quote!(match { #step } { Ok(a) => a, Err(_) => 0, }),
    );
}

#[test]
fn a_round_of_a_loop_has_its_key() {
    let step = at_least(&quote!(.key(&(item.id))));
    expands(
        &quote!(for item in items {
            #[once(at_least, key = item.id)]
            let a = call(cx).await?;
        }),
        &quote!(for item in items { let a = { #step }?; }),
    );
}

#[test]
fn retries_are_settings_in_the_order_of_the_marker() {
    let step = at_least(&quote!(.attempts(5).initial_ms(100)));
    expands(
        &quote!(#[once(at_least, retry(attempts = 5, initial = "100ms"))] let a = call(cx).await?;),
        &quote!(let a = { #step }?;),
    );
}

#[test]
fn an_at_most_once_step_says_which_errors_may_be_followed_by_another_attempt() {
    let step = step(&quote!(at_most), &TokenStream::new(), &quote!(call(cx).await));
    expands(&quote!(#[once(at_most)] let a = call(cx).await?;), &quote!(let a = { #step }?;));
}

#[test]
fn an_infallible_step_wraps_its_value_and_unwraps_its_outcome() {
    let value = quote!(::durable_runtime::__private::Ok::<_, ::durable_runtime::__private::Never>(call(cx).await));
    let step = step(&quote!(at_least), &TokenStream::new(), &value).to_string();
    let step: TokenStream = step
        .replace("break outcome", "break :: durable_runtime :: __private :: infallible (outcome)")
        .parse()
        .expect("tokens");
    expands(&quote!(#[once(at_least, infallible)] let a = call(cx).await;), &quote!(let a = { #step };));
}

#[test]
fn an_async_block_is_one_step() {
    let block = quote!(
        async {
            first(cx).await?;
            second(cx).await
        }
        .await
    );
    let step = step(&quote!(at_least), &TokenStream::new(), &block);
    expands(&quote!(#[once(at_least, name = "call")] let a = #block?;), &quote!(let a = { #step }?;));
}

#[test]
fn a_step_in_a_branch_is_as_in_the_body() {
    let step = at_least(&TokenStream::new());
    let branch = accepted(&quote!(let (a,) = join!(async { #[once(at_least)] call(cx).await });));
    let branch: TokenStream = branch.parse().expect("tokens");
    let expected: TokenStream =
        quote!(::durable_runtime::__private::start(cx, async { { #step } })).to_string().parse().expect("tokens");
    assert!(branch.to_string().contains(&expected.to_string()), "{branch}");
}
