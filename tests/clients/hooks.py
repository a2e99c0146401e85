"""Values of the schema's own scalars for schemathesis: good ones and some that are not."""

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

TEXTS = {
    "Decimal": st.decimals(-(10**13), 10**13, places=6).map(str) | st.sampled_from(["1e3", "", "-0", "1_000", "0.0000001"]),
    "BigInt": st.integers(-(2**64), 2**64).map(str),
    "Currency": st.sampled_from(["EUR", "USD", "JPY", "eur", "XXX", ""]),
    "DateTime": st.datetimes().map(lambda time: time.isoformat() + "Z") | st.text(max_size=20),
}

for name, texts in TEXTS.items():
    schemathesis.graphql.scalar(name, texts.map(nodes.String))
schemathesis.graphql.scalar("JSON", st.integers().map(nodes.Int) | st.text().map(nodes.String) | st.booleans().map(nodes.Boolean))
