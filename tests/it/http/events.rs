//! The endpoint of programs: CloudEvents and lines of JSON.

use serde_json::{Value, json};

use crate::support::answer::answer;
use crate::support::api::Api;
use crate::support::db::on_sqlite;

const NDJSON: &str = "application/x-ndjson";
const ONE: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

on_sqlite!(a_line_that_is_no_json_is_invalid_by_its_number, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let good = r#"{"id":"e1","subject":"acme","type":"call"}"#;
    let sent = api.events("", NDJSON, format!("{good}\n\nnonsense\n[1]\n{{\"id\":\"e2\"}}\n")).await;
    answer!(sent, @r#"
    {
      body: {
        accepted: 1, duplicates: 0, invalid: 3
        receipts: [
          {
            differs: false, event: "evt_06dndml801o07ai17capb1614a5lph6vfrm7qcg", eventId: "e1", index: 0
            status: "ACCEPTED"
          }
          {
            differs: false, error: {code: "INVALID_INPUT", message: "Line 3 is not JSON, at column 2.", path: ["1"]}
            event: null, eventId: "", index: 1, status: "INVALID"
          }
          {
            differs: false, error: {code: "INVALID_INPUT", message: "Line 4 is not a JSON object.", path: ["2"]}
            event: null, eventId: "", index: 2, status: "INVALID"
          }
          {
            differs: false, error: {code: "INVALID_INPUT", message: "subject is missing.", path: ["3", "subject"]}
            event: null, eventId: "e2", index: 3, status: "INVALID"
          }
        ]
        refused: 0
      }
      status: 200
    }
    "#);
});

on_sqlite!(a_line_that_is_not_utf8_takes_no_other_with_it, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let good = |id: &str| format!("{{\"id\":\"{id}\",\"subject\":\"acme\",\"type\":\"call\"}}\r\n").into_bytes();
    let body = [b"\xef\xbb\xbf".to_vec(), good("e1"), b"\xff\n".to_vec(), good("e2")].concat();
    let sent = api.events("", NDJSON, body).await;
    answer!(sent, @r#"
    {
      body: {
        accepted: 2, duplicates: 0, invalid: 1
        receipts: [
          {
            differs: false, event: "evt_06dndml801o07ai17capb1614a5lph6vfrm7qcg", eventId: "e1", index: 0
            status: "ACCEPTED"
          }
          {
            differs: false, error: {code: "INVALID_INPUT", message: "Line 2 is not UTF-8.", path: ["1"]}, event: null
            eventId: "", index: 1, status: "INVALID"
          }
          {
            differs: false, event: "evt_06dndml801o07ai17capb1614am0u2e0v2vlsug", eventId: "e2", index: 2
            status: "ACCEPTED"
          }
        ]
        refused: 0
      }
      status: 200
    }
    "#);
});

on_sqlite!(an_event_that_cannot_be_read_says_what_is_wrong_with_it, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let events = [
        r#"["1.0","e1","call","acme",null,{},null]"#,
        r#"{"id":"e2","id":"e2","subject":"acme","type":"call"}"#,
        r#"{"id":"e3","subject":"acme","type":"call","data":{"n":1e400}}"#,
        "5",
    ];
    let batch = api.events("", BATCH, format!("[{}]", events.join(","))).await;
    let lines = api.events("", NDJSON, events.join("\n")).await;
    answer!(json!([batch, lines]), @r#"
    [
      {
        body: {
          accepted: 0, duplicates: 0, invalid: 4
          receipts: [
            {
              differs: false, error: {code: "INVALID_INPUT", message: "The event is not a JSON object.", path: ["0"]}
              event: null, eventId: "", index: 0, status: "INVALID"
            }
            {
              differs: false
              error: {code: "INVALID_INPUT", message: "The event cannot be read: duplicate field `id`.", path: ["1"]}
              event: null, eventId: "", index: 1, status: "INVALID"
            }
            {
              differs: false
              error: {
                code: "INVALID_INPUT", message: "data cannot be read: number out of range.", path: ["2", "data"]
              }
              event: null, eventId: "e3", index: 2, status: "INVALID"
            }
            {
              differs: false, error: {code: "INVALID_INPUT", message: "The event is not a JSON object.", path: ["3"]}
              event: null, eventId: "", index: 3, status: "INVALID"
            }
          ]
          refused: 0
        }
        status: 200
      }
      {
        body: {
          accepted: 0, duplicates: 0, invalid: 4
          receipts: [
            {
              differs: false, error: {code: "INVALID_INPUT", message: "Line 1 is not a JSON object.", path: ["0"]}
              event: null, eventId: "", index: 0, status: "INVALID"
            }
            {
              differs: false
              error: {code: "INVALID_INPUT", message: "Line 2 cannot be read: duplicate field `id`.", path: ["1"]}
              event: null, eventId: "", index: 1, status: "INVALID"
            }
            {
              differs: false
              error: {
                code: "INVALID_INPUT", message: "data cannot be read: number out of range.", path: ["2", "data"]
              }
              event: null, eventId: "e3", index: 2, status: "INVALID"
            }
            {
              differs: false, error: {code: "INVALID_INPUT", message: "Line 4 is not a JSON object.", path: ["3"]}
              event: null, eventId: "", index: 3, status: "INVALID"
            }
          ]
          refused: 0
        }
        status: 200
      }
    ]
    "#);
});

on_sqlite!(a_misspelt_parameter_is_a_bad_request, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let event = r#"{"id":"e1","subject":"acme","type":"call"}"#;
    let misspelt = api.events("?mod=enforce", ONE, event).await;
    let twice = api.events("?mode=enforce&mode=record", ONE, event).await;
    answer!(json!([misspelt, twice]), @r#"
    [
      {
        body: {error: {
          code: "BAD_USER_INPUT"
          message: "Failed to deserialize query string: mod: unknown field `mod`, expected `mode`", retryable: false
        }}
        status: 400
      }
      {
        body: {error: {
          code: "BAD_USER_INPUT", message: "Failed to deserialize query string: duplicate field `mode`"
          retryable: false
        }}
        status: 400
      }
    ]
    "#);
});

on_sqlite!(a_cloud_event_with_a_wrong_part_names_it, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let with = |part: &str, value: Value| {
        let mut event = json!({"specversion": "1.0", "id": "e", "subject": "acme", "type": "call"});
        event[part] = value;
        event
    };
    let events = json!([
        with("specversion", json!("0.3")),
        with("id", json!(1)),
        with("subject", json!("nobody")),
        with("subject", json!("a\u{0}")),
        with("type", Value::Null),
        with("time", json!("yesterday")),
        with("time", json!("2026-01-02T00:00:00Z")),
        with("data", json!("text")),
        with("data_base64", json!("aGk=")),
        7,
    ]);
    let sent = api.events("", BATCH, events.to_string()).await;
    answer!(sent, @r#"
    {
      body: {
        accepted: 0, duplicates: 0, invalid: 10
        receipts: [
          {
            differs: false
            error: {code: "INVALID_INPUT", message: "specversion is not \"1.0\".", path: ["0", "specversion"]}
            event: null, eventId: "e", index: 0, status: "INVALID"
          }
          {
            differs: false, error: {code: "INVALID_INPUT", message: "id is not a string.", path: ["1", "id"]}
            event: null, eventId: "", index: 1, status: "INVALID"
          }
          {
            differs: false
            error: {
              code: "NOT_FOUND", message: "There is no customer with the external id \"nobody\"."
              path: ["2", "subject"]
            }
            event: null, eventId: "e", index: 2, status: "INVALID"
          }
          {
            differs: false
            error: {
              code: "INVALID_INPUT", message: "externalId holds the character U+0000, or half of a surrogate pair."
              path: ["3", "subject"]
            }
            event: null, eventId: "e", index: 3, status: "INVALID"
          }
          {
            differs: false, error: {code: "INVALID_INPUT", message: "type is missing.", path: ["4", "type"]}
            event: null, eventId: "e", index: 4, status: "INVALID"
          }
          {
            differs: false
            error: {
              code: "INVALID_INPUT", message: "time is not an RFC 3339 time, such as \"2026-01-31T12:00:00Z\"."
              path: ["5", "time"]
            }
            event: null, eventId: "e", index: 5, status: "INVALID"
          }
          {
            differs: false
            error: {
              code: "INVALID_INPUT", message: "The timestamp is more than an hour ahead of the server's clock."
              path: ["6", "time"]
            }
            event: null, eventId: "e", index: 6, status: "INVALID"
          }
          {
            differs: false
            error: {
              code: "INVALID_INPUT", message: "The properties' value is not a JSON object.", path: ["7", "data"]
            }
            event: null, eventId: "e", index: 7, status: "INVALID"
          }
          {
            differs: false
            error: {
              code: "INVALID_INPUT", message: "data_base64 cannot be read; send the properties as data."
              path: ["8", "data_base64"]
            }
            event: null, eventId: "e", index: 8, status: "INVALID"
          }
          {
            differs: false, error: {code: "INVALID_INPUT", message: "The event is not a JSON object.", path: ["9"]}
            event: null, eventId: "", index: 9, status: "INVALID"
          }
        ]
        refused: 0
      }
      status: 200
    }
    "#);
});

on_sqlite!(a_body_that_is_not_what_its_type_says_is_a_bad_request, async |db| {
    let api = Api::on(db).await;
    let answers = json!([
        api.events("", ONE, "{").await,
        api.events("", BATCH, "{}").await,
        api.events("?mode=maybe", ONE, "{}").await,
    ]);
    answer!(answers, @r#"
    [
      {
        body: {error: {
          code: "BAD_USER_INPUT"
          message: "The body is not the JSON that its content type says: EOF while parsing an object at line 1 column 1."
          retryable: false
        }}
        status: 400
      }
      {
        body: {error: {
          code: "BAD_USER_INPUT"
          message: "The body is not the JSON that its content type says: invalid type: map, expected an array of events at line 1 column 0."
          retryable: false
        }}
        status: 400
      }
      {
        body: {error: {
          code: "BAD_USER_INPUT", message: "mode is \"maybe\"; write record or enforce.", retryable: false
        }}
        status: 400
      }
    ]
    "#);
});

on_sqlite!(a_body_of_another_type_is_not_supported, async |db| {
    let api = Api::on(db).await;
    let other = api.events("", "application/json", "{}").await;
    let latin = api.events("", "application/x-ndjson; charset=latin1", "{}").await;
    let zipped = api.encoded_events("gzip", NDJSON, "{}").await;
    let plain = api.encoded_events("identity", "application/x-ndjson; charset=UTF-8", "").await;
    let sent = json!([other, latin, zipped, plain]);
    answer!(sent, @r#"
    [
      {
        body: {error: {
          code: "BAD_USER_INPUT"
          message: "Send application/cloudevents+json, application/cloudevents-batch+json or application/x-ndjson."
          retryable: false
        }}
        status: 415
      }
      {body: {error: {code: "BAD_USER_INPUT", message: "Send the body in UTF-8.", retryable: false}}, status: 415}
      {
        body: {error: {
          code: "BAD_USER_INPUT", message: "Send the body as it is, without a Content-Encoding.", retryable: false
        }}
        status: 415
      }
      {body: {accepted: 0, duplicates: 0, invalid: 0, receipts: [], refused: 0}, status: 200}
    ]
    "#);
});

on_sqlite!(too_many_events_are_too_large, async |db| {
    let api = Api::on(db).await;
    let sent = api.events("", NDJSON, "{}\n".repeat(10_001)).await;
    answer!(sent, @r#"
    {
      body: {error: {
        code: "BAD_USER_INPUT", message: "There are more than 10000 events; send them in parts.", retryable: false
      }}
      status: 413
    }
    "#);
});

on_sqlite!(a_body_of_more_than_16_mib_is_too_large, async |db| {
    let api = Api::on(db).await;
    let sent = api.events("", NDJSON, " ".repeat(16 * 1024 * 1024 + 1)).await;
    answer!(sent, @r#"
    {
      body: {error: {
        code: "BAD_USER_INPUT", message: "The body is longer than 16 MiB; send it in parts.", retryable: false
      }}
      status: 413
    }
    "#);
});

on_sqlite!(events_come_in_as_one_cloud_event, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let event = json!({"specversion": "1.0", "source": "app", "id": "e1", "subject": "acme", "type": "tokens",
                       "time": "2025-12-31T12:00:00+01:00", "data": {"count": 2.5}});
    let sent = api.events("", "application/cloudevents+json; charset=utf-8", event.to_string()).await;
    answer!(sent, @r#"
    {
      body: {
        accepted: 1, duplicates: 0, invalid: 0
        receipts: [{
          differs: false, event: "evt_06dndml801o07ai17capb1614a5lph6vfrm7qcg", eventId: "e1", index: 0
          status: "ACCEPTED"
        }]
        refused: 0
      }
      status: 200
    }
    "#);
});

on_sqlite!(events_come_in_as_a_batch_of_cloud_events, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let event =
        |id, subject| json!({"specversion": "1.0", "source": "app", "id": id, "subject": subject, "type": "call"});
    let events = json!([event("e1", "acme"), event("e2", "nobody"), event("e1", "acme")]);
    let sent = api.events("", "application/cloudevents-batch+json", events.to_string()).await;
    answer!(sent, @r#"
    {
      body: {
        accepted: 1, duplicates: 1, invalid: 1
        receipts: [
          {
            differs: false, event: "evt_06dndml801o07ai17capb1614a5lph6vfrm7qcg", eventId: "e1", index: 0
            status: "ACCEPTED"
          }
          {
            differs: false
            error: {
              code: "NOT_FOUND", message: "There is no customer with the external id \"nobody\"."
              path: ["1", "subject"]
            }
            event: null, eventId: "e2", index: 1, status: "INVALID"
          }
          {
            differs: false, event: "evt_06dndml801o07ai17capb1614a5lph6vfrm7qcg", eventId: "e1", index: 2
            status: "DUPLICATE"
          }
        ]
        refused: 0
      }
      status: 200
    }
    "#);
});

on_sqlite!(events_come_in_as_lines_of_json, async |db| {
    let api = Api::on(db).await;
    api.acme("10").await;
    let lines = concat!(
        r#"{"id":"e1","subject":"acme","type":"call"}"#,
        "\n\n",
        r#"{"id":"e2","subject":"acme","type":"tokens","data":{"count":"20"}}"#,
        "\r\n",
        r#"{"id":"e3","subject":"acme","type":"tokens","data":{"count":9}}"#,
    );
    let sent = api.events("?mode=enforce", "application/x-ndjson", lines).await;
    answer!(sent, @r#"
    {
      body: {
        accepted: 2, duplicates: 0, invalid: 0
        receipts: [
          {
            differs: false, event: "evt_06dndml801o07ai17capb1614a5lph6vfrm7qcg", eventId: "e1", index: 0
            status: "ACCEPTED"
          }
          {
            differs: false
            error: {
              code: "INSUFFICIENT_CREDITS", message: "The event needs 20 credits and 9 are available.", path: ["1"]
            }
            event: null, eventId: "e2", index: 1, status: "REFUSED"
          }
          {
            differs: false, event: "evt_06dndml801o07ai17capb1614b7ffv0jke0o14o", eventId: "e3", index: 2
            status: "ACCEPTED"
          }
        ]
        refused: 1
      }
      status: 200
    }
    "#);
});
