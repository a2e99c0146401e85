//! The tables as Diesel knows them; what each column means is said in `migrations/postgres`.

#![expect(missing_docs, reason = "every table and column is described in the migrations")]

diesel::table! {
    use diesel::sql_types::{BigInt, SmallInt};

    catalog_version (id) {
        id -> SmallInt,
        version -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, Text};
    use crate::db::types::{Id, Micros};

    meters (id) {
        id -> Id,
        key -> Text,
        name -> Text,
        event_type -> Text,
        property -> Nullable<Text>,
        filter -> Text,
        created_at -> Micros,
        updated_at -> Micros,
        archived_at -> Nullable<Micros>,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    products (id) {
        id -> Id,
        key -> Text,
        kind -> SmallInt,
        name -> Text,
        description -> Nullable<Text>,
        metadata -> Text,
        created_at -> Micros,
        updated_at -> Micros,
        archived_at -> Nullable<Micros>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
    use crate::db::types::Id;

    credit_products (product_id) {
        product_id -> Id,
        unit_name -> Text,
        low_balance_threshold -> Nullable<BigInt>,
        overdraft_allowed -> Bool,
        overdraft_limit -> Nullable<BigInt>,
        expires_after_days -> Nullable<Integer>,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use crate::db::types::Id;

    consumption_rules (product_id, position) {
        product_id -> Id,
        position -> Integer,
        meter_id -> Id,
        credits_per_unit -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Integer, Nullable, Text};
    use crate::db::types::{Id, Micros};

    purchase_options (id) {
        id -> Id,
        product_id -> Id,
        name -> Text,
        credits -> BigInt,
        price_minor -> BigInt,
        currency -> Text,
        show_in_portal -> Bool,
        position -> Integer,
        per_customer -> Nullable<Integer>,
        created_at -> Micros,
        archived_at -> Nullable<Micros>,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use crate::db::types::{Id, Micros};

    customers (id) {
        id -> Id,
        external_id -> Nullable<Text>,
        name -> Text,
        email -> Nullable<Text>,
        currency -> Nullable<Text>,
        metadata -> Text,
        last_balance -> Integer,
        created_at -> Micros,
        updated_at -> Micros,
        archived_at -> Nullable<Micros>,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Text};
    use crate::db::types::{Id, Micros};

    creation_keys (key) {
        key -> Text,
        input_hash -> Binary,
        made -> Id,
        created_at -> Micros,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::db::types::Id;

    customer_words (customer_id, word) {
        customer_id -> Id,
        word -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::Text;
    use crate::db::types::Id;

    customer_external_ids (external_id) {
        external_id -> Text,
        customer_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Bool, Integer, Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    balances (customer_id, number) {
        customer_id -> Id,
        number -> Integer,
        product_id -> Id,
        name -> Nullable<Text>,
        low_balance_threshold -> Nullable<BigInt>,
        overdraft_allowed -> Nullable<Bool>,
        overdraft_limit -> Nullable<BigInt>,
        revision -> BigInt,
        sequence -> BigInt,
        settled -> BigInt,
        held -> BigInt,
        debt -> BigInt,
        state -> SmallInt,
        lots -> Text,
        holds -> Text,
        hash -> Binary,
        recorded_at -> Micros,
        next_change_at -> Micros,
        created_at -> Micros,
        updated_at -> Micros,
        closed_at -> Nullable<Micros>,
        plan -> Nullable<Text>,
        renews_at -> Nullable<Micros>,
        buying -> Nullable<Text>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Bool, Integer, Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    lots (customer_id, balance, sequence) {
        customer_id -> Id,
        balance -> Integer,
        sequence -> BigInt,
        source -> SmallInt,
        credits -> BigInt,
        priority -> SmallInt,
        effective_at -> Micros,
        expires_at -> Micros,
        paid -> Bool,
        cost_minor -> Nullable<BigInt>,
        cost_currency -> Nullable<Text>,
        reason -> Nullable<Text>,
        metadata -> Nullable<Text>,
        ended -> Nullable<SmallInt>,
        created_at -> Micros,
        subscription -> Nullable<Integer>,
        purchase -> Nullable<Integer>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    holds (customer_id, balance, sequence) {
        customer_id -> Id,
        balance -> Integer,
        sequence -> BigInt,
        credits -> BigInt,
        captured -> BigInt,
        expires_at -> Micros,
        state -> SmallInt,
        reason -> Nullable<Text>,
        metadata -> Nullable<Text>,
        created_at -> Micros,
        ended_at -> Nullable<Micros>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Text};
    use crate::db::types::{Id, Micros};

    checkpoints (customer_id, balance, recorded_at, sequence) {
        customer_id -> Id,
        balance -> Integer,
        recorded_at -> Micros,
        sequence -> BigInt,
        lots -> Text,
        holds -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    entries (customer_id, balance, sequence) {
        customer_id -> Id,
        balance -> Integer,
        sequence -> BigInt,
        kind -> SmallInt,
        credits -> BigInt,
        held_change -> BigInt,
        uncovered -> BigInt,
        available_after -> BigInt,
        settled_after -> BigInt,
        held_after -> BigInt,
        state_after -> SmallInt,
        state_before -> Nullable<SmallInt>,
        allocations -> Text,
        rating -> Nullable<Text>,
        origin -> SmallInt,
        event -> Nullable<BigInt>,
        lot -> Nullable<BigInt>,
        terms -> Nullable<Text>,
        hold -> Nullable<BigInt>,
        reverses -> Nullable<BigInt>,
        reason -> Nullable<Text>,
        metadata -> Nullable<Text>,
        idempotency_key -> Nullable<Text>,
        occurred_at -> Micros,
        recorded_at -> Micros,
        hash -> Binary,
        subscription -> Nullable<Integer>,
        purchase -> Nullable<Integer>,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer};
    use crate::db::types::Id;

    reversals (customer_id, balance, entry, sequence) {
        customer_id -> Id,
        balance -> Integer,
        entry -> BigInt,
        sequence -> BigInt,
        credits -> BigInt,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Text};
    use crate::db::types::{Id, Micros};

    events (customer_id, key) {
        customer_id -> Id,
        key -> BigInt,
        event_id -> Text,
        event_type -> Text,
        occurred_at -> Micros,
        received_at -> Micros,
        properties -> Text,
        outcomes -> Text,
        entries -> Text,
        content_hash -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::Text;

    event_types (event_type) {
        event_type -> Text,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Binary, Integer, Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    idempotency_keys (customer_id, scope, key) {
        customer_id -> Id,
        scope -> SmallInt,
        key -> Text,
        input_hash -> Binary,
        balance -> Integer,
        sequence -> BigInt,
        created_at -> Micros,
        subscription -> Nullable<Integer>,
        purchase -> Nullable<Integer>,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use crate::db::types::Id;

    product_prices (product_id, position) {
        product_id -> Id,
        position -> Integer,
        currency -> Text,
        amount -> Text,
    }
}

diesel::table! {
    use crate::db::types::Id;

    usage_products (product_id) {
        product_id -> Id,
        meter_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Nullable, Text};
    use crate::db::types::{Id, Micros};

    plans (id) {
        id -> Id,
        key -> Text,
        name -> Text,
        description -> Nullable<Text>,
        latest_version -> Integer,
        created_at -> Micros,
        archived_at -> Nullable<Micros>,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    plan_versions (id) {
        id -> Id,
        plan_id -> Id,
        version -> Integer,
        period -> SmallInt,
        currency -> Text,
        published_at -> Micros,
    }
}

diesel::table! {
    use diesel::sql_types::{Integer, Text};
    use crate::db::types::Id;

    plan_items (version_id, position) {
        version_id -> Id,
        position -> Integer,
        product_id -> Id,
        options -> Text,
    }
}

diesel::table! {
    use crate::db::types::Id;

    plan_meters (version_id, meter_id) {
        version_id -> Id,
        meter_id -> Id,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, Text};
    use crate::db::types::{Id, Micros};

    subscriptions (customer_id, number) {
        customer_id -> Id,
        number -> Integer,
        revision -> BigInt,
        plan_id -> Id,
        next_plan_id -> Nullable<Id>,
        next_at -> Nullable<Micros>,
        starts_at -> Micros,
        ends_at -> Micros,
        period -> Nullable<Integer>,
        period_start -> Nullable<Micros>,
        terms -> Text,
        due_at -> Micros,
        metadata -> Text,
        created_at -> Micros,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, Text};
    use crate::db::types::{Id, Micros};

    charges (customer_id, subscription, period, item) {
        customer_id -> Id,
        subscription -> Integer,
        period -> Integer,
        item -> Integer,
        product_id -> Id,
        period_start -> Micros,
        period_end -> Micros,
        description -> Text,
        quantity -> Nullable<Text>,
        amount_minor -> Nullable<BigInt>,
        currency -> Text,
        meter_id -> Nullable<Id>,
        unit_price -> Nullable<Text>,
        included -> Nullable<Text>,
        created_at -> Micros,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    api_keys (id) {
        id -> Id,
        name -> Text,
        scopes -> SmallInt,
        secret_hash -> Binary,
        hint -> Text,
        created_at -> Micros,
        last_used_at -> Nullable<Micros>,
        expires_at -> Nullable<Micros>,
        revoked_at -> Nullable<Micros>,
    }
}

diesel::table! {
    use diesel::sql_types::{Binary, Text};

    server_secrets (name) {
        name -> Text,
        value -> Binary,
    }
}

diesel::table! {
    use diesel::sql_types::{BigInt, Integer, Nullable, SmallInt, Text};
    use crate::db::types::{Id, Micros};

    purchases (customer_id, balance, number) {
        customer_id -> Id,
        balance -> Integer,
        number -> Integer,
        revision -> BigInt,
        option_id -> Id,
        quantity -> Integer,
        credits -> BigInt,
        price_minor -> BigInt,
        currency -> Text,
        status -> SmallInt,
        origin -> SmallInt,
        provider -> SmallInt,
        pays_by -> Nullable<Text>,
        page -> Nullable<Text>,
        payment_url -> Nullable<Text>,
        reference -> Nullable<Text>,
        payment -> Nullable<Text>,
        failure -> Nullable<Text>,
        lot -> Nullable<BigInt>,
        refunded_minor -> BigInt,
        created_at -> Micros,
        paid_at -> Nullable<Micros>,
        ended_at -> Nullable<Micros>,
        looks_at -> Micros,
        tries -> Integer,
    }
}

diesel::table! {
    use diesel::sql_types::{Nullable, SmallInt, Text};
    use crate::db::types::Id;

    payment_methods (customer_id, provider) {
        customer_id -> Id,
        provider -> SmallInt,
        customer -> Text,
        method -> Nullable<Text>,
    }
}

diesel::table! {
    use crate::db::types::{Id, Micros};

    portal_endings (customer_id) {
        customer_id -> Id,
        ended_at -> Micros,
    }
}

diesel::allow_tables_to_appear_in_same_query!(
    catalog_version,
    meters,
    products,
    credit_products,
    consumption_rules,
    purchase_options,
    customers,
    customer_external_ids,
    customer_words,
    balances,
    lots,
    holds,
    checkpoints,
    entries,
    reversals,
    events,
    event_types,
    idempotency_keys,
    product_prices,
    usage_products,
    plans,
    plan_versions,
    plan_items,
    plan_meters,
    subscriptions,
    charges,
    api_keys,
    server_secrets,
    portal_endings,
    purchases,
    payment_methods,
);
