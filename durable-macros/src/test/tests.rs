use super::*;
use crate::diagnostics::reported;

fn expanded(options: &str, item: &str) -> (Vec<String>, String) {
    // As text, so that the tokens have positions.
    let expansion = expand(options.parse().expect("options"), &item.parse().expect("an item"));
    let (messages, rest) = reported(expansion);
    (messages, rest.to_string())
}

#[test]
fn a_test_runs_its_function_as_the_options_say() {
    let (messages, rest) = expanded(
        "crash = every_point, in_doubt(charge, \"a step\")",
        "/// Pays.\n#[ignore] pub(crate) async fn pays(run: TestRun) -> Result<(), Error> { Ok(()) }",
    );
    assert_eq!(messages, <[String; 0]>::default());
    let expected = quote! {
        #[doc = " Pays."]
        #[ignore]
        #[cfg_attr(test, ::core::prelude::v1::test)]
        #[cfg_attr(not(test), allow(dead_code))]
        pub(crate) fn pays() {
            async fn pays(run: TestRun) -> Result<(), Error> { Ok(()) }
            ::durable_runtime::testing::DurableTest::new()
                .crash_at_every_point()
                .in_doubt("charge")
                .in_doubt("a step")
                .run(pays)
        }
    };
    assert_eq!(rest, expected.to_string());
}

#[test]
fn the_runtime_is_where_the_test_says() {
    let (_, rest) = expanded("crate = crate::durable", "async fn pays(run: TestRun) {}");
    assert!(rest.contains("crate :: durable :: testing :: DurableTest :: new () . run (pays)"), "{rest}");
}

#[test]
fn every_mistake_of_a_test_is_reported_and_the_function_still_exists() {
    let (messages, rest) = expanded("in_doubt(charge), crush = every_point", "#[test] fn pays<T>() {}");
    let beginnings = [
        "without a crash no step is in doubt",
        "unknown option `crush`: did you mean `crash`?",
        "`#[durable_test]` makes a test by itself",
        "a durable test awaits its calls",
        "a durable test takes the run that it is",
        "a test is no generic function",
    ];
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for beginning in beginnings {
        assert!(messages.iter().any(|message| message.starts_with(beginning)), "{beginning}: {messages:#?}");
    }
    assert!(rest.contains("fn pays"), "{rest}");
}
