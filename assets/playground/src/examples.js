// The tabs that a first visit opens, in the order of the walk, and the group of each. A tab is one operation, titled by its
// name; check.mjs holds each against the schema. They work on the demo data as they stand, except where a comment asks for an id.

export const examples = [
  {
    group: 'Basics',
    query: `# Welcome to Scrip, the server for
# prepaid credits.
#
# Run this with the pink button, or
# with Ctrl-Enter (Cmd-Enter on a
# Mac). The tabs above are a walk
# through the API, from left to
# right. The book on the left opens
# the documentation; Ctrl-Space
# completes.

query Welcome {
  customers(first: 5) {
    nodes {
      name
      externalId
      creditBalances {
        id
        name
        available
        state
        lowBalanceThreshold
        product {
          unitName
        }
      }
    }
  }
}
`,
  },
  {
    group: 'Basics',
    query: `# Every change of a customer's
# balances, live: each one once and
# in order. It runs until you press
# the button again or leave this
# tab, so open a second window to
# run SendUsage while you watch
# here.
#
# One message comes without an
# entry: it says that you are up to
# date.

subscription WatchLive {
  customerBalanceChanges(customer: { externalId: "acme" }) {
    cursor
    entry {
      kind
      credits
      availableAfter
      balance {
        name
      }
      rating {
        meter {
          name
        }
        quantity
        creditsPerUnit
      }
    }
  }
}
`,
  },
  {
    group: 'Basics',
    query: `# A meter turns usage events into a
# quantity. This one adds up the
# property "seconds" of
# "audio.transcribed" events, of
# those in studio quality alone.
#
# Keys are unique: a second run
# answers ALREADY_EXISTS, with the
# id of the first.

mutation CreateMeter {
  createMeter(
    input: {
      key: "studio_seconds"
      name: "Studio transcription"
      eventType: "audio.transcribed"
      aggregation: SUM
      property: "seconds"
      filter: [{ all: [{ name: "quality", operator: EQ, values: ["studio"] }] }]
    }
  ) {
    meter {
      id
      key
    }
    errors {
      code
      message
      path
      ... on AlreadyExists {
        existing {
          id
        }
      }
    }
  }
}
`,
  },
  {
    group: 'Basics',
    query: `# A credit product says what a
# credit is and which usage burns
# it: here, 0.05 credits for each
# second. Amounts are strings, so
# that no digit is ever lost.
#
# Put the meter's id, from
# CreateMeter, into the variables
# below.

mutation CreateCreditProduct($meterId: ID!) {
  createCreditProduct(
    input: {
      key: "audio_credits"
      name: "Audio credits"
      unitName: "credit"
      consumption: [{ meterId: $meterId, creditsPerUnit: "0.05" }]
      lowBalanceThreshold: "100"
      overdraft: { policy: DENY }
      expiration: { policy: AFTER_DAYS, days: 365 }
    }
  ) {
    product {
      id
      key
    }
    errors {
      code
      message
      path
      ... on AlreadyExists {
        existing {
          id
        }
      }
    }
  }
}
`,
    variables: { meterId: '<id from CreateMeter>' },
  },
  {
    group: 'Basics',
    query: `# A customer. With your own id as
# externalId you need not keep ours:
# wherever a customer is asked for,
# { externalId: "…" } will do.

mutation CreateCustomer {
  createCustomer(
    input: {
      externalId: "lumen-studio"
      name: "Lumen Studio"
      email: "billing@lumen-studio.example"
      currency: "EUR"
    }
  ) {
    customer {
      id
      externalId
      name
    }
    errors {
      code
      message
      path
      ... on AlreadyExists {
        existing {
          id
        }
      }
    }
  }
}
`,
  },
  {
    group: 'Basics',
    query: `# Opens a balance, this customer's
# credits of one product, with 1,000
# to start. There is at most one
# open balance of a product and a
# customer.
#
# Put the product's id, from
# CreateCreditProduct, into the
# variables below.

mutation AddCreditBalance($productId: ID!) {
  createCreditBalance(
    input: {
      customer: { externalId: "lumen-studio" }
      productId: $productId
      startingBalance: "1000"
    }
  ) {
    balance {
      id
      name
      available
      state
    }
    entry {
      kind
      credits
      availableAfter
    }
    errors {
      code
      message
      path
      ... on AlreadyExists {
        existing {
          id
        }
      }
    }
  }
}
`,
    variables: { productId: '<id from CreateCreditProduct>' },
  },
  {
    group: 'Basics',
    query: `# Usage comes in as events; meters
# and products decide what they
# burn.
#
# The event's id is yours. Run this
# twice: the second receipt says
# DUPLICATE and burns nothing, so
# that a retry is always safe.
# Change the id to send another.

mutation SendUsage($events: [EventInput!]!) {
  ingestEvents(input: { events: $events }) {
    accepted
    duplicates
    receipts {
      eventId
      status
      event {
        entries {
          credits
          availableAfter
        }
      }
      error {
        code
        message
        path
      }
    }
    balances {
      name
      available
      state
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: {
      events: [
        {
          id: 'playground-1',
          customer: { externalId: 'acme' },
          type: 'llm.tokens',
          properties: { model: 'nova-pro', tokens: 1200 },
        },
      ],
    },
  },
  {
    group: 'Basics',
    query: `# Why did that event burn what it
# burned? Each rule explains itself,
# those that did not match too, and
# the allocations name the grants that
# the credits came from.
#
# Run SendUsage first: before it,
# event is null.

query WhyDidItBurn {
  customer(by: { externalId: "acme" }) {
    event(eventId: "playground-1") {
      properties
      outcomes {
        meter {
          name
        }
        outcome
        quantity
        creditsPerUnit
        credits
        explanation
      }
      entries {
        sequence
        credits
        uncovered
        balance {
          name
        }
        allocations {
          credits
          grant {
            source
            remaining
            expiresAt
          }
        }
      }
    }
  }
}
`,
  },
  {
    group: 'Basics',
    query: `# Adds credits, as a grant of their
# own; expiresAt and priority could
# say when it ends and what burns
# first. Put a balance's id, from
# Welcome, into the variables.
#
# Run it twice: the idempotency key
# is the same, so the second run
# adds nothing and answers with the
# first entry again, as replayed. A
# new key adds once more.

mutation TopUp($balanceId: ID!) {
  topUpCredits(
    input: {
      balanceId: $balanceId
      credits: "500"
      reason: "With our thanks"
      idempotencyKey: "playground-top-up-1"
    }
  ) {
    replayed
    balance {
      available
      state
    }
    entry {
      sequence
      credits
      availableAfter
      grant {
        id
        remaining
      }
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: { balanceId: '<id of a balance, from Welcome>' },
  },
  {
    group: 'Basics',
    query: `# What would these events burn? The
# answer comes from the code that
# records events, and nothing is
# done: run it as often as you like.

query PreviewUsage {
  previewEvents(
    events: [
      {
        id: "film"
        customer: { externalId: "acme" }
        type: "llm.tokens"
        properties: { model: "nova-pro", tokens: 9000 }
      }
    ]
  ) {
    status
    outcomes {
      outcome
      explanation
    }
    entries {
      credits
      uncovered
      availableAfter
      allocations {
        credits
        grant {
          source
        }
      }
    }
    error {
      code
      message
    }
  }
}
`,
  },
  {
    group: 'Basics',
    query: `# The last entries of a balance,
# newest first. An entry is never
# changed or deleted: what went
# wrong is put right by another
# entry.

query Ledger {
  customer(by: { externalId: "acme" }) {
    creditBalance(product: { key: "ai_credits" }) {
      name
      available
      settled
      held
      entries(first: 5) {
        nodes {
          sequence
          kind
          credits
          availableAfter
          reason
          occurredAt
          rating {
            meter {
              name
            }
            quantity
            creditsPerUnit
          }
          allocations {
            credits
            grant {
              source
              remaining
            }
          }
        }
      }
    }
  }
}
`,
  },
  {
    group: 'Plans',
    query: `# What is sold: plans put credits,
# flat fees, seats and usage
# together, for a period. Versions
# never change once published.

query Plans {
  plans {
    nodes {
      id
      key
      latestVersion {
        version
        interval
        currency
        items {
          product {
            id
            key
            kind
          }
          overrides
          options {
            ... on CreditOptions {
              includedCredits
              rolloverLimit
              lowBalanceThreshold
            }
            ... on FlatFeeOptions {
              price {
                amount
              }
            }
            ... on SeatOptions {
              price {
                amount
              }
              quantity
            }
            ... on UsageOptions {
              unitPrice {
                amount
              }
              includedUnits
            }
          }
        }
      }
    }
  }
}
`,
  },
  {
    group: 'Plans',
    query: `# Who subscribes, and what this
# customer has of its own: options
# are in force, planOptions what its
# plan says, overrides the names of
# what differs, and charges what its
# periods cost.

query Subscriptions {
  planSubscriptions(first: 3) {
    nodes {
      status
      customer {
        name
      }
      pendingPlanVersion {
        plan {
          name
        }
      }
      cancelAt
    }
  }
  customer(by: { externalId: "hooli" }) {
    subscriptions(status: [ACTIVE]) {
      nodes {
        id
        currentPeriod {
          index
          start
          end
        }
        items {
          product {
            id
            name
          }
          overrides
          options {
            ...Credits
          }
          planOptions {
            ...Credits
          }
          nextOptions {
            ...Credits
          }
          balance {
            available
            nextChangeAt
          }
        }
        charges(last: 5) {
          nodes {
            description
            amount {
              amount
              currency
            }
            period {
              index
            }
          }
        }
      }
    }
  }
}

fragment Credits on CreditOptions {
  includedCredits
  rolloverLimit
  lowBalanceThreshold
}
`,
  },
  {
    group: 'Plans',
    query: `# Gives this subscription options of
# its own. The threshold holds at
# once, the included credits from
# the next period on: nextOptions
# shows them. null inherits from the
# plan again, what is left out
# stays.
#
# Put the ids of the subscription
# and of its credits, from
# Subscriptions, into the variables
# below.

mutation Override($subscriptionId: ID!, $creditsId: ID!) {
  overrideSubscriptionItem(
    input: {
      subscriptionId: $subscriptionId
      productId: $creditsId
      options: { credit: { includedCredits: "9000", lowBalanceThreshold: "800" } }
    }
  ) {
    subscription {
      items {
        overrides
        options {
          ... on CreditOptions {
            includedCredits
            lowBalanceThreshold
          }
        }
        nextOptions {
          ... on CreditOptions {
            includedCredits
          }
        }
      }
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: {
      subscriptionId: '<id from Subscriptions>',
      creditsId: '<id of its credits>',
    },
  },
  {
    group: 'Holds',
    query: `# Sets credits aside before long
# work begins: nothing else can
# spend them, and they are there
# when the work is done. Put a
# balance's id, from Welcome, into
# the variables.
#
# Run it twice: the key is the same,
# so the second run sets nothing
# aside and answers the first hold.

mutation HoldCredits($balanceId: ID!) {
  holdCredits(
    input: {
      balanceId: $balanceId
      credits: "20"
      ttlSeconds: 900
      reason: "A long job"
      idempotencyKey: "playground-job-1"
    }
  ) {
    replayed
    hold {
      id
      state
      credits
      expiresAt
    }
    balance {
      available
      held
    }
    errors {
      code
      message
      path
      ... on InsufficientCredits {
        available
        shortfall
      }
    }
  }
}
`,
    variables: { balanceId: '<id of a balance, from Welcome>' },
  },
  {
    group: 'Holds',
    query: `# The work is done: burns what it
# came to, and the rest is free
# again. Put the hold's id, from
# HoldCredits, into the variables.
#
# A hold that nobody captures or
# releases lapses by itself.

mutation CaptureHold($holdId: ID!) {
  captureHold(
    input: {
      holdId: $holdId
      credits: "12.5"
      idempotencyKey: "playground-job-1-done"
    }
  ) {
    replayed
    hold {
      state
      captured
    }
    entry {
      id
      kind
      credits
      heldChange
    }
    balance {
      available
      held
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: { holdId: '<id from HoldCredits>' },
  },
  {
    group: 'Correcting',
    query: `# Deducts credits by hand, for what
# no event tells of. The customer
# sees the reason. Put a balance's
# id, from Welcome, into the
# variables.
#
# The same idempotency key never
# deducts twice. Ask for more than
# there is, and the error says how
# much is missing.

mutation Retain($balanceId: ID!) {
  retainCredits(
    input: {
      balanceId: $balanceId
      credits: "25"
      reason: "Import of your archive"
      idempotencyKey: "playground-retain-1"
    }
  ) {
    replayed
    balance {
      available
      state
    }
    entry {
      sequence
      credits
      availableAfter
    }
    errors {
      code
      message
      path
      ... on InsufficientCredits {
        available
        required
        shortfall
      }
    }
  }
}
`,
    variables: { balanceId: '<id of a balance, from Welcome>' },
  },
  {
    group: 'Correcting',
    query: `# Takes back what was burned in
# error, wholly or in part, by an
# entry of its own. Put the entry's
# id, from CaptureHold, into the
# variables.

mutation TakeBack($entryId: ID!) {
  reverseEntry(
    input: {
      entryId: $entryId
      credits: "2.5"
      reason: "The job was shorter"
      idempotencyKey: "playground-back-1"
    }
  ) {
    replayed
    entry {
      kind
      credits
      reverses {
        kind
        credits
      }
    }
    balance {
      available
      holds(first: 3) {
        nodes {
          state
          reason
          credits
          captured
        }
      }
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: { entryId: '<id from CaptureHold>' },
  },
  {
    group: 'Buying',
    query: `# What a customer may buy: the
# options of the balance's plan or
# product, in its own currency. Tyrell
# has a balance that buys by itself.

query Shop {
  customer(by: { externalId: "tyrell" }) {
    creditBalances {
      id
      available
      purchaseOptions {
        id
        name
        credits
        price {
          amount
          currency
        }
        pricePerCredit
      }
      autoTopUp {
        threshold
        target
        dailyLimit
        option {
          name
        }
        status
        blockedReason
      }
    }
    purchases(first: 5) {
      nodes {
        id
        status
        origin
        credits
        price {
          amount
        }
        paidAt
      }
    }
  }
}
`,
  },
  {
    group: 'Buying',
    query: `# Buys two packs. Nothing is there
# until the money is: the purchase is
# PENDING. With Stripe set up,
# paymentUrl is the page to pay on.
# Run again, it answers the same
# purchase; for another one, change
# the key.
#
# Put ids from Shop, of the same
# customer, into the variables below.

mutation BuyCredits($balanceId: ID!, $optionId: ID!) {
  purchaseCredits(
    input: {
      balanceId: $balanceId
      optionId: $optionId
      quantity: 2
      idempotencyKey: "playground-purchase-1"
    }
  ) {
    replayed
    purchase {
      id
      status
      credits
      price {
        amount
        currency
      }
      provider
      paymentUrl
      failureReason
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: { balanceId: '<id of a balance, from Shop>', optionId: '<id of an option, from Shop>' },
  },
  {
    group: 'Buying',
    query: `# The money has come: the credits
# are there, once, however often this
# runs. (Where Stripe takes it, this
# is refused: Stripe says so itself.)
#
# Put the purchase's id, from
# BuyCredits, into the variables
# below.

mutation MarkPaid($purchaseId: ID!) {
  markPurchasePaid(input: { purchaseId: $purchaseId, reference: "INV-2026-0042" }) {
    replayed
    purchase {
      status
      paidAt
      grant {
        remaining
        expiresAt
        cost {
          amount
        }
      }
    }
    balance {
      available
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: { purchaseId: '<id from BuyCredits>' },
  },
  {
    group: 'Buying',
    query: `# Takes back what is left of those
# credits, and returns the money for
# that share; without Stripe, you do.
#
# Put the purchase's id, from
# BuyCredits, into the variables
# below, once it is paid.

mutation Refund($purchaseId: ID!) {
  refundPurchase(input: { purchaseId: $purchaseId, reason: "Not needed after all" }) {
    replayed
    purchase {
      status
      refunded {
        amount
        currency
      }
    }
    balance {
      available
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: { purchaseId: '<id from BuyCredits>' },
  },
  {
    group: 'Buying',
    query: `# Buys by itself from now on: when
# 200 credits or fewer are available,
# as many packs as it takes to get to
# 1000, at most twice in 24 hours. It
# takes the place of what was set
# before; a threshold of "5000" and a
# target of "6000" buy at once, and
# enabled: false ends it. The ids are
# in the answer of Shop.

mutation BuyByItself($balanceId: ID!, $optionId: ID!) {
  setAutoTopUp(
    input: {
      balanceId: $balanceId
      enabled: true
      threshold: "200"
      optionId: $optionId
      target: "1000"
      dailyLimit: 2
    }
  ) {
    balance {
      available
      autoTopUp {
        status
        blockedReason
      }
    }
    errors {
      code
      message
      path
    }
  }
}
`,
    variables: { balanceId: '<id of a balance, from Shop>', optionId: '<id of an option, from Shop>' },
  },
  {
    group: 'Operating',
    query: `# Do the books agree? Scrip adds all
# entries up again, and checks the
# grants, the holds, the balances and
# the chain of hashes against them.
#
# An endCursor says that there are
# more: pass it as after. Without
# one, that was all.

query Books {
  ledgerHealth(first: 100) {
    healthy
    balancesChecked
    entriesChecked
    problems {
      balance {
        id
      }
      sequence
      rule
      detail
    }
    endCursor
  }
}
`,
  },
];
