use super::*;
use syn::parse_quote;

fn read(attribute: &Attribute) -> (Marker, Vec<String>) {
    let mut diagnostics = Diagnostics::default();
    let marker = Marker::read(attribute, &mut diagnostics);
    (marker, diagnostics.messages())
}

fn settings(attribute: &Attribute) -> Vec<String> {
    let (marker, messages) = read(attribute);
    assert_eq!(messages, <[String; 0]>::default());
    marker.settings.iter().map(|setting| format!("{} {}", setting.method, setting.argument)).collect()
}

#[track_caller]
fn refused(attribute: &Attribute, beginnings: &[&str]) {
    let (_, messages) = read(attribute);
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for beginning in beginnings {
        assert!(messages.iter().any(|message| message.starts_with(beginning)), "{beginning}: {messages:#?}");
    }
}

#[test]
fn settings_keep_their_order_and_durations_become_milliseconds() {
    assert_eq!(
        settings(&parse_quote!(#[once(
            at_least,
            timeout = "1m 30s",
            retry(jitter = 0, max = "10s", initial = "250ms", unlimited, factor = 2),
            key = a.b,
        )])),
        [
            "timeout_ms 90000",
            "jitter 0.0",
            "max_ms 10000",
            "initial_ms 250",
            "unlimited ",
            "factor 2.0",
            "key & (a . b)",
        ]
    );
    assert_eq!(settings(&parse_quote!(#[once(at_most, retry_on(_), retry(attempts = unlimited))])), ["unlimited "]);
}

#[test]
fn a_marker_says_one_kind() {
    refused(&parse_quote!(#[once]), &["the marker does not say how often"]);
    refused(&parse_quote!(#[once(name = "a")]), &["the marker does not say how often"]);
    refused(&parse_quote!(#[once = "at_least"]), &["`#[once]` takes its options in parentheses"]);
    refused(&parse_quote!(#[once(at_least, at_most)]), &["a step is either `at_least` or `at_most`"]);
    refused(&parse_quote!(#[once(at_mots)]), &["unknown option `at_mots`: did you mean `at_most`?"]);
    refused(&parse_quote!(#[once(at_least = 3)]), &["`at_least` takes no value"]);
    refused(&parse_quote!(#[once(at_least name = "a")]), &["unexpected token after an option"]);
}

#[test]
fn quantities_out_of_range_are_refused() {
    refused(
        &parse_quote!(#[once(at_least, timeout = "0s", retry(attempts = 0, factor = 0.9, jitter = 1.1))]),
        &["no attempt ends in no time", "a step has at least one attempt", "a factor of `0.9`", "a jitter of `1.1`"],
    );
    refused(
        &parse_quote!(#[once(at_least, timeout = 5, retry(attempts = 5000000000, initial = "1us", jitter = -1))]),
        &["`timeout` takes a duration", "`5000000000` is not a number", "`1us` is finer", "a jitter of `-1`"],
    );
    refused(&parse_quote!(#[once(at_least, retry(initial = "2s", max = "1s"))]), &["`max` is shorter"]);
    refused(&parse_quote!(#[once(at_least, retry(factor = 1e999))]), &["a factor of `inf`"]);
    refused(&parse_quote!(#[once(at_least, timeout = "ten seconds")]), &["`ten seconds` is not a duration"]);
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    refused(&parse_quote!(#[once(at_least, retry_on(_))]), &["an `at_least` step is retried after every error"]);
    refused(&parse_quote!(#[once(at_most, infallible)]), &["an `at_most` step that a crash has cut off"]);
    refused(&parse_quote!(#[once(at_least, infallible, timeout = "1s")]), &["an attempt that runs out of time"]);
    refused(
        &parse_quote!(#[once(at_least, infallible, retry(attempts = 2))]),
        &["an `infallible` step has no error to be retried after"],
    );
    refused(
        &parse_quote!(#[once(at_most, retry(attempts = 2))]),
        &["an `at_most` step is retried only after errors that are named"],
    );
    refused(
        &parse_quote!(#[once(at_most, infallible, retry(attempts = 2))]),
        &["an `at_most` step that a crash has cut off"],
    );
    refused(&parse_quote!(#[once(at_least, retry(attempts = 2, unlimited))]), &["`unlimited` contradicts"]);
}

#[test]
fn retry_on_takes_a_pattern_with_alternatives_and_a_guard() {
    let (marker, messages) = read(&parse_quote!(#[once(at_most, retry_on(A { .. } | B(n) if n > 1))]));
    assert_eq!(messages, <[String; 0]>::default());
    assert!(marker.retry_on.is_some());
    refused(&parse_quote!(#[once(at_most, retry_on())]), &["`retry_on` takes a pattern"]);
    refused(&parse_quote!(#[once(at_most, retry_on(A, B))]), &["`retry_on` takes a pattern"]);
    refused(&parse_quote!(#[once(at_most, retry_on = A)]), &["`retry_on` takes parentheses"]);
}

#[test]
fn empty_values_are_refused() {
    refused(&parse_quote!(#[once(at_least, name = "")]), &["a step's name is not empty"]);
    refused(&parse_quote!(#[once(at_least, retry())]), &["`retry()` says nothing"]);
    refused(&parse_quote!(#[once(at_least, key =)]), &["`key` takes an expression"]);
}
