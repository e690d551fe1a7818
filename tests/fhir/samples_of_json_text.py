"""Bodies that are not JSON as FHIR takes it (RFC 8259; FHIR R4, json.html)."""

from tests.fhir.sample import InvalidSample, broken


def _nested(levels: int) -> bytes:
    inner = b'"valueBoolean":true'
    for _ in range(levels):
        inner = b'"extension":[{"url":"x",' + inner + b"}]"
    return b'{"resourceType":"Basic","code":{"text":"x"},' + inner + b"}"


def _text(rule: str, body: bytes) -> InvalidSample:
    return broken(rule, body, "structure invalid", "")


JSON_TEXT = [
    _text("json-empty-body", b""),
    _text("json-only-whitespace", b" \n"),
    _text("json-truncated", b'{"resourceType":"Patient"'),
    _text("json-trailing-comma-in-object", b'{"resourceType":"Patient",}'),
    _text("json-trailing-comma-in-array", b'{"resourceType":"Patient","name":[{"family":"A"},]}'),
    _text("json-text-after-the-value", b'{"resourceType":"Patient"} {}'),
    _text("json-single-quotes", b"{'resourceType':'Patient'}"),
    _text("json-comment", b'{"resourceType":"Patient" /* no */}'),
    _text("json-unquoted-name", b'{resourceType:"Patient"}'),
    _text("json-nan", b'{"resourceType":"Observation","valueQuantity":{"value":NaN}}'),
    _text("json-infinity", b'{"resourceType":"Observation","valueQuantity":{"value":-Infinity}}'),
    _text("json-leading-zero", b'{"resourceType":"Observation","valueQuantity":{"value":01}}'),
    _text("json-leading-plus", b'{"resourceType":"Observation","valueQuantity":{"value":+1}}'),
    _text("json-bare-fraction", b'{"resourceType":"Observation","valueQuantity":{"value":.5}}'),
    _text("json-point-without-digits", b'{"resourceType":"Observation","valueQuantity":{"value":1.}}'),
    _text("json-python-literal", b'{"resourceType":"Patient","active":True}'),
    _text("json-duplicate-key-at-root", b'{"resourceType":"Patient","gender":"male","gender":"female"}'),
    _text("json-duplicate-key-nested", b'{"resourceType":"Patient","name":[{"family":"A","family":"B"}]}'),
    _text("json-duplicate-key-by-escape", b'{"resourceType":"Patient","id":"a","\\u0069d":"b"}'),
    _text("json-nul-escape", b'{"resourceType":"Patient","name":[{"family":"A\\u0000B"}]}'),
    _text("json-nul-escape-in-a-key", b'{"resourceType":"Patient","a\\u0000b":"c"}'),
    _text("json-nul-byte", b'{"resourceType":"Patient","name":[{"family":"A\x00B"}]}'),
    _text("json-raw-newline-in-string", b'{"resourceType":"Patient","name":[{"family":"A\nB"}]}'),
    _text("json-unknown-escape", b'{"resourceType":"Patient","name":[{"family":"\\x41"}]}'),
    _text("json-short-unicode-escape", b'{"resourceType":"Patient","name":[{"family":"\\u12"}]}'),
    _text("json-lone-high-surrogate", b'{"resourceType":"Patient","name":[{"family":"\\ud83d"}]}'),
    _text("json-lone-low-surrogate", b'{"resourceType":"Patient","name":[{"family":"\\ude00"}]}'),
    _text("json-swapped-surrogates", b'{"resourceType":"Patient","name":[{"family":"\\ude00\\ud83d"}]}'),
    _text("json-invalid-utf8-byte", b'{"resourceType":"Patient","name":[{"family":"\xff"}]}'),
    _text("json-overlong-utf8", b'{"resourceType":"Patient","name":[{"family":"\xc0\xaf"}]}'),
    _text("json-surrogate-as-utf8", b'{"resourceType":"Patient","name":[{"family":"\xed\xa0\x80"}]}'),
    _text("json-truncated-utf8", b'{"resourceType":"Patient","name":[{"family":"\xe2\x82"}]}'),
    _text("json-latin-1", '{"resourceType":"Patient","name":[{"family":"Núñez"}]}'.encode("latin-1")),
    _text("json-utf-16", '{"resourceType":"Patient"}'.encode("utf-16")),
    _text("json-deeper-than-100", _nested(60)),
    _text("json-arrays-deeper-than-100", b'{"resourceType":"Patient","name":' + b"[" * 120 + b"]" * 120 + b"}"),
]
