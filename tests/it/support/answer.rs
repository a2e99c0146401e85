//! Answers as snapshots: a whole answer, as text that is short enough to be read.

use serde_json::Value;

/// How wide a line may be.
const WIDTH: usize = 116;

/// Compares a whole answer with an inline snapshot; on both databases it must be the same.
macro_rules! answer {
    ($value:expr, @$snapshot:literal) => {
        insta::allow_duplicates! {
            insta::assert_snapshot!($crate::support::answer::text(&$value), @$snapshot);
        }
    };
}
pub(crate) use answer;

/// A value with one line for what fits on one, and keys without quotes.
pub(crate) fn text(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value, 0);
    out
}

fn write(out: &mut String, value: &Value, depth: usize) {
    let short = line(value);
    if short.chars().count() + depth * 2 <= WIDTH {
        out.push_str(&short);
        return;
    }
    let indent = "  ".repeat(depth + 1);
    match value {
        Value::Object(fields) => {
            out.push('{');
            for (key, field) in fields {
                out.push_str(&format!("\n{indent}{key}: "));
                write(out, field, depth + 1);
            }
            out.push_str(&format!("\n{}}}", "  ".repeat(depth)));
        }
        Value::Array(items) => {
            out.push('[');
            for item in items {
                out.push_str(&format!("\n{indent}"));
                write(out, item, depth + 1);
            }
            out.push_str(&format!("\n{}]", "  ".repeat(depth)));
        }
        _ => out.push_str(&short),
    }
}

fn line(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let fields: Vec<String> = fields.iter().map(|(key, field)| format!("{key}: {}", line(field))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(line).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}
