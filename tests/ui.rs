//! What the macros accept and refuse, and the text of every refusal.
//!
//! Each file of `ui/fail` is named after one mistake and has the compiler's message beside it. After a change of a
//! message, `TRYBUILD=overwrite cargo test -p durable-tests --test ui` writes the new ones; read them before they are
//! kept.

#[test]
fn macros_accept_every_form_and_refuse_every_mistake_at_its_token() {
    let cases = trybuild::TestCases::new();
    cases.pass("ui/pass/*.rs");
    cases.compile_fail("ui/fail/*.rs");
}
