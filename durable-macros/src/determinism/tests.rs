use super::*;

/// The body without permissions, its mistakes, and whether it can be kept.
fn checked(parameters: &[(&str, &str)], body: &str) -> (String, Vec<String>, bool) {
    let mut block: Block = syn::parse_str(&format!("{{ {body} }}")).expect("a block");
    let types: Vec<(String, Type)> =
        parameters.iter().map(|(name, ty)| ((*name).to_owned(), syn::parse_str(ty).expect("a type"))).collect();
    let mut diagnostics = Diagnostics::default();
    let parameters = types.iter().map(|(name, ty)| (name.clone(), ty));
    let whole = check(&mut block, parameters, &Runtime::new(None), &mut diagnostics);
    (block.to_token_stream().to_string(), diagnostics.messages(), whole)
}

#[track_caller]
fn refused(parameters: &[(&str, &str)], body: &str, beginnings: &[&str]) {
    let (_, messages, _) = checked(parameters, body);
    assert_eq!(messages.len(), beginnings.len(), "{messages:#?}");
    for (message, beginning) in messages.iter().zip(beginnings) {
        assert!(message.starts_with(beginning), "{message}");
    }
}

#[track_caller]
fn accepted(parameters: &[(&str, &str)], body: &str) -> String {
    let (rest, messages, whole) = checked(parameters, body);
    assert_eq!(messages, <[String; 0]>::default(), "{body}");
    assert!(whole);
    rest
}

#[test]
fn what_is_outside_of_the_body_is_refused_wherever_it_is_named() {
    refused(
        &[],
        "let a = Instant::now().elapsed();
         let b = maybe.unwrap_or_else(Uuid::new_v4);
         if matches!(std::env::var(\"A\"), Ok(_)) {}
         let c = || async { File::open(path) };
         match d { _ if thread_rng().is_even() => format!(\"{}\", fastrand::u8(..)), _ => json!({ \"at\": Utc::now() }) }",
        &[
            "a replay would see another time",
            "a replay would draw something else",
            "a replay may find another environment",
            "what is read or changed here",
            "a replay would draw something else",
            "a replay would draw something else",
            "a replay would see another time",
        ],
    );
}

#[test]
fn a_wait_is_refused_once_and_its_await_not_again() {
    let (_, messages, whole) = checked(&[], "tokio::time::sleep(pause).await; Ok(())");
    assert!(matches!(&messages[..], [message] if message.starts_with("a restart forgets this wait")), "{messages:?}");
    assert!(!whole);
    assert!(checked(&[], "let at = Instant::now(); other().await").2);
}

#[test]
fn a_step_and_an_item_may_name_anything() {
    accepted(
        &[("map", "HashMap<String, u8>")],
        "#[once(at_least)] let a = call(Instant::now()).await?;
         #[once(at_least)] let Ok(a) = call(Instant::now()).await else { return };
         let b = #[once(at_least)] call(std::fs::read(path), map.iter(), mine!()).await?;
         #[once(at_most)] tokio::time::sleep(pause).await;
         fn nested() { Instant::now(); mine!() }
         const AT: Duration = mine!();",
    );
}

#[test]
fn a_key_and_an_else_belong_to_the_body() {
    refused(&[], "#[once(at_least, key = Uuid::new_v4())] call().await;", &["a replay would draw something else"]);
    refused(
        &[],
        "#[once(at_least)] let Ok(a) = call().await else { return Instant::now() };",
        &["a replay would see another time"],
    );
}

#[test]
fn the_order_of_an_unordered_parameter_is_not_used() {
    let parameters = [("map", "HashMap<String, u8>"), ("set", "std::collections::HashSet<u8>")];
    refused(
        &parameters,
        "for a in &map {}
         for a in set {}
         map.iter().count();
         (&mut map).drain();
         let sum: u8 = map.values().sum();
         { let map = 1; } map.keys();",
        &[
            "a `HashMap` has another order in each process, so a replay would go another way: make `map` a `BTreeMap`",
            "a `HashSet` has another order in each process, so a replay would go another way: make `set` a `BTreeSet`",
            "a `HashMap`",
            "a `HashMap`",
            "a `HashMap`",
            "a `HashMap`",
        ],
    );
    accepted(
        &parameters,
        "map.get(\"a\"); map.len(); set.contains(&1); other.iter();
         if let Some(map) = lists.first() { map.iter(); }
         for set in sets { set.iter(); }
         match maps { [map] => map.keys(), _ => none }
         lists.map(|map| map.iter());
         let map: BTreeMap<_, _> = sorted(map);
         map.iter();",
    );
    accepted(&[("map", "BTreeMap<String, u8>")], "for a in &map {} map.iter();");
}

#[test]
fn globals_that_change_are_refused_and_tables_are_not() {
    refused(
        &[],
        "COUNT.fetch_add(1, Relaxed); state::CACHE.lock(); (&LOCAL).with(|a| a); CELL.get_or_init(make);",
        &[
            "what `COUNT` holds may have changed",
            "what `state::CACHE` holds",
            "what `LOCAL` holds",
            "what `CELL` holds",
        ],
    );
    accepted(
        &[],
        "NOTES.insert(cx, [a]); NOTES.range(cx, .., 1); LIMIT.min(3); self_.lock(); Cache::default().lock();",
    );
}

#[test]
fn an_unknown_macro_is_refused_and_the_arguments_of_a_known_one_are_checked() {
    refused(&[], "mine!(a); let b = crate::yours!();", &["the framework does not know what `mine!` expands to", "the"]);
    accepted(&[], "macro_rules! waiting { () => { a().await } } waiting!();");
    refused(&[], "tracing::info!(at = ?Instant::now(), \"now\");", &["a replay would see another time"]);
    accepted(&[], "println!(\"{}\", a); vec![1; n]; tracing::info!(%a, \"b\"); anyhow::bail!(\"c\"); join!(a, b);");
}

#[test]
fn a_permission_switches_the_check_off_for_what_it_stands_on() {
    let rest = accepted(
        &[],
        "#[allow_nondeterminism] let a = Instant::now();
         #[durable_runtime::allow_nondeterminism] mine!(a);
         #[allow_nondeterminism] b = Instant::now();
         #[allow_nondeterminism] b += Instant::now().elapsed();
         let c = #[allow_nondeterminism] Instant::now().elapsed() + d;
         #[allow_nondeterminism] { mine!() }",
    );
    assert!(!rest.contains("[allow_nondeterminism"), "{rest}");
    refused(
        &[],
        "#[allow_nondeterminism] let a = Instant::now(); let b = Instant::now();",
        &["a replay would see another time"],
    );
}

#[test]
fn a_permission_where_nothing_is_checked_is_refused() {
    refused(&[], "#[allow_nondeterminism] #[once(at_least)] let a = call().await;", &[IN_STEP]);
    refused(&[], "#[allow_nondeterminism] #[once(at_least)] call().await;", &[IN_STEP]);
    refused(&[], "let a = #[once(at_least)] #[allow_nondeterminism] call().await;", &[IN_STEP]);
    refused(&[], "#[allow_nondeterminism] fn nested() { #[allow_nondeterminism] let a = 1; }", &[IN_ITEM, IN_ITEM]);
    refused(&[], "#[allow_nondeterminism] { #[allow_nondeterminism] let a = 1; }", &[AGAIN]);
    refused(&[], "#[allow_nondeterminism] #[allow_nondeterminism] a();", &[AGAIN]);
    refused(&[], "match a { #[allow_nondeterminism] _ => {} }", &[NO_PLACE]);
    refused(&[], "#[allow_nondeterminism(why = 1)] a();", &["`#[allow_nondeterminism]` takes no options"]);
    let mut diagnostics = Diagnostics::default();
    let mut block = syn::parse_str("{ #[allow_nondeterminism] a(); }").expect("a block");
    forbid_allowing(&mut block, &mut diagnostics);
    assert_eq!(diagnostics.messages(), [IN_READER]);
    let item = quote!(
        struct A;
    );
    assert!(misplaced(&item).to_string().contains("is only understood inside a function under"));
}

#[test]
fn a_permission_in_the_arguments_of_a_macro_is_taken_away() {
    let rest = accepted(
        &[],
        "let (a, b) = try_join!(
             async { #[allow_nondeterminism] let at = Instant::now(); #[once(at_least)] pay(cx).await },
             pay(cx, #[allow_nondeterminism] Instant::now()),
         )?;
         println!(\"{:?} {}\", #[allow_nondeterminism] Utc::now(), last = 1);",
    );
    assert!(!rest.contains("[allow_nondeterminism"), "{rest}");
    assert!(rest.contains("# [once (at_least)]"), "{rest}");
    refused(
        &[],
        "join!(async { #[allow_nondeterminism] #[once(at_least)] pay(cx).await });",
        &["nothing is checked in a step"],
    );
}

#[test]
fn globals_are_refused_where_they_are_read_or_changed() {
    let message = "what `COUNT` holds may have changed";
    for body in [
        "unsafe { COUNT += 1; }",
        "unsafe { COUNT.total[0] = 1; }",
        "let n = unsafe { COUNT };",
        "let n = &raw mut COUNT;",
        "COUNT.get();",
        "COUNT.set(1);",
        "COUNT.replace(1);",
        "COUNT.take();",
        "COUNT.with_borrow(|n| *n);",
    ] {
        refused(&[], body, &[message]);
    }
    for body in
        ["TABLE.get(1);", "NAMES.iter().take(1);", "NAME.replace(a, b);", "unsafe { call(LIMIT) };", "let n = LIMIT;"]
    {
        accepted(&[], body);
    }
}
